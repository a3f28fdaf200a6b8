//! What the daemon remembers of jobs across restarts: `jobs/NAME.json` and `history/NAME.ndjson`.

use crate::atomic::{self, FileError};
use crate::name::Name;
use c2b_api::coverage::{MailboxCoverage, PartCoverage};
use c2b_api::job::{CycleInfo, JobState, RunInfo};
use c2b_api::lifetime::{Freshness, JobLifetime};
use c2b_mailbox::Address;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tracing::warn;

/// When a history file becomes the old one, in bytes: some 15,000 cycles, ten days of a cycle a minute.
/// With the old one kept beside it, a job's history takes twice this at most.
const HISTORY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The folder of states.
#[derive(Clone, Debug)]
pub struct States {
    root: PathBuf,
}

/// What is remembered of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct JobRecord {
    /// Its state.
    pub state: JobState,
    /// The state's detail.
    pub detail: String,
    /// Whether it goes on by itself when the daemon starts: it was started and neither ended nor was stopped.
    pub goes_on: bool,
    /// Its present or last run.
    pub run: Option<RunInfo>,
    /// When a cycle last ended well, or with warnings.
    pub last_success: Option<DateTime<Utc>>,
    /// What the selection resolved to in the last cycle that ended well.
    pub previous_mailboxes: Vec<Address>,
    /// When the last cycle began that ended well.
    pub previous_start: Option<DateTime<Utc>>,
    /// How many cycles in a row failed.
    pub failed_in_a_row: u32,
    /// Since when cycles fail, without one that ended well.
    pub failing_since: Option<DateTime<Utc>>,
    /// Why the last of them failed; empty when none did.
    pub failed_with: String,
    /// Since when cycles end with warnings, without one that left nothing out.
    pub warning_since: Option<DateTime<Utc>>,
    /// The last cycle that is over.
    pub last_cycle: Option<CycleInfo>,
    /// Somebody stopped it: its activity periods do not start it until somebody does.
    pub held: bool,
    /// A cycle was begun that did not end well yet.
    pub unfinished: bool,
    /// Its run goes on outside of its activity periods: somebody wanted it now, or it makes good for a missed one.
    pub beyond: bool,
    /// When a one-time job's cycle ended well; none again when it is to have another one.
    pub cycle_ended: Option<DateTime<Utc>>,
    /// When it last ran.
    pub ran: Option<DateTime<Utc>>,
    /// Until when its activity periods were looked after.
    pub seen: Option<DateTime<Utc>>,
    /// What the last cycle covered.
    pub coverage: Vec<CoverageGroup>,
    /// What it counted in all its life.
    pub lifetime: JobLifetime,
    /// When each mailbox was last backed up whole; none when it never was.
    pub whole: BTreeMap<String, Option<DateTime<Utc>>>,
}

/// The age from which a mailbox counts as stale.
const STALE_AFTER: TimeDelta = TimeDelta::hours(24);

impl JobRecord {
    /// Takes over how the run goes, and what it counted since the last time.
    pub fn take_over(&mut self, now: RunInfo) {
        self.lifetime.add(self.run.as_ref(), &now);
        self.run = Some(now);
    }

    /// Notes that a cycle ended, of which [`Self::take_over`] has the rest.
    pub fn end_cycle(&mut self, row: &CycleInfo) {
        let lifetime = &mut self.lifetime;
        *match row.end.as_str() {
            "finished" => &mut lifetime.finished,
            "finished-with-warnings" => &mut lifetime.finished_with_warnings,
            "failed" => &mut lifetime.failed,
            _ => &mut lifetime.stopped,
        } += 1;
        let mailboxes = self.run.as_ref().map_or(&[][..], |run| &run.mailboxes);
        if row.end.starts_with("finished") {
            self.whole.retain(|address, _| mailboxes.iter().any(|mailbox| mailbox.address == *address));
        }
        for mailbox in mailboxes {
            match mailbox.phase.as_str() {
                "done" => drop(self.whole.insert(mailbox.address.clone(), Some(row.ended))),
                "erased" => drop(self.whole.remove(&mailbox.address)),
                _ => drop(self.whole.entry(mailbox.address.clone()).or_default()),
            }
        }
    }

    /// Returns how fresh the mailboxes are.
    pub fn freshness(&self, now: DateTime<Utc>) -> Freshness {
        let count = |counts: &dyn Fn(&Option<DateTime<Utc>>) -> bool| self.whole.values().filter(|time| counts(time)).count() as u64;
        Freshness {
            mailboxes: self.whole.len() as u64,
            never: count(&|time| time.is_none()),
            stale: count(&|time| time.is_none_or(|time| now - time > STALE_AFTER)),
            oldest: self.whole.values().flatten().min().copied(),
        }
    }
}

