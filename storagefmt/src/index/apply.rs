//! From records to rows: the only way in which the index changes.
//!
//! A commit, the rolling forward after a crash and a rebuild all go through [`apply`], so they
//! cannot differ. Records that refer to something unknown (because what held it is damaged or was
//! freed) change nothing but the counters of keys, since a key is never given out twice.

mod erasure;
mod items;
mod versions;

use super::staged::Staged;
use crate::format::record::{
    BlockRecord, CursorRecord, FailureGoneRecord, FailureRecord, FolderGoneRecord, FolderRecord, GrantRecord, ItemRecord, MailboxRecord, Record, WaitingRecord,
};
use crate::format::row::{ChunkRow, FolderIdRow, FolderRowValue, Key, KeyTake, MailboxRowValue, StateRow, Table, WaitingRow, grant_key};
use crate::{CommitSeq, ContentId, Error, FrameKey, ItemKey, MailboxKey, Place};

/// Applies one record, which is at `place` in a frame of `mailbox`, or of the storage itself.
///
/// Records must come in the order in which they were written. Those of an erased mailbox change nothing.
pub(crate) fn apply(rows: &mut Staged, place: Place, mailbox: Option<MailboxKey>, record: &Record) -> Result<(), Error> {
    let seq = place.frame.seq;
    if let Some(mailbox) = mailbox
        && is_erased(rows, mailbox)?
    {
        return Ok(());
    }
    rows.remember(place, record);
    match (record, mailbox) {
        (Record::Mailbox(record), _) => self::mailbox(rows, place, record),
        (Record::Folder(record), _) => folder(rows, place, record),
        (Record::FolderGone(record), _) => folder_gone(rows, seq, record),
        (Record::Item(record), _) => items::item(rows, place, record),
        (Record::ItemGone(record), _) => items::item_gone(rows, seq, mailbox, record),
        (Record::ItemMark(record), _) => items::item_mark(rows, place, record),
        (Record::Cursor(record), _) => cursor(rows, place, record),
        (Record::Failure(record), _) => failure(rows, place, record),
        (Record::FailureGone(record), _) => failure_gone(rows, record),
        (Record::Waiting(record), _) => waiting(rows, place, record),
        (Record::Point(record), _) => point(rows, seq, MailboxKey(record.mailbox)),
        (Record::Recipe(record), Some(mailbox)) => recipe(rows, place, mailbox, &ContentId(record.id)),
        (Record::Block(record), Some(mailbox)) => block(rows, place, mailbox, record),
        (Record::Grant(record), Some(mailbox)) => grant(rows, place, mailbox, record),
        (Record::VersionGone(record), _) => versions::gone(rows, seq, record),
        (Record::VersionBack(record), _) => versions::back(rows, seq, record),
        (Record::VersionFreed(record), _) => versions::freed(rows, record),
        (Record::Erased(record), _) => erasure::erased(rows, place, record),
        (Record::Lost(record), Some(mailbox)) => lost(rows, place, mailbox, &ContentId(record.id)),
        (Record::Allowed(record), _) => erasure::allowed(rows, record),
        // The commit's own row comes with its pack.
        (Record::Commit(_), _) => Ok(()),
        (Record::Recipe(_) | Record::Block(_) | Record::Grant(_) | Record::Lost(_), None) => {
            tracing::warn!(seq = seq.0, frame = place.frame.n, "a record that belongs to a mailbox is among those of the storage");
            Ok(())
        }
    }
}

/// Returns the last version of an item that is gone; `None` when retention has marked it, or its record is lost.
pub(crate) fn last_item(rows: &Staged, key: ItemKey) -> Result<Option<ItemRecord>, Error> {
    match items::last_version(rows, key)? {
        Some((history, row)) if !history.marked => rows.item(&row),
        _ => Ok(None),
    }
}

/// Returns whether a mailbox was erased.
pub(in crate::index) fn is_erased(rows: &Staged, mailbox: MailboxKey) -> Result<bool, Error> {
    let row: Option<MailboxRowValue> = rows.row(Table::Mailboxes, &Key::mailbox(mailbox))?;
    Ok(row.is_some_and(|row| row.erased))
}

