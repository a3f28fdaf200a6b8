//! Passwords of connections, one file each, readable by the daemon's user only.
//!
//! They are written once, never logged and never given back over the socket. They rest in plain
//! bytes behind the file's mode; sealing them with a key of the machine comes with a later issue.

use crate::atomic::{self, FileError};
use crate::name::Name;
use c2b_ews::Secret;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folder of secrets.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
}

/// A secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("connection {name} has no password")]
    Missing {
        /// The connection.
        name: Name,
        /// Where it would be.
        path: PathBuf,
    },
    /// Others than the daemon's user may read it.
    #[error("{} can be read by others than its owner (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Secrets {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// When it cannot be made private.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        atomic::make_folder(folder, 0o700)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(FileError::of("set the mode of", folder))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Keeps a connection's password.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, name: &Name, secret: &str) -> Result<(), FileError> {
        atomic::write(&self.path(name), secret.as_bytes(), 0o600)
    }

    /// Returns a connection's password. One line end at the end, as editors leave it, is not part of it.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn get(&self, name: &Name) -> Result<Secret, SecretError> {
        read(name, self.path(name))
    }

    /// Keeps the password of a connection's directory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_ldap(&self, name: &Name, secret: &str) -> Result<(), FileError> {
        atomic::write(&self.ldap_path(name), secret.as_bytes(), 0o600)
    }

    /// Returns the password of a connection's directory.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn get_ldap(&self, name: &Name) -> Result<Secret, SecretError> {
        read(name, self.ldap_path(name))
    }

    /// Forgets a connection's passwords.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove(&self, name: &Name) -> Result<(), FileError> {
        atomic::remove(&self.ldap_path(name))?;
        atomic::remove(&self.path(name))
    }

    /// No name holds the character.
    fn ldap_path(&self, name: &Name) -> PathBuf {
        self.folder.join(format!("{name}@ldap"))
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.as_str())
    }
}

fn read(name: &Name, path: PathBuf) -> Result<Secret, SecretError> {
    let metadata = match std::fs::metadata(&path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(SecretError::Missing { name: name.clone(), path }),
        metadata => metadata.map_err(FileError::of("look at", &path))?,
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path, mode });
    }
    let mut text = std::fs::read_to_string(&path).map_err(FileError::of("read", &path))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Secret::new(text))
}
