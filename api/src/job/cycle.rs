//! The history of a job: its cycles, each with what it counted.

use super::Counters;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A cycle, or a look between two, that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CycleInfo {
    /// Which cycle of its run, from 1.
    pub cycle: u64,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How it ended: `finished`, `finished-with-warnings`, `failed`, `stopped`, `paused` (its activity period was over).
    pub end: String,
    /// The reason of a failure, or of a look.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it counted.
    pub totals: Counters,
}
