//! What a copy lacks, and whether it is a copy at all.

use crate::pack::list::{Found, PackList};
use crate::pack::reader::PackReader;
use crate::store::Store;
use crate::{CommitSeq, Error};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What is to be moved.
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    /// Packs that need not be moved.
    pub(super) present: u64,
    /// Commits that neither side has.
    pub(super) lost: Vec<String>,
}

/// A pack to be moved.
pub(super) struct Wanted {
    pub(super) pack: Found,
    /// What the copy has of its commits is not what it should be, and its index may lack records of them.
    pub(super) is_flawed: bool,
    /// The copy has something of its commits.
    pub(super) has_older: bool,
}

impl Plan {
    /// Compares a storage with its copy.
    pub(super) fn of(source: (&dyn Store, &PackList), dest: (&dyn Store, &PackList), storage: Uuid, damaged: &BTreeSet<String>) -> Result<Self, Error> {
        let (mut wanted, mut present) = (Vec::new(), 0);
        for pack in source.1.live.values() {
            let held = dest.1.live.get(&pack.name.first).filter(|held| held.file.name == pack.file.name);
            if held.is_some_and(|held| held.file.bytes == pack.file.bytes && !damaged.contains(&pack.file.name)) {
                present += 1;
                continue;
            }
            let mut older = dest.1.live.values().filter(|held| held.name.first <= pack.name.last && pack.name.first <= held.name.last).peekable();
            let has_older = older.peek().is_some();
            let is_flawed = held.is_some() || older.any(|held| damaged.contains(&held.file.name));
            wanted.push(Wanted { pack: pack.clone(), is_flawed, has_older });
        }
        descends(source, dest, storage)?;
        let lost = source.1.gaps().into_iter().filter(|(first, last)| (first.0..=last.0).any(|seq| dest.1.of_commit(CommitSeq(seq)).is_none()));
        let lost = lost.map(|(first, last)| format!("commits {first} to {last} are missing")).collect();
        Ok(Self { wanted, present, lost })
    }
}

/// Makes sure that all packs of a copy come from the source.
fn descends(source: (&dyn Store, &PackList), dest: (&dyn Store, &PackList), storage: Uuid) -> Result<(), Error> {
    let diverged = |reason: String| Err(Error::CopyDiverged { reason });
    let head = source.1.live.values().next_back().map_or(0, |pack| pack.name.last.0);
    let mut times = None;
    for held in dest.1.live.values() {
        let (first, last) = (held.name.first, held.name.last);
        if last.0 > head {
            return diverged(format!("it has commits up to {last}, the storage only up to {head}"));
        }
        let Some(pack) = source.1.of_commit(first) else {
            // The source lost it: the copy is the better one.
            match source.1.live.range(first..=last).next() {
                Some((seq, _)) => return diverged(format!("its pack of commits {first} to {last} does not fit that of commit {seq} in the storage")),
                None => continue,
            }
        };
        if pack.file.name == held.file.name {
            continue;
        }
        if !pack.replaces(held) {
            return diverged(format!("commits {first} to {last} are others there"));
        }
        // The source made this one anew, of the same commits or of others that were made after the two parted.
        if times.as_ref().is_none_or(|(name, _)| *name != pack.file.name) {
            times = Some((pack.file.name.clone(), commits(source.0, pack, storage)?));
        }
        let theirs = times.as_ref().map(|(_, times)| times.as_slice()).unwrap_or_default();
        let other = commits(dest.0, held, storage)?.into_iter().find(|(seq, time)| theirs.iter().any(|(their, at)| their == seq && at != time));
        if let Some((seq, _)) = other {
            return diverged(format!("commit {seq} is another there"));
        }
    }
    Ok(())
}

/// Returns commits and their times as far as the directory of a pack tells.
fn commits(store: &dyn Store, pack: &Found, storage: Uuid) -> Result<Vec<(CommitSeq, i64)>, Error> {
    match PackReader::open(store, &pack.file.name, pack.file.bytes, storage) {
        Ok(reader) => Ok(reader.listed_commits().iter().map(|commit| (commit.seq, commit.time)).collect()),
        // Gone since, or not readable: moving it will show.
        Err(Error::File { .. }) => Ok(Vec::new()),
        Err(err) => Err(err),
    }
}
