//! The lock on the state folder: one daemon owns it, and the kernel frees it with the process.

use crate::atomic::FileError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Holds the state folder until it is dropped or the process ends.
#[derive(Debug)]
pub struct StateLock {
    file: Flock<File>,
    path: PathBuf,
}

/// The state folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error("another c2bd (pid {pid}) uses the state folder {}: stop it, or choose another folder with --state", folder.display())]
    Held {
        /// The state folder.
        folder: PathBuf,
        /// The other daemon; `unknown` while it starts.
        pid: String,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl StateLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(FileError::of("open", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { file, path }),
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
                Err(LockError::Held { folder: folder.to_owned(), pid })
            }
            Err((_, errno)) => Err(FileError::of("lock", &path)(errno.into()).into()),
        }
    }

    /// Writes this process's id into the lock file, for the message that another daemon shows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_pid(&mut self) -> Result<(), FileError> {
        let mut write = || {
            self.file.set_len(0)?;
            self.file.rewind()?;
            writeln!(self.file, "{}", std::process::id())
        };
        write().map_err(FileError::of("write", &self.path))
    }
}
