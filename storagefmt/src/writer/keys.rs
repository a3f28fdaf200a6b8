//! Passwords and keys of a sealed storage, changed by its writer.
//!
//! Each change is in both copies of the key file when its call returns; one that fails is undone.

use super::Writer;
use crate::Error;
use crate::format::row::{Key, StateRow, Table};
use crate::index::staged::Staged;
use crate::seal::{Argon2Params, KeyFile, RecoveryKey, Rotated, SealError, Unlock, WrapInfo};
use crate::unlock::KeysIn;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The passwords and keys that open a sealed storage.
pub struct StorageKeys<'a> {
    writer: &'a mut Writer,
}

impl Writer {
    /// Returns the passwords and keys of the storage. There must be no open batch.
    ///
    /// # Errors
    /// When the storage is not sealed, or there is an open batch.
    pub fn keys(&mut self) -> Result<StorageKeys<'_>, Error> {
        self.between_batches()?;
        if self.key_file.is_none() {
            return Err(Error::NotSealed { path: self.shared.dir().to_owned() });
        }
        Ok(StorageKeys { writer: self })
    }

    /// Returns what opens the storage, whatever the open batch; nothing when it is not sealed.
    pub fn wraps(&self) -> Vec<WrapInfo> {
        self.key_file.as_ref().map_or_else(Vec::new, KeyFile::wraps)
    }
}

impl StorageKeys<'_> {
    /// Returns what opens the storage.
    pub fn list(&self) -> Vec<WrapInfo> {
        self.writer.wraps()
    }

    /// Returns which of them a password or key is.
    ///
    /// # Errors
    /// When it opens nothing.
    pub fn found_by(&self, unlock: &Unlock) -> Result<WrapInfo, Error> {
        Ok(self.writer.key_file.as_ref().ok_or(SealError::Locked)?.found_by(unlock)?)
    }

    /// Returns the generations of keys with the times when they were made, oldest first. There are older ones
    /// as long as not everything is sealed with the last: see [`Writer::reseal_begin`].
    pub fn generations(&self) -> Vec<(u16, DateTime<Utc>)> {
        self.writer.keys.generations()
    }

    /// Adds a password; returns its number.
    ///
    /// # Errors
    /// When the password is empty, the label taken, or the key file cannot be written.
    pub fn add_password(&mut self, label: &str, password: &Zeroizing<String>, params: Argon2Params, now: DateTime<Utc>) -> Result<u32, Error> {
        self.change(|file| file.add_password(label, password, params, now))
    }

    /// Gives a password another text.
    ///
    /// # Errors
    /// When there is no such password, the new one is empty, or the key file cannot be written.
    pub fn change_password(&mut self, id: u32, password: &Zeroizing<String>, params: Argon2Params, now: DateTime<Utc>) -> Result<(), Error> {
        self.change(|file| file.change_password(id, password, params, now))
    }

    /// Adds a machine key; returns its number.
    ///
    /// # Errors
    /// When the label is taken or the key file cannot be written.
    pub fn add_machine(&mut self, label: &str, machine: &Zeroizing<[u8; 32]>, now: DateTime<Utc>) -> Result<u32, Error> {
        self.change(|file| file.add_machine(label, machine, now))
    }

    /// Makes a new recovery key; the old one opens nothing any more.
    ///
    /// # Errors
    /// When the key file cannot be written.
    pub fn renew_recovery(&mut self, now: DateTime<Utc>) -> Result<RecoveryKey, Error> {
        self.change(|file| file.renew_recovery(now))
    }

    /// Removes a password or key; returns what it was.
    ///
    /// # Errors
    /// When there is no such, nothing would be left that people can open the storage with, or the key file cannot be written.
    pub fn remove(&mut self, id: u32) -> Result<WrapInfo, Error> {
        self.change(|file| file.remove(id))
    }

    /// Makes a new generation of keys, which seals everything from now on: what was written before, [`Writer::reseal_begin`]
    /// seals anew. Of what opens the storage only the credential given stays, and the machine key if that is given; there is
    /// a new recovery key.
    ///
    /// # Errors
    /// When the credential opens nothing, or the key file cannot be written: nothing has changed then.
    pub fn rotate(&mut self, credential: &Unlock, machine: Option<&Zeroizing<[u8; 32]>>, now: DateTime<Utc>) -> Result<Rotated, Error> {
        let Writer { key_file, store, shared, .. } = &mut *self.writer;
        let rotated = key_file.as_mut().ok_or(SealError::Locked)?.rotate(&KeysIn(store.as_ref()), credential, machine, now)?;
        // Readers look at the key file again when this number grows.
        let mut rows = Staged::new(shared.index());
        let state = rows.state()?;
        rows.put(Table::State, Key::default(), &StateRow { rewrites: state.rewrites + 1, ..state });
        rows.write()?;
        Ok(rotated)
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut KeyFile) -> Result<T, SealError>) -> Result<T, Error> {
        let store = Arc::clone(&self.writer.store);
        let file = self.writer.key_file.as_mut().ok_or(SealError::Locked)?;
        Ok(file.change(&KeysIn(store.as_ref()), change)?)
    }
}
