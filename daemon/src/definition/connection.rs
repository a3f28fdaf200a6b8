//! A checked connection.

mod place;
pub mod sign_in;

use crate::definition::file::ConnectionFile;
use crate::definition::{Defined, Wrong};
use crate::name::Name;
use c2b_api::connection::ConnectionDefinition;
use c2b_ews::MailboxList;
use c2b_ews::autodiscover::Discovery;
use url::{Host, Url};

/// Where Exchange has its web services, when the URL names the server only.
const EWS_PATH: &str = "/EWS/Exchange.asmx";

/// A connection that may be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub name: Name,
    /// What it is; the URL is complete.
    pub definition: ConnectionDefinition,
    /// Where the server is, or how it is found.
    pub server: Server,
    /// Where mailboxes are listed.
    pub lists: Vec<MailboxList>,
    /// The directory's URL.
    pub ldap_url: Option<Url>,
    /// The Unix user who made it.
    pub owner: String,
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// Here.
    Url(Url),
    /// Where Autodiscover finds it.
    Autodiscover(Discovery),
}

impl Connection {
    /// Returns what an administrator should know as long as it is so.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let is_plain = matches!(&self.server, Server::Url(url) if url.scheme() == "http");
        if self.definition.insecure && !is_plain {
            warnings.push("certificates are not checked (insecure = true): anybody in between can read the password".to_owned());
        }
        if self.definition.insecure && is_plain {
            warnings.push("the password travels unencrypted (insecure = true, http)".to_owned());
        }
        warnings
    }
}

impl Defined for Connection {
    const FOLDER: &'static str = "connections";
    const NOUN: &'static str = "connection";
    type File = ConnectionFile;

    fn check(name: &Name, file: ConnectionFile, owner: &str) -> Result<Self, Wrong> {
        let server = place::server(&file)?;
        let (lists, ldap_url) = place::lists(&file)?;
        sign_in::check(&file)?;
        if file.user.contains(char::is_control) {
            return Err(Wrong::new("user", "the user holds a control character", ""));
        }
        if file.ca_file.as_ref().is_some_and(|path| !path.is_absolute()) {
            return Err(Wrong::new("ca-file", "the path of the CA file is not absolute", "give the whole path, beginning with /"));
        }
        let definition = ConnectionDefinition {
            kind: file.kind,
            url: match &server {
                Server::Url(url) => Some(url.to_string()),
                Server::Autodiscover(_) => None,
            },
            autodiscover: file.autodiscover,
            autodiscover_url: file.autodiscover_url,
            autodiscover_root_domain: file.autodiscover_root_domain,
            approved_hosts: file.approved_hosts,
            mailboxes: file.mailboxes,
            sign_in: file.sign_in,
            user: file.user,
            oauth: file.oauth,
            kerberos: file.kerberos,
            ca_file: file.ca_file,
            insecure: file.insecure,
            ldap: file.ldap,
        };
        Ok(Self { name: name.clone(), definition, server, lists, ldap_url, owner: file.owner.unwrap_or_else(|| owner.to_owned()) })
    }

    fn to_file(&self) -> ConnectionFile {
        let definition = self.definition.clone();
        ConnectionFile {
            owner: Some(self.owner.clone()),
            kind: definition.kind,
            url: definition.url,
            autodiscover: definition.autodiscover,
            autodiscover_url: definition.autodiscover_url,
            autodiscover_root_domain: definition.autodiscover_root_domain,
            approved_hosts: definition.approved_hosts,
            mailboxes: definition.mailboxes,
            sign_in: definition.sign_in,
            user: definition.user,
            oauth: definition.oauth,
            kerberos: definition.kerberos,
            ca_file: definition.ca_file,
            insecure: definition.insecure,
            ldap: definition.ldap,
        }
    }
}

fn check_url(text: &str, insecure: bool) -> Result<Url, Wrong> {
    const EXAMPLE: &str = "give it as https://mail.example.org/EWS/Exchange.asmx";
    let wrong = |message: String, hint: &str| Wrong::new("url", message, hint);
    let mut url = Url::parse(text.trim()).map_err(|error| wrong(format!("{text:?} is not a URL: {error}"), EXAMPLE))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(format!("{text:?} is not a URL of http or https"), EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the URL holds a user or a password".to_owned(), "give the account with --user and --password-file"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(format!("{text:?} has more than host and path"), EXAMPLE));
    }
    if url.scheme() == "http" && !insecure && !is_loopback(&url) {
        let hint = "use https; or --insecure if you accept that anybody in between can read the password";
        return Err(wrong("plain http would send the password unencrypted over the network".to_owned(), hint));
    }
    if matches!(url.path(), "" | "/") {
        url.set_path(EWS_PATH);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_unencrypted_to_loopback_only() {
        for text in ["http://127.0.0.1:8080/EWS/Exchange.asmx", "http://localhost", "http://[::1]:1/x", "https://mail.example.org"] {
            assert!(check_url(text, false).is_ok(), "{text}");
        }
        for text in ["http://mail.example.org/EWS/Exchange.asmx", "http://127.0.0.1.example.org/", "http://10.0.0.1/"] {
            assert!(check_url(text, false).is_err(), "{text}");
            assert!(check_url(text, true).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_and_a_bare_server_is_completed() {
        for text in ["", "mail.example.org", "ftp://x/", "https://", "https://u:p@x/", "https://x/?a=b", "file:///etc/passwd"] {
            assert!(check_url(text, true).is_err(), "{text:?} was accepted");
        }
        assert_eq!(check_url("https://mail.example.org", false).unwrap().as_str(), "https://mail.example.org/EWS/Exchange.asmx");
        assert_eq!(check_url("https://x/other", false).unwrap().path(), "/other");
    }
}
