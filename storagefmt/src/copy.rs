//! Copying a storage: another folder with the same packs and keys, and an index of its own.
//!
//! * A copy is self-contained: it opens, checks and mounts like any storage, with the same passwords. To import one
//!   is to open it.
//! * Only what is new is moved; what was moved before an interruption is not moved again.
//! * It runs beside backups and freeing: it takes what is committed when it looks, and looks again when a pack is gone.
//! * Every frame is proven on the way. A damaged pack is named, and the rest is copied.
//! * What the source freed or erased goes from the copy; its keys never go back to an older edition.
//! * Nothing of an earlier copy is touched before all that is new lies beside it: see `copy/incoming.rs`.
//!
//! Does not merge: a copy that was written to by others, or that holds commits which the source does not have, is refused.

pub(crate) mod incoming;
mod pack;
mod plan;
#[cfg(test)]
mod tests;

use crate::index::Index;
use crate::layout::{self, Access, INDEX, Lock};
use crate::pack::list::PackList;
use crate::seal::{CopyState, KeyFile, SealError, Unlock};
use crate::store::{DirStore, Store};
use crate::unlock::{KeysIn, unlock};
use crate::writer::recover::sync_with_packs;
use crate::{CommitSeq, Damage, Error, StorageInfo, rebuild};
use chrono::{DateTime, Utc};
use incoming::{Incoming, staged as staged_name};
use pack::{Moved, move_pack};
use plan::Plan;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// How far a copy has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyProgress {
    /// Packs moved.
    pub packs: u64,
    /// Packs to move; grows when others commit meanwhile.
    pub packs_total: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Bytes to move.
    pub bytes_total: u64,
}

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Packs moved, those of earlier interrupted copies not counted.
    pub packs: u64,
    /// Packs that were there already.
    pub packs_present: u64,
    /// Packs that went, since the source replaced them.
    pub packs_removed: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// The last commit that the copy holds.
    pub head: CommitSeq,
    /// When that was committed.
    pub time: Option<DateTime<Utc>>,
    /// What of the source is damaged or missing; the rest is in the copy all the same.
    pub damages: Vec<Damage>,
    /// Whether the copy was brought up to date; else it was stopped, and the next one goes on.
    pub complete: bool,
}

/// Brings the copy at `dest` up to date with the storage at `source`, or makes it there. Break in `progress` stops it.
///
/// # Errors
/// When the source cannot be opened, `dest` is anything but a copy of it or is in use, or files cannot be written. What was copied
/// before serves the next try.
pub fn copy(source: &Path, dest: &Path, key: &Unlock, progress: &mut dyn FnMut(CopyProgress) -> ControlFlow<()>) -> Result<CopyReport, Error> {
    copy_on((source, &DirStore::new(source)), (dest, &DirStore::new(dest)), key, progress)
}

/// As [`copy`], with the stores in which the files of both lie.
///
/// # Errors
/// As [`copy`].
pub fn copy_on(
    source: (&Path, &dyn Store),
    dest: (&Path, &dyn Store),
    key: &Unlock,
    progress: &mut dyn FnMut(CopyProgress) -> ControlFlow<()>,
) -> Result<CopyReport, Error> {
    apart(source.0, dest.0)?;
    let info = layout::read_description(source.0, source.1, Access::Write)?;
    // A wrong password must not be found out after hours.
    unlock(source.1, &info, key)?;
    let is_new = receive(dest, &info)?;
    layout::make_dir(dest.0)?;
    let lock = Lock::take(dest.0)?;
    dest.1.sweep().map_err(Error::file("clear", dest.0.join("tmp")))?;
    let incoming = Incoming::open(dest.1, is_new.then_some((source.1, &info)))?;
    incoming::land(dest.1)?;
    let mut copy =
        Copy { source: source.1, dest: dest.1, info: &info, incoming, progress, done: CopyProgress::default(), report: CopyReport::default(), replaced: false };
    if copy.packs()?.is_break() {
        return Ok(copy.report);
    }
    let Copy { mut report, replaced, incoming, .. } = copy;
    let mut target = Target { dir: dest.0, store: dest.1, info: &info, key, lock: Some(lock) };
    report.packs_removed = PackList::read(dest.1)?.replaced.len() as u64;
    (report.head, report.time) = target.index(replaced, report.packs_removed > 0, || incoming.describe(source.1))?;
    incoming.describe(source.1)?;
    report.complete = true;
    tracing::info!(packs = report.packs, bytes = report.bytes, removed = report.packs_removed, head = report.head.0, "storage copied");
    Ok(report)
}

/// A copy in progress.
struct Copy<'a> {
    source: &'a dyn Store,
    dest: &'a dyn Store,
    info: &'a StorageInfo,
    incoming: Incoming<'a>,
    progress: &'a mut dyn FnMut(CopyProgress) -> ControlFlow<()>,
    done: CopyProgress,
    report: CopyReport,
    /// Packs that were not what they should be were replaced: the index must not trust what it knows of them.
    replaced: bool,
}

