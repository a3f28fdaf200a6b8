//! OAuth 2.0: access tokens from Entra ID or AD FS, kept while they live.
//!
//! A token is replaced at 80 % of its life, and once when a server refuses it. A refresh token that the service
//! replaces is handed to its keeper, and kept, before it is used.

mod assertion;
mod device;
mod reply;

pub use device::DeviceSignIn;

use crate::config::is_loopback;
use crate::error::{EwsError, Failure};
use crate::http::Wire;
use crate::{EwsConfig, Secret};
use assertion::ClientCertificate;
use c2b_mailbox::Trouble;
use chrono::{DateTime, Utc};
use hyper::header::HeaderValue;
use reply::Reply;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

/// The part of its life, in hundredths, after which a token is replaced.
const LIFE_USED_PERCENT: u32 = 80;
/// Asks for a refresh token.
const OFFLINE: &str = "offline_access";

/// An application that a token service knows.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// The service: `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`.
    pub token_url: Url,
    /// The application's id.
    pub client_id: String,
    /// What is asked for: `https://outlook.office365.com/.default`.
    pub scope: String,
    /// What proves the application, or the user.
    pub grant: Grant,
    /// The time of day: assertions say from when until when they hold.
    pub clock: WallClock,
}

/// What a token service takes for a token.
#[derive(Clone, Debug)]
pub enum Grant {
    /// Client credentials with a secret.
    Secret(Secret),
    /// Client credentials with a certificate and its RSA key, both in PEM.
    Certificate(Secret),
    /// A user who signed in with a code on another device: [`DeviceSignIn`].
    Refresh {
        /// The refresh token that is kept; none before the first sign-in.
        token: Option<Secret>,
        /// Keeps those that follow.
        keeper: Arc<dyn Keeper>,
    },
}

/// Keeps a refresh token until the next one.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Keeps the token in place of the one before, in one step, so that it survives a loss of power.
    ///
    /// # Errors
    /// When it could not be kept; the token is then not used.
    fn keep(&self, refresh_token: &Secret) -> io::Result<()>;
}

/// Tells the time of day.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl WallClock {
    /// Takes what tells the time.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

impl OAuth {
    /// Refuses what would give secrets away.
    pub(crate) fn validate(&self) -> Result<(), EwsError> {
        let is_safe = self.token_url.scheme() == "https" || self.token_url.scheme() == "http" && is_loopback(&self.token_url);
        if is_safe { Ok(()) } else { Err(EwsError::TokenUrl { url: self.token_url.to_string() }) }
    }

