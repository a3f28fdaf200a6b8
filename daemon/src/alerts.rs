//! Alerts: people are told what is wrong, once, and when it is over (spec.md section 6).
//!
//! What is wrong is worked out of the status (`condition`), what is told of it out of what was told before (`book`); both are
//! pure. An event waits in the book until its way took it, over restarts, too. Each recipient of mail is a way of his own: whom the
//! server refuses, or puts off, keeps nothing from the others. Nothing here holds up a backup, and a way that hangs no other.
//! That the daemon itself is dead, somebody else must notice: whoever waits for the pings, or `c2bctl monitor`.

mod book;
mod condition;
mod hook;
mod mail;
mod rules;
#[cfg(test)]
mod tests;
mod words;

use crate::atomic;
use crate::clock::Clock;
use crate::definition::text::BadFile;
use crate::failure::chain;
use crate::jobs::Jobs;
use crate::name::Name;
use crate::secret::{Kind, SecretError, Secrets};
use book::Book;
use c2b_api::alert::{AlertEvent, AlertInfo, AlertKind, AlertStage, AlertStatus, AlertTest, ChannelInfo};
use c2b_api::connection::ConnectionInfo;
use c2b_api::job::JobStatus;
use c2b_api::status::Status;
use c2b_ews::Secret;
use chrono::{DateTime, TimeDelta, Utc};
use condition::Known;
pub use condition::Wrong;
use futures_util::future::join_all;
use rules::{Mail, Rules};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use url::Url;

/// Between two looks.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// First wait after a way failed; doubled with each further failure.
const RETRY_MIN: TimeDelta = TimeDelta::seconds(30);
/// Longest such wait.
const RETRY_MAX: TimeDelta = TimeDelta::hours(1);
/// How long a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(30);
/// Activity periods that are looked at for the longest time from one to the next.
const PERIODS: usize = 20;

const PASSWORD: Kind = Kind::new("alerts", "password for sending alerts as");
const MAIL: &str = "mail";
const HOOK: &str = "hook";
const PING: &str = "ping";

/// The alerts of this daemon.
pub struct Alerts {
    rules_path: PathBuf,
    book_path: PathBuf,
    rules: Mutex<Rules>,
    bad: Mutex<Option<BadFile>>,
    book: Mutex<Book>,
    /// Ways that are at work.
    busy: Mutex<BTreeSet<String>>,
    secrets: Secrets,
    host: String,
    clock: Clock,
}

impl Alerts {
    /// Reads `alerts.toml` in the folder of definitions, and what is remembered in the state folder.
    pub fn open(config: &Path, state: &Path, secrets: Secrets, clock: Clock) -> Self {
        let book_path = state.join("alerts.json");
        let book = std::fs::read(&book_path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok()).unwrap_or_else(|| "localhost".to_owned());
        let (rules, bad, busy) = (Mutex::default(), Mutex::default(), Mutex::default());
        let alerts = Self { rules_path: config.join("alerts.toml"), book_path, rules, bad, book: Mutex::new(book), busy, secrets, host, clock };
        alerts.reload();
        alerts
    }

    /// Reads the file again; a wrong one leaves what was in force.
    pub fn reload(&self) {
        let bad = match rules::read(&self.rules_path) {
            Ok(rules) => {
                *lock(&self.rules) = rules;
                None
            }
            Err(bad) => Some(bad),
        };
        *lock(&self.bad) = bad;
    }

    /// Returns what is wrong with the file.
    pub fn bad(&self) -> Option<BadFile> {
        lock(&self.bad).clone()
    }

    /// Returns ways that do not work, in words.
    pub fn news(&self) -> Vec<String> {
        let (ways, book) = (ways(&lock(&self.rules)), lock(&self.book));
        let broken = ways.iter().filter_map(|way| Some((way, book.went.get(&way.key)?.problem.as_ref()?)));
        broken.map(|(way, problem)| format!("alerts cannot be told by {} to {}: {problem}", way.name, way.to)).collect()
    }

