//! Asking the archive what it holds.
//!
//! A moment is a commit: rows carry from and until when they hold, and every answer is that of one
//! moment, however the writer moves on meanwhile. No answer waits for the writer.

#[cfg_attr(not(test), expect(dead_code, reason = "what retention, freeing and erasure ask; they come next"))]
mod inside;
mod items;
mod left;
mod shared;

pub(crate) use inside::Walk;
pub use items::ItemRows;
pub(crate) use shared::Shared;

use crate::format::record::{ErasedRecord, FolderRecord, ItemRecord, Record, fidelity_of, format_of};
use crate::format::row::{
    FolderIdRow, FolderRowValue, FrameRow, HistoryRow, ItemIdRow, ItemRowValue, Key, KeyTake, MailboxRowValue, Table, live_key, past_key,
};
use crate::format::time_of;
use crate::index::{Index, decode};
use crate::layout::INDEX;
use crate::seal::Unlock;
use crate::store::{DirStore, Store};
use crate::{
    ChangeMark, CommitSeq, Contents, CursorScope, Erasure, Error, Failure, FolderKey, FolderRow, ItemKey, ItemRow, Known, MailboxCounts, MailboxKey,
    MailboxRow, Moment, Place, Point, StorageInfo, StorageStats, Touched,
};
use c2b_mailbox::{Address, ChangeKey, Cursor, FolderId, ItemId};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;

