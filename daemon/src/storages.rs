//! Storages at work: one writer for each, opened when first needed and shared by all jobs.

mod care;

use crate::clock::Clock;
use crate::definition::file::StorageFile;
use crate::definition::{Defined, Definitions, Storage};
use crate::engine::{StorageWriter, WriterError};
use crate::failure::{self, chain};
use crate::name::Name;
use c2b_api::storage::StorageInfo;
use c2b_api::{ApiError, ErrorCode};
use c2b_storagefmt::{Catalog, ProbeKind, StorageStats, probe};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::{info, warn};

/// Space below which no storage is made, in bytes: the index and the first commits need some of it.
const CREATE_FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// The storages of this daemon.
pub struct Storages {
    definitions: Arc<Definitions>,
    scratch_dir: PathBuf,
    clock: Clock,
    places: Mutex<HashMap<Name, Arc<Place>>>,
}

/// What is at work at a storage. Who holds the lock decides what happens there.
type Place = tokio::sync::Mutex<Work>;

enum Work {
    Closed,
    Open { path: PathBuf, writer: StorageWriter },
    Rebuilding,
}

impl Storages {
    /// Serves the storages that the definitions name; opens none yet.
    pub fn new(definitions: Arc<Definitions>, scratch_dir: PathBuf, clock: Clock) -> Self {
        Self { definitions, scratch_dir, clock, places: Mutex::default() }
    }

    /// Makes a storage, or attaches one that is at the path already.
    ///
    /// # Errors
    /// When the name or the path is taken, or the path cannot be a storage; then nothing is touched.
    pub async fn create(&self, name: &Name, file: StorageFile, user: &str) -> Result<StorageInfo, ApiError> {
        let _changing = self.definitions.change().await;
        if self.definitions.is_taken::<Storage>(name) {
            return Err(ApiError::new(ErrorCode::Exists, format!("there is a storage {name} already"), "choose another name, or delete that one first"));
        }
        let storage = Storage::check(name, file, user).map_err(failure::wrong)?;
        if let Some(other) = self.same_place(&storage.path) {
            let message = format!("{} is storage {other} already", storage.path.display());
            return Err(ApiError::new(ErrorCode::Exists, message, "several jobs may use one storage"));
        }
        let (path, clock) = (storage.path.clone(), self.clock.clone());
        let writer = blocking(move || create_or_open(&path, clock)).await?;
        let place = self.place(name);
        *place.lock().await = Work::Open { path: storage.path.clone(), writer };
        match self.definitions.put(name, storage) {
            Ok(storage) => {
                info!(storage = %name, %user, path = %storage.path.display(), "storage created");
                Ok(self.info(&storage).await)
            }
            Err(error) => {
                self.close(name).await;
                Err(failure::file(&error))
            }
        }
    }

    /// Forgets a storage; its files stay.
    ///
    /// # Errors
    /// When there is none, or a job uses it.
    pub async fn delete(&self, name: &Name, user: &str) -> Result<(), ApiError> {
        let _changing = self.definitions.change().await;
        let storage = self.get(name)?;
        let jobs = self.jobs(name);
        if !jobs.is_empty() {
            return Err(failure::state(format!("storage {name} is used by {}", jobs.join(", ")), "delete or edit these jobs first"));
        }
        if matches!(*self.place(name).lock().await, Work::Rebuilding) {
            return Err(rebuilding(name));
        }
        self.definitions.remove::<Storage>(name).map_err(|error| failure::file(&error))?;
        self.close(name).await;
        info!(storage = %name, %user, path = %storage.path.display(), "storage forgotten");
        Ok(())
    }

