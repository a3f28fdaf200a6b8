//! What is wrong, how badly, and the figures beside it.

use crate::exit::Exit;
use crate::human;
use crate::noun::Noun;
use c2b_api::Span;
use c2b_api::connection::ConnectionInfo;
use c2b_api::job::{JobState, JobStatus};
use c2b_api::status::Status;
use c2b_api::storage::StorageInfo;
use chrono::{DateTime, TimeDelta, Utc};

/// How many days before its end a secret or certificate is a warning.
const EXPIRY_WARNING_DAYS: u32 = 14;

/// How many times the reserve must be free for space not to be low.
const LOW_SPACE_FACTOR: u64 = 2;

/// How bad it is, by the convention of Nagios' plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Somebody should look when there is time.
    Warning,
    /// Nothing can be said.
    Unknown,
    /// Somebody must look now.
    Critical,
}

/// What is wrong, and figures.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// What is wrong, the worst first.
    pub(super) problems: Vec<(Level, String)>,
    good: String,
    figures: Vec<String>,
}

impl Level {
    /// Returns its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Unknown => "UNKNOWN",
            Self::Critical => "CRITICAL",
        }
    }

    /// Returns its exit code.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit(0),
            Self::Warning => Exit(1),
            Self::Critical => Exit(2),
            Self::Unknown => super::UNKNOWN,
        }
    }
}

impl Verdict {
    /// Returns a verdict about one thing.
    pub(super) fn only(level: Level, text: impl Into<String>) -> Self {
        Self { problems: vec![(level, text.into())], ..Self::default() }
    }

    /// Returns how bad the worst is.
    pub(super) fn level(&self) -> Level {
        self.problems.first().map_or(Level::Ok, |(level, _)| *level)
    }

