//! Check, rebuild and repair, and the stream of events that all long work on a storage answers with.

use super::Subset;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of the stream of long work, with what comes at its end and what it finds on its way.
///
/// The work stops at its next step when the caller hangs up; a rebuild runs to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[schemars(rename = "{R}Event")]
pub enum CareEvent<R, I = NoItem> {
    /// How far it is.
    Progress {
        /// How many are done.
        done: u64,
        /// Of how many.
        total: u64,
        /// Of what.
        #[serde(default)]
        unit: ProgressUnit,
        /// Bytes read so far; freed so far where something is freed.
        bytes: u64,
        /// What is being done, where the work has stages.
        #[serde(default, skip_serializing_if = "WorkStage::is_whole")]
        stage: WorkStage,
    },
    /// One more of what was asked for.
    Found {
        /// It.
        item: I,
    },
    /// It is done.
    Done {
        /// What came of it.
        report: R,
    },
    /// It failed.
    Failed {
        /// Why.
        error: crate::ApiError,
    },
}

/// Work that finds nothing on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NoItem {}

/// What progress counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProgressUnit {
    /// Packs: the files that hold everything.
    #[default]
    Packs,
    /// Files.
    Files,
    /// Versions of items.
    Versions,
    /// Commits.
    Commits,
    /// Bytes.
    Bytes,
}

/// What long work does at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkStage {
    /// All of it: it has no stages.
    #[default]
    Whole,
    /// It waits for a job that works on the same mailbox.
    Waiting,
    /// It finds out what is there and who needs it; how long that takes is not known.
    Looking,
    /// It notes what goes.
    Marking,
    /// It stores anew, elsewhere, what stays of parts that go.
    Moving,
    /// It writes packs anew without what goes.
    Rewriting,
    /// It overwrites what the index has of it.
    Index,
}

impl WorkStage {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// How thorough a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageCheck {
    /// Reads and verifies every byte, not only the structure.
    #[serde(default)]
    pub read_data: bool,
    /// Reads every byte of a part of the packs only; the structure is looked at as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageCheckReport {
    /// Packs looked at.
    pub packs: u64,
    /// Living items looked at.
    pub items: u64,
    /// Versions looked at.
    pub versions: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// When the part that was verified longest ago was verified; none when some part never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_verification: Option<DateTime<Utc>>,
    /// Whether the storage is sealed and this host cannot open it: then only checksums were proven.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// Contents that an earlier repair found lost and that the source has not given again; not counted as damage.
    #[serde(default)]
    pub known_losses: u64,
    /// What is damaged; empty when all is well.
    pub damages: Vec<DamageInfo>,
    /// What is odd and harms nothing.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One damaged place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DamageInfo {
    /// Which file, where, and what is wrong with it.
    pub what: String,
    /// Whose mail it is.
    pub items: Vec<DamagedItem>,
}

/// An item that a damage touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DamagedItem {
    /// Mailbox.
    pub mailbox: String,
    /// Folder path.
    pub folder: String,
    /// Subject.
    pub subject: String,
    /// The item's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateTime<Utc>>,
    /// The short key in its file name.
    pub key: String,
}

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageRebuildReport {
    /// Packs read.
    pub packs: u64,
    /// Living items found.
    pub items: u64,
    /// Versions found.
    pub versions: u64,
    /// What could not be used; empty when all is well.
    pub problems: Vec<String>,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageRepairReport {
    /// Packs looked at.
    pub packs: u64,
    /// What was made anew from what is whole, with the reason.
    #[serde(default)]
    pub made: Vec<String>,
    /// What was put aside, with the reason; kept in the storage's folder `quarantine`.
    pub quarantined: Vec<String>,
    /// Living items whose content is lost here: the next cycle fetches them again where the source still has them.
    pub fetched_again: Vec<DamagedItem>,
    /// What is lost for good: past versions, and items that the source had deleted.
    pub lost: Vec<LostItem>,
    /// What is lost and cannot be named any more; the next cycle compares these mailboxes as a whole.
    #[serde(default)]
    pub unknown: Vec<String>,
}

/// A version that is lost for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LostItem {
    /// The item.
    #[serde(flatten)]
    pub item: DamagedItem,
    /// Which of its versions, from 1; none when that is not known any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why it cannot be fetched again.
    pub reason: String,
}
