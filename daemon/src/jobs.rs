//! Jobs at work: made, started, stopped, edited, watched.
//!
//! What a job is stands in its definition; how it goes stands in its `Handle`, the one
//! source from which every answer about it is made. A running job is one task (`run`).

pub(crate) mod apply;
mod conduct;
mod failures;
mod handle;
mod ledger;
mod listen;
mod run;
mod watch;

use crate::clock::Clock;
use crate::connections::Connections;
use crate::definition::file::JobFile;
use crate::definition::{Defined, Definitions, Job};
use crate::engine::MailboxQueue;
use crate::failure;
use crate::name::Name;
use crate::state::States;
use crate::storages::Storages;
use c2b_api::coverage::MailboxCoverage;
use c2b_api::filter::Filter;
use c2b_api::job::{Continuity, CycleInfo, FailureInfo, JobEdit, JobStart, JobState, JobStatus};
use c2b_api::{ApiError, ErrorCode};
use handle::{Beginning, Handle, Stop};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::{info, warn};

/// How long `start` looks whether the run fails at once (wrong password, wrong URL), so that it can say so.
/// Most servers have answered by then; what fails later is in the job's state.
const START_LOOK: Duration = Duration::from_secs(1);

/// The jobs of this daemon.
pub struct Jobs {
    definitions: Arc<Definitions>,
    connections: Arc<Connections>,
    storages: Arc<Storages>,
    states: States,
    queue: Arc<MailboxQueue>,
    clock: Clock,
    /// Something happened that may change what is to run now.
    wake: Arc<Notify>,
    handles: Mutex<BTreeMap<Name, Arc<Handle>>>,
}

impl Jobs {
    /// Serves the jobs that the definitions name; starts none.
    pub fn new(definitions: Arc<Definitions>, connections: Arc<Connections>, storages: Arc<Storages>, states: States, clock: Clock) -> Self {
        Self { definitions, connections, storages, states, queue: MailboxQueue::new(), clock, wake: Arc::default(), handles: Mutex::default() }
    }

    /// Makes a job; it waits for its start.
    ///
    /// # Errors
    /// When the name is taken, a value is not acceptable, or its connection or storage does not exist.
    pub async fn create(self: &Arc<Self>, name: &Name, file: JobFile, user: &str) -> Result<JobStatus, ApiError> {
        let _changing = self.definitions.change().await;
        if self.definitions.is_taken::<Job>(name) {
            return Err(ApiError::new(ErrorCode::Exists, format!("there is a job {name} already"), "choose another name, or `c2bctl job edit`"));
        }
        let job = self.check(name, file, user)?;
        self.put_new(name, job, user)?;
        self.status(name).await
    }

    /// Changes a job. A running one is stopped for it and started again when the edit says so, else the edit is refused.
    ///
    /// # Errors
    /// When there is no such job, a value is not acceptable, or it runs.
    pub async fn edit(self: &Arc<Self>, name: &Name, edit: JobEdit, user: &str) -> Result<JobStatus, ApiError> {
        let _changing = self.definitions.change().await;
        let JobFile { owner, connection, storage, continuity, source, filter, public_folders, activity, disabled, .. } = self.get(name)?.to_file();
        let file = JobFile {
            name: None,
            owner,
            connection: edit.connection.unwrap_or(connection),
            storage: edit.storage.unwrap_or(storage),
            continuity: edit.continuity.unwrap_or(continuity),
            source: edit.source.unwrap_or(source),
            filter: Filter {
                age: edit.age.unwrap_or(filter.age),
                contacts_always: edit.contacts_always.unwrap_or(filter.contacts_always),
                leave_out: edit.leave_out.unwrap_or(filter.leave_out),
                associated: edit.associated.unwrap_or(filter.associated),
            },
            public_folders: edit.public_folders.unwrap_or(public_folders),
            activity: edit.activity.unwrap_or(activity),
            disabled: edit.disabled.unwrap_or(disabled),
        };
        let job = self.check(name, file, user)?;
        if self.handle(name).is_running() && !edit.stop {
            return Err(apply::runs(name.as_str(), "the edit was discarded"));
        }
        self.put_changed(name, job, user).await?;
        self.status(name).await
    }

