//! Past versions under retention: shown, marked, freed.
//!
//! A marked version is listed apart, with the same key, and can be shown again; a freed one has no rows.
//! The live version of an item is never touched.
//!
//! What stays after a version was freed is what would be there if it had never been: its record may be dropped
//! from its pack at any later time, and a rebuild then gives the same rows. So the changes that it made
//! are forgotten with it, and the version behind it brings what it shared with it.

use super::items::{contents, known_by, new_bytes};
use super::{change, count, update};
use crate::format::record::{Record, VersionGoneRecord, VersionRecord};
use crate::format::row::{HistoryRow, ItemPlaceRow, ItemRowValue, Key, KeyTake, Table, live_key, past_key};
use crate::index::decode;
use crate::index::staged::Staged;
use crate::{CommitSeq, Error, FolderKey, ItemKey, MailboxKey};

pub(super) fn gone(rows: &mut Staged, seq: CommitSeq, record: &VersionGoneRecord) -> Result<(), Error> {
    let Some(version) = Version::past(rows, record.item, record.from)?.filter(|version| !version.history.marked) else { return Ok(()) };
    version.judge(rows, seq, true, Some(record.rule))?;
    let brought = version.row.brought;
    update(rows, version.mailbox(), |row| {
        row.marked_versions += 1;
        row.marked_bytes += brought;
    })
}

pub(super) fn back(rows: &mut Staged, seq: CommitSeq, record: &VersionRecord) -> Result<(), Error> {
    let Some(version) = Version::past(rows, record.item, record.from)?.filter(|version| version.history.marked) else { return Ok(()) };
    version.judge(rows, seq, false, None)?;
    version.unmark(rows)
}

pub(super) fn freed(rows: &mut Staged, record: &VersionRecord) -> Result<(), Error> {
    let Some(version) = Version::past(rows, record.item, record.from)? else { return Ok(()) };
    version.remove(rows);
    if version.history.marked {
        version.unmark(rows)?;
    }
    let brought = version.row.brought;
    update(rows, version.mailbox(), |row| {
        row.versions = row.versions.saturating_sub(1);
        row.logical_bytes = row.logical_bytes.saturating_sub(brought);
    })?;
    let others = versions(rows, version.item)?;
    for seq in [Some(version.from), Some(version.history.until), version.row.judged].into_iter().flatten() {
        forget_change(rows, &version, seq, &others);
    }
    let at = others.partition_point(|other| other.from < version.from);
    if let Some(next) = others.get(at) {
        inherit(rows, next, at.checked_sub(1).and_then(|at| others.get(at)))?;
    }
    if others.is_empty() { forget_item(rows, &version) } else { Ok(()) }
}

/// A version and where it is listed.
struct Version {
    item: u64,
    from: u64,
    history: HistoryRow,
    row: ItemRowValue,
}

impl Version {
    /// Finds a version that holds no more.
    fn past(rows: &mut Staged, item: u64, from: u64) -> Result<Option<Self>, Error> {
        count(rows, |state| state.items = state.items.max(item))?;
        let history: Option<HistoryRow> = rows.row(Table::History, &Key::number(item).u64(from))?;
        history.filter(|history| history.until != 0).map_or(Ok(None), |history| Self::listed(rows, item, from, history))
    }

    fn listed(rows: &Staged, item: u64, from: u64, history: HistoryRow) -> Result<Option<Self>, Error> {
        let (table, key) = listing(&history, item, from);
        Ok(rows.row(table, &key)?.map(|row| Self { item, from, history, row }))
    }

    fn mailbox(&self) -> MailboxKey {
        MailboxKey(self.history.mailbox)
    }

    /// Lists the version among the marked ones or among those shown, and notes the change: in place of what was noted of it before.
    fn judge(&self, rows: &mut Staged, seq: CommitSeq, marked: bool, rule: Option<u8>) -> Result<(), Error> {
        if let Some(before) = self.row.judged {
            let others: Vec<Self> = versions(rows, self.item)?.into_iter().filter(|other| other.from != self.from).collect();
            if before != self.from && before != self.history.until {
                forget_change(rows, self, before, &others);
            }
        }
        self.remove(rows);
        let history = HistoryRow { marked, ..self.history };
        let (table, key) = listing(&history, self.item, self.from);
        rows.put(table, key, &ItemRowValue { rule, judged: Some(seq.0), ..self.row });
        rows.put(Table::History, Key::number(self.item).u64(self.from), &history);
        change(rows, seq, self.mailbox(), self.history.folder, self.item);
        Ok(())
    }

