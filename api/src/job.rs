//! Jobs: what is backed up from where to where, and how it goes.

use crate::idle::Idle;
use crate::slots::SlotsInfo;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A backup job's definition (spec.md section 2), as in `jobs/NAME.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobDefinition {
    /// Its distinct name; in the file it is the file's name.
    pub name: String,
    /// The connection that it reads from.
    pub connection: String,
    /// The storage that it writes to.
    pub storage: String,
    /// Which mailboxes.
    pub source: Selection,
    /// Whether it goes on and on.
    pub continuity: Continuity,
}

/// Which mailboxes a job covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Only these addresses.
    Only(Vec<String>),
    /// All that the connection lists at the start of a cycle, except these.
    AllExcept(Vec<String>),
}

/// Whether a job goes on and on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Continuity {
    /// Cycle after cycle.
    Continuous {
        /// From the end of one cycle to the start of the next.
        #[serde(default)]
        idle: Idle,
    },
    /// One cycle.
    OneTime,
}

/// An edit: what is given replaces what was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JobEdit {
    /// Another connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Another storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Other mailboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Selection>,
    /// Another continuity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuity: Option<Continuity>,
    /// Stops a running job for the edit and starts it again; without it an edit of a running job is refused.
    #[serde(default)]
    pub stop: bool,
}

/// The state of a job (spec.md section 2, "States and counters").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Not running and never finished, or stopped by somebody.
    Inactive,
    /// Running, or waiting for its next cycle.
    Active,
    /// Its last run ended well.
    Finished,
    /// Its last run ended, and some things could not be backed up.
    FinishedWithWarnings,
    /// Its last run failed.
    Error,
}

/// A job as shown. The one source from which lists, JSON and exit codes are derived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobStatus {
    /// What it is.
    pub definition: JobDefinition,
    /// Its state.
    pub state: JobState,
    /// The state's detail in words: `running`, `idle until …`, `waits for alice@… held by nightly`, `stopped by root`, the reason of an error.
    pub detail: String,
    /// The run that goes on, or the last one.
    pub run: Option<RunInfo>,
    /// When a cycle last ended well, or with warnings.
    pub last_success: Option<DateTime<Utc>>,
    /// When the next cycle starts.
    pub next_run: Option<DateTime<Utc>>,
    /// Items in the failure ledger now.
    pub failures: u64,
}

/// One run of a job: from its start until it is stopped or done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunInfo {
    /// When it started.
    pub started: Option<DateTime<Utc>>,
    /// When it ended; none while it goes on.
    pub ended: Option<DateTime<Utc>>,
    /// Which cycle this is, from 1.
    pub cycle: u64,
    /// Sums over the whole run.
    pub totals: Counters,
    /// Sums over this cycle.
    pub cycle_totals: Counters,
    /// Each mailbox in this cycle.
    pub mailboxes: Vec<MailboxProgress>,
    /// What went wrong with mailboxes and folders in this cycle (items are in the failure ledger).
    pub problems: Vec<Problem>,
    /// Items looked at a second, the average over the run.
    pub items_per_sec: f64,
    /// Bytes received a second, the average over the run.
    pub bytes_per_sec: f64,
    /// Expected time until the cycle's end, in seconds; none until it can be told.
    pub remaining_secs: Option<u64>,
    /// Time spent waiting because the server asked for it, in seconds.
    pub throttled_secs: u64,
    /// How its connection stands with the server, all of the connection's jobs together; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<SlotsInfo>,
}

/// What a job counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Items looked at, unchanged ones included.
    pub scanned: u64,
    /// Items stored: new ones and new versions.
    pub stored: u64,
    /// Items that could not be stored.
    pub failed: u64,
    /// Items seen to be deleted at the source.
    pub deleted: u64,
    /// Bytes of stored items' contents before deduplication and compression.
    pub bytes: u64,
    /// Bytes of them that the storage did not hold before, decoded and not yet compressed.
    pub new_bytes: u64,
}

/// How far a mailbox is. `known = stored + unchanged + failed + left` holds always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MailboxProgress {
    /// Its address.
    pub address: String,
    /// Where it is: `waiting`, `folders`, `items`, `done`, `failed`, `erased` (from the storage, and left out until it is allowed again).
    pub phase: String,
    /// Items that the cycle knows of so far.
    pub known: u64,
    /// Items stored.
    pub stored: u64,
    /// Items that needed nothing.
    pub unchanged: u64,
    /// Items that could not be stored.
    pub failed: u64,
    /// Items still to do.
    pub left: u64,
    /// Bytes received.
    pub bytes: u64,
}

/// Something that went wrong with a mailbox or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// The mailbox; empty when it is about the whole job.
    pub mailbox: String,
    /// The folder; empty when it is about the whole mailbox.
    #[serde(default)]
    pub folder: String,
    /// The code.
    pub code: String,
    /// Plain words.
    pub message: String,
    /// What to do; empty when nothing.
    #[serde(default)]
    pub hint: String,
}

/// An item in the failure ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailureInfo {
    /// Mailbox.
    pub mailbox: String,
    /// Folder path.
    pub folder: String,
    /// The item's id at the source.
    pub item: String,
    /// Subject, when it is known.
    pub subject: String,
    /// Date, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateTime<Utc>>,
    /// Size in bytes, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The code.
    pub code: String,
    /// Plain words.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it first failed.
    pub first_seen: DateTime<Utc>,
    /// When it last failed.
    pub last_seen: DateTime<Utc>,
    /// When it is tried again; none when it will not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<DateTime<Utc>>,
}
