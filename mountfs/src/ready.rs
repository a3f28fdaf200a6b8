//! "Mounted" means usable: looked at from outside before anybody is told.

use crate::mountpoint::{self, FSTYPE, MountPointError};
use sd_notify::NotifyState;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a mount is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// The table of mounts does not show it.
    #[error("the mount on {0} is not to be seen")]
    Unseen(PathBuf),
    /// The table cannot be read.
    #[error("failed to look for the mount")]
    Table(#[source] MountPointError),
    /// Its top folder cannot be listed.
    #[error("failed to list {target}")]
    List {
        /// Where.
        target: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes sure that the mount is in the table of mounts and that its top folder can be listed.
///
/// # Errors
/// [`ReadyError`].
pub fn check(target: &Path) -> Result<(), ReadyError> {
    let seen = mountpoint::uppermost(target).map_err(ReadyError::Table)?;
    if seen.is_none_or(|mount| mount.fstype != FSTYPE) {
        return Err(ReadyError::Unseen(target.to_owned()));
    }
    let list = |source| ReadyError::List { target: target.to_owned(), source };
    for entry in fs::read_dir(target).map_err(list)? {
        entry.and_then(|entry| entry.metadata()).map_err(list)?;
    }
    Ok(())
}

/// Tells systemd, when it asked to be told, that the mount is usable.
pub fn notify(target: &Path) {
    let status = format!("mounted on {}", target.display());
    if let Err(err) = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]) {
        tracing::warn!(%err, "systemd could not be told that the mount is ready");
    }
}

/// Tells systemd that the end is near.
pub fn notify_stopping() {
    if let Err(err) = sd_notify::notify(&[NotifyState::Stopping]) {
        tracing::debug!(%err, "systemd could not be told of the end");
    }
}
