//! Signing in with a code on another device (RFC 8628): for administrators whose account asks for more than a password.

use super::reply::{self, Reply, number};
use super::{Grant, OAuth, scope_with_offline};
use crate::auth::SignIn;
use crate::error::Failure;
use crate::http::Wire;
use crate::{EwsConfig, Secret};
use c2b_mailbox::{Scope, SourceError, Trouble};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;

/// How often to ask where the service does not tell.
const INTERVAL_USUAL: Duration = Duration::from_secs(5);
/// By how much to ask less often when told to slow down (RFC 8628, 3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// How long a code lives where the service does not tell.
const LIFE_USUAL: u64 = 900;
/// What is tried, in errors.
const OPERATION: &str = "sign in";

/// A sign-in that waits for somebody to type the code.
pub struct DeviceSignIn {
    oauth: OAuth,
    wire: Wire,
    device_code: Secret,
    interval: Duration,
    ends_at: Instant,
    user_code: String,
    url: String,
    life: Duration,
}

impl DeviceSignIn {
    /// Asks the token service for a code.
    ///
    /// # Errors
    /// When the configuration is not for this kind of sign-in, or the service refuses.
    pub async fn begin(config: &EwsConfig) -> Result<Self, SourceError> {
        Self::ask(config).await.map_err(|failure| failure.about(Scope::Connection, OPERATION))
    }

    async fn ask(config: &EwsConfig) -> Result<Self, Failure> {
        let SignIn::OAuth(oauth) = &config.sign_in else { return Err(wrong("the connection does not sign in with a code")) };
        oauth.validate().map_err(|err| wrong(&err.to_string()))?;
        let wire = Wire::new(config).map_err(|err| wrong(&err.to_string()))?;
        let form = [("client_id", Secret::new(oauth.client_id.as_str())), ("scope", Secret::new(scope_with_offline(&oauth.scope)))];
        let reply = reply::ask(&wire, &device_url(&oauth.token_url), &form).await?;
        let Reply::Fields(fields) = reply else { return Err(reply.into_failure()) };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let url = text("verification_uri").or_else(|| text("verification_url"));
        let (Some(device_code), Some(user_code), Some(url)) = (text("device_code"), text("user_code"), url) else {
            return Err(wrong("the token service's answer is not understood"));
        };
        let life = Duration::from_secs(number(&fields, "expires_in").unwrap_or(LIFE_USUAL));
        let interval = number(&fields, "interval").map_or(INTERVAL_USUAL, Duration::from_secs);
        let ends_at = Instant::now() + life;
        Ok(Self { oauth: oauth.clone(), wire, device_code: Secret::new(device_code), interval, ends_at, user_code, url, life })
    }

    /// Returns the code to type.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// Returns where to type it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns for how long the code holds.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// Waits until somebody has typed the code and signed in. The refresh token is kept by the keeper of the
    /// configuration when this returns.
    ///
    /// # Errors
    /// When nobody does in time, or the service refuses.
    pub async fn wait(self) -> Result<(), SourceError> {
        self.poll().await.map_err(|failure| failure.about(Scope::Connection, OPERATION))
    }

    async fn poll(mut self) -> Result<(), Failure> {
        let form = [
            ("grant_type", Secret::new("urn:ietf:params:oauth:grant-type:device_code")),
            ("client_id", Secret::new(self.oauth.client_id.as_str())),
            ("device_code", self.device_code.clone()),
        ];
        loop {
            sleep(self.interval).await;
            if Instant::now() > self.ends_at {
                return Err(Failure::new(Trouble::SignIn, "expired_token", "nobody typed the code in time"));
            }
            let reply = match reply::ask(&self.wire, &self.oauth.token_url, &form).await {
                Ok(reply) => reply,
                // The code lives on while the way to the service is broken.
                Err(failure) if failure.retry != c2b_mailbox::Retry::No => continue,
                Err(failure) => return Err(failure),
            };
            match reply {
                Reply::Token { refresh_token: Some(token), .. } => return self.keep(&token),
                Reply::Refused { ref error, .. } if error == "authorization_pending" => {}
                Reply::Refused { ref error, .. } if error == "slow_down" => self.interval += SLOW_DOWN,
                Reply::Refused { ref error, .. } if error == "access_denied" || error == "authorization_declined" => {
                    return Err(Failure::new(Trouble::SignIn, error.clone(), "the sign-in was declined"));
                }
                Reply::Token { refresh_token: None, .. } => return Err(wrong("the token service gives no refresh token: it must allow offline_access")),
                other => return Err(other.into_failure()),
            }
        }
    }

    fn keep(&self, token: &Secret) -> Result<(), Failure> {
        let Grant::Refresh(keeper) = &self.oauth.grant else { return Err(wrong("the connection does not sign in with a code")) };
        let kept = keeper.keep(token);
        kept.map_err(|err| Failure::new(Trouble::Local, "refresh token", "the refresh token could not be kept").caused_by(err))
    }
}

/// Returns where codes are given out: beside the tokens.
fn device_url(token_url: &Url) -> Url {
    let mut url = token_url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().pop().push("devicecode");
    }
    url
}

fn wrong(message: &str) -> Failure {
    Failure::new(Trouble::SignIn, "sign-in", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_given_out_beside_the_tokens() {
        for (token, device) in [
            ("https://login.microsoftonline.com/t/oauth2/v2.0/token", "https://login.microsoftonline.com/t/oauth2/v2.0/devicecode"),
            ("https://adfs.example.org/adfs/oauth2/token/", "https://adfs.example.org/adfs/oauth2/devicecode"),
        ] {
            assert_eq!(device_url(&Url::parse(token).unwrap()).as_str(), device);
        }
    }
}
