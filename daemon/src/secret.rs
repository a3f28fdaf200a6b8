//! What the daemon keeps secret: one file each, sealed with the key of this machine.
//!
//! A secret has a kind and a name, and is sealed under both, so that files cannot be exchanged. It is written once, never
//! logged, and never given back over the socket. Plain files, as versions before this one kept them or an administrator
//! puts them there by hand, are sealed and replaced when they are first seen. That an old file is put back is not noticed.

use crate::atomic::{self, FileError};
use crate::machine::MachineKey;
use crate::name::Name;
use crate::seal::{SealError, SealKey};
use c2b_api::ApiError;
use c2b_ews::Secret;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::{info, warn};
use zeroize::{Zeroize, Zeroizing};

/// What divides kind and name in a file's name: no name holds it, and no plain file did.
pub const DIVIDER: char = '+';

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The first part of its file's name.
    file: &'static str,
    /// What it is, before the name: `password of connection`.
    words: &'static str,
    /// How a plain file's name went on after the name; none where there never were any.
    plain: Option<&'static str>,
}

impl Kind {
    /// What a connection signs in with: password, application secret, certificate with key, or refresh token.
    pub const CONNECTION: Self = Self { file: "connection", words: "password of connection", plain: Some("") };
    /// The password of a connection's directory.
    pub const DIRECTORY: Self = Self { file: "directory", words: "directory password of connection", plain: Some("@ldap") };

    /// Those that plain files were kept of.
    const WITH_PLAIN: [Self; 2] = [Self::CONNECTION, Self::DIRECTORY];

    /// Returns another kind. `file` begins its files' names and must be its own: small letters only.
    pub const fn new(file: &'static str, words: &'static str) -> Self {
        Self { file, words, plain: None }
    }
}

/// The folder of secrets.
#[derive(Clone)]
pub struct Secrets {
    folder: PathBuf,
    machine: Arc<MachineKey>,
}

/// A secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("there is no {what} {name}")]
    Missing {
        /// What it would be.
        what: &'static str,
        /// Its name.
        name: Name,
    },
    /// Others than the daemon's user may read the plain file.
    #[error("{} can be read by others than its owner (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It cannot be sealed or opened.
    #[error("the {what} {name} cannot be opened")]
    Seal {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: Name,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        err: SealError,
    },
    /// There is no machine key.
    #[error(transparent)]
    Machine(ApiError),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Secrets {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// When it cannot be made private.
    pub fn open(folder: &Path, machine: Arc<MachineKey>) -> Result<Self, FileError> {
        atomic::make_folder(folder, 0o700)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(FileError::of("set the mode of", folder))?;
        Ok(Self { folder: folder.to_owned(), machine })
    }

    /// Keeps a secret; one of the same kind and name is replaced.
    ///
    /// # Errors
    /// When it cannot be sealed or written; then the one before stays.
    pub fn put(&self, kind: Kind, name: &Name, secret: &[u8]) -> Result<(), SecretError> {
        let path = self.path(kind, name);
        let sealed = self.key(kind, name, &path)?.seal(&file_name(kind, name), secret);
        let sealed = sealed.map_err(|err| SecretError::Seal { what: kind.words, name: name.clone(), path: path.clone(), err })?;
        atomic::write(&path, &sealed, 0o600)?;
        if let Some(plain) = self.plain_path(kind, name) {
            atomic::remove(&plain)?;
        }
        Ok(())
    }

    /// Returns a secret.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn get(&self, kind: Kind, name: &Name) -> Result<Secret, SecretError> {
        self.take_over(kind, name)?;
        let path = self.path(kind, name);
        let sealed = match std::fs::read(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(SecretError::Missing { what: kind.words, name: name.clone() }),
            read => read.map_err(FileError::of("read", &path))?,
        };
        let opened = self.key(kind, name, &path)?.open(&file_name(kind, name), &sealed).and_then(|mut plain| {
            // Moved, not copied: there is one text, and that is wiped.
            String::from_utf8(std::mem::take(&mut *plain)).map_err(|error| {
                error.into_bytes().zeroize();
                SealError::Damaged
            })
        });
        opened.map(Secret::new).map_err(|err| SecretError::Seal { what: kind.words, name: name.clone(), path, err })
    }

    /// Forgets a secret; a missing one is fine.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn remove(&self, kind: Kind, name: &Name) -> Result<(), FileError> {
        if let Some(plain) = self.plain_path(kind, name) {
            atomic::remove(&plain)?;
        }
        atomic::remove(&self.path(kind, name))
    }

    /// Returns whether there is one, without opening it.
    pub fn has(&self, kind: Kind, name: &Name) -> bool {
        self.path(kind, name).exists() || self.plain_path(kind, name).is_some_and(|path| path.exists())
    }

    /// Seals all plain files; what cannot be sealed stays as it is, and is logged.
    pub fn take_over_all(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for file in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            for kind in Kind::WITH_PLAIN {
                let name = kind.plain.and_then(|end| file.strip_suffix(end)).and_then(|name| name.parse::<Name>().ok());
                if let Some(name) = name
                    && let Err(error) = self.take_over(kind, &name)
                {
                    warn!(%name, error = crate::failure::chain(&error), "plain file of a secret not sealed");
                }
            }
        }
    }

    /// Seals a plain file, if there is one. One line end at the end, as editors leave it, is not part of it.
    fn take_over(&self, kind: Kind, name: &Name) -> Result<(), SecretError> {
        let Some(path) = self.plain_path(kind, name) else { return Ok(()) };
        let metadata = match std::fs::metadata(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata.map_err(FileError::of("look at", &path))?,
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed { path, mode });
        }
        let text = Zeroizing::new(std::fs::read(&path).map_err(FileError::of("read", &path))?);
        self.put(kind, name, text.strip_suffix(b"\n").unwrap_or(&text))?;
        info!(secret = kind.words, %name, "plain file of a secret sealed");
        Ok(())
    }

    fn key(&self, kind: Kind, name: &Name, path: &Path) -> Result<SealKey, SecretError> {
        let machine = self.machine.get().map_err(SecretError::Machine)?;
        SealKey::new(&machine).map_err(|err| SecretError::Seal { what: kind.words, name: name.clone(), path: path.to_owned(), err })
    }

    fn path(&self, kind: Kind, name: &Name) -> PathBuf {
        self.folder.join(file_name(kind, name))
    }

    fn plain_path(&self, kind: Kind, name: &Name) -> Option<PathBuf> {
        kind.plain.map(|end| self.folder.join(format!("{name}{end}")))
    }
}

