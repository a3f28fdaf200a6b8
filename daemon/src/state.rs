//! What the daemon remembers of jobs across restarts: `jobs/NAME.json` and `history/NAME.ndjson`.

use crate::atomic::{self, FileError};
use crate::name::Name;
use c2b_api::job::{Counters, JobState, RunInfo};
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
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
        }
    }
}

/// One cycle that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HistoryRow {
    /// Which cycle of its run, from 1.
    pub cycle: u64,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How it ended: `finished`, `finished-with-warnings`, `failed`, `stopped`.
    pub end: String,
    /// The reason of a failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it counted.
    pub totals: Counters,
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
    pub fn add_history(&self, name: &Name, row: &HistoryRow) -> Result<(), FileError> {
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
    fn history_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let states = States::open(dir.path()).unwrap();
        let name: Name = "nightly".parse().unwrap();
        let time = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
        let detail = "x".repeat(1024 * 1024);
        let row = HistoryRow { cycle: 1, started: time, ended: time, end: "failed".to_owned(), detail, totals: Counters::default() };
        for _ in 0..14 {
            states.add_history(&name, &row).unwrap();
        }
        let bytes: u64 = std::fs::read_dir(dir.path().join("history")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 2 * (HISTORY_BYTES_MAX + 2 * 1024 * 1024), "{bytes} bytes of history");
        let last = std::fs::read_to_string(states.history_path(&name)).unwrap();
        assert_eq!(serde_json::from_str::<HistoryRow>(last.lines().last().unwrap()).unwrap(), row);
    }
}
