//! What opens a sealed storage: unlocked on this host, passwords, recovery key, rotation.

use super::create::{is_wrong_key, locked, unlock_by};
use super::{Storages, Work, between_error, blocking, end, writer_error};
use crate::definition::Storage;
use crate::engine::StorageWriter;
use crate::failure;
use crate::name::Name;
use c2b_api::storage::{
    Credential, PasswordAdd, PasswordChange, PasswordInfo, PasswordRemove, RecoveryKey, ResealInfo, StorageInfo, StorageRotate, StorageRotateReport,
};
use c2b_api::{ApiError, ErrorCode, Secret};
use c2b_storagefmt::{Argon2Params, Error, ProbeKind, SealError, Unlock, WrapInfo, WrapKind, Writer, probe};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;
use tracing::info;
use zeroize::Zeroizing;

impl Storages {
    /// Opens a sealed storage with what a person gave, and lets this machine's key open it from then on.
    ///
    /// # Errors
    /// When there is no such storage, it is in use, or what is given does not open it.
    pub async fn unlock(&self, name: &Name, credential: Credential, user: &str) -> Result<StorageInfo, ApiError> {
        let storage = self.get(name)?;
        let place = self.place(name);
        let mut work = place.lock().await;
        match std::mem::replace(&mut *work, Work::Closed) {
            Work::Rebuilding => {
                *work = Work::Rebuilding;
                return Err(super::rebuilding(name));
            }
            Work::Open { writer, .. } => end(name, writer).await,
            Work::Closed => {}
        }
        let (path, clock, machine) = (storage.path.clone(), self.clock.clone(), self.machine.clone());
        let writer = blocking(move || {
            let key = machine.get()?;
            let (label, now) = (machine_label(), clock.now());
            let keep = move |writer: &mut Writer| keep_machine_key(writer, &label, &key, now);
            StorageWriter::open_and(&path, &unlock_by(credential), clock, keep).map_err(|error| failure::storage(&error))
        })
        .await?;
        *work = Work::Open { path: storage.path.clone(), writer };
        drop(work);
        info!(storage = %name, %user, "storage unlocked");
        Ok(self.info(&storage).await)
    }

    /// Returns the passwords of a sealed storage.
    ///
    /// # Errors
    /// When there is no such storage, or it is not sealed.
    pub async fn passwords(&self, name: &Name) -> Result<Vec<PasswordInfo>, ApiError> {
        let writer = self.sealed_writer(name).await?;
        let wraps = writer.ask(|writer| Ok(writer.wraps())).await.map_err(|error| writer_error(&error))?;
        Ok(password_infos(wraps))
    }

    /// Lets one more password open a storage.
    ///
    /// # Errors
    /// When there is no such storage, it is not sealed, or the label is taken.
    pub async fn add_password(&self, name: &Name, wish: PasswordAdd, user: &str) -> Result<Vec<PasswordInfo>, ApiError> {
        let now = self.clock.now();
        let label = wish.label.clone();
        let (passwords, ()) = self
            .change_keys(name, move |writer| writer.keys()?.add_password(&wish.label, &wish.password.into(), Argon2Params::default(), now).map(drop))
            .await?;
        info!(storage = %name, %user, label, "password added");
        Ok(passwords)
    }

    /// Puts a new password in the place of one.
    ///
    /// # Errors
    /// When there is no such storage, it is not sealed, or the present password is wrong.
    pub async fn change_password(&self, name: &Name, wish: PasswordChange, user: &str) -> Result<Vec<PasswordInfo>, ApiError> {
        let now = self.clock.now();
        let change = move |writer: &mut Writer| {
            let mut keys = writer.keys()?;
            let found = keys.found_by(&Unlock::Password(wish.present.into()))?;
            keys.change_password(found.id, &wish.password.into(), Argon2Params::default(), now)?;
            Ok(found.label)
        };
        let (passwords, label) = self.change_keys(name, change).await?;
        info!(storage = %name, %user, label, "password changed");
        Ok(passwords)
    }

    /// Lets a password open a storage no more.
    ///
    /// # Errors
    /// When there is no such storage or password, or nothing would be left that people have.
    pub async fn remove_password(&self, name: &Name, wish: PasswordRemove, user: &str) -> Result<Vec<PasswordInfo>, ApiError> {
        let label = wish.label.clone();
        let remove = move |writer: &mut Writer| {
            let mut keys = writer.keys()?;
            let found = keys.list().into_iter().find(|wrap| is_password(wrap) && wrap.label == wish.label);
            found.map_or(Ok(false), |wrap| keys.remove(wrap.id).map(|_| true))
        };
        let (passwords, found) = self.change_keys(name, remove).await?;
        if !found {
            let hint = format!("see `c2bctl storage password list {name}`");
            return Err(ApiError::new(ErrorCode::NotFound, format!("storage {name} has no password {label}"), hint));
        }
        info!(storage = %name, %user, label, "password removed");
        Ok(passwords)
    }

