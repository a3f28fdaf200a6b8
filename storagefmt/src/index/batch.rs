//! Changes of rows that become visible in one step.

use crate::format::row::Table;
use std::collections::BTreeMap;

/// Rows set and removed; a later change of a key replaces an earlier one.
#[derive(Default)]
pub(crate) struct Batch {
    changes: BTreeMap<Table, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    /// Prefixes whose rows go before `changes` come.
    emptied: Vec<(Table, Vec<u8>)>,
}

impl Batch {
    /// Sets a value, or removes it.
    pub(crate) fn set(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.changes.entry(table).or_default().insert(key, value);
    }

    /// Removes all rows whose keys begin with `prefix`, those set before included.
    pub(crate) fn empty(&mut self, table: Table, prefix: Vec<u8>) {
        if let Some(rows) = self.changes.get_mut(&table) {
            let mut rest = rows.split_off(&prefix);
            rest.retain(|key, _| !key.starts_with(&prefix));
            rows.append(&mut rest);
        }
        self.emptied.push((table, prefix));
    }

    /// Returns what became of a row: its value, or that it is removed; `None` when the batch does not touch it.
    #[expect(clippy::option_option, reason = "untouched, removed and set are three answers")]
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        match self.changes.get(&table).and_then(|rows| rows.get(key)) {
            Some(value) => Some(value.as_deref()),
            None => self.emptied.iter().any(|(emptied, prefix)| *emptied == table && key.starts_with(prefix)).then_some(None),
        }
    }

    /// Returns whether the batch sets or removes rows of a table.
    pub(crate) fn touches(&self, table: Table) -> bool {
        self.changes.contains_key(&table) || self.emptied.iter().any(|(emptied, _)| *emptied == table)
    }

    /// Returns the changed rows from `start` on whose keys begin with `prefix`.
    pub(crate) fn range(&self, table: Table, prefix: &[u8], start: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let rows = self.changes.get(&table).into_iter().flat_map(move |rows| rows.range(start.max(prefix).to_vec()..));
        rows.take_while(move |(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Returns the prefixes whose rows go.
    pub(crate) fn emptied(&self) -> &[(Table, Vec<u8>)] {
        &self.emptied
    }

    /// Returns the rows set and removed.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (Table, Vec<u8>, Option<Vec<u8>>)> {
        self.changes.into_iter().flat_map(|(table, rows)| rows.into_iter().map(move |(key, value)| (table, key, value)))
    }
}
