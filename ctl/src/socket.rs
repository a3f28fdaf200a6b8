//! The daemon's socket: where it is, and why it could not be reached.

use c2b_api::ClientError;
use std::error::Error as _;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Where the daemon listens when nothing else is said.
pub(crate) const SOCKET_DEFAULT: &str = "/run/c2b/c2bd.sock";

/// Why the daemon could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketTrouble {
    /// Nothing is at the path.
    #[error("there is no such socket")]
    Missing,
    /// A file that is no socket is at the path.
    #[error("it is not a socket")]
    NotASocket,
    /// The caller may not open it.
    #[error("permission denied")]
    Denied,
    /// The socket was left behind.
    #[error("the socket exists, but nobody listens")]
    Refused,
    /// The connection broke before the answer came.
    #[error("it closed the connection without an answer")]
    Closed,
    /// Anything else.
    #[error("{0}")]
    Io(io::Error),
}

impl SocketTrouble {
    /// Finds out why a call did not get through.
    pub(crate) fn of(socket: &Path, error: &ClientError) -> Self {
        match fs::metadata(socket) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Self::Missing,
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Self::Denied,
            Ok(metadata) if !metadata.file_type().is_socket() => return Self::NotASocket,
            Ok(_) | Err(_) => {}
        }
        match io_cause(error) {
            Some(e) if e.kind() == io::ErrorKind::PermissionDenied => Self::Denied,
            Some(e) if e.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            Some(e) if e.raw_os_error().is_some() && !is_hang_up(e.kind()) => Self::Io(io::Error::from(e.kind())),
            Some(_) | None => Self::Closed,
        }
    }

    /// Returns what to do.
    pub(crate) fn hint(&self, socket: &Path) -> String {
        match self {
            Self::Missing | Self::Refused => {
                "start the daemon with `systemctl start c2bd`; if it listens elsewhere, name its socket with --socket or C2B_SOCKET".to_owned()
            }
            Self::NotASocket => "name the daemon's socket with --socket or C2B_SOCKET".to_owned(),
            Self::Denied if socket == Path::new(SOCKET_DEFAULT) => {
                "only root and the members of group c2b may speak to the daemon: `sudo usermod -aG c2b $USER`, then sign in anew".to_owned()
            }
            Self::Denied => "only the daemon's own user and the members of its group may speak to it".to_owned(),
            Self::Closed | Self::Io(_) => "see what happened to the daemon with `journalctl -u c2bd -n 50`".to_owned(),
        }
    }
}

fn is_hang_up(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof)
}

fn io_cause(error: &ClientError) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}
