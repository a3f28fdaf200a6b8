//! E-mail: over a server that is signed in to, or by the host's sendmail. One mail goes to one recipient.
//!
//! Nothing is sent in the clear unless the rules say so, which they may of this host only. A server that hangs is given up.

use super::rules::{Mail, Security};
use super::words::{line, text};
use crate::failure::chain;
use c2b_api::alert::AlertEvent;
use c2b_ews::Secret;
use chrono::{DateTime, Utc};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSendmailTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// How long a server may take for all of it: whoever is slower than this is not to be waited for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// SMTP answers about signing in: not so, weak, needed, wrong (RFC 4954, section 6).
const SIGN_IN_CODES: [u16; 4] = [504, 534, 530, 535];

/// Mail could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum MailError {
    /// An address is none.
    #[error("the sender {0:?} is no address")]
    Sender(String),
    /// The message cannot be put together.
    #[error("failed to write the mail")]
    Write(#[source] lettre::error::Error),
    /// The authority's certificate cannot be read.
    #[error("failed to read the CA file {path}")]
    Authority {
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not take it. That error tells its cause itself.
    #[error("failed to send by {server}:{port}: {error}")]
    Smtp { server: String, port: u16, error: lettre::transport::smtp::Error },
    /// The server or the program took too long.
    #[error("{by} did not take the mail within {} s", TIMEOUT.as_secs())]
    Timeout { by: String },
    /// The host's sendmail did not take it. That error tells its cause itself.
    #[error("failed to send by sendmail: {0}")]
    Sendmail(lettre::transport::sendmail::Error),
}

impl MailError {
    /// Returns what happened, and what to do.
    pub(super) fn words(&self) -> String {
        match self.hint() {
            "" => chain(self),
            hint => format!("{}; {hint}", chain(self)),
        }
    }

    fn hint(&self) -> &'static str {
        let error = match self {
            Self::Sender(_) => return "name one with `from`",
            Self::Authority { .. } => return "`ca-file` is a PEM file that the daemon's user can read",
            Self::Timeout { .. } => return "see whether `server` and `port` are those of a mail server, and `security` what it speaks there",
            Self::Sendmail(_) => return "see whether this host can send mail, or name a `server`",
            Self::Write(_) => return "",
            Self::Smtp { error, .. } => error,
        };
        let said = error.to_string();
        match error.status().map(u16::from) {
            Some(code) if SIGN_IN_CODES.contains(&code) => "see whether `user` is right, and give its password with `c2bctl alert password`",
            Some(_) if error.is_transient() => "it is tried again",
            Some(_) => "see whether the server may send from `from` to this recipient",
            None if said.contains("STARTTLS") => "say security = \"tls\" and its port, if the server has such a one",
            None if said.contains("authentication mechanism") => "the server takes neither PLAIN nor LOGIN here: leave `user` out, or use another port",
            None if said.contains("UnknownIssuer") => "give the certificate of its issuer with `ca-file`",
            None if said.contains("certificate") => "name the server as its certificate does, and see whether that is still valid",
            None if said.contains("corrupt message") => "the server does not begin with TLS at this port: say security = \"starttls\"",
            None => "see whether `server` and `port` are right, and reached from here",
        }
    }
}

/// Sends one mail about events to one recipient.
pub(super) async fn send(mail: &Mail, to: &Mailbox, password: Option<&Secret>, host: &str, events: &[AlertEvent], now: DateTime<Utc>) -> Result<(), MailError> {
    let message = message(mail, to, host, events, now)?;
    let Some(server) = &mail.server else {
        let transport = match &mail.sendmail {
            Some(program) => AsyncSendmailTransport::<Tokio1Executor>::new_with_command(program),
            None => AsyncSendmailTransport::new(),
        };
        let sent = timeout(TIMEOUT, transport.send(message)).await.map_err(|_| MailError::Timeout { by: "sendmail".to_owned() })?;
        return sent.map_err(MailError::Sendmail);
    };
    let port = mail.port();
    let failed = |error| MailError::Smtp { server: server.clone(), port, error };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server).port(port).timeout(Some(TIMEOUT));
    // A name that is none to others is worse than none.
    if host.contains('.') {
        transport = transport.hello_name(ClientId::Domain(host.to_owned()));
    }
    if mail.security != Security::None {
        let mut parameters = TlsParameters::builder(server.clone());
        if let Some(path) = &mail.ca_file {
            parameters = parameters.add_root_certificate(authority(path)?);
        }
        let parameters = parameters.build_rustls().map_err(failed)?;
        transport = transport.tls(if mail.security == Security::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) });
    }
    if let (Some(user), Some(password)) = (&mail.user, password) {
        transport = transport.credentials(Credentials::new(user.clone(), String::from_utf8_lossy(password.expose()).into_owned()));
    }
    // The transport's own limit is for the connection alone.
    let sent = timeout(TIMEOUT, transport.build().send(message)).await.map_err(|_| MailError::Timeout { by: format!("{server}:{port}") })?;
    sent.map(drop).map_err(failed)
}

fn message(mail: &Mail, to: &Mailbox, host: &str, events: &[AlertEvent], now: DateTime<Utc>) -> Result<Message, MailError> {
    let from = match &mail.from {
        Some(from) => from.clone(),
        None => format!("c2b@{host}").parse::<Mailbox>().map_err(|_| MailError::Sender(format!("c2b@{host}")))?,
    };
    let subject = match events {
        [only] => format!("[c2b {host}] {}", line(only)),
        events => format!("[c2b {host}] {} events, first: {}", events.len(), events.first().map(line).unwrap_or_default()),
    };
    let message = Message::builder().from(from).to(to.clone()).subject(subject).date(now.into()).message_id(Some(id(host)));
    message.header(AutoSubmitted).header(ContentType::TEXT_PLAIN).body(text(host, events)).map_err(MailError::Write)
}

/// Returns an id that no other mail has.
fn id(host: &str) -> String {
    let mut bytes = [0; 16];
    // Without random bytes the id would repeat, and the mail still arrive.
    let _ = getrandom::fill(&mut bytes);
    format!("<{:032x}@{host}>", u128::from_le_bytes(bytes))
}

/// Says that no person wrote the mail, so that nobody's automatic reply comes back (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn authority(path: &Path) -> Result<Certificate, MailError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| MailError::Authority { path: path.display().to_string(), source };
    let pem = std::fs::read(path).map_err(|error| failed(error.into()))?;
    Certificate::from_pem(&pem).map_err(|error| failed(error.into()))
}
