//! Connections: where mail comes from.

use crate::Span;
use crate::secret::Secret;
use crate::slots::SlotsInfo;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionKind {
    /// Exchange Web Services.
    Ews,
}

/// A connection's definition, as in `connections/NAME.toml`. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// How it signs in.
    #[serde(default, skip_serializing_if = "SignInKind::is_basic")]
    pub sign_in: SignInKind,
    /// The account that signs in; an application has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The application, for the sign-ins that need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthDefinition>,
    /// What Kerberos is to use, where that is not the usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kerberos: Option<KerberosDefinition>,
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

impl ConnectionDefinition {
    /// Returns whether the secret goes to the same place in the same way as with another definition, so that it need not be given again.
    pub fn keeps_secret(&self, before: &Self) -> bool {
        let same = |of: &Self| {
            let oauth = of.oauth.clone().map(|oauth| OAuthDefinition { secret_expires: None, ..oauth });
            let ldap = of.ldap.clone().filter(|ldap| ldap.user.is_none()).map(|ldap| LdapDefinition { base: None, filter: None, ..ldap });
            Self { mailboxes: Vec::new(), oauth, ldap, ..of.clone() }
        };
        same(self) == same(before)
    }

    /// Returns whether the same holds for the password of the directory's own user.
    pub fn keeps_directory_secret(&self, before: &Self) -> bool {
        let same = |of: &Self| {
            let ldap = of.ldap.clone().filter(|ldap| ldap.user.is_some()).map(|ldap| LdapDefinition { base: None, filter: None, ..ldap });
            (ldap, of.ca_file.clone(), of.insecure)
        };
        same(self) == same(before)
    }
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignInKind {
    /// User and password in each request.
    #[default]
    Basic,
    /// NTLM version 2.
    Ntlm,
    /// Kerberos, or NTLM where there is no Kerberos.
    Negotiate,
    /// OAuth 2.0: an application with a secret.
    OauthSecret,
    /// OAuth 2.0: an application with a certificate.
    OauthCertificate,
    /// OAuth 2.0: a user who signs in with a code on another device.
    DeviceCode,
}

impl SignInKind {
    /// All of them, the usual one first.
    pub const ALL: [Self; 6] = [Self::Basic, Self::Ntlm, Self::Negotiate, Self::OauthSecret, Self::OauthCertificate, Self::DeviceCode];

    /// Returns whether it is the usual one.
    pub fn is_basic(&self) -> bool {
        *self == Self::Basic
    }

    /// Returns whether a token service is asked.
    pub fn is_oauth(self) -> bool {
        matches!(self, Self::OauthSecret | Self::OauthCertificate | Self::DeviceCode)
    }

    /// Returns its word in definition files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Ntlm => "ntlm",
            Self::Negotiate => "negotiate",
            Self::OauthSecret => "oauth-secret",
            Self::OauthCertificate => "oauth-certificate",
            Self::DeviceCode => "device-code",
        }
    }
}

/// An application that a token service knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OAuthDefinition {
    /// Its id.
    pub client_id: String,
    /// The tenant at Entra ID, by id or domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The token service, where it is not that of the tenant at Entra ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// What is asked for; without it all that the application may do at the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The last day on which the application's secret is good, as where it was made says: no token service tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_expires: Option<NaiveDate>,
}

/// What Kerberos is to use, where that is not the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KerberosDefinition {
    /// The service's principal; without it `HTTP/` and the host of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Takes the ticket from the daemon's ticket cache or client keytab instead of a password.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system_ticket: bool,
}

/// A place where mailboxes are listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// A new connection, or all of one that is changed: then what keeps its secret needs none, and the name is that of the path.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct ConnectionCreate {
    /// Its distinct name.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub definition: ConnectionDefinition,
    /// The account's password, or the application's secret, or its certificate with the key in PEM; none where
    /// none is needed. Travels over the local socket only and is never given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The password of the directory's own user, where the definition names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_password: Option<Secret>,
}

/// A connection's own password, which who is not its owner gives before using or changing it.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConnectionPassword {
    /// It.
    pub password: Secret,
}

/// What a look at a connection is to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CheckRequest {
    /// The mailboxes to open; without any, some of those that jobs name or that are listed.
    #[serde(default)]
    pub mailboxes: Vec<String>,
}

/// What one hears while a connection waits for somebody to sign in with a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum SignInEvent {
    /// Somebody is to open the URL and type the code.
    #[serde(rename_all = "kebab-case")]
    Code {
        /// The page.
        url: String,
        /// The code.
        code: String,
        /// For how long it holds, in seconds.
        expires_secs: u64,
    },
    /// Somebody did; the connection can be used.
    Done,
    /// Nobody did, or the service refused.
    Failed {
        /// Why.
        error: crate::ApiError,
    },
}

/// A server that Autodiscover found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FoundServer {
    /// The address that it was found from.
    pub address: String,
    /// The service's URL.
    pub url: String,
    /// The place that told.
    pub told_by: String,
    /// The mailbox with the tree of public folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_folders: Option<String>,
    /// Its server, as requests about the tree name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_folder_server: Option<String>,
}

/// A public folder, as the account sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PublicFolderInfo {
    /// Its path, as jobs name it.
    pub path: String,
    /// Its class; empty when it has none.
    pub class: String,
    /// Why what is below it cannot be seen; empty when it can.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub closed: String,
}

/// Something of a connection that ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Expiry {
    /// `client secret`, `client certificate` or `server certificate`.
    pub what: String,
    /// Since when it is good; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// When it is good no more.
    pub time: DateTime<Utc>,
}

impl Expiry {
    /// Returns from when on people are told: so long before the end, but not before three quarters of its life are over,
    /// since what lives for weeks is renewed late, and by programs.
    pub fn told_from(&self, before: Span) -> DateTime<Utc> {
        let least = self.since.map_or(DateTime::<Utc>::MIN_UTC, |since| self.time - (self.time - since) / 4);
        before.before(self.time).max(least)
    }

    /// Returns in words when it ends, or that it has.
    pub fn words(&self, now: DateTime<Utc>) -> String {
        let (what, day, left) = (&self.what, self.time.format("%Y-%m-%d"), self.time - now);
        if left < TimeDelta::zero() { format!("the {what} expired on {day}") } else { format!("the {what} expires in {} days, on {day}", left.num_days()) }
    }
}

/// A connection as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether it has a password of its own, which others than its owner must give before using it for something new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
    /// The jobs that use it.
    pub jobs: Vec<String>,
    /// What an administrator should know, for instance that certificates are not checked.
    pub warnings: Vec<String>,
    /// What of it ends, as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expires: Vec<Expiry>,
    /// How it stands with its server; none before a job used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<SlotsInfo>,
}

/// What a look at a connection found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
