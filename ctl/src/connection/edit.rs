//! `connection edit`: what is given changes, the rest stays.

use super::{absolute, told};
use crate::error::Error;
use crate::exit::Exit;
use crate::noun::parse_name;
use crate::password;
use crate::session::Session;
use c2b_api::Secret;
use c2b_api::connection::{ConnectionCreate, ConnectionDefinition, ConnectionInfo, MailboxPlace, OAuthDefinition, SignInKind};
use c2b_api::route;
use chrono::NaiveDate;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
What is not given stays as it is. Whenever the secret would go elsewhere, or be protected otherwise, it
must be given again: nobody can read it back by sending it to a place of his own.
A running job takes the change up with its next cycle.

Examples:
  c2bctl connection edit main --new-password
  c2bctl connection edit main --password-file /root/exchange-password
  c2bctl connection edit main --url https://mail2.example.org/EWS/Exchange.asmx --password-file -
  c2bctl connection edit main --sign-in negotiate --user backup@EXAMPLE.ORG
  c2bctl connection edit main --mailboxes ldap --mailboxes group:staff@example.org";

/// Change a connection
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EditArgs {
    /// The connection
    #[arg(value_parser = parse_name)]
    name: String,
    /// The service's URL
    #[arg(long, conflicts_with = "autodiscover")]
    url: Option<String>,
    /// Find the server from this address
    #[arg(long, value_name = "ADDRESS")]
    autodiscover: Option<String>,
    /// Let autodiscover give the password to this host, instead of those it may now; may be repeated
    #[arg(long = "approve-host", value_name = "HOST")]
    approved_hosts: Vec<String>,
    /// Where mailboxes are listed, instead of where they are now; may be repeated
    #[arg(long = "mailboxes", value_name = "PLACE", value_parser = super::place::parse_place)]
    mailboxes: Vec<MailboxPlace>,
    /// How to sign in
    #[arg(long, value_parser = super::sign_in::kinds())]
    sign_in: Option<SignInKind>,
    /// The account that signs in
    #[arg(long)]
    user: Option<String>,
    /// Ask for the password at the terminal, though nothing else changes
    #[arg(long)]
    new_password: bool,
    /// A file with the password, or the application's secret, that only you can read; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "new_password")]
    password_file: Option<PathBuf>,
    /// A PEM file with the application's certificate and RSA key that only you can read
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_file", "new_password"])]
    certificate_file: Option<PathBuf>,
    /// A file with the password of the directory's user that only you can read
    #[arg(long, value_name = "FILE")]
    ldap_password_file: Option<PathBuf>,
    /// The directory
    #[arg(long, value_name = "URL")]
    ldap_url: Option<String>,
    /// The application's id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The application's tenant at Entra ID
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// The token service
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// The last day on which the application's secret is good
    #[arg(long, value_name = "YYYY-MM-DD")]
    secret_expires: Option<NaiveDate>,
    /// A PEM file with the authority that signed the server's certificate
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Check the certificate against the system's authorities
    #[arg(long, conflicts_with = "ca_file")]
    no_ca_file: bool,
    /// Accept any certificate, and plain HTTP; stays visible as a warning
    #[arg(long)]
    insecure: bool,
    /// Check certificates again
    #[arg(long, conflicts_with = "insecure")]
    secure: bool,
}

/// Changes a connection.
pub(super) async fn edit(session: &Session, args: &EditArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let before: ConnectionInfo = session.ask_of(&route::connection::SHOW, name).await?;
    let definition = args.changed(&before.definition)?;
    let password = args.secret(&before.definition, &definition)?;
    let ldap_password = args.ldap_secret(&before.definition, &definition)?;
    if definition == before.definition && password.is_none() && ldap_password.is_none() {
        return Err(Error::usage("nothing is to be changed", "`c2bctl connection edit --help` shows what can be"));
    }
    let request = ConnectionCreate { name: name.clone(), definition, password, ldap_password };
    let info: ConnectionInfo = session.tell_of(&route::connection::EDIT, name, &request).await?;
    let exit = told(session, &info, &format!("changed connection {name}; try it with `c2bctl connection check {name}`"))?;
    super::warn(&session.output, &info);
    Ok(exit)
}