    /// Forgets a job; what it backed up stays.
    ///
    /// # Errors
    /// When there is no such job, or it runs.
    pub async fn delete(&self, name: &Name, user: &str) -> Result<(), ApiError> {
        let _changing = self.definitions.change().await;
        self.get(name)?;
        if self.handle(name).is_running() {
            return Err(failure::state(format!("job {name} is running"), format!("stop it first: `c2bctl job stop {name}`")));
        }
        self.definitions.remove::<Job>(name).map_err(|error| failure::file(&error))?;
        self.lock_handles().remove(name);
        self.states.remove_job(name).map_err(|error| failure::file(&error))?;
        info!(job = %name, %user, "job deleted");
        Ok(())
    }

    /// Starts a job. When its first cycle fails within a moment, for instance for a wrong password, that is the error;
    /// a continuous job goes on trying all the same.
    ///
    /// # Errors
    /// When there is no such job, it runs already, is disabled, is outside of its activity periods, or fails at once.
    pub async fn start(self: &Arc<Self>, name: &Name, wish: JobStart, user: &str) -> Result<JobStatus, ApiError> {
        let (handle, goes_on) = {
            let _changing = self.definitions.change().await;
            let job = self.get(name)?;
            let handle = self.handle(name);
            if job.definition.disabled {
                return Err(failure::state(format!("job {name} is disabled"), format!("`c2bctl job enable {name}` lets it run again")));
            }
            if !handle.adopt() {
                if self.is_armed(&job, &handle, wish)? {
                    info!(job = %name, %user, "job follows its activity periods again");
                    self.follow_schedule(name);
                    return self.status(name).await;
                }
                handle.remember(|record| record.cycle_ended = None);
                self.begin(&handle, Beginning { resumed: false, beyond: wish.now && !self.is_open(&job)? })?;
            }
            (handle, job.definition.continuity != Continuity::OneTime || job.definition.activity.is_some())
        };
        info!(job = %name, %user, "job started");
        if tokio::time::timeout(START_LOOK, handle.cycle_ended()).await.is_ok()
            && let Some(mut error) = handle.failure()
        {
            if goes_on {
                let separator = if error.hint.is_empty() { "" } else { "; " };
                error.hint.push_str(&format!("{separator}the job tries again by itself until `c2bctl job stop {name}`"));
            }
            return Err(error);
        }
        self.status(name).await
    }

    /// Stops a job; returns when it has stopped and all that was fetched is committed.
    ///
    /// # Errors
    /// When there is no such job, or it does not run.
    pub async fn stop(&self, name: &Name, user: &str) -> Result<JobStatus, ApiError> {
        let job = self.get(name)?;
        let handle = self.handle(name);
        if !handle.stop(Stop::By(user.to_owned())).await {
            if job.definition.activity.is_none() || handle.record().held {
                return Err(failure::state(format!("job {name} is not running"), ""));
            }
            handle.remember(|record| record.held = true);
            handle.rest(JobState::Inactive, &format!("stopped by {user}"), None);
        }
        self.follow_schedule(name);
        info!(job = %name, %user, "job stopped");
        self.status(name).await
    }