    /// Returns when the client's certificate ends; `None` when there is none.
    pub(crate) fn expiry(&self) -> Option<DateTime<Utc>> {
        match &self.grant {
            Grant::Certificate(pem) => ClientCertificate::parse(pem).ok()?.expiry(),
            _ => None,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// The tokens of one application or user.
pub(crate) struct Tokens {
    oauth: OAuth,
    certificate: Option<ClientCertificate>,
    wire: Arc<Wire>,
    state: Mutex<State>,
}

struct State {
    held: Option<Held>,
    refresh_token: Option<Secret>,
}

struct Held {
    header: HeaderValue,
    renew_at: Instant,
    ends_at: Instant,
}

impl Tokens {
    pub(crate) fn new(oauth: &OAuth, wire: Arc<Wire>) -> Result<Self, EwsError> {
        oauth.validate()?;
        let (certificate, refresh_token) = match &oauth.grant {
            Grant::Secret(_) => (None, None),
            Grant::Certificate(pem) => (Some(ClientCertificate::parse(pem)?), None),
            Grant::Refresh { token, .. } => (None, token.clone()),
        };
        Ok(Self { oauth: oauth.clone(), certificate, wire, state: Mutex::new(State { held: None, refresh_token }) })
    }

    /// Returns the header with a token that still lives.
    pub(crate) async fn header(&self) -> Result<HeaderValue, Failure> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        match &state.held {
            Some(held) if now < held.renew_at => return Ok(held.header.clone()),
            Some(held) if now < held.ends_at => {
                let old = held.header.clone();
                // The old one is good for a while: trouble of the service need not become ours yet.
                return Ok(self.get(&mut state).await.unwrap_or_else(|failure| {
                    tracing::warn!(code = failure.code, reason = failure.message, "access token not renewed yet");
                    old
                }));
            }
            _ => {}
        }
        self.get(&mut state).await
    }

    /// Returns the header with another token than the one that a server refused.
    pub(crate) async fn replace(&self, refused: &HeaderValue) -> Result<HeaderValue, Failure> {
        let mut state = self.state.lock().await;
        match &state.held {
            Some(held) if held.header != *refused => Ok(held.header.clone()),
            _ => self.get(&mut state).await,
        }
    }

    async fn get(&self, state: &mut State) -> Result<HeaderValue, Failure> {
        let form = self.form(state)?;
        let asked_at = Instant::now();
        let reply = reply::ask(&self.wire, &self.oauth.token_url, &form).await?;
        let Reply::Token { access_token, life, refresh_token } = reply else { return Err(reply.into_failure()) };
        if let (Some(token), Grant::Refresh { keeper, .. }) = (refresh_token, &self.oauth.grant) {
            let kept = keeper.keep(&token);
            kept.map_err(|err| Failure::new(Trouble::Local, "refresh token", "the new refresh token could not be kept").caused_by(err))?;
            state.refresh_token = Some(token);
        }
        let header = bearer(&access_token)?;
        let life = life.min(Duration::from_secs(24 * 3600));
        state.held = Some(Held { header: header.clone(), renew_at: asked_at + life * LIFE_USED_PERCENT / 100, ends_at: asked_at + life });
        Ok(header)
    }

    fn form(&self, state: &State) -> Result<Vec<(&'static str, Secret)>, Failure> {
        let mut form = vec![("client_id", Secret::new(self.oauth.client_id.as_str()))];
        match &self.oauth.grant {
            Grant::Secret(secret) => {
                form.extend([("grant_type", Secret::new("client_credentials")), ("client_secret", secret.clone())]);
                form.push(("scope", Secret::new(self.oauth.scope.as_str())));
            }
            Grant::Certificate(_) => {
                let certificate = self.certificate.as_ref().ok_or_else(no_refresh_token)?;
                let assertion = certificate.assert(&self.oauth.client_id, &self.oauth.token_url, self.oauth.now())?;
                form.extend([("grant_type", Secret::new("client_credentials")), ("client_assertion", assertion)]);
                form.push(("client_assertion_type", Secret::new("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")));
                form.push(("scope", Secret::new(self.oauth.scope.as_str())));
            }
            Grant::Refresh { .. } => {
                let token = state.refresh_token.clone().ok_or_else(no_refresh_token)?;
                form.extend([("grant_type", Secret::new("refresh_token")), ("refresh_token", token)]);
                form.push(("scope", Secret::new(scope_with_offline(&self.oauth.scope))));
            }
        }
        Ok(form)
    }
}

/// Makes what asks the token service of a configuration.
fn wire_of(config: &EwsConfig) -> Result<Wire, EwsError> {
    Wire::new(config)
}

fn scope_with_offline(scope: &str) -> String {
    if scope.split_whitespace().any(|word| word == OFFLINE) { scope.to_owned() } else { format!("{scope} {OFFLINE}") }
}

fn no_refresh_token() -> Failure {
    Failure::new(Trouble::SignIn, "sign-in", "nobody has signed in yet")
}

fn bearer(token: &Secret) -> Result<HeaderValue, Failure> {
    let text = [b"Bearer ", token.expose()].concat();
    let mut value = HeaderValue::from_bytes(&text).map_err(|_| Failure::new(Trouble::SignIn, "token", "the token service's token cannot be put into HTTP"))?;
    value.set_sensitive(true);
    Ok(value)
}
