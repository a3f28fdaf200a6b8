//! Making the index anew from the packs alone.
//!
//! The old index stays in its place until the new one is complete. What a damaged pack still says is used;
//! what it does not is in the report. A description that is gone is made anew, too; keys cannot be. Readers go over to
//! the new index when they refresh.

use crate::copy::incoming;
use crate::erase::note_absent;
use crate::format::pack::{CommitEntry, Directory};
use crate::format::row::{FolderRowValue, Key, KeyTake, MailboxRowValue, PackRow, StateRow, Table};
use crate::index::commit::{PackFacts, commit};
use crate::index::staged::Staged;
use crate::index::{Batch, Index, decode, encode};
use crate::layout::{self, Access, INDEX, INDEX_NEW, INDEX_OLD, Lock, QUARANTINE};
use crate::pack::list::{Found, PackList};
use crate::pack::reader::PackReader;
use crate::seal::{Keys, Unlock};
use crate::store::{DirStore, Store, sync_dir};
use crate::unlock::unlock;
use crate::writer::recover::{RecordFrame, known, record_frames};
use crate::{CommitSeq, Damage, Error, FrameKey, MailboxKey, Place, StorageInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How far a rebuild has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Packs read.
    pub packs: u64,
    /// Packs in all.
    pub packs_total: u64,
    /// Records applied.
    pub records: u64,
}

/// What a rebuild found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Packs read.
    pub packs: u64,
    /// Records applied.
    pub records: u64,
    /// Chunks found.
    pub chunks: u64,
    /// What could not be read; the rest is in the index all the same.
    pub damages: Vec<Damage>,
}

/// Makes the index of the storage at `dir` anew from its packs.
///
/// # Errors
/// When the storage is in use, its keys do not open, two packs claim one commit, or files cannot be read or written.
pub fn rebuild(dir: &Path, key: &Unlock, progress: &mut dyn FnMut(RebuildProgress)) -> Result<RebuildReport, Error> {
    let store = DirStore::new(dir);
    let mut report = RebuildReport::default();
    // What cannot be described is not locked either: it may be any folder.
    let (info, told) = find(dir, &store)?;
    let _lock = Lock::take(dir)?;
    store.sweep().map_err(Error::file("clear", dir.join("tmp")))?;
    incoming::land(&store)?;
    if told {
        layout::write_description_anew(&store, &info)?;
        report.damages.push(Damage { what: format!("{} was missing: it was made anew", layout::DESCRIPTION), items: Vec::new() });
    }
    let (keys, _) = unlock(&store, &info, key)?;
    rebuild_index(dir, &store, &info, &keys, report, progress)
}

/// Makes the index anew; the caller has the lock and the keys.
pub(crate) fn rebuild_index(
    dir: &Path,
    store: &dyn Store,
    info: &StorageInfo,
    keys: &Keys,
    report: RebuildReport,
    progress: &mut dyn FnMut(RebuildProgress),
) -> Result<RebuildReport, Error> {
    let (new, old, place) = (dir.join(INDEX_NEW), dir.join(INDEX_OLD), dir.join(INDEX));
    remove(&new)?;
    let index = Arc::new(Index::create(&new, keys)?);
    let mut rebuild = Rebuild { store, info, keys, rows: Staged::new(Arc::clone(&index)), report, time: crate::format::micros(info.created) };
    rebuild.packs(progress)?;
    // Also without a damage: a repair may have put an empty pack in the place of one that had the records of folders.
    make_up_folders(&mut rebuild.rows)?;
    note_absent(&mut rebuild.rows, erasures_done(store, &place, keys)?.as_ref())?;
    rebuild.rows.write()?;
    let Rebuild { rows, mut report, .. } = rebuild;
    report.chunks = index.state()?.chunks;
    take_over_verified(&index, &place, keys);
    index.flush()?;
    drop((rows, index));
    remove(&old)?;
    match fs::rename(&place, &old) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {}
        other => other.map_err(Error::file("set aside", &place))?,
    }
    fs::rename(&new, &place).map_err(Error::file("put in place", &place))?;
    sync_dir(dir).map_err(Error::file("sync", dir))?;
    remove(&old)?;
    Ok(report)
}

