//! Storages: where backups are kept.

mod care;
mod copy;
mod erase;
mod free;
mod retention;
mod seal;
mod subset;
mod suspicion;

pub use care::{
    CareEvent, DamageInfo, DamagedItem, LostItem, NoItem, ProgressUnit, StorageCheck, StorageCheckReport, StorageRebuildReport, StorageRepairReport, WorkStage,
};
pub use copy::{StorageCopy, StorageCopyReport};
pub use erase::{ErasedInfo, StorageAllow, StorageErase, StorageEraseReport};
pub use free::{PendingReason, PendingSpace, StorageFree, StorageFreeReport};
pub use retention::{PolicyError, RetentionDecision, RetentionPolicy, RetentionRule, RuleCount, StoragePrune, StoragePruneReport, StorageUnpruneReport};
pub use seal::{
    Credential, KeyInfo, KeyKind, PasswordAdd, PasswordChange, PasswordInfo, PasswordRemove, RecoveryKey, ResealInfo, StorageRotate, StorageRotateReport,
    StorageUnlock,
};
pub use subset::{Subset, SubsetError};
pub use suspicion::Suspicion;

use crate::secret::Secret;
use crate::size::Size;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A new storage: made at the path, or attached when a storage of ours is there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageCreate {
    /// Its distinct name.
    pub name: String,
    /// Its folder, an absolute path: missing, empty, or a storage.
    pub path: PathBuf,
    /// Makes it sealed, which needs a password. One that exists is what it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seal: bool,
    /// Refuses to make one: only what is a storage already is attached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// The first password of a sealed storage that is made, or what opens one that is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
}

/// What was made or attached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageCreated {
    /// The storage.
    #[serde(flatten)]
    pub info: StorageInfo,
    /// Its recovery key, given this once when a sealed storage was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_key: Option<Secret>,
}

/// A change of a storage's definition: what is given replaces what was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageEdit {
    /// Another name; the jobs that use it follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another policy, as a whole; an empty one keeps everything from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionPolicy>,
    /// Another reserve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<Size>,
}

/// A mount that the caller is about to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageMount {
    /// Where.
    pub dir: PathBuf,
}

/// What a mount tells of itself, for the audit log: that it was made, or what somebody read in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MountReport {
    /// The storage's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Where it is mounted.
    pub dir: PathBuf,
    /// Whose mail was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// Who read it: user and processes, as the kernel told the mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// The keys of the items, with spaces between; none when folders were listed only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
}

/// A storage as shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageInfo {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Why it cannot be used now; none when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Its identity; none while it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Its format's version; 0 while it cannot be used.
    pub format: u32,
    /// Whether contents, names and index cannot be read without a key; none while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
    /// What opens it when it is sealed; empty in a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyInfo>,
    /// Mailboxes in it.
    pub mailboxes: u64,
    /// Living items in it.
    pub items: u64,
    /// Versions of items in it.
    pub versions: u64,
    /// What all versions would take if each were kept whole, in bytes.
    pub logical_bytes: u64,
    /// What is left of it once equal parts are kept once, decoded and before compression, in bytes; 0 when that is not known,
    /// as in a list.
    #[serde(default)]
    pub unique_bytes: u64,
    /// What it takes on disk, in bytes.
    pub stored_bytes: u64,
    /// How much of that is the index, which can be made anew from the rest, in bytes.
    #[serde(default)]
    pub index_bytes: u64,
    /// Free space on its file system, in bytes.
    pub free_bytes: u64,
    /// Free space below which cycles pause, in bytes.
    #[serde(default)]
    pub reserve_bytes: u64,
    /// Whether free space is below the reserve.
    #[serde(default)]
    pub low_space: bool,
    /// What retention marked and what is not freed yet.
    #[serde(default)]
    pub marked: MarkedInfo,
    /// What the last freeing had to leave, by the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingSpace>,
    /// When the last freeing ended; none when there was none, or nobody remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed: Option<DateTime<Utc>>,
    /// Space that nothing refers to but that programs which read the storage hold open, in bytes.
    #[serde(default)]
    pub pinned_bytes: u64,
    /// The last commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<DateTime<Utc>>,
    /// When the part that was verified longest ago was verified; none when some part never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_verification: Option<DateTime<Utc>>,
    /// Contents that damage took and that the source has not given again yet.
    #[serde(default)]
    pub lost_contents: u64,
    /// Mailboxes that were erased.
    #[serde(default)]
    pub erased_mailboxes: u64,
    /// How many of them are not out of every file yet; that goes on by itself.
    #[serde(default)]
    pub erasing_mailboxes: u64,
    /// The long work that goes on there, in a word; a backup is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<String>,
    /// How far the sealing of old data with the newest key is; none when all is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resealing: Option<ResealInfo>,
    /// Why some old data cannot be sealed with the newest key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reseal_stuck: Vec<String>,
    /// What is removed when; an empty policy keeps everything.
    #[serde(default)]
    pub retention: RetentionPolicy,
    /// The jobs that write to it.
    pub jobs: Vec<String>,
    /// Why its retention removes nothing until somebody has looked: mailboxes that changed as if somebody destroyed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Suspicion>,
}

/// Versions that retention marked: still there, and until they are freed the marks can be undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MarkedInfo {
    /// How many.
    pub versions: u64,
    /// What they would take if each were kept whole, in bytes.
    pub bytes: u64,
    /// When they are freed by the schedule; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed_from: Option<DateTime<Utc>>,
}
