//! The daemon as a whole: what it is made of, how it starts, reloads and ends.

use crate::api;
use crate::atomic::{self, FileError};
use crate::clock::Clock;
use crate::connections::Connections;
use crate::connections::found::FoundServers;
use crate::definition::Definitions;
use crate::failure::{self, chain};
use crate::jobs::Jobs;
use crate::machine::MachineKey;
use crate::name::Name;
use crate::options::Options;
use crate::peer::Peer;
use crate::secret::Secrets;
use crate::state::States;
use crate::storages::Storages;
use crate::systemd;
use c2b_api::ApiError;
use c2b_api::job::{JobState, JobStatus};
use c2b_api::status::Status;
use c2b_api::storage::StorageInfo;
use chrono::{DateTime, Utc};
use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How long running jobs have to stop when the daemon ends; each is cut off after 9 s.
const JOBS_END_TIMEOUT: Duration = Duration::from_secs(12);

/// How long storages have to commit what they were handed; with the rest it stays below the 30 s that are promised.
const STORAGES_END_TIMEOUT: Duration = Duration::from_secs(14);

/// How long open connections of the socket have to end after the jobs ended.
const SOCKET_END_TIMEOUT: Duration = Duration::from_secs(2);

/// All parts of a running daemon.
pub struct Daemon {
    /// What there is.
    pub definitions: Arc<Definitions>,
    /// Connections at work.
    pub connections: Arc<Connections>,
    /// Storages at work.
    pub storages: Arc<Storages>,
    /// Jobs at work.
    pub jobs: Arc<Jobs>,
    started: DateTime<Utc>,
}

impl Daemon {
    /// Reads definitions and states; starts nothing.
    ///
    /// # Errors
    /// When the configuration or state folder cannot be used.
    pub fn open(options: &Options, clock: &Clock) -> Result<Arc<Self>, FileError> {
        let definitions = Arc::new(Definitions::open(&options.config)?);
        let secrets = Secrets::open(&options.state.join("secrets"))?;
        let states = States::open(&options.state)?;
        let found = FoundServers::open(&options.state.join("connections"))?;
        let (spool, scratch, schedules) = (options.state.join("spool"), options.state.join("scratch"), options.state.join("storages"));
        atomic::make_folder(&schedules, 0o750)?;
        for folder in [&spool, &scratch] {
            empty_folder(folder)?;
        }
        let connections = Arc::new(Connections::new(definitions.clone(), secrets, found, spool, clock.clone()));
        let storages = Arc::new(Storages::new(definitions.clone(), scratch, schedules, MachineKey::new(&options.state), clock.clone()));
        let jobs = Arc::new(Jobs::new(definitions.clone(), connections.clone(), storages.clone(), states, clock.clone()));
        Ok(Arc::new(Self { definitions, connections, storages, jobs, started: clock.now() }))
    }

