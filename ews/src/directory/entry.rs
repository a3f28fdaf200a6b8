//! What the attributes of a directory entry say. Pure.

use super::kind;
use super::ldap::ServicePoint;
use c2b_mailbox::{Address, Mailbox, MailboxKind};
use ldap3::SearchEntry;

/// The attributes that tell of a mailbox.
pub(super) const ATTRIBUTES: [&str; 12] = [
    "displayName",
    "cn",
    "mail",
    "proxyAddresses",
    "userPrincipalName",
    "msExchRecipientTypeDetails",
    "msExchRecipientDisplayType",
    "msExchMailboxGuid",
    "msExchArchiveGUID",
    "msExchArchiveDatabaseLink",
    "homeMDB",
    "objectSid",
];

/// Parts of a directory that hold no mailboxes and that every search of a domain refers to.
const ASIDE: [&str; 3] = ["domaindnszones", "forestdnszones", "cn=configuration"];

/// Returns the mailbox that an entry stands for; none without an address to name it by.
pub(super) fn mailbox(entry: &SearchEntry) -> Option<Mailbox> {
    let Some(address) = address(entry) else {
        tracing::warn!(entry = entry.dn, "directory entry has no address, left out");
        return None;
    };
    let has_archive = has(entry, "msExchArchiveGUID");
    let (kind, reason) = kind_of(entry);
    // A mailbox elsewhere whose archive has a database here.
    let kind = if kind == MailboxKind::Unsupported && has(entry, "msExchArchiveDatabaseLink") { MailboxKind::Archive } else { kind };
    let name = text(entry, "displayName").or_else(|| text(entry, "cn")).unwrap_or(address.as_str()).to_owned();
    let mut mailbox = Mailbox::new(address, name, kind);
    mailbox.archive = Some(has_archive);
    if let Some(reason) = reason.filter(|_| kind != MailboxKind::Archive) {
        mailbox.skipped = Some(reason.to_owned());
    }
    Some(mailbox)
}

/// Returns an attribute's first value.
pub(super) fn text<'a>(entry: &'a SearchEntry, name: &str) -> Option<&'a str> {
    texts(entry, name).first().map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Returns the site in the name of a server's settings: `CN=NTDS Settings,CN=DC1,CN=Servers,CN=Rome,CN=Sites,…`.
pub(super) fn site_of(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split(',').collect();
    let servers = parts.iter().position(|part| part.eq_ignore_ascii_case("CN=Servers"))?;
    Some(parts.get(servers + 1)?.split_once('=')?.1.to_owned())
}

/// Returns the addresses of Autodiscover that an entry names.
pub(super) fn service_points(entry: &SearchEntry, site: Option<&str>) -> Vec<ServicePoint> {
    let site_in = |word: &'_ String| word.split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("site")).map(|(_, name)| name.to_owned());
    let sites: Vec<String> = texts(entry, "keywords").iter().filter_map(site_in).collect();
    let is_near = sites.iter().any(|name| site.is_some_and(|site| site.eq_ignore_ascii_case(name)));
    let distance = if is_near {
        0
    } else if sites.is_empty() {
        1
    } else {
        2
    };
    texts(entry, "serviceBindingInformation").iter().map(|url| ServicePoint { url: url.clone(), distance }).collect()
}

/// Returns whether a referral leads to where there are no mailboxes.
pub(super) fn is_aside(referral: &str) -> bool {
    let referral = referral.to_lowercase();
    ASIDE.iter().any(|aside| referral.contains(aside))
}

fn address(entry: &SearchEntry) -> Option<Address> {
    let proxies = texts(entry, "proxyAddresses").iter();
    let primary = proxies.filter_map(|proxy| proxy.strip_prefix("SMTP:"));
    let other = text(entry, "mail").into_iter().chain(text(entry, "userPrincipalName"));
    primary.chain(other).find_map(|text| Address::parse(text).ok())
}

fn kind_of(entry: &SearchEntry) -> (MailboxKind, Option<&'static str>) {
    if let Some(details) = text(entry, "msExchRecipientTypeDetails").and_then(|text| text.parse().ok()) {
        return kind::of_details(details);
    }
    match text(entry, "msExchRecipientDisplayType").and_then(|text| text.parse().ok()) {
        Some(display) => (kind::of_display(display), None),
        None => (MailboxKind::Unknown, None),
    }
}

/// Attributes are named without regard to case.
fn texts<'a>(entry: &'a SearchEntry, name: &str) -> &'a [String] {
    entry.attrs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(&[], |(_, values)| values.as_slice())
}

/// Returns whether an attribute is there, be it text or bytes.
fn has(entry: &SearchEntry, name: &str) -> bool {
    let named = |key: &String| key.eq_ignore_ascii_case(name);
    entry.attrs.iter().any(|(key, values)| named(key) && !values.is_empty()) || entry.bin_attrs.iter().any(|(key, values)| named(key) && !values.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn entry(attributes: &[(&str, &[&str])]) -> SearchEntry {
        let attrs = attributes.iter().map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())).collect();
        SearchEntry { dn: "CN=x".to_owned(), attrs, bin_attrs: HashMap::new() }
    }

    #[test]
    fn the_primary_address_names_the_mailbox() {
        let found = mailbox(&entry(&[
            ("mail", &["old@example.org"]),
            ("proxyaddresses", &["smtp:alias@example.org", "SMTP:Anna@example.org", "X400:c=de"]),
            ("displayName", &["Anna"]),
            ("msExchRecipientTypeDetails", &["4"]),
            ("msExchArchiveGUID", &["x"]),
        ]))
        .unwrap();
        assert_eq!((found.address.as_str(), found.kind, found.archive, found.skipped), ("anna@example.org", MailboxKind::Shared, Some(true), None));
        assert_eq!(mailbox(&entry(&[("mail", &["a@b"]), ("msExchRecipientDisplayType", &["7"])])).unwrap().kind, MailboxKind::Room);
        assert!(mailbox(&entry(&[("displayName", &["nobody"])])).is_none());
    }

    #[test]
    fn what_is_not_here_says_where_it_is() {
        let online = mailbox(&entry(&[("mail", &["a@b"]), ("msExchRecipientTypeDetails", &["2147483648"])])).unwrap();
        assert!(online.skipped.unwrap().contains("Exchange Online"));
        let archive = mailbox(&entry(&[("mail", &["a@b"]), ("msExchRecipientTypeDetails", &["128"]), ("msExchArchiveDatabaseLink", &["CN=DB1"])])).unwrap();
        assert_eq!(archive.kind, MailboxKind::Archive);
    }

    #[test]
    fn the_nearest_service_point_comes_first() {
        let rome = site_of("CN=NTDS Settings,CN=DC1,CN=Servers,CN=Rome,CN=Sites,CN=Configuration,DC=example,DC=org");
        assert_eq!(rome.as_deref(), Some("Rome"));
        let of =
            |keywords: &[&str]| service_points(&entry(&[("serviceBindingInformation", &["https://x/"]), ("keywords", keywords)]), rome.as_deref())[0].distance;
        assert_eq!([of(&["77378F46", "Site=rome"]), of(&["77378F46"]), of(&["Site=Oslo"])], [0, 1, 2]);
    }
}
