//! From files to an open storage: creation, and what a crash left to do.
//!
//! A pack that is published but not in the index belongs to a commit that was interrupted between
//! the two: it is applied. What was begun and not published is removed. Anything else that does not fit
//! (a missing pack, two for one commit, a damaged one that was never applied) is reported, never guessed at.

use crate::format::micros;
use crate::format::pack::parse_name;
use crate::format::record::Record;
use crate::format::row::{CommitRow, INDEX_VERSION, Key, KeyTake, Table};
use crate::index::apply::{apply, commit};
use crate::index::staged::Staged;
use crate::index::{Index, decode};
use crate::layout::{self, Access, INDEX, Lock};
use crate::pack::reader::PackReader;
use crate::store::{Store, StoreEntry};
use crate::{CommitSeq, Error, StorageInfo};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Makes an empty storage.
pub(super) fn create(dir: &Path, now: DateTime<Utc>) -> Result<(), Error> {
    layout::furnish(dir)?;
    let _lock = Lock::take(dir)?;
    // Left by a creation that was interrupted; nothing is in it.
    let index = dir.join(INDEX);
    if index.exists() {
        std::fs::remove_dir_all(&index).map_err(Error::file("remove", &index))?;
    }
    Index::create(&index)?.flush()?;
    layout::write_description(dir, Uuid::new_v4(), now)
}

/// Opens a storage for writing.
pub(super) fn open(dir: &Path, store: &dyn Store) -> Result<(StorageInfo, Lock, Arc<Index>), Error> {
    let info = layout::read_description(dir, Access::Write)?;
    let lock = Lock::take(dir)?;
    if !dir.join(INDEX).join("CURRENT").exists() {
        return Err(Error::IndexMissing { path: dir.to_owned() });
    }
    let index = Arc::new(Index::open(&dir.join(INDEX))?);
    let version = index.state()?.version;
    if version != 0 && version != INDEX_VERSION {
        return Err(Error::IndexMissing { path: dir.to_owned() });
    }
    store.sweep().map_err(Error::file("clear", dir.join("tmp")))?;
    roll_forward(dir, store, info.uuid, &index)?;
    Ok((info, lock, index))
}

/// Applies the packs that are published but not in the index.
pub(super) fn roll_forward(dir: &Path, store: &dyn Store, storage: Uuid, index: &Arc<Index>) -> Result<(), Error> {
    let packs = packs(dir, store)?;
    let head = index.state()?.head;
    for (key, value) in index.scan_all(Table::Commits, b"")? {
        let seq = KeyTake::new(&key).u64().map(CommitSeq).ok_or(Error::IndexRow { table: Table::Commits.name() })?;
        let row: CommitRow = decode(Table::Commits, &value)?;
        if packs.get(&seq).is_none_or(|entry| entry.name != row.pack) {
            return Err(Error::PackMissing { seq });
        }
    }
    for (seq, entry) in &packs {
        if seq.0 <= head && index.get(Table::Commits, &Key::number(seq.0).0)?.is_none() {
            return Err(Error::PackUnknown { path: entry.name.clone() });
        }
    }
    let mut rows = Staged::new(Arc::clone(index));
    for (expected, (seq, entry)) in (head + 1..).zip(packs.range(CommitSeq(head + 1)..)) {
        if seq.0 != expected {
            return Err(Error::PackMissing { seq: CommitSeq(expected) });
        }
        // The crash may have come between giving the name and making it durable.
        store.sync(&entry.name).map_err(Error::file("sync the folder of", &entry.name))?;
        let applied = apply_pack(store, storage, *seq, entry, &mut rows, None)?;
        if let Some(damage) = applied.damages.into_iter().next() {
            return Err(Error::PackDamaged { path: entry.name.clone(), offset: damage.offset, reason: damage.reason });
        }
        tracing::info!(seq = seq.0, pack = %entry.name, records = applied.records, "interrupted commit finished");
        rows.write()?;
    }
    Ok(())
}

/// What applying a pack came to.
pub(crate) struct Applied {
    pub(crate) records: u64,
    pub(crate) chunks: u64,
    pub(crate) time: Option<i64>,
    pub(crate) damages: Vec<crate::pack::reader::PackDamage>,
}

/// Applies what can be read of a pack. `otherwise` is the commit's time where the pack's own is lost.
pub(crate) fn apply_pack(
    store: &dyn Store,
    storage: Uuid,
    seq: CommitSeq,
    entry: &StoreEntry,
    rows: &mut Staged,
    otherwise: Option<i64>,
) -> Result<Applied, Error> {
    let mut pack = PackReader::open(store, &entry.name, entry.bytes, storage, seq)?;
    if pack.is_foreign() {
        return Ok(Applied { records: 0, chunks: 0, time: otherwise, damages: pack.take_damages() });
    }
    let records = pack.records()?;
    let mut time = otherwise;
    for record in &records {
        apply(rows, seq, record)?;
        if let Record::Commit(record) = record {
            time = Some(record.time);
        }
    }
    let blocks = pack.chunks()?;
    let row = CommitRow { time: time.unwrap_or(micros(DateTime::<Utc>::UNIX_EPOCH)), pack: entry.name.clone(), bytes: pack.len() };
    commit(rows, seq, &row, &blocks)?;
    let chunks = blocks.iter().map(|block| block.chunks.len() as u64).sum();
    Ok(Applied { records: records.len() as u64, chunks, time, damages: pack.take_damages() })
}

/// Lists the packs by their commits.
pub(crate) fn packs(dir: &Path, store: &dyn Store) -> Result<BTreeMap<CommitSeq, StoreEntry>, Error> {
    let mut packs = BTreeMap::<CommitSeq, StoreEntry>::new();
    for entry in store.list().map_err(Error::file("list the packs of", dir))? {
        let Some((seq, _)) = parse_name(&entry.name) else {
            tracing::warn!(file = %entry.name, "a file among the packs is not ours");
            continue;
        };
        if let Some(other) = packs.get(&seq) {
            return Err(Error::PackTwice { seq, one: other.name.clone(), other: entry.name });
        }
        packs.insert(seq, entry);
    }
    Ok(packs)
}
