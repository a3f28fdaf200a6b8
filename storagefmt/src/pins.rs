//! Space that is not free although its files are deleted: processes hold them open.
//!
//! A reader keeps the table files of the index open until it refreshes, and what reads a pack that was replaced keeps that one. Their
//! space comes back when these processes go on or end. Looks through `/proc`; processes of other users cannot be looked into and count nothing.

use crate::Error;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The process.
    pub pid: u32,
    /// Its name, as far as it can be told.
    pub command: String,
    /// Deleted files below the storage that it has open.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How the kernel marks the name of a file that is deleted.
const DELETED: &str = " (deleted)";

/// Lists the processes that hold deleted files below `dir`, by process number.
///
/// # Errors
/// When `dir` is not there, or there is no `/proc`.
pub fn pins(dir: &Path) -> Result<Vec<Pin>, Error> {
    let dir = dir.canonicalize().map_err(Error::file("find", dir))?;
    let processes = fs::read_dir("/proc").map_err(Error::file("list", "/proc"))?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut pins: Vec<Pin> = pids.filter_map(|pid| pin(pid, &dir)).collect();
    pins.sort_unstable_by_key(|pin| pin.pid);
    Ok(pins)
}

/// Looks into one process; `None` when it holds nothing, is gone, or must not be looked into.
fn pin(pid: u32, dir: &Path) -> Option<Pin> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let (mut seen, mut bytes) = (BTreeSet::new(), 0);
    for entry in fs::read_dir(process.join("fd")).ok()? {
        let Ok(entry) = entry else { continue };
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let is_deleted = target.to_str().and_then(|target| target.strip_suffix(DELETED)).is_some_and(|target| Path::new(target).starts_with(dir));
        // The entry leads to the file itself, deleted or not.
        let Some(file) = is_deleted.then(|| fs::metadata(entry.path()).ok()).flatten() else { continue };
        if file.nlink() == 0 && seen.insert((file.dev(), file.ino())) {
            bytes += file.len();
        }
    }
    let files = seen.len() as u64;
    let command = || fs::read_to_string(process.join("comm")).unwrap_or_default().trim_end().to_owned();
    (files > 0).then(|| Pin { pid, command: command(), files, bytes })
}
