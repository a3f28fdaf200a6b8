//! Rows on their way into the index: later calls of a batch see what earlier ones did.

use super::{Index, Row, decode, encode};
use crate::Error;
use crate::format::row::{Key, StateRow, Table};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The index with the open batch laid over it.
pub(crate) struct Staged {
    index: Arc<Index>,
    changes: BTreeMap<Table, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl Staged {
    /// Lays an empty batch over an index.
    pub(crate) fn new(index: Arc<Index>) -> Self {
        Self { index, changes: BTreeMap::new() }
    }

    /// Forgets the batch.
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
    }

    /// Writes the batch to the index in one step and forgets it.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        let changes = std::mem::take(&mut self.changes);
        self.index.write(changes.into_iter().flat_map(|(table, rows)| rows.into_iter().map(move |(key, value)| (table, key, value))))
    }

    /// Returns a value.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(&table).and_then(|rows| rows.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.index.get(table, key),
        }
    }

    /// Returns a decoded value.
    pub(crate) fn row<T: for<'b> Decode<'b, ()>>(&self, table: Table, key: &Key) -> Result<Option<T>, Error> {
        self.get(table, &key.0)?.map(|value| decode(table, &value)).transpose()
    }

    /// Returns which of these keys have no value.
    pub(crate) fn absent(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<bool>, Error> {
        let staged = self.changes.get(&table);
        let values = self.index.get_many(table, keys)?;
        let pairs = keys.iter().zip(values);
        Ok(pairs.map(|(key, value)| staged.and_then(|rows| rows.get(key)).map_or(value.is_none(), Option::is_none)).collect())
    }

    /// Returns the row of [`Table::State`].
    pub(crate) fn state(&self) -> Result<StateRow, Error> {
        Ok(self.row(Table::State, &Key::default())?.unwrap_or_default())
    }

    /// Returns all rows whose keys begin with `prefix`.
    pub(crate) fn scan(&self, table: Table, prefix: &Key) -> Result<Vec<Row>, Error> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = self.index.scan_all(table, &prefix.0)?.into_iter().collect();
        let staged = self.changes.get(&table).into_iter().flat_map(|rows| rows.range(prefix.0.clone()..));
        for (key, value) in staged.take_while(|(key, _)| key.starts_with(&prefix.0)) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    /// Sets a value.
    pub(crate) fn put_bytes(&mut self, table: Table, key: Key, value: Vec<u8>) {
        self.changes.entry(table).or_default().insert(key.0, Some(value));
    }

    /// Sets a value.
    pub(crate) fn put<T: Encode<()>>(&mut self, table: Table, key: Key, value: &T) {
        self.put_bytes(table, key, encode(value));
    }

    /// Removes a value.
    pub(crate) fn delete(&mut self, table: Table, key: Key) {
        self.changes.entry(table).or_default().insert(key.0, None);
    }
}
