//! Connections at work: from a definition and its secret to a [`Source`].
//!
//! A server that Autodiscover found is remembered and looked for anew after a cycle has failed.

mod certificates;
mod edit;
pub mod found;
mod guard;
mod public;
pub mod search;
mod sign_in;

use crate::clock::Clock;
use crate::definition::connection::Server;
use crate::definition::file::ConnectionFile;
use crate::definition::{Connection, Defined, Definitions};
use crate::engine::ConnectionLimits;
use crate::failure::{self, chain};
use crate::name::Name;
use crate::seal::SealError;
use crate::secret::{Kind, SecretError, Secrets};
use c2b_api::connection::{CheckReport, ConnectionInfo, ConnectionKind, Finding, FoundServer, Level, MailboxInfo, PublicFolderInfo, SignInEvent, SignInKind};
use c2b_api::{ApiError, ErrorCode};
use c2b_ews::auth::oauth::DeviceSignIn;
use c2b_ews::autodiscover::{self, Discovered, Discovery};
use c2b_ews::{EwsConfig, EwsSource, LdapConfig};
use c2b_mailbox::{Address, PublicFolder, Source, SourceError, Trouble};
use certificates::Certificates;
use found::FoundServers;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{Receiver, channel};
use tracing::{info, warn};
use url::Url;

/// How many mailboxes of its jobs a check of a connection opens to prove rights: a sample, so that
/// it takes seconds whatever the organisation's size.
const CHECK_MAILBOXES_MAX: usize = 10;

/// The connections of this daemon.
pub struct Connections {
    definitions: Arc<Definitions>,
    secrets: Secrets,
    spool_dir: PathBuf,
    clock: Clock,
    live: Mutex<HashMap<Name, Live>>,
    found: FoundServers,
    certificates: Certificates,
    /// Connections whose last cycle failed: where Autodiscover found them may no longer be true.
    doubted: Mutex<HashSet<Name>>,
    unlocked: guard::Unlocked,
}

/// The passwords of a connection.
#[derive(Clone)]
struct Passwords {
    /// None where the sign-in needs none.
    account: Option<c2b_ews::Secret>,
    /// That of the directory's own user.
    ldap: Option<c2b_ews::Secret>,
}

/// What is kept of a connection between uses: what its server can do, and how much it bears.
struct Live {
    connection: Arc<Connection>,
    url: Url,
    source: Arc<dyn Source>,
    limits: Arc<ConnectionLimits>,
}

