//! Items: where each version is listed, and what it brought.

use super::{change, count, touch};
use crate::format::record::{ContentRef, ItemGoneRecord, ItemMarkRecord, ItemRecord, Record};
use crate::format::row::{HistoryRow, ItemIdRow, ItemPlaceRow, ItemRowValue, Key, KeyTake, Table, live_key, past_key};
use crate::index::decode;
use crate::index::staged::Staged;
use crate::{CommitSeq, Error, FolderKey, ItemKey, MailboxKey, Place};

pub(super) fn item(rows: &mut Staged, place: Place, record: &ItemRecord) -> Result<(), Error> {
    let (mailbox, folder, key, seq) = (MailboxKey(record.mailbox), FolderKey(record.folder), ItemKey(record.key), place.frame.seq);
    let before = close_item(rows, seq, key)?;
    let held = match &before {
        Some((_, row)) => contents(rows, row)?,
        None => None,
    };
    // A version replaced within its own commit hands on what it brought.
    let replaced = before.as_ref().filter(|(was, _)| was.live && was.from == seq.0);
    let brought = new_bytes(record, held) + replaced.map_or(0, |(_, row)| row.brought);
    if let Some((was, _)) = &before
        && was.live
        && was.folder != folder.0
    {
        change(rows, seq, MailboxKey(was.mailbox), was.folder, key.0);
    }
    let row = ItemRowValue { place, brought, version: record.version, mark: None, rule: None };
    rows.put(Table::ItemsLive, live_key(mailbox, folder, seq.0, key), &row);
    rows.put(Table::History, Key::number(key.0).u64(seq.0), &HistoryRow { mailbox: mailbox.0, folder: folder.0, until: 0, marked: false });
    rows.put(Table::Places, Key::number(key.0), &ItemPlaceRow { mailbox: mailbox.0, folder: folder.0, from: seq.0, version: record.version, live: true });
    put_id(rows, record, record.meta.change_key.as_deref(), true);
    let was_live = before.is_some_and(|(was, _)| was.live);
    touch(rows, seq, mailbox, folder.0, key.0, |row| {
        row.items += u64::from(!was_live);
        row.versions += 1;
        row.logical_bytes += brought;
    })?;
    count(rows, |state| state.items = state.items.max(key.0))
}

pub(super) fn item_gone(rows: &mut Staged, seq: CommitSeq, record: &ItemGoneRecord) -> Result<(), Error> {
    let key = ItemKey(record.key);
    count(rows, |state| state.items = state.items.max(key.0))?;
    let Some((place, row)) = close_item(rows, seq, key)?.filter(|(place, _)| place.live) else { return Ok(()) };
    rows.put(Table::Places, Key::number(key.0), &ItemPlaceRow { live: false, ..place });
    if let Some(record) = rows.item(&row)? {
        put_id(rows, &record, record.meta.change_key.as_deref(), false);
    }
    touch(rows, seq, MailboxKey(place.mailbox), place.folder, key.0, |row| row.items = row.items.saturating_sub(1))
}

pub(super) fn item_mark(rows: &mut Staged, place: Place, record: &ItemMarkRecord) -> Result<(), Error> {
    let key = ItemKey(record.key);
    let Some(at): Option<ItemPlaceRow> = rows.row(Table::Places, &Key::number(key.0))? else { return Ok(()) };
    let live = live_key(MailboxKey(at.mailbox), FolderKey(at.folder), at.from, key);
    let Some(row): Option<ItemRowValue> = rows.row(Table::ItemsLive, &live)? else { return Ok(()) };
    if let Some(item) = rows.record(row.place)?
        && let Record::Item(item) = item.as_ref()
    {
        put_id(rows, item, record.change_key.as_deref(), true);
    }
    rows.put(Table::ItemsLive, live, &ItemRowValue { mark: Some(place), ..row });
    Ok(())
}

/// Ends the present version of an item, if it is live. Returns where it was last and that version.
fn close_item(rows: &mut Staged, seq: CommitSeq, key: ItemKey) -> Result<Option<(ItemPlaceRow, ItemRowValue)>, Error> {
    let Some(place): Option<ItemPlaceRow> = rows.row(Table::Places, &Key::number(key.0))? else { return Ok(None) };
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
        touch(rows, seq, mailbox, place.folder, key.0, |mailbox| {
            mailbox.versions = mailbox.versions.saturating_sub(1);
            mailbox.logical_bytes = mailbox.logical_bytes.saturating_sub(row.brought);
        })?;
    } else {
        rows.put(Table::ItemsPast, past_key(mailbox, folder, seq.0, place.from, key), &row);
        rows.put(Table::History, history, &HistoryRow { mailbox: place.mailbox, folder: place.folder, until: seq.0, marked: false });
    }
    Ok(Some((place, row)))
}

/// Returns the last version of an item that is gone.
fn last_version(rows: &Staged, key: ItemKey) -> Result<Option<ItemRowValue>, Error> {
    let Some((id, value)) = rows.last(Table::History, &Key::number(key.0))? else { return Ok(None) };
    let row: HistoryRow = decode(Table::History, &value)?;
    let from = KeyTake::new(id.get(8..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: Table::History.name() })?;
    let table = if row.marked { Table::ItemsMarked } else { Table::ItemsPast };
    rows.row(table, &past_key(MailboxKey(row.mailbox), FolderKey(row.folder), row.until, from, key))
}

/// What a version shows, and its export stream.
type Contents = (Option<ContentRef>, Option<ContentRef>);

fn contents(rows: &Staged, row: &ItemRowValue) -> Result<Option<Contents>, Error> {
    Ok(rows.record(row.place)?.and_then(|record| match record.as_ref() {
        Record::Item(record) => Some((record.shown, record.export)),
        _ => None,
    }))
}

/// Returns how many bytes a version brings: neither again for new metadata, nor twice when the stream is also what is shown.
fn new_bytes(record: &ItemRecord, held: Option<Contents>) -> u64 {
    let of = |content: Option<ContentRef>| content.map_or(0, |content| content.len);
    let (held_shown, held_export) = held.unwrap_or_default();
    let shown = if held.is_some() && record.shown == held_shown { 0 } else { of(record.shown) };
    let export = if record.export == record.shown || held.is_some() && record.export == held_export { 0 } else { of(record.export) };
    shown + export
}

fn put_id(rows: &mut Staged, record: &ItemRecord, change_key: Option<&str>, live: bool) {
    let change = change_key.map(|change_key| rows.index().change_mark(change_key));
    let row = ItemIdRow { key: record.key, folder: record.folder, change, fidelity: record.fidelity, live };
    rows.put(Table::ItemIds, rows.text_key(MailboxKey(record.mailbox), &record.meta.id), &row);
}