    /// Returns what of connections expires so soon that people are told, in words.
    pub fn expiring(&self, connections: &[ConnectionInfo]) -> Vec<String> {
        let (when, now) = (lock(&self.rules).when.clone(), self.clock.now());
        let expiring = connections.iter().flat_map(|connection| condition::of_connection(connection, &when, now));
        expiring.map(|alert| format!("{}: {}", alert.object, alert.message)).collect()
    }

    /// Takes how things stand, and begins to tell what is to be told.
    pub fn follow(self: &Arc<Self>, status: &Status, jobs: &Jobs, wrong: &[Wrong]) {
        self.look(status, &|job: &JobStatus| jobs.gap(&job.definition.name, job.last_success, PERIODS), wrong);
        self.tell();
        if let Some(busy) = self.begin(PING) {
            let alerts = self.clone();
            let successes = status.jobs.iter().filter_map(|job| Some((job.definition.name.clone(), job.last_success?))).collect();
            tokio::spawn(async move {
                alerts.ping(successes).await;
                drop(busy);
            });
        }
    }

    /// Returns whether anybody is to be told of anything.
    pub fn is_used(&self) -> bool {
        *lock(&self.rules) != Rules::default()
    }

    /// Returns what is wrong and how people are told.
    pub fn status(&self) -> AlertStatus {
        let (rules, book) = (lock(&self.rules).clone(), lock(&self.book));
        let channel = |way: Way| {
            let went = book.went.get(&way.key).cloned().unwrap_or_default();
            ChannelInfo { name: way.name.to_owned(), to: way.to, worked: went.worked, problem: went.problem, waiting: book.waiting(&way.key).len() as u64 }
        };
        AlertStatus { open: book.open(), channels: ways(&rules).into_iter().map(channel).collect() }
    }

    /// Tells by every way that somebody tries it, and returns how that went.
    pub async fn test(&self, user: &str) -> Vec<AlertTest> {
        let (rules, now) = (lock(&self.rules).clone(), self.clock.now());
        let message = format!("{user} tries whether alerts arrive");
        let alert = AlertInfo { kind: AlertKind::Test, object: format!("c2bd on {}", self.host), message, hint: "nothing".to_owned(), since: now };
        let event = AlertEvent { stage: AlertStage::Raised, time: now, alert };
        let tests = ways(&rules).into_iter().map(async |way| {
            let error = if way.name == PING { self.ping_all(&rules).await.err() } else { self.tell_by(&rules, &way, std::slice::from_ref(&event)).await.1 };
            AlertTest { channel: way.name.to_owned(), to: way.to, error }
        });
        join_all(tests).await
    }

    /// Keeps the password of whoever sends mail.
    ///
    /// # Errors
    /// When it cannot be sealed or written.
    pub fn put_password(&self, password: &str) -> Result<(), SecretError> {
        self.secrets.put(PASSWORD, &mail_name(), password.as_bytes())
    }

    fn look(&self, status: &Status, gap: &dyn Fn(&JobStatus) -> Option<TimeDelta>, wrong: &[Wrong]) {
        let (rules, now) = (lock(&self.rules).clone(), self.clock.now());
        let found = condition::conditions(status, &rules.when, Known { gap, wrong, now });
        let mut book = lock(&self.book);
        let before = book.clone();
        let mut events = book.update(found, |alert| wrong.iter().any(|wrong| wrong.of == alert.object), |told| rules.when.repeat.after(told), now);
        events.retain(|event| rules.when.recovery || event.stage != AlertStage::Recovered);
        for event in &events {
            info!(kind = event.alert.kind.word(), object = event.alert.object, stage = ?event.stage, "alert");
        }
        let ways = ways(&rules);
        book.keep(&ways.iter().map(|way| way.key.as_str()).collect::<Vec<_>>());
        for way in ways.iter().filter(|way| way.name != PING) {
            book.wait(&way.key, &events);
        }
        if *book != before {
            self.write(&book);
        }
    }

