//! Items: where each version is listed, and what it brought.

use super::{change, count, touch, update};
use crate::format::record::{ContentRef, ItemGoneRecord, ItemMarkRecord, ItemRecord, Record};
use crate::format::row::{HistoryRow, ItemIdRow, ItemPlaceRow, ItemRowValue, Key, KeyTake, Table, live_key, past_key};
use crate::index::decode;
use crate::index::staged::Staged;
use crate::{CommitSeq, Error, FolderKey, ItemKey, MailboxKey, Place};

pub(super) fn item(rows: &mut Staged, place: Place, record: &ItemRecord) -> Result<(), Error> {
    let (mailbox, folder, key, seq) = (MailboxKey(record.mailbox), FolderKey(record.folder), ItemKey(record.key), place.frame.seq);
    let before = close_item(rows, seq, key)?;
    // What the version brings is more than the one before it that was ever visible had.
    let held = match last_version(rows, key)? {
        Some((_, row)) => contents(rows, &row)?,
        None => None,
    };
    let brought = new_bytes(record, held);
    if let Some((was, _)) = &before
        && was.live
        && was.from != seq.0
        && was.folder != folder.0
    {
        change(rows, seq, MailboxKey(was.mailbox), was.folder, key.0);
    }
    let row = ItemRowValue { place, brought, version: record.version, mark: None, rule: None, judged: None };
    rows.put(Table::ItemsLive, live_key(mailbox, folder, seq.0, key), &row);
    rows.put(Table::History, Key::number(key.0).u64(seq.0), &HistoryRow { mailbox: mailbox.0, folder: folder.0, until: 0, marked: false });
    let id = rows.hash20(&record.meta.id).first_chunk().copied().unwrap_or_default();
    let at = ItemPlaceRow { mailbox: mailbox.0, folder: folder.0, from: seq.0, version: record.version, live: true, id };
    rows.put(Table::Places, Key::number(key.0), &at);
    if let Some((was, _)) = before.as_ref().filter(|(was, _)| was.id != id)
        && let Some((old, _)) = known_by(rows, key.0, was)?
    {
        // The item has another id now; a rebuild may know of this one only.
        rows.delete(Table::ItemIds, old);
    }
    put_id(rows, record, record.meta.change_key.as_deref(), true);
    let was_live = before.is_some_and(|(was, _)| was.live);
    touch(rows, seq, mailbox, folder.0, key.0, |row| {
        row.items += u64::from(!was_live);
        row.versions += 1;
        row.logical_bytes += brought;
    })?;
    count(rows, |state| state.items = state.items.max(key.0))
}

pub(super) fn item_gone(rows: &mut Staged, seq: CommitSeq, mailbox: Option<MailboxKey>, record: &ItemGoneRecord) -> Result<(), Error> {
    let key = ItemKey(record.key);
    count(rows, |state| state.items = state.items.max(key.0))?;
    let Some((place, row)) = close_item(rows, seq, key)?.filter(|(place, _)| place.live) else {
        // The item was freed; that the mailbox changed is still so.
        return mailbox.map_or(Ok(()), |mailbox| update(rows, mailbox, |row| row.changed = row.changed.max(seq.0)));
    };
    rows.put(Table::Places, Key::number(key.0), &ItemPlaceRow { live: false, ..place });
    if let Some(record) = rows.item(&row)? {
        put_id(rows, &record, record.meta.change_key.as_deref(), false);
    } else if let Some((id, row)) = known_by(rows, key.0, &place)? {
        // Its record was dropped before this one was taken in: the item is freed further on.
        rows.put(Table::ItemIds, id, &ItemIdRow { live: false, ..row });
    }
    if place.from != seq.0 {
        change(rows, seq, MailboxKey(place.mailbox), place.folder, key.0);
    }
    update(rows, MailboxKey(place.mailbox), |row| {
        row.changed = seq.0;
        row.items = row.items.saturating_sub(1);
    })
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
        return Ok(last_version(rows, key)?.map(|(_, row)| (place, row)));
    }
    let live = live_key(mailbox, folder, place.from, key);
    let Some(row): Option<ItemRowValue> = rows.row(Table::ItemsLive, &live)? else { return Ok(None) };
    rows.delete(Table::ItemsLive, live);
    let history = Key::number(key.0).u64(place.from);
    if place.from == seq.0 {
        // A version that began in this very commit was never visible.
        rows.delete(Table::History, history);
        if last_version(rows, key)?.is_none_or(|(last, _)| (last.until, last.folder) != (seq.0, place.folder)) {
            rows.delete(Table::Changes, Key::number(seq.0).u32(place.mailbox).u64(place.folder).u64(key.0));
        }
        update(rows, mailbox, |mailbox| {
            mailbox.changed = seq.0;
            mailbox.versions = mailbox.versions.saturating_sub(1);
            mailbox.logical_bytes = mailbox.logical_bytes.saturating_sub(row.brought);
        })?;
    } else {
        rows.put(Table::ItemsPast, past_key(mailbox, folder, seq.0, place.from, key), &row);
        rows.put(Table::History, history, &HistoryRow { mailbox: place.mailbox, folder: place.folder, until: seq.0, marked: false });
    }
    Ok(Some((place, row)))
}