/// The archive's catalogue. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
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
    /// When there is no storage, its format is another, the key does not fit, or its index is missing.
    pub fn open_reader(dir: &Path, scratch: &Path, unlock: &Unlock) -> Result<(Self, Contents), Error> {
        let store: Arc<dyn Store> = Arc::new(DirStore::new(dir));
        let shared = Shared::open_reader(dir, scratch, Arc::clone(&store), unlock)?;
        let contents = Contents::new(Arc::clone(&shared), store);
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
        self.shared.info()
    }

    /// Returns all mailboxes, by key; not those that were erased.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn mailboxes(&self) -> Result<Vec<MailboxRow>, Error> {
        let index = self.shared.index();
        let mut mailboxes = Vec::new();
        for (key, value) in index.scan_all(Table::Mailboxes, b"")? {
            let key = KeyTake::new(&key).mailbox().ok_or(damaged(Table::Mailboxes))?;
            mailboxes.extend(mailbox_row(&index, key, &decode(Table::Mailboxes, &value)?)?);
        }
        Ok(mailboxes)
    }

    /// Returns the mailbox of an address, unless it was erased.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn mailbox(&self, address: &Address) -> Result<Option<MailboxRow>, Error> {
        let index = self.shared.index();
        let Some(key): Option<u32> = index.row(Table::Addresses, &Key::hash(&index.hash20(address.as_str())))? else { return Ok(None) };
        let row: Option<MailboxRowValue> = index.row(Table::Mailboxes, &Key::mailbox(MailboxKey(key)))?;
        row.map_or(Ok(None), |row| mailbox_row(&index, MailboxKey(key), &row))
    }

    /// Returns what is left of the mailbox that had this address, if it was erased and is not allowed again.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn erasure(&self, address: &Address) -> Result<Option<Erasure>, Error> {
        let index = self.shared.index();
        let place: Option<Place> = index.row(Table::Erased, &Key::hash(&index.hash20(address.as_str())))?;
        place.map_or(Ok(None), |place| erasure(&index, place))
    }

    /// Returns all mailboxes that were erased, by key.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn erasures(&self) -> Result<Vec<Erasure>, Error> {
        let index = self.shared.index();
        let mut erasures = Vec::new();
        for (_, value) in index.scan_all(Table::Mailboxes, b"")? {
            let row: MailboxRowValue = decode(Table::Mailboxes, &value)?;
            if let Some(place) = row.place.filter(|_| row.erased) {
                erasures.extend(erasure(&index, place)?);
            }
        }
        Ok(erasures)
    }

    /// Returns the folders of a mailbox at a moment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn folders(&self, mailbox: MailboxKey, at: Moment) -> Result<Vec<FolderRow>, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let at = self.resolve(at)?;
        self.folder_versions(&index, &Key::mailbox(mailbox), at)
    }

    /// Returns one folder at a moment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn folder(&self, mailbox: MailboxKey, key: FolderKey, at: Moment) -> Result<Option<FolderRow>, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let at = self.resolve(at)?;
        Ok(self.folder_versions(&index, &Key::mailbox(mailbox).u64(key.0), at)?.pop())
    }

    /// Returns the folder that has this id at the source now.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn folder_by_id(&self, mailbox: MailboxKey, id: &FolderId) -> Result<Option<FolderRow>, Error> {
        let index = self.shared.index();
        let row: Option<FolderIdRow> = index.row(Table::FolderIds, &index.text_key(mailbox, id.as_str()))?;
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
        let Some((id, value)) = index.last(Table::History, &prefix.0, &prefix.clone().u64(at.0).0)? else { return Ok(None) };
        let from = KeyTake::new(id.get(8..).unwrap_or_default()).u64().ok_or(damaged(Table::History))?;
        let place: HistoryRow = decode(Table::History, &value)?;
        let (mailbox, folder) = (MailboxKey(place.mailbox), FolderKey(place.folder));
        if place.marked || place.until != 0 && place.until <= at.0 {
            return Ok(None);
        }
        let (table, row) = match place.until {
            0 => (Table::ItemsLive, live_key(mailbox, folder, from, key)),
            until => (Table::ItemsPast, past_key(mailbox, folder, until, from, key)),
        };
        let value: ItemRowValue = index.row(table, &row)?.ok_or(damaged(table))?;
        Ok(item_rows(&index, &[(value, from, place.until)])?.pop())
    }

    /// Says what is known of each of these server ids, in their order.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn known(&self, mailbox: MailboxKey, ids: &[ItemId]) -> Result<Vec<Option<Known>>, Error> {
        let index = self.shared.index();
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| index.text_key(mailbox, id.as_str()).0).collect();
        let rows = index.get_many(Table::ItemIds, &keys)?;
        rows.into_iter()
            .map(|row| row.map(|row| decode::<ItemIdRow>(Table::ItemIds, &row)).transpose().map(|row| row.filter(|row| row.live).map(known)))
            .collect()
    }

    /// Returns how the archive knows a server's change key; to be compared with [`Known::change`].
    pub fn change_mark(&self, change_key: &ChangeKey) -> ChangeMark {
        ChangeMark(self.shared.index().change_mark(change_key.as_str()))
    }

    /// Returns the server ids of everything that is in a folder now, with the marks of their states; of associated items
    /// only where asked for.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn live_ids(&self, mailbox: MailboxKey, folder: FolderKey, associated: bool) -> Result<Vec<(ItemId, Option<ChangeMark>)>, Error> {
        let items = self.items(mailbox, folder, Moment::Latest)?;
        let items = items.filter(|item| associated || !item.as_ref().is_ok_and(|item| item.meta.associated));
        items.map(|item| item.map(|item| (item.meta.id, item.meta.change_key.map(|change_key| self.change_mark(&change_key))))).collect()
    }

    /// Returns how many items are in a folder now.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn live_items(&self, mailbox: MailboxKey, folder: FolderKey) -> Result<u64, Error> {
        Ok(self.shared.index().scan_all(Table::ItemsLive, &Key::mailbox(mailbox).u64(folder.0).0)?.len() as u64)
    }

    /// Returns where an enumeration of changes stands.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn cursor(&self, mailbox: MailboxKey, scope: CursorScope) -> Result<Option<Cursor>, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let Some(place): Option<Place> = index.row(Table::Cursors, &cursor_key(mailbox, scope))? else { return Ok(None) };
        match index.record(place)?.as_deref() {
            Some(Record::Cursor(record)) => Ok(record.cursor.as_ref().map(Cursor::new)),
            _ => Err(damaged(Table::Cursors)),
        }
    }

    /// Returns the failures of a mailbox, or of all, by mailbox and server id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn failures(&self, mailbox: Option<MailboxKey>) -> Result<Vec<(MailboxKey, Failure)>, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let rows = index.scan_all(Table::Failures, &mailbox.map(Key::mailbox).unwrap_or_default().0)?;
        let places = rows.iter().map(|(_, value)| decode(Table::Failures, value)).collect::<Result<Vec<Place>, Error>>()?;
        let failures = index.records(&places)?.into_iter().map(|record| match record.as_deref() {
            Some(Record::Failure(record)) => Ok((MailboxKey(record.mailbox), Failure::from(record.clone()))),
            _ => Err(damaged(Table::Failures)),
        });
        let mut failures = failures.collect::<Result<Vec<_>, Error>>()?;
        failures.sort_by(|(one_mailbox, one), (other_mailbox, other)| (one_mailbox, one.id.as_str()).cmp(&(other_mailbox, other.id.as_str())));
        Ok(failures)
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
        self.shared.index().commit_time(seq)
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
        let row: MailboxRowValue = self.shared.index().row(Table::Mailboxes, &Key::mailbox(mailbox))?.unwrap_or_default();
        Ok(MailboxCounts {
            items: row.items,
            folders: row.folders,
            versions: row.versions,
            logical_bytes: row.logical_bytes,
            marked_versions: row.marked_versions,
            marked_bytes: row.marked_bytes,
        })
    }

    /// Returns how much the storage holds.
    ///
    /// # Errors
    /// When the index or the file system cannot be asked.
    pub fn stats(&self) -> Result<StorageStats, Error> {
        let index = self.shared.index();
        let _look = index.look();
        let state = index.state()?;
        let index_bytes = crate::probe::folder_bytes(&self.shared.dir().join(INDEX))?;
        let mut stats = StorageStats {
            packs: state.packs,
            stored_bytes: state.pack_bytes + index_bytes,
            index_bytes,
            chunks: state.chunks,
            free_bytes: crate::probe::free_bytes(self.shared.dir())?,
            sealed: self.shared.info().sealed,
            ..StorageStats::default()
        };
        for (_, value) in index.scan_all(Table::Mailboxes, b"")? {
            let row: MailboxRowValue = decode(Table::Mailboxes, &value)?;
            stats.mailboxes += u64::from(!row.erased);
            stats.erased_mailboxes += u64::from(row.erased);
            stats.items += row.items;
            stats.versions += row.versions;
            stats.logical_bytes += row.logical_bytes;
            stats.marked_versions += row.marked_versions;
            stats.marked_bytes += row.marked_bytes;
        }
        for row in self.shared.walk(Table::Lost) {
            row?;
            stats.lost_contents += 1;
        }
        Ok(stats)
    }

    /// Returns what is left of the contents of all versions once equal parts are kept once, in bytes, decoded and before
    /// compression; what waits to be freed counts too. Reads a row for each frame.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn unique_bytes(&self) -> Result<u64, Error> {
        let mut bytes = 0;
        for row in self.shared.walk(Table::Frames) {
            let row: FrameRow = decode(Table::Frames, &row?.1)?;
            if row.is_block() {
                bytes += u64::from(row.raw);
            }
        }
        Ok(bytes)
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
    fn folder_versions(&self, index: &Index, prefix: &Key, at: CommitSeq) -> Result<Vec<FolderRow>, Error> {
        let mut versions = Vec::new();
        for (key, value) in index.scan_all(Table::Folders, &prefix.0)? {
            let mut take = KeyTake::new(key.get(4..).unwrap_or_default());
            let (folder, from) = take.u64().zip(take.u64()).ok_or(damaged(Table::Folders))?;
            let row: FolderRowValue = decode(Table::Folders, &value)?;
            if from <= at.0 && (row.until == 0 || row.until > at.0) {
                versions.push((FolderKey(folder), from, row));
            }
        }
        let places: Vec<Place> = versions.iter().map(|(.., row)| row.place).collect();
        let records = index.records(&places)?;
        versions.into_iter().zip(records).map(|((key, from, row), record)| self.folder_row(key, from, row.until, record.as_deref())).collect()
    }

    fn folder_row(&self, key: FolderKey, from: u64, until: u64, record: Option<&Record>) -> Result<FolderRow, Error> {
        let lost;
        let record = match record {
            Some(Record::Folder(record)) => record,
            _ => {
                lost = lost_folder(key, from);
                &lost
            }
        };
        let (id, role) = record.words();
        Ok(FolderRow {
            key,
            id,
            parent: record.parent.map(FolderKey),
            name: record.name.clone(),
            file_name: record.file_name.clone(),
            class: record.class.clone(),
            role,
            from: CommitSeq(from),
            until: (until != 0).then_some(CommitSeq(until)),
            permissions: record.permissions.clone(),
            created: self.commit_time(CommitSeq(record.created))?.unwrap_or(self.info().created),
        })
    }
}

