//! What one needs to know to speak with an EWS server.

use crate::Secret;
use crate::auth::{Account, SignIn};
use crate::directory::{LdapConfig, MailboxList};
use crate::error::EwsError;
use c2b_mailbox::Address;
use std::path::PathBuf;
use std::time::Duration;
use url::{Host, Url};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the server may be silent: it gives one batch up to a minute of its own time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(150);

/// A server, and a user of it.
#[derive(Clone, Debug)]
pub struct EwsConfig {
    /// The address of EWS: `https://host/EWS/Exchange.asmx`.
    pub url: Url,
    /// Who signs in, and how.
    pub sign_in: SignIn,
    /// Where mailboxes are listed, in this order; by names when there is no other place.
    pub lists: Vec<MailboxList>,
    /// The directory, where one is known.
    pub ldap: Option<LdapConfig>,
    /// Where public folders are, as far as Autodiscover told.
    pub public_folders: Option<PublicFolderPlace>,
    /// Certificates (PEM) of authorities to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Accept any certificate, and send the password over plain `http` to any host.
    pub insecure: bool,
    /// Where bodies beyond 1 MiB wait; must exist and be private.
    pub spool_dir: PathBuf,
    /// How long connecting may take; 20 s by default.
    pub connect_timeout: Duration,
    /// How long the server may be silent within a request; 150 s by default.
    pub idle_timeout: Duration,
}

/// Where public folders are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicFolderPlace {
    /// The mailbox with their tree: Autodiscover's `PublicFolderInformation`.
    pub hierarchy: Option<Address>,
    /// Its server, as `X-PublicFolderMailbox` wants it: `InternalRpcClientServer`.
    pub server: Option<String>,
    /// Where Autodiscover is, which tells the mailboxes of their contents.
    pub endpoint: Option<Url>,
}

impl EwsConfig {
    /// Makes a configuration with Basic sign-in: the user is `name@domain` or `DOMAIN\name`.
    pub fn new(url: Url, user: impl Into<String>, password: Secret, spool_dir: impl Into<PathBuf>) -> Self {
        Self::with(url, SignIn::Basic(Account { user: user.into(), password }), spool_dir)
    }

    /// Makes a configuration with the usual time-outs that trusts what the system trusts.
    pub fn with(url: Url, sign_in: SignIn, spool_dir: impl Into<PathBuf>) -> Self {
        Self {
            url,
            sign_in,
            lists: vec![MailboxList::Names],
            ldap: None,
            public_folders: None,
            ca_pem: None,
            insecure: false,
            spool_dir: spool_dir.into(),
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
        }
    }

    /// Refuses what would not work or would give the password away.
    pub(crate) fn validate(&self) -> Result<(), EwsError> {
        let url = self.url_without_credentials();
        if !matches!(self.url.scheme(), "https" | "http") || self.url.host().is_none() {
            return Err(EwsError::Url { url });
        }
        if self.url.scheme() == "http" && !self.insecure && !self.is_loopback() {
            return Err(EwsError::PlainHttp { url });
        }
        Ok(())
    }

    /// Returns whether the password travels in the clear.
    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Returns whether the server is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    fn url_without_credentials(&self) -> String {
        let mut url = self.url.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }
}

/// Returns whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> EwsConfig {
        EwsConfig::new(Url::parse(url).unwrap(), "alice", Secret::new("pw"), "/nowhere")
    }

    #[test]
    fn a_password_goes_over_plain_http_to_this_machine_only() {
        for url in ["http://127.0.0.1:8080/EWS/Exchange.asmx", "http://localhost/", "http://[::1]/", "https://mail.example.org/"] {
            assert!(config(url).validate().is_ok(), "{url}");
        }
        for url in ["http://mail.example.org/", "http://10.0.0.1/", "http://127.0.0.1.example.org/"] {
            assert!(matches!(config(url).validate(), Err(EwsError::PlainHttp { .. })), "{url}");
            assert!(EwsConfig { insecure: true, ..config(url) }.validate().is_ok(), "{url}");
        }
        assert!(matches!(config("ftp://user:pw@host/").validate(), Err(EwsError::Url { url }) if !url.contains("pw")));
    }
}