impl Connections {
    /// Serves the connections that the definitions name. Bodies too large for memory wait in `spool_dir`; what is seen of
    /// servers' certificates is kept in the file `certificates`.
    pub fn new(definitions: Arc<Definitions>, secrets: Secrets, found: FoundServers, certificates: PathBuf, spool_dir: PathBuf, clock: Clock) -> Self {
        let (live, doubted, unlocked) = (Mutex::default(), Mutex::default(), guard::Unlocked::default());
        Self { definitions, secrets, spool_dir, clock, live, found, certificates: Certificates::open(certificates), doubted, unlocked }
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// When the name is taken, a value is not acceptable, or a file cannot be read or written.
    pub async fn create(
        &self,
        name: &Name,
        file: ConnectionFile,
        password: Option<&str>,
        ldap_password: Option<&str>,
        user: &str,
    ) -> Result<ConnectionInfo, ApiError> {
        if self.definitions.is_taken::<Connection>(name) {
            return Err(exists(name));
        }
        if password.is_some_and(str::is_empty) {
            return Err(failure::invalid("the password is empty", "is the password file empty?"));
        }
        let connection = Connection::check(name, ConnectionFile { owner: None, ..file }, user).map_err(failure::wrong)?;
        if sign_in::needs_secret(&connection.definition) != password.is_some() {
            let sign_in = connection.definition.sign_in.word();
            let (message, hint) = match password {
                None => (format!("sign-in {sign_in} needs a secret"), "give it with --password-file, or --certificate-file"),
                Some(_) => (format!("sign-in {sign_in} takes no password here"), "leave it out"),
            };
            return Err(failure::invalid(message, hint));
        }
        let own_user = connection.definition.ldap.as_ref().and_then(|ldap| ldap.user.as_deref());
        if own_user.is_some() != ldap_password.is_some_and(|password| !password.is_empty()) {
            return Err(failure::invalid("the directory's user and password belong together", "give both, --ldap-user and --ldap-password-file, or neither"));
        }
        let passwords = Passwords { account: password.map(c2b_ews::Secret::new), ldap: ldap_password.map(c2b_ews::Secret::new) };
        // Nobody else waits while the server is looked for.
        let found = self.find_server(&connection, passwords).await?;
        let _changing = self.definitions.change().await;
        if self.definitions.is_taken::<Connection>(name) {
            return Err(exists(name));
        }
        self.forget_password(name).map_err(|error| failure::file(&error))?;
        if let Some(password) = password {
            self.secrets.put(Kind::CONNECTION, name, password.as_bytes()).map_err(|error| secret_error(&error))?;
        }
        if let Some(ldap_password) = ldap_password {
            self.secrets.put(Kind::DIRECTORY, name, ldap_password.as_bytes()).map_err(|error| secret_error(&error))?;
        }
        if let Some(found) = &found {
            self.found.put(name, found).map_err(|error| failure::file(&error))?;
        }
        let connection = self.definitions.put(name, connection).map_err(|error| failure::file(&error))?;
        info!(connection = %name, %user, "connection created");
        Ok(self.info(&connection))
    }

    /// Forgets a connection and its secret.
    ///
    /// # Errors
    /// When there is none, or a job uses it.
    pub async fn delete(&self, name: &Name, user: &str) -> Result<(), ApiError> {
        let _changing = self.definitions.change().await;
        let connection = self.get(name)?;
        let jobs = self.info(&connection).jobs;
        if !jobs.is_empty() {
            return Err(failure::state(format!("connection {name} is used by {}", jobs.join(", ")), "delete or edit these jobs first"));
        }
        self.definitions.remove::<Connection>(name).map_err(|error| failure::file(&error))?;
        for kind in [Kind::CONNECTION, Kind::DIRECTORY] {
            self.secrets.remove(kind, name).map_err(|error| failure::file(&error))?;
        }
        self.forget_password(name).map_err(|error| failure::file(&error))?;
        self.found.remove(name).map_err(|error| failure::file(&error))?;
        self.lock_live().remove(name);
        self.certificates.remove(name);
        info!(connection = %name, %user, "connection deleted");
        Ok(())
    }

    /// Returns a connection's definition.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &Name) -> Result<Arc<Connection>, ApiError> {
        self.definitions.get::<Connection>(name).ok_or_else(|| failure::not_found("connection", name.as_str(), self.definitions.known().connections.keys()))
    }

    /// Returns all connections as shown.
    pub fn list(&self) -> Vec<ConnectionInfo> {
        let connections: Vec<_> = self.definitions.known().connections.values().cloned().collect();
        connections.iter().map(|connection| self.info(connection)).collect()
    }

    /// Returns a connection as shown.
    pub fn info(&self, connection: &Connection) -> ConnectionInfo {
        let jobs = self.definitions.known().jobs.values().filter(|job| job.connection == connection.name).map(|job| job.name.to_string()).collect();
        let mut warnings = connection.warnings();
        let is_code = connection.definition.sign_in == SignInKind::DeviceCode;
        let secret = self.secrets.get(Kind::CONNECTION, &connection.name);
        let mut expires: Vec<_> = sign_in::expiry(&connection.definition, secret.as_ref().ok()).into_iter().collect();
        match secret {
            Err(SecretError::Missing { .. }) if is_code => warnings.push("nobody has signed in yet".to_owned()),
            Err(error) if is_code || sign_in::needs_secret(&connection.definition) => {
                let told = secret_error(&error);
                warnings.push(if told.hint.is_empty() { told.message } else { format!("{}; {}", told.message, told.hint) });
            }
            _ => {}
        }
        let found = match &connection.server {
            Server::Url(_) => None,
            Server::Autodiscover(discovery) => self.found.get(&connection.name, discovery.address.as_str()),
        };
        let (mut slots, mut seen) = (None, None);
        if let Some(live) = self.lock_live().get(&connection.name) {
            (slots, seen) = (Some(live.limits.info()), live.source.certificate());
        }
        if let (Ok(url), false) = (server_url(&connection.server, found.as_ref()), connection.definition.insecure) {
            expires.extend(self.certificates.take(&connection.name, url.host_str().unwrap_or_default(), seen));
        }
        let slots = slots.filter(|slots| slots.answered + slots.refused + slots.lost > 0);
        ConnectionInfo {
            name: connection.name.to_string(),
            definition: connection.definition.clone(),
            found,
            owner: connection.owner.clone(),
            guarded: self.is_guarded(&connection.name),
            jobs,
            warnings,
            expires,
            slots,
        }
    }

