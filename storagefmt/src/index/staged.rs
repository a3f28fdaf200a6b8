//! Rows on their way into the index: later calls of a batch see what earlier ones did.

use super::{Batch, Index, Row, decode, encode, successor};
use crate::format::record::{ItemRecord, Record};
use crate::format::row::{ChunkRow, Hash20, ItemRowValue, Key, StateRow, Table};
use crate::{ChunkId, ContentId, Error, FrameKey, MailboxKey, Place};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The index with the open batch laid over it.
pub(crate) struct Staged {
    index: Arc<Index>,
    batch: Batch,
    /// Records of the open batch whose frames are not written yet.
    pending: HashMap<Place, Arc<Record>>,
}

/// Rows of a scan, and where to go on.
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// The key to start the next page from; `None` at the end.
    pub(crate) next: Option<Vec<u8>>,
}

impl Staged {
    /// Lays an empty batch over an index.
    pub(crate) fn new(index: Arc<Index>) -> Self {
        Self { index, batch: Batch::default(), pending: HashMap::new() }
    }

    /// Returns the index below, as it is without the batch.
    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Forgets the batch.
    pub(crate) fn clear(&mut self) {
        if self.batch.touches(Table::Records) {
            // Frames that were staged may be remembered; the next batch gives their names again.
            self.index.forget_records();
        }
        self.batch = Batch::default();
        self.pending.clear();
    }

    /// Writes the batch to the index in one step and forgets it.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        self.pending.clear();
        self.index.write(std::mem::take(&mut self.batch))
    }

    /// Returns a value.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.batch.get(table, key) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => self.index.get(table, key),
        }
    }

    /// Returns the values of many keys, in their order.
    pub(crate) fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut values = self.index.get_many(table, keys)?;
        for (key, value) in keys.iter().zip(&mut values) {
            if let Some(changed) = self.batch.get(table, key) {
                *value = changed.map(<[u8]>::to_vec);
            }
        }
        Ok(values)
    }

    /// Returns a decoded value.
    pub(crate) fn row<T: for<'b> Decode<'b, ()>>(&self, table: Table, key: &Key) -> Result<Option<T>, Error> {
        self.get(table, &key.0)?.map(|value| decode(table, &value)).transpose()
    }

    /// Returns the row of [`Table::State`].
    pub(crate) fn state(&self) -> Result<StateRow, Error> {
        Ok(self.row(Table::State, &Key::default())?.unwrap_or_default())
    }

    /// Returns all rows whose keys begin with `prefix`; only for what is known to be few.
    pub(crate) fn scan(&self, table: Table, prefix: &Key) -> Result<Vec<Row>, Error> {
        Ok(self.page(table, prefix, &[], usize::MAX)?.rows)
    }

    /// Returns at most `limit` rows from `start` on whose keys begin with `prefix`; a page may be short before the end.
    pub(crate) fn page(&self, table: Table, prefix: &Key, start: &[u8], limit: usize) -> Result<Page, Error> {
        let below = self.index.scan(table, &prefix.0, start, limit)?;
        let end = below.last().filter(|_| below.len() == limit).map(|(key, _)| key.clone());
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = below.into_iter().filter(|(key, _)| self.batch.get(table, key).is_none()).collect();
        let changed = self.batch.range(table, &prefix.0, start).take_while(|(key, _)| end.as_deref().is_none_or(|end| *key <= end));
        rows.extend(changed.filter_map(|(key, value)| Some((key.to_vec(), value?.to_vec()))));
        let mut rows: Vec<Row> = rows.into_iter().collect();
        let mut next = end.map(|end| successor(&end));
        if rows.len() > limit {
            next = Some(rows[limit].0.clone());
            rows.truncate(limit);
        }
        Ok(Page { rows, next })
    }

    /// Returns the last row whose key begins with `prefix`.
    pub(crate) fn last(&self, table: Table, prefix: &Key) -> Result<Option<Row>, Error> {
        Ok(self.scan(table, prefix)?.pop())
    }

    /// Sets a value.
    pub(crate) fn put_bytes(&mut self, table: Table, key: Key, value: Vec<u8>) {
        self.batch.set(table, key.0, Some(value));
    }

    /// Sets a value.
    pub(crate) fn put<T: Encode<()>>(&mut self, table: Table, key: Key, value: &T) {
        self.put_bytes(table, key, encode(value));
    }

    /// Removes a value.
    pub(crate) fn delete(&mut self, table: Table, key: Key) {
        self.batch.set(table, key.0, None);
    }

    /// Removes all rows whose keys begin with `prefix`.
    pub(crate) fn empty(&mut self, table: Table, prefix: Key) {
        self.batch.empty(table, prefix.0);
    }

    /// Remembers a record of the open batch, unless its frame is among the rows already.
    pub(crate) fn remember(&mut self, place: Place, record: &Record) {
        if self.batch.get(Table::Records, &Key::frame(place.frame).0).flatten().is_none() {
            self.pending.insert(place, Arc::new(record.clone()));
        }
    }

    /// Returns a record; `None` when it was dropped, its frame is lost, or its mailbox's key was destroyed.
    pub(crate) fn record(&self, place: Place) -> Result<Option<Arc<Record>>, Error> {
        match self.pending.get(&place) {
            Some(record) => Ok(Some(Arc::clone(record))),
            None => self.index.record_of(place, || self.get(Table::Records, &Key::frame(place.frame).0)),
        }
    }

    /// Returns an item's record with its last change key.
    pub(crate) fn item(&self, row: &ItemRowValue) -> Result<Option<ItemRecord>, Error> {
        let Some(record) = self.record(row.place)? else { return Ok(None) };
        let Record::Item(record) = record.as_ref() else { return Ok(None) };
        let mut record = record.as_ref().clone();
        if let Some(mark) = row.mark
            && let Some(mark) = self.record(mark)?
            && let Record::ItemMark(mark) = mark.as_ref()
        {
            record.meta.change_key.clone_from(&mark.change_key);
        }
        Ok(Some(record))
    }

    /// Returns what a text is in the index.
    pub(crate) fn hash20(&self, text: &str) -> Hash20 {
        self.index.hash20(text)
    }

    /// Returns the key of a mailbox's text.
    pub(crate) fn text_key(&self, mailbox: MailboxKey, text: &str) -> Key {
        self.index.text_key(mailbox, text)
    }

    /// Returns the key of a mailbox's content.
    pub(crate) fn content_key(&self, mailbox: MailboxKey, id: &ContentId) -> Key {
        self.index.content_key(mailbox, id)
    }

    /// Returns where a chunk is, if its block is there.
    pub(crate) fn chunk(&self, id: &ChunkId) -> Result<Option<ChunkRow>, Error> {
        let row: Option<ChunkRow> = self.row(Table::Chunks, &self.index.chunk_key(id))?;
        row.map_or(Ok(None), |row| Ok(self.has_frame(row.frame())?.then_some(row)))
    }

    /// Returns whether a frame is in the archive.
    pub(crate) fn has_frame(&self, frame: FrameKey) -> Result<bool, Error> {
        Ok(self.get(Table::Frames, &Key::frame(frame).0)?.is_some())
    }
}
