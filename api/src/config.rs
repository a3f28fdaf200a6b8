//! What is in force: all definitions and settings with what they leave unsaid, and no secrets.

use crate::access::Grant;
use crate::activity::Activity;
use crate::connection::{ConnectionKind, KerberosDefinition, LdapDefinition, MailboxPlace, OAuthDefinition, SignInKind};
use crate::filter::{Age, SpecialFolder};
use crate::job::{Continuity, PublicFolder, Selection};
use crate::size::Size;
use crate::span::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// All that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EffectiveConfig {
    /// The folder of the definitions.
    pub folder: PathBuf,
    /// The time zone of activity periods that name none.
    pub time_zone: String,
    /// Files that are wrong: what was in force before them still is.
    pub bad: Vec<String>,
    /// Where metrics are told beside the control socket.
    pub metrics: EffectiveMetrics,
    /// Who has which role, to administrators; root and the daemon's own user may do everything besides.
    pub access: Vec<Grant>,
    /// How people are told of alerts.
    pub alerts: Vec<EffectiveChannel>,
    /// Connections by name.
    pub connections: Vec<EffectiveConnection>,
    /// Storages by name.
    pub storages: Vec<EffectiveStorage>,
    /// Jobs by name.
    pub jobs: Vec<EffectiveJob>,
}

/// Where metrics are told beside the control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EffectiveMetrics {
    /// A loopback address; none for nowhere.
    pub listen: Option<String>,
    /// A file for the node exporter; none for nowhere.
    pub textfile: Option<PathBuf>,
}

/// A way to tell people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EffectiveChannel {
    /// `mail`, `hook` or `ping`.
    pub name: String,
    /// To whom.
    pub to: String,
}

/// A connection with what its file leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the keys of the definition file, which ConnectionDefinition documents")]
pub struct EffectiveConnection {
    pub name: String,
    pub owner: String,
    pub kind: ConnectionKind,
    pub url: Option<String>,
    pub autodiscover: Option<String>,
    pub autodiscover_url: Option<String>,
    pub autodiscover_root_domain: bool,
    pub approved_hosts: Vec<String>,
    pub mailboxes: Vec<MailboxPlace>,
    pub sign_in: SignInKind,
    pub user: String,
    pub oauth: Option<OAuthDefinition>,
    pub kerberos: Option<KerberosDefinition>,
    pub ca_file: Option<PathBuf>,
    pub insecure: bool,
    pub ldap: Option<LdapDefinition>,
}

/// A storage with what its file leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EffectiveStorage {
    /// Its name.
    pub name: String,
    /// The Unix user who made it.
    pub owner: String,
    /// Its folder.
    pub path: PathBuf,
    /// Free space below which cycles pause.
    pub reserve: Size,
    /// What is removed when.
    pub retention: EffectiveRetention,
}

/// A policy with what it leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EffectiveRetention {
    /// Replaced versions go after this time; none for never.
    pub superseded_after: Option<Span>,
    /// Deleted items go after this time; none for never.
    pub deleted_after: Option<Span>,
    /// Most versions of an item; none for all.
    pub versions_max: Option<u32>,
    /// How often the daemon marks by itself; none for never.
    pub every: Option<Span>,
    /// How long the schedule leaves marked versions.
    pub undo: Span,
}

/// A job with what its file leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the keys of the definition file, which JobDefinition documents")]
pub struct EffectiveJob {
    pub name: String,
    pub owner: String,
    pub connection: String,
    pub storage: String,
    pub disabled: bool,
    pub continuity: Continuity,
    pub source: Selection,
    pub age: Age,
    pub contacts_always: bool,
    pub leave_out: BTreeSet<SpecialFolder>,
    pub associated: bool,
    pub public_folders: Vec<PublicFolder>,
    pub activity: Option<Activity>,
}
