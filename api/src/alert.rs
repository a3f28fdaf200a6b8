//! Alerts: what is wrong, since when, what to do; and how people are told (spec.md section 6).

use crate::Secret;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// A job's cycles fail.
    Failure,
    /// A job's last cycle left some things out.
    Warnings,
    /// No cycle of a job has ended well for too long.
    Silence,
    /// A storage has less free space than its reserve.
    LowSpace,
    /// A storage cannot be used, or something in it is lost.
    Storage,
    /// A certificate or secret expires, or has expired.
    Expiry,
    /// Much of a mailbox was deleted or rewritten at once.
    Suspicious,
    /// A definition cannot be understood, or lacks a part.
    Configuration,
    /// Nothing: somebody tries whether alerts arrive.
    Test,
}

impl AlertKind {
    /// Returns the word for it, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Warnings => "warnings",
            Self::Silence => "silence",
            Self::LowSpace => "low-space",
            Self::Storage => "storage",
            Self::Expiry => "expiry",
            Self::Suspicious => "suspicious",
            Self::Configuration => "configuration",
            Self::Test => "test",
        }
    }
}

/// A trouble that people are told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AlertInfo {
    /// What it is about.
    pub kind: AlertKind,
    /// Where: `job nightly`, `storage archive`, `connection main`.
    pub object: String,
    /// What happened.
    pub message: String,
    /// What to do; empty when the message says it.
    #[serde(default)]
    pub hint: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What is told: that a trouble began, goes on, or is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AlertEvent {
    /// Which of these.
    pub stage: AlertStage,
    /// When.
    pub time: DateTime<Utc>,
    /// The trouble.
    #[serde(flatten)]
    pub alert: AlertInfo,
}

/// How far a trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertStage {
    /// It began.
    Raised,
    /// It goes on, long after it was told.
    Reminder,
    /// It is over.
    Recovered,
}

/// How people are told of alerts, and of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AlertStatus {
    /// The troubles there are now.
    pub open: Vec<AlertInfo>,
    /// The ways to tell, none when nobody is told.
    pub channels: Vec<ChannelInfo>,
}

/// A way to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChannelInfo {
    /// `mail`, `hook` or `ping`.
    pub name: String,
    /// To whom: addresses, the command, the URL's host.
    pub to: String,
    /// When it last worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked: Option<DateTime<Utc>>,
    /// Why it last did not; none when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Events that wait to be told.
    pub waiting: u64,
}

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AlertTest {
    /// The way.
    pub channel: String,
    /// To whom.
    pub to: String,
    /// Why it failed; none when it worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A password for the mail server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AlertPassword {
    /// The password.
    pub password: Secret,
}
