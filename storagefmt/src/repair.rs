//! Making a damaged storage whole again, as far as it goes.
//!
//! Nobody else may use the storage meanwhile. In this order, each step on its own good for whoever comes next:
//!
//! 1. The description and the copies of the keys are made anew from packs and from each other. Keys of which no copy is whole cannot be.
//! 2. All packs are read. A damaged one is written anew without what is lost; frames of records come back from the index, which
//!    has a copy. The damaged file goes to `quarantine/`. In the place of a missing one comes one with what the index says.
//! 3. The index is made anew.
//! 4. What is lost is written down, so that a check finds it no more. Items that are still live become failures which are due at
//!    once, and count as not held: the next cycle fetches them where the source still has them. Where even the record of what there
//!    was is lost, cursors are forgotten, so that the next cycle compares everything.

mod losses;
mod packs;

use crate::check::cause;
use crate::copy::incoming;
use crate::format::row::Table;
use crate::index::Index;
use crate::layout::{self, Access, INDEX, Lock};
use crate::rebuild::{RebuildReport, rebuild_index};
use crate::seal::{Keys, Unlock};
use crate::store::{DirStore, Store};
use crate::unlock::{KeysIn, unlock};
use crate::{DamagedItem, Error, StorageInfo, Writer};
use chrono::{DateTime, Utc};
use packs::{Lost, Packs};
use std::path::Path;
use std::sync::Arc;

/// How far a repair has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairProgress {
    /// Packs read.
    pub packs: u64,
    /// Packs in all.
    pub packs_total: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
}

/// What a repair found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Packs read.
    pub packs: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// What was made anew, and why.
    pub made: Vec<String>,
    /// What was put aside into `quarantine/`, and why.
    pub quarantined: Vec<String>,
    /// Live items whose content is lost: the next cycle fetches them again where the source still has them.
    pub fetched_again: Vec<DamagedItem>,
    /// Versions that are lost for good, unless the same content comes again.
    pub lost: Vec<LostItem>,
    /// What is lost and cannot be named, since its records are lost, too; the next cycle compares the mailboxes concerned as a whole.
    pub unknown: Vec<String>,
}

/// A version that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostItem {
    /// The item.
    pub item: DamagedItem,
    /// Which of its versions, from 1.
    pub version: u32,
    /// What happened to its content.
    pub reason: String,
}

/// Repairs the storage at `dir`.
///
/// # Errors
/// When it is in use, its key does not fit or is lost, nothing says what storage it is, or files cannot be read or written. It can be run again.
pub fn repair(dir: &Path, key: &Unlock, now: DateTime<Utc>, progress: &mut dyn FnMut(RepairProgress)) -> Result<RepairReport, Error> {
    let store: Arc<dyn Store> = Arc::new(DirStore::new(dir));
    let mut report = RepairReport::default();
    // What cannot be described is not locked either: it may be any folder.
    let found = find(dir, store.as_ref())?;
    let lock = Lock::take(dir)?;
    let info = describe(dir, store.as_ref(), found, &mut report)?;
    store.sweep().map_err(Error::file("clear", dir.join("tmp")))?;
    incoming::land(store.as_ref())?;
    let (keys, file) = unlock(store.as_ref(), &info, key)?;
    if let Some(mut file) = file {
        report.made.extend(file.repair(&KeysIn(store.as_ref()))?.into_iter().map(|name| format!("{name}, from the other copy")));
    }
    if let Some(flaw) = layout::readme_flaw(store.as_ref())? {
        layout::write_readme(store.as_ref())?;
        report.made.push(flaw.to_owned());
    }
    let lost = packs(dir, &store, &info, &keys, &mut report, progress)?;
    let rebuilt = rebuild_index(dir, store.as_ref(), &info, &keys, RebuildReport::default(), &mut |_| {})?;
    report.unknown.extend(rebuilt.damages.into_iter().map(|damage| damage.what));
    let mut writer = Writer::open_locked(dir, store, key, info, lock)?;
    losses::note(&mut writer, &lost, now, &mut report)?;
    tracing::info!(quarantined = report.quarantined.len(), fetched_again = report.fetched_again.len(), lost = report.lost.len(), "storage repaired");
    Ok(report)
}

