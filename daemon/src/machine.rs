//! The key of this machine: with it the daemon opens sealed storages after a reboot, without anybody.
//!
//! One file in the state folder, 32 random bytes as 64 hexadecimal digits, readable by the daemon's user and root only;
//! made when it is first needed. `mount.c2b` reads it where it may. Who has it and a storage's folder can read the storage.

use crate::atomic::{self, FileError};
use crate::failure;
use c2b_api::{ApiError, ErrorCode};
use c2b_storagefmt::machine_key::{self, MachineKeyError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// The file's name in the state folder.
const FILE: &str = "machine.key";

/// The machine's key, read or made when it is first needed.
pub struct MachineKey {
    path: PathBuf,
    known: Mutex<Option<Zeroizing<[u8; 32]>>>,
}

impl MachineKey {
    /// Says where the key is; reads nothing yet.
    pub fn new(state: &Path) -> Self {
        Self { path: state.join(FILE), known: Mutex::default() }
    }

    /// Returns the key, a new one when there is none. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or written, or others than its owner may read it.
    pub fn get(&self) -> Result<Zeroizing<[u8; 32]>, ApiError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*known {
            return Ok(key.clone());
        }
        let key = match machine_key::read(&self.path) {
            Err(MachineKeyError::Missing { .. }) => self.make()?,
            read => read.map_err(|error| self.refuse(&error))?,
        };
        Ok(known.insert(key).clone())
    }

    fn make(&self) -> Result<Zeroizing<[u8; 32]>, ApiError> {
        let key = machine_key::generate().map_err(|error| self.refuse(&error))?;
        let written: Result<(), FileError> = atomic::write(&self.path, machine_key::text(&key).as_bytes(), 0o600);
        written.map_err(|error| failure::file(&error))?;
        tracing::info!(file = %self.path.display(), "machine key made");
        Ok(key)
    }

    fn refuse(&self, error: &MachineKeyError) -> ApiError {
        let hint = format!("restore {} from a backup, or remove it and open each sealed storage with `c2bctl storage unlock`", self.path.display());
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
        let key = MachineKey::new(dir.path()).get().unwrap();
        let path = dir.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(MachineKey::new(dir.path()).get().unwrap(), key);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(MachineKey::new(dir.path()).get().unwrap_err().message.contains("can be read by others"));
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for text in ["", "0123", "zz"] {
            atomic::write(&path, text.as_bytes(), 0o600).unwrap();
            assert!(MachineKey::new(dir.path()).get().is_err(), "{text:?} was accepted");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
