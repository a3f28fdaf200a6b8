//! From records to rows: the only way in which the index changes.
//!
//! A commit, the rolling forward after a crash and a rebuild all go through [`apply`], so they
//! cannot differ. Records that refer to something unknown (because the pack that held it is
//! damaged) change nothing.

use super::staged::Staged;
use crate::format::pack::BlockEntry;
use crate::format::recipe::RecipeRecord;
use crate::format::record::{
    CursorRecord, FailureGoneRecord, FailureRecord, FolderGoneRecord, FolderRecord, ItemGoneRecord, ItemMarkRecord, ItemRecord, MailboxRecord, Record,
};
use crate::format::row::{
    ChunkPlace, CommitRow, FolderIdRow, FolderRowValue, HistoryRow, INDEX_VERSION, ItemIdRow, ItemRowValue, Key, MailboxRowValue, PlaceRow, StateRow, Table,
    live_key, past_key,
};
use crate::{CommitSeq, Error, FolderKey, ItemKey, MailboxKey};

/// Applies one record of commit `seq`.
pub(crate) fn apply(rows: &mut Staged, seq: CommitSeq, record: &Record) -> Result<(), Error> {
    match record {
        Record::Mailbox(record) => mailbox(rows, record),
        Record::Folder(record) => folder(rows, seq, record),
        Record::FolderGone(record) => folder_gone(rows, seq, record),
        Record::Item(record) => item(rows, seq, record),
        Record::ItemGone(record) => item_gone(rows, seq, record),
        Record::ItemMark(record) => item_mark(rows, record),
        Record::Cursor(record) => cursor(rows, record),
        Record::Failure(record) => failure(rows, record),
        Record::FailureGone(record) => failure_gone(rows, record),
        Record::Point(record) => point(rows, seq, MailboxKey(record.mailbox)),
        Record::Recipe(record) => recipe(rows, record),
        // The commit's own row needs the pack's name and comes with `commit`.
        Record::Commit(_) => Ok(()),
    }
}

/// Applies what is known of a pack once its records are applied: its chunks, its own row, the head.
pub(crate) fn commit(rows: &mut Staged, seq: CommitSeq, row: &CommitRow, blocks: &[BlockEntry]) -> Result<(), Error> {
    let mut state = rows.state()?;
    let keys: Vec<Vec<u8>> = blocks.iter().flat_map(|block| &block.chunks).map(|chunk| chunk.id.0.to_vec()).collect();
    state.chunks += rows.absent(Table::Chunks, &keys)?.into_iter().filter(|absent| *absent).count() as u64;
    for block in blocks {
        for chunk in &block.chunks {
            let place = ChunkPlace { seq, block: block.offset, stored: block.stored, raw: block.raw, offset: chunk.offset, len: chunk.len };
            rows.put_bytes(Table::Chunks, Key(chunk.id.0.to_vec()), place.encode());
        }
    }
    rows.put(Table::Commits, Key::number(seq.0), row);
    rows.put_bytes(Table::Times, Key::time(row.time).u64(seq.0), Vec::new());
    let state = StateRow { version: INDEX_VERSION, head: seq.0, packs: state.packs + 1, pack_bytes: state.pack_bytes + row.bytes, ..state };
    rows.put(Table::State, Key::default(), &state);
    Ok(())
}

fn mailbox(rows: &mut Staged, record: &MailboxRecord) -> Result<(), Error> {
    let key = Key::mailbox(MailboxKey(record.key));
    let known: Option<MailboxRowValue> = rows.row(Table::Mailboxes, &key)?;
    if known.as_ref().is_some_and(|row| row.address == record.address) {
        return Ok(());
    }
    let row = MailboxRowValue { address: record.address.clone(), first: record.first, ..known.unwrap_or_default() };
    rows.put(Table::Mailboxes, key, &row);
    rows.put(Table::Addresses, Key::default().text(&record.address), &record.key);
    let state = rows.state()?;
    rows.put(Table::State, Key::default(), &StateRow { mailboxes: state.mailboxes.max(record.key), ..state });
    Ok(())
}

fn folder(rows: &mut Staged, seq: CommitSeq, record: &FolderRecord) -> Result<(), Error> {
    let mailbox = MailboxKey(record.mailbox);
    let closed = close_folder(rows, seq, mailbox, record.key, &record.id)?;
    rows.put(Table::Folders, Key::mailbox(mailbox).u64(record.key).u64(seq.0), &FolderRowValue { record: record.clone(), until: 0 });
    rows.put(Table::FolderIds, Key::mailbox(mailbox).text(&record.id), &FolderIdRow { key: record.key, from: seq.0 });
    touch(rows, seq, mailbox, record.key, 0, |row| row.folders += u64::from(!closed))?;
    let state = rows.state()?;
    rows.put(Table::State, Key::default(), &StateRow { folders: state.folders.max(record.key), ..state });
    Ok(())
}

