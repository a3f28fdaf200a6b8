//! Signing in: what an administrator gives, and how it becomes what servers ask for.
//!
//! Basic and bearer tokens are a header on each request. NTLM and Negotiate are a dialogue (`Dialogue`) that signs
//! one connection in. Both bind themselves to the TLS channel, so that nobody in between can use them.

mod certificate;
mod der;
mod findings;
mod kerberos;
mod ntlm;
pub mod oauth;
pub(crate) mod offer;
mod refusal;
mod spnego;

pub(crate) use findings::sign_in_findings;
pub(crate) use oauth::Tokens;
pub(crate) use refusal::Refusal;

use crate::error::{EwsError, Failure};
use crate::http::Wire;
use crate::{EwsConfig, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use c2b_mailbox::Trouble;
use chrono::{DateTime, Utc};
use hyper::header::HeaderValue;
use kerberos::Tickets;
use oauth::OAuth;
use std::sync::Arc;
use url::Url;
use zeroize::Zeroizing;

/// How a user signs in.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// User and password in each request (RFC 7617). Over TLS only.
    Basic(Account),
    /// NTLM version 2 (MS-NLMP), with channel binding.
    Ntlm(Account),
    /// SPNEGO: Kerberos, or NTLM where there is no Kerberos.
    Negotiate(Negotiate),
    /// Access tokens of OAuth 2.0.
    OAuth(OAuth),
}

impl SignIn {
    /// Returns who signs in, for an administrator to read.
    #[must_use]
    pub fn user(&self) -> &str {
        match self {
            Self::Basic(account) | Self::Ntlm(account) => &account.user,
            Self::Negotiate(negotiate) => &negotiate.user,
            Self::OAuth(oauth) => &oauth.client_id,
        }
    }
}

/// Returns the last moment at which a client's certificate is good; `None` when it cannot be read.
pub fn certificate_expiry(pem: &Secret) -> Option<DateTime<Utc>> {
    oauth::certificate_expiry(pem)
}

/// A user with a password.
#[derive(Clone, Debug)]
pub struct Account {
    /// `name@domain` or `DOMAIN\name`.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Account {
    /// Returns the domain and the user's name in it; a name with `@` is whole in itself.
    fn split(&self) -> (&str, &str) {
        self.user.split_once('\\').unwrap_or(("", &self.user))
    }
}

/// A user who signs in with Kerberos.
#[derive(Clone, Debug)]
pub struct Negotiate {
    /// `name@REALM`, or `DOMAIN\name` whose realm is the default of `krb5.conf`.
    pub user: String,
    /// The password; without it the ticket cache or the client keytab of the process is used, and no NTLM.
    pub password: Option<Secret>,
    /// The service's principal: `HTTP/host`, with the URL's host, unless given.
    pub service: Option<String>,
}

/// A scheme of `WWW-Authenticate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    Ntlm,
    Negotiate,
    Bearer,
}

impl Scheme {
    /// Returns the scheme's word in HTTP.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
            Self::Bearer => "Bearer",
        }
    }

    /// Returns what an administrator sets to use it.
    fn setting(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Ntlm => "ntlm",
            Self::Negotiate => "negotiate",
            Self::Bearer => "oauth-certificate, oauth-secret or device-code",
        }
    }
}

/// Why there is nothing to answer to a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// What the server sent is no challenge.
    #[error("the server's challenge is not understood")]
    Challenge,
    /// What the server says at the end does not fit what was said before.
    #[error("the server's last word is not signed with the key that was agreed on: somebody may be in between")]
    LastWord,
    /// There are no random numbers.
    #[error("no random numbers from the operating system")]
    Random(#[source] getrandom::Error),
    /// Kerberos does not let the user in.
    #[error("Kerberos: {0}")]
    Kerberos(String),
    /// What is to be said cannot be put into HTTP.
    #[error("the answer cannot be put into a header")]
    Header,
}

