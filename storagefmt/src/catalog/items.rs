//! The items of a folder at a moment, a page at a time.
//!
//! RocksDB iterators cannot be held without borrowing the index, and its snapshots do not hold in a
//! reader's process. So rows are read in pages, and a listing stays exact all the same: first come the
//! live rows, in the order of their keys, then the past ones. A row that the writer ends meanwhile
//! moves from the one to the other; whether it was already listed follows from where the listing of live rows
//! stood, and at which head, when it would have been passed.

use super::{Catalog, damaged, item_rows};
use crate::format::row::{ItemRowValue, Key, KeyTake, Table};
use crate::index::{decode, successor};
use crate::{CommitSeq, Error, FolderKey, ItemRow, MailboxKey};
use std::vec;

/// Rows read at once: with their records at about 1 KiB each, half a megabyte.
const PAGE_ROWS: usize = 512;

/// The items of a folder at a moment, read as they are asked for.
///
/// The listing is that of its moment even if the writer commits while it is read.
pub struct ItemRows {
    catalog: Catalog,
    prefix: Key,
    at: CommitSeq,
    stage: Stage,
    page: vec::IntoIter<ItemRow>,
    /// For each page of live rows: its last (from, item), and the head at which it was read.
    pages: Vec<((u64, u64), u64)>,
}

enum Stage {
    /// Live rows from this key on.
    Live(Vec<u8>),
    /// Past rows from this key on.
    Past(Vec<u8>),
    Done,
}

impl ItemRows {
    pub(crate) fn new(catalog: Catalog, mailbox: MailboxKey, folder: FolderKey, at: CommitSeq) -> Self {
        let prefix = Key::mailbox(mailbox).u64(folder.0);
        Self { catalog, stage: Stage::Live(prefix.0.clone()), prefix, at, page: Vec::new().into_iter(), pages: Vec::new() }
    }

    /// Reads the next page; it may turn out empty before the end.
    fn next_page(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Live(start) => self.live_page(&start),
            Stage::Past(start) => self.past_page(&start),
            Stage::Done => Ok(()),
        }
    }

    fn live_page(&mut self, start: &[u8]) -> Result<(), Error> {
        let index = self.catalog.shared().index();
        let _look = index.look();
        let head = index.state()?.head;
        let rows = index.scan(Table::ItemsLive, &self.prefix.0, start, PAGE_ROWS)?;
        let mut page = Vec::with_capacity(rows.len());
        let mut last = None;
        for (key, value) in &rows {
            let mut take = KeyTake::new(key.get(12..).unwrap_or_default());
            let (from, item) = take.u64().zip(take.u64()).ok_or(damaged(Table::ItemsLive))?;
            if from > self.at.0 {
                break;
            }
            last = Some((from, item));
            page.push((decode::<ItemRowValue>(Table::ItemsLive, value)?, from, 0));
        }
        let more = page.len() == PAGE_ROWS;
        // The last page reaches to the end of what can hold at this moment.
        self.pages.push((last.filter(|_| more).unwrap_or((u64::MAX, u64::MAX)), head));
        self.stage = match rows.last() {
            Some((key, _)) if more => Stage::Live(successor(key)),
            _ => Stage::Past(self.prefix.clone().u64(self.at.0.saturating_add(1)).0),
        };
        self.page = item_rows(&index, &page)?.into_iter();
        Ok(())
    }

    fn past_page(&mut self, start: &[u8]) -> Result<(), Error> {
        let index = self.catalog.shared().index();
        let _look = index.look();
        let rows = index.scan(Table::ItemsPast, &self.prefix.0, start, PAGE_ROWS)?;
        let mut page = Vec::new();
        for (key, value) in &rows {
            let mut take = KeyTake::new(key.get(12..).unwrap_or_default());
            let (until, (from, item)) = take.u64().zip(take.u64().zip(take.u64())).ok_or(damaged(Table::ItemsPast))?;
            if from <= self.at.0 && !self.listed_live(from, item, until) {
                page.push((decode::<ItemRowValue>(Table::ItemsPast, value)?, from, until));
            }
        }
        if let Some((key, _)) = rows.last().filter(|_| rows.len() == PAGE_ROWS) {
            self.stage = Stage::Past(successor(key));
        }
        self.page = item_rows(&index, &page)?.into_iter();
        Ok(())
    }

    /// Returns whether a row that ended at `until` was still live when its place was read.
    fn listed_live(&self, from: u64, item: u64, until: u64) -> bool {
        let page = self.pages.partition_point(|(last, _)| *last < (from, item));
        self.pages.get(page).is_some_and(|(_, head)| until > *head)
    }
}

impl Iterator for ItemRows {
    type Item = Result<ItemRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.page.next() {
                return Some(Ok(row));
            }
            if matches!(self.stage, Stage::Done) {
                return None;
            }
            if let Err(err) = self.next_page() {
                return Some(Err(err));
            }
        }
    }
}
