//! Connections at work: from a definition and its secret to a [`Source`].

use crate::clock::Clock;
use crate::definition::file::ConnectionFile;
use crate::definition::{Connection, Defined, Definitions};
use crate::engine::ConnectionLimits;
use crate::failure::{self, chain};
use crate::name::Name;
use crate::secret::{SecretError, Secrets};
use c2b_api::connection::{CheckReport, ConnectionInfo, ConnectionKind, Finding, Level, MailboxInfo};
use c2b_api::{ApiError, ErrorCode};
use c2b_ews::{EwsConfig, EwsSource};
use c2b_mailbox::{Address, Source, SourceError, Trouble};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::info;

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
}

/// What is kept of a connection between uses: what its server can do, and how much it bears.
struct Live {
    connection: Arc<Connection>,
    source: Arc<dyn Source>,
    limits: Arc<ConnectionLimits>,
}

impl Connections {
    /// Serves the connections that the definitions name. Bodies too large for memory wait in `spool_dir`.
    pub fn new(definitions: Arc<Definitions>, secrets: Secrets, spool_dir: PathBuf, clock: Clock) -> Self {
        Self { definitions, secrets, spool_dir, clock, live: Mutex::default() }
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// When the name is taken, a value is not acceptable, or a file cannot be read or written.
    pub async fn create(&self, name: &Name, file: ConnectionFile, password: &str, user: &str) -> Result<ConnectionInfo, ApiError> {
        let _changing = self.definitions.change().await;
        if self.definitions.is_taken::<Connection>(name) {
            return Err(exists(name));
        }
        if password.is_empty() {
            return Err(failure::invalid("the password is empty", "is the password file empty?"));
        }
        let connection = Connection::check(name, ConnectionFile { owner: None, ..file }, user).map_err(failure::wrong)?;
        self.make_source(&connection, c2b_ews::Secret::new(password))?;
        self.secrets.put(name, password).map_err(|error| failure::file(&error))?;
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
        self.secrets.remove(name).map_err(|error| failure::file(&error))?;
        self.lock_live().remove(name);
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
        if let Err(error) = self.secrets.get(&connection.name) {
            warnings.push(secret_error(&error).message);
        }
        ConnectionInfo { name: connection.name.to_string(), definition: connection.definition.clone(), owner: connection.owner.clone(), jobs, warnings }
    }

    /// Looks how far one gets with a connection: the server, the sign-in, and a sample of its jobs' mailboxes.
    ///
    /// # Errors
    /// When there is none, or it cannot even be tried.
    pub async fn check(&self, name: &Name) -> Result<CheckReport, ApiError> {
        let connection = self.get(name)?;
        let (source, _) = self.source(name)?;
        let report = source.check(&self.sample(name)).await;
        let mut findings: Vec<Finding> = report.findings.into_iter().map(finding).collect();
        if !findings.iter().any(|finding| finding.level == Level::Warning && matches!(finding.subject.as_str(), "certificate" | "encryption")) {
            let warning = |text| Finding { subject: "definition".to_owned(), level: Level::Warning, text, hint: String::new() };
            findings.extend(connection.warnings().into_iter().map(warning));
        }
        forgive_single_mailboxes(&mut findings);
        let code = findings.iter().find(|finding| finding.level == Level::Error).map(code);
        Ok(CheckReport { usable: code.is_none(), findings, code })
    }

    /// Lists the mailboxes that a connection can enumerate.
    ///
    /// # Errors
    /// When there is no such connection, or the server does not tell.
    pub async fn mailboxes(&self, name: &Name) -> Result<Vec<MailboxInfo>, ApiError> {
        let (source, _) = self.source(name)?;
        let mailboxes = source.mailboxes().await.map_err(|error| source_error(&error))?;
        Ok(mailboxes
            .into_iter()
            .map(|mailbox| MailboxInfo { address: mailbox.address.into(), display_name: mailbox.display_name, kind: mailbox.kind.word().to_owned(), archive: mailbox.archive, skipped: mailbox.skipped })
            .collect())
    }

    /// Returns a connection's source and how many requests it bears.
    ///
    /// # Errors
    /// When there is no such connection, or its secret or CA file cannot be used.
    pub fn source(&self, name: &Name) -> Result<(Arc<dyn Source>, Arc<ConnectionLimits>), ApiError> {
        let connection = self.get(name)?;
        if let Some(live) = self.lock_live().get(name).filter(|live| live.connection == connection) {
            return Ok((live.source.clone(), live.limits.clone()));
        }
        let password = self.secrets.get(name).map_err(|error| secret_error(&error))?;
        let source = self.make_source(&connection, password)?;
        let mut live = self.lock_live();
        let limits = live.get(name).map_or_else(|| ConnectionLimits::new(self.clock.clone()), |live| live.limits.clone());
        live.insert(name.clone(), Live { connection, source: source.clone(), limits: limits.clone() });
        Ok((source, limits))
    }

    /// Makes the next use of each connection read its secret and CA file again.
    pub fn refresh(&self) {
        self.lock_live().clear();
    }

    fn make_source(&self, connection: &Connection, password: c2b_ews::Secret) -> Result<Arc<dyn Source>, ApiError> {
        let definition = &connection.definition;
        let ca_pem = match &definition.ca_file {
            None => None,
            Some(path) => Some(std::fs::read(path).map_err(|error| {
                failure::invalid(format!("failed to read the CA file {}: {error}", path.display()), "the daemon's user must be able to read it")
            })?),
        };
        match definition.kind {
            ConnectionKind::Ews => {
                let mut config = EwsConfig::new(connection.url.clone(), definition.user.clone(), password, self.spool_dir.clone());
                config.ca_pem = ca_pem;
                config.insecure = definition.insecure;
                Ok(Arc::new(EwsSource::new(config).map_err(|error| failure::invalid(chain(&error), ""))?))
            }
        }
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

/// Answers what a source's error means for an administrator.
pub fn source_error(error: &SourceError) -> ApiError {
    let (code, hint) = match error.trouble {
        Trouble::SignIn => (ErrorCode::Auth, "check user and password; make the connection anew with the right ones"),
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
        SecretError::Missing { path, .. } => format!("write it into {} (mode 0600, owned by the daemon's user)", path.display()),
        SecretError::Exposed { path, .. } => format!("chmod 0600 {}", path.display()),
        SecretError::File(_) => String::new(),
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