fn folder_gone(rows: &mut Staged, seq: CommitSeq, record: &FolderGoneRecord) -> Result<(), Error> {
    let mailbox = MailboxKey(record.mailbox);
    let versions = rows.scan(Table::Folders, &Key::mailbox(mailbox).u64(record.key))?;
    let Some(last) = versions.last().map(|(_, value)| super::decode::<FolderRowValue>(Table::Folders, value)).transpose()? else { return Ok(()) };
    if !close_folder(rows, seq, mailbox, record.key, &last.record.id)? {
        return Ok(());
    }
    rows.put(Table::FolderIds, Key::mailbox(mailbox).text(&last.record.id), &FolderIdRow { key: record.key, from: 0 });
    rows.delete(Table::Cursors, Key::mailbox(mailbox).u64(record.key));
    touch(rows, seq, mailbox, record.key, 0, |row| row.folders = row.folders.saturating_sub(1))
}

/// Ends the present version of a folder; returns whether there was one.
fn close_folder(rows: &mut Staged, seq: CommitSeq, mailbox: MailboxKey, key: u64, id: &str) -> Result<bool, Error> {
    let present: Option<FolderIdRow> = rows.row(Table::FolderIds, &Key::mailbox(mailbox).text(id))?;
    let Some(from) = present.filter(|row| row.key == key && row.from != 0).map(|row| row.from) else { return Ok(false) };
    let place = Key::mailbox(mailbox).u64(key).u64(from);
    let row: Option<FolderRowValue> = rows.row(Table::Folders, &place)?;
    match row {
        // A version that began in this very commit was never visible.
        Some(_) if from == seq.0 => rows.delete(Table::Folders, place),
        Some(row) => rows.put(Table::Folders, place, &FolderRowValue { until: seq.0, ..row }),
        None => return Ok(false),
    }
    Ok(true)
}

fn item(rows: &mut Staged, seq: CommitSeq, record: &ItemRecord) -> Result<(), Error> {
    let (mailbox, folder, key) = (MailboxKey(record.mailbox), FolderKey(record.folder), ItemKey(record.key));
    let before = close_item(rows, seq, key)?;
    let held = before.as_ref().map(|(_, row)| (row.record.shown, row.record.export));
    let of = |content: &Option<crate::format::record::ContentRef>| content.map_or(0, |content| content.len);
    // What a version brought counts once: neither again for new metadata, nor twice when the stream is also what is shown.
    let brought = match held {
        Some((shown, export)) => {
            let new_shown = if record.shown == shown { 0 } else { of(&record.shown) };
            new_shown + if record.export == export || record.export == record.shown { 0 } else { of(&record.export) }
        }
        None => of(&record.shown) + if record.export == record.shown { 0 } else { of(&record.export) },
    };
    // A version replaced within its own commit hands on what it brought.
    let replaced = before.as_ref().filter(|(place, _)| place.from == seq.0 && place.live);
    let brought = brought + replaced.map_or(0, |(_, row)| row.brought);
    if let Some((place, _)) = &before
        && place.live
        && place.folder != folder.0
    {
        change(rows, seq, MailboxKey(place.mailbox), place.folder, key.0);
    }
    rows.put(Table::ItemsLive, live_key(mailbox, folder, seq.0, key), &ItemRowValue { record: record.clone(), brought });
    rows.put(Table::History, Key::number(key.0).u64(seq.0), &HistoryRow { mailbox: mailbox.0, folder: folder.0, until: 0 });
    rows.put(Table::Places, Key::number(key.0), &PlaceRow { mailbox: mailbox.0, folder: folder.0, from: seq.0, version: record.version, live: true });
    rows.put(Table::ItemIds, Key::mailbox(mailbox).text(&record.meta.id), &id_row(record, true));
    let (live, logical) = (u64::from(!before.is_some_and(|(place, _)| place.live)), brought);
    touch(rows, seq, mailbox, folder.0, key.0, |row| {
        row.items += live;
        row.versions += 1;
        row.logical_bytes += logical;
    })?;
    let state = rows.state()?;
    rows.put(Table::State, Key::default(), &StateRow { items: state.items.max(key.0), ..state });
    Ok(())
}

fn item_gone(rows: &mut Staged, seq: CommitSeq, record: &ItemGoneRecord) -> Result<(), Error> {
    let key = ItemKey(record.key);
    let Some((place, row)) = close_item(rows, seq, key)?.filter(|(place, _)| place.live) else { return Ok(()) };
    let mailbox = MailboxKey(place.mailbox);
    rows.put(Table::Places, Key::number(key.0), &PlaceRow { live: false, ..place.clone() });
    rows.put(Table::ItemIds, Key::mailbox(mailbox).text(&row.record.meta.id), &id_row(&row.record, false));
    touch(rows, seq, mailbox, place.folder, key.0, |row| row.items = row.items.saturating_sub(1))
}

