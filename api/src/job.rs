//! Jobs: what is backed up from where to where, and how it goes.

mod cycle;
mod failure;
mod text;

pub use cycle::CycleInfo;
pub use failure::{FailureChoice, FailureCount, FailureInfo};
pub use text::{Applied, JobApplied, JobApply, JobText, NewName};

use crate::activity::Activity;
use crate::filter::{Age, Filter, SpecialFolder};
use crate::idle::Idle;
use crate::lifetime::{Freshness, JobLifetime};
use crate::slots::SlotsInfo;
use chrono::{DateTime, FixedOffset, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

/// A backup job's definition (spec.md section 2), as in `jobs/NAME.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
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
    /// Which items and folders of the mailboxes.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    /// Which public folders; none when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_folders: Vec<PublicFolder>,
    /// When it is active; without one it runs when it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Keeps it from running, whoever or whatever would start it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// A public folder that a job backs up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PublicFolder {
    /// Names from the top, joined by `/`; in a name `/` is `%2F` and `%` is `%25`. `/` alone is the top of all.
    pub path: String,
    /// Takes the folders below it, too, those included that come later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subfolders: bool,
}

/// Which mailboxes a job covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Only these addresses.
    Only(Vec<String>),
    /// All that the connection lists at the start of a cycle, except these.
    AllExcept(Vec<String>),
}

/// Whether a job goes on and on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Items of another age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// Whether contacts are taken whatever their age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts_always: Option<bool>,
    /// Other special folders to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave_out: Option<BTreeSet<SpecialFolder>>,
    /// Whether associated items are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub associated: Option<bool>,
    /// Other public folders; an empty list for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_folders: Option<Vec<PublicFolder>>,
    /// Other activity periods; `null` for none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub activity: Option<Option<Activity>>,
    /// Whether it is kept from running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Stops a running job for the edit and starts it again; without it an edit of a running job is refused.
    #[serde(default)]
    pub stop: bool,
}

/// How a job is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JobStart {
    /// Outside of its activity periods, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub now: bool,
}

/// How many are wished for, of what could be many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HowMany {
    /// At most so many.
    #[serde(default = "ten")]
    pub n: usize,
}

fn ten() -> usize {
    10
}

/// The next activity periods of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct JobSchedule {
    /// The time zone in which they are meant, by its name in the tz database.
    pub time_zone: String,
    /// The periods, the one that is open now first.
    pub periods: Vec<PeriodInfo>,
}

/// One activity period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PeriodInfo {
    /// Its first moment.
    pub start: DateTime<Utc>,
    /// The first moment after it.
    pub end: DateTime<Utc>,
    /// Its first moment as clocks in the job's time zone show it.
    pub local_start: DateTime<FixedOffset>,
    /// The first moment after it, as they show it.
    pub local_end: DateTime<FixedOffset>,
}

/// The state of a job (spec.md section 2, "States and counters").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The last cycle, or look between two, that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cycle: Option<CycleInfo>,
    /// Since when cycles fail, without one that ended well; none when the last one did, or was stopped by somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<DateTime<Utc>>,
    /// Since when cycles leave something out, without one that left nothing out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_since: Option<DateTime<Utc>>,
    /// Whether a run goes on: in a cycle, or between two. One that waits for its activity period has none.
    #[serde(default)]
    pub running: bool,
    /// Whether the cycle that goes on began with another definition: this one is for the next cycle.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pending: bool,
    /// When the next cycle starts.
    pub next_run: Option<DateTime<Utc>>,
    /// Items in the failure ledger now.
    pub failures: u64,
    /// How a continuous job hears of changes between its cycles; none while it does not try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<ListeningInfo>,
    /// What it counted in all its life.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lifetime: JobLifetime,
    /// How fresh its mailboxes are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub freshness: Freshness,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a job hears of changes between its cycles: what the source tells by itself, which only shortens the wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ListeningInfo {
    /// Mailboxes of which events are heard.
    pub mailboxes: u64,
    /// Mailboxes that the job covers.
    pub of: u64,
    /// Connections over which events come.
    pub connections: u64,
    /// Looks at single mailboxes, since it listens, because something was heard of them.
    pub looks: u64,
    /// Why the other mailboxes are not heard; empty when all are, or no reason is known yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// One run of a job: from its start until it is stopped or done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Items looked at, unchanged ones included.
    pub scanned: u64,
    /// Items stored: new ones and new versions.
    pub stored: u64,
    /// Items that the job's filter leaves out.
    #[serde(default)]
    pub excluded: u64,
    /// Items that could not be stored.
    pub failed: u64,
    /// Items seen to be deleted at the source.
    pub deleted: u64,
    /// Bytes of stored items' contents before deduplication and compression.
    pub bytes: u64,
    /// Bytes of them that the storage did not hold before, decoded and not yet compressed.
    pub new_bytes: u64,
}

impl Counters {
    /// Returns what was counted since an earlier look.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            scanned: self.scanned.saturating_sub(earlier.scanned),
            stored: self.stored.saturating_sub(earlier.stored),
            excluded: self.excluded.saturating_sub(earlier.excluded),
            failed: self.failed.saturating_sub(earlier.failed),
            deleted: self.deleted.saturating_sub(earlier.deleted),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            new_bytes: self.new_bytes.saturating_sub(earlier.new_bytes),
        }
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        let Self { scanned, stored, excluded, failed, deleted, bytes, new_bytes } = other;
        self.scanned += scanned;
        self.stored += stored;
        self.excluded += excluded;
        self.failed += failed;
        self.deleted += deleted;
        self.bytes += bytes;
        self.new_bytes += new_bytes;
    }
}

/// How far a mailbox is. `known = stored + unchanged + excluded + failed + left` holds always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Items that the job's filter leaves out.
    #[serde(default)]
    pub excluded: u64,
    /// Items that could not be stored.
    pub failed: u64,
    /// Items still to do.
    pub left: u64,
    /// Bytes received.
    pub bytes: u64,
}

/// Something that went wrong with a mailbox or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Tells `null` from what was not given.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
