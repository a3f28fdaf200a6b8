//! The index: a RocksDB database that says where everything is.
//!
//! Derived from packs by [`apply`](apply::apply) alone, so it can be made anew at any time. It holds
//! numbers, keyed hashes, and the frames of records as packs hold them: whoever has the files and not the keys
//! learns no text from it. One process has it as primary; any number of others read it as secondaries.
//!
//! RocksDB does not honour snapshots in a secondary, so one consistent look at several rows is
//! protected by the *gate*: whoever changes what is visible (a commit, a catch-up) holds it
//! exclusively, whoever reads more than one row shares it.

pub(crate) mod apply;
pub(crate) mod batch;
pub(crate) mod commit;
mod database;
mod hasher;
pub(crate) mod recipes;
mod records;
mod slot;
pub(crate) mod staged;
mod unapply;

pub(crate) use batch::Batch;

use crate::format::record::Record;
use crate::format::row::{CommitRow, FrameRow, Hash20, INDEX_VERSION, Key, KeyTake, PackRow, StateRow, Table};
use crate::format::time_of;
use crate::seal::Keys;
use crate::{ChunkId, CommitSeq, ContentId, Error, FrameKey, MailboxKey, Place};
use chrono::{DateTime, Utc};
use hasher::Hasher;
use minicbor::{Decode, Encode};
use records::Records;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DB, Direction, FlushOptions, IteratorMode, ReadOptions, WriteBatch};
use slot::Slot;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An open index.
pub(crate) struct Index {
    db: Slot,
    secondary: bool,
    gate: RwLock<()>,
    hasher: Hasher,
    records: Records,
    /// [`StateRow::rewrites`] for which the remembered records hold.
    rewrites: AtomicU64,
    /// Bytes of rows written since the tables were flushed; the log has no more.
    logged: AtomicU64,
}

/// Bytes that stay in the write-ahead log when the writer closes: to replay them takes a few milliseconds, and small tables would be many files.
const LOG_BYTES_KEPT: u64 = 1 << 20;

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

impl Index {
    /// Makes a new, empty index at `path`; its hashes are keyed with the present storage key.
    pub(crate) fn create(path: &Path, keys: &Keys) -> Result<Self, Error> {
        let db = database::create(path)?;
        let state = StateRow { version: INDEX_VERSION, keygen: keys.generation(), ..StateRow::default() };
        let family = db.cf_handle(Table::State.name()).ok_or(Error::IndexRow { table: Table::State.name() })?;
        db.put_cf(family, b"", encode(&state)).map_err(Error::index("write"))?;
        Self::new(db, path, false, keys)
    }

    /// Opens the index at `path` for writing.
    ///
    /// # Errors
    /// [`Error::IndexMissing`] when there is none that this program understands.
    pub(crate) fn open(path: &Path, keys: &Keys) -> Result<Self, Error> {
        if !path.join("CURRENT").exists() {
            return Err(missing(path));
        }
        Self::new(database::open(path)?, path, false, keys)
    }