    /// Begins to tell what waits, by each way that is neither at work nor to be left alone for a while.
    fn tell(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let (rules, now) = (lock(&self.rules).clone(), self.clock.now());
        let mut begun = Vec::new();
        for way in ways(&rules) {
            let Some(busy) = self.begin(&way.key) else { continue };
            let events = {
                let book = lock(&self.book);
                let events = book.waiting(&way.key).to_vec();
                let is_gathered = way.name != MAIL || rules.mail.as_ref().is_some_and(|mail| is_gathered(mail, &events, now));
                if events.is_empty() || !is_gathered || is_left_alone(&book, &way.key, now) {
                    continue;
                }
                events
            };
            let (alerts, rules) = (self.clone(), rules.clone());
            begun.push(tokio::spawn(async move {
                let (count, problem) = alerts.tell_by(&rules, &way, &events).await;
                if let Some(problem) = &problem {
                    warn!(way = way.name, problem, "alerts cannot be told");
                }
                alerts.note(&way.key, count, problem);
                drop(busy);
            }));
        }
        begun
    }

    /// Takes a way for oneself until the value is dropped; none while it is at work.
    fn begin(self: &Arc<Self>, key: &str) -> Option<Busy> {
        lock(&self.busy).insert(key.to_owned()).then(|| Busy { alerts: self.clone(), key: key.to_owned() })
    }

    /// Tells events by a way; returns how many were told, and why the next one was not.
    async fn tell_by(&self, rules: &Rules, way: &Way, events: &[AlertEvent]) -> (usize, Option<String>) {
        match (way.name, &rules.mail, &rules.hook) {
            (MAIL, Some(rules), _) => {
                let password = match self.password(rules) {
                    Ok(password) => password,
                    Err(error) => return (0, Some(error)),
                };
                let to = rules.to.iter().filter(|to| to.to_string() == way.to);
                for to in to.take(1) {
                    if let Err(error) = mail::send(rules, to, password.as_ref(), &self.host, events, self.clock.now()).await {
                        return (0, Some(error.words()));
                    }
                }
                (events.len(), None)
            }
            (HOOK, _, Some(rules)) => {
                for (count, event) in events.iter().enumerate() {
                    if let Err(error) = hook::run(rules, event).await {
                        return (count, Some(chain(&error)));
                    }
                }
                (events.len(), None)
            }
            _ => (events.len(), None),
        }
    }

    /// Says of jobs, each with the end of its last good cycle, that they live.
    async fn ping(&self, successes: Vec<(String, DateTime<Utc>)>) {
        let Some(rules) = lock(&self.rules).ping.clone() else { return };
        let mut tried = false;
        let keys: Vec<String> = successes.iter().map(|(name, _)| format!("{PING} {name}")).collect();
        for ((name, success), key) in successes.into_iter().zip(&keys) {
            let urls: Vec<&Url> = rules.jobs.get(&name).into_iter().chain(&rules.url).collect();
            {
                let book = lock(&self.book);
                if urls.is_empty() || book.pinged.get(&name) == Some(&success) || is_left_alone(&book, key, self.clock.now()) {
                    continue;
                }
            }
            tried = true;
            let mut problem = None;
            for url in urls {
                problem = problem.or(get(url).await.err());
            }
            if problem.is_none() {
                lock(&self.book).pinged.insert(name, success);
            }
            self.note(key, 0, problem);
        }
        if tried {
            // What does not work for one job says so, whatever works for the others.
            let problem = keys.iter().find_map(|key| lock(&self.book).went.get(key)?.problem.clone());
            self.note(PING, 0, problem);
        }
    }

    async fn ping_all(&self, rules: &Rules) -> Result<(), String> {
        let Some(ping) = &rules.ping else { return Ok(()) };
        for url in ping.url.iter().chain(ping.jobs.values()) {
            get(url).await?;
        }
        Ok(())
    }