    /// Looks how far one gets with a connection: the server, the sign-in, and `mailboxes`, or else a sample of its jobs' mailboxes.
    ///
    /// # Errors
    /// When there is none, or it cannot even be tried.
    pub async fn check(&self, name: &Name, mailboxes: &[Address]) -> Result<CheckReport, ApiError> {
        let connection = self.get(name)?;
        let mut findings = Vec::new();
        if let Server::Autodiscover(discovery) = &connection.server {
            let discovered = self.discover(&connection, discovery, self.passwords(&connection)?).await?;
            findings = search::findings(&discovered);
            match &discovered.result {
                Ok(_) => self.remember(&connection, &search::server(discovery, discovered)?)?,
                Err(error) => return Ok(CheckReport { usable: false, code: Some(search::code(error)), findings }),
            }
        }
        let (source, _) = self.source(name).await?;
        let sample = if mailboxes.is_empty() { self.sample(name) } else { mailboxes.to_vec() };
        let report = source.check(&sample).await;
        findings.extend(report.findings.into_iter().map(finding));
        if !findings.iter().any(|finding| finding.level == Level::Warning && matches!(finding.subject.as_str(), "certificate" | "encryption")) {
            let warning = |text| Finding { subject: "definition".to_owned(), level: Level::Warning, text, hint: String::new() };
            findings.extend(connection.warnings().into_iter().map(warning));
        }
        forgive_single_mailboxes(&mut findings);
        let code = findings.iter().find(|finding| finding.level == Level::Error).map(code);
        Ok(CheckReport { usable: code.is_none(), findings, code })
    }

    /// Begins to sign in with a code; what happens is told until somebody has signed in, or nobody did in time.
    ///
    /// # Errors
    /// When there is no such connection, or it signs in another way.
    pub async fn sign_in(self: &Arc<Self>, name: &Name) -> Result<Receiver<SignInEvent>, ApiError> {
        let connection = self.get(name)?;
        if connection.definition.sign_in != SignInKind::DeviceCode {
            let message = format!("connection {name} signs in by {}", connection.definition.sign_in.word());
            return Err(failure::state(message, "only connections with sign-in device-code wait for somebody"));
        }
        let nowhere = Url::parse("https://autodiscover.invalid/").map_err(|error| failure::invalid(error.to_string(), ""))?;
        let url = match &connection.server {
            Server::Url(url) => url.clone(),
            Server::Autodiscover(_) => nowhere,
        };
        let config = self.config(&connection, url, Passwords { account: None, ldap: None })?;
        let waiting = DeviceSignIn::begin(&config).await.map_err(|error| source_error(&error))?;
        let (sender, receiver) = channel(2);
        let (connections, name) = (Arc::clone(self), name.clone());
        tokio::spawn(async move {
            let code = SignInEvent::Code { url: waiting.url().to_owned(), code: waiting.user_code().to_owned(), expires_secs: waiting.life().as_secs() };
            let _unheard = sender.send(code).await;
            let end = tokio::select! {
                // Who asked is gone: the code is of no use to anybody.
                () = sender.closed() => return,
                end = waiting.wait() => end,
            };
            let event = match end {
                Ok(()) => {
                    info!(connection = %name, "signed in with a code");
                    connections.lock_live().remove(&name);
                    SignInEvent::Done
                }
                Err(error) => SignInEvent::Failed { error: source_error(&error) },
            };
            let _unheard = sender.send(event).await;
        });
        Ok(receiver)
    }

