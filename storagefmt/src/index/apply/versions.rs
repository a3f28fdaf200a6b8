//! Past versions under retention: shown, marked, freed.
//!
//! A marked version is listed apart, with the same key, and can be shown again; a freed one has no rows.
//! The live version of an item is never touched.

use super::{change, count, update};
use crate::format::record::{Record, VersionGoneRecord, VersionRecord};
use crate::format::row::{HistoryRow, ItemIdRow, ItemPlaceRow, ItemRowValue, Key, Table, past_key};
use crate::index::staged::Staged;
use crate::{CommitSeq, Error, FolderKey, ItemKey, MailboxKey};

pub(super) fn gone(rows: &mut Staged, seq: CommitSeq, record: &VersionGoneRecord) -> Result<(), Error> {
    let Some(version) = Version::find(rows, record.item, record.from)?.filter(|version| !version.history.marked) else { return Ok(()) };
    version.put(rows, true, Some(record.rule));
    change(rows, seq, version.mailbox(), version.history.folder, record.item);
    let brought = version.row.brought;
    update(rows, version.mailbox(), |row| {
        row.marked_versions += 1;
        row.marked_bytes += brought;
    })
}

pub(super) fn back(rows: &mut Staged, seq: CommitSeq, record: &VersionRecord) -> Result<(), Error> {
    let Some(version) = Version::find(rows, record.item, record.from)?.filter(|version| version.history.marked) else { return Ok(()) };
    version.put(rows, false, None);
    change(rows, seq, version.mailbox(), version.history.folder, record.item);
    version.unmark(rows)
}

pub(super) fn freed(rows: &mut Staged, record: &VersionRecord) -> Result<(), Error> {
    let Some(version) = Version::find(rows, record.item, record.from)? else { return Ok(()) };
    version.remove(rows);
    if version.history.marked {
        version.unmark(rows)?;
    }
    let brought = version.row.brought;
    update(rows, version.mailbox(), |row| {
        row.versions = row.versions.saturating_sub(1);
        row.logical_bytes = row.logical_bytes.saturating_sub(brought);
    })?;
    forget_item(rows, &version)
}

/// A version that holds no more.
struct Version {
    item: u64,
    from: u64,
    history: HistoryRow,
    row: ItemRowValue,
}

impl Version {
    fn find(rows: &mut Staged, item: u64, from: u64) -> Result<Option<Self>, Error> {
        count(rows, |state| state.items = state.items.max(item))?;
        let history: Option<HistoryRow> = rows.row(Table::History, &Key::number(item).u64(from))?;
        let Some(history) = history.filter(|history| history.until != 0) else { return Ok(None) };
        let row = rows.row(table(history.marked), &key(&history, item, from))?;
        Ok(row.map(|row| Self { item, from, history, row }))
    }

    fn mailbox(&self) -> MailboxKey {
        MailboxKey(self.history.mailbox)
    }

    /// Lists the version among the marked ones or among those shown.
    fn put(&self, rows: &mut Staged, marked: bool, rule: Option<u8>) {
        self.remove(rows);
        rows.put(table(marked), key(&self.history, self.item, self.from), &ItemRowValue { rule, ..self.row });
        rows.put(Table::History, Key::number(self.item).u64(self.from), &HistoryRow { marked, ..self.history });
    }

    fn remove(&self, rows: &mut Staged) {
        rows.delete(table(self.history.marked), key(&self.history, self.item, self.from));
        rows.delete(Table::History, Key::number(self.item).u64(self.from));
    }

    fn unmark(&self, rows: &mut Staged) -> Result<(), Error> {
        update(rows, self.mailbox(), |row| {
            row.marked_versions = row.marked_versions.saturating_sub(1);
            row.marked_bytes = row.marked_bytes.saturating_sub(self.row.brought);
        })
    }
}

/// Forgets an item with its last version, so that nothing of it is needed any more.
fn forget_item(rows: &mut Staged, last: &Version) -> Result<(), Error> {
    let place: Option<ItemPlaceRow> = rows.row(Table::Places, &Key::number(last.item))?;
    if place.is_none_or(|place| place.live) || rows.last(Table::History, &Key::number(last.item))?.is_some() {
        return Ok(());
    }
    rows.delete(Table::Places, Key::number(last.item));
    let Some(record) = rows.record(last.row.place)? else { return Ok(()) };
    let Record::Item(record) = record.as_ref() else { return Ok(()) };
    let id = rows.text_key(last.mailbox(), &record.meta.id);
    let known: Option<ItemIdRow> = rows.row(Table::ItemIds, &id)?;
    if known.is_some_and(|known| known.key == last.item) {
        rows.delete(Table::ItemIds, id);
    }
    Ok(())
}

fn table(marked: bool) -> Table {
    if marked { Table::ItemsMarked } else { Table::ItemsPast }
}

fn key(history: &HistoryRow, item: u64, from: u64) -> Key {
    past_key(MailboxKey(history.mailbox), FolderKey(history.folder), history.until, from, ItemKey(item))
}