    fn password(&self, mail: &Mail) -> Result<Option<Secret>, String> {
        if mail.user.is_none() {
            return Ok(None);
        }
        match self.secrets.get(PASSWORD, &mail_name()) {
            Ok(password) => Ok(Some(password)),
            Err(SecretError::Missing { .. }) => Err("there is no password for the mail server: give it with `c2bctl alert password`".to_owned()),
            Err(error) => Err(chain(&error)),
        }
    }

    fn note(&self, way: &str, count: usize, problem: Option<String>) {
        let mut book = lock(&self.book);
        book.told(way, count, problem, self.clock.now());
        self.write(&book);
    }

    fn write(&self, book: &Book) {
        let written = serde_json::to_vec(book).map_err(|error| error.to_string());
        let written = written.and_then(|bytes| atomic::write(&self.book_path, &bytes, 0o640).map_err(|error| chain(&error)));
        if let Err(error) = written {
            warn!(error, "alerts not remembered");
        }
    }
}

/// Returns what is wrong with an `alerts.toml`.
pub(crate) fn check_file(path: &Path) -> Option<BadFile> {
    rules::read(path).err()
}

/// A way to tell.
struct Way {
    name: &'static str,
    to: String,
    /// Its place in the book.
    key: String,
}

/// That a way is at work.
struct Busy {
    alerts: Arc<Alerts>,
    key: String,
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.alerts.busy).remove(&self.key);
    }
}

/// Returns the ways to tell.
fn ways(rules: &Rules) -> Vec<Way> {
    let mail = rules.mail.iter().flat_map(|mail| &mail.to);
    let mut ways: Vec<Way> = mail.map(|to| Way { name: MAIL, to: to.to_string(), key: format!("{MAIL} {}", to.email) }).collect();
    if let Some(hook) = &rules.hook {
        ways.push(Way { name: HOOK, to: hook.command.first().cloned().unwrap_or_default(), key: HOOK.to_owned() });
    }
    if let Some(ping) = &rules.ping {
        // What follows the host is as good as a password.
        let hosts: BTreeSet<&str> = ping.url.iter().chain(ping.jobs.values()).filter_map(Url::host_str).collect();
        ways.push(Way { name: PING, to: hosts.into_iter().collect::<Vec<_>>().join(", "), key: PING.to_owned() });
    }
    ways
}

/// Returns whether what waits has been gathered for long enough.
fn is_gathered(mail: &Mail, events: &[AlertEvent], now: DateTime<Utc>) -> bool {
    let gather = TimeDelta::from_std(mail.gather()).unwrap_or(TimeDelta::MAX);
    // A clock that was put back makes nobody wait for long.
    events.first().is_some_and(|first| now - first.time >= gather || first.time > now)
}

/// Returns whether a way failed a short while ago.
fn is_left_alone(book: &Book, way: &str, now: DateTime<Utc>) -> bool {
    let Some((tried, failures)) = book.went.get(way).and_then(|went| Some((went.tried?, went.failures))).filter(|(_, failures)| *failures > 0) else {
        return false;
    };
    let wait = RETRY_MIN.checked_mul(1 << failures.saturating_sub(1).min(10)).unwrap_or(RETRY_MAX).min(RETRY_MAX);
    tried <= now && now - tried < wait
}

async fn get(url: &Url) -> Result<(), String> {
    // The URL is as good as a password: only its host is told.
    let host = url.host_str().unwrap_or_default().to_owned();
    let failed = |error: reqwest::Error| format!("failed to reach {host}: {}", chain(&error.without_url()));
    let client = reqwest::Client::builder().timeout(PING_TIMEOUT).build().map_err(failed)?;
    let answer = client.get(url.clone()).send().await.map_err(failed)?;
    answer.error_for_status().map(drop).map_err(failed)
}

fn mail_name() -> Name {
    MAIL.parse().expect("the word is a name")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
