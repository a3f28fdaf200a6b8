//! An archive of a few maps: rows with the commits from and until which they hold, nothing else.

use c2b_mailbox::{Address, Fidelity, FolderId, Format, ItemId, ItemMeta};
use c2b_mountfs::archive::{Archive, Blob, Fault, Rows};
use c2b_storagefmt::{CommitSeq, ContentId, FolderKey, FolderRow, ItemKey, ItemRow, MailboxCounts, MailboxKey, MailboxRow, Point, StorageInfo, Touched};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Arc, Mutex, MutexGuard};

/// The one mailbox of the archive.
pub(crate) const MAILBOX: MailboxKey = MailboxKey(1);

/// Its address.
pub(crate) const ADDRESS: &str = "alice@example.org";

/// The archive; clones share it.
#[derive(Clone)]
pub(crate) struct Fake {
    info: StorageInfo,
    state: Arc<Mutex<State>>,
}

/// What it holds.
#[derive(Default)]
pub(crate) struct State {
    commits: Vec<DateTime<Utc>>,
    folders: Vec<FolderRow>,
    items: Vec<(ItemRow, Vec<u8>)>,
    points: Vec<Point>,
    touched: Vec<Touched>,
    keys: u64,
}

/// Bytes in memory.
struct Bytes(Vec<u8>);