    /// Returns it in words.
    pub(super) fn text(&self) -> String {
        if self.problems.is_empty() {
            return self.good.clone();
        }
        self.problems.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Returns it as plugins tell it. Nothing but the figures may follow a `|`.
    pub(super) fn line(&self) -> String {
        let figures = if self.figures.is_empty() { String::new() } else { format!(" | {}", self.figures.join(" ")) };
        format!("C2B {} - {}{figures}", self.level().word(), self.text().replace('|', "/"))
    }

    fn add(&mut self, level: Level, text: impl Into<String>) {
        self.problems.push((level, text.into()));
    }

    fn figure(&mut self, noun: &str, what: &str, value: impl ToString) {
        self.figures.push(format!("'{noun} {what}'={}", value.to_string()));
    }
}

/// Judges what the daemon says: all of it, or what concerns these jobs.
pub(super) fn judge(status: &Status, max_age: Span, only: &[String]) -> Verdict {
    if let Some(missing) = only.iter().find(|name| status.jobs.iter().all(|job| job.definition.name != **name)) {
        return Verdict::not_found(Noun::Job, missing);
    }
    let is_meant = |job: &&JobStatus| only.is_empty() || only.contains(&job.definition.name);
    let jobs: Vec<&JobStatus> = status.jobs.iter().filter(is_meant).collect();
    let enabled: Vec<&JobStatus> = jobs.iter().copied().filter(|job| !job.definition.disabled).collect();
    let mut verdict = Verdict::default();
    for job in &jobs {
        if !job.definition.disabled {
            judge_job(&mut verdict, job, max_age, status.now);
        } else if !only.is_empty() {
            verdict.add(Level::Warning, format!("job {} is disabled", job.definition.name));
        }
    }
    for storage in status.storages.iter().filter(|storage| only.is_empty() || jobs.iter().any(|job| job.definition.storage == storage.name)) {
        judge_storage(&mut verdict, storage);
    }
    for connection in status.connections.iter().filter(|connection| jobs.iter().any(|job| job.definition.connection == connection.name)) {
        judge_connection(&mut verdict, connection, status.now);
    }
    // What is about no object: definition files, and the daemon itself.
    let of_objects = ["job ", "storage ", "connection "];
    for news in status.bad_news.iter().filter(|news| only.is_empty() && !of_objects.iter().any(|prefix| news.starts_with(prefix))) {
        verdict.add(Level::Warning, news);
    }
    if enabled.is_empty() && only.is_empty() {
        verdict.add(Level::Warning, "there is no job");
    }
    verdict.problems.sort_by(|(one, _), (other, _)| other.cmp(one));
    let oldest = enabled.iter().filter_map(|job| job.last_success).min();
    let age = oldest.map_or_else(String::new, |time| format!(", all backed up within {}", human::duration::duration(seconds(status.now - time))));
    verdict.good = format!("{}{age}", human::count::nouns(enabled.len() as u64, "job", "jobs"));
    verdict
}

fn judge_job(verdict: &mut Verdict, job: &JobStatus, max_age: Span, now: DateTime<Utc>) {
    let name = &job.definition.name;
    let limit = seconds(now - max_age.before(now));
    match job.last_success {
        Some(time) => verdict.figure(name, "age", format!("{}s;;{limit};0", seconds(now - time))),
        None => verdict.figure(name, "age", format!("U;;{limit};0")),
    }
    verdict.figure(name, "failed", format!("{};0;;0", job.failures));
    let detail = if job.detail.is_empty() { String::new() } else { format!(": {}", job.detail) };
    let is_stale = job.last_success.is_none_or(|time| time < max_age.before(now));
    match (job.last_success, job.state) {
        // While it tries again, too.
        (_, JobState::Active) if job.failing_since.is_some() => verdict.add(Level::Critical, format!("job {name} fails{detail}")),
        (_, JobState::Error) => verdict.add(Level::Critical, format!("job {name} failed{detail}")),
        (None, JobState::Active) => verdict.add(Level::Warning, format!("job {name} has not succeeded yet{detail}")),
        (None, _) => verdict.add(Level::Critical, format!("job {name} never succeeded{detail}")),
        (Some(time), _) if is_stale => {
            let age = human::duration::duration(seconds(now - time));
            verdict.add(Level::Critical, format!("job {name} did not succeed for {age}{detail}"));
        }
        (Some(_), JobState::FinishedWithWarnings) => verdict.add(Level::Warning, format!("job {name} finished with warnings")),
        (Some(_), _) => {}
    }
    if job.failures > 0 {
        verdict.add(Level::Warning, format!("job {name}: {} could not be backed up", human::count::nouns(job.failures, "item", "items")));
    }
    let freshness = &job.freshness;
    match freshness.oldest.filter(|time| *time < max_age.before(now)) {
        Some(time) if !is_stale => {
            let age = human::duration::duration(seconds(now - time));
            verdict.add(Level::Warning, format!("job {name}: a mailbox was not backed up whole for {age}"));
        }
        Some(_) | None => {}
    }
    if freshness.never > 0 && job.last_success.is_some() {
        verdict.add(Level::Warning, format!("job {name}: {} never backed up whole", human::count::nouns(freshness.never, "mailbox was", "mailboxes were")));
    }
}

fn judge_storage(verdict: &mut Verdict, storage: &StorageInfo) {
    let StorageInfo { name, free_bytes, reserve_bytes, .. } = storage;
    if let Some(problem) = &storage.problem {
        return verdict.add(Level::Critical, format!("storage {name}: {problem}"));
    }
    let low = reserve_bytes.saturating_mul(LOW_SPACE_FACTOR);
    verdict.figure(name, "free", format!("{free_bytes}B;{low}:;{reserve_bytes}:;0"));
    let free = human::size::size(*free_bytes);
    if storage.low_space {
        verdict.add(Level::Critical, format!("storage {name} is full: {free} are free, backups pause"));
    } else if *free_bytes < low {
        verdict.add(Level::Warning, format!("storage {name} gets full: {free} are free"));
    }
    if storage.lost_contents > 0 {
        verdict.add(Level::Warning, format!("storage {name}: damage took {}", human::count::nouns(storage.lost_contents, "content", "contents")));
    }
}

fn judge_connection(verdict: &mut Verdict, connection: &ConnectionInfo, now: DateTime<Utc>) {
    let name = &connection.name;
    for expiry in connection.expires.iter().filter(|expiry| expiry.told_from(Span::days(EXPIRY_WARNING_DAYS)) <= now) {
        let level = if expiry.time < now { Level::Critical } else { Level::Warning };
        verdict.add(level, format!("connection {name}: {}", expiry.words(now)));
    }
    // What somebody chose with open eyes is not news each minute.
    for warning in connection.warnings.iter().filter(|warning| !(connection.definition.insecure && warning.contains("insecure = true"))) {
        let level = if warning.contains("expired") { Level::Critical } else { Level::Warning };
        verdict.add(level, format!("connection {name}: {warning}"));
    }
}

fn seconds(delta: TimeDelta) -> u64 {
    u64::try_from(delta.num_seconds()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
