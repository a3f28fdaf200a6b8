//! The daemon at a glance.

use crate::connection::ConnectionInfo;
use crate::job::JobStatus;
use crate::storage::StorageInfo;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that `c2bctl status` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// The version of the socket's language ([`crate::openapi::VERSION`]); empty from daemons before it had one.
    #[serde(default)]
    pub api_version: String,
    /// What time it is there.
    pub now: DateTime<Utc>,
    /// Since when it runs.
    pub started: DateTime<Utc>,
    /// Its process id.
    pub pid: u32,
    /// What is not as it should be: wrong definition files, unusable storages, failed jobs, standing warnings.
    pub bad_news: Vec<String>,
    /// All jobs.
    pub jobs: Vec<JobStatus>,
    /// All storages.
    pub storages: Vec<StorageInfo>,
    /// All connections.
    pub connections: Vec<ConnectionInfo>,
}
