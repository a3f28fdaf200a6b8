//! The keys of a connection that say where its server is and where its mailboxes are listed.

use super::{Server, check_url, is_loopback};
use crate::definition::Wrong;
use crate::definition::file::ConnectionFile;
use c2b_api::connection::{LdapDefinition, MailboxPlace};
use c2b_ews::MailboxList;
use c2b_ews::autodiscover::Discovery;
use c2b_mailbox::Address;
use url::{Host, Url};

/// Checks where the server is: one of the two ways, and not both.
pub(super) fn server(file: &ConnectionFile) -> Result<Server, Wrong> {
    let is_searched = file.autodiscover_url.is_some() || file.autodiscover_root_domain || !file.approved_hosts.is_empty();
    match (&file.url, &file.autodiscover) {
        (Some(_), Some(_)) => Err(Wrong::new("autodiscover", "there are both a URL and an address for autodiscover", "give one of them")),
        (None, None) => Err(Wrong::new(
            "url",
            "there is neither a URL nor an address for autodiscover",
            "give url = \"https://mail.example.org/EWS/Exchange.asmx\", or autodiscover = \"somebody@example.org\"",
        )),
        (Some(_), None) if is_searched => Err(Wrong::new(
            "autodiscover",
            "there are keys for autodiscover and no address for it",
            "give autodiscover = \"somebody@example.org\" instead of the URL",
        )),
        (Some(url), None) => Ok(Server::Url(check_url(url, file.insecure)?)),
        (None, Some(address)) => {
            let mut discovery = Discovery::new(self::address("autodiscover", address)?);
            discovery.url = file.autodiscover_url.as_deref().map(|url| endpoint(url, file.insecure)).transpose()?;
            discovery.root_domain = file.autodiscover_root_domain;
            for host in &file.approved_hosts {
                Host::parse(host).map_err(|_| Wrong::new("approved-hosts", format!("{host:?} is not the name of a host"), "give it as in mail.example.org"))?;
            }
            discovery.approved_hosts.clone_from(&file.approved_hosts);
            Ok(Server::Autodiscover(discovery))
        }
    }
}

/// Checks where mailboxes are listed; returns the directory's URL, too.
pub(super) fn lists(file: &ConnectionFile) -> Result<(Vec<MailboxList>, Option<Url>), Wrong> {
    let ldap_url = file.ldap.as_ref().map(|ldap| directory(ldap, file.insecure)).transpose()?;
    let lists = file.mailboxes.iter().map(|place| list(place, ldap_url.is_some())).collect::<Result<Vec<_>, _>>()?;
    let is_silent = lists.is_empty();
    // A directory is named to be asked.
    let usual = if ldap_url.is_some() { MailboxList::Ldap } else { MailboxList::Names };
    Ok((if is_silent { vec![usual] } else { lists }, ldap_url))
}

fn list(place: &MailboxPlace, has_directory: bool) -> Result<MailboxList, Wrong> {
    const KEY: &str = "mailboxes";
    Ok(match place {
        MailboxPlace::Ldap if !has_directory => {
            return Err(Wrong::new(KEY, "mailboxes are to be listed by a directory and none is named", "add a table [ldap] with its url"));
        }
        MailboxPlace::Ldap => MailboxList::Ldap,
        MailboxPlace::Searchable => MailboxList::Searchable,
        MailboxPlace::Names => MailboxList::Names,
        MailboxPlace::Group(group) => MailboxList::Group(address(KEY, group)?),
        MailboxPlace::File(path) if !path.is_absolute() => {
            return Err(Wrong::new(KEY, "the path of the list is not absolute", "give the whole path, beginning with /"));
        }
        MailboxPlace::File(path) => MailboxList::File(path.clone()),
        MailboxPlace::List(addresses) => MailboxList::Named(addresses.iter().map(|text| address(KEY, text)).collect::<Result<_, _>>()?),
    })
}

fn address(key: &'static str, text: &str) -> Result<Address, Wrong> {
    Address::parse(text).map_err(|error| Wrong::new(key, error.to_string(), ""))
}

fn endpoint(text: &str, insecure: bool) -> Result<Url, Wrong> {
    const HINT: &str = "give it as https://mail.example.org/autodiscover/autodiscover.svc";
    let wrong = |message: String| Wrong::new("autodiscover-url", message, HINT);
    let url = Url::parse(text.trim()).map_err(|error| wrong(format!("{text:?} is not a URL: {error}")))?;
    let safe = url.scheme() == "https" || (url.scheme() == "http" && (insecure || is_loopback(&url)));
    if !safe || url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(format!("{text:?} is not a URL of https")));
    }
    Ok(url)
}