    /// Returns a storage's definition.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &Name) -> Result<Arc<Storage>, ApiError> {
        self.definitions.get::<Storage>(name).ok_or_else(|| failure::not_found("storage", name.as_str(), self.definitions.known().storages.keys()))
    }

    /// Returns all storages as shown.
    pub async fn list(&self) -> Vec<StorageInfo> {
        let storages: Vec<_> = self.definitions.known().storages.values().cloned().collect();
        let mut infos = Vec::with_capacity(storages.len());
        for storage in storages {
            infos.push(self.info(&storage).await);
        }
        infos
    }

    /// Returns a storage as shown, with its problem when it cannot be used.
    pub async fn info(&self, storage: &Storage) -> StorageInfo {
        let mut info = StorageInfo {
            name: storage.name.to_string(),
            path: storage.path.clone(),
            problem: None,
            uuid: None,
            format: 0,
            mailboxes: 0,
            items: 0,
            versions: 0,
            logical_bytes: 0,
            stored_bytes: 0,
            free_bytes: 0,
            last_commit: None,
            jobs: self.jobs(&storage.name),
        };
        if let Err(error) = self.fill(&storage.name, &mut info).await {
            info.problem = Some(if error.hint.is_empty() { error.message } else { format!("{} ({})", error.message, error.hint) });
        }
        info
    }

    /// Returns the storage's writer, opening the storage if need be, also again after its writer failed.
    ///
    /// # Errors
    /// When there is no such storage, or it cannot be opened now.
    pub async fn writer(&self, name: &Name) -> Result<StorageWriter, ApiError> {
        self.live(name).await.map(|(writer, _)| writer)
    }

    /// Asks the storage's catalogue, where that may block. It answers also when the writer failed.
    ///
    /// # Errors
    /// When the storage cannot be opened, or the catalogue does not answer.
    pub async fn ask<T: Send + 'static>(
        &self,
        name: &Name,
        question: impl FnOnce(&Catalog) -> Result<T, c2b_storagefmt::Error> + Send + 'static,
    ) -> Result<T, ApiError> {
        let storage = self.get(name)?;
        let place = self.place(name);
        let mut work = place.lock().await;
        let catalog = match &*work {
            Work::Open { path, writer } if *path == storage.path => writer.catalog(),
            _ => self.reopen(&storage, &mut work).await?.catalog(),
        };
        drop(work);
        blocking(move || question(&catalog).map_err(|error| failure::storage(&error))).await
    }

    /// Closes the storage: what is pending is committed.
    pub async fn close(&self, name: &Name) {
        let place = self.place(name);
        let mut work = place.lock().await;
        match std::mem::replace(&mut *work, Work::Closed) {
            Work::Open { writer, .. } => end(name, writer).await,
            other => *work = other,
        }
    }

    /// Closes storages whose definition is gone, so that others may have them.
    pub async fn follow_definitions(&self) {
        let names: Vec<Name> = self.lock_places().keys().cloned().collect();
        for name in names {
            if self.get(&name).is_err() {
                self.close(&name).await;
            }
        }
    }

    /// Closes all storages.
    pub async fn close_all(&self) {
        let names: Vec<Name> = self.lock_places().keys().cloned().collect();
        for name in names {
            self.close(&name).await;
        }
    }

    /// Returns the names of the jobs that write to a storage.
    fn jobs(&self, name: &Name) -> Vec<String> {
        self.definitions.known().jobs.values().filter(|job| job.storage == *name).map(|job| job.name.to_string()).collect()
    }

    async fn fill(&self, name: &Name, info: &mut StorageInfo) -> Result<(), ApiError> {
        let (writer, stats) = self.live(name).await?;
        let catalog = writer.catalog();
        let about = catalog.info();
        info.uuid = Some(about.uuid.to_string());
        info.format = about.version;
        info.mailboxes = stats.mailboxes;
        info.items = stats.items;
        info.versions = stats.versions;
        info.logical_bytes = stats.logical_bytes;
        info.stored_bytes = stats.stored_bytes;
        info.free_bytes = stats.free_bytes;
        info.last_commit = blocking(move || last_commit(&catalog).map_err(|error| failure::storage(&error))).await?;
        Ok(())
    }

    /// Returns a writer that lives, and the storage's numbers, which are how one sees that it does.
    async fn live(&self, name: &Name) -> Result<(StorageWriter, StorageStats), ApiError> {
        let storage = self.get(name)?;
        let place = self.place(name);
        let mut work = place.lock().await;
        if let Work::Open { path, writer } = &*work
            && *path == storage.path
            && let Ok(stats) = writer.stats().await
        {
            return Ok((writer.clone(), stats));
        }
        let writer = self.reopen(&storage, &mut work).await?;
        let stats = writer.stats().await.map_err(|error| writer_error(&error))?;
        Ok((writer, stats))
    }

    /// Opens the storage, after closing what is open there.
    async fn reopen(&self, storage: &Storage, work: &mut Work) -> Result<StorageWriter, ApiError> {
        match std::mem::replace(work, Work::Closed) {
            Work::Rebuilding => {
                *work = Work::Rebuilding;
                return Err(rebuilding(&storage.name));
            }
            Work::Open { writer, .. } => end(&storage.name, writer).await,
            Work::Closed => {}
        }
        let (path, clock) = (storage.path.clone(), self.clock.clone());
        let writer = blocking(move || StorageWriter::open(&path, clock).map_err(|error| failure::storage(&error))).await?;
        info!(storage = %storage.name, "storage opened");
        *work = Work::Open { path: storage.path.clone(), writer: writer.clone() };
        Ok(writer)
    }

    /// Returns the storage that has this folder already, whatever its spelling there.
    fn same_place(&self, path: &Path) -> Option<Name> {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let known = self.definitions.known();
        known.storages.values().find(|other| real(&other.path) == real(path)).map(|other| other.name.clone())
    }

    fn place(&self, name: &Name) -> Arc<Place> {
        self.lock_places().entry(name.clone()).or_insert_with(|| Arc::new(Place::new(Work::Closed))).clone()
    }

    fn lock_places(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn create_or_open(path: &Path, clock: Clock) -> Result<StorageWriter, ApiError> {
    let found = probe(path).map_err(|error| failure::storage(&error))?;
    let opened = match found.kind {
        ProbeKind::Storage(_) => StorageWriter::open(path, clock),
        ProbeKind::Foreign(other) => Err(c2b_storagefmt::Error::NotEmpty { path: path.to_owned(), found: other.display().to_string() }),
        ProbeKind::Missing | ProbeKind::Empty if found.free_bytes < CREATE_FREE_BYTES_MIN => {
            let message = format!("{} has {} MiB free, too few for a storage", path.display(), found.free_bytes / (1024 * 1024));
            return Err(ApiError::new(ErrorCode::LowSpace, message, "free some space, or choose a folder on another file system"));
        }
        ProbeKind::Missing | ProbeKind::Empty => StorageWriter::create(path, clock),
    };
    opened.map_err(|error| failure::storage(&error))
}

fn last_commit(catalog: &Catalog) -> Result<Option<DateTime<Utc>>, c2b_storagefmt::Error> {
    catalog.commit_time(catalog.head()?)
}

fn rebuilding(name: &Name) -> ApiError {
    failure::state(format!("the index of storage {name} is being rebuilt"), "try again when that is done")
}

fn writer_error(error: &WriterError) -> ApiError {
    match error {
        WriterError::Write(cause) => failure::storage(cause),
        WriterError::Closed => failure::state(chain(error), "try again"),
    }
}

async fn end(name: &Name, writer: StorageWriter) {
    if let Err(error) = writer.close().await {
        warn!(storage = %name, error = chain(&error), "storage closed with an error");
    }
}

/// Does what blocks on a thread where that is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ApiError::new(ErrorCode::Internal, format!("a task failed: {error}"), "")))
}