/// Mailboxes of which the same was covered: most of a company's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CoverageGroup {
    /// How it stands with each part.
    pub parts: Vec<PartCoverage>,
    /// Their addresses.
    pub mailboxes: Vec<String>,
}

impl CoverageGroup {
    /// Puts mailboxes of which the same was covered together.
    pub fn of(coverage: Vec<MailboxCoverage>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for MailboxCoverage { mailbox, parts } in coverage {
            match groups.iter_mut().find(|group| group.parts == parts) {
                Some(group) => group.mailboxes.push(mailbox),
                None => groups.push(Self { parts, mailboxes: vec![mailbox] }),
            }
        }
        groups
    }

    /// Returns the coverage of each mailbox, by address.
    pub fn apart(groups: &[Self]) -> Vec<MailboxCoverage> {
        let of =
            |group: &Self| group.mailboxes.iter().map(|mailbox| MailboxCoverage { mailbox: mailbox.clone(), parts: group.parts.clone() }).collect::<Vec<_>>();
        let mut coverage: Vec<MailboxCoverage> = groups.iter().flat_map(of).collect();
        coverage.sort_by(|one, other| one.mailbox.cmp(&other.mailbox));
        coverage
    }
}

impl JobRecord {
    /// Notes that it fails, and why.
    pub fn fail(&mut self, time: DateTime<Utc>, why: String) {
        self.failing_since.get_or_insert(time);
        self.failed_with = why;
    }

    /// Takes times that are still to come for `now`: they are of a clock that ran ahead, and would be waited for. Returns
    /// whether there were any.
    pub fn end_future(&mut self, now: DateTime<Utc>) -> bool {
        let times = [
            &mut self.last_success,
            &mut self.previous_start,
            &mut self.failing_since,
            &mut self.warning_since,
            &mut self.cycle_ended,
            &mut self.ran,
            &mut self.seen,
        ];
        let mut found = false;
        for time in times.into_iter().flatten().filter(|time| **time > now) {
            *time = now;
            found = true;
        }
        found
    }
}

impl Default for JobRecord {
    fn default() -> Self {
        Self {
            state: JobState::Inactive,
            detail: "not started yet".to_owned(),
            goes_on: false,
            run: None,
            last_success: None,
            previous_mailboxes: Vec::new(),
            previous_start: None,
            failed_in_a_row: 0,
            failing_since: None,
            failed_with: String::new(),
            warning_since: None,
            last_cycle: None,
            held: false,
            unfinished: false,
            beyond: false,
            cycle_ended: None,
            ran: None,
            seen: None,
            coverage: Vec::new(),
            lifetime: JobLifetime::default(),
            whole: BTreeMap::new(),
        }
    }
}

impl States {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, FileError> {
        for folder in ["jobs", "history"] {
            atomic::make_folder(&root.join(folder), 0o750)?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Returns what is remembered; a job never seen, or a file that is damaged, gives a fresh record.
    pub fn job(&self, name: &Name) -> JobRecord {
        let path = self.job_path(name);
        let record = std::fs::read(&path).map_err(|error| (error.kind() == io::ErrorKind::NotFound, error.to_string()));
        match record.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| (false, error.to_string()))) {
            Ok(record) => record,
            Err((true, _)) => JobRecord::default(),
            Err((false, error)) => {
                warn!(job = %name, error, "state of the job not readable, starting afresh");
                JobRecord::default()
            }
        }
    }

