//! Is everything there, and whole?
//!
//! A check replays the packs into a scratch index of its own, as a rebuild does, and compares that with the
//! storage's, table by table. Everything but the blocks of contents is read and proven on the way. Then each
//! version's contents must lead to blocks that are where they should be; with data, blocks are also read, unsealed and
//! compared with their hashes, and contents are put together and compared with their ids.
//!
//! It takes no lock and changes nothing. A writer may work beside it for days: a pack that is gone was rewritten if the index
//! says so, and then the check goes on with the pack in its place. What the index still says of a lost pack names what is lost.
//! Without the key of a sealed storage it proves what needs none, the checksums, and says so.

mod blame;
mod compare;
mod contents;
mod files;
mod follow;
mod locked;
mod packs;
mod verified;

use crate::index::Index;
use crate::index::staged::Staged;
use crate::layout::INDEX;
use crate::seal::{Keys, SealError, Unlock};
use crate::store::{DirStore, Store};
use crate::unlock::{refresh, unlock};
use crate::{CommitSeq, Contents, Error, ItemKey, StorageInfo};
pub(crate) use blame::{ContentState, Names, each_version, state};
pub(crate) use contents::{each_recipe, identify, missing};
pub(crate) use follow::said_of;
pub(crate) use packs::block_flaw;

use blame::Blame;
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// How thorough a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Whether every byte is read: of all packs, or of those of [`Self::subset`].
    pub read_data: bool,
    /// `(n, m)`: the bytes of the `n`-th of `m` parts of the packs, `n` from 1. So `m` checks read everything.
    pub subset: Option<(u32, u32)>,
}

impl From<bool> for CheckOptions {
    /// Returns a check of the structure, or with data.
    fn from(read_data: bool) -> Self {
        Self { read_data, subset: None }
    }
}

impl CheckOptions {
    /// Returns whether the data of the pack that begins with this commit is read. A pack keeps its part as long as it is not joined with one before it.
    fn reads(&self, first: CommitSeq) -> bool {
        match self.subset {
            Some((part, parts)) => u64::from(part.saturating_sub(1)) == first.0.saturating_sub(1) % u64::from(parts.max(1)),
            None => self.read_data,
        }
    }
}

/// How far a check has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckProgress {
    /// Packs looked at; those whose data is read count once more.
    pub packs: u64,
    /// Packs in all.
    pub packs_total: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// Damages found so far.
    pub damages: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Whether the storage was sealed and no key given: then only checksums were proven.
    pub locked: bool,
    /// Packs looked at.
    pub packs: u64,
    /// Items, deleted ones included.
    pub items: u64,
    /// Versions of items.
    pub versions: u64,
    /// Distinct chunks.
    pub chunks: u64,
    /// Contents that were found lost before, and are not back.
    pub known_losses: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// The packs that were read whole and are: for [`Writer::note_verified`](crate::Writer::note_verified).
    pub verified: Vec<String>,
    /// What is not as it should be.
    pub damages: Vec<Damage>,
    /// What is odd and harms nothing.
    pub notes: Vec<String>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File, offset and why; and what to do, where that is not `storage repair`.
    pub what: String,
    /// The items that it concerns.
    pub items: Vec<DamagedItem>,
}

/// An item that cannot be read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedItem {
    /// Its mailbox.
    pub mailbox: Address,
    /// The path of its folder, names as the source gave them, joined by `/`.
    pub folder: String,
    /// Its subject.
    pub subject: String,
    /// Its date, as the mount shows it.
    pub date: DateTime<Utc>,
    /// Its key.
    pub key: ItemKey,
}

/// Checks the storage at `dir` beside its writer, reading only. The index that is made for comparison lies in `scratch` meanwhile.
///
/// # Errors
/// When the folder is no storage, the key does not fit, or `scratch` cannot be written; damage is in the report.
pub fn check(
    dir: &Path,
    scratch: &Path,
    key: &Unlock,
    options: impl Into<CheckOptions>,
    progress: &mut dyn FnMut(CheckProgress),
) -> Result<CheckReport, Error> {
    let (store, options) = (Arc::new(DirStore::new(dir)) as Arc<dyn Store>, options.into());
    let mut report = CheckReport::default();
    let info = files::describe(dir, store.as_ref(), &mut report)?;
    files::look(dir, store.as_ref(), &info, &mut report)?;
    let keys = match unlock(store.as_ref(), &info, key) {
        Ok((keys, _)) => Some(keys),
        Err(Error::Seal { err: SealError::Locked | SealError::KeyFileMissing | SealError::KeyFileDamaged { .. } }) if info.sealed => None,
        Err(err) => return Err(err),
    };
    let Some(keys) = keys else {
        return locked::check(store.as_ref(), &info, options, report, progress);
    };
    let place = scratch.join("replay");
    clear(&place)?;
    fs::create_dir_all(&place).map_err(Error::file("create", &place))?;
    let rows = Staged::new(Arc::new(Index::create(&place.join("index"), &keys)?));
    let shared = crate::catalog::Shared::new(dir, info.clone(), Arc::clone(rows.index()));
    let mut check = Check {
        dir,
        place: &place,
        folder: None,
        store: store.as_ref(),
        info: &info,
        keys: &keys,
        live: None,
        contents: Contents::new(Arc::clone(&shared), Arc::clone(&store)),
        rows,
        options,
        blame: Blame::default(),
        damaged: BTreeSet::new(),
        report,
        told: CheckProgress::default(),
        progress,
    };
    check.look_again()?;
    check.run()?;
    let Check { blame, mut report, rows, contents, .. } = check;
    report.damages.extend(blame.into_damages());
    drop((rows, contents, shared));
    clear(&place)?;
    Ok(report)
}