/// Returns the last version of an item of those that hold no more, and where it is listed.
pub(super) fn last_version(rows: &Staged, key: ItemKey) -> Result<Option<(HistoryRow, ItemRowValue)>, Error> {
    let Some((id, value)) = rows.last(Table::History, &Key::number(key.0))? else { return Ok(None) };
    let row: HistoryRow = decode(Table::History, &value)?;
    let from = KeyTake::new(id.get(8..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: Table::History.name() })?;
    let table = if row.marked { Table::ItemsMarked } else { Table::ItemsPast };
    let value = rows.row(table, &past_key(MailboxKey(row.mailbox), FolderKey(row.folder), row.until, from, key))?;
    Ok(value.map(|value| (row, value)))
}

/// What a version shows, and its export stream.
pub(super) type Contents = (Option<ContentRef>, Option<ContentRef>);

pub(super) fn contents(rows: &Staged, row: &ItemRowValue) -> Result<Option<Contents>, Error> {
    Ok(rows.record(row.place)?.and_then(|record| match record.as_ref() {
        Record::Item(record) => Some((record.shown, record.export)),
        _ => None,
    }))
}

/// Returns how many bytes a version brings: neither again for new metadata, nor twice when the stream is also what is shown.
pub(super) fn new_bytes(record: &ItemRecord, held: Option<Contents>) -> u64 {
    let of = |content: Option<ContentRef>| content.map_or(0, |content| content.len);
    let (held_shown, held_export) = held.unwrap_or_default();
    let shown = if held.is_some() && record.shown == held_shown { 0 } else { of(record.shown) };
    let export = if record.export == record.shown || held.is_some() && record.export == held_export { 0 } else { of(record.export) };
    shown + export
}

/// Finds what an item is known by, whether or not a record still says it.
pub(super) fn known_by(rows: &Staged, item: u64, place: &ItemPlaceRow) -> Result<Option<(Key, ItemIdRow)>, Error> {
    let mut prefix = Key::mailbox(MailboxKey(place.mailbox));
    prefix.0.extend(place.id);
    for (key, value) in rows.scan(Table::ItemIds, &prefix)? {
        let row: ItemIdRow = decode(Table::ItemIds, &value)?;
        if row.key == item {
            return Ok(Some((Key(key), row)));
        }
    }
    Ok(None)
}

fn put_id(rows: &mut Staged, record: &ItemRecord, change_key: Option<&str>, live: bool) {
    let change = change_key.map(|change_key| rows.index().change_mark(change_key));
    let row = ItemIdRow { key: record.key, folder: record.folder, change, fidelity: record.fidelity, live };
    rows.put(Table::ItemIds, rows.text_key(MailboxKey(record.mailbox), &record.meta.id), &row);
}