/// Ends the present version of an item, if it is live. Returns where it was last and that version.
fn close_item(rows: &mut Staged, seq: CommitSeq, key: ItemKey) -> Result<Option<(PlaceRow, ItemRowValue)>, Error> {
    let Some(place): Option<PlaceRow> = rows.row(Table::Places, &Key::number(key.0))? else { return Ok(None) };
    let (mailbox, folder) = (MailboxKey(place.mailbox), FolderKey(place.folder));
    if !place.live {
        return Ok(last_version(rows, key)?.map(|row| (place, row)));
    }
    let live = live_key(mailbox, folder, place.from, key);
    let Some(row): Option<ItemRowValue> = rows.row(Table::ItemsLive, &live)? else { return Ok(None) };
    rows.delete(Table::ItemsLive, live);
    let history = Key::number(key.0).u64(place.from);
    if place.from == seq.0 {
        // A version that began in this very commit was never visible.
        rows.delete(Table::History, history);
        let brought = row.brought;
        touch(rows, seq, mailbox, place.folder, key.0, |row| {
            row.versions = row.versions.saturating_sub(1);
            row.logical_bytes = row.logical_bytes.saturating_sub(brought);
        })?;
    } else {
        rows.put(Table::ItemsPast, past_key(mailbox, folder, seq.0, place.from, key), &row);
        rows.put(Table::History, history, &HistoryRow { mailbox: place.mailbox, folder: place.folder, until: seq.0 });
    }
    Ok(Some((place, row)))
}

/// Returns the last version of an item that is gone.
pub(crate) fn last_version(rows: &Staged, key: ItemKey) -> Result<Option<ItemRowValue>, Error> {
    let history = rows.scan(Table::History, &Key::number(key.0))?;
    let Some((id, value)) = history.last() else { return Ok(None) };
    let row: HistoryRow = super::decode(Table::History, value)?;
    let from = crate::format::row::KeyTake::new(id.get(8..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: "history" })?;
    rows.row(Table::ItemsPast, &past_key(MailboxKey(row.mailbox), FolderKey(row.folder), row.until, from, key))
}

fn item_mark(rows: &mut Staged, record: &ItemMarkRecord) -> Result<(), Error> {
    let key = ItemKey(record.key);
    let Some(place): Option<PlaceRow> = rows.row(Table::Places, &Key::number(key.0))? else { return Ok(()) };
    let (mailbox, folder) = (MailboxKey(place.mailbox), FolderKey(place.folder));
    let live = live_key(mailbox, folder, place.from, key);
    let Some(mut row): Option<ItemRowValue> = rows.row(Table::ItemsLive, &live)? else { return Ok(()) };
    row.record.meta.change_key.clone_from(&record.change_key);
    rows.put(Table::ItemIds, Key::mailbox(mailbox).text(&row.record.meta.id), &id_row(&row.record, true));
    rows.put(Table::ItemsLive, live, &row);
    Ok(())
}

fn id_row(record: &ItemRecord, live: bool) -> ItemIdRow {
    ItemIdRow { key: record.key, folder: record.folder, change_key: record.meta.change_key.clone(), fidelity: record.fidelity, live }
}

fn cursor(rows: &mut Staged, record: &CursorRecord) -> Result<(), Error> {
    let key = Key::mailbox(MailboxKey(record.mailbox)).u64(record.folder.unwrap_or(0));
    match &record.cursor {
        Some(cursor) => rows.put_bytes(Table::Cursors, key, cursor.clone().into_bytes()),
        None => rows.delete(Table::Cursors, key),
    }
    Ok(())
}

fn failure(rows: &mut Staged, record: &FailureRecord) -> Result<(), Error> {
    rows.put(Table::Failures, Key::mailbox(MailboxKey(record.mailbox)).text(&record.id), record);
    Ok(())
}

fn failure_gone(rows: &mut Staged, record: &FailureGoneRecord) -> Result<(), Error> {
    rows.delete(Table::Failures, Key::mailbox(MailboxKey(record.mailbox)).text(&record.id));
    Ok(())
}

fn point(rows: &mut Staged, seq: CommitSeq, mailbox: MailboxKey) -> Result<(), Error> {
    rows.put_bytes(Table::Points, Key::mailbox(mailbox).u64(seq.0), Vec::new());
    update(rows, mailbox, |row| row.point = seq.0)
}

fn recipe(rows: &mut Staged, record: &RecipeRecord) -> Result<(), Error> {
    rows.put(Table::Recipes, Key(record.id.to_vec()), record);
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