    fn remove(&self, rows: &mut Staged) {
        let (table, key) = listing(&self.history, self.item, self.from);
        rows.delete(table, key);
        rows.delete(Table::History, Key::number(self.item).u64(self.from));
    }

    fn unmark(&self, rows: &mut Staged) -> Result<(), Error> {
        update(rows, self.mailbox(), |row| {
            row.marked_versions = row.marked_versions.saturating_sub(1);
            row.marked_bytes = row.marked_bytes.saturating_sub(self.row.brought);
        })
    }

    /// Returns whether a commit changed what this version's folder lists of it.
    fn changed_in(&self, seq: u64) -> bool {
        self.from == seq || self.history.until == seq || self.row.judged == Some(seq)
    }
}

/// Returns all versions of an item, oldest first.
fn versions(rows: &Staged, item: u64) -> Result<Vec<Version>, Error> {
    let mut versions = Vec::new();
    for (key, value) in rows.scan(Table::History, &Key::number(item))? {
        let from = KeyTake::new(key.get(8..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: Table::History.name() })?;
        versions.extend(Version::listed(rows, item, from, decode(Table::History, &value)?)?);
    }
    Ok(versions)
}

/// Forgets that a commit changed a version, unless it changed another of the item in the same folder.
fn forget_change(rows: &mut Staged, version: &Version, seq: u64, others: &[Version]) {
    let folder = version.history.folder;
    if !others.iter().any(|other| other.history.folder == folder && other.changed_in(seq)) {
        rows.delete(Table::Changes, Key::number(seq).u32(version.history.mailbox).u64(folder).u64(version.item));
    }
}

/// Counts what a version brings, now that another one is before it.
fn inherit(rows: &mut Staged, version: &Version, before: Option<&Version>) -> Result<(), Error> {
    let Some(record) = rows.record(version.row.place)? else { return Ok(()) };
    let Record::Item(record) = record.as_ref() else { return Ok(()) };
    let held = before.map_or(Ok(None), |before| contents(rows, &before.row))?;
    let brought = new_bytes(record, held);
    let was = version.row.brought;
    if brought == was {
        return Ok(());
    }
    let (table, key) = listing(&version.history, version.item, version.from);
    rows.put(table, key, &ItemRowValue { brought, ..version.row });
    update(rows, version.mailbox(), |row| {
        row.logical_bytes = row.logical_bytes.saturating_sub(was) + brought;
        if version.history.marked {
            row.marked_bytes = row.marked_bytes.saturating_sub(was) + brought;
        }
    })
}

/// Forgets an item with its last version, so that nothing of it is needed any more.
fn forget_item(rows: &mut Staged, last: &Version) -> Result<(), Error> {
    let Some(place): Option<ItemPlaceRow> = rows.row(Table::Places, &Key::number(last.item))? else { return Ok(()) };
    if place.live {
        return Ok(());
    }
    rows.delete(Table::Places, Key::number(last.item));
    if let Some((id, _)) = known_by(rows, last.item, &place)? {
        rows.delete(Table::ItemIds, id);
    }
    Ok(())
}

/// Returns where a version is listed.
fn listing(history: &HistoryRow, item: u64, from: u64) -> (Table, Key) {
    let (mailbox, folder, item) = (MailboxKey(history.mailbox), FolderKey(history.folder), ItemKey(item));
    match (history.until, history.marked) {
        (0, _) => (Table::ItemsLive, live_key(mailbox, folder, from, item)),
        (until, false) => (Table::ItemsPast, past_key(mailbox, folder, until, from, item)),
        (until, true) => (Table::ItemsMarked, past_key(mailbox, folder, until, from, item)),
    }
}