fn mailbox(rows: &mut Staged, place: Place, record: &MailboxRecord) -> Result<(), Error> {
    let mailbox = MailboxKey(record.key);
    update(rows, mailbox, |row| {
        row.place = Some(place);
        row.first = record.first;
    })?;
    rows.put(Table::Addresses, Key::hash(&rows.hash20(&record.address)), &record.key);
    count(rows, |state| state.mailboxes = state.mailboxes.max(record.key))
}

fn folder(rows: &mut Staged, place: Place, record: &FolderRecord) -> Result<(), Error> {
    let (mailbox, seq) = (MailboxKey(record.mailbox), place.frame.seq);
    let before = close_folder(rows, seq, mailbox, record.key)?;
    rows.put(Table::Folders, Key::mailbox(mailbox).u64(record.key).u64(seq.0), &FolderRowValue { place, until: 0 });
    rows.put(Table::FolderIds, rows.text_key(mailbox, &record.id), &FolderIdRow { key: record.key, from: seq.0 });
    touch(rows, seq, mailbox, record.key, 0, |row| row.folders += u64::from(before.is_none()))?;
    count(rows, |state| state.folders = state.folders.max(record.key))
}

fn folder_gone(rows: &mut Staged, seq: CommitSeq, record: &FolderGoneRecord) -> Result<(), Error> {
    let mailbox = MailboxKey(record.mailbox);
    count(rows, |state| state.folders = state.folders.max(record.key))?;
    let Some(last) = close_folder(rows, seq, mailbox, record.key)? else { return Ok(()) };
    if let Some(last) = rows.record(last.place)?
        && let Record::Folder(last) = last.as_ref()
    {
        rows.put(Table::FolderIds, rows.text_key(mailbox, &last.id), &FolderIdRow { key: record.key, from: 0 });
    }
    rows.delete(Table::Cursors, Key::mailbox(mailbox).u64(record.key));
    touch(rows, seq, mailbox, record.key, 0, |row| row.folders = row.folders.saturating_sub(1))
}

/// Ends the present version of a folder; returns that version.
fn close_folder(rows: &mut Staged, seq: CommitSeq, mailbox: MailboxKey, key: u64) -> Result<Option<FolderRowValue>, Error> {
    let Some((id, value)) = rows.last(Table::Folders, &Key::mailbox(mailbox).u64(key))? else { return Ok(None) };
    let row: FolderRowValue = super::decode(Table::Folders, &value)?;
    if row.until != 0 {
        return Ok(None);
    }
    let from = KeyTake::new(id.get(12..).unwrap_or_default()).u64();
    if from == Some(seq.0) {
        // A version that began in this very commit was never visible.
        rows.delete(Table::Folders, Key(id));
    } else {
        rows.put(Table::Folders, Key(id), &FolderRowValue { until: seq.0, ..row });
    }
    Ok(Some(row))
}

fn cursor(rows: &mut Staged, place: Place, record: &CursorRecord) -> Result<(), Error> {
    let key = Key::mailbox(MailboxKey(record.mailbox)).u64(record.folder.unwrap_or(0));
    match &record.cursor {
        Some(_) => rows.put(Table::Cursors, key, &place),
        None => rows.delete(Table::Cursors, key),
    }
    Ok(())
}

fn failure(rows: &mut Staged, place: Place, record: &FailureRecord) -> Result<(), Error> {
    rows.put(Table::Failures, rows.text_key(MailboxKey(record.mailbox), &record.id), &place);
    Ok(())
}

fn failure_gone(rows: &mut Staged, record: &FailureGoneRecord) -> Result<(), Error> {
    rows.delete(Table::Failures, rows.text_key(MailboxKey(record.mailbox), &record.id));
    Ok(())
}

