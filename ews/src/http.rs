//! The way to the server: one POST for each operation, the answer read while it arrives.
//!
//! * Each request is made once. A redirect is an error that names the new place; credentials never follow it.
//! * What goes wrong is told apart: no connection, certificate, wrong URL, sign-in, rights, busy, cut short.
//! * The parser runs on a blocking thread (it writes temporary files); a few pieces of the answer wait between it
//!   and the socket, so a slow disk slows the server instead of filling memory.

mod answer;
mod classify;
mod client;
mod connection;
mod error;
mod outgoing;
mod pool;
mod stream;
mod tls;
mod wire;

pub(crate) use answer::Answer;
pub(crate) use client::{HttpClient, Request};
pub(crate) use error::HttpError;
pub(crate) use stream::Stream;
pub(crate) use wire::Wire;

use crate::auth::Refusal;
use crate::body::Body;
use crate::config::EwsConfig;
use crate::error::{EwsError, Failure};
use crate::soap::{self, Batch, Operation, Reply, ServerVersion};
use crate::xml::XmlReader;
use bytes::Bytes;
use c2b_mailbox::{Address, Retry, Trouble};
use chrono::DateTime;
use flate2::read::MultiGzDecoder;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;
use uuid::Uuid;

/// Pieces of an answer that wait for the parser: at some hundred KiB each, below a few MiB.
const PIECES_WAITING_MAX: usize = 4;

/// Whose mailbox a request is about, and in whose name it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// The mailbox, for the server's front end to find its back end.
    pub(crate) anchor: Option<Address>,
    /// The mailbox whose owner is impersonated.
    pub(crate) impersonate: Option<Address>,
    /// The public-folder mailbox, as its server is named: `X-PublicFolderMailbox`.
    pub(crate) public_folder: Option<String>,
}

/// A client for one server with one user.
pub(crate) struct Transport {
    client: HttpClient,
    url: Url,
    spool_dir: PathBuf,
    version: Mutex<Option<ServerVersion>>,
    refusal: Mutex<Option<Refusal>>,
    /// Whether the server has given an answer that was one: then this is where it is.
    has_answered: AtomicBool,
    /// The certificate that the server showed last, in DER.
    certificate: Mutex<Option<Vec<u8>>>,
}

impl Transport {
    pub(crate) fn new(config: &EwsConfig) -> Result<Self, EwsError> {
        Ok(Self {
            client: HttpClient::new(config)?,
            url: config.url.clone(),
            spool_dir: config.spool_dir.clone(),
            version: Mutex::new(None),
            refusal: Mutex::new(None),
            has_answered: AtomicBool::new(false),
            certificate: Mutex::new(None),
        })
    }

    /// Returns the server's version, once it has answered anything.
    pub(crate) fn version(&self) -> Option<ServerVersion> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the certificate that the server showed last, in DER.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks once.
    pub(crate) async fn call<O: Operation>(&self, operation: O, target: &Target) -> Result<Batch<O::Message>, Failure> {
        Ok(self.call_with(operation, target, HeaderMap::new()).await?.0)
    }

    /// Asks once, with more headers than usual; returns those of the answer, too.
    pub(crate) async fn call_with<O: Operation>(&self, operation: O, target: &Target, more: HeaderMap) -> Result<(Batch<O::Message>, HeaderMap), Failure> {
        let answer = self.ask(&operation, target, more).await?;
        let otherwise = classify::status(&answer);
        let date = DateTime::parse_from_rfc2822(answer.header("date")).ok().map(|date| date.to_utc());
        let headers = answer.headers().clone();
        let reply = self.receive::<O>(answer).await?;
        if let Some(version) = reply.version {
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        }
        let batch = judged(reply.answer, otherwise.as_ref()).map_err(|failure| self.in_hindsight(failure))?;
        self.has_answered.store(true, Ordering::Relaxed);
        Ok((Batch { date, ..batch }, headers))
    }

    /// Asks once for an answer of many documents that comes bit by bit; the server may be silent so long in between.
    pub(crate) async fn stream<O: Operation>(&self, operation: &O, target: &Target, mut more: HeaderMap, silence_max: Duration) -> Result<Stream<O>, Failure> {
        // What is packed may wait in a buffer on the way.
        more.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let answer = self.ask(operation, target, more).await?;
        Ok(Stream::new(answer.patient_for(silence_max), self.spool_dir.clone()))
    }

