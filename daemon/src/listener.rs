//! The control socket's file: made with its mode, replaced when stale, removed at the end.

use crate::atomic::FileError;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Group, chown};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Who may connect: the daemon's user and the group (spec.md section 7).
const SOCKET_MODE: u32 = 0o660;

/// The group that may connect, where the host has it.
const SOCKET_GROUP: &str = "c2b";

/// The control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers there.
    #[error("a c2bd answers at {} already: stop it, or choose another path with --socket", path.display())]
    Alive {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is at this path.
    #[error("{} is not a socket: it is left alone; choose another path with --socket", path.display())]
    NotASocket {
        /// What is there.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Binds the socket, replacing one that a dead daemon left. Call while there is one thread only:
/// the mode is set by the process's umask, so that there is no moment in which others may connect.
///
/// # Errors
/// [`ListenError`]; what is at the path stays as it was.
pub fn bind(path: &Path) -> Result<UnixListener, ListenError> {
    remove_stale(path)?;
    let before = umask(Mode::from_bits_truncate(0o117));
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound.map_err(FileError::of("bind the socket", path))?;
    if let Ok(Some(group)) = Group::from_name(SOCKET_GROUP) {
        // Without the right to give files away the socket stays the daemon's own.
        let _ = chown(path, None, Some(group.gid));
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE)).map_err(FileError::of("set the mode of", path))?;
    Ok(listener)
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    match std::fs::symlink_metadata(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(FileError::of("look at", path)(err).into()),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(ListenError::NotASocket { path: path.to_owned() }),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(err) if err.kind() == io::ErrorKind::ConnectionRefused => Ok(std::fs::remove_file(path).map_err(FileError::of("remove", path))?),
        Err(err) => Err(FileError::of("connect to", path)(err).into()),
        Ok(_) => Err(ListenError::Alive { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_or_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let living = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(matches!(bind(&path), Err(ListenError::Alive { .. })));
        drop(living);
        drop(bind(&path).unwrap());
        let file = dir.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert!(matches!(bind(&file), Err(ListenError::NotASocket { .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    }
}