/// Returns a secret's file name, which it is sealed under, too.
fn file_name(kind: Kind, name: &Name) -> String {
    format!("{}{DIVIDER}{name}", kind.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(dir: &Path) -> Secrets {
        Secrets::open(&dir.join("secrets"), Arc::new(MachineKey::new(dir, None))).unwrap()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_secret_is_kept_by_kind_and_name_and_shows_in_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let kept = secrets(dir.path());
        kept.put(Kind::CONNECTION, &name("lab"), b"correct horse").unwrap();
        kept.put(Kind::DIRECTORY, &name("lab"), b"battery staple").unwrap();
        let again = secrets(dir.path());
        assert_eq!(again.get(Kind::CONNECTION, &name("lab")).unwrap().expose(), b"correct horse");
        assert_eq!(again.get(Kind::DIRECTORY, &name("lab")).unwrap().expose(), b"battery staple");
        assert!(matches!(again.get(Kind::CONNECTION, &name("other")), Err(SecretError::Missing { .. })));
        for entry in std::fs::read_dir(dir.path().join("secrets")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(5).any(|part| part == b"horse" || part == b"stapl"), "{}", path.display());
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        again.remove(Kind::CONNECTION, &name("lab")).unwrap();
        assert!(!again.has(Kind::CONNECTION, &name("lab")) && again.has(Kind::DIRECTORY, &name("lab")));
    }

    #[test]
    fn files_cannot_be_exchanged_nor_opened_on_another_machine() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (secrets(dir.path()), secrets(other.path()));
        here.put(Kind::CONNECTION, &name("a"), b"one").unwrap();
        here.put(Kind::CONNECTION, &name("b"), b"two").unwrap();
        std::fs::copy(dir.path().join("secrets/connection+a"), dir.path().join("secrets/connection+b")).unwrap();
        assert!(matches!(here.get(Kind::CONNECTION, &name("b")), Err(SecretError::Seal { err: SealError::Damaged, .. })));
        there.put(Kind::CONNECTION, &name("x"), b"three").unwrap();
        std::fs::copy(dir.path().join("secrets/connection+a"), other.path().join("secrets/connection+a")).unwrap();
        assert!(matches!(there.get(Kind::CONNECTION, &name("a")), Err(SecretError::Seal { err: SealError::OtherKey, .. })));
    }

    #[test]
    fn plain_files_are_sealed_once_and_open_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let kept = secrets(dir.path());
        let plain = |file: &str| dir.path().join("secrets").join(file);
        for (file, text) in [("lab", "pw\n"), ("lab@ldap", "dir pw"), ("open", "seen")] {
            atomic::write(&plain(file), text.as_bytes(), if file == "open" { 0o644 } else { 0o600 }).unwrap();
        }
        kept.take_over_all();
        assert!(!plain("lab").exists() && !plain("lab@ldap").exists() && plain("open").exists());
        assert_eq!(kept.get(Kind::CONNECTION, &name("lab")).unwrap().expose(), b"pw");
        assert_eq!(kept.get(Kind::DIRECTORY, &name("lab")).unwrap().expose(), b"dir pw");
        assert!(matches!(kept.get(Kind::CONNECTION, &name("open")), Err(SecretError::Exposed { mode: 0o644, .. })));
        // One put there by hand later is the newer one.
        atomic::write(&plain("lab"), b"newer", 0o600).unwrap();
        assert_eq!(kept.get(Kind::CONNECTION, &name("lab")).unwrap().expose(), b"newer");
    }
}
