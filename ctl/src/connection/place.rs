//! Where a connection's server is and where its mailboxes are listed: as options, and as shown.

use super::absolute;
use crate::error::Error;
use crate::facts::Facts;
use crate::password;
use c2b_api::Secret;
use c2b_api::connection::{ConnectionInfo, LdapDefinition, MailboxPlace};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the server is, and its mailboxes.
#[derive(Args, Debug)]
pub(crate) struct PlaceArgs {
    /// The service's URL; that of Exchange ends in /EWS/Exchange.asmx
    #[arg(long, required_unless_present = "autodiscover", conflicts_with = "autodiscover")]
    pub(crate) url: Option<String>,
    /// Find the server from this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) autodiscover: Option<String>,
    /// Where autodiscover is, when that is known; asked first
    #[arg(long, value_name = "URL", requires = "autodiscover")]
    pub(crate) autodiscover_url: Option<String>,
    /// Ask the bare domain of the address, too, which often is somebody else's web server
    #[arg(long, requires = "autodiscover")]
    pub(crate) root_domain: bool,
    /// Let autodiscover give the password to this host though only a redirect or DNS named it; may be repeated
    #[arg(long = "approve-host", value_name = "HOST", requires = "autodiscover")]
    pub(crate) approved_hosts: Vec<String>,
    /// Where mailboxes are listed: ldap, searchable, names, group:ADDRESS, file:PATH or list:ADDRESS,ADDRESS; may be repeated
    #[arg(long = "mailboxes", value_name = "PLACE", value_parser = parse_place)]
    places: Vec<MailboxPlace>,
    /// The directory: ldaps://dc1.example.org:3269 is a global catalog
    #[arg(long, value_name = "URL")]
    ldap_url: Option<String>,
    /// Go over to TLS after connecting with ldap://
    #[arg(long, requires = "ldap_url")]
    ldap_start_tls: bool,
    /// Who signs in at the directory, when that is not the connection's account
    #[arg(long, value_name = "USER", requires = "ldap_url")]
    ldap_user: Option<String>,
    /// A file with that user's password that only you can read
    #[arg(long, value_name = "FILE", requires = "ldap_user")]
    ldap_password_file: Option<PathBuf>,
    /// Below which entry the mailboxes are
    #[arg(long, value_name = "DN", requires = "ldap_url")]
    ldap_base: Option<String>,
    /// Which entries are mailboxes
    #[arg(long, value_name = "FILTER", requires = "ldap_url")]
    ldap_filter: Option<String>,
    /// A PEM file with the authority that signed the directory's certificate, when it is another one
    #[arg(long, value_name = "FILE", requires = "ldap_url")]
    ldap_ca_file: Option<PathBuf>,
}

impl PlaceArgs {
    /// Returns where mailboxes are listed; paths are made absolute.
    pub(crate) fn mailboxes(&self) -> Result<Vec<MailboxPlace>, Error> {
        whole(&self.places)
    }

    /// Returns the directory.
    pub(crate) fn ldap(&self) -> Result<Option<LdapDefinition>, Error> {
        let Some(url) = &self.ldap_url else { return Ok(None) };
        Ok(Some(LdapDefinition {
            url: url.clone(),
            start_tls: self.ldap_start_tls,
            user: self.ldap_user.clone(),
            base: self.ldap_base.clone(),
            filter: self.ldap_filter.clone(),
            ca_file: self.ldap_ca_file.as_deref().map(absolute).transpose()?,
        }))
    }

    /// Reads the password of the directory's own user, where there is one.
    pub(crate) fn ldap_password(&self) -> Result<Option<Secret>, Error> {
        let Some(user) = &self.ldap_user else { return Ok(None) };
        password::read(self.ldap_password_file.as_deref(), &format!("Password of {user} at the directory: ")).map(Some)
    }
}

/// Makes the paths of places absolute.
pub(super) fn whole(places: &[MailboxPlace]) -> Result<Vec<MailboxPlace>, Error> {
    let whole = |place: &MailboxPlace| match place {
        MailboxPlace::File(path) => Ok(MailboxPlace::File(absolute(path)?)),
        place => Ok(place.clone()),
    };
    places.iter().map(whole).collect()
}

/// Adds where the server and its mailboxes are.
pub(super) fn show(facts: &mut Facts, info: &ConnectionInfo) {
    let definition = &info.definition;
    if let Some(url) = &definition.url {
        facts.add("url", url);
    }
    if let Some(address) = &definition.autodiscover {
        facts.add("autodiscover", format!("from {address}"));
        match &info.found {
            Some(found) => facts.add("found", format!("{} (told by {})", found.url, found.told_by)),
            None => facts.add("found", "not yet: it is looked for at the next use"),
        }
    }
    if !definition.approved_hosts.is_empty() {
        facts.add("approved hosts", definition.approved_hosts.join(", "));
    }
    if let Some(ldap) = &definition.ldap {
        facts.add("directory", &ldap.url);
    }
    if !definition.mailboxes.is_empty() {
        facts.add("mailboxes", definition.mailboxes.iter().map(words).collect::<Vec<_>>().join("; "));
    }
}

fn words(place: &MailboxPlace) -> String {
    match place {
        MailboxPlace::Ldap => "from the directory".to_owned(),
        MailboxPlace::Searchable => "those that may be searched".to_owned(),
        MailboxPlace::Names => "from the address list".to_owned(),
        MailboxPlace::Group(group) => format!("members of {group}"),
        MailboxPlace::File(path) => format!("from {}", path.display()),
        MailboxPlace::List(addresses) => addresses.join(", "),
    }
}

/// Reads a place.
pub(super) fn parse_place(text: &str) -> Result<MailboxPlace, String> {
    match text.split_once(':') {
        None if text == "ldap" => Ok(MailboxPlace::Ldap),
        None if text == "searchable" => Ok(MailboxPlace::Searchable),
        None if text == "names" => Ok(MailboxPlace::Names),
        Some(("group", group)) if !group.is_empty() => Ok(MailboxPlace::Group(group.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(MailboxPlace::File(Path::new(path).to_owned())),
        Some(("list", addresses)) if !addresses.is_empty() => Ok(MailboxPlace::List(addresses.split(',').map(|text| text.trim().to_owned()).collect())),
        _ => Err("expected ldap, searchable, names, group:ADDRESS, file:PATH or list:ADDRESS,ADDRESS".to_owned()),
    }
}
