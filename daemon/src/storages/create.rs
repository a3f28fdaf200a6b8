//! A storage is made, or one that exists is attached.

use super::keys::{keep_machine_key, machine_label, not_opened};
use super::{Storages, Work, blocking};
use crate::clock::Clock;
use crate::definition::file::StorageFile;
use crate::definition::{Defined, Storage};
use crate::engine::StorageWriter;
use crate::failure;
use crate::machine::MachineKey;
use crate::name::Name;
use c2b_api::storage::{Credential, StorageCreated};
use c2b_api::{ApiError, ErrorCode, Secret};
use c2b_storagefmt::{Argon2Params, ProbeKind, RecoveryKey, Sealing, Unlock, Writer, probe};
use std::path::Path;
use std::sync::Arc;
use tracing::info;

/// Space below which no storage is made, in bytes: the index and the first commits need some of it.
const CREATE_FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// How a storage is to be made or attached.
#[derive(Debug)]
pub struct CreateWish {
    /// Sealed, when it is made.
    pub seal: bool,
    /// Only when it exists already.
    pub existing: bool,
    /// The first password, or what opens it.
    pub credential: Option<Credential>,
}

impl Storages {
    /// Makes a storage, or attaches one that is at the path already.
    ///
    /// # Errors
    /// When the name or the path is taken, the path cannot be a storage, or what is given does not open it; then nothing is touched.
    pub async fn create(&self, name: &Name, file: StorageFile, wish: CreateWish, user: &str) -> Result<StorageCreated, ApiError> {
        let _changing = self.definitions.change().await;
        if self.definitions.is_taken::<Storage>(name) {
            return Err(ApiError::new(ErrorCode::Exists, format!("there is a storage {name} already"), "choose another name, or delete that one first"));
        }
        let storage = Storage::check(name, file, user).map_err(failure::wrong)?;
        if let Some(other) = self.same_place(&storage.path) {
            let message = format!("{} is storage {other} already", storage.path.display());
            return Err(ApiError::new(ErrorCode::Exists, message, "several jobs may use one storage"));
        }
        let (path, clock, machine, shown) = (storage.path.clone(), self.clock.clone(), self.machine.clone(), name.clone());
        let (writer, recovery) = blocking(move || make_or_attach(&path, &shown, wish, &machine, clock)).await?;
        let place = self.place(name);
        *place.lock().await = Work::Open { path: storage.path.clone(), writer };
        match self.definitions.put(name, storage) {
            Ok(storage) => {
                let info = self.info(&storage).await;
                info!(storage = %name, %user, path = %storage.path.display(), sealed = info.sealed, versions = info.versions, "storage created");
                Ok(StorageCreated { info, recovery_key: recovery.map(|key| Secret::new(key.to_string())) })
            }
            Err(error) => {
                self.close(name).await;
                Err(failure::file(&error))
            }
        }
    }
}

/// Returns what a person gave, as the archive takes it.
pub(super) fn unlock_by(credential: Credential) -> Unlock {
    match credential {
        Credential::Password(password) => Unlock::Password(password.into()),
        Credential::RecoveryKey(key) => Unlock::Recovery(key.into()),
    }
}

/// Returns that a storage cannot be opened without anybody.
pub(super) fn locked(storage: &Name) -> ApiError {
    let hint = format!("give a password or the recovery key: `c2bctl storage unlock {storage}`");
    ApiError::new(ErrorCode::Locked, format!("storage {storage} is sealed, and this machine's key does not open it"), hint)
}

fn make_or_attach(
    path: &Path,
    name: &Name,
    wish: CreateWish,
    machine: &Arc<MachineKey>,
    clock: Clock,
) -> Result<(StorageWriter, Option<RecoveryKey>), ApiError> {
    let found = probe(path).map_err(|error| failure::storage(&error))?;
    let made = match found.kind {
        ProbeKind::Storage(info) => return attach(path, name, info.sealed, wish, machine, clock).map(|writer| (writer, None)),
        ProbeKind::Foreign(other) => Err(c2b_storagefmt::Error::NotEmpty { path: path.to_owned(), found: other.display().to_string() }),
        ProbeKind::Missing | ProbeKind::Empty if wish.existing => Err(c2b_storagefmt::Error::NotAStorage { path: path.to_owned() }),
        ProbeKind::Missing | ProbeKind::Empty if found.free_bytes < CREATE_FREE_BYTES_MIN => {
            let message = format!("{} has {} MiB free, too few for a storage", path.display(), found.free_bytes / (1024 * 1024));
            return Err(ApiError::new(ErrorCode::LowSpace, message, "free some space, or choose a folder on another file system"));
        }
        ProbeKind::Missing | ProbeKind::Empty => {
            let (sealing, now) = (sealing(wish)?, clock.now());
            let key = if matches!(sealing, Sealing::None) { None } else { Some(machine.get()?) };
            let keep = move |writer: &mut Writer| key.map_or(Ok(()), |key| keep_machine_key(writer, &machine_label(), &key, now));
            StorageWriter::create_and(path, sealing, clock, keep)
        }
    };
    made.map_err(|error| failure::storage(&error))
}

fn sealing(wish: CreateWish) -> Result<Sealing, ApiError> {
    match (wish.seal, wish.credential) {
        (false, None) => Ok(Sealing::None),
        (false, Some(_)) => Err(failure::invalid("a password is given, but the storage is not to be sealed", "say --seal, or leave the password out")),
        (true, Some(Credential::Password(password))) => Ok(Sealing::Sealed { password: Some(password.into()), machine: None, params: Argon2Params::default() }),
        (true, _) => Err(failure::invalid("a sealed storage needs a password", "give one with --password-file, or type it")),
    }
}

fn attach(path: &Path, name: &Name, sealed: bool, wish: CreateWish, machine: &MachineKey, clock: Clock) -> Result<StorageWriter, ApiError> {
    if wish.seal && !sealed {
        let message = format!("{} is a storage already, and it is not sealed", path.display());
        return Err(failure::state(message, "leave --seal out to attach it; a storage is sealed when it is made"));
    }
    if !sealed {
        return StorageWriter::open(path, &Unlock::Open, clock).map_err(|error| failure::storage(&error));
    }
    let key = machine.get()?;
    let Some(credential) = wish.credential else {
        return StorageWriter::open(path, &Unlock::Machine(key), clock).map_err(|error| not_opened(name, &error));
    };
    let now = clock.now();
    let keep = move |writer: &mut Writer| keep_machine_key(writer, &machine_label(), &key, now);
    StorageWriter::open_and(path, &unlock_by(credential), clock, keep).map_err(|error| failure::storage(&error))
}

/// Returns whether what was given opens nothing; then another password or key may.
pub(super) fn is_wrong_key(error: &c2b_storagefmt::Error) -> bool {
    use c2b_storagefmt::SealError as S;
    matches!(error, c2b_storagefmt::Error::Seal { err: S::WrongKey { .. } | S::NoneOfKind { .. } | S::Locked })
}
