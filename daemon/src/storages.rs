//! Storages at work: one writer for each, opened when first needed and shared by all jobs.

mod care;
mod chore;
mod copy;
mod create;
mod edit;
mod erase;
mod freeze;
mod keys;
mod long;
mod retention;
mod schedule;

pub(crate) use create::CreateWish;

use crate::atomic::FileError;
use crate::clock::Clock;
use crate::definition::{Definitions, Storage};
use crate::engine::{BELOW_RESERVE_HINT, BetweenError, StorageWriter, WriterError};
use crate::failure::{self, chain};
use crate::machine::MachineKey;
use crate::name::Name;
use crate::space::Space;
use c2b_api::storage::{KeyInfo, KeyKind, ResealInfo, StorageInfo};
use c2b_api::{ApiError, ErrorCode};
use c2b_storagefmt::{Catalog, CommitSeq, StorageStats, WrapInfo, WrapKind, Writer, pins};
use chore::Chores;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tracing::{info, warn};

/// The storages of this daemon.
pub struct Storages {
    definitions: Arc<Definitions>,
    scratch_dir: PathBuf,
    state_dir: PathBuf,
    machine: Arc<MachineKey>,
    clock: Clock,
    places: Mutex<HashMap<Name, Arc<Place>>>,
    chores: Arc<Chores>,
    /// What is left once equal parts are kept once, as it was when this commit was the last and there were so many bytes.
    unique: Mutex<HashMap<Name, (CommitSeq, u64, u64)>>,
    /// Wakes the schedule before its time.
    wake: Notify,
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
    pub fn new(definitions: Arc<Definitions>, scratch_dir: PathBuf, state_dir: PathBuf, machine: Arc<MachineKey>, clock: Clock) -> Self {
        Self {
            definitions,
            scratch_dir,
            state_dir,
            machine,
            clock,
            places: Mutex::default(),
            chores: Arc::default(),
            unique: Mutex::default(),
            wake: Notify::new(),
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
        self.forget_schedule(name).map_err(|error| failure::file(&error))?;
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
            retention: storage.retention.clone(),
            jobs: self.jobs(&storage.name),
            ..StorageInfo::default()
        };
        if let Ok(space) = Space::of(&storage.path) {
            info.free_bytes = space.free;
            info.reserve_bytes = space.reserve(storage.reserve);
            info.low_space = space.is_low(storage.reserve);
        }
        info.busy = self.busy(&storage.name);
        match self.fill(&storage.name, &mut info).await {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => {
                info.problem = Some(if error.hint.is_empty() { error.message } else { format!("{} ({})", error.message, error.hint) });
            }
        }
        info
    }

    /// Returns a storage as shown, also with what takes a look at all of its index.
    pub async fn whole_info(&self, storage: &Storage) -> StorageInfo {
        let mut info = self.info(storage).await;
        if info.problem.is_none()
            && let Err(error) = self.fill_whole(&storage.name, &mut info).await
        {
            info.problem = Some(error.message);
        }
        info
    }

    /// Returns the storage's writer for a cycle, opening the storage if need be.
    ///
    /// # Errors
    /// When there is no such storage, it cannot be opened now, or there is less free space than its reserve.
    pub async fn writer_of_cycle(&self, name: &Name) -> Result<StorageWriter, ApiError> {
        let storage = self.get(name)?;
        let writer = self.writer(name).await?;
        writer.set_reserve(storage.reserve);
        writer.keep_ballast().await;
        if writer.is_low() {
            let message = format!("storage {name} has less free space than its reserve");
            return Err(ApiError::new(ErrorCode::LowSpace, message, BELOW_RESERVE_HINT));
        }
        Ok(writer)
    }

    /// Returns the storage's writer, opening the storage if need be, also again after its writer failed.
    ///
    /// # Errors
    /// When there is no such storage, or it cannot be opened now.
    pub async fn writer(&self, name: &Name) -> Result<StorageWriter, ApiError> {
        let storage = self.get(name)?;
        let place = self.place(name);
        let mut work = place.lock().await;
        match &*work {
            Work::Open { path, writer } if *path == storage.path && !writer.is_over() => Ok(writer.clone()),
            _ => self.reopen(&storage, &mut work).await,
        }
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
        let (catalog, _) = self.catalog(name).await?;
        blocking(move || question(&catalog).map_err(|error| failure::storage(&error))).await
    }

    /// Does work between two batches of the storage's writer, and commits it.
    ///
    /// # Errors
    /// When the storage cannot be opened, or the work or its commit fails; then nothing of it is there.
    pub(crate) async fn between<T: Send + 'static>(
        &self,
        name: &Name,
        work: impl FnOnce(&mut Writer) -> Result<T, c2b_storagefmt::Error> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.writer(name).await?.between(work).await.map_err(|error| between_error(&error))
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