    /// Opens the index at `path` beside its writer, or without one; RocksDB's log goes to `scratch`.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub(crate) fn open_secondary(path: &Path, scratch: &Path, keys: &Keys) -> Result<Self, Error> {
        if !path.join("CURRENT").exists() {
            return Err(missing(path));
        }
        let db = database::open_secondary(path, scratch)?;
        db.try_catch_up_with_primary().map_err(Error::index("read"))?;
        Self::new(db, path, true, keys)
    }

    fn new(db: DB, path: &Path, secondary: bool, keys: &Keys) -> Result<Self, Error> {
        let family = db.cf_handle(Table::State.name()).ok_or_else(|| missing(path))?;
        let state = db.get_cf(family, b"").map_err(Error::index("read"))?.ok_or_else(|| missing(path))?;
        // Of an index of another version, nothing but the version need be readable.
        let state = decode::<StateRow>(Table::State, &state).ok().filter(|state| state.version == INDEX_VERSION).ok_or_else(|| missing(path))?;
        let hasher = Hasher::new(keys, state.keygen)?;
        Ok(Self {
            db: Slot::new(path, db),
            secondary,
            gate: RwLock::new(()),
            hasher,
            records: Records::new(keys.clone()),
            rewrites: AtomicU64::new(state.rewrites),
            logged: AtomicU64::new(0),
        })
    }

    /// Holds the visible rows still while several are read.
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the database again if a write failed: there may be room now.
    pub(crate) fn recover(&self) -> Result<(), Error> {
        if !self.db.has_failed() {
            return Ok(());
        }
        let _gate = self.change();
        self.db.open_again()
    }

    /// Catches up with the writer.
    pub(crate) fn catch_up(&self) -> Result<(), Error> {
        if !self.secondary {
            return Ok(());
        }
        let _gate = self.change();
        self.db.open()?.try_catch_up_with_primary().map_err(Error::index("read"))?;
        self.forget_rewritten(self.state()?.rewrites);
        Ok(())
    }

    /// Makes a batch visible in one step. Not synced: packs are the truth and are applied again after a crash.
    pub(crate) fn write(&self, batch: Batch) -> Result<(), Error> {
        let mut writes = WriteBatch::default();
        let db = self.db.open()?;
        for (table, prefix) in batch.emptied() {
            // No prefix of ours is all ones, so there is always a key after it.
            writes.delete_range_cf(db.table(*table)?, prefix.as_slice(), after(prefix).unwrap_or_default().as_slice());
        }
        let mut rewrites = None;
        for (table, key, value) in batch.into_rows() {
            if table == Table::State {
                rewrites = value.as_deref().map(|value| decode::<StateRow>(table, value)).transpose()?.map(|state| state.rewrites);
            }
            match value {
                Some(value) => writes.put_cf(db.table(table)?, key, value),
                None => writes.delete_cf(db.table(table)?, key),
            }
        }
        self.logged.fetch_add(writes.size_in_bytes() as u64, Ordering::Relaxed);
        drop(db);
        // The gate before the database: whoever opens it again has both.
        let _gate = self.change();
        self.db.wrote(self.db.open()?.write(writes).map_err(Error::index("write")))?;
        rewrites.into_iter().for_each(|rewrites| self.forget_rewritten(rewrites));
        Ok(())
    }

    /// Forgets remembered records if their frames may have changed.
    fn forget_rewritten(&self, rewrites: u64) {
        if self.rewrites.swap(rewrites, Ordering::Relaxed) != rewrites {
            self.records.clear();
        }
    }

    /// Empties the write-ahead log, if it is worth the files that this makes.
    pub(crate) fn flush_log(&self) -> Result<(), Error> {
        if self.logged.load(Ordering::Relaxed) < LOG_BYTES_KEPT { Ok(()) } else { self.flush() }
    }

    /// Makes everything written durable in table files.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        let db = self.db.open()?;
        let tables = Table::ALL.iter().map(|table| db.table(*table)).collect::<Result<Vec<_>, _>>()?;
        self.db.wrote(db.flush_cfs_opt(&tables, &FlushOptions::default()).map_err(Error::index("flush")))?;
        self.logged.store(0, Ordering::Relaxed);
        self.db.wrote(db.flush_wal(true).map_err(Error::index("flush")))
    }

    /// Makes everything written durable, in the log.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.db.wrote(self.db.open()?.flush_wal(true).map_err(Error::index("sync")))
    }

    /// Writes a table's files anew without what was removed from it. What the log of writes has of it goes with the next [`Self::flush`].
    pub(crate) fn compact(&self, table: Table) -> Result<(), Error> {
        let mut options = CompactOptions::default();
        // The lowest files are else left as they are, and what is removed stays in them.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let db = self.db.open()?;
        self.db.wrote(db.flush_cf(db.table(table)?).map_err(Error::index("flush")))?;
        db.compact_range_cf_opt(db.table(table)?, None::<&[u8]>, None::<&[u8]>, &options);
        Ok(())
    }

    /// Returns a value.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let db = self.db.open()?;
        db.get_cf(db.table(table)?, key).map_err(Error::index("read"))
    }

    /// Returns the values of many keys of a table, in their order; the keys are looked up in order of their bytes.
    pub(crate) fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|at| &keys[*at]);
        let db = self.db.open()?;
        let values = db.batched_multi_get_cf(db.table(table)?, order.iter().map(|at| keys[*at].as_slice()), true);
        let mut found = vec![None; keys.len()];
        for (at, value) in order.into_iter().zip(values) {
            found[at] = value.map_err(Error::index("read"))?.map(|value| value.to_vec());
        }
        Ok(found)
    }

    /// Returns a decoded value.
    pub(crate) fn row<T: for<'b> Decode<'b, ()>>(&self, table: Table, key: &Key) -> Result<Option<T>, Error> {
        self.get(table, &key.0)?.map(|value| decode(table, &value)).transpose()
    }

    /// Returns the row of [`Table::State`].
    pub(crate) fn state(&self) -> Result<StateRow, Error> {
        Ok(self.row(Table::State, &Key::default())?.unwrap_or_default())
    }

    /// Returns up to `limit` rows from `start` on whose keys begin with `prefix`.
    pub(crate) fn scan(&self, table: Table, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        if let Some(end) = after(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let start = start.max(prefix);
        let db = self.db.open()?;
        let rows = db.iterator_cf_opt(db.table(table)?, options, IteratorMode::From(start, Direction::Forward));
        rows.take(limit).map(|row| row.map(|(key, value)| (key.into(), value.into())).map_err(Error::index("read"))).collect()
    }

    /// Returns all rows whose keys begin with `prefix`.
    pub(crate) fn scan_all(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, Error> {
        self.scan(table, prefix, prefix, usize::MAX)
    }

    /// Returns the last row whose key begins with `prefix` and is not above `end`.
    pub(crate) fn last(&self, table: Table, prefix: &[u8], end: &[u8]) -> Result<Option<Row>, Error> {
        let db = self.db.open()?;
        let mut rows = db.iterator_cf(db.table(table)?, IteratorMode::From(end, Direction::Reverse));
        match rows.next() {
            None => Ok(None),
            Some(row) => {
                let (key, value) = row.map_err(Error::index("read"))?;
                Ok(key.starts_with(prefix).then(|| (key.into(), value.into())))
            }
        }
    }

    /// Returns the time of a commit.
    pub(crate) fn commit_time(&self, seq: CommitSeq) -> Result<Option<DateTime<Utc>>, Error> {
        let row: Option<CommitRow> = self.row(Table::Commits, &Key::number(seq.0))?;
        Ok(row.map(|row| time_of(row.time)))
    }

    /// Returns the keys that its frames are opened with.
    pub(crate) fn keys(&self) -> &Keys {
        self.records.keys()
    }

    /// Returns what a text is in the index.
    pub(crate) fn hash20(&self, text: &str) -> Hash20 {
        self.hasher.hash20(text.as_bytes())
    }

    /// Returns what a chunk or content is in the index: in a sealed storage a keyed hash, else the beginning of its id.
    pub(crate) fn id20(&self, id: &Hash20) -> Hash20 {
        self.hasher.id20(id)
    }

    /// Returns what a change key is in the index.
    pub(crate) fn change_mark(&self, change_key: &str) -> [u8; 8] {
        self.hasher.change_mark(change_key)
    }

    /// Returns the key of a mailbox's text.
    pub(crate) fn text_key(&self, mailbox: MailboxKey, text: &str) -> Key {
        Key::mailbox(mailbox).and_hash(&self.hash20(text))
    }

    /// Returns the key of a mailbox's content.
    pub(crate) fn content_key(&self, mailbox: MailboxKey, id: &ContentId) -> Key {
        Key::mailbox(mailbox).and_hash(&self.id20(&first20(&id.0)))
    }

    /// Returns the key of a chunk.
    pub(crate) fn chunk_key(&self, id: &ChunkId) -> Key {
        Key::hash(&self.id20(&first20(&id.0)))
    }

    /// Returns a record; `None` when it was dropped, its frame is lost, or its mailbox's key was destroyed.
    pub(crate) fn record(&self, place: Place) -> Result<Option<Arc<Record>>, Error> {
        self.records.record(place, || self.get(Table::Records, &Key::frame(place.frame).0))
    }

    /// Returns a record whose frame `fetch` gives, if it is not remembered.
    pub(crate) fn record_of(&self, place: Place, fetch: impl FnOnce() -> Result<Option<Vec<u8>>, Error>) -> Result<Option<Arc<Record>>, Error> {
        self.records.record(place, fetch)
    }

    /// Forgets the records that are remembered.
    pub(crate) fn forget_records(&self) {
        self.records.clear();
    }

    /// Returns many records, in the order asked for; each frame is decoded once.
    pub(crate) fn records(&self, places: &[Place]) -> Result<Vec<Option<Arc<Record>>>, Error> {
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|at| places[*at]);
        let mut records = vec![None; places.len()];
        for at in order {
            records[at] = self.record(places[at])?;
        }
        Ok(records)
    }

    /// Returns where a frame is.
    pub(crate) fn frame(&self, frame: FrameKey) -> Result<Option<FrameRow>, Error> {
        self.row(Table::Frames, &Key::frame(frame))
    }

    /// Returns the pack that has the frames of a commit, and the first commit of its range.
    pub(crate) fn pack_of(&self, seq: CommitSeq) -> Result<Option<(CommitSeq, PackRow)>, Error> {
        let Some((key, value)) = self.last(Table::Packs, b"", &Key::number(seq.0).0)? else { return Ok(None) };
        let first = KeyTake::new(&key).u64().map(CommitSeq).ok_or(Error::IndexRow { table: Table::Packs.name() })?;
        let row: PackRow = decode(Table::Packs, &value)?;
        Ok((seq.0 <= row.last).then_some((first, row)))
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

/// Returns the first key after `key`.
pub(crate) fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
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

/// Returns the beginning of an id, which names it as well as the whole does.
fn first20(id: &[u8; 32]) -> Hash20 {
    let mut first = [0; 20];
    first.copy_from_slice(&id[..20]);
    first
}

fn missing(path: &Path) -> Error {
    Error::IndexMissing { path: path.parent().unwrap_or(path).to_owned() }
}

#[cfg(test)]
mod tests;
