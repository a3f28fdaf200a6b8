//! `--daemonize`: leaving the terminal, for hosts without systemd.
//!
//! Whatever can be found out before is: the crate `daemonize` answers the terminal before it has the pid file.

use crate::atomic::FileError;
use crate::options::Options;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The daemon cannot go to the background.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// A living process holds the pid file.
    #[error("another process (pid {pid}) holds the pid file {}: stop it, or choose another file with --pid-file", path.display())]
    Held {
        /// The pid file.
        path: PathBuf,
        /// What is in it; `unknown` while the other process starts.
        pid: String,
    },
    /// The pid file or the log cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The process cannot be forked.
    #[error("failed to fork")]
    Fork(#[source] daemonize::Error),
}

/// Goes on in the background. Call while there is one thread only. The pid file, if any, is held until the end; one that
/// a dead process left is taken over. Standard error goes to the log.
///
/// # Errors
/// [`BackgroundError`], while the terminal still sees it.
pub fn go(options: &Options) -> Result<(), BackgroundError> {
    let path = options.log_file.clone().unwrap_or_else(|| options.state.join("c2bd.log"));
    let log = OpenOptions::new().append(true).create(true).mode(0o640).open(&path).map_err(FileError::of("open", &path))?;
    let mut background = daemonize::Daemonize::new().working_directory("/").umask(0o027).stderr(log);
    if let Some(pid_file) = &options.pid_file {
        look_at(pid_file)?;
        background = background.pid_file(pid_file);
    }
    background.start().map_err(BackgroundError::Fork)
}

/// Makes sure that a pid file can be written, and that no living process holds it.
fn look_at(path: &Path) -> Result<(), BackgroundError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path);
    match Flock::lock(file.map_err(FileError::of("open", path))?, FlockArg::LockExclusiveNonblock) {
        Ok(_) => Ok(()),
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
            Err(BackgroundError::Held { path: path.to_owned(), pid })
        }
        Err((_, errno)) => Err(FileError::of("lock", path)(errno.into()).into()),
    }
}