/// A check under way.
struct Check<'a> {
    dir: &'a Path,
    /// The folder for its own files.
    place: &'a Path,
    /// Inode of the folder of the index that was opened last: a rebuild puts another in its place.
    folder: Option<u64>,
    store: &'a dyn Store,
    info: &'a StorageInfo,
    keys: &'a Keys,
    /// The storage's index as it was when it was looked at last; `None` when it is damaged.
    live: Option<Index>,
    contents: Contents,
    /// The scratch index.
    rows: Staged,
    options: CheckOptions,
    blame: Blame,
    /// First commits of packs with damage.
    damaged: BTreeSet<CommitSeq>,
    report: CheckReport,
    told: CheckProgress,
    progress: &'a mut dyn FnMut(CheckProgress),
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), Error> {
        self.follow()?;
        self.compare()?;
        self.packs()?;
        self.contents()?;
        let index = Arc::clone(self.rows.index());
        let counted = self.blame.items(&index)?;
        (self.report.items, self.report.versions, self.report.known_losses) = (counted.items, counted.versions, counted.known_losses);
        let state = index.state()?;
        (self.report.chunks, self.report.packs) = (state.chunks, state.packs);
        Ok(())
    }

    /// Goes over to what the storage's index says now.
    fn look_again(&mut self) -> Result<(), Error> {
        let index = self.dir.join(INDEX);
        let folder = fs::metadata(&index).map(|metadata| metadata.ino()).ok();
        // While a rebuild exchanges the folders there is none for a moment: the old one still answers.
        if folder.is_some() && folder != self.folder || self.live.is_none() && self.folder.is_none() {
            self.folder = Some(folder.unwrap_or(0));
            let log = self.place.join(format!("log-{}", folder.unwrap_or(0)));
            fs::create_dir_all(&log).map_err(Error::file("create", &log))?;
            match Index::open_secondary(&index, &log, self.keys) {
                Ok(live) => self.live = Some(live),
                Err(err) => self.index_lost(&err),
            }
        } else {
            self.ask(Index::catch_up)?;
        }
        // A pack is never there before the keys that it needs.
        refresh(self.store, self.info, self.keys)
    }

    /// Asks the storage's index; from its first failure on it is damaged.
    fn ask<T>(&mut self, question: impl FnOnce(&Index) -> Result<T, Error>) -> Result<Option<T>, Error> {
        let Some(live) = &self.live else { return Ok(None) };
        match question(live) {
            Ok(answer) => Ok(Some(answer)),
            Err(err @ (Error::Index { .. } | Error::IndexRow { .. } | Error::IndexMissing { .. })) => {
                self.index_lost(&err);
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }

    fn index_lost(&mut self, err: &Error) {
        self.live = None;
        self.blame.note(format!("{err}{}", cause(err)));
    }

    fn tell(&mut self, packs: u64, more: u64) {
        self.told.packs += packs;
        self.told.packs_total += more;
        (self.told.bytes_read, self.told.damages) = (self.report.bytes_read, (self.blame.count() + self.report.damages.len()) as u64);
        (self.progress)(self.told);
    }
}

/// Returns the causes below an error, for a report that is only text.
pub(crate) fn cause(err: &dyn std::error::Error) -> String {
    std::iter::successors(err.source(), |err| err.source()).map(|err| format!(": {err}")).collect()
}

/// Returns whether a file was there when it was listed and is not any more.
fn is_gone(err: &Error) -> bool {
    match err {
        Error::File { err, .. } => err.kind() == io::ErrorKind::NotFound,
        Error::PackMissing { .. } => true,
        _ => false,
    }
}

fn clear(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::file("remove", path)),
    }
}