    async fn ask<O: Operation>(&self, operation: &O, target: &Target, more: HeaderMap) -> Result<Answer, Failure> {
        let body = soap::write(operation, target.impersonate.as_ref());
        let mut headers = headers(target);
        headers.extend(more);
        let request = Request { method: Method::POST, url: self.url.clone(), headers, body };
        let answer = self.client.send(&request).await?;
        tracing::debug!(
            operation = O::NAME,
            status = answer.status().as_u16(),
            request_id = answer.header("request-id"),
            front_end = answer.header("x-feserver"),
            back_end = answer.header("x-targetbeserver"),
            "server answered"
        );
        let mut certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        if certificate.as_deref() != answer.certificate() {
            *certificate = answer.certificate().map(<[u8]>::to_vec);
        }
        drop(certificate);
        if answer.status() == StatusCode::UNAUTHORIZED {
            let refusal = Refusal::of(answer.headers(), self.client.scheme());
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        }
        match classify::at_sight(&answer, &self.url, self.client.scheme()) {
            Some(failure) => Err(self.in_hindsight(failure)),
            None => Ok(answer),
        }
    }

    /// Judges anew what looks like a wrong address: where the server has answered before, somebody else does for now.
    fn in_hindsight(&self, failure: Failure) -> Failure {
        let passes = failure.trouble == Trouble::WrongUrl && self.has_answered.load(Ordering::Relaxed);
        if passes { failure.retrying(Retry::Backoff) } else { failure }
    }

    /// Says what to do when the sign-in was refused, as far as the last refusal tells.
    pub(crate) fn sign_in_hint(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Refusal::hint)
    }

    /// Makes an unauthenticated request, to see whether the server can be reached at all.
    pub(crate) async fn knock(&self) -> Result<StatusCode, Failure> {
        let request = Request { method: Method::GET, url: self.url.clone(), headers: HeaderMap::new(), body: Body::default() };
        let answer = self.client.send_unsigned(&request).await?;
        let status = answer.status();
        answer.finish().await;
        Ok(status)
    }

    async fn receive<O: Operation>(&self, mut answer: Answer) -> Result<Reply<O::Message>, Failure> {
        let (pieces, inbox) = mpsc::channel(PIECES_WAITING_MAX);
        let (spool_dir, is_gzip) = (self.spool_dir.clone(), answer.is_gzip());
        let parser = tokio::task::spawn_blocking(move || {
            let inbox = Inbox { inbox, piece: Bytes::new(), ended: false };
            let plain: Box<dyn Read + Send> = if is_gzip { Box::new(MultiGzDecoder::new(inbox)) } else { Box::new(inbox) };
            soap::read::<O>(&mut XmlReader::new(plain), &spool_dir)
        });
        loop {
            let (piece, last) = match answer.chunk().await {
                Ok(Some(piece)) => (Piece::Bytes(piece), false),
                Ok(None) => (Piece::End, true),
                Err(err) => (Piece::Broken(err), true),
            };
            // The parser stops listening once it has what it wants or has met an error.
            if pieces.send(piece).await.is_err() {
                answer.finish().await;
                break;
            }
            if last {
                break;
            }
        }
        drop(pieces);
        parser.await.map_err(|err| Failure::new(Trouble::Local, "parser", "reading the answer was interrupted").caused_by(err))
    }
}

/// Judges what the body says beside what the status line said.
fn judged<T>(answer: Result<T, Failure>, otherwise: Option<&Failure>) -> Result<T, Failure> {
    match (answer, otherwise) {
        (Err(failure), Some(otherwise)) if matches!(failure.trouble, Trouble::WrongUrl | Trouble::Malformed) => Err(otherwise.clone()),
        (Err(failure), Some(otherwise)) => Err(classify::with_pause_of(failure, otherwise)),
        (answer, _) => answer,
    }
}

fn headers(target: &Target) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/xml"));
    headers.insert(HeaderName::from_static("return-client-request-id"), HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert(HeaderName::from_static("client-request-id"), id);
    }
    if let Some(anchor) = target.anchor.as_ref().and_then(|address| HeaderValue::from_str(address.as_str()).ok()) {
        headers.insert(HeaderName::from_static("x-anchormailbox"), anchor);
    }
    if let Some(mailbox) = target.public_folder.as_ref().and_then(|mailbox| HeaderValue::from_str(mailbox).ok()) {
        headers.insert(HeaderName::from_static("x-publicfoldermailbox"), mailbox);
    }
    headers
}

/// A piece of an answer on its way to the parser.
enum Piece {
    Bytes(Bytes),
    End,
    Broken(HttpError),
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
