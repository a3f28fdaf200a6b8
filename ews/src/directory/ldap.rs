//! The directory of an organisation: Active Directory, asked over LDAP for its mailboxes and for where Autodiscover is.
//!
//! * The password travels inside TLS, or to this machine; an empty one, with which many servers let anybody in, is refused.
//! * Answers come in pages of 1,000 and are whole or an error: a directory that stops early, or refers to domains that it does
//!   not hold, never gives a shorter list.
//! * It follows no referral, so the password goes to no other server than the one named.

use super::LdapConfig;
use super::entry::{self, ATTRIBUTES};
use c2b_mailbox::{Mailbox, Trouble};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use url::Host;

/// Entries that one answer holds: Active Directory's own limit.
const PAGE_ENTRIES: i32 = 1000;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the directory may be silent: a page takes a second or two.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Which entries are mailboxes: they have a GUID, and a database here.
const MAILBOX_FILTER: &str = "(&(msExchMailboxGuid=*)(homeMDB=*))";
/// Which entries name Autodiscover (Microsoft's fixed keyword).
const SERVICE_POINT_FILTER: &str = "(&(objectClass=serviceConnectionPoint)(keywords=77378F46-2C66-4aa9-A6A6-3E7A48B19596))";
/// Ports of a global catalog, which holds the whole forest.
const GLOBAL_CATALOG_PORTS: [u16; 2] = [3268, 3269];

/// The directory could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LdapError {
    /// The URL cannot work.
    #[error("{url} is not the address of a directory: expected ldaps://host:3269")]
    Url {
        /// The URL.
        url: String,
    },
    /// A password would travel readable by everybody on the way.
    #[error("{url} would send the password without encryption: use ldaps, or StartTLS")]
    Plain {
        /// The URL.
        url: String,
    },
    /// An empty password lets anybody in, or nobody.
    #[error("the directory's user or password is empty")]
    Empty,
    /// The certificates to trust cannot be used.
    #[error("the certificate authority file cannot be used")]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection, or none with TLS.
    #[error("no connection to the directory {url}")]
    Connect {
        /// The URL.
        url: String,
        #[source]
        err: Box<ldap3::LdapError>,
    },
    /// The user is not let in.
    #[error("the directory refuses the user {user}")]
    Bind {
        /// The user.
        user: String,
        #[source]
        err: Box<ldap3::LdapError>,
    },
    /// An answer did not come, or not whole.
    #[error("failed to search the directory below {base:?}")]
    Search {
        /// Where.
        base: String,
        #[source]
        err: Box<ldap3::LdapError>,
    },
    /// The directory fell silent.
    #[error("the directory did not answer in time")]
    Silent,
    /// A part of the tree is on another server.
    #[error("the directory refers to {to} for a part of its tree: ask a global catalog (port 3269), or say below which entry to search")]
    Referral {
        /// The first of these.
        to: String,
    },
    /// The client broke off.
    #[error("asking the directory was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Where the directory says Autodiscover is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServicePoint {
    /// The address.
    pub(crate) url: String,
    /// How near: 0 for the site of the server that was asked, 1 for no site in particular, 2 for another one.
    pub(crate) distance: u8,
}

impl LdapConfig {
    /// Refuses what would not work or would give the password away.
    pub(crate) fn validate(&self) -> Result<(), LdapError> {
        let host = self.url.host_str().unwrap_or_default();
        let shown = || format!("{}://{host}{}", self.url.scheme(), self.url.port().map(|port| format!(":{port}")).unwrap_or_default());
        if !matches!(self.url.scheme(), "ldap" | "ldaps") || host.is_empty() {
            return Err(LdapError::Url { url: shown() });
        }
        if self.url.scheme() == "ldap" && !self.start_tls && !self.insecure && !is_loopback(host) {
            return Err(LdapError::Plain { url: shown() });
        }
        if self.user.trim().is_empty() || self.password.expose().is_empty() {
            return Err(LdapError::Empty);
        }
        Ok(())
    }
}

/// Lists the mailboxes of the directory.
pub(crate) async fn mailboxes(config: &LdapConfig) -> Result<Vec<Mailbox>, LdapError> {
    apart(config, |directory, config| async move {
        let base = directory.base(&config).await?;
        let filter = config.filter.as_deref().unwrap_or(MAILBOX_FILTER);
        let entries = directory.search(&base, Scope::Subtree, filter, &ATTRIBUTES, config.base.is_some()).await?;
        Ok(entries.iter().filter_map(entry::mailbox).collect())
    })
    .await
}

