//! A mailbox that changed as if somebody destroyed or encrypted it (spec.md section 6, users-ask.md).

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// At least a fifth of a mailbox was deleted or rewritten in one cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Suspicion {
    /// When it was seen.
    pub since: DateTime<Utc>,
    /// The job that saw it.
    pub job: String,
    /// The mailbox.
    pub mailbox: String,
    /// Items that it held before.
    pub before: u64,
    /// Items that were deleted.
    pub deleted: u64,
    /// Items of which the contents changed.
    pub rewritten: u64,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, mailbox, before, deleted, rewritten, .. } = self;
        write!(f, "of {before} items of {mailbox}, {deleted} were deleted and {rewritten} rewritten in one cycle of job {job}")
    }
}
