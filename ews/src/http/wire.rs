//! Requests over connections that are kept, signed by nobody.
//!
//! No redirect is followed: what is sent goes nowhere but to the URL given.

use super::Request;
use super::answer::Answer;
use super::classify;
use super::connection::{Connection, Origin, Sent};
use super::error::HttpError;
use super::outgoing::Outgoing;
use super::pool::Pool;
use super::tls;
use crate::EwsConfig;
use crate::body::Body;
use crate::error::{EwsError, Failure};
use c2b_mailbox::Trouble;
use hyper::Method;
use hyper::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// How the client names itself; constant, as Microsoft asks.
const NAME: &str = concat!("c2b/", env!("CARGO_PKG_VERSION"));

/// Speaks HTTP with any server.
pub(crate) struct Wire {
    tls: TlsConnector,
    pub(super) pool: Arc<Pool>,
    connect_timeout: Duration,
    idle_timeout: Duration,
}

impl Wire {
    /// Sets it up; speaks with nobody yet.
    pub(crate) fn new(config: &EwsConfig) -> Result<Self, EwsError> {
        let (connect_timeout, idle_timeout) = (config.connect_timeout, config.idle_timeout);
        Ok(Self { tls: tls::connector(config)?, pool: Arc::new(Pool::default()), connect_timeout, idle_timeout })
    }

    /// Makes a request over a connection that belongs to nobody, and returns the head of its answer.
    pub(crate) async fn send(&self, request: &Request, authorization: Option<HeaderValue>) -> Result<Answer, Failure> {
        let origin = origin(request)?;
        if let Some(waiting) = self.pool.take(&origin, false)
            && let Some(answer) = self.over(&origin, waiting, request, authorization.clone(), true).await?
        {
            return Ok(answer);
        }
        let connection = self.open(&origin).await?;
        self.over(&origin, connection, request, authorization, true).await?.ok_or_else(closed_at_once)
    }

    /// Sends over this connection; `None` when it turns out to have been closed before.
    pub(super) async fn over(
        &self,
        origin: &Origin,
        mut connection: Connection,
        request: &Request,
        authorization: Option<HeaderValue>,
        with_body: bool,
    ) -> Result<Option<Answer>, Failure> {
        let http = to_http(origin, request, authorization, with_body)?;
        match connection.send(http, self.idle_timeout).await.map_err(classify::sending)? {
            Sent::Answered(response) => Ok(Some(Answer::new(response, connection, origin.clone(), Arc::clone(&self.pool), self.idle_timeout))),
            Sent::NotSent => Ok(None),
        }
    }

    /// Connects.
    pub(super) async fn open(&self, origin: &Origin) -> Result<Connection, Failure> {
        Connection::open(origin, &self.tls, self.connect_timeout).await.map_err(classify::sending)
    }
}

/// Returns where a request goes.
pub(super) fn origin(request: &Request) -> Result<Origin, Failure> {
    Origin::of(&request.url).ok_or_else(|| Failure::new(Trouble::WrongUrl, "URL", format!("{} is no address of HTTP", request.url)))
}

/// Judges a server that closes connections before anything was sent.
pub(super) fn closed_at_once() -> Failure {
    Failure::new(Trouble::Unreachable, "no answer", "the server closes each connection at once")
}

fn to_http(origin: &Origin, request: &Request, authorization: Option<HeaderValue>, with_body: bool) -> Result<hyper::Request<Outgoing>, Failure> {
    let path = &request.url[url::Position::BeforePath..url::Position::AfterQuery];
    let body = if with_body { request.body.clone() } else { Body::default() };
    let length = body.len();
    let mut http = hyper::Request::builder()
        .method(request.method.clone())
        .uri(path)
        .header(HOST, origin.authority())
        .header(USER_AGENT, NAME)
        .header(ACCEPT_ENCODING, "gzip")
        .body(Outgoing::new(&body))
        .map_err(|err| classify::sending(HttpError::Request(err)))?;
    let headers = http.headers_mut();
    headers.extend(request.headers.clone());
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value);
    }
    if request.method == Method::POST {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if length == 0 {
        headers.remove(CONTENT_TYPE);
    }
    Ok(http)
}