/// Asks where Autodiscover is; the nearest first.
pub(crate) async fn service_points(config: &LdapConfig) -> Result<Vec<ServicePoint>, LdapError> {
    apart(config, |directory, _| async move {
        let root = directory.root(&["configurationNamingContext", "dsServiceName"]).await?;
        let Some(base) = entry::text(&root, "configurationNamingContext") else { return Ok(Vec::new()) };
        let site = entry::text(&root, "dsServiceName").and_then(entry::site_of);
        let found = directory.search(base, Scope::Subtree, SERVICE_POINT_FILTER, &["serviceBindingInformation", "keywords"], true).await?;
        let mut points: Vec<ServicePoint> = found.iter().flat_map(|found| entry::service_points(found, site.as_deref())).collect();
        points.sort_by_key(|point| point.distance);
        Ok(points)
    })
    .await
}

/// Returns what a failure means, as far as it is of the directory's own.
pub(crate) fn trouble(err: &LdapError) -> Trouble {
    let (LdapError::Connect { err: cause, .. } | LdapError::Bind { err: cause, .. } | LdapError::Search { err: cause, .. }) = err else {
        return match err {
            LdapError::Silent => Trouble::Unreachable,
            LdapError::Url { .. } | LdapError::Plain { .. } | LdapError::Authority(_) | LdapError::Empty => Trouble::Local,
            LdapError::Interrupted(_) => Trouble::Malformed,
            _ => Trouble::Refused,
        };
    };
    match cause.as_ref() {
        ldap3::LdapError::LdapResult { result } => match result.rc {
            49 => Trouble::SignIn,
            8 | 50 => Trouble::Forbidden,
            51 | 52 => Trouble::Busy,
            32 => Trouble::NotFound,
            _ => Trouble::Refused,
        },
        ldap3::LdapError::Io { source } if certificate_error(source).is_some() => Trouble::Certificate,
        ldap3::LdapError::FilterParsing => Trouble::Local,
        _ => Trouble::Unreachable,
    }
}

/// Returns the failure in plain words, with its reason.
pub(crate) fn words(err: &LdapError) -> String {
    let mut text = err.to_string();
    let mut cause = std::error::Error::source(err);
    while let Some(next) = cause {
        let reason = match next.downcast_ref::<Box<ldap3::LdapError>>().map(AsRef::as_ref) {
            Some(ldap3::LdapError::LdapResult { result }) => result_words(result),
            // These only say that there is a cause.
            Some(ldap3::LdapError::Io { .. } | ldap3::LdapError::Rustls { .. }) => String::new(),
            _ => next.to_string(),
        };
        if !reason.is_empty() && !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = next.source();
    }
    text
}

fn result_words(result: &ldap3::result::LdapResult) -> String {
    let reason = match result.rc {
        4 => "it gives no more entries (size limit)",
        8 => "it demands TLS or signing",
        11 => "it gives no more entries (administrative limit)",
        32 => "there is no such entry",
        49 => "user or password are wrong",
        50 => "the user may not do this",
        _ => result.text.trim(),
    };
    format!("{reason} (LDAP result {})", result.rc)
}

/// Works in a task of its own, so that whatever the library makes of a strange answer ends there.
async fn apart<T, F, R>(config: &LdapConfig, work: F) -> Result<T, LdapError>
where
    T: Send + 'static,
    F: FnOnce(Directory, LdapConfig) -> R + Send + 'static,
    R: Future<Output = Result<T, LdapError>> + Send + 'static,
{
    config.validate()?;
    let config = config.clone();
    let task = tokio::spawn(async move { work(Directory::open(&config).await?, config).await });
    let abort = AbortOnDrop(task.abort_handle());
    let result = task.await.map_err(LdapError::Interrupted)?;
    drop(abort);
    result
}

/// A directory that has let us in.
struct Directory {
    ldap: Ldap,
}

impl Directory {
    async fn open(config: &LdapConfig) -> Result<Self, LdapError> {
        let url = config.url.to_string();
        let mut settings = LdapConnSettings::new().set_conn_timeout(CONNECT_TIMEOUT).set_starttls(config.start_tls);
        settings = if config.insecure { settings.set_no_tls_verify(true) } else { settings.set_config(tls(config)?) };
        let (connection, mut ldap) = match LdapConnAsync::from_url_with_settings(settings, &config.url).await {
            Ok(open) => open,
            Err(err) => return Err(LdapError::Connect { url, err: Box::new(err) }),
        };
        tokio::spawn(async move {
            if let Err(err) = connection.drive().await {
                tracing::debug!(%err, "connection to the directory ended");
            }
        });
        let refused = |err| LdapError::Bind { user: config.user.clone(), err: Box::new(err) };
        let password = String::from_utf8_lossy(config.password.expose());
        let bound = timeout(IDLE_TIMEOUT, ldap.simple_bind(&config.user, &password)).await.map_err(|_| LdapError::Silent)?;
        bound.and_then(ldap3::LdapResult::success).map_err(refused)?;
        Ok(Self { ldap })
    }

