//! Asking the archive what it holds.
//!
//! A moment is a commit: rows carry from and until when they hold, and every answer is that of one
//! moment, however the writer moves on meanwhile. No answer waits for the writer.

mod items;

pub use items::ItemRows;

use crate::format::record::{FailureRecord, fidelity_of, format_of};
use crate::format::row::{
    CommitRow, FolderIdRow, FolderRowValue, HistoryRow, INDEX_VERSION, ItemIdRow, ItemRowValue, Key, KeyTake, MailboxRowValue, Table, live_key, past_key,
};
use crate::format::time_of;
use crate::index::{Index, decode};
use crate::layout::{self, Access, INDEX};
use crate::store::DirStore;
use crate::{
    CommitSeq, Contents, CursorScope, Error, Failure, FolderKey, FolderRow, ItemKey, ItemRow, Known, MailboxCounts, MailboxKey, MailboxRow, Moment, Point,
    StorageInfo, StorageStats, Touched,
};
use c2b_mailbox::{Address, ChangeKey, Cursor, FolderId, ItemId};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The archive's catalogue. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

/// What catalogue and contents share.
pub(crate) struct Shared {
    dir: PathBuf,
    info: StorageInfo,
    index: RwLock<Arc<Index>>,
    packs: Mutex<HashMap<CommitSeq, String>>,
    reader: Option<Reader>,
}

/// How another process opened the index.
struct Reader {
    scratch: PathBuf,
    /// Inode of the index folder: a rebuild puts another folder in its place.
    folder: Mutex<u64>,
}

impl Shared {
    /// What the writer's own process shares.
    pub(crate) fn new(dir: &Path, info: StorageInfo, index: Arc<Index>) -> Arc<Self> {
        Arc::new(Self { dir: dir.to_owned(), info, index: RwLock::new(index), packs: Mutex::new(HashMap::new()), reader: None })
    }

    fn open_reader(dir: &Path, scratch: &Path) -> Result<Arc<Self>, Error> {
        let info = layout::read_description(dir, Access::Read)?;
        let (index, folder) = open_secondary(dir, scratch)?;
        let reader = Some(Reader { scratch: scratch.to_owned(), folder: Mutex::new(folder) });
        Ok(Arc::new(Self { dir: dir.to_owned(), info, index: RwLock::new(Arc::new(index)), packs: Mutex::new(HashMap::new()), reader }))
    }

    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn info(&self) -> &StorageInfo {
        &self.info
    }

    /// Catches up with the writer, in a new index if a rebuild made one.
    fn catch_up(&self) -> Result<(), Error> {
        let Some(reader) = &self.reader else { return Ok(()) };
        let mut known = reader.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let now = fs::metadata(self.dir.join(INDEX)).map(|metadata| metadata.ino());
        // While a rebuild exchanges the folders there is none for a moment: the old one still answers.
        if now.is_ok_and(|now| now != *known) {
            let (index, folder) = open_secondary(&self.dir, &reader.scratch)?;
            *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(index);
            self.packs.lock().unwrap_or_else(PoisonError::into_inner).clear();
            *known = folder;
        }
        self.index().catch_up()
    }

    /// Returns the name of a commit's pack.
    pub(crate) fn pack(&self, seq: CommitSeq) -> Result<String, Error> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = packs.get(&seq) {
            return Ok(name.clone());
        }
        let row: CommitRow = self.index().row(Table::Commits, &Key::number(seq.0).0)?.ok_or(Error::PackMissing { seq })?;
        packs.insert(seq, row.pack.clone());
        Ok(row.pack)
    }
}

/// Opens the index of a storage beside its writer; returns it and the inode of its folder.
fn open_secondary(dir: &Path, scratch: &Path) -> Result<(Index, u64), Error> {
    let path = dir.join(INDEX);
    if !path.join("CURRENT").exists() {
        return Err(Error::IndexMissing { path: dir.to_owned() });
    }
    let folder = fs::metadata(&path).map_err(Error::file("read", &path))?.ino();
    let scratch = scratch.join(format!("index-{folder}"));
    fs::create_dir_all(&scratch).map_err(Error::file("create", &scratch))?;
    let index = Index::open_secondary(&path, &scratch)?;
    index.catch_up()?;
    match index.state()?.version {
        0 | INDEX_VERSION => Ok((index, folder)),
        _ => Err(Error::IndexMissing { path: dir.to_owned() }),
    }
}