    /// Returns a job's definition.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &Name) -> Result<Arc<Job>, ApiError> {
        self.definitions.get::<Job>(name).ok_or_else(|| failure::not_found("job", name.as_str(), self.definitions.known().jobs.keys()))
    }

    /// Returns all jobs as shown.
    pub async fn list(&self) -> Vec<JobStatus> {
        let jobs: Vec<Arc<Job>> = self.definitions.known().jobs.values().cloned().collect();
        let mut statuses = Vec::with_capacity(jobs.len());
        for job in jobs {
            statuses.push(self.status_of(&job).await);
        }
        statuses
    }

    /// Returns a job as shown.
    ///
    /// # Errors
    /// When there is none.
    pub async fn status(&self, name: &Name) -> Result<JobStatus, ApiError> {
        let job = self.get(name)?;
        Ok(self.status_of(&job).await)
    }

    /// Returns the items that a job could not back up.
    ///
    /// # Errors
    /// When there is no such job, or its storage cannot be asked.
    pub async fn failures(&self, name: &Name) -> Result<Vec<FailureInfo>, ApiError> {
        let job = self.get(name)?;
        let storage = job.storage.clone();
        self.storages.ask(&storage, move |catalog| ledger::failures(catalog, job.name.as_str())).await
    }

    /// Returns a job's last cycles, the last one first.
    ///
    /// # Errors
    /// When there is no such job, or its history cannot be read.
    pub fn history(&self, name: &Name, count: usize) -> Result<Vec<CycleInfo>, ApiError> {
        self.get(name)?;
        self.states.history(name, count).map_err(|error| failure::file(&error))
    }

    /// Returns what of each mailbox the cycle that runs, or the last one, covered.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn coverage(&self, name: &Name) -> Result<Vec<MailboxCoverage>, ApiError> {
        self.get(name)?;
        Ok(self.handle(name).coverage())
    }

    /// Returns the turns of mailboxes.
    pub fn queue(&self) -> Arc<MailboxQueue> {
        self.queue.clone()
    }

    /// Returns whether a job runs.
    pub fn is_running(&self, name: &Name) -> bool {
        self.handle(name).is_running()
    }

    /// Returns a running job that writes to a storage.
    pub fn running_on_storage(&self, storage: &Name) -> Option<Name> {
        let jobs: Vec<Arc<Job>> = self.definitions.known().jobs.values().filter(|job| job.storage == *storage).cloned().collect();
        jobs.iter().map(|job| &job.name).find(|name| self.handle(name).is_running()).cloned()
    }

    /// Returns what is wrong with jobs whose connection or storage is not defined.
    pub fn dangling(&self) -> Vec<String> {
        let known = self.definitions.known();
        let mut news = Vec::new();
        for job in known.jobs.values() {
            if !known.connections.contains_key(&job.connection) {
                news.push(format!("job {}: there is no connection {}", job.name, job.connection));
            }
            if !known.storages.contains_key(&job.storage) {
                news.push(format!("job {}: there is no storage {}", job.name, job.storage));
            }
        }
        news
    }

    /// Goes on with the jobs that were running when the daemon before this one ended, however it ended; also with those whose
    /// definition could not be read since.
    pub async fn resume(self: &Arc<Self>) {
        let names: Vec<Name> = self.definitions.known().jobs.keys().cloned().collect();
        for name in names {
            let handle = self.handle(&name);
            let Ok(job) = self.get(&name) else { continue };
            // Whoever has activity periods is begun by them.
            if handle.goes_on() && !handle.is_running() && !job.definition.disabled && (job.definition.activity.is_none() || handle.is_beyond()) {
                info!(job = %name, "job goes on");
                if let Err(error) = self.begin(&handle, Beginning { resumed: true, beyond: handle.is_beyond() }) {
                    warn!(job = %name, error = error.message, "job does not go on");
                }
            }
        }
    }

    /// Stops jobs whose definition is gone. Others take a changed definition up with their next cycle.
    pub async fn follow_definitions(&self) {
        let gone: Vec<Arc<Handle>> = {
            let known = self.definitions.known();
            self.lock_handles().values().filter(|handle| !known.jobs.contains_key(handle.name())).cloned().collect()
        };
        for handle in gone {
            handle.stop(Stop::Removed).await;
            self.lock_handles().remove(handle.name());
        }
    }

    /// Stops all jobs for the daemon's end; they go on when it starts again.
    pub async fn end(&self) {
        let handles: Vec<Arc<Handle>> = self.lock_handles().values().cloned().collect();
        futures_util::future::join_all(handles.iter().map(|handle| handle.stop(Stop::Shutdown))).await;
    }

    /// Starts a run. Held by the lock on changes, or before requests are served.
    fn begin(self: &Arc<Self>, handle: &Arc<Handle>, beginning: Beginning) -> Result<(), ApiError> {
        let jobs = self.clone();
        let runner = handle.clone();
        handle.begin(beginning, move |progress, cancel| run::run(jobs, runner, progress, cancel))
    }

    async fn status_of(&self, job: &Arc<Job>) -> JobStatus {
        let handle = self.handle(&job.name);
        let named = job.clone();
        let question = handle.ledger_question();
        let answer = self.storages.ask(&job.storage, move |catalog| ledger::count(catalog, named.name.as_str(), question)).await;
        handle.status(job, answer.ok())
    }

    fn check(&self, name: &Name, file: JobFile, user: &str) -> Result<Job, ApiError> {
        Job::check(name, file, user).map_err(failure::wrong).and_then(|job| self.find_parts(job))
    }

    /// Sees to it that a job's connection and storage exist.
    fn find_parts(&self, job: Job) -> Result<Job, ApiError> {
        self.connections.get(&job.connection)?;
        self.storages.get(&job.storage)?;
        Ok(job)
    }

    fn handle(&self, name: &Name) -> Arc<Handle> {
        let mut handles = self.lock_handles();
        let new = || Arc::new(Handle::new(name.clone(), self.states.clone(), self.clock.clone(), self.wake.clone()));
        handles.entry(name.clone()).or_insert_with(new).clone()
    }

    fn lock_handles(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, Arc<Handle>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