impl Fake {
    pub(crate) fn new() -> Self {
        let info = StorageInfo { uuid: uuid::Uuid::nil(), version: 2, created: start(), sealed: false };
        Self { info, state: Arc::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// The time of the first commit; the others follow a minute apart.
pub(crate) fn start() -> DateTime<Utc> {
    "2024-11-21T10:00:00Z".parse().unwrap()
}

impl State {
    /// The commit that the changes being made will belong to.
    fn next(&self) -> CommitSeq {
        CommitSeq(self.commits.len() as u64 + 1)
    }

    pub(crate) fn commit(&mut self, point: bool) -> CommitSeq {
        let seq = self.next();
        let time = start() + TimeDelta::minutes(i64::try_from(seq.0).unwrap() - 1);
        self.commits.push(time);
        if point {
            self.points.push(Point { seq, time });
        }
        seq
    }

    pub(crate) fn living_folders(&self) -> Vec<FolderRow> {
        self.folders.iter().filter(|row| row.until.is_none()).cloned().collect()
    }

    pub(crate) fn living_items(&self) -> Vec<ItemRow> {
        self.items.iter().map(|(row, _)| row).filter(|row| row.until.is_none()).cloned().collect()
    }

    /// A new folder, or a new version of one.
    pub(crate) fn put_folder(&mut self, key: Option<FolderKey>, parent: Option<FolderKey>, name: &str) -> FolderKey {
        self.keys += 1;
        let key = key.unwrap_or(FolderKey(self.keys));
        self.end_folder(key);
        let created = start();
        self.folders.push(FolderRow {
            key,
            id: FolderId::new(format!("folder {key}")),
            parent,
            name: name.to_owned(),
            file_name: format!("{name} [{key}]"),
            class: "IPF.Note".to_owned(),
            role: None,
            permissions: None,
            from: self.next(),
            until: None,
            created,
        });
        self.touch(key, None);
        key
    }

    /// Ends the living version of a folder.
    pub(crate) fn end_folder(&mut self, key: FolderKey) {
        let next = self.next();
        for row in self.folders.iter_mut().filter(|row| row.key == key && row.until.is_none()) {
            row.until = Some(next);
        }
        self.folders.retain(|row| row.until != Some(row.from));
        self.touch(key, None);
    }

    /// A new item, or a new version of one. What is about something hidden is associated with its folder.
    pub(crate) fn put_item(&mut self, key: Option<ItemKey>, folder: FolderKey, subject: &str, body: &[u8]) -> ItemKey {
        self.keys += 1;
        let key = key.unwrap_or(ItemKey(self.keys));
        self.end_item(key);
        let mut meta = ItemMeta::new(ItemId::new(format!("item {key}")), "IPM.Note");
        meta.subject = subject.to_owned();
        meta.associated = subject.starts_with("hidden");
        let row = ItemRow {
            key,
            mailbox: MAILBOX,
            folder,
            from: self.next(),
            until: None,
            version: 1,
            file_name: format!("2026-11-21 10.00.00 {subject} [{key}].eml"),
            size: body.len() as u64,
            time: start() - TimeDelta::hours(i64::try_from(self.keys).unwrap()),
            meta,
            fidelity: Fidelity::Mime,
            shown: Some(ContentId::of(body)),
            format: Some(Format::Eml),
            rendered: false,
            export: None,
            export_bytes: 0,
        };
        self.items.push((row, body.to_vec()));
        self.touch(folder, Some(key));
        key
    }

    /// Ends the living version of an item.
    pub(crate) fn end_item(&mut self, key: ItemKey) {
        let next = self.next();
        let mut folder = None;
        for (row, _) in self.items.iter_mut().filter(|(row, _)| row.key == key && row.until.is_none()) {
            row.until = Some(next);
            folder = Some(row.folder);
        }
        self.items.retain(|(row, _)| row.until != Some(row.from));
        if let Some(folder) = folder {
            self.touch(folder, Some(key));
        }
    }

    fn touch(&mut self, folder: FolderKey, item: Option<ItemKey>) {
        self.touched.push(Touched { seq: self.next(), mailbox: MAILBOX, folder, item });
    }
}

impl Archive for Fake {
    fn info(&self) -> &StorageInfo {
        &self.info
    }

    fn refresh(&self) -> Result<CommitSeq, Fault> {
        Ok(CommitSeq(self.state().commits.len() as u64))
    }

    fn mailboxes(&self) -> Result<Vec<MailboxRow>, Fault> {
        Ok(vec![MailboxRow { key: MAILBOX, address: Address::parse(ADDRESS)?, first: CommitSeq(1) }])
    }

    fn folders(&self, _mailbox: MailboxKey, at: CommitSeq) -> Result<Vec<FolderRow>, Fault> {
        Ok(self.state().folders.iter().filter(|row| holds(row.from, row.until, at)).cloned().collect())
    }

    fn items(&self, _mailbox: MailboxKey, folder: FolderKey, at: CommitSeq) -> Result<Rows, Fault> {
        let rows: Vec<_> =
            self.state().items.iter().map(|(row, _)| row).filter(|row| row.folder == folder && holds(row.from, row.until, at)).cloned().collect();
        Ok(Box::new(rows.into_iter().map(Ok)))
    }

    fn item(&self, key: ItemKey, at: CommitSeq) -> Result<Option<ItemRow>, Fault> {
        Ok(self.state().items.iter().map(|(row, _)| row).find(|row| row.key == key && holds(row.from, row.until, at)).cloned())
    }

    fn points_between(&self, _mailbox: MailboxKey, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Point>, Fault> {
        Ok(self.state().points.iter().filter(|point| point.time >= from && point.time <= to).copied().collect())
    }

    fn moment_at(&self, time: DateTime<Utc>) -> Result<Option<CommitSeq>, Fault> {
        let count = self.state().commits.iter().filter(|commit| **commit <= time).count();
        Ok((count > 0).then_some(CommitSeq(count as u64)))
    }

    fn commit_time(&self, seq: CommitSeq) -> Result<Option<DateTime<Utc>>, Fault> {
        let place = usize::try_from(seq.0)?.checked_sub(1);
        Ok(place.and_then(|place| self.state().commits.get(place).copied()))
    }

    fn changes_since(&self, seq: CommitSeq) -> Result<Vec<Touched>, Fault> {
        let head = self.refresh()?;
        Ok(self.state().touched.iter().filter(|touched| touched.seq > seq && touched.seq <= head).copied().collect())
    }

    fn counts(&self, _mailbox: MailboxKey) -> Result<MailboxCounts, Fault> {
        Ok(MailboxCounts { items: self.state().living_items().len() as u64, ..MailboxCounts::default() })
    }

    fn open(&self, _mailbox: MailboxKey, id: &ContentId) -> Result<Box<dyn Blob>, Fault> {
        let state = self.state();
        let (_, body) = state.items.iter().find(|(row, _)| row.shown == Some(*id)).ok_or("no such content")?;
        Ok(Box::new(Bytes(body.clone())))
    }
}

impl Blob for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let rest = self.0.get(usize::try_from(offset)?..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

fn holds(from: CommitSeq, until: Option<CommitSeq>, at: CommitSeq) -> bool {
    from <= at && until.is_none_or(|until| until > at)
}