impl From<SignInError> for Failure {
    fn from(err: SignInError) -> Self {
        let code = if matches!(err, SignInError::Kerberos(_)) { "Kerberos" } else { "sign-in" };
        Self::new(Trouble::SignIn, code, err.to_string())
    }
}

/// What a server said last: nothing, before the first leg.
#[derive(Default)]
pub(crate) struct Challenge {
    pub(crate) token: Vec<u8>,
    /// The time at the server, as its `Date` header says.
    pub(crate) date: String,
}

impl Challenge {
    /// Returns the server's time in 100 ns since 1601; 0 when it told none.
    fn filetime(&self) -> u64 {
        const SECONDS_1601_TO_1970: i64 = 11_644_473_600;
        let seconds = DateTime::parse_from_rfc2822(&self.date).map_or(-SECONDS_1601_TO_1970, |date| date.timestamp());
        u64::try_from(seconds + SECONDS_1601_TO_1970).unwrap_or_default() * 10_000_000
    }
}

/// What we say next.
pub(crate) struct Leg {
    pub(crate) token: Vec<u8>,
    /// Whether we are done when the server is content.
    pub(crate) is_last: bool,
}

/// One sign-in of several legs. May block.
pub(crate) trait Dialogue: Send {
    /// Answers what the server said.
    fn next(&mut self, challenge: &Challenge) -> Result<Leg, SignInError>;

    /// Takes what a server says at the end, when it is content.
    fn finish(&mut self, _: &[u8]) -> Result<(), SignInError> {
        Ok(())
    }
}

/// How requests are signed.
pub(crate) enum Signer {
    Basic(HeaderValue),
    Bearer(Box<Tokens>),
    Bound(Bound),
}

impl Signer {
    pub(crate) fn new(config: &EwsConfig, wire: &Arc<Wire>) -> Result<Self, EwsError> {
        match &config.sign_in {
            SignIn::Basic(account) => Ok(Self::Basic(basic(account)?)),
            SignIn::Ntlm(account) => Ok(Self::Bound(Bound::Ntlm(account.clone()))),
            SignIn::Negotiate(negotiate) => Ok(Self::Bound(Bound::Negotiate(negotiate.clone(), Arc::default()))),
            SignIn::OAuth(oauth) => Ok(Self::Bearer(Box::new(Tokens::new(oauth, Arc::clone(wire))?))),
        }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            Self::Basic(_) => Scheme::Basic,
            Self::Bearer(_) => Scheme::Bearer,
            Self::Bound(bound) => bound.scheme(),
        }
    }
}

/// A scheme that signs a connection in.
pub(crate) enum Bound {
    Ntlm(Account),
    Negotiate(Negotiate, Arc<Tickets>),
}

impl Bound {
    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            Self::Ntlm(_) => Scheme::Ntlm,
            Self::Negotiate(..) => Scheme::Negotiate,
        }
    }

    /// Begins to sign in at a URL's host, over a connection whose server showed this certificate.
    pub(crate) fn begin(&self, url: &Url, certificate: Option<&[u8]>) -> Box<dyn Dialogue> {
        let binding = certificate.map(certificate::channel_binding);
        let target = format!("HTTP/{}", url.host_str().unwrap_or_default());
        match self {
            Self::Ntlm(account) => Box::new(ntlm::Ntlm::new(account.clone(), target, binding)),
            Self::Negotiate(negotiate, tickets) => Box::new(spnego::Spnego::new(negotiate.clone(), Arc::clone(tickets), target, binding)),
        }
    }

    /// Returns the header that carries a token.
    pub(crate) fn header(&self, token: &[u8]) -> Result<HeaderValue, SignInError> {
        let mut value = HeaderValue::from_str(&format!("{} {}", self.scheme().word(), STANDARD.encode(token))).map_err(|_| SignInError::Header)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn basic(account: &Account) -> Result<HeaderValue, EwsError> {
    let mut plain = Zeroizing::new(account.user.clone().into_bytes());
    plain.push(b':');
    plain.extend_from_slice(account.password.expose());
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(plain.as_slice()))).map_err(|_| EwsError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}
