//! The key of this machine: with it the daemon opens sealed storages and its own secrets after a reboot, without anybody.
//!
//! 32 random bytes as 64 hexadecimal digits: a credential of the service manager (`LoadCredentialEncrypted=machine.key:…`)
//! if it passes one, else a file in the state folder, readable by the daemon's user and root only, made when it is first
//! needed. What an earlier key sealed stays as it is, and can be opened once that key is back. `mount.c2b` reads it where it may.

use crate::atomic::{self, FileError};
use crate::failure;
use crate::secret::DIVIDER;
use c2b_api::{ApiError, ErrorCode};
use c2b_storagefmt::machine_key::{self, MachineKeyError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// The name of the file in the state folder, and of the credential.
const FILE: &str = "machine.key";

/// The machine's key, read or made when it is first needed.
pub struct MachineKey {
    path: PathBuf,
    credential: Option<PathBuf>,
    secrets: PathBuf,
    known: Mutex<Option<Zeroizing<[u8; 32]>>>,
}

impl MachineKey {
    /// Says where the key is; reads nothing yet. `credentials` is the folder of what the service manager passed.
    pub fn new(state: &Path, credentials: Option<&Path>) -> Self {
        let credential = credentials.map(|folder| folder.join(FILE)).filter(|path| path.exists());
        Self { path: state.join(FILE), credential, secrets: state.join("secrets"), known: Mutex::default() }
    }

    /// Returns the key, a new one when there is none. Blocks.
    ///
    /// # Errors
    /// When it cannot be read or written, or others than its owner may read it.
    pub fn get(&self) -> Result<Zeroizing<[u8; 32]>, ApiError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*known {
            return Ok(key.clone());
        }
        let key = match &self.credential {
            Some(credential) => machine_key::read_credential(credential).map_err(|error| self.refuse(&error))?,
            None => match machine_key::read(&self.path) {
                Err(MachineKeyError::Missing { .. }) => self.make()?,
                read => read.map_err(|error| self.refuse(&error))?,
            },
        };
        Ok(known.insert(key).clone())
    }

    fn make(&self) -> Result<Zeroizing<[u8; 32]>, ApiError> {
        let key = machine_key::generate().map_err(|error| self.refuse(&error))?;
        let written: Result<(), FileError> = atomic::write(&self.path, machine_key::text(&key).as_bytes(), 0o600);
        written.map_err(|error| failure::file(&error))?;
        tracing::info!(file = %self.path.display(), "machine key made");
        if self.is_missed() {
            tracing::error!(secrets = %self.secrets.display(), "machine key lost: restore it, or give the passwords of connections anew");
        }
        Ok(key)
    }

    /// Returns whether something is sealed with an earlier key.
    fn is_missed(&self) -> bool {
        let Ok(mut entries) = std::fs::read_dir(&self.secrets) else { return false };
        entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains(DIVIDER)))
    }

    fn refuse(&self, error: &MachineKeyError) -> ApiError {
        let path = self.credential.as_ref().unwrap_or(&self.path).display();
        let hint = format!(
            "restore {path} from a backup; without it, sealed storages are opened with `c2bctl storage unlock`, and passwords of connections given anew"
        );
        ApiError::new(ErrorCode::Internal, failure::chain(error), hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let key = MachineKey::new(dir.path(), None).get().unwrap();
        let path = dir.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(MachineKey::new(dir.path(), None).get().unwrap(), key);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(MachineKey::new(dir.path(), None).get().unwrap_err().message.contains("can be read by others"));
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for text in ["", "0123", "zz"] {
            atomic::write(&path, text.as_bytes(), 0o600).unwrap();
            assert!(MachineKey::new(dir.path(), None).get().is_err(), "{text:?} was accepted");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_credential_goes_before_the_file_and_leaves_none() {
        let (dir, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // As systemd leaves it: readable by an access list, which shows as the group's right.
        atomic::write(&credentials.path().join(FILE), "ab".repeat(32).as_bytes(), 0o440).unwrap();
        assert_eq!(*MachineKey::new(dir.path(), Some(credentials.path())).get().unwrap(), [0xab; 32]);
        assert!(!dir.path().join(FILE).exists());
        // A service without this credential has the folder all the same.
        std::fs::remove_file(credentials.path().join(FILE)).unwrap();
        assert_ne!(*MachineKey::new(dir.path(), Some(credentials.path())).get().unwrap(), [0xab; 32]);
        assert!(dir.path().join(FILE).exists());
    }
}
