//! Which records still say something.
//!
//! A record may go when nothing is different without it: not what holds, and not what a rebuild makes of the records that stay,
//! whichever other packs are made anew or not. So a record that ends or hides another one stays as long as
//! that may be there.

use super::scan::Scan;
use crate::catalog::Shared;
use crate::format::record::Record;
use crate::format::row::{HistoryRow, ItemPlaceRow, ItemRowValue, Key, KeyTake, MailboxRowValue, Table, WaitingRow, grant_key, live_key, past_key};
use crate::index::decode;
use crate::{CommitSeq, ContentId, Error, FolderKey, FrameKey, ItemKey, MailboxKey, Place};

/// Drops the records of a frame that say nothing any more; `true` when any was.
pub(super) fn drop_dead(shared: &Shared, scan: &Scan, frame: FrameKey, mailbox: MailboxKey, records: &mut [Option<Record>]) -> Result<bool, Error> {
    let judge = Judge { shared, scan, mailbox };
    let mut dropped = false;
    for (index, slot) in (0..).zip(records.iter_mut()) {
        if let Some(record) = slot
            && !judge.is_live(Place { frame, index }, record)?
        {
            *slot = None;
            dropped = true;
        }
    }
    // A mailbox says who it is beside what else it says; alone, it says so once.
    let alone = records.iter().flatten().all(|record| matches!(record, Record::Mailbox(_)));
    if alone && !judge.is_introduction(frame)? {
        for slot in records.iter_mut().filter(|slot| slot.is_some()) {
            *slot = None;
            dropped = true;
        }
    }
    Ok(dropped)
}

struct Judge<'a> {
    shared: &'a Shared,
    scan: &'a Scan,
    mailbox: MailboxKey,
}

impl Judge<'_> {
    fn is_live(&self, place: Place, record: &Record) -> Result<bool, Error> {
        let index = self.shared.index();
        let seq = place.frame.seq;
        let is_new = seq > self.scan.head;
        let is_row = |table: Table, key: Key| Ok::<bool, Error>(index.row::<Place>(table, &key)? == Some(place));
        match record {
            // These end or count something, or are few.
            Record::Mailbox(_)
            | Record::Folder(_)
            | Record::FolderGone(_)
            | Record::ItemGone(_)
            | Record::FailureGone(_)
            | Record::Point(_)
            | Record::Commit(_)
            | Record::VersionFreed(_)
            | Record::Erased(_)
            | Record::Allowed(_) => Ok(true),
            Record::Item(item) => self.ends_or_is(item.key, seq),
            Record::ItemMark(mark) => self.is_marked(mark.key, place),
            Record::Cursor(cursor) => {
                let key = Key::mailbox(MailboxKey(cursor.mailbox)).u64(cursor.folder.unwrap_or(0));
                Ok(cursor.cursor.is_none() || is_row(Table::Cursors, key)?)
            }
            Record::Failure(failure) => is_row(Table::Failures, index.text_key(MailboxKey(failure.mailbox), &failure.id)),
            Record::Waiting(waiting) => {
                let row: Option<WaitingRow> = index.row(Table::Waiting, &index.text_key(MailboxKey(waiting.mailbox), &waiting.id))?;
                Ok(waiting.since.is_none() || row.is_some_and(|row| row.place == place))
            }
            Record::Recipe(recipe) => {
                let id = ContentId(recipe.id);
                Ok(is_row(Table::Recipes, index.content_key(self.mailbox, &id))? && (is_new || self.scan.is_wanted(self.mailbox, &id)))
            }
            Record::Lost(lost) => {
                let id = ContentId(lost.id);
                Ok(is_row(Table::Lost, index.content_key(self.mailbox, &id))? && (is_new || self.scan.is_wanted(self.mailbox, &id)))
            }
            Record::Block(block) => Ok(self.scan.blocks.is_wanted(FrameKey::new(seq, block.n))),
            Record::Grant(grant) => {
                let block = FrameKey::new(CommitSeq(grant.seq), grant.n);
                Ok(self.scan.blocks.is_wanted(block) && is_row(Table::Grants, grant_key(self.mailbox, block))?)
            }
            Record::VersionGone(version) => self.is_listed(version.item, version.from),
            Record::VersionBack(version) => self.is_listed(version.item, version.from),
        }
    }

    /// Returns whether a frame has the record by which a mailbox is known.
    fn is_introduction(&self, frame: FrameKey) -> Result<bool, Error> {
        let row: Option<MailboxRowValue> = self.shared.index().row(Table::Mailboxes, &Key::mailbox(self.mailbox))?;
        Ok(row.and_then(|row| row.place).is_none_or(|place| place.frame == frame))
    }

    fn is_listed(&self, item: u64, from: u64) -> Result<bool, Error> {
        Ok(self.shared.index().get(Table::History, &Key::number(item).u64(from).0)?.is_some())
    }

    fn place_of(&self, item: u64) -> Result<Option<ItemPlaceRow>, Error> {
        self.shared.index().row(Table::Places, &Key::number(item))
    }

    /// Returns whether a version of an item is not freed, or was the last, or ended one that is not freed.
    fn ends_or_is(&self, item: u64, from: CommitSeq) -> Result<bool, Error> {
        if self.is_listed(item, from.0)? || self.place_of(item)?.is_some_and(|place| place.from == from.0) {
            return Ok(true);
        }
        Ok(self.versions(item)?.iter().any(|(_, version)| version.until == from.0))
    }

    /// Returns whether a version has its change key by this record: one that is not freed, or the last, which the item's id goes by.
    fn is_marked(&self, item: u64, place: Place) -> Result<bool, Error> {
        let seq = place.frame.seq.0;
        for (from, version) in self.versions(item)? {
            if from <= seq && (version.until == 0 || seq <= version.until) {
                let (mailbox, folder, item) = (MailboxKey(version.mailbox), FolderKey(version.folder), ItemKey(item));
                let (table, key) = match (version.until, version.marked) {
                    (0, _) => (Table::ItemsLive, live_key(mailbox, folder, from, item)),
                    (until, false) => (Table::ItemsPast, past_key(mailbox, folder, until, from, item)),
                    (until, true) => (Table::ItemsMarked, past_key(mailbox, folder, until, from, item)),
                };
                let row: Option<ItemRowValue> = self.shared.index().row(table, &key)?;
                if row.is_some_and(|row| row.mark == Some(place)) {
                    return Ok(true);
                }
            }
        }
        match self.place_of(item)? {
            Some(last) if last.from <= seq => Ok(!self.is_listed(item, last.from)?),
            _ => Ok(false),
        }
    }

    /// Returns the versions of an item that are not freed, with their first commits.
    fn versions(&self, item: u64) -> Result<Vec<(u64, HistoryRow)>, Error> {
        let rows = self.shared.index().scan_all(Table::History, &Key::number(item).0)?;
        let version = |(key, value): &(Vec<u8>, Vec<u8>)| {
            let from = KeyTake::new(key.get(8..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: Table::History.name() })?;
            Ok((from, decode(Table::History, value)?))
        };
        rows.iter().map(version).collect()
    }
}