    /// Answers requests and runs jobs until a signal ends it.
    ///
    /// # Errors
    /// When signals or the socket cannot be used.
    pub async fn run(self: Arc<Self>, listener: UnixListener) -> io::Result<()> {
        let mut signals = Signals::new()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let end = CancellationToken::new();
        let service = api::router(self.clone()).into_make_service_with_connect_info::<Peer>();
        let server = tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(end.clone().cancelled_owned()).into_future());
        let care = tokio::spawn(self.storages.clone().look_after(end.child_token()));
        let watchdog = tokio::spawn(systemd::keep_alive(end.clone()));
        self.tell_bad_files();
        self.jobs.resume().await;
        systemd::ready("ready");
        info!(pid = std::process::id(), version = env!("CARGO_PKG_VERSION"), "daemon ready");
        loop {
            match signals.next().await {
                Wish::Reload => self.reload().await,
                Wish::End(name) => {
                    info!(signal = name, "daemon ends");
                    break;
                }
            }
        }
        systemd::stopping();
        care.abort();
        if tokio::time::timeout(JOBS_END_TIMEOUT, self.jobs.end()).await.is_err() {
            warn!("a job did not end in time; what it committed is safe");
        }
        if tokio::time::timeout(STORAGES_END_TIMEOUT, self.storages.close_all()).await.is_err() {
            warn!("a storage did not close in time; what was committed is safe");
        }
        end.cancel();
        if let Ok(Err(error)) = tokio::time::timeout(SOCKET_END_TIMEOUT, server).await.unwrap_or(Ok(Ok(()))) {
            warn!(%error, "control socket ended with an error");
        }
        watchdog.abort();
        info!("daemon ended");
        Ok(())
    }

    /// Returns everything that `c2bctl status` shows.
    pub async fn status(&self) -> Status {
        let jobs = self.jobs.list().await;
        let storages = self.storages.list().await;
        let connections = self.connections.list();
        let mut bad_news: Vec<String> = self.definitions.known().bad.iter().map(|bad| format!("{bad}; the definition before it stays in force")).collect();
        for connection in &connections {
            bad_news.extend(connection.warnings.iter().map(|warning| format!("connection {}: {warning}", connection.name)));
        }
        for storage in &storages {
            bad_news.extend(news_of_storage(storage));
        }
        bad_news.extend(jobs.iter().flat_map(news_of));
        bad_news.extend(self.jobs.dangling());
        Status { version: env!("CARGO_PKG_VERSION").to_owned(), started: self.started, pid: std::process::id(), bad_news, jobs, storages, connections }
    }

    /// Understands a connection's name in a path.
    ///
    /// # Errors
    /// When there cannot be such a connection.
    pub fn connection_name(&self, text: &str) -> Result<Name, ApiError> {
        text.parse().map_err(|_| failure::not_found("connection", text, self.definitions.known().connections.keys()))
    }

    /// Understands a storage's name in a path.
    ///
    /// # Errors
    /// When there cannot be such a storage.
    pub fn storage_name(&self, text: &str) -> Result<Name, ApiError> {
        text.parse().map_err(|_| failure::not_found("storage", text, self.definitions.known().storages.keys()))
    }

    /// Understands a job's name in a path.
    ///
    /// # Errors
    /// When there cannot be such a job.
    pub fn job_name(&self, text: &str) -> Result<Name, ApiError> {
        text.parse().map_err(|_| failure::not_found("job", text, self.definitions.known().jobs.keys()))
    }

    async fn reload(&self) {
        systemd::reloading();
        let changing = self.definitions.change().await;
        match self.definitions.reload() {
            Ok(()) => info!("definitions read again"),
            Err(error) => error!(error = chain(&error), "definitions not readable, those before stay in force"),
        }
        drop(changing);
        self.tell_bad_files();
        self.connections.refresh();
        self.jobs.follow_definitions().await;
        self.storages.follow_definitions().await;
        systemd::ready("ready");
    }

    fn tell_bad_files(&self) {
        for bad in &self.definitions.known().bad {
            error!(file = %bad.path.display(), line = bad.line, problem = %bad, "definition file not usable");
        }
    }
}

/// Makes a private folder, without what a daemon before this one left there.
fn empty_folder(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_dir_all(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(FileError::of("empty", path)(err)),
        _ => atomic::make_folder(path, 0o700),
    }
}

/// Returns what is wrong with a storage.
fn news_of_storage(storage: &StorageInfo) -> Vec<String> {
    let name = &storage.name;
    let mut news: Vec<String> = storage.problem.iter().map(|problem| format!("storage {name}: {problem}")).collect();
    if storage.lost_contents > 0 {
        let lost = storage.lost_contents;
        news.push(format!("storage {name}: contents were lost to damage ({lost}); the next cycles fetch again what the source still has"));
    }
    news.extend(storage.reseal_stuck.iter().map(|stuck| format!("storage {name}: old data cannot be sealed with the newest key: {stuck}")));
    news
}

/// Returns what is wrong with a job.
fn news_of(job: &JobStatus) -> Vec<String> {
    let name = &job.definition.name;
    let mut news = Vec::new();
    match job.state {
        JobState::Error => news.push(format!("job {name}: {}", job.detail)),
        JobState::Active if job.detail.starts_with("paused") => news.push(format!("job {name} is {}", job.detail)),
        JobState::FinishedWithWarnings => news.push(format!("job {name} finished with warnings: see `c2bctl job show {name}`")),
        JobState::Inactive | JobState::Active | JobState::Finished => {}
    }
    if job.failures > 0 {
        news.push(format!("job {name}: {} items could not be backed up: see `c2bctl job failures {name}`", job.failures));
    }
    news
}

/// What a signal asks for.
enum Wish {
    Reload,
    End(&'static str),
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { hangup: signal(SignalKind::hangup())?, interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
        }
    }
}
