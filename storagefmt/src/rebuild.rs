//! Making the index anew from the packs alone.
//!
//! The old index stays in its place until the new one is complete. What a damaged pack still says is used;
//! what it does not is in the report. Readers must open the storage again afterwards.

use crate::index::Index;
use crate::index::staged::Staged;
use crate::layout::{self, Access, INDEX, INDEX_NEW, INDEX_OLD, Lock};
use crate::store::{DirStore, Store, sync_dir};
use crate::writer::{Applied, apply_pack, packs};
use crate::{CommitSeq, Damage, Error};
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
/// When the storage is in use, two packs claim one commit, or files cannot be read or written.
pub fn rebuild(dir: &Path, progress: &mut dyn FnMut(RebuildProgress)) -> Result<RebuildReport, Error> {
    let info = layout::read_description(dir, Access::Write)?;
    let _lock = Lock::take(dir)?;
    let store = DirStore::new(dir);
    store.sweep().map_err(Error::file("clear", dir.join("tmp")))?;
    let packs = packs(dir, &store)?;
    let (new, old, place) = (dir.join(INDEX_NEW), dir.join(INDEX_OLD), dir.join(INDEX));
    remove(&new)?;
    let index = Arc::new(Index::create(&new)?);
    let mut rows = Staged::new(Arc::clone(&index));
    let mut report = RebuildReport::default();
    let (mut expected, mut time) = (1, Some(crate::format::micros(info.created)));
    progress(RebuildProgress { packs_total: packs.len() as u64, ..RebuildProgress::default() });
    for (seq, entry) in &packs {
        if seq.0 > expected {
            let missing = if seq.0 == expected + 1 { format!("pack {expected} is missing") } else { format!("packs {expected} to {} are missing", seq.0 - 1) };
            report.damages.push(Damage { what: missing, items: Vec::new() });
        }
        expected = seq.0 + 1;
        let applied = apply_pack(&store, info.uuid, *seq, entry, &mut rows, time)?;
        rows.write()?;
        time = applied.time;
        report.take(*seq, &entry.name, applied);
        progress(RebuildProgress { packs: report.packs, packs_total: packs.len() as u64, records: report.records });
    }
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

impl RebuildReport {
    fn take(&mut self, seq: CommitSeq, name: &str, applied: Applied) {
        tracing::debug!(seq = seq.0, records = applied.records, damages = applied.damages.len(), "pack read");
        self.packs += 1;
        self.records += applied.records;
        self.chunks += applied.chunks;
        let damage =
            |damage: crate::pack::reader::PackDamage| Damage { what: format!("{name} at byte {}: {}", damage.offset, damage.reason), items: Vec::new() };
        self.damages.extend(applied.damages.into_iter().map(damage));
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::file("remove", path)),
    }
}
