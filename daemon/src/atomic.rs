//! Writing a file in one step: whoever reads it sees the old bytes or the new ones, never a part.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file of the daemon's own could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} {}", path.display())]
pub struct FileError {
    /// What was tried.
    pub operation: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// The cause below.
    #[source]
    pub err: io::Error,
}

impl FileError {
    /// Wraps the error of an operation on a path.
    pub fn of(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |err| Self { operation, path: path.to_owned(), err }
    }
}

/// Replaces the file's content; after `Ok` it survives a power failure.
///
/// # Errors
/// When the folder cannot be written or the disk is full; the old content is then still there.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(FileError::of("write", path)(io::ErrorKind::InvalidInput.into()));
    };
    let temporary = folder.join(format!(".{}.tmp", name.to_string_lossy()));
    let written = write_synced(&temporary, bytes, mode).and_then(|()| std::fs::rename(&temporary, path)).and_then(|()| sync_folder(folder));
    written.map_err(|err| {
        let _ = std::fs::remove_file(&temporary);
        FileError { operation: "write", path: path.to_owned(), err }
    })
}

/// Removes the file, durably; a missing one is fine.
///
/// # Errors
/// When the folder cannot be written.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_folder).map_err(FileError::of("remove", path)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(err) => Err(FileError::of("remove", path)(err)),
    }
}

/// Gives the file another name in its folder, durably; a missing one is fine.
///
/// # Errors
/// When the folder cannot be written.
pub fn rename(path: &Path, new: &Path) -> Result<(), FileError> {
    match std::fs::rename(path, new) {
        Ok(()) => new.parent().map_or(Ok(()), sync_folder).map_err(FileError::of("rename", path)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(err) => Err(FileError::of("rename", path)(err)),
    }
}

/// Makes a folder and those above it, unless it is there; a new one has this mode.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path, mode: u32) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(FileError::of("make the folder", path))
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes what happened to names in a folder survive a power failure.
///
/// # Errors
/// When the folder cannot be opened.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        for text in ["one", "a longer one", "x"] {
            write(&path, text.as_bytes(), 0o640).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        }
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
    }
}