    /// Makes a new recovery key; the one before opens nothing any more.
    ///
    /// # Errors
    /// When there is no such storage, or it is not sealed.
    pub async fn renew_recovery_key(&self, name: &Name, user: &str) -> Result<RecoveryKey, ApiError> {
        let now = self.clock.now();
        let (_, key) = self.change_keys(name, move |writer| writer.keys()?.renew_recovery(now)).await?;
        info!(storage = %name, %user, "recovery key renewed");
        Ok(RecoveryKey { recovery_key: Secret::new(key.to_string()) })
    }

    /// Gives a storage new keys.
    ///
    /// # Errors
    /// When there is no such storage, it is not sealed, or the password that is given does not open it.
    pub async fn rotate_keys(&self, name: &Name, wish: StorageRotate, user: &str) -> Result<StorageRotateReport, ApiError> {
        let (now, machine) = (self.clock.now(), self.machine.clone());
        let key = blocking(move || machine.get()).await?;
        let rotate = move |writer: &mut Writer| {
            let credential = wish.password.map_or_else(|| Unlock::Machine(key.clone()), |password| Unlock::Password(password.into()));
            let rotated = writer.keys()?.rotate(&credential, Some(&key), now)?;
            Ok((rotated, writer.stats()?.stored_bytes))
        };
        let (passwords, (rotated, total_bytes)) = self.change_keys(name, rotate).await?;
        info!(storage = %name, %user, generation = rotated.generation, "keys rotated");
        self.seal_again(name);
        Ok(StorageRotateReport {
            generation: rotated.generation.into(),
            recovery_key: Secret::new(rotated.recovery.to_string()),
            passwords_kept: passwords.into_iter().map(|password| password.label).collect(),
            passwords_gone: rotated.dropped.iter().filter(|wrap| is_password(wrap)).map(|wrap| wrap.label.clone()).collect(),
            resealing: ResealInfo { done_bytes: 0, total_bytes },
        })
    }

    /// Returns what the daemon opens a storage with: this machine's key, or nothing when it is not sealed.
    pub(super) async fn unlock_of(&self, storage: &Storage) -> Result<Unlock, ApiError> {
        let (path, machine) = (storage.path.clone(), self.machine.clone());
        blocking(move || unlock_at(&path, &machine)).await
    }

    async fn change_keys<T: Send + 'static>(
        &self,
        name: &Name,
        change: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Vec<PasswordInfo>, T), ApiError> {
        let writer = self.sealed_writer(name).await?;
        let done = writer.between(move |writer| Ok((change(writer)?, writer.keys()?.list()))).await;
        let (value, wraps) = done.map_err(|error| between_error(&error))?;
        Ok((password_infos(wraps), value))
    }

    async fn sealed_writer(&self, name: &Name) -> Result<StorageWriter, ApiError> {
        let writer = self.writer(name).await?;
        if !writer.catalog().info().sealed {
            let hint = "a storage is sealed when it is made: `c2bctl storage create NAME PATH --seal`";
            return Err(failure::state(format!("storage {name} is not sealed: it has no passwords and no keys"), hint));
        }
        Ok(writer)
    }
}

/// Returns what opens the storage at a path without anybody.
pub(super) fn unlock_at(path: &Path, machine: &Arc<crate::machine::MachineKey>) -> Result<Unlock, ApiError> {
    match probe(path).map_err(|error| failure::storage(&error))?.kind {
        ProbeKind::Storage(info) if info.sealed => machine.get().map(Unlock::Machine),
        // What is no storage is refused, with its reason, when it is opened.
        _ => Ok(Unlock::Open),
    }
}

/// Answers why a storage could not be opened by the daemon alone.
pub(super) fn not_opened(name: &Name, error: &Error) -> ApiError {
    match error {
        _ if is_wrong_key(error) => locked(name),
        Error::Seal { err: SealError::UnknownGeneration { .. } } => {
            let message = format!("the index of storage {name} is older than its keys, as after restoring it from somewhere");
            ApiError::new(ErrorCode::Storage, message, format!("nothing is lost: `c2bctl storage rebuild {name}` makes it anew from the packs"))
        }
        _ => failure::storage(error),
    }
}

/// Lets a machine's key open a storage, unless it does already. An earlier one of the same label ends.
pub(super) fn keep_machine_key(writer: &mut Writer, label: &str, machine: &Zeroizing<[u8; 32]>, now: DateTime<Utc>) -> Result<(), Error> {
    let mut keys = writer.keys()?;
    if keys.found_by(&Unlock::Machine(machine.clone())).is_ok() {
        return Ok(());
    }
    if let Some(earlier) = keys.list().into_iter().find(|wrap| wrap.kind == WrapKind::Machine && wrap.label == label) {
        keys.remove(earlier.id)?;
    }
    keys.add_machine(label, machine, now).map(drop)
}

/// Returns what this machine's key is called in a storage.
pub(super) fn machine_label() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("c2bd on {}", host.trim())
}

fn password_infos(wraps: Vec<WrapInfo>) -> Vec<PasswordInfo> {
    wraps.into_iter().filter(is_password).map(|wrap| PasswordInfo { label: wrap.label, created: wrap.created }).collect()
}

fn is_password(wrap: &WrapInfo) -> bool {
    wrap.kind == WrapKind::Password
}