impl EditArgs {
    /// Returns the definition with what is given.
    fn changed(&self, before: &ConnectionDefinition) -> Result<ConnectionDefinition, Error> {
        let mut after = before.clone();
        if let Some(url) = &self.url {
            (after.url, after.autodiscover, after.autodiscover_url) = (Some(url.clone()), None, None);
            after.autodiscover_root_domain = false;
            after.approved_hosts.clear();
        }
        if let Some(address) = &self.autodiscover {
            (after.url, after.autodiscover) = (None, Some(address.clone()));
        }
        if !self.approved_hosts.is_empty() {
            after.approved_hosts.clone_from(&self.approved_hosts);
        }
        if !self.mailboxes.is_empty() {
            after.mailboxes = super::place::whole(&self.mailboxes)?;
        }
        if let Some(kind) = self.sign_in {
            after.sign_in = kind;
            if !kind.is_oauth() {
                after.oauth = None;
            }
            if kind != SignInKind::Negotiate {
                after.kerberos = None;
            }
        }
        if let Some(user) = &self.user {
            after.user.clone_from(user);
        }
        let gives_application = self.client_id.is_some() || self.tenant.is_some() || self.token_url.is_some() || self.secret_expires.is_some();
        if gives_application {
            let new = || OAuthDefinition { client_id: String::new(), tenant: None, token_url: None, scope: None, secret_expires: None };
            let mut oauth = after.oauth.take().unwrap_or_else(new);
            oauth.client_id = self.client_id.clone().unwrap_or(oauth.client_id);
            oauth.tenant = self.tenant.clone().or(oauth.tenant);
            oauth.token_url = self.token_url.clone().or(oauth.token_url);
            oauth.secret_expires = self.secret_expires.or(oauth.secret_expires);
            after.oauth = Some(oauth);
        }
        match (&self.ldap_url, &mut after.ldap) {
            (Some(url), Some(ldap)) => ldap.url.clone_from(url),
            (Some(_), None) => return Err(Error::usage(format!("connection {} has no directory", self.name), "make the connection anew with --ldap-url")),
            (None, _) => {}
        }
        match (&self.ca_file, self.no_ca_file) {
            (Some(file), _) => after.ca_file = Some(absolute(file)?),
            (None, true) => after.ca_file = None,
            (None, false) => {}
        }
        after.insecure = (after.insecure || self.insecure) && !self.secure;
        Ok(after)
    }

    /// Reads the secret where one is given or needed.
    fn secret(&self, before: &ConnectionDefinition, after: &ConnectionDefinition) -> Result<Option<Secret>, Error> {
        let takes_one = after.sign_in != SignInKind::DeviceCode && !after.kerberos.as_ref().is_some_and(|kerberos| kerberos.system_ticket);
        if let Some(file) = &self.certificate_file {
            return password::read_whole(file).map(Some);
        }
        let is_given = self.password_file.is_some() || self.new_password;
        if !takes_one || (!is_given && after.keeps_secret(before)) {
            return Ok(None);
        }
        if after.sign_in == SignInKind::OauthCertificate {
            return Err(Error::usage("the certificate must be given again, since it would be used elsewhere", "name it with --certificate-file FILE"));
        }
        let whose = if after.sign_in == SignInKind::OauthSecret { "Secret of the application: ".to_owned() } else { format!("Password of {}: ", after.user) };
        password::read(self.password_file.as_deref(), &whose).map(Some)
    }

    fn ldap_secret(&self, before: &ConnectionDefinition, after: &ConnectionDefinition) -> Result<Option<Secret>, Error> {
        let Some(user) = after.ldap.as_ref().and_then(|ldap| ldap.user.as_ref()) else { return Ok(None) };
        if self.ldap_password_file.is_none() && after.keeps_directory_secret(before) {
            return Ok(None);
        }
        password::read(self.ldap_password_file.as_deref(), &format!("Password of {user} at the directory: ")).map(Some)
    }
}