impl Catalog {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Opens the storage at `dir` for reading, beside its writer or without one.
    ///
    /// RocksDB's log file goes to `scratch`; nothing is written to `dir`, which may be read-only.
    ///
    /// # Errors
    /// When there is no storage, its format is newer, or its index is missing.
    pub fn open_reader(dir: &Path, scratch: &Path) -> Result<(Self, Contents), Error> {
        let shared = Shared::open_reader(dir, scratch)?;
        let contents = Contents::new(Arc::clone(&shared), Arc::new(DirStore::new(dir)));
        Ok((Self { shared }, contents))
    }

    /// Catches up with the writer and returns the head; no work for a writer's own catalogue.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn refresh(&self) -> Result<CommitSeq, Error> {
        self.shared.catch_up()?;
        self.head()
    }

    /// Returns the last visible commit.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn head(&self) -> Result<CommitSeq, Error> {
        Ok(CommitSeq(self.shared.index().state()?.head))
    }

    /// Returns what the storage says of itself.
    pub fn info(&self) -> &StorageInfo {
        &self.shared.info
    }

    /// Returns all mailboxes, by key.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn mailboxes(&self) -> Result<Vec<MailboxRow>, Error> {
        let rows = self.shared.index().scan_all(Table::Mailboxes, b"")?;
        rows.iter().map(|(key, value)| mailbox_row(KeyTake::new(key).mailbox().ok_or(damaged(Table::Mailboxes))?, &decode(Table::Mailboxes, value)?)).collect()
    }

    /// Returns the mailbox of an address.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn mailbox(&self, address: &Address) -> Result<Option<MailboxRow>, Error> {
        let Some(key): Option<u32> = self.shared.index().row(Table::Addresses, address.as_str().as_bytes())? else { return Ok(None) };
        let key = MailboxKey(key);
        let row: Option<MailboxRowValue> = self.shared.index().row(Table::Mailboxes, &Key::mailbox(key).0)?;
        row.map(|row| mailbox_row(key, &row)).transpose()
    }

    /// Returns the folders of a mailbox at a moment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn folders(&self, mailbox: MailboxKey, at: Moment) -> Result<Vec<FolderRow>, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let at = self.resolve(at)?;
        self.folder_versions(&Key::mailbox(mailbox), at)
    }

    /// Returns one folder at a moment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn folder(&self, mailbox: MailboxKey, key: FolderKey, at: Moment) -> Result<Option<FolderRow>, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let at = self.resolve(at)?;
        Ok(self.folder_versions(&Key::mailbox(mailbox).u64(key.0), at)?.pop())
    }

    /// Returns the folder that has this id at the source now.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn folder_by_id(&self, mailbox: MailboxKey, id: &FolderId) -> Result<Option<FolderRow>, Error> {
        let row: Option<FolderIdRow> = self.shared.index().row(Table::FolderIds, &Key::mailbox(mailbox).text(id.as_str()).0)?;
        match row.filter(|row| row.from != 0) {
            Some(row) => self.folder(mailbox, FolderKey(row.key), Moment::Latest),
            None => Ok(None),
        }
    }

    /// Lists the items of a folder at a moment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn items(&self, mailbox: MailboxKey, folder: FolderKey, at: Moment) -> Result<ItemRows, Error> {
        let at = self.resolve(at)?;
        Ok(ItemRows::new(self.clone(), mailbox, folder, at))
    }

    /// Returns one item at a moment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn item(&self, key: ItemKey, at: Moment) -> Result<Option<ItemRow>, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let at = self.resolve(at)?;
        let prefix = Key::number(key.0);
        let Some((id, value)) = self.shared.index().last(Table::History, &prefix.0, &prefix.clone().u64(at.0).0)? else { return Ok(None) };
        let from = KeyTake::new(id.get(8..).unwrap_or_default()).u64().ok_or(damaged(Table::History))?;
        let place: HistoryRow = decode(Table::History, &value)?;
        let (mailbox, folder) = (MailboxKey(place.mailbox), FolderKey(place.folder));
        if place.until != 0 && place.until <= at.0 {
            return Ok(None);
        }
        let (table, row) = match place.until {
            0 => (Table::ItemsLive, live_key(mailbox, folder, from, key)),
            until => (Table::ItemsPast, past_key(mailbox, folder, until, from, key)),
        };
        let value: ItemRowValue = self.shared.index().row(table, &row.0)?.ok_or(damaged(table))?;
        Ok(Some(item_row(value, from, place.until)))
    }

    /// Says what is known of each of these server ids, in their order.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn known(&self, mailbox: MailboxKey, ids: &[ItemId]) -> Result<Vec<Option<Known>>, Error> {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| Key::mailbox(mailbox).text(id.as_str()).0).collect();
        let rows = self.shared.index().get_many(Table::ItemIds, &keys)?;
        rows.into_iter()
            .map(|row| row.map(|row| decode::<ItemIdRow>(Table::ItemIds, &row)).transpose().map(|row| row.filter(|row| row.live).map(known)))
            .collect()
    }

    /// Returns the server ids of everything that is in a folder now.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn live_ids(&self, mailbox: MailboxKey, folder: FolderKey) -> Result<Vec<(ItemId, Option<ChangeKey>)>, Error> {
        let items = self.items(mailbox, folder, Moment::Latest)?;
        items.map(|item| item.map(|item| (item.meta.id, item.meta.change_key))).collect()
    }

    /// Returns where an enumeration of changes stands.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn cursor(&self, mailbox: MailboxKey, scope: CursorScope) -> Result<Option<Cursor>, Error> {
        let value = self.shared.index().get(Table::Cursors, &cursor_key(mailbox, scope).0)?;
        Ok(value.map(|value| Cursor::new(String::from_utf8_lossy(&value))))
    }

    /// Returns the failures of a mailbox, or of all.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn failures(&self, mailbox: Option<MailboxKey>) -> Result<Vec<(MailboxKey, Failure)>, Error> {
        let rows = self.shared.index().scan_all(Table::Failures, &mailbox.map(Key::mailbox).unwrap_or_default().0)?;
        rows.iter().map(|(_, value)| decode::<FailureRecord>(Table::Failures, value).map(|record| (MailboxKey(record.mailbox), record.into()))).collect()
    }

    /// Returns the points in time of a mailbox, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn points(&self, mailbox: MailboxKey) -> Result<Vec<Point>, Error> {
        let mut points = Vec::new();
        for (key, _) in self.shared.index().scan_all(Table::Points, &Key::mailbox(mailbox).0)? {
            let seq = KeyTake::new(key.get(4..).unwrap_or_default()).u64().map(CommitSeq).ok_or(damaged(Table::Points))?;
            // The commit's row comes in the same step as its points.
            let time = self.commit_time(seq)?.ok_or(damaged(Table::Commits))?;
            points.push(Point { seq, time });
        }
        Ok(points)
    }

    /// Returns the points of a mailbox with a time from `from` to `to`, both included, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn points_between(&self, mailbox: MailboxKey, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Point>, Error> {
        let mut points = self.points(mailbox)?;
        points.retain(|point| (from..=to).contains(&point.time));
        Ok(points)
    }

    /// Returns the last commit at or before a time.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn moment_at(&self, time: DateTime<Utc>) -> Result<Option<CommitSeq>, Error> {
        let row = self.shared.index().last(Table::Times, b"", &Key::time(crate::format::micros(time)).u64(u64::MAX).0)?;
        row.map(|(key, _)| KeyTake::new(key.get(8..).unwrap_or_default()).u64().map(CommitSeq).ok_or(damaged(Table::Times))).transpose()
    }

    /// Returns the time of a commit.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn commit_time(&self, seq: CommitSeq) -> Result<Option<DateTime<Utc>>, Error> {
        let row: Option<CommitRow> = self.shared.index().row(Table::Commits, &Key::number(seq.0).0)?;
        Ok(row.map(|row| time_of(row.time)))
    }

    /// Returns what commits after `seq` touched.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn changes_since(&self, seq: CommitSeq) -> Result<Vec<Touched>, Error> {
        let rows = self.shared.index().scan(Table::Changes, b"", &Key::number(seq.0.saturating_add(1)).0, usize::MAX)?;
        let touched = |key: &[u8]| {
            let mut take = KeyTake::new(key);
            let (seq, mailbox, folder, item) = (take.u64()?, take.mailbox()?, take.u64()?, take.u64()?);
            Some(Touched { seq: CommitSeq(seq), mailbox, folder: FolderKey(folder), item: (item != 0).then_some(ItemKey(item)) })
        };
        rows.iter().map(|(key, _)| touched(key).ok_or(damaged(Table::Changes))).collect()
    }

    /// Returns how much the archive holds of a mailbox.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn counts(&self, mailbox: MailboxKey) -> Result<MailboxCounts, Error> {
        let row: MailboxRowValue = self.shared.index().row(Table::Mailboxes, &Key::mailbox(mailbox).0)?.unwrap_or_default();
        Ok(MailboxCounts { items: row.items, folders: row.folders, versions: row.versions, logical_bytes: row.logical_bytes })
    }

    /// Returns how much the storage holds.
    ///
    /// # Errors
    /// When the index or the file system cannot be asked.
    pub fn stats(&self) -> Result<StorageStats, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let state = self.shared.index().state()?;
        let index_bytes = crate::probe::folder_bytes(&self.shared.dir.join(INDEX))?;
        let free_bytes = crate::probe::free_bytes(&self.shared.dir)?;
        let mut stats =
            StorageStats { packs: state.packs, stored_bytes: state.pack_bytes + index_bytes, chunks: state.chunks, free_bytes, ..StorageStats::default() };
        for (_, value) in self.shared.index().scan_all(Table::Mailboxes, b"")? {
            let row: MailboxRowValue = decode(Table::Mailboxes, &value)?;
            stats.mailboxes += 1;
            stats.items += row.items;
            stats.versions += row.versions;
            stats.logical_bytes += row.logical_bytes;
        }
        Ok(stats)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn resolve(&self, at: Moment) -> Result<CommitSeq, Error> {
        match at {
            Moment::Latest => self.head(),
            Moment::At(seq) => Ok(seq),
        }
    }

    /// Returns the versions of folders that hold at a moment, among those whose keys begin with `prefix`.
    fn folder_versions(&self, prefix: &Key, at: CommitSeq) -> Result<Vec<FolderRow>, Error> {
        let mut folders = Vec::new();
        for (key, value) in self.shared.index().scan_all(Table::Folders, &prefix.0)? {
            let from = KeyTake::new(key.get(12..).unwrap_or_default()).u64().ok_or(damaged(Table::Folders))?;
            let row: FolderRowValue = decode(Table::Folders, &value)?;
            if from <= at.0 && (row.until == 0 || row.until > at.0) {
                let created = self.commit_time(CommitSeq(row.record.created))?.unwrap_or(self.shared.info.created);
                folders.push(folder_row(row, from, created));
            }
        }
        Ok(folders)
    }
}

