//! Requests in the name of a user, signed as the configuration says.
//!
//! * Each request is made once. Only the sign-in makes more: the legs of a dialogue, without the body, and one more
//!   attempt when the server no longer takes what it took before.
//! * NTLM and Negotiate sign a connection in; it then serves one request after the other.

use super::answer::Answer;
use super::connection::{Connection, Origin};
use super::wire::{Wire, closed_at_once, origin};
use crate::EwsConfig;
use crate::auth::{Bound, Challenge, Dialogue, Leg, Scheme, Signer, Tokens, offer};
use crate::body::Body;
use crate::error::{EwsError, Failure};
use c2b_mailbox::{Retry, Trouble};
use hyper::header::{DATE, HeaderMap};
use hyper::{Method, StatusCode};
use std::sync::Arc;
use url::Url;

/// Legs of one sign-in: NTLM has 3, Negotiate that falls back to it 4.
const LEGS_MAX: usize = 6;

/// A request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Those of the request alone; `Host`, `User-Agent`, `Accept-Encoding` and `Authorization` are added.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// Speaks HTTP in the name of one user.
pub(crate) struct HttpClient {
    wire: Arc<Wire>,
    signer: Signer,
}

impl HttpClient {
    /// Sets the client up; speaks with nobody yet.
    pub(crate) fn new(config: &EwsConfig) -> Result<Self, EwsError> {
        let wire = Arc::new(Wire::new(config)?);
        Ok(Self { signer: Signer::new(config, &wire)?, wire })
    }

    /// Returns how the user signs in.
    pub(crate) fn scheme(&self) -> Scheme {
        self.signer.scheme()
    }

    /// Makes a request in nobody's name.
    pub(crate) async fn send_unsigned(&self, request: &Request) -> Result<Answer, Failure> {
        self.wire.send(request, None).await
    }

    /// Makes a request in the user's name and returns the head of its answer, whatever its status.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        match &self.signer {
            Signer::Basic(value) => self.wire.send(request, Some(value.clone())).await,
            Signer::Bearer(tokens) => self.send_with_token(request, tokens).await,
            Signer::Bound(bound) => self.send_bound(&origin(request)?, request, bound).await,
        }
    }

    /// Sends with an access token; once more with a new one when the server refuses it.
    async fn send_with_token(&self, request: &Request, tokens: &Tokens) -> Result<Answer, Failure> {
        let token = tokens.header().await?;
        let answer = self.wire.send(request, Some(token.clone())).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        tracing::debug!("the server refused the access token: getting a new one");
        answer.finish().await;
        self.wire.send(request, Some(tokens.replace(&token).await?)).await
    }

    /// Sends over a connection on which the user has signed in, or signs in on one.
    async fn send_bound(&self, origin: &Origin, request: &Request, bound: &Bound) -> Result<Answer, Failure> {
        let mut connection = None;
        while let Some(signed_in) = self.wire.pool.take(origin, true) {
            match self.wire.over(origin, signed_in, request, None, true).await? {
                Some(answer) if answer.status() != StatusCode::UNAUTHORIZED => return Ok(answer),
                Some(answer) => {
                    tracing::debug!("signing in anew: the server no longer knows the connection");
                    connection = answer.into_connection().await;
                    break;
                }
                None => {}
            }
        }
        match connection.or_else(|| self.wire.pool.take(origin, false)) {
            Some(waiting) => match self.sign_in(origin, request, bound, waiting).await? {
                Some(answer) => Ok(answer),
                None => self.sign_in(origin, request, bound, self.wire.open(origin).await?).await?.ok_or_else(closed_at_once),
            },
            None => self.sign_in(origin, request, bound, self.wire.open(origin).await?).await?.ok_or_else(closed_at_once),
        }
    }

    /// Goes through the legs of a dialogue; the body travels with the last. `None`: the connection had been closed.
    async fn sign_in(&self, origin: &Origin, request: &Request, bound: &Bound, mut connection: Connection) -> Result<Option<Answer>, Failure> {
        let mut dialogue = bound.begin(&request.url, connection.certificate().map(AsRef::as_ref));
        let mut challenge = Challenge::default();
        for leg in 0..LEGS_MAX {
            let next;
            (dialogue, next) = step(dialogue, challenge).await?;
            let authorization = bound.header(&next.token)?;
            let Some(answer) = self.wire.over(origin, connection, request, Some(authorization), next.is_last).await? else {
                return if leg == 0 { Ok(None) } else { Err(closed_between()) };
            };
            if answer.status() != StatusCode::UNAUTHORIZED {
                if let Some(token) = offer::token(answer.headers(), bound.scheme()) {
                    dialogue.finish(&token)?;
                }
                let answer = answer.signed_in();
                if next.is_last {
                    return Ok(Some(answer));
                }
                // Taken before all was said: the request itself is still to be made.
                let connection = answer.into_connection().await.ok_or_else(closed_between)?;
                return self.wire.over(origin, connection, request, None, true).await;
            }
            let Some(token) = offer::token(answer.headers(), bound.scheme()) else { return Ok(Some(answer)) };
            let date = answer.header(DATE.as_str()).to_owned();
            challenge = Challenge { token, date };
            connection = answer.into_connection().await.ok_or_else(closed_between)?;
        }
        Err(Failure::new(Trouble::SignIn, "sign-in", "the server asks for ever more steps of the sign-in"))
    }
}

/// Takes a step of the dialogue where it may block: Kerberos asks its own server.
async fn step(mut dialogue: Box<dyn Dialogue>, challenge: Challenge) -> Result<(Box<dyn Dialogue>, Leg), Failure> {
    let stepped = tokio::task::spawn_blocking(move || {
        let leg = dialogue.next(&challenge);
        (dialogue, leg)
    });
    let (dialogue, leg) = stepped.await.map_err(|err| Failure::new(Trouble::Local, "sign-in", "the sign-in was interrupted").caused_by(err))?;
    Ok((dialogue, leg?))
}

fn closed_between() -> Failure {
    let message =
        "the server closed the connection in the middle of the sign-in: NTLM and Negotiate need one connection, which a proxy on the way may not keep";
    Failure::new(Trouble::SignIn, "sign-in", message).retrying(Retry::Backoff)
}
