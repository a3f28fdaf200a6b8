//! A private folder for the log file that a reader of the index writes, one for each mount point.
//!
//! It is used again by the next mount on the same place, so that mounts that were killed leave nothing
//! that grows, and removed at a clean end.

use nix::unistd::geteuid;
use std::fs::{self, DirBuilder, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The folder; removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder for a mount point.
    ///
    /// # Errors
    /// When it cannot be made, or is not ours alone.
    pub(crate) fn create(target: &Path) -> io::Result<Self> {
        let base = base();
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        private(&base)?;
        let path = base.join(format!("mount-{:016x}", hasher.finish()));
        private(&path)?;
        Ok(Self(path))
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(err) = fs::remove_dir_all(&self.0) {
            tracing::debug!(%err, path = %self.0.display(), "scratch folder is left behind");
        }
    }
}

/// Where private folders are: the user's run-time folder, root's `/run`, else the temporary folder.
fn base() -> PathBuf {
    let user = geteuid();
    if user.is_root() && Path::new("/run").is_dir() {
        return PathBuf::from("/run/c2b-mount");
    }
    let own = |dir: &PathBuf| fs::metadata(dir).is_ok_and(|meta| meta.uid() == user.as_raw());
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(own) {
        Some(dir) => dir.join("c2b-mount"),
        None => std::env::temp_dir().join(format!("c2b-mount-{user}")),
    }
}

/// Makes a folder that only we can enter, or makes sure that it is one.
fn private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
            let ours = |meta: &Metadata| meta.is_dir() && meta.uid() == geteuid().as_raw() && meta.mode() & 0o022 == 0;
            let meta = fs::symlink_metadata(path)?;
            if ours(&meta) { Ok(()) } else { Err(io::Error::other(format!("{} belongs to somebody else", path.display()))) }
        }
        made => made,
    }
}
