//! Looking at a path without touching it.

use crate::layout::{self, Access};
use crate::store::DirStore;
use crate::{Error, Probe, ProbeKind};
use std::fs;
use std::io;
use std::path::Path;

/// Says what is at `dir`. Writes nothing and takes no lock.
///
/// # Errors
/// When the folder cannot be listed, or is a storage that this program does not understand.
pub fn probe(dir: &Path) -> Result<Probe, Error> {
    let kind = if !dir.exists() {
        ProbeKind::Missing
    } else {
        match layout::read_description(dir, &DirStore::new(dir), Access::Read) {
            Ok(info) => ProbeKind::Storage(info),
            Err(Error::NotAStorage { .. }) => layout::foreign(dir)?.map_or(ProbeKind::Empty, ProbeKind::Foreign),
            Err(err) => return Err(err),
        }
    };
    let existing = dir.ancestors().find(|ancestor| ancestor.exists());
    let free_bytes = existing.map(free_bytes).transpose()?.unwrap_or(0);
    Ok(Probe { kind, free_bytes })
}

/// What a file system has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes left for ordinary users.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl Space {
    /// Returns whether less is left than `reserve` bytes: then what can wait should.
    pub fn is_low(self, reserve: u64) -> bool {
        self.free_bytes < reserve
    }
}

/// Returns what the file system of `path` has.
///
/// # Errors
/// When it does not answer.
pub fn space(path: &Path) -> Result<Space, Error> {
    let stat = nix::sys::statvfs::statvfs(path).map_err(|errno| Error::file("ask the file system of", path)(io::Error::from(errno)))?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok(Space { free_bytes: bytes(stat.blocks_available()), total_bytes: bytes(stat.blocks()) })
}

/// Returns how many bytes the file system of `path` has left for ordinary users.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, Error> {
    Ok(space(path)?.free_bytes)
}

/// Returns the bytes of the files in a flat folder; files that vanish meanwhile count nothing.
pub(crate) fn folder_bytes(path: &Path) -> Result<u64, Error> {
    let entries = fs::read_dir(path).map_err(Error::file("list", path))?;
    Ok(entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum())
}