/// Returns the key of a cursor.
pub(crate) fn cursor_key(mailbox: MailboxKey, scope: CursorScope) -> Key {
    Key::mailbox(mailbox).u64(match scope {
        CursorScope::Hierarchy => 0,
        CursorScope::Folder(folder) => folder.0,
    })
}

/// Returns a mailbox's row; `None` when it was erased. One whose record is lost has its key in place of its address.
fn mailbox_row(index: &Index, key: MailboxKey, row: &MailboxRowValue) -> Result<Option<MailboxRow>, Error> {
    if row.erased {
        return Ok(None);
    }
    let record = row.place.map_or(Ok(None), |place| index.record(place))?;
    let address = match record.as_deref() {
        Some(Record::Mailbox(record)) => Address::parse(&record.address),
        _ => Address::parse(&format!("mailbox-{key}@lost.invalid")),
    };
    Ok(Some(MailboxRow { key, address: address.map_err(|_| damaged(Table::Mailboxes))?, first: CommitSeq(row.first) }))
}

/// Returns the address of a mailbox; `None` when it was erased or never there.
pub(crate) fn address(shared: &Shared, key: MailboxKey) -> Result<Option<Address>, Error> {
    let index = shared.index();
    let row: Option<MailboxRowValue> = index.row(Table::Mailboxes, &Key::mailbox(key))?;
    Ok(row.map_or(Ok(None), |row| mailbox_row(&index, key, &row))?.map(|row| row.address))
}