/// Returns the storage's description, and whether it is gone and packs told it.
fn find(dir: &Path, store: &DirStore) -> Result<(StorageInfo, bool), Error> {
    match layout::read_description(dir, store, Access::Write) {
        Err(err @ Error::NotAStorage { .. }) => layout::describe_from_packs(store)?.map(|info| (info, true)).ok_or(err),
        other => {
            let info = other?;
            layout::prove_packs(dir, store, &info)?;
            Ok((info, false))
        }
    }
}

/// Takes over when packs were verified from the old index, if it still says so: no pack does.
fn take_over_verified(index: &Index, old: &Path, keys: &Keys) {
    let taken = Index::open(old, keys).and_then(|old| {
        let (old, mut batch) = (known(&old)?, Batch::default());
        for (first, row) in known(index)? {
            if let Some(before) = old.get(&first).filter(|before| before.name(first) == row.name(first)) {
                batch.set(Table::Packs, Key::number(first.0).0, Some(encode(&PackRow { verified: before.verified, ..row })));
            }
        }
        index.write(batch)
    });
    if let Err(err) = taken {
        tracing::debug!(error = &err as &dyn std::error::Error, "times of verifications are lost with the old index");
    }
}

/// Returns the mailboxes whose erasure came to its end as the old index says, if something was set aside: an erasure deletes that,
/// too, and packs do not tell whether it has.
fn erasures_done(store: &dyn Store, old: &Path, keys: &Keys) -> Result<Option<BTreeSet<MailboxKey>>, Error> {
    if store.list(QUARANTINE).map_err(Error::file("list", QUARANTINE))?.is_empty() {
        return Ok(None);
    }
    let purged = |index: &Index| -> Result<BTreeSet<MailboxKey>, Error> {
        let rows = index.scan_all(Table::Mailboxes, b"")?.into_iter();
        let rows = rows.map(|(key, value)| Ok((KeyTake::new(&key).mailbox(), decode::<MailboxRowValue>(Table::Mailboxes, &value)?.purged)));
        Ok(rows.collect::<Result<Vec<_>, Error>>()?.into_iter().filter_map(|(mailbox, purged)| mailbox.filter(|_| purged)).collect())
    };
    Ok(Some(Index::open(old, keys).and_then(|index| purged(&index)).unwrap_or_default()))
}

struct Rebuild<'a> {
    store: &'a dyn Store,
    info: &'a StorageInfo,
    keys: &'a Keys,
    rows: Staged,
    report: RebuildReport,
    /// The time of the last commit, for those whose own is lost.
    time: i64,
}

