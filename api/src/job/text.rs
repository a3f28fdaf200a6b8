//! Definitions of jobs as text: TOML, one job or several.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A job's definition as it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JobText {
    /// TOML.
    pub text: String,
}

/// Definitions that are to hold from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JobApply {
    /// TOML: the keys of one job, or a `[[job]]` for each of several, with their `name`.
    pub text: String,
    /// What errors call it: the file's name. Without its ending it is the name of a job that says none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Only this job may be in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Stops running jobs that are to change and starts them again; without it nothing changes when there are any.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// Says what would be done, and does nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What became of a job that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct JobApplied {
    /// The job.
    pub name: String,
    /// What was done.
    pub outcome: Applied,
}

/// What applying a definition did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Applied {
    /// The job is new.
    Created,
    /// It is another one now.
    Changed,
    /// It was like that already.
    Unchanged,
}

/// Another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewName {
    /// The name.
    pub name: String,
}
