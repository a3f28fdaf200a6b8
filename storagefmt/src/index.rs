//! The index: a RocksDB database that says where everything is.
//!
//! Derived from packs by [`apply`](apply::apply) alone, so it can be made anew at any time. One
//! process has it as primary; any number of others read it as secondaries.
//!
//! RocksDB does not honour snapshots in a secondary, so one consistent look at several rows is
//! protected by the *gate*: whoever changes what is visible (a commit, a catch-up) holds it
//! exclusively, whoever reads more than one row shares it.

pub(crate) mod apply;
pub(crate) mod staged;

use crate::Error;
use crate::format::row::{StateRow, Table};
use minicbor::{Decode, Encode};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, Direction, IteratorMode, Options, ReadOptions, WriteBatch,
};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// RocksDB's cache of data blocks, in bytes, shared by all tables.
const CACHE_BYTES: usize = 64 << 20;
/// Write buffer of one table in bytes; also bounds what a secondary must replay.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// All write-ahead logs in bytes: beyond this, RocksDB flushes, so that readers open quickly.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// Bits of bloom filter for each key: about 1 % false answers.
const BLOOM_BITS: f64 = 10.0;

/// An open index.
pub(crate) struct Index {
    db: DB,
    secondary: bool,
    gate: RwLock<()>,
}

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

impl Index {
    /// Makes a new, empty index at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let mut options = options();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        let db = DB::open_cf_descriptors(&options, path, descriptors()).map_err(Error::index("create"))?;
        Ok(Self { db, secondary: false, gate: RwLock::new(()) })
    }

    /// Opens the index at `path` for writing.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let db = DB::open_cf_descriptors(&options(), path, descriptors()).map_err(Error::index("open"))?;
        Ok(Self { db, secondary: false, gate: RwLock::new(()) })
    }

    /// Opens the index at `path` beside its writer, or without one; RocksDB's log goes to `scratch`.
    pub(crate) fn open_secondary(path: &Path, scratch: &Path) -> Result<Self, Error> {
        let mut options = options();
        // All files stay open, since the writer may remove them at any time.
        options.set_max_open_files(-1);
        let db = DB::open_cf_descriptors_as_secondary(&options, path, scratch, descriptors()).map_err(Error::index("open"))?;
        Ok(Self { db, secondary: true, gate: RwLock::new(()) })
    }

    /// Holds the visible rows still while several are read.
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Catches up with the writer.
    pub(crate) fn catch_up(&self) -> Result<(), Error> {
        if !self.secondary {
            return Ok(());
        }
        let _gate = self.change();
        self.db.try_catch_up_with_primary().map_err(Error::index("read"))
    }

    /// Makes rows visible in one step. Not synced: packs are the truth and are applied again after a crash.
    pub(crate) fn write(&self, changes: impl IntoIterator<Item = (Table, Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for (table, key, value) in changes {
            match value {
                Some(value) => batch.put_cf(self.table(table)?, key, value),
                None => batch.delete_cf(self.table(table)?, key),
            }
        }
        let _gate = self.change();
        self.db.write(batch).map_err(Error::index("write"))
    }

    /// Makes everything written durable in table files.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        for table in Table::ALL {
            self.db.flush_cf(self.table(table)?).map_err(Error::index("flush"))?;
        }
        self.db.flush_wal(true).map_err(Error::index("flush"))
    }

    /// Returns a value.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.db.get_cf(self.table(table)?, key).map_err(Error::index("read"))
    }

    /// Returns the values of many keys of a table, in their order.
    pub(crate) fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let family = self.table(table)?;
        let values = self.db.batched_multi_get_cf(family, keys, false);
        values.into_iter().map(|value| value.map(|value| value.map(|value| value.to_vec())).map_err(Error::index("read"))).collect()
    }

    /// Returns a decoded value.
    pub(crate) fn row<T: for<'b> Decode<'b, ()>>(&self, table: Table, key: &[u8]) -> Result<Option<T>, Error> {
        self.get(table, key)?.map(|value| decode(table, &value)).transpose()
    }

    /// Returns the row of [`Table::State`].
    pub(crate) fn state(&self) -> Result<StateRow, Error> {
        Ok(self.row(Table::State, b"")?.unwrap_or_default())
    }

    /// Returns up to `limit` rows from `start` on whose keys begin with `prefix`.
    pub(crate) fn scan(&self, table: Table, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        if let Some(end) = after(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let start = start.max(prefix);
        let rows = self.db.iterator_cf_opt(self.table(table)?, options, IteratorMode::From(start, Direction::Forward));
        rows.take(limit).map(|row| row.map(|(key, value)| (key.into(), value.into())).map_err(Error::index("read"))).collect()
    }

    /// Returns all rows whose keys begin with `prefix`.
    pub(crate) fn scan_all(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, Error> {
        self.scan(table, prefix, prefix, usize::MAX)
    }

    /// Returns the last row whose key begins with `prefix` and is not above `end`.
    pub(crate) fn last(&self, table: Table, prefix: &[u8], end: &[u8]) -> Result<Option<Row>, Error> {
        let mut rows = self.db.iterator_cf(self.table(table)?, IteratorMode::From(end, Direction::Reverse));
        match rows.next() {
            None => Ok(None),
            Some(row) => {
                let (key, value) = row.map_err(Error::index("read"))?;
                Ok(key.starts_with(prefix).then(|| (key.into(), value.into())))
            }
        }
    }

    fn table(&self, table: Table) -> Result<&ColumnFamily, Error> {
        self.db.cf_handle(table.name()).ok_or(Error::IndexRow { table: table.name() })
    }
}

/// Encodes a value.
pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Writing to a vector cannot fail, and no type of ours has an encoder that refuses.
    minicbor::to_vec(value).unwrap_or_else(|err| unreachable!("a row could not be encoded: {err}"))
}

/// Decodes a value of a table.
pub(crate) fn decode<T: for<'b> Decode<'b, ()>>(table: Table, value: &[u8]) -> Result<T, Error> {
    minicbor::decode(value).map_err(|_| Error::IndexRow { table: table.name() })
}

/// Returns the first key after all keys that begin with `prefix`.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(-1);
    options.set_keep_log_file_num(2);
    options.set_max_background_jobs(2);
    // Sixteen by default, for each table and each catch-up of a reader.
    options.set_max_file_opening_threads(1);
    options
}

/// One description for each table. The plain opening calls would silently use defaults, without filter and cache.
fn descriptors() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let family = |name: &str| {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_bloom_filter(BLOOM_BITS, false);
        blocks.set_block_cache(&cache);
        // Outside the cache: inside, a large index would thrash it with its own filters.
        blocks.set_cache_index_and_filter_blocks(false);
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_compression_type(DBCompressionType::Zstd);
        ColumnFamilyDescriptor::new(name, options)
    };
    Table::ALL.iter().map(|table| family(table.name())).chain([family("default")]).collect()
}
