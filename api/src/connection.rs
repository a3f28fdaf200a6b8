//! Connections: where mail comes from.

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionKind {
    /// Exchange Web Services.
    Ews,
}

/// A connection's definition, as in `connections/NAME.toml`. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectionDefinition {
    /// The protocol.
    pub kind: ConnectionKind,
    /// The service's URL, for instance `https://mail.example.org/EWS/Exchange.asmx`.
    pub url: String,
    /// The account that signs in.
    pub user: String,
    /// A PEM file with the authority that the server's certificate is checked against, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Accepts any certificate, and plain HTTP beyond loopback. Stays visible as a warning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// A new connection.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectionCreate {
    /// Its distinct name.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub definition: ConnectionDefinition,
    /// The account's password. Travels over the local socket only and is never given back.
    pub password: Secret,
}

/// A connection as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectionInfo {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub definition: ConnectionDefinition,
    /// The Unix user who made it.
    pub owner: String,
    /// The jobs that use it.
    pub jobs: Vec<String>,
    /// What an administrator should know, for instance that certificates are not checked.
    pub warnings: Vec<String>,
}

/// What a look at a connection found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckReport {
    /// Whether a job could run: no finding is an error.
    pub usable: bool,
    /// The findings, in the order in which they were made.
    pub findings: Vec<Finding>,
    /// What the failure is, for the exit code; none when `usable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<crate::ErrorCode>,
}

/// One fact about a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What to do; empty when nothing.
    #[serde(default)]
    pub hint: String,
}

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, with a limit that one should know.
    Warning,
    /// Does not work.
    Error,
}

/// A mailbox that a connection can list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MailboxInfo {
    /// Its address.
    pub address: String,
    /// Its name in the address list.
    pub display_name: String,
    /// `user`, `linked`, `shared`, `room`, `equipment`, `archive`, `public-folder`, `system`, `group`, `guest`, `unsupported` or `unknown`.
    pub kind: String,
    /// Whether it has an archive mailbox; none where nobody tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
    /// Why it is not backed up; none for one that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}