    /// Lists the mailboxes that a connection can enumerate.
    ///
    /// # Errors
    /// When there is no such connection, or the server does not tell.
    pub async fn mailboxes(&self, name: &Name) -> Result<Vec<MailboxInfo>, ApiError> {
        let (source, _) = self.source(name).await?;
        let mailboxes = source.mailboxes().await.map_err(|error| source_error(&error))?;
        Ok(mailboxes
            .into_iter()
            .map(|mailbox| MailboxInfo {
                address: mailbox.address.into(),
                display_name: mailbox.display_name,
                kind: mailbox.kind.word().to_owned(),
                archive: mailbox.archive,
                skipped: mailbox.skipped,
            })
            .collect())
    }

    /// Lists the public folders that a connection's account sees.
    ///
    /// # Errors
    /// When there is no such connection, or they cannot be listed.
    pub async fn public_folders(&self, name: &Name) -> Result<Vec<PublicFolderInfo>, ApiError> {
        let (source, _) = self.source(name).await?;
        let all = [PublicFolder { path: String::new(), subfolders: true }];
        let tree = source.public_folders(self.sample(name).first(), &all).await.map_err(|error| source_error(&error))?;
        Ok(public::infos(&tree))
    }

    /// Returns a connection's source and how many requests it bears.
    ///
    /// # Errors
    /// When there is no such connection, its secret or CA file cannot be used, or its server is not found.
    pub async fn source(&self, name: &Name) -> Result<(Arc<dyn Source>, Arc<ConnectionLimits>), ApiError> {
        let connection = self.get(name)?;
        let url = self.url(&connection).await?;
        if let Some(live) = self.lock_live().get(name).filter(|live| live.connection == connection && live.url == url) {
            return Ok((live.source.clone(), live.limits.clone()));
        }
        let source = self.make_source(&connection, url.clone(), self.passwords(&connection)?)?;
        let mut live = self.lock_live();
        let limits = live.get(name).map_or_else(|| ConnectionLimits::new(self.clock.clone()), |live| live.limits.clone());
        live.insert(name.clone(), Live { connection, url, source: source.clone(), limits: limits.clone() });
        Ok((source, limits))
    }

    /// Makes the next use of each connection read its secret and CA file again.
    pub fn refresh(&self) {
        self.lock_live().clear();
    }

    /// Notes that a cycle failed: where the server was found may no longer be true.
    pub fn doubt(&self, name: &Name) {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
    }

