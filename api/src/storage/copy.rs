//! A copy of a storage: self-contained, incremental, resumable.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Brings the copy in a folder up to date, or makes it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageCopy {
    /// The copy's folder, an absolute path: missing, empty, or a copy of this storage.
    pub path: PathBuf,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageCopyReport {
    /// Files copied.
    pub files: u64,
    /// Files that were there already.
    pub files_present: u64,
    /// Files removed from the copy, since the storage does not have them any more.
    pub files_removed: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// What of the storage is damaged or missing; the rest is in the copy all the same.
    #[serde(default)]
    pub damages: Vec<String>,
    /// The newest commit that the copy holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<DateTime<Utc>>,
}