impl Copy<'_> {
    /// Moves packs and keys; stops when told so.
    fn packs(&mut self) -> Result<ControlFlow<()>, Error> {
        loop {
            let (list, keys) = self.look()?;
            let plan = Plan::of((self.source, &list), (self.dest, &PackList::read(self.dest)?), self.info.uuid, self.incoming.damaged())?;
            if let Some(file) = &keys {
                self.newer_keys(file)?;
            }
            let mut damages: Vec<Damage> = plan.lost.iter().map(|lost| Damage { what: lost.clone(), items: Vec::new() }).collect();
            let Some(damaged) = self.stage(&plan, &mut damages)? else { continue };
            let Some(damaged) = damaged else { return Ok(ControlFlow::Break(())) };
            self.report.packs_present = plan.present;
            self.report.damages = damages;
            let keys = keys.filter(|file| self.keys_of(self.dest).is_none_or(|old| old.edition() != file.edition() || !is_whole(&old)));
            self.incoming.ready(keys.as_ref().map(KeyFile::bytes), damaged)?;
            incoming::land(self.dest)?;
            return Ok(ControlFlow::Continue(()));
        }
    }

    /// Looks at the source: its packs, and keys that open all of them.
    fn look(&self) -> Result<(PackList, Option<KeyFile>), Error> {
        let mut keys = self.source_keys()?;
        let mut list = PackList::read(self.source)?;
        loop {
            // Keys of new mailboxes come before their packs, those of erased ones go after: unchanged ones fit what was listed.
            let keys_after = self.source_keys()?;
            let is_steady = keys.as_ref().map(KeyFile::edition) == keys_after.as_ref().map(KeyFile::edition);
            // While packs are replaced a list can have holes that are none.
            let list_after = if list.gaps().is_empty() { None } else { Some(PackList::read(self.source)?) };
            if is_steady && list_after.as_ref().is_none_or(|after| after.live == list.live) {
                return Ok((list, keys));
            }
            keys = keys_after;
            list = PackList::read(self.source)?;
        }
    }

    /// Moves what is wanted next to the copy. `None` when a pack is gone from the source; `Some(None)` when stopped;
    /// else the names of the damaged ones among those to be taken in.
    #[expect(clippy::option_option, reason = "gone, stopped and done are three answers")]
    fn stage(&mut self, plan: &Plan, damages: &mut Vec<Damage>) -> Result<Option<Option<Vec<String>>>, Error> {
        let mut staged = self.incoming.packs()?;
        self.done.packs_total = self.done.packs + plan.wanted.len() as u64;
        self.done.bytes_total = self.done.bytes + plan.wanted.iter().map(|wanted| wanted.pack.file.bytes).sum::<u64>();
        let mut damaged = Vec::new();
        for wanted in &plan.wanted {
            let file = &wanted.pack.file;
            if staged.remove(&file.name) == Some(file.bytes) {
                self.replaced |= wanted.is_flawed;
                self.done.packs += 1;
                self.done.bytes += file.bytes;
                continue;
            }
            if (self.progress)(self.done).is_break() {
                return Ok(Some(None));
            }
            let (done, progress) = (&mut self.done, &mut *self.progress);
            let moved = move_pack(self.source, self.dest, &wanted.pack, self.info.uuid, &mut |bytes| {
                done.bytes += bytes;
                progress(*done)
            })?;
            let found = match moved {
                Moved::Gone => return Ok(None),
                Moved::Stopped => return Ok(Some(None)),
                Moved::Whole(bytes) => {
                    self.report.bytes += bytes;
                    Vec::new()
                }
                Moved::Unreadable(reason) => {
                    damaged.extend(self.incoming.damaged().get(&file.name).cloned());
                    damages.push(Damage { what: format!("{} cannot be read: {reason}", file.name), items: Vec::new() });
                    continue;
                }
                Moved::Damaged(bytes, found) => {
                    self.report.bytes += bytes;
                    found
                }
            };
            damages
                .extend(found.iter().map(|damage| Damage { what: format!("{} at byte {}: {}", file.name, damage.offset, damage.reason), items: Vec::new() }));
            if !found.is_empty() {
                tracing::warn!(pack = %file.name, damages = found.len(), "a pack of the source is damaged");
                damaged.push(file.name.clone());
            }
            if !found.is_empty() && wanted.has_older {
                // What the copy has is better.
                self.incoming.discard(&staged_name(&file.name, false))?;
            } else {
                self.replaced |= wanted.is_flawed;
                self.report.packs += 1;
            }
            self.done.packs += 1;
        }
        for name in staged.into_keys() {
            self.incoming.discard(&staged_name(&name, true))?;
        }
        let _ = (self.progress)(self.done);
        Ok(Some(Some(damaged)))
    }

    /// Refuses keys that are older than those of the copy.
    fn newer_keys(&self, file: &KeyFile) -> Result<(), Error> {
        let Some(old) = self.keys_of(self.dest) else { return Ok(()) };
        if old.edition() > file.edition() || old.edition() == file.edition() && old.bytes() != file.bytes() {
            let reason = "its passwords or keys were changed there, or those of the storage were put back to an earlier state".to_owned();
            return Err(Error::CopyDiverged { reason });
        }
        Ok(())
    }

    fn source_keys(&self) -> Result<Option<KeyFile>, Error> {
        if !self.info.sealed {
            return Ok(None);
        }
        Ok(Some(KeyFile::load(&KeysIn(self.source), self.info.uuid)?))
    }

    /// Returns the keys of a copy; `None` when it has none that can be used.
    fn keys_of(&self, store: &dyn Store) -> Option<KeyFile> {
        KeyFile::load(&KeysIn(store), self.info.uuid).ok()
    }
}

