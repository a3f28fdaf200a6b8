//! Erasing one mailbox from all history, with a record that it was done.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Erases a mailbox: at once and for ever unreadable in a sealed storage, gone from every moment in any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageErase {
    /// Its address.
    pub mailbox: String,
    /// Only says what would be lost.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was lost, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageEraseReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The mailbox.
    pub mailbox: String,
    /// Folders of it.
    pub folders: u64,
    /// Living items of it.
    pub items: u64,
    /// Versions of its items.
    pub versions: u64,
    /// What they take when each is kept whole, in bytes.
    pub logical_bytes: u64,
    /// What other mailboxes hold too and what therefore stays with them, in bytes.
    pub shared_bytes: u64,
    /// What the storage takes less on disk now, in bytes.
    pub freed_bytes: u64,
}

/// The record of an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ErasedInfo {
    /// The mailbox's address.
    pub mailbox: String,
    /// When it was erased.
    pub time: DateTime<Utc>,
    /// Who asked for it.
    pub who: String,
    /// Living items that were lost.
    pub items: u64,
    /// Versions that were lost.
    pub versions: u64,
    /// Whether the address may be backed up again; until then cycles leave it out.
    pub allowed: bool,
}

/// Lets an erased mailbox be backed up again, from nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageAllow {
    /// Its address.
    pub mailbox: String,
}