impl Rebuild<'_> {
    fn packs(&mut self, progress: &mut dyn FnMut(RebuildProgress)) -> Result<(), Error> {
        let list = PackList::read(self.store)?;
        let total = list.live.len() as u64;
        progress(RebuildProgress { packs_total: total, ..RebuildProgress::default() });
        let mut expected = 1;
        for (first, pack) in &list.live {
            if first.0 > expected {
                let missing = if first.0 == expected + 1 {
                    format!("commit {expected} is missing")
                } else {
                    format!("commits {expected} to {} are missing", first.0 - 1)
                };
                self.damage(missing);
            }
            expected = pack.name.last.0 + 1;
            self.pack(pack)?;
            self.report.packs += 1;
            progress(RebuildProgress { packs: self.report.packs, packs_total: total, records: self.report.records });
        }
        Ok(())
    }

    /// Applies what can be read of a pack.
    fn pack(&mut self, pack: &Found) -> Result<(), Error> {
        let path = &pack.file.name;
        let mut reader = PackReader::open(self.store, path, pack.file.bytes, self.info.uuid)?;
        if reader.is_foreign() {
            self.damages(path, &mut reader);
            return Ok(());
        }
        let frames = record_frames(&mut reader)?;
        let directory = self.directory(pack, &mut reader)?;
        self.damages(path, &mut reader);
        let records: Vec<(FrameKey, Vec<u8>)> = frames.iter().map(RecordFrame::bytes).collect();
        commit(&mut self.rows, &PackFacts { name: pack.name, bytes: pack.file.bytes, directory: &directory, records: &records })?;
        drop(records);
        for frame in frames {
            let (key, offset) = (frame.entry.header.key, frame.entry.offset);
            match frame.apply(&mut self.rows, self.keys)? {
                Ok(applied) => self.report.records += applied,
                Err(reason) => self.damage(format!("{path} at byte {offset}: records of frame {key}: {reason}")),
            }
        }
        self.rows.write()
    }

    /// Returns the commits and frames of a pack: for a commit of which nothing is left, the time of the one before.
    fn directory(&mut self, pack: &Found, reader: &mut PackReader<'_>) -> Result<Directory, Error> {
        let known: BTreeMap<CommitSeq, CommitEntry> = reader.commits(self.keys)?.into_iter().map(|commit| (commit.seq, commit)).collect();
        let mut commits = Vec::new();
        for seq in pack.name.first.0..=pack.name.last.0 {
            let commit = known.get(&CommitSeq(seq)).copied().filter(|commit| commit.time != 0);
            let commit = commit.unwrap_or(CommitEntry { seq: CommitSeq(seq), time: self.time, frames: 0 });
            self.time = commit.time;
            commits.push(commit);
        }
        Ok(Directory { commits, frames: reader.frames().to_vec() })
    }

    fn damages(&mut self, path: &str, reader: &mut PackReader<'_>) {
        for damage in reader.take_damages() {
            self.damage(format!("{path} at byte {}: {}", damage.offset, damage.reason));
        }
    }

    fn damage(&mut self, what: String) {
        self.report.damages.push(Damage { what, items: Vec::new() });
    }
}

/// Lists items whose folder's record is lost in a folder made up from its key, for as long as no record tells of it.
pub(crate) fn make_up_folders(rows: &mut Staged) -> Result<(), Error> {
    let mut found = BTreeMap::<(u32, u64), u64>::new();
    for (table, skipped) in [(Table::ItemsLive, 0), (Table::ItemsPast, 8), (Table::ItemsMarked, 8)] {
        let mut start = Some(Vec::new());
        while let Some(from) = start {
            let page = rows.page(table, &Key::default(), &from, ROWS_PAGE)?;
            for (key, _) in &page.rows {
                let mut take = KeyTake::new(key);
                let place = take.u32().zip(take.u64()).ok_or(Error::IndexRow { table: table.name() })?;
                let from = KeyTake::new(key.get(12 + skipped..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: table.name() })?;
                found.entry(place).and_modify(|first| *first = from.min(*first)).or_insert(from);
            }
            start = page.next;
        }
    }
    for ((mailbox, folder), from) in found {
        let prefix = Key::mailbox(MailboxKey(mailbox)).u64(folder);
        let first = rows.page(Table::Folders, &prefix, &[], 1)?.rows.into_iter().next();
        let told = first.and_then(|(key, _)| KeyTake::new(key.get(12..).unwrap_or_default()).u64());
        if told.is_none_or(|told| from < told) {
            rows.put(Table::Folders, prefix.u64(from), &FolderRowValue { place: NOWHERE, until: told.unwrap_or(0) });
            let state = rows.state()?;
            rows.put(Table::State, Key::default(), &StateRow { folders: state.folders.max(folder), ..state });
            if told.is_none() {
                // As the record counts that a repair gives it.
                let key = Key::mailbox(MailboxKey(mailbox));
                let row: MailboxRowValue = rows.row(Table::Mailboxes, &key)?.unwrap_or_default();
                rows.put(Table::Mailboxes, key, &MailboxRowValue { folders: row.folders + 1, ..row });
            }
            tracing::warn!(mailbox, folder, "the folder of some items is lost: they are listed in one made up");
        }
    }
    rows.write()
}

/// Where the records are that nobody has: no commit has this number.
pub(crate) const NOWHERE: Place = Place { frame: FrameKey { seq: CommitSeq(0), n: 0 }, index: 0 };

/// Rows looked at at once.
const ROWS_PAGE: usize = 4096;

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::file("remove", path)),
    }
}
