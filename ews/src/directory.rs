//! Where the mailboxes of an organisation are written down.
//!
//! EWS has no list of mailboxes. [`MailboxList`] names a place that has one; a connection may name several, which are read in
//! their order and joined. A place that cannot be read whole is an error, never a shorter list: what is missing from a list
//! would otherwise look as if it were gone. The directory itself is in `ldap`, the meaning of its numbers in
//! `kind`, lists in files in `file`; what EWS can tell is in `source`.

mod entry;
pub(crate) mod file;
pub(crate) mod kind;
pub(crate) mod ldap;

use crate::Secret;
use c2b_mailbox::Address;
use std::path::PathBuf;
use url::Url;

/// A place where mailboxes are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailboxList {
    /// The directory, as [`crate::EwsConfig::ldap`] says.
    Ldap,
    /// `GetSearchableMailboxes`: what the user may search, at most the first few thousand.
    Searchable,
    /// The members of a distribution group, and of the groups in it.
    Group(Address),
    /// A file of addresses, one a line, or with columns; read again each time.
    File(PathBuf),
    /// These.
    Named(Vec<Address>),
    /// `ResolveNames`: what the address list shows.
    Names,
}

/// How to reach a directory.
#[derive(Clone, Debug)]
pub struct LdapConfig {
    /// `ldaps://host:3269`, or `ldap://host:3268` with [`LdapConfig::start_tls`].
    pub url: Url,
    /// Go over to TLS after connecting with `ldap://`.
    pub start_tls: bool,
    /// Who signs in: a distinguished name, `name@domain` or `DOMAIN\name`.
    pub user: String,
    /// That user's password.
    pub password: Secret,
    /// Below which entry to search; without it the whole forest of a global catalog, else the server's own domain.
    pub base: Option<String>,
    /// Which entries are mailboxes; without it those with a GUID and a database.
    pub filter: Option<String>,
    /// Certificates (PEM) of authorities to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Accept any certificate, and send the password without TLS to any host.
    pub insecure: bool,
}
