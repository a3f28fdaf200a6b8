//! Passwords and keys of a sealed storage: listed, added, changed, removed, rotated.
//!
//! Each change is durable in both copies of the key file when it returns; one that failed changed nothing.

use super::Writer;
use crate::seal::{Argon2Params, KeyFile, RecoveryKey, Rotated, SealError, Unlock, WrapInfo, WrapKind};
use crate::unlock::KeysIn;
use crate::Error;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

impl Writer {
    /// Returns all passwords and keys that open the storage; none when it is not sealed.
    pub fn wraps(&self) -> Vec<WrapInfo> {
        self.key_file.as_ref().map_or_else(Vec::new, KeyFile::wraps)
    }

    /// Lets one more password open the storage.
    ///
    /// # Errors
    /// When the storage is not sealed, the label is taken, or the keys cannot be written.
    pub fn add_password(&mut self, label: &str, password: &Zeroizing<String>, params: Argon2Params, now: DateTime<Utc>) -> Result<(), Error> {
        self.change_keys(|file| file.add_password(label, password, params, now).map(drop))
    }

    /// Puts a new password in the place of the one that `present` is; returns its label.
    ///
    /// # Errors
    /// When the storage is not sealed, `present` is none of its passwords, or the keys cannot be written.
    pub fn change_password(&mut self, present: &Zeroizing<String>, password: &Zeroizing<String>, params: Argon2Params, now: DateTime<Utc>) -> Result<String, Error> {
        self.change_keys(|file| {
            let found = file.found_by(&Unlock::Password(present.clone()))?;
            file.change_password(found.id, password, params, now)?;
            Ok(found.label)
        })
    }

    /// Lets a password open the storage no more.
    ///
    /// # Errors
    /// When the storage is not sealed, there is no such password, nothing would be left that people have, or the keys cannot be written.
    pub fn remove_password(&mut self, id: u32) -> Result<(), Error> {
        self.change_keys(|file| match file.wraps().iter().find(|wrap| wrap.id == id) {
            Some(wrap) if wrap.kind == WrapKind::Password => file.remove(id).map(drop),
            Some(_) | None => Err(SealError::NoSuchWrap { id }),
        })
    }

    /// Lets a machine key open the storage, unless it does already. An earlier one of the same label ends.
    ///
    /// # Errors
    /// When the storage is not sealed, or the keys cannot be written.
    pub fn keep_machine_key(&mut self, label: &str, machine: &Zeroizing<[u8; 32]>, now: DateTime<Utc>) -> Result<(), Error> {
        let file = self.key_file.as_ref().ok_or(SealError::NoneOfKind { kind: WrapKind::Machine })?;
        if file.found_by(&Unlock::Machine(machine.clone())).is_ok() {
            return Ok(());
        }
        self.change_keys(|file| {
            if let Some(earlier) = file.wraps().iter().find(|wrap| wrap.kind == WrapKind::Machine && wrap.label == label) {
                file.remove(earlier.id)?;
            }
            file.add_machine(label, machine, now).map(drop)
        })
    }

    /// Makes a new recovery key; the one before opens nothing any more.
    ///
    /// # Errors
    /// When the storage is not sealed, or the keys cannot be written.
    pub fn renew_recovery_key(&mut self, now: DateTime<Utc>) -> Result<RecoveryKey, Error> {
        self.change_keys(|file| file.renew_recovery(now))
    }

    /// Makes a new generation of keys that all later commits use. What `credential` and `machine` are goes on opening the
    /// storage; all other passwords and keys end.
    ///
    /// # Errors
    /// When the storage is not sealed, `credential` does not open it, or the keys cannot be written; then nothing has changed.
    pub fn rotate_keys(&mut self, credential: &Unlock, machine: Option<&Zeroizing<[u8; 32]>>, now: DateTime<Utc>) -> Result<Rotated, Error> {
        self.ready()?;
        let store = KeysIn(self.store.as_ref());
        let file = self.key_file.as_mut().ok_or(SealError::NoneOfKind { kind: WrapKind::Recovery })?;
        Ok(file.rotate(&store, credential, machine, now)?)
    }

    fn change_keys<T>(&mut self, change: impl FnOnce(&mut KeyFile) -> Result<T, SealError>) -> Result<T, Error> {
        let store = KeysIn(self.store.as_ref());
        let file = self.key_file.as_mut().ok_or(SealError::NoneOfKind { kind: WrapKind::Password })?;
        Ok(file.change(&store, change)?)
    }
}
