//! Freeing: what retention marked and what was erased gives its space back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Frees space. It goes in steps beside backups and readers, stops when the caller hangs up, and goes on where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageFree {
    /// Only says what would be freed.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was freed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageFreeReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Versions that can be undone no more.
    pub versions: u64,
    /// How much less all versions would take if each were kept whole, in bytes; what a later version has too is not in it.
    pub logical_removed_bytes: u64,
    /// What the storage takes less on disk, in bytes.
    pub physical_freed_bytes: u64,
    /// Packs that were replaced by smaller ones, or removed.
    pub packs: u64,
    /// What nothing needs and what still takes space, by the reason.
    pub pending: Vec<PendingSpace>,
}

/// Space that is not free yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PendingSpace {
    /// How much, in bytes.
    pub bytes: u64,
    /// Why.
    pub reason: PendingReason,
    /// Which pack, or which program; empty where that tells nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Why space is not free yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PendingReason {
    /// Too little of a pack is unused to write the rest anew.
    NotWorthIt,
    /// There is no room to write the rest of a pack anew.
    NoRoom,
    /// The pack is damaged.
    Damaged,
    /// The pack was replaced meanwhile by other work.
    Replaced,
    /// A program that reads the storage holds the file open.
    Pinned,
}