    /// Returns below which entry the mailboxes are.
    async fn base(&self, config: &LdapConfig) -> Result<String, LdapError> {
        if let Some(base) = &config.base {
            return Ok(base.clone());
        }
        if config.url.port().is_some_and(|port| GLOBAL_CATALOG_PORTS.contains(&port)) {
            return Ok(String::new());
        }
        let root = self.root(&["defaultNamingContext", "namingContexts"]).await?;
        Ok(entry::text(&root, "defaultNamingContext").or_else(|| entry::text(&root, "namingContexts")).unwrap_or_default().to_owned())
    }

    /// Returns what the server says of itself.
    async fn root(&self, attributes: &[&'static str]) -> Result<SearchEntry, LdapError> {
        let found = self.search("", Scope::Base, "(objectClass=*)", attributes, true).await?;
        let silent = || LdapError::Search { base: String::new(), err: Box::new(ldap3::LdapError::EndOfStream) };
        found.into_iter().next().ok_or_else(silent)
    }

    async fn search(&self, base: &str, scope: Scope, filter: &str, attributes: &[&'static str], partial: bool) -> Result<Vec<SearchEntry>, LdapError> {
        let failed = |err| LdapError::Search { base: base.to_owned(), err: Box::new(err) };
        let mut adapters: Vec<Box<dyn Adapter<'_, &'static str, Vec<&'static str>>>> = vec![Box::new(EntriesOnly::new())];
        if scope == Scope::Subtree {
            adapters.push(Box::new(PagedResults::new(PAGE_ENTRIES)));
        }
        let mut ldap = self.ldap.clone();
        let mut stream = ldap.streaming_search_with(adapters, base, scope, filter, attributes.to_vec()).await.map_err(failed)?;
        let mut found = Vec::new();
        while let Some(entry) = timeout(IDLE_TIMEOUT, stream.next()).await.map_err(|_| LdapError::Silent)?.map_err(failed)? {
            found.push(SearchEntry::construct(entry));
        }
        let ended = stream.finish().await.success().map_err(failed)?;
        match ended.refs.iter().find(|to| !partial && !entry::is_aside(to)) {
            Some(to) => Err(LdapError::Referral { to: to.clone() }),
            None => Ok(found),
        }
    }
}

fn tls(config: &LdapConfig) -> Result<Arc<ClientConfig>, LdapError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in config.ca_pem.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem)) {
        let certificate = certificate.map_err(|err| LdapError::Authority(err.to_string().into()))?;
        roots.add(certificate).map_err(|err| LdapError::Authority(err.into()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|err| LdapError::Authority(err.into()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn certificate_error(err: &std::io::Error) -> Option<&rustls::CertificateError> {
    match err.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(reason) => Some(reason),
        _ => None,
    }
}

/// URLs of other schemes than those of the web keep the text of an address as it is.
fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback(),
        Err(_) => false,
    }
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use url::Url;

    fn config(url: &str) -> LdapConfig {
        let password = Secret::new("pw");
        LdapConfig { url: Url::parse(url).unwrap(), start_tls: false, user: "u".to_owned(), password, base: None, filter: None, ca_pem: None, insecure: false }
    }

    #[test]
    fn a_password_goes_to_a_directory_encrypted_only() {
        for url in ["ldaps://dc1.example.org:3269", "ldap://127.0.0.1:1389", "ldap://localhost", "ldap://[::1]:389"] {
            assert!(config(url).validate().is_ok(), "{url}");
        }
        assert!(matches!(config("ldap://dc1.example.org:3268").validate(), Err(LdapError::Plain { .. })));
        assert!(LdapConfig { start_tls: true, ..config("ldap://dc1.example.org:3268") }.validate().is_ok());
        assert!(matches!(config("https://dc1.example.org").validate(), Err(LdapError::Url { .. })));
        assert!(matches!(LdapConfig { password: Secret::new(""), ..config("ldaps://dc1.example.org") }.validate(), Err(LdapError::Empty)));
    }
}