    /// Remembers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_job(&self, name: &Name, record: &JobRecord) -> Result<(), FileError> {
        let path = self.job_path(name);
        let bytes = serde_json::to_vec(record).map_err(|error| FileError::of("write", &path)(error.into()))?;
        atomic::write(&path, &bytes, 0o640)
    }

    /// Forgets a job and its history.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove_job(&self, name: &Name) -> Result<(), FileError> {
        atomic::remove(&self.job_path(name))?;
        atomic::remove(&self.history_path(name))?;
        atomic::remove(&self.old_history_path(name))
    }

    /// Adds a cycle to the job's history.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_history(&self, name: &Name, row: &CycleInfo) -> Result<(), FileError> {
        let path = self.history_path(name);
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() >= HISTORY_BYTES_MAX) {
            std::fs::rename(&path, self.old_history_path(name)).map_err(FileError::of("rotate", &path))?;
        }
        let append = || {
            let mut line = serde_json::to_vec(row)?;
            line.push(b'\n');
            OpenOptions::new().append(true).create(true).mode(0o640).open(&path)?.write_all(&line)
        };
        append().map_err(FileError::of("write", &path))
    }

    /// Returns a job's last cycles, the last one first. Lines that cannot be read are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn history(&self, name: &Name, count: usize) -> Result<Vec<CycleInfo>, FileError> {
        let mut rows = Vec::new();
        for path in [self.history_path(name), self.old_history_path(name)] {
            let text = match std::fs::read_to_string(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(FileError::of("read", &path))?,
            };
            rows.extend(text.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).take(count - rows.len()));
        }
        Ok(rows)
    }

    /// Has another name remember what is remembered of a job.
    ///
    /// # Errors
    /// When a file cannot be renamed.
    pub fn rename_job(&self, name: &Name, new: &Name) -> Result<(), FileError> {
        let paths = [
            (self.old_history_path(name), self.old_history_path(new)),
            (self.history_path(name), self.history_path(new)),
            (self.job_path(name), self.job_path(new)),
        ];
        paths.iter().try_for_each(|(path, new)| atomic::rename(path, new))
    }

    fn job_path(&self, name: &Name) -> PathBuf {
        self.root.join("jobs").join(format!("{name}.json"))
    }

    fn history_path(&self, name: &Name) -> PathBuf {
        self.root.join("history").join(format!("{name}.ndjson"))
    }

    fn old_history_path(&self, name: &Name) -> PathBuf {
        self.root.join("history").join(format!("{name}.ndjson.1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_api::job::Counters;
    use chrono::TimeZone;

    #[test]
    fn a_record_is_remembered_and_a_damaged_one_is_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let states = States::open(dir.path()).unwrap();
        let name: Name = "nightly".parse().unwrap();
        assert_eq!(states.job(&name), JobRecord::default());
        let record = JobRecord { state: JobState::Active, goes_on: true, run: Some(RunInfo { cycle: 3, ..RunInfo::default() }), ..JobRecord::default() };
        states.put_job(&name, &record).unwrap();
        assert_eq!(states.job(&name), record);
        std::fs::write(states.job_path(&name), b"{\"state\":").unwrap();
        assert_eq!(states.job(&name), JobRecord::default());
    }

    #[test]
    fn mailboxes_are_as_fresh_as_their_last_whole_backup() {
        let hour = |n: i64| Utc.timestamp_opt(1_800_000_000 + n * 3600, 0).unwrap();
        let mut record = JobRecord::default();
        let mut cycle = |ended: i64, end: &str, phases: &[(&str, &str)]| {
            let mailbox = |&(address, phase): &(&str, &str)| {
                let json = serde_json::json!({
                    "address": address, "phase": phase, "known": 0, "stored": 0, "unchanged": 0, "failed": 0, "left": 0, "bytes": 0
                });
                serde_json::from_value(json).unwrap()
            };
            record.take_over(RunInfo { mailboxes: phases.iter().map(mailbox).collect(), ..RunInfo::default() });
            let row = CycleInfo { cycle: 1, started: hour(ended), ended: hour(ended), end: end.into(), detail: String::new(), totals: Counters::default() };
            record.end_cycle(&row);
            record.freshness(hour(30))
        };
        let fresh = |mailboxes, never, stale, oldest: i64| Freshness { mailboxes, never, stale, oldest: Some(hour(oldest)) };
        assert_eq!(cycle(1, "finished", &[("a", "done"), ("b", "done"), ("gone", "done")]), fresh(3, 0, 3, 1));
        assert_eq!(cycle(8, "finished-with-warnings", &[("a", "done"), ("b", "failed"), ("new", "failed")]), fresh(3, 1, 2, 1));
        assert_eq!(cycle(9, "failed", &[]), fresh(3, 1, 2, 1));
        assert_eq!(cycle(29, "stopped", &[("a", "done"), ("b", "done"), ("new", "items")]), fresh(3, 1, 1, 29));
        let JobLifetime { finished, finished_with_warnings, failed, stopped, .. } = record.lifetime;
        assert_eq!((finished, finished_with_warnings, failed, stopped), (1, 1, 1, 1));
    }

    #[test]
    fn history_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let states = States::open(dir.path()).unwrap();
        let name: Name = "nightly".parse().unwrap();
        let time = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
        let detail = "x".repeat(1024 * 1024);
        let row = CycleInfo { cycle: 1, started: time, ended: time, end: "failed".to_owned(), detail, totals: Counters::default() };
        for _ in 0..14 {
            states.add_history(&name, &row).unwrap();
        }
        let bytes: u64 = std::fs::read_dir(dir.path().join("history")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 2 * (HISTORY_BYTES_MAX + 2 * 1024 * 1024), "{bytes} bytes of history");
        let last = std::fs::read_to_string(states.history_path(&name)).unwrap();
        assert_eq!(serde_json::from_str::<CycleInfo>(last.lines().last().unwrap()).unwrap(), row);
    }
}
