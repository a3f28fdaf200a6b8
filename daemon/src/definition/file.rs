//! The keys of definition files. Unknown keys are errors everywhere.

use c2b_api::Size;
use c2b_api::activity::Activity;
use c2b_api::connection::{ConnectionKind, KerberosDefinition, LdapDefinition, MailboxPlace, OAuthDefinition, SignInKind};
use c2b_api::filter::Filter;
use c2b_api::job::{Continuity, PublicFolder, Selection};
use c2b_api::storage::RetentionPolicy;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `connections/NAME.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConnectionFile {
    /// The Unix user who made it; without it the file's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The protocol.
    pub kind: ConnectionKind,
    /// The service's URL; without it Autodiscover finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// An address of the organisation: Autodiscover finds the server from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autodiscover: Option<String>,
    /// Where Autodiscover is, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autodiscover_url: Option<String>,
    /// Asks the bare domain of the address, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub autodiscover_root_domain: bool,
    /// Hosts that may be given the password though only a redirect or DNS named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_hosts: Vec<String>,
    /// Where mailboxes are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<MailboxPlace>,
    /// How it signs in.
    #[serde(default, skip_serializing_if = "SignInKind::is_basic")]
    pub sign_in: SignInKind,
    /// The account that signs in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The application, for the sign-ins that need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthDefinition>,
    /// What Kerberos is to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kerberos: Option<KerberosDefinition>,
    /// A PEM file with the authority to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Accepts any certificate, and plain HTTP beyond loopback.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// The directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap: Option<LdapDefinition>,
}

/// `storages/NAME.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageFile {
    /// The Unix user who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The storage's folder.
    pub path: PathBuf,
    /// Free space below which cycles pause; when not said, the smaller of 1 GiB and 2 % of the file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<Size>,
    /// Which past versions go when; without it everything is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionPolicy>,
}

/// `jobs/NAME.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JobFile {
    /// Its name; without it, it is that of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The Unix user who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The connection that it reads from.
    pub connection: String,
    /// The storage that it writes to.
    pub storage: String,
    /// Whether it goes on and on.
    pub continuity: Continuity,
    /// Which mailboxes.
    pub source: Selection,
    /// Which items and folders of them; without it all.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    /// Which public folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_folders: Vec<PublicFolder>,
    /// When it is active; without it, when it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Keeps it from running.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}
