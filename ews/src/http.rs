//! The way to the server: one POST for each operation, the answer read while it arrives.
//!
//! * Each request is made once. A redirect is an error that names the new place; credentials never follow it.
//! * What goes wrong is told apart: no connection, certificate, wrong URL, sign-in, rights, busy, cut short.
//! * The parser runs on a blocking thread (it writes temporary files); a few pieces of the answer wait between it
//!   and the socket, so a slow disk slows the server instead of filling memory.

mod classify;

use crate::config::EwsConfig;
use crate::error::{EwsError, Failure};
use crate::soap::{self, Batch, Operation, Reply, ServerVersion};
use crate::xml::XmlReader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use c2b_mailbox::{Address, Trouble};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, redirect};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;
use url::Url;
use uuid::Uuid;

/// How the client names itself; constant, as Microsoft asks.
const USER_AGENT: &str = concat!("c2b/", env!("CARGO_PKG_VERSION"));
/// Pieces of an answer that wait for the parser: at some hundred KiB each, below a few MiB.
const PIECES_WAITING_MAX: usize = 4;

/// Whose mailbox a request is about, and in whose name it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// The mailbox, for the server's front end to find its back end.
    pub(crate) anchor: Option<Address>,
    /// The mailbox whose owner is impersonated.
    pub(crate) impersonate: Option<Address>,
}

/// A client for one server with one user.
pub(crate) struct Transport {
    client: Client,
    url: Url,
    authorization: HeaderValue,
    spool_dir: PathBuf,
    version: Mutex<Option<ServerVersion>>,
}

impl Transport {
    pub(crate) fn new(config: &EwsConfig) -> Result<Self, EwsError> {
        let mut builder = Client::builder()
            .http1_only()
            .no_proxy()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.idle_timeout)
            .tls_danger_accept_invalid_certs(config.insecure);
        if let Some(pem) = &config.ca_pem {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(EwsError::CertificateAuthority)?;
            if roots.is_empty() {
                return Err(EwsError::NoCertificate);
            }
            builder = builder.tls_certs_merge(roots);
        }
        Ok(Self {
            client: builder.build().map_err(EwsError::Client)?,
            url: config.url.clone(),
            authorization: basic(config)?,
            spool_dir: config.spool_dir.clone(),
            version: Mutex::new(None),
        })
    }

    /// Returns the server's version, once it has answered anything.
    pub(crate) fn version(&self) -> Option<ServerVersion> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks once.
    pub(crate) async fn call<O: Operation>(&self, operation: O, target: &Target) -> Result<Batch<O::Message>, Failure> {
        let body = soap::write(&operation, target.impersonate.as_ref());
        let request = self.client.post(self.url.clone()).headers(self.headers(target)).body(body);
        let response = request.send().await.map_err(classify::sending)?;
        let status = response.status();
        tracing::debug!(
            operation = O::NAME,
            status = status.as_u16(),
            request_id = header(&response, "request-id"),
            front_end = header(&response, "x-feserver"),
            back_end = header(&response, "x-targetbeserver"),
            "server answered"
        );
        if let Some(failure) = classify::at_sight(&response, &self.url) {
            return Err(failure);
        }
        let otherwise = classify::status(&response);
        let reply = self.receive::<O>(response).await?;
        if let Some(version) = reply.version {
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        }
        match (reply.answer, otherwise) {
            (Err(failure), Some(otherwise)) if matches!(failure.trouble, Trouble::WrongUrl | Trouble::Malformed) => Err(otherwise),
            (Err(failure), Some(otherwise)) => Err(classify::with_pause_of(failure, &otherwise)),
            (answer, _) => answer,
        }
    }

    /// Makes an unauthenticated request, to see whether the server can be reached at all.
    pub(crate) async fn knock(&self) -> Result<StatusCode, Failure> {
        Ok(self.client.get(self.url.clone()).send().await.map_err(classify::sending)?.status())
    }

    async fn receive<O: Operation>(&self, mut response: Response) -> Result<Reply<O::Message>, Failure> {
        let (pieces, inbox) = mpsc::channel(PIECES_WAITING_MAX);
        let spool_dir = self.spool_dir.clone();
        let parser = tokio::task::spawn_blocking(move || {
            let mut xml = XmlReader::new(Box::new(Inbox { inbox, piece: Bytes::new(), ended: false }));
            soap::read::<O>(&mut xml, &spool_dir)
        });
        loop {
            let (piece, last) = match response.chunk().await {
                Ok(Some(piece)) => (Piece::Bytes(piece), false),
                Ok(None) => (Piece::End, true),
                Err(err) => (Piece::Broken(err), true),
            };
            // The parser stops listening once it has what it wants or has met an error.
            if pieces.send(piece).await.is_err() || last {
                break;
            }
        }
        drop(pieces);
        parser.await.map_err(|err| Failure::new(Trouble::Local, "parser", "reading the answer was interrupted").caused_by(err))
    }

    fn headers(&self, target: &Target) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/xml"));
        headers.insert(HeaderName::from_static("return-client-request-id"), HeaderValue::from_static("true"));
        if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
            headers.insert(HeaderName::from_static("client-request-id"), id);
        }
        if let Some(anchor) = target.anchor.as_ref().and_then(|address| HeaderValue::from_str(address.as_str()).ok()) {
            headers.insert(HeaderName::from_static("x-anchormailbox"), anchor);
        }
        headers
    }
}

fn basic(config: &EwsConfig) -> Result<HeaderValue, EwsError> {
    let mut plain = config.user.clone().into_bytes();
    plain.push(b':');
    plain.extend_from_slice(config.password.expose());
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(&plain))).map_err(|_| EwsError::Credentials)?;
    plain.fill(0);
    std::hint::black_box(&plain);
    value.set_sensitive(true);
    Ok(value)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A piece of an answer on its way to the parser.
enum Piece {
    Bytes(Bytes),
    End,
    Broken(reqwest::Error),
}

/// The parser's end: blocks until the next piece is there.
struct Inbox {
    inbox: mpsc::Receiver<Piece>,
    piece: Bytes,
    ended: bool,
}

impl Read for Inbox {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.inbox.blocking_recv() {
                Some(Piece::Bytes(piece)) => self.piece = piece,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Broken(err)) => return Err(io::Error::other(err)),
                None => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "nobody waits for the answer any more")),
            }
        }
        let n = self.piece.len().min(buffer.len());
        let (to, from) = (buffer.get_mut(..n).unwrap_or_default(), self.piece.split_to(n));
        to.copy_from_slice(&from);
        Ok(n)
    }
}
