//! Storages: where backups are kept.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A new storage: made at the path, or attached when a storage of ours is there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageCreate {
    /// Its distinct name.
    pub name: String,
    /// Its folder, an absolute path: missing, empty, or a storage.
    pub path: PathBuf,
}

/// A storage as shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Mailboxes in it.
    pub mailboxes: u64,
    /// Living items in it.
    pub items: u64,
    /// Versions of items in it.
    pub versions: u64,
    /// What all versions would take if each were kept whole, in bytes.
    pub logical_bytes: u64,
    /// What it takes on disk, in bytes.
    pub stored_bytes: u64,
    /// Free space on its file system, in bytes.
    pub free_bytes: u64,
    /// The last commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<DateTime<Utc>>,
    /// The jobs that write to it.
    pub jobs: Vec<String>,
}

/// How thorough a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageCheck {
    /// Reads and verifies every byte, not only the structure.
    #[serde(default)]
    pub read_data: bool,
}

/// A line of a check's or a rebuild's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum CareEvent<R> {
    /// How far it is.
    Progress {
        /// Packs done.
        done: u64,
        /// Packs in all.
        total: u64,
        /// Bytes read so far.
        bytes: u64,
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

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What is damaged; empty when all is well.
    pub damages: Vec<DamageInfo>,
}

/// One damaged place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DamageInfo {
    /// Which file, where, and what is wrong with it.
    pub what: String,
    /// Whose mail it is.
    pub items: Vec<DamagedItem>,
}

/// An item that a damage touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
