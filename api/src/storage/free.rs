//! Freeing: what retention marked and what was erased gives its space back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Frees space. It goes in steps beside backups and readers, stops when the caller hangs up, and goes on where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageFree {
    /// Only says what would be freed.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was freed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageFreeReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Versions that can be undone no more.
    pub versions: u64,
    /// What they took when each is kept whole, in bytes.
    pub logical_removed_bytes: u64,
    /// What the storage takes less on disk, in bytes.
    pub physical_freed_bytes: u64,
    /// What was written anew to free the rest of its pack, in bytes.
    pub rewritten_bytes: u64,
    /// What nothing needs and what still takes space, by the reason.
    pub pending: Vec<PendingSpace>,
}

/// Space that is not free yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PendingSpace {
    /// How much, in bytes.
    pub bytes: u64,
    /// Why.
    pub reason: PendingReason,
    /// Since when, where that tells something: a reader's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

/// Why space is not free yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PendingReason {
    /// Versions are marked, and their undo time is not over.
    Undo,
    /// Other versions or mailboxes use the same parts.
    Shared,
    /// Too little of a pack is unused to write the rest anew.
    NotWorthIt,
    /// A program that reads the storage holds the file open.
    Pinned,
    /// The run was interrupted before it came to it.
    Interrupted,
}