/// Returns the key of a cursor.
pub(crate) fn cursor_key(mailbox: MailboxKey, scope: CursorScope) -> Key {
    Key::mailbox(mailbox).u64(match scope {
        CursorScope::Hierarchy => 0,
        CursorScope::Folder(folder) => folder.0,
    })
}

fn mailbox_row(key: MailboxKey, row: &MailboxRowValue) -> Result<MailboxRow, Error> {
    let address = Address::parse(&row.address).map_err(|_| damaged(Table::Mailboxes))?;
    Ok(MailboxRow { key, address, first: CommitSeq(row.first) })
}

fn folder_row(row: FolderRowValue, from: u64, created: DateTime<Utc>) -> FolderRow {
    let (id, role) = row.record.words();
    let record = row.record;
    FolderRow {
        key: FolderKey(record.key),
        id,
        parent: record.parent.map(FolderKey),
        name: record.name,
        file_name: record.file_name,
        class: record.class,
        role,
        from: CommitSeq(from),
        until: (row.until != 0).then_some(CommitSeq(row.until)),
        created,
    }
}

/// Returns the row of an item's version; `until` is 0 while it holds.
pub(crate) fn item_row(value: ItemRowValue, from: u64, until: u64) -> ItemRow {
    let record = value.record;
    ItemRow {
        key: ItemKey(record.key),
        mailbox: MailboxKey(record.mailbox),
        folder: FolderKey(record.folder),
        from: CommitSeq(from),
        until: (until != 0).then_some(CommitSeq(until)),
        version: record.version,
        size: record.shown.map_or(0, |shown| shown.len),
        time: time_of(record.time),
        meta: (&record.meta).into(),
        file_name: record.file_name,
        fidelity: fidelity_of(record.fidelity),
        shown: record.shown.map(|shown| shown.content()),
        format: record.format.map(format_of),
        rendered: record.rendered,
        export: record.export.map(|export| export.content()),
        export_bytes: record.export.map_or(0, |export| export.len),
    }
}

fn known(row: ItemIdRow) -> Known {
    Known { key: ItemKey(row.key), folder: FolderKey(row.folder), change_key: row.change_key.map(ChangeKey::new), fidelity: fidelity_of(row.fidelity) }
}

pub(crate) fn damaged(table: Table) -> Error {
    Error::IndexRow { table: table.name() }
}