fn directory(ldap: &LdapDefinition, insecure: bool) -> Result<Url, Wrong> {
    const HINT: &str = "give it as ldaps://dc1.example.org:3269";
    let wrong = |message: String, hint: &str| Wrong::new("ldap", message, hint);
    let url = Url::parse(ldap.url.trim()).map_err(|error| wrong(format!("{:?} is not a URL: {error}", ldap.url), HINT))?;
    if !matches!(url.scheme(), "ldap" | "ldaps") || url.host_str().is_none_or(str::is_empty) || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(format!("{:?} is not a URL of a directory", ldap.url), HINT));
    }
    // URLs of schemes that the web does not know keep their host as a plain text.
    let host = Host::parse(url.host_str().unwrap_or_default());
    let is_here = match host {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback(),
        Err(_) => false,
    };
    if url.scheme() == "ldap" && !ldap.start_tls && !insecure && !is_here {
        return Err(wrong("plain ldap would send the password unencrypted over the network".to_owned(), "use ldaps, or start-tls = true"));
    }
    if ldap.ca_file.as_ref().is_some_and(|path| !path.is_absolute()) {
        return Err(wrong("the path of the directory's CA file is not absolute".to_owned(), "give the whole path, beginning with /"));
    }
    if ldap.user.as_deref().is_some_and(|user| user.trim().is_empty()) {
        return Err(wrong("the directory's user is empty".to_owned(), "leave it out to sign in with the connection's account"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::text::parse;
    use std::path::Path;

    fn file(keys: &str) -> ConnectionFile {
        parse(Path::new("c.toml"), &format!("kind = \"ews\"\nuser = \"u\"\n{keys}\n")).unwrap()
    }

    #[test]
    fn a_server_is_given_or_found_and_not_both() {
        assert!(matches!(server(&file("url = 'https://mail.example.org'")), Ok(Server::Url(_))));
        let found =
            file("autodiscover = 'a@example.org'\napproved-hosts = ['mail.hoster.net']\nautodiscover-url = 'https://ex1/autodiscover/autodiscover.svc'");
        let Ok(Server::Autodiscover(discovery)) = server(&found) else { panic!("not found") };
        assert_eq!((discovery.approved_hosts.len(), discovery.root_domain), (1, false));
        for keys in [
            "",
            "url = 'https://x'\nautodiscover = 'a@b'",
            "autodiscover = 'nobody'",
            "url = 'https://x'\napproved-hosts = ['y']",
            "autodiscover = 'a@b'\nautodiscover-url = 'http://x/'",
            "autodiscover = 'a@b'\napproved-hosts = ['not a host']",
        ] {
            assert!(server(&file(keys)).is_err(), "{keys}");
        }
    }

    #[test]
    fn places_of_mailboxes_are_checked_and_survive_the_file() {
        let text = "url = 'https://x'\nmailboxes = ['ldap', 'searchable', 'names', { group = 'all@example.org' }, { file = '/etc/c2b/list.csv' }, { list = ['A@b'] }]\n\
                    [ldap]\nurl = 'ldaps://dc1.example.org:3269'\nbase = 'dc=example'";
        let file = file(text);
        let (places, url) = lists(&file).unwrap();
        assert_eq!((places.len(), url.unwrap().port()), (6, Some(3269)));
        let written = toml::to_string(&file).unwrap();
        assert_eq!(parse::<ConnectionFile>(Path::new("c.toml"), &written).unwrap(), file, "{written}");
    }

    #[test]
    fn what_would_not_work_or_give_the_password_away_is_refused() {
        for keys in [
            "mailboxes = ['ldap']",
            "mailboxes = [{ group = 'all' }]",
            "mailboxes = [{ file = 'list.csv' }]",
            "[ldap]\nurl = 'ldap://dc1.example.org'",
            "[ldap]\nurl = 'https://dc1.example.org'",
            "[ldap]\nurl = 'ldaps://dc1'\nca-file = 'ca.pem'",
        ] {
            assert!(lists(&file(&format!("url = 'https://x'\n{keys}"))).is_err(), "{keys}");
        }
        assert_eq!(lists(&file("url = 'https://x'")).unwrap().0, [MailboxList::Names]);
        assert_eq!(lists(&file("url = 'https://x'\n[ldap]\nurl = 'ldap://dc1'\nstart-tls = true")).unwrap().0, [MailboxList::Ldap]);
    }
}