fn waiting(rows: &mut Staged, place: Place, record: &WaitingRecord) -> Result<(), Error> {
    let (mailbox, hash) = (MailboxKey(record.mailbox), rows.hash20(&record.id));
    let key = Key::mailbox(mailbox).and_hash(&hash);
    let ripening = |folder: u64, since: i64| Key::mailbox(mailbox).u64(folder).and_time(since).and_hash(&hash);
    if let Some(before) = rows.row::<WaitingRow>(Table::Waiting, &key)? {
        rows.delete(Table::Ripening, ripening(before.folder, before.since));
    }
    match record.place() {
        Some((folder, since)) => {
            rows.put(Table::Ripening, ripening(folder.0, since), &place);
            rows.put(Table::Waiting, key, &WaitingRow { place, folder: folder.0, since });
        }
        None => rows.delete(Table::Waiting, key),
    }
    Ok(())
}

fn point(rows: &mut Staged, seq: CommitSeq, mailbox: MailboxKey) -> Result<(), Error> {
    rows.put_bytes(Table::Points, Key::mailbox(mailbox).u64(seq.0), Vec::new());
    update(rows, mailbox, |row| row.point = seq.0)
}

fn recipe(rows: &mut Staged, place: Place, mailbox: MailboxKey, id: &ContentId) -> Result<(), Error> {
    let key = rows.content_key(mailbox, id);
    rows.delete(Table::Lost, key.clone());
    rows.put(Table::Recipes, key, &place);
    Ok(())
}

fn lost(rows: &mut Staged, place: Place, mailbox: MailboxKey, id: &ContentId) -> Result<(), Error> {
    let key = rows.content_key(mailbox, id);
    rows.delete(Table::Recipes, key.clone());
    rows.put(Table::Lost, key, &place);
    Ok(())
}

fn block(rows: &mut Staged, place: Place, mailbox: MailboxKey, record: &BlockRecord) -> Result<(), Error> {
    let frame = FrameKey::new(place.frame.seq, record.n);
    let keys: Vec<Vec<u8>> = record.chunks.iter().map(|chunk| rows.index().id20(&chunk.id).to_vec()).collect();
    let held = rows.get_many(Table::Chunks, &keys)?;
    let mut offset = 0u32;
    for (key, chunk) in keys.into_iter().zip(&record.chunks) {
        rows.put(Table::Chunks, Key(key), &ChunkRow { seq: frame.seq.0, n: frame.n, offset, len: chunk.len });
        offset = offset.saturating_add(chunk.len);
    }
    rows.put(Table::Grants, grant_key(mailbox, frame), &place);
    let new = held.iter().filter(|held| held.is_none()).count() as u64;
    count(rows, |state| state.chunks += new)
}

fn grant(rows: &mut Staged, place: Place, mailbox: MailboxKey, record: &GrantRecord) -> Result<(), Error> {
    rows.put(Table::Grants, grant_key(mailbox, FrameKey::new(CommitSeq(record.seq), record.n)), &place);
    Ok(())
}

/// Notes that a commit changed a folder or an item in it.
fn touch(rows: &mut Staged, seq: CommitSeq, mailbox: MailboxKey, folder: u64, item: u64, change_row: impl FnOnce(&mut MailboxRowValue)) -> Result<(), Error> {
    change(rows, seq, mailbox, folder, item);
    update(rows, mailbox, |row| {
        row.changed = seq.0;
        change_row(row);
    })
}

fn change(rows: &mut Staged, seq: CommitSeq, mailbox: MailboxKey, folder: u64, item: u64) {
    rows.put_bytes(Table::Changes, Key::number(seq.0).u32(mailbox.0).u64(folder).u64(item), Vec::new());
}

fn update(rows: &mut Staged, mailbox: MailboxKey, change_row: impl FnOnce(&mut MailboxRowValue)) -> Result<(), Error> {
    let key = Key::mailbox(mailbox);
    let mut row: MailboxRowValue = rows.row(Table::Mailboxes, &key)?.unwrap_or_default();
    change_row(&mut row);
    rows.put(Table::Mailboxes, key, &row);
    Ok(())
}

fn count(rows: &mut Staged, change_row: impl FnOnce(&mut StateRow)) -> Result<(), Error> {
    let before = rows.state()?;
    let mut state = before.clone();
    change_row(&mut state);
    if state != before {
        rows.put(Table::State, Key::default(), &state);
    }
    Ok(())
}
