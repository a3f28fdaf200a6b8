//! OAuth 2.0: access tokens from Entra ID or AD FS, kept while they live.
//!
//! A token is replaced at 80 % of its life, and once when a server refuses it. A refresh token that the service
//! replaces is handed to its keeper, and kept, before it is used.

mod assertion;
mod device;
mod reply;

pub use device::DeviceSignIn;

use crate::Secret;
use crate::config::is_loopback;
use crate::error::{EwsError, Failure};
use crate::http::Wire;
use assertion::ClientCertificate;
use c2b_mailbox::Trouble;
use chrono::{DateTime, NaiveDate, Utc};
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
/// Longest life that is believed.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
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
    /// The last day on which a secret is good, if somebody said so: the service does not tell.
    pub secret_expires: Option<NaiveDate>,
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
    /// A user who signed in with a code on another device: [`DeviceSignIn`]. Refresh tokens are with their keeper.
    Refresh(Arc<dyn Keeper>),
}

/// Keeps a refresh token until the next one.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Returns the token kept last; `None` when nobody has signed in yet.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&self) -> io::Result<Option<Secret>>;

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

/// Returns the last moment at which a client's certificate is good.
pub(super) fn certificate_expiry(pem: &Secret) -> Option<DateTime<Utc>> {
    ClientCertificate::parse(pem).ok()?.expiry()
}

impl OAuth {
    /// Refuses what would give secrets away.
    pub(crate) fn validate(&self) -> Result<(), EwsError> {
        let is_safe = self.token_url.scheme() == "https" || self.token_url.scheme() == "http" && is_loopback(&self.token_url);
        if is_safe { Ok(()) } else { Err(EwsError::TokenUrl { url: self.token_url.to_string() }) }
    }

    /// Returns when the client's certificate or secret ends, and which of them it is; `None` when that is not known.
    pub(crate) fn expiry(&self) -> Option<(&'static str, DateTime<Utc>)> {
        match &self.grant {
            Grant::Certificate(pem) => Some(("client certificate", certificate_expiry(pem)?)),
            Grant::Secret(_) => Some(("client secret", self.secret_expires?.and_hms_opt(23, 59, 59)?.and_utc())),
            Grant::Refresh(_) => None,
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
    held: Mutex<Option<Held>>,
}

struct Held {
    header: HeaderValue,
    renew_at: Instant,
    ends_at: Instant,
}

impl Tokens {
    pub(crate) fn new(oauth: &OAuth, wire: Arc<Wire>) -> Result<Self, EwsError> {
        oauth.validate()?;
        let certificate = match &oauth.grant {
            Grant::Certificate(pem) => Some(ClientCertificate::parse(pem)?),
            Grant::Secret(_) | Grant::Refresh(_) => None,
        };
        Ok(Self { oauth: oauth.clone(), certificate, wire, held: Mutex::new(None) })
    }

    /// Returns the header with a token that still lives.
    pub(crate) async fn header(&self) -> Result<HeaderValue, Failure> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        match &*held {
            Some(token) if now < token.renew_at => return Ok(token.header.clone()),
            Some(token) if now < token.ends_at => {
                let old = token.header.clone();
                // The old one is good for a while: trouble of the service need not become ours yet.
                return Ok(self.get(&mut held).await.unwrap_or_else(|failure| {
                    tracing::warn!(code = failure.code, reason = failure.message, "access token not renewed yet");
                    old
                }));
            }
            _ => {}
        }
        self.get(&mut held).await
    }

    /// Returns the header with another token than the one that a server refused.
    pub(crate) async fn replace(&self, refused: &HeaderValue) -> Result<HeaderValue, Failure> {
        let mut held = self.held.lock().await;
        match &*held {
            Some(token) if token.header != *refused => Ok(token.header.clone()),
            _ => self.get(&mut held).await,
        }
    }

    async fn get(&self, held: &mut Option<Held>) -> Result<HeaderValue, Failure> {
        let asked_at = Instant::now();
        let mut used = self.refresh_token()?;
        let mut reply = reply::ask(&self.wire, &self.oauth.token_url, &self.form(used.as_ref())?).await?;
        if matches!(&reply, Reply::Refused { error, .. } if error == "invalid_grant") {
            // Somebody else may have used the token, and kept the next one, while we asked.
            let newer = self.refresh_token()?;
            if newer.as_ref().map(Secret::expose) != used.as_ref().map(Secret::expose) {
                used = newer;
                reply = reply::ask(&self.wire, &self.oauth.token_url, &self.form(used.as_ref())?).await?;
            }
        }
        let Reply::Token { access_token, life, refresh_token } = reply else { return Err(reply.into_failure()) };
        if let (Some(token), Grant::Refresh(keeper)) = (refresh_token, &self.oauth.grant) {
            let kept = keeper.keep(&token);
            kept.map_err(|err| Failure::new(Trouble::Local, "refresh token", "the new refresh token could not be kept").caused_by(err))?;
        }
        let header = bearer(&access_token)?;
        let life = life.min(LIFE_MAX);
        *held = Some(Held { header: header.clone(), renew_at: asked_at + life * LIFE_USED_PERCENT / 100, ends_at: asked_at + life });
        Ok(header)
    }

    /// Returns the refresh token that is kept; none for applications.
    fn refresh_token(&self) -> Result<Option<Secret>, Failure> {
        let Grant::Refresh(keeper) = &self.oauth.grant else { return Ok(None) };
        let kept = keeper.load().map_err(|err| Failure::new(Trouble::Local, "refresh token", "the refresh token could not be read").caused_by(err))?;
        kept.map(Some).ok_or_else(|| Failure::new(Trouble::SignIn, "sign-in", "nobody has signed in yet"))
    }

    fn form(&self, refresh_token: Option<&Secret>) -> Result<Vec<(&'static str, Secret)>, Failure> {
        let mut form = vec![("client_id", Secret::new(self.oauth.client_id.as_str()))];
        let mut scope = self.oauth.scope.clone();
        match (&self.oauth.grant, &self.certificate) {
            (Grant::Secret(secret), _) => form.extend([("grant_type", Secret::new("client_credentials")), ("client_secret", secret.clone())]),
            (_, Some(certificate)) => {
                let assertion = certificate.assert(&self.oauth.client_id, &self.oauth.token_url, self.oauth.now())?;
                form.extend([("grant_type", Secret::new("client_credentials")), ("client_assertion", assertion)]);
                form.push(("client_assertion_type", Secret::new("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")));
            }
            (Grant::Certificate(_) | Grant::Refresh(_), None) => {
                form.push(("grant_type", Secret::new("refresh_token")));
                form.extend(refresh_token.map(|token| ("refresh_token", token.clone())));
                scope = scope_with_offline(&scope);
            }
        }
        form.push(("scope", Secret::new(scope)));
        Ok(form)
    }
}

fn scope_with_offline(scope: &str) -> String {
    if scope.split_whitespace().any(|word| word == OFFLINE) { scope.to_owned() } else { format!("{scope} {OFFLINE}") }
}

fn bearer(token: &Secret) -> Result<HeaderValue, Failure> {
    let text = [b"Bearer ", token.expose()].concat();
    let mut value = HeaderValue::from_bytes(&text).map_err(|_| Failure::new(Trouble::SignIn, "token", "the token service's token cannot be put into HTTP"))?;
    value.set_sensitive(true);
    Ok(value)
}
