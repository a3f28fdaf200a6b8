//! Free space of a file system, and how much of it a storage keeps in reserve.

use crate::atomic::FileError;
use c2b_api::Size;
use std::io;
use std::path::Path;

/// Greatest reserve that nobody chose, in bytes: enough for RocksDB to compact and for freeing to rewrite some packs.
const RESERVE_MAX: u64 = 1024 * 1024 * 1024;

/// The share of a small file system that is kept in reserve.
const RESERVE_SHARE: u64 = 50;

/// What a file system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// Left for ordinary users, in bytes.
    pub(crate) free: u64,
    /// In all, in bytes.
    pub(crate) total: u64,
}

impl Space {
    /// Asks the file system that holds a path.
    pub(crate) fn of(path: &Path) -> Result<Self, FileError> {
        let found = nix::sys::statvfs::statvfs(path).map_err(|errno| FileError::of("ask the file system of", path)(io::Error::from(errno)))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        Ok(Self { free: bytes(found.blocks_available()), total: bytes(found.blocks()) })
    }

    /// Returns the reserve: what was chosen, else the smaller of 1 GiB and 2 % of the file system.
    pub(crate) fn reserve(self, chosen: Option<Size>) -> u64 {
        chosen.map_or_else(|| RESERVE_MAX.min(self.total / RESERVE_SHARE), Size::get)
    }

    /// Returns whether less is left than the reserve.
    pub(crate) fn is_low(self, chosen: Option<Size>) -> bool {
        self.free < self.reserve(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_small_part_of_a_small_disk() {
        let (mib, gib) = (1 << 20, 1 << 30);
        let space = |free, total| Space { free, total };
        assert_eq!(space(0, 200 * mib).reserve(None), 4 * mib);
        assert_eq!(space(0, 1000 * gib).reserve(None), gib);
        assert_eq!(space(0, 1000 * gib).reserve(Some(Size::bytes(7))), 7);
        assert!(space(3 * mib, 200 * mib).is_low(None) && !space(4 * mib, 200 * mib).is_low(None));
        assert!(!space(0, 200 * mib).is_low(Some(Size::bytes(0))), "no reserve, never low");
    }

    #[test]
    fn a_file_system_answers() {
        let dir = tempfile::tempdir().unwrap();
        let space = Space::of(dir.path()).unwrap();
        assert!(space.total > 0 && space.free <= space.total);
        assert!(Space::of(Path::new("/nowhere/at/all")).is_err());
    }
}