    /// Fills in what the catalogue knows; returns why the storage can only be read, if so.
    async fn fill(&self, name: &Name, info: &mut StorageInfo) -> Result<Option<ApiError>, ApiError> {
        let (catalog, problem) = self.catalog(name).await?;
        let counted = catalog.clone();
        let stats = blocking(move || counted.stats().map_err(|error| failure::storage(&error))).await?;
        let about = catalog.info();
        info.uuid = Some(about.uuid.to_string());
        info.format = about.version;
        info.sealed = Some(about.sealed);
        info.mailboxes = stats.mailboxes;
        info.items = stats.items;
        info.versions = stats.versions;
        info.logical_bytes = stats.logical_bytes;
        (info.stored_bytes, info.index_bytes) = (stats.stored_bytes, stats.index_bytes);
        info.lost_contents = stats.lost_contents;
        info.erased_mailboxes = stats.erased_mailboxes;
        let schedule = self.schedule(name);
        info.marked = retention::marked(&info.retention, stats.marked_versions, stats.marked_bytes, schedule.marked);
        (info.pending, info.freed, info.reseal_stuck, info.frozen) = (schedule.pending, schedule.freed, schedule.stuck, schedule.frozen);
        info.pinned_bytes = pins(&info.path).unwrap_or_default().iter().map(|pin| pin.bytes).sum();
        let asked = move || Ok((last_commit(&catalog)?, catalog.oldest_verification()?, catalog.reseal_pending()?));
        let resealing;
        (info.last_commit, info.oldest_verification, resealing) = blocking(move || asked().map_err(|error| failure::storage(&error))).await?;
        if !resealing.generations.is_empty() {
            let done_bytes = stats.stored_bytes.saturating_sub(resealing.bytes);
            info.resealing = Some(ResealInfo { done_bytes, total_bytes: stats.stored_bytes });
        }
        Ok(problem)
    }

    async fn fill_whole(&self, name: &Name, info: &mut StorageInfo) -> Result<(), ApiError> {
        let writer = self.writer(name).await?;
        let asked = writer.ask(|writer| Ok((writer.wraps(), writer.pending_erasures()?.len() as u64))).await;
        let wraps;
        (wraps, info.erasing_mailboxes) = asked.map_err(|error| writer_error(&error))?;
        info.keys = wraps.into_iter().map(key_info).collect();
        let (catalog, stored) = (writer.catalog(), info.stored_bytes);
        let known = self.lock_unique().get(name).copied();
        let counted = blocking(move || {
            let count = || {
                let head = catalog.head()?;
                match known {
                    Some(known) if (known.0, known.1) == (head, stored) => Ok(known),
                    _ => Ok((head, stored, catalog.unique_bytes()?)),
                }
            };
            count().map_err(|error| failure::storage(&error))
        });
        let counted = counted.await?;
        self.lock_unique().insert(name.clone(), counted);
        info.unique_bytes = counted.2;
        Ok(())
    }

    /// Returns a writer that lives, and the storage's numbers.
    async fn live(&self, name: &Name) -> Result<(StorageWriter, StorageStats), ApiError> {
        let writer = self.writer(name).await?;
        let catalog = writer.catalog();
        let stats = blocking(move || catalog.stats().map_err(|error| failure::storage(&error))).await?;
        Ok((writer, stats))
    }

    /// Returns the storage's catalogue, also that of a writer that failed. Where the disk is too full to open the storage for
    /// writing, it is read as it is, and the error comes with it.
    async fn catalog(&self, name: &Name) -> Result<(Catalog, Option<ApiError>), ApiError> {
        let storage = self.get(name)?;
        let place = self.place(name);
        let mut work = place.lock().await;
        let opened = match &*work {
            Work::Open { path, writer } if *path == storage.path => return Ok((writer.catalog(), None)),
            _ => self.reopen(&storage, &mut work).await,
        };
        match opened {
            Err(error) if error.code == ErrorCode::LowSpace => {
                // What is kept there is a log that nobody reads; it may go as soon as it is open.
                let scratch = self.scratch("reader-")?;
                let unlock = self.unlock_of(&storage).await?;
                let opened = blocking(move || Catalog::open_reader(&storage.path, scratch.path(), &unlock).map_err(|error| failure::storage(&error)));
                match opened.await {
                    Ok((catalog, _)) => Ok((catalog, Some(error))),
                    Err(_) => Err(error),
                }
            }
            opened => Ok((opened?.catalog(), None)),
        }
    }

    /// Makes a folder for what RocksDB writes beside a storage.
    fn scratch(&self, prefix: &str) -> Result<tempfile::TempDir, ApiError> {
        let made = tempfile::Builder::new().prefix(prefix).tempdir_in(&self.scratch_dir);
        made.map_err(|err| failure::file(&FileError::of("make a folder in", &self.scratch_dir)(err)))
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
        let (path, clock, machine, name) = (storage.path.clone(), self.clock.clone(), self.machine.clone(), storage.name.clone());
        let writer = blocking(move || {
            let unlock = keys::unlock_at(&path, &machine)?;
            StorageWriter::open(&path, &unlock, clock).map_err(|error| keys::not_opened(&name, &error))
        })
        .await?;
        writer.set_reserve(storage.reserve);
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

    fn lock_unique(&self) -> std::sync::MutexGuard<'_, HashMap<Name, (CommitSeq, u64, u64)>> {
        self.unique.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_places(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_commit(catalog: &Catalog) -> Result<Option<DateTime<Utc>>, c2b_storagefmt::Error> {
    catalog.commit_time(catalog.head()?)
}

fn key_info(wrap: WrapInfo) -> KeyInfo {
    let kind = match wrap.kind {
        WrapKind::Password => KeyKind::Password,
        WrapKind::Recovery => KeyKind::RecoveryKey,
        WrapKind::Machine => KeyKind::MachineKey,
    };
    KeyInfo { kind, label: wrap.label, created: wrap.created }
}

fn rebuilding(name: &Name) -> ApiError {
    failure::state(format!("the index of storage {name} is being rebuilt"), "try again when that is done")
}

fn between_error(error: &BetweenError) -> ApiError {
    match error {
        BetweenError::Work(cause) => failure::storage(cause),
        BetweenError::Writer(cause) => writer_error(cause),
    }
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
