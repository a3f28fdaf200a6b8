//! Connections: where mail comes from.

use crate::secret::Secret;
use crate::slots::SlotsInfo;
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
    /// The service's URL, for instance `https://mail.example.org/EWS/Exchange.asmx`; without it Autodiscover finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// An address of the organisation: Autodiscover finds the server from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autodiscover: Option<String>,
    /// Where Autodiscover is, when that is known; asked before all other places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autodiscover_url: Option<String>,
    /// Asks the bare domain of the address, too, which often is somebody else's web server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub autodiscover_root_domain: bool,
    /// Hosts that Autodiscover may give the password though only a redirect or DNS named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_hosts: Vec<String>,
    /// Where mailboxes are listed, in this order; the address list of the server when nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<MailboxPlace>,
    /// The account that signs in.
    pub user: String,
    /// A PEM file with the authority that the server's certificate is checked against, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Accepts any certificate, and plain HTTP beyond loopback. Stays visible as a warning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// The directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap: Option<LdapDefinition>,
}

/// A place where mailboxes are listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxPlace {
    /// The directory that the definition names.
    Ldap,
    /// What the account may search (`GetSearchableMailboxes`).
    Searchable,
    /// The address list of the server, by names.
    Names,
    /// The members of a distribution group, and of the groups in it.
    Group(String),
    /// A file of addresses, one a line or with columns; read again at each cycle.
    File(PathBuf),
    /// These addresses.
    List(Vec<String>),
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LdapDefinition {
    /// Its URL, for instance `ldaps://dc1.example.org:3269`.
    pub url: String,
    /// Goes over to TLS after connecting with `ldap://`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub start_tls: bool,
    /// Who signs in there, with a password of their own; without it the connection's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Below which entry the mailboxes are; without it the whole forest of a global catalog, else the server's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Which entries are mailboxes; without it those with a GUID and a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// A PEM file with the authority that the directory's certificate is checked against; without it the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
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
    /// The password of the directory's own user, where the definition names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_password: Option<Secret>,
}

/// What a look at a connection is to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CheckRequest {
    /// The mailboxes to open; without any, some of those that jobs name or that are listed.
    #[serde(default)]
    pub mailboxes: Vec<String>,
}

/// A server that Autodiscover found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FoundServer {
    /// The address that it was found from.
    pub address: String,
    /// The service's URL.
    pub url: String,
    /// The place that told.
    pub told_by: String,
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
    /// The server that Autodiscover found; none where the URL is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FoundServer>,
    /// The Unix user who made it.
    pub owner: String,
    /// The jobs that use it.
    pub jobs: Vec<String>,
    /// What an administrator should know, for instance that certificates are not checked.
    pub warnings: Vec<String>,
    /// How it stands with its server; none before a job used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<SlotsInfo>,
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
