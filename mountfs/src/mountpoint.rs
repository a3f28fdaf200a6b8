//! The folder that is mounted on: whether it can be, and clearing away a dead mount of ours.
//!
//! Only mounts of type `fuse.c2b` are ever cleared away, and only when their process is gone.

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The type that our mounts have in `/proc/self/mountinfo`.
pub const FSTYPE: &str = "fuse.c2b";

/// Dead mounts that may lie upon each other before we give up.
const DEAD_MAX: usize = 16;

/// Why a folder cannot be mounted on, or a mount cannot be taken away.
#[derive(Debug, thiserror::Error)]
pub enum MountPointError {
    /// There is nothing at the path.
    #[error("mount point {0} does not exist")]
    Missing(PathBuf),
    /// It is not a folder.
    #[error("mount point {0} is not a folder")]
    NotFolder(PathBuf),
    /// It holds files, which the mount would hide.
    #[error("mount point {0} is not empty")]
    NotEmpty(PathBuf),
    /// A view is mounted there, and alive.
    #[error("{target} is already mounted: it shows {source_name}")]
    Mounted {
        /// Where.
        target: PathBuf,
        /// Which storage it shows.
        source_name: String,
    },
    /// It cannot be looked at.
    #[error("failed to look at mount point {path}")]
    Look {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The table of mounts cannot be read.
    #[error("failed to read /proc/self/mountinfo")]
    Table(#[source] io::Error),
    /// A mount cannot be taken away.
    #[error("failed to unmount {path}")]
    Unmount {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Device number, which tells one mount from the next at the same place.
    pub device: String,
    /// Where.
    pub target: PathBuf,
    /// File system type.
    pub fstype: String,
    /// What is mounted: the storage's path, for ours.
    pub source: String,
}

/// Returns the mount that is uppermost at a place.
///
/// # Errors
/// [`MountPointError::Table`].
pub fn uppermost(target: &Path) -> Result<Option<Mount>, MountPointError> {
    let table = fs::read("/proc/self/mountinfo").map_err(MountPointError::Table)?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(parse).rfind(|mount| mount.target == target))
}

/// Makes sure that a folder can be mounted on, and returns its absolute path. A dead mount of ours is cleared away.
///
/// # Errors
/// [`MountPointError`].
pub fn prepare(path: &Path) -> Result<PathBuf, MountPointError> {
    let target = absolute(path)?;
    let look = |source| MountPointError::Look { path: target.clone(), source };
    for _ in 0..DEAD_MAX {
        let ours = uppermost(&target)?.filter(|mount| mount.fstype == FSTYPE);
        let entries = fs::read_dir(&target).map(|mut entries| entries.next().is_none());
        match (ours, entries) {
            (Some(_), Err(err)) if err.raw_os_error() == Some(Errno::ENOTCONN as i32) => {
                tracing::warn!(mountpoint = %target.display(), "clearing away a dead mount");
                detach(&target)?;
            }
            (Some(mount), _) => return Err(MountPointError::Mounted { target, source_name: mount.source }),
            (None, Ok(true)) => return Ok(target),
            (None, Ok(false)) => return Err(MountPointError::NotEmpty(target)),
            (None, Err(err)) if err.kind() == io::ErrorKind::NotADirectory => return Err(MountPointError::NotFolder(target)),
            (None, Err(err)) if err.kind() == io::ErrorKind::NotFound => return Err(MountPointError::Missing(target)),
            (None, Err(err)) => return Err(look(err)),
        }
    }
    Err(look(Errno::ENOTCONN.into()))
}

/// Takes a mount away at once; files that are open in it stay usable until they are closed.
///
/// # Errors
/// [`MountPointError::Unmount`].
pub fn detach(target: &Path) -> Result<(), MountPointError> {
    let unmount = |source| MountPointError::Unmount { path: target.to_owned(), source };
    match umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        // Not root: the set-user-id helper may unmount what the user mounted.
        Err(Errno::EPERM) => {
            let done = Command::new("fusermount3").args(["-u", "-z", "--"]).arg(target).stdin(Stdio::null()).output().map_err(unmount)?;
            let text = || io::Error::other(String::from_utf8_lossy(&done.stderr).trim().to_owned());
            if done.status.success() { Ok(()) } else { Err(unmount(text())) }
        }
        done => done.map_err(|errno| unmount(errno.into())),
    }
}

/// Resolves all but the last part of a path, which may be a mount whose process is dead.
fn absolute(path: &Path) -> Result<PathBuf, MountPointError> {
    let look = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => MountPointError::Missing(path.to_owned()),
        _ => MountPointError::Look { path: path.to_owned(), source },
    };
    match fs::canonicalize(path) {
        Ok(target) => Ok(target),
        Err(err) if err.raw_os_error() == Some(Errno::ENOTCONN as i32) => {
            let full = std::path::absolute(path).map_err(look)?;
            match (full.parent(), full.file_name()) {
                (Some(parent), Some(name)) => Ok(fs::canonicalize(parent).map_err(look)?.join(name)),
                _ => Err(look(err)),
            }
        }
        Err(err) => Err(look(err)),
    }
}

/// `36 35 98:0 /root /target opts… - type source superopts`
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = fields.nth(2)?;
    let target = fields.nth(1)?;
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let text = |field: &[u8]| String::from_utf8_lossy(&unescape(field)).into_owned();
    Some(Mount { device: text(device), target: PathBuf::from(OsString::from_vec(unescape(target))), fstype: text(rest.next()?), source: text(rest.next()?) })
}

/// The kernel writes blank, tab, newline and backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| byte == b'\\').and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = br"40 29 0:52 / /mnt/my\040mail\134 ro,nosuid shared:9 - fuse.c2b /srv/a\040b ro,user_id=0";
        let expected = Mount { device: "0:52".into(), target: r"/mnt/my mail\".into(), fstype: "fuse.c2b".into(), source: "/srv/a b".into() };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"1 2 3"), None);
    }

    #[test]
    fn a_folder_that_cannot_be_mounted_on_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let full = dir.path().join("full");
        fs::create_dir_all(full.join("inside")).unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(prepare(&dir.path().join("none")), Err(MountPointError::Missing(_))));
        assert!(matches!(prepare(&full), Err(MountPointError::NotEmpty(_))));
        assert!(matches!(prepare(&file), Err(MountPointError::NotFolder(_))));
        assert_eq!(prepare(&full.join("inside/../inside")).unwrap(), fs::canonicalize(full.join("inside")).unwrap());
    }
}
