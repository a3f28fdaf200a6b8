//! What the crate itself asks of the catalogue: recipes, capabilities, and everything there is of a kind.
//!
//! Whatever walks over a whole table does so in pages, in the order of keys, and sees each row as it is when
//! its page is read.

use super::{Shared, damaged};
use crate::format::recipe::RecipeRecord;
use crate::format::record::Record;
use crate::format::row::{ChunkRow, Hash20, ItemRowValue, Key, KeyTake, Table, grant_key};
use crate::index::{Index, Row, decode, successor};
use crate::{CommitSeq, ContentId, Error, FolderKey, FrameKey, ItemKey, MailboxKey, Place};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::vec;

/// Rows read at once.
const PAGE_ROWS: usize = 1024;

/// A version of an item, wherever it is listed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Version {
    /// Where it is listed: live, past or marked.
    pub(crate) table: Table,
    pub(crate) mailbox: MailboxKey,
    pub(crate) folder: FolderKey,
    pub(crate) item: ItemKey,
    pub(crate) from: u64,
    /// The first commit in which it holds no more; 0 while it holds.
    pub(crate) until: u64,
    pub(crate) row: ItemRowValue,
}

/// The rows of a table, read in pages.
pub(crate) struct Walk {
    index: Arc<Index>,
    table: Table,
    prefix: Vec<u8>,
    start: Option<Vec<u8>>,
    page: vec::IntoIter<Row>,
}

impl Walk {
    fn new(index: Arc<Index>, table: Table, prefix: Key) -> Self {
        Self { index, table, start: Some(prefix.0.clone()), prefix: prefix.0, page: Vec::new().into_iter() }
    }
}

impl Iterator for Walk {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.page.next() {
                return Some(Ok(row));
            }
            let start = self.start.take()?;
            match self.index.scan(self.table, &self.prefix, &start, PAGE_ROWS) {
                Ok(rows) => {
                    self.start = rows.last().filter(|_| rows.len() == PAGE_ROWS).map(|(key, _)| successor(key));
                    self.page = rows.into_iter();
                }
                Err(err) => return Some(Err(err)),
            }
        }
    }
}

impl Shared {
    /// Returns how a content of a mailbox is put together; `None` when the mailbox has no such content (any more).
    pub(crate) fn recipe(&self, mailbox: MailboxKey, id: &ContentId) -> Result<Option<RecipeRecord>, Error> {
        let index = self.index();
        let Some(place): Option<Place> = index.row(Table::Recipes, &index.content_key(mailbox, id))? else { return Ok(None) };
        Ok(index.record(place)?.and_then(|record| match record.as_ref() {
            Record::Recipe(recipe) if recipe.id == id.0 => Some(recipe.clone()),
            _ => None,
        }))
    }

    /// Returns a mailbox's capability to a block: the hash of its bytes. `None` when the mailbox was not granted it.
    pub(crate) fn grant(&self, mailbox: MailboxKey, block: FrameKey) -> Result<Option<[u8; 32]>, Error> {
        let index = self.index();
        let Some(place): Option<Place> = index.row(Table::Grants, &grant_key(mailbox, block))? else { return Ok(None) };
        Ok(index.record(place)?.and_then(|record| match record.as_ref() {
            Record::Block(record) if place.frame.seq == block.seq && record.n == block.n => Some(record.hash),
            Record::Grant(record) if FrameKey::new(CommitSeq(record.seq), record.n) == block => Some(record.hash),
            _ => None,
        }))
    }

    /// Walks over all rows of a table.
    pub(crate) fn walk(&self, table: Table) -> Walk {
        Walk::new(self.index(), table, Key::default())
    }

    /// Walks over all rows of a mailbox in a table.
    pub(crate) fn walk_of(&self, table: Table, mailbox: MailboxKey) -> Walk {
        Walk::new(self.index(), table, Key::mailbox(mailbox))
    }

    /// Walks over all versions of a mailbox's items, or of all: live ones, past ones, marked ones.
    pub(crate) fn versions(&self, mailbox: Option<MailboxKey>) -> impl Iterator<Item = Result<Version, Error>> {
        let prefix = mailbox.map(Key::mailbox).unwrap_or_default();
        let index = self.index();
        let tables = [Table::ItemsLive, Table::ItemsPast, Table::ItemsMarked].into_iter();
        tables.flat_map(move |table| Walk::new(Arc::clone(&index), table, prefix.clone()).map(move |row| version(table, &row?)))
    }

    /// Walks over the capabilities to blocks of these commits, by mailbox.
    pub(crate) fn grants(&self, blocks: RangeInclusive<CommitSeq>) -> impl Iterator<Item = Result<(MailboxKey, FrameKey, Place), Error>> {
        let grant = |(key, value): Row| {
            let mut take = KeyTake::new(&key);
            let (mailbox, frame) = take.mailbox().zip(take.frame()).ok_or(damaged(Table::Grants))?;
            Ok((mailbox, frame, decode(Table::Grants, &value)?))
        };
        self.walk(Table::Grants).map(move |row| grant(row?)).filter(move |row| row.as_ref().map_or(true, |(_, frame, _)| blocks.contains(&frame.seq)))
    }

    /// Walks over all chunks, those whose block is gone included.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Result<(Hash20, ChunkRow), Error>> {
        self.walk(Table::Chunks).map(|row| {
            let (key, value) = row?;
            Ok((key.try_into().map_err(|_| damaged(Table::Chunks))?, decode(Table::Chunks, &value)?))
        })
    }
}

fn version(table: Table, (key, value): &Row) -> Result<Version, Error> {
    let mut take = KeyTake::new(key);
    let fields = (|| {
        let (mailbox, folder) = (take.mailbox()?, take.u64().map(FolderKey)?);
        let until = if table == Table::ItemsLive { 0 } else { take.u64()? };
        Some((mailbox, folder, until, take.u64()?, take.u64().map(ItemKey)?))
    })();
    let (mailbox, folder, until, from, item) = fields.ok_or(damaged(table))?;
    Ok(Version { table, mailbox, folder, item, from, until, row: decode(table, value)? })
}
