//! The audit log: who looked at what, and who changed what.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditQuery {
    /// Those of this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Those of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Those whose action begins with these words: `job`, or `job start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Those about this mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// The last so many of them; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// One thing that somebody did, or was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// When.
    pub time: DateTime<Utc>,
    /// Who.
    pub user: String,
    /// Their number; none where the kernel did not tell, and for the daemon itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Their process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Their login session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// What: a noun and a verb, as on the command line.
    pub action: String,
    /// With which connection, storage or job.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// With which mailboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// How it ended: `done`, `refused: …`, `failed: …`; empty when that is not known (yet).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
}

/// Whether the audit log is as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditVerifyReport {
    /// Whether nothing is wrong.
    pub intact: bool,
    /// Records that were read, those of outcomes included.
    pub records: u64,
    /// Files that hold them.
    pub files: u64,
    /// The last record's number.
    pub last: u64,
    /// What is wrong, by record and file.
    pub problems: Vec<String>,
}