fn erasure(index: &Index, place: Place) -> Result<Option<Erasure>, Error> {
    let record = index.record(place)?;
    let Some(Record::Erased(ErasedRecord { mailbox, address, time, who, items, versions, .. })) = record.as_deref() else { return Ok(None) };
    let address = Address::parse(address).map_err(|_| damaged(Table::Erased))?;
    Ok(Some(Erasure { key: MailboxKey(*mailbox), address, time: time_of(*time), who: who.clone(), items: *items, versions: *versions }))
}

/// Makes up a folder whose record is lost to damage, so that its items are listed.
pub(crate) fn lost_folder(key: FolderKey, from: u64) -> FolderRecord {
    let name = format!("lost folder [{key}]");
    FolderRecord {
        mailbox: 0,
        key: key.0,
        id: String::new(),
        parent_id: None,
        parent: None,
        file_name: name.clone(),
        name,
        class: String::new(),
        role: None,
        created: from,
        permissions: None,
    }
}

/// Returns the rows of items' versions, each given with its first commit and the commit in which it ended (0 while it holds).
pub(crate) fn item_rows(index: &Index, versions: &[(ItemRowValue, u64, u64)]) -> Result<Vec<ItemRow>, Error> {
    let places: Vec<Place> = versions.iter().map(|(value, ..)| value.place).collect();
    let records = index.records(&places)?;
    let rows = versions.iter().zip(records).map(|((value, from, until), record)| {
        let Some(Record::Item(record)) = record.as_deref() else { return Err(damaged(Table::Records)) };
        let mut row = item_row(record, *from, *until);
        if let Some(mark) = value.mark
            && let Some(Record::ItemMark(mark)) = index.record(mark)?.as_deref()
        {
            row.meta.change_key = mark.change_key.as_ref().map(ChangeKey::new);
        }
        Ok(row)
    });
    rows.collect()
}

fn item_row(record: &ItemRecord, from: u64, until: u64) -> ItemRow {
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
        file_name: record.file_name.clone(),
        fidelity: fidelity_of(record.fidelity),
        shown: record.shown.map(|shown| shown.content()),
        format: record.format.map(format_of),
        rendered: record.rendered,
        export: record.export.map(|export| export.content()),
        export_bytes: record.export.map_or(0, |export| export.len),
    }
}

fn known(row: ItemIdRow) -> Known {
    Known { key: ItemKey(row.key), folder: FolderKey(row.folder), change: row.change.map(ChangeMark), fidelity: fidelity_of(row.fidelity) }
}

pub(crate) fn damaged(table: Table) -> Error {
    Error::IndexRow { table: table.name() }
}
