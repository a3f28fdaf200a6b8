//! The daemon as a whole: what it is made of, how it starts, reloads and ends.

use crate::access::Access;
use crate::alerts::{Alerts, LOOK_INTERVAL, Wrong};
use crate::api;
use crate::atomic::{self, FileError};
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::connections::found::FoundServers;
use crate::definition::Definitions;
use crate::definition::text::BadFile;
use crate::failure::{self, chain};
use crate::jobs::Jobs;
use crate::machine::MachineKey;
use crate::metrics::{self, Exports, Tally};
use crate::name::Name;
use crate::options::Options;
use crate::secret::Secrets;
use crate::server::{self, Limits};
use crate::settings::SettingsInForce;
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
use std::path::{Path, PathBuf};
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
    /// What the daemon itself is to do.
    pub settings: SettingsInForce,
    /// What connections counted.
    pub tally: Tally,
    /// Metrics beside the control socket.
    pub exports: Exports,
    /// Who may do what.
    pub access: Access,
    /// Who did what.
    pub audit: Arc<AuditLog>,
    /// What people are told.
    pub alerts: Arc<Alerts>,
    secrets: Secrets,
    started: DateTime<Utc>,
    clock: Clock,
}

impl Daemon {
    /// Reads definitions and states; starts nothing.
    ///
    /// # Errors
    /// When the configuration or state folder cannot be used.
    pub fn open(options: &Options, clock: &Clock) -> Result<Arc<Self>, FileError> {
        let definitions = Arc::new(Definitions::open(&options.config)?);
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let machine = Arc::new(MachineKey::new(&options.state, credentials.as_deref()));
        let secrets = Secrets::open(&options.state.join("secrets"), machine.clone())?;
        let states = States::open(&options.state)?;
        let found = FoundServers::open(&options.state.join("connections"))?;
        let (spool, scratch, schedules) = (options.state.join("spool"), options.state.join("scratch"), options.state.join("storages"));
        atomic::make_folder(&schedules, 0o750)?;
        for folder in [&spool, &scratch] {
            empty_folder(folder)?;
        }
        let connections =
            Arc::new(Connections::new(definitions.clone(), secrets.clone(), found, options.state.join("certificates.json"), spool, clock.clone()));
        let audit = Arc::new(AuditLog::new(&options.state, secrets.clone(), machine.clone(), clock.clone()));
        let storages = Arc::new(Storages::new(definitions.clone(), scratch, schedules, machine, clock.clone()));
        let jobs = Arc::new(Jobs::new(definitions.clone(), connections.clone(), storages.clone(), states, clock.clone()));
        let (settings, tally) = (SettingsInForce::open(&options.config), Tally::open(&options.state));
        let alerts = Arc::new(Alerts::open(&options.config, &options.state, secrets.clone(), clock.clone()));
        Ok(Arc::new(Self {
            alerts,
            definitions,
            connections,
            storages,
            jobs,
            access: Access::open(&options.config),
            audit,
            secrets,
            settings,
            tally,
            exports: Exports::default(),
            started: clock.now(),
            clock: clock.clone(),
        }))
    }

    /// Answers requests and runs jobs until a signal ends it.
    ///
    /// # Errors
    /// When signals or the socket cannot be used.
    pub async fn run(self: Arc<Self>, listener: UnixListener) -> io::Result<()> {
        let mut signals = Signals::new()?;
        listener.set_nonblocking(true)?;
        let socket = listener.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let end = CancellationToken::new();
        let server = tokio::spawn(server::serve(listener, api::router(self.clone()), Limits::of_this_process(), end.clone()));
        let care = tokio::spawn(self.storages.clone().look_after(end.child_token()));
        let watchdog = tokio::spawn(systemd::keep_alive(socket, end.clone()));
        self.tell_bad_files();
        self.secrets.take_over_all();
        self.jobs.resume().await;
        let conductor = tokio::spawn(self.jobs.clone().conduct());
        let exports = tokio::spawn(metrics::keep_up(self.clone(), end.clone()));
        let teller = tokio::spawn(self.clone().tell_alerts());
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
        conductor.abort();
        teller.abort();
        if tokio::time::timeout(JOBS_END_TIMEOUT, self.jobs.end()).await.is_err() {
            warn!("a job did not end in time; what it committed is safe");
        }
        if tokio::time::timeout(STORAGES_END_TIMEOUT, self.storages.close_all()).await.is_err() {
            warn!("a storage did not close in time; what was committed is safe");
        }
        end.cancel();
        let _ = tokio::time::timeout(SOCKET_END_TIMEOUT, server).await;
        let _ = tokio::time::timeout(SOCKET_END_TIMEOUT, exports).await;
        watchdog.abort();
        info!("daemon ended");
        Ok(())
    }