/// The copy, once its packs are there.
struct Target<'a> {
    dir: &'a Path,
    store: &'a dyn Store,
    info: &'a StorageInfo,
    key: &'a Unlock,
    lock: Option<Lock>,
}

impl Target<'_> {
    /// Brings the copy's index to the state of its packs; returns the head and its time.
    fn index(&mut self, anew: bool, cleaned: bool, describe: impl Fn() -> Result<(), Error>) -> Result<(CommitSeq, Option<DateTime<Utc>>), Error> {
        if !anew {
            match self.roll_forward(cleaned) {
                Err(err) if is_unusable(&err) => tracing::warn!(error = &err as &dyn std::error::Error, "the copy's index is made anew"),
                other => return other,
            }
        }
        describe()?;
        // It takes the lock itself.
        self.lock = None;
        rebuild(self.dir, self.key, &mut |_| {})?;
        self.lock = Some(Lock::take(self.dir)?);
        self.roll_forward(cleaned)
    }

    /// Takes in what the index does not know, and deletes what was replaced.
    fn roll_forward(&self, cleaned: bool) -> Result<(CommitSeq, Option<DateTime<Utc>>), Error> {
        let (keys, _) = unlock(self.store, self.info, self.key)?;
        let path = self.dir.join(INDEX);
        let index = if path.exists() { Index::open(&path, &keys)? } else { Index::create(&path, &keys)? };
        let index = Arc::new(index);
        sync_with_packs(self.store, self.info.uuid, &keys, &index)?;
        if cleaned {
            // What was erased must not stay in the index's files.
            index.compact(crate::format::row::Table::Records)?;
        }
        index.flush()?;
        let head = CommitSeq(index.state()?.head);
        Ok((head, index.commit_time(head)?))
    }
}

/// Refuses a folder in itself.
fn apart(source: &Path, dest: &Path) -> Result<(), Error> {
    let existing = dest.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(dest);
    let (Ok(from), Ok(to)) = (source.canonicalize(), existing.canonicalize()) else { return Ok(()) };
    if to.starts_with(&from) || existing == dest && from.starts_with(&to) {
        return Err(Error::CopyInside { path: dest.to_owned() });
    }
    Ok(())
}

/// Makes sure that the copy may be made here; returns whether it is the first.
fn receive((dir, store): (&Path, &dyn Store), info: &StorageInfo) -> Result<bool, Error> {
    let other = |found: String| Error::CopyOfAnother { path: dir.to_owned(), found };
    match layout::read_description(dir, store, Access::Write) {
        Ok(found) if found.uuid != info.uuid => Err(other(found.uuid.to_string())),
        Ok(found) if found.sealed != info.sealed => Err(other(format!("{}, sealed otherwise", found.uuid))),
        Ok(_) => Ok(false),
        Err(Error::NotAStorage { .. }) => {
            match Incoming::begun(store)? {
                Some(text) if text.contains(&info.uuid.to_string()) => return Ok(true),
                Some(_) => return Err(other("unfinished".to_owned())),
                None => {}
            }
            match layout::foreign(dir)? {
                Some(found) => Err(Error::NotEmpty { path: dir.to_owned(), found: found.to_string_lossy().into_owned() }),
                None => Ok(true),
            }
        }
        Err(err) => Err(err),
    }
}

fn is_whole(file: &KeyFile) -> bool {
    file.copies().all(|(_, copy)| *copy == CopyState::Good)
}

/// Returns whether an index is better made anew than repaired.
fn is_unusable(err: &Error) -> bool {
    match err {
        Error::IndexMissing { .. } | Error::IndexRow { .. } | Error::PackMissing { .. } | Error::PackUnknown { .. } | Error::PackDamaged { .. } => true,
        Error::Seal { err } => matches!(err, SealError::UnknownGeneration { .. }),
        err @ Error::Index { .. } => !err.is_no_space(),
        _ => false,
    }
}