    /// Returns where the server is; looks for it when that is not known, or doubted.
    async fn url(&self, connection: &Connection) -> Result<Url, ApiError> {
        let Server::Autodiscover(discovery) = &connection.server else { return server_url(&connection.server, None) };
        let known = self.found.get(&connection.name, discovery.address.as_str());
        let is_doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection.name);
        if let Some(known) = known.as_ref().filter(|_| !is_doubted) {
            return server_url(&connection.server, Some(known));
        }
        let discovered = self.discover(connection, discovery, self.passwords(connection)?).await?;
        match (search::server(discovery, discovered), known) {
            (Ok(found), _) => {
                self.remember(connection, &found)?;
                server_url(&connection.server, Some(&found))
            }
            // What was found before may still answer: Autodiscover itself may be what fails.
            (Err(error), Some(known)) => {
                warn!(connection = %connection.name, reason = error.message, "server not found anew, keeping the one known");
                server_url(&connection.server, Some(&known))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn remember(&self, connection: &Connection, found: &FoundServer) -> Result<(), ApiError> {
        if self.found.get(&connection.name, &found.address).as_ref() != Some(found) {
            info!(connection = %connection.name, url = found.url, "server found");
            self.found.put(&connection.name, found).map_err(|error| failure::file(&error))?;
        }
        Ok(())
    }

    async fn discover(&self, connection: &Connection, discovery: &Discovery, passwords: Passwords) -> Result<Discovered, ApiError> {
        let nowhere = Url::parse("https://autodiscover.invalid/").map_err(|error| failure::invalid(error.to_string(), ""))?;
        let config = self.config(connection, nowhere, passwords)?;
        autodiscover::discover(&config, discovery).await.map_err(|error| failure::invalid(chain(&error), ""))
    }

    fn passwords(&self, connection: &Connection) -> Result<Passwords, ApiError> {
        let needed = sign_in::needs_secret(&connection.definition);
        let account = needed.then(|| self.secrets.get(Kind::CONNECTION, &connection.name)).transpose().map_err(|error| secret_error(&error))?;
        let has_own = connection.definition.ldap.as_ref().is_some_and(|ldap| ldap.user.is_some());
        let ldap = has_own.then(|| self.secrets.get(Kind::DIRECTORY, &connection.name)).transpose().map_err(|error| secret_error(&error))?;
        Ok(Passwords { account, ldap })
    }

    /// Looks for a connection's server where its definition does not name it, and sees to it that a source can be made of it.
    async fn find_server(&self, connection: &Connection, passwords: Passwords) -> Result<Option<FoundServer>, ApiError> {
        let found = match &connection.server {
            Server::Url(_) => None,
            Server::Autodiscover(discovery) => Some(search::server(discovery, self.discover(connection, discovery, passwords.clone()).await?)?),
        };
        let url = server_url(&connection.server, found.as_ref())?;
        self.make_source(connection, url, passwords)?;
        Ok(found)
    }

    fn make_source(&self, connection: &Connection, url: Url, passwords: Passwords) -> Result<Arc<dyn Source>, ApiError> {
        match connection.definition.kind {
            ConnectionKind::Ews => {
                let config = self.config(connection, url, passwords)?;
                Ok(Arc::new(EwsSource::new(config).map_err(|error| failure::invalid(chain(&error), ""))?))
            }
        }
    }

    fn config(&self, connection: &Connection, url: Url, passwords: Passwords) -> Result<EwsConfig, ApiError> {
        let definition = &connection.definition;
        let sign_in = sign_in::sign_in(&connection.name, definition, &url, passwords.account.clone(), &self.secrets, &self.clock)?;
        let mut config = EwsConfig::with(url, sign_in, self.spool_dir.clone());
        config.ca_pem = definition.ca_file.as_deref().map(read_authority).transpose()?;
        config.insecure = definition.insecure;
        config.lists.clone_from(&connection.lists);
        if let Server::Autodiscover(discovery) = &connection.server {
            config.public_folders = self.found.get(&connection.name, discovery.address.as_str()).map(|found| public::place(&found));
        }
        if let (Some(ldap), Some(url)) = (&definition.ldap, &connection.ldap_url) {
            config.ldap = Some(LdapConfig {
                url: url.clone(),
                start_tls: ldap.start_tls,
                user: ldap.user.clone().unwrap_or_else(|| definition.user.clone()),
                password: passwords
                    .ldap
                    .or(passwords.account)
                    .ok_or_else(|| failure::invalid("the directory needs a user of its own", "give --ldap-user and --ldap-password-file"))?,
                base: ldap.base.clone(),
                filter: ldap.filter.clone(),
                ca_pem: ldap.ca_file.as_deref().map(read_authority).transpose()?.or_else(|| config.ca_pem.clone()),
                insecure: definition.insecure,
            });
        }
        Ok(config)
    }

    /// Returns some of the mailboxes that the jobs of a connection name.
    fn sample(&self, name: &Name) -> Vec<Address> {
        let known = self.definitions.known();
        let jobs = known.jobs.values().filter(|job| job.connection == *name);
        let only = jobs.filter(|job| matches!(job.definition.source, c2b_api::job::Selection::Only(_)));
        let mut sample: Vec<Address> = only.flat_map(|job| job.addresses.iter().cloned()).collect();
        sample.sort();
        sample.dedup();
        sample.truncate(CHECK_MAILBOXES_MAX);
        sample
    }

    fn lock_live(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_authority(path: &Path) -> Result<Vec<u8>, ApiError> {
    std::fs::read(path)
        .map_err(|error| failure::invalid(format!("failed to read the CA file {}: {error}", path.display()), "the daemon's user must be able to read it"))
}

fn server_url(server: &Server, found: Option<&FoundServer>) -> Result<Url, ApiError> {
    match (server, found) {
        (Server::Url(url), _) => Ok(url.clone()),
        (Server::Autodiscover(_), Some(found)) => Url::parse(&found.url)
            .map_err(|error| ApiError::new(ErrorCode::Internal, format!("the server found is at {:?}, which is no URL: {error}", found.url), "")),
        (Server::Autodiscover(discovery), None) => Err(ApiError::new(ErrorCode::Server, format!("no server is known for {}", discovery.address), "")),
    }
}

/// Answers what a source's error means for an administrator.
pub fn source_error(error: &SourceError) -> ApiError {
    let (code, hint) = match error.trouble {
        Trouble::SignIn => (ErrorCode::Auth, "`c2bctl connection check` says more; make the connection anew with another user, secret or --sign-in"),
        Trouble::Forbidden => (ErrorCode::Auth, "give the account the right to impersonate, or full access to the mailboxes"),
        Trouble::Certificate => (ErrorCode::Server, "give the authority's certificate with --ca-file"),
        Trouble::WrongUrl => (ErrorCode::Server, "check the URL: https://HOST/EWS/Exchange.asmx"),
        Trouble::Unreachable => (ErrorCode::Server, "check host name, port, network and firewall"),
        Trouble::NoSuchMailbox => (ErrorCode::Server, "check the address"),
        Trouble::Unsupported => (ErrorCode::Server, "name the mailboxes with --mailbox"),
        Trouble::Local => (ErrorCode::Internal, ""),
        _ => (ErrorCode::Server, "try again later"),
    };
    ApiError::new(code, chain(error), hint)
}

fn secret_error(error: &SecretError) -> ApiError {
    let hint = match error {
        SecretError::Missing { name, .. } => format!("give it with `c2bctl connection edit {name} --password-file FILE`"),
        SecretError::Exposed { path, .. } => format!("chmod 0600 {}", path.display()),
        SecretError::Seal { err: SealError::OtherKey, name, .. } => {
            format!("give it anew with `c2bctl connection edit {name} --password-file FILE`, or restore the machine key that sealed it from a backup")
        }
        SecretError::Seal { name, .. } => format!("give it anew with `c2bctl connection edit {name} --password-file FILE`"),
        SecretError::Machine(error) => return error.clone(),
        SecretError::File(error) => return failure::file(error),
    };
    ApiError::new(ErrorCode::Auth, chain(error), hint)
}

fn exists(name: &Name) -> ApiError {
    ApiError::new(ErrorCode::Exists, format!("there is a connection {name} already"), "choose another name, or delete that one first")
}

fn finding(finding: c2b_mailbox::Finding) -> Finding {
    let level = match finding.level {
        c2b_mailbox::Level::Ok => Level::Ok,
        c2b_mailbox::Level::Warning => Level::Warning,
        c2b_mailbox::Level::Error => Level::Error,
    };
    Finding { subject: finding.subject, level, text: finding.text, hint: finding.hint }
}

/// A mailbox that cannot be opened is a warning when another one could: then the connection is not to blame.
fn forgive_single_mailboxes(findings: &mut [Finding]) {
    let is_mailbox = |finding: &Finding| finding.subject.starts_with("mailbox ");
    if findings.iter().any(|finding| is_mailbox(finding) && finding.level < Level::Error) {
        for finding in findings.iter_mut().filter(|finding| is_mailbox(finding)) {
            finding.level = finding.level.min(Level::Warning);
        }
    }
}

/// Tells from the first error what stands in the way: Exchange names what it denies (`ErrorAccessDenied`,
/// `ErrorImpersonateUserDenied`, …).
fn code(finding: &Finding) -> ErrorCode {
    if finding.subject == "sign-in" || finding.text.contains("Denied") { ErrorCode::Auth } else { ErrorCode::Server }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(subject: &str, level: Level) -> Finding {
        Finding { subject: subject.to_owned(), level, text: String::new(), hint: String::new() }
    }

    #[test]
    fn one_missing_mailbox_does_not_condemn_the_connection_and_all_do() {
        let mut some = [of("mailbox a@b", Level::Error), of("mailbox c@d", Level::Ok), of("export", Level::Error)];
        forgive_single_mailboxes(&mut some);
        assert_eq!([some[0].level, some[1].level, some[2].level], [Level::Warning, Level::Ok, Level::Error]);
        let mut all = [of("mailbox a@b", Level::Error), of("sign-in", Level::Ok)];
        forgive_single_mailboxes(&mut all);
        assert_eq!(all[0].level, Level::Error);
    }
}
