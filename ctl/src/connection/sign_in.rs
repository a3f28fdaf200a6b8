//! How a connection signs in: as options, as shown, and by a code on another device.

use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::noun::NameArgs;
use crate::password;
use crate::session::Session;
use c2b_api::Secret;
use c2b_api::connection::{ConnectionDefinition, KerberosDefinition, OAuthDefinition, SignInEvent, SignInKind};
use c2b_api::route::{self, Nothing};
use chrono::NaiveDate;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

/// How to sign in.
#[derive(Args, Debug)]
pub(crate) struct SignInArgs {
    /// How to sign in; oauth-… and device-code are for Exchange Online and for servers behind AD FS
    #[arg(long, value_parser = kinds(), default_value = SignInKind::Basic.word())]
    sign_in: SignInKind,
    /// The account that signs in; not for oauth-secret and oauth-certificate
    #[arg(long, required_unless_present = "client_id")]
    user: Option<String>,
    /// A file with the account's password, or the application's secret, that only you can read; - for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A PEM file with the application's certificate and RSA key that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
    certificate_file: Option<PathBuf>,
    /// The application's id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The application's tenant at Entra ID: an id or a domain
    #[arg(long, value_name = "TENANT", requires = "client_id")]
    tenant: Option<String>,
    /// The token service, when it is not that of the tenant at Entra ID
    #[arg(long, value_name = "URL", requires = "client_id")]
    token_url: Option<String>,
    /// What to ask the token service for, when it is not all that the application may do at the server
    #[arg(long, requires = "client_id")]
    scope: Option<String>,
    /// The last day on which the application's secret is good, so that checks can warn in time
    #[arg(long, value_name = "YYYY-MM-DD", requires = "client_id")]
    secret_expires: Option<NaiveDate>,
    /// The service's Kerberos principal, when it is not HTTP/ and the host of the URL
    #[arg(long, value_name = "PRINCIPAL")]
    kerberos_service: Option<String>,
    /// Take the ticket from the daemon's ticket cache or client keytab instead of a password
    #[arg(long, conflicts_with = "password_file")]
    system_ticket: bool,
}

/// Reads the word of a way to sign in.
pub(super) fn kinds() -> impl TypedValueParser<Value = SignInKind> {
    let kind = |word: String| SignInKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or("not a way to sign in");
    PossibleValuesParser::new(SignInKind::ALL.map(SignInKind::word)).try_map(kind)
}

impl SignInArgs {
    /// Returns the way to sign in.
    pub(super) fn kind(&self) -> SignInKind {
        self.sign_in
    }

    /// Returns the account.
    pub(super) fn user(&self) -> String {
        self.user.clone().unwrap_or_default()
    }

    /// Returns the application.
    pub(super) fn oauth(&self) -> Option<OAuthDefinition> {
        let client_id = self.client_id.clone()?;
        let (tenant, token_url, scope) = (self.tenant.clone(), self.token_url.clone(), self.scope.clone());
        Some(OAuthDefinition { client_id, tenant, token_url, scope, secret_expires: self.secret_expires })
    }

    /// Returns what Kerberos is to use.
    pub(super) fn kerberos(&self) -> Option<KerberosDefinition> {
        let has_any = self.system_ticket || self.kerberos_service.is_some();
        has_any.then(|| KerberosDefinition { service: self.kerberos_service.clone(), system_ticket: self.system_ticket })
    }

    /// Reads the secret from where the arguments say, or asks for it; none where none is needed.
    pub(super) fn secret(&self) -> Result<Option<Secret>, Error> {
        if let (SignInKind::OauthCertificate, None) = (self.kind(), &self.certificate_file) {
            return Err(Error::usage("no certificate is given", "name a PEM file with certificate and RSA key with --certificate-file FILE"));
        }
        if let Some(path) = &self.certificate_file {
            if self.kind() != SignInKind::OauthCertificate {
                return Err(Error::usage("a certificate is for --sign-in oauth-certificate", "passwords and secrets are in --password-file FILE"));
            }
            return password::read_whole(path).map(Some);
        }
        if self.system_ticket || self.kind() == SignInKind::DeviceCode {
            return Ok(None);
        }
        let whose = if self.kind() == SignInKind::OauthSecret { "Secret of the application: ".to_owned() } else { format!("Password of {}: ", self.user()) };
        password::read(self.password_file.as_deref(), &whose).map(Some)
    }
}

/// Adds how a connection signs in.
pub(super) fn show(facts: &mut Facts, definition: &ConnectionDefinition) {
    if !definition.sign_in.is_basic() {
        facts.add("sign-in", definition.sign_in.word());
    }
    if !definition.user.is_empty() {
        facts.add("user", &definition.user);
    }
    if let Some(oauth) = &definition.oauth {
        facts.add("application", &oauth.client_id);
        let service = oauth.token_url.clone().or_else(|| oauth.tenant.as_ref().map(|tenant| format!("tenant {tenant} at Entra ID")));
        facts.add("token service", service.unwrap_or_default());
        if let Some(day) = oauth.secret_expires {
            facts.add("secret good until", day.to_string());
        }
    }
    if let Some(kerberos) = &definition.kerberos {
        let ticket = if kerberos.system_ticket { "ticket cache or client keytab of the daemon" } else { "by password" };
        let service = kerberos.service.as_ref().map_or(String::new(), |service| format!(", for {service}"));
        facts.add("kerberos", format!("{ticket}{service}"));
    }
}

/// Shows the code to type, and waits until somebody did.
pub(super) async fn sign_in(session: &Session, args: &NameArgs) -> Result<Exit, Error> {
    let lines = session.lines_of(&route::connection::SIGN_IN, &args.name, None::<&Nothing>).await?;
    tokio::select! {
        end = follow(session, &args.name, lines) => end,
        result = tokio::signal::ctrl_c() => {
            result.map_err(|source| Error::SetUp { what: "Ctrl-C", source })?;
            Err(Error::Interrupted { message: format!("stopped waiting for the sign-in of {}", args.name), hint: "the code is of no use any more; begin anew" })
        }
    }
}

async fn follow(session: &Session, name: &str, mut lines: c2b_api::client::Lines) -> Result<Exit, Error> {
    let output = &session.output;
    while let Some(event) = lines.next::<SignInEvent>().await.map_err(|e| session.error(e))? {
        if output.is_json() && !matches!(event, SignInEvent::Failed { .. }) {
            output.value(&event)?;
        }
        match event {
            SignInEvent::Code { url, code, expires_secs } => {
                output.line(&format!("open {url} and type the code {code} within {} minutes", expires_secs / 60))?;
                output.note("waiting …");
            }
            SignInEvent::Done => {
                output.done(&format!("connection {name} is signed in; try it with `c2bctl connection check {name}`"))?;
                return Ok(Exit::OK);
            }
            SignInEvent::Failed { error } => return Err(Error::Api(error)),
        }
    }
    Err(Error::WentAway)
}