/// What there is of a description.
enum Found {
    Whole(StorageInfo),
    /// It is damaged or missing: what packs say, and the reason.
    Told(StorageInfo, String),
}

fn find(dir: &Path, store: &dyn Store) -> Result<Found, Error> {
    let read = layout::read_description(dir, store, Access::Write).and_then(|info| layout::prove_packs(dir, store, &info).map(|()| info));
    match read {
        Err(err @ (Error::NotAStorage { .. } | Error::Description { .. })) => match layout::describe_from_packs(store)? {
            Some(info) => Ok(Found::Told(info, format!("{err}{}", cause(&err)))),
            None => Err(err),
        },
        other => other.map(Found::Whole),
    }
}

fn describe(dir: &Path, store: &dyn Store, found: Found, report: &mut RepairReport) -> Result<StorageInfo, Error> {
    let (info, reason) = match found {
        Found::Whole(info) => return Ok(info),
        Found::Told(info, reason) => (info, reason),
    };
    if dir.join(layout::DESCRIPTION).exists() {
        quarantine(store, layout::DESCRIPTION, &reason, report)?;
    }
    report.made.push(format!("{}, from the packs: {reason}", layout::DESCRIPTION));
    layout::write_description_anew(store, &info)?;
    Ok(info)
}

/// Repairs all packs, with the help of the index; where that is damaged, with one that is made anew first.
fn packs(
    dir: &Path,
    store: &Arc<dyn Store>,
    info: &StorageInfo,
    keys: &Keys,
    report: &mut RepairReport,
    progress: &mut dyn FnMut(RepairProgress),
) -> Result<Lost, Error> {
    let mut rebuilt = false;
    loop {
        let index = Index::open(&dir.join(INDEX), keys).and_then(|index| readable(&index).map(|()| index));
        let outcome = index.and_then(|index| Packs::new(store, info, keys, &index, report, progress).run());
        match outcome {
            Err(err @ (Error::Index { .. } | Error::IndexRow { .. } | Error::IndexMissing { .. })) if !rebuilt => {
                report.made.push(format!("the index: {err}{}", cause(&err)));
                rebuild_index(dir, store.as_ref(), info, keys, RebuildReport::default(), &mut |_| {})?;
                rebuilt = true;
            }
            other => return other,
        }
    }
}

/// Reads the tables that a repair asks.
fn readable(index: &Index) -> Result<(), Error> {
    for table in [Table::Packs, Table::Commits, Table::Frames, Table::Records, Table::Grants] {
        let mut start = Vec::new();
        loop {
            let rows = index.scan(table, b"", &start, ROWS_PAGE)?;
            match rows.last() {
                Some((key, _)) if rows.len() == ROWS_PAGE => start = crate::index::successor(key),
                _ => break,
            }
        }
    }
    Ok(())
}

/// Rows read at once: frames of records are up to 64 KiB each.
const ROWS_PAGE: usize = 64;

/// Moves a file out of the way, under a name that is free.
fn quarantine(store: &dyn Store, name: &str, reason: &str, report: &mut RepairReport) -> Result<(), Error> {
    let base = name.rsplit('/').next().unwrap_or(name);
    let mut place = format!("quarantine/{base}");
    let mut number = 1;
    while store.len(&place).map_err(Error::file("look for", &place))?.is_some() {
        number += 1;
        place = format!("quarantine/{base}-{number}");
    }
    store.rename(name, &place).map_err(Error::file("put aside", name))?;
    store.sync(&place).and_then(|()| store.sync(name)).map_err(Error::file("sync the folder of", name))?;
    tracing::warn!(file = name, place, "put aside");
    report.quarantined.push(format!("{name}: {reason}"));
    Ok(())
}