    /// Tells people what is wrong, for ever.
    async fn tell_alerts(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if self.alerts.is_used() {
                let status = self.status().await;
                self.alerts.follow(&status, &self.jobs, &self.wrong_definitions());
            }
        }
    }

    /// Returns everything that `c2bctl status` shows.
    pub async fn status(&self) -> Status {
        let jobs = self.jobs.list().await;
        let storages = self.storages.list().await;
        let connections = self.connections.list();
        let mut bad_news: Vec<String> = self.access.bad().iter().map(|bad| format!("{bad}; what was in force before stays so")).collect();
        bad_news.extend(self.access.warnings());
        bad_news.extend(self.definitions.known().bad.iter().map(|bad| format!("{bad}; the definition before it stays in force")));
        bad_news.extend(self.settings.bad().map(|bad| format!("{bad}; the settings before it stay in force")));
        bad_news.extend(self.exports.news());
        bad_news.extend(self.alerts.bad().map(|bad| format!("{bad}; the alerts before it stay in force")));
        bad_news.extend(self.alerts.news());
        for connection in &connections {
            bad_news.extend(connection.warnings.iter().map(|warning| format!("connection {}: {warning}", connection.name)));
        }
        bad_news.extend(self.alerts.expiring(&connections));
        for storage in &storages {
            bad_news.extend(news_of_storage(storage));
        }
        bad_news.extend(jobs.iter().flat_map(news_of));
        bad_news.extend(self.jobs.dangling());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: c2b_api::openapi::VERSION.to_owned(),
            now: self.clock.now(),
            started: self.started,
            pid: std::process::id(),
            bad_news,
            jobs,
            storages,
            connections,
        }
    }

    /// Takes in turn what every answer needs; a part that hangs does not let go.
    pub fn look_alive(&self) {
        for name in self.definitions.known().jobs.keys() {
            self.jobs.is_running(name);
        }
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
        self.access.reload();
        self.alerts.reload();
        drop(changing);
        self.settings.reload();
        self.tell_bad_files();
        self.secrets.take_over_all();
        self.connections.refresh();
        self.jobs.follow_definitions().await;
        self.storages.follow_definitions().await;
        let changing = self.definitions.change().await;
        self.jobs.resume().await;
        drop(changing);
        systemd::ready("ready");
    }

    /// Returns the connections whose password a request asks for: the one in its path, that of the job in its path, and the
    /// one that its body names.
    pub(crate) fn connections_meant(&self, route: &str, object: Option<&str>, named: Option<&str>) -> Vec<Name> {
        let name = |text: &str| text.parse::<Name>().ok();
        let object = object.and_then(name);
        let of_path = match route.split('/').nth(2) {
            Some("connections") => object,
            Some("jobs") => object.and_then(|job| self.definitions.known().jobs.get(&job).map(|job| job.connection.clone())),
            _ => None,
        };
        of_path.into_iter().chain(named.and_then(name)).collect()
    }

    /// Returns the definitions and settings that are wrong, for those who are told by alerts.
    fn wrong_definitions(&self) -> Vec<Wrong> {
        let definitions = self.definitions.known().bad.clone();
        let files = definitions.into_iter().chain(self.settings.bad()).chain(self.access.bad()).chain(self.alerts.bad());
        let of_file = |bad: BadFile| {
            let of = kind_of(&bad.path).zip(bad.path.file_stem()).map(|(kind, stem)| format!("{kind} {}", stem.to_string_lossy())).unwrap_or_default();
            let own = if bad.hint.is_empty() { String::new() } else { format!("{}; ", bad.hint) };
            let hint = format!("{own}after the change: systemctl reload c2bd. Until then what it read before is in force; what it never read is not");
            Wrong { object: format!("file {}", bad.path.display()), of, message: bad.to_string(), hint }
        };
        let of_job = |news: String| {
            let (object, message) = news.split_once(": ").map_or((news.clone(), news.clone()), |(object, message)| (object.to_owned(), message.to_owned()));
            Wrong { object, of: String::new(), message, hint: "see `c2bctl config check`".to_owned() }
        };
        files.map(of_file).chain(self.jobs.dangling().into_iter().map(of_job)).collect()
    }

    fn tell_bad_files(&self) {
        for bad in self.definitions.known().bad.iter().chain(&self.settings.bad()).chain(&self.access.bad()) {
            error!(file = %bad.path.display(), line = bad.line, problem = %bad, "definition file not usable");
        }
    }
}

/// Returns what is defined in the folder of this file.
fn kind_of(file: &Path) -> Option<&'static str> {
    match file.parent()?.file_name()?.to_str()? {
        "jobs" => Some("job"),
        "storages" => Some("storage"),
        "connections" => Some("connection"),
        _ => None,
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
    if let Some(first) = storage.frozen.first() {
        news.push(format!("storage {name}: retention is frozen, {first}: look, then `c2bctl storage retention thaw {name}`"));
    }
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
        // It tries again.
        JobState::Active if job.failing_since.is_some() => news.push(format!("job {name} fails, and is {}: see `c2bctl job show {name}`", job.detail)),
        JobState::Active if job.detail.starts_with("paused: ") => news.push(format!("job {name} is {}", job.detail)),
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
