//! An answer: its head, and its body as it arrives.
//!
//! A body read to its end gives its connection back for the next request; one that is dropped before closes it.

use super::connection::{Connection, Origin};
use super::error::HttpError;
use super::pool::Pool;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use hyper::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Most bytes that are read only to keep a connection.
const DRAIN_BYTES_MAX: usize = 256 * 1024;
/// How long reading may take only to keep a connection: as long as making a new one would.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    connection: Option<Connection>,
    origin: Origin,
    pool: Arc<Pool>,
    idle_timeout: Duration,
}

impl Answer {
    pub(super) fn new(response: Response<Incoming>, connection: Connection, origin: Origin, pool: Arc<Pool>, idle_timeout: Duration) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, body, connection: Some(connection), origin, pool, idle_timeout }
    }

    /// Notes that the user is signed in on the connection from now on.
    pub(super) fn signed_in(mut self) -> Self {
        if let Some(connection) = &mut self.connection {
            connection.is_signed_in = true;
        }
        self
    }

    /// Allows another silence of the server than is usual.
    pub(super) fn patient_for(self, silence_max: Duration) -> Self {
        Self { idle_timeout: silence_max, ..self }
    }

    /// Returns the status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns a header's text; empty when there is none, or none that is text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the certificate that the server showed in TLS, in DER.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.connection.as_ref()?.certificate().map(AsRef::as_ref)
    }

    /// Returns whether the body is packed with gzip.
    pub(crate) fn is_gzip(&self) -> bool {
        self.headers.get(CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"))
    }

    /// Returns the next piece as it came over the wire; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match timeout(self.idle_timeout, self.body.frame()).await.map_err(|_| HttpError::TimedOut)? {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                    _ => {}
                },
                Some(Err(err)) => return Err(HttpError::Broken(err)),
                None => {
                    if let Some(connection) = self.connection.take() {
                        self.pool.put(&self.origin, connection);
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Reads on without looking, so that the connection can be used again; gives up on a long or slow rest.
    pub(crate) async fn finish(mut self) {
        let reading = async {
            let mut bytes = 0;
            while let Ok(Some(piece)) = self.chunk().await {
                bytes += piece.len();
                if bytes > DRAIN_BYTES_MAX {
                    return;
                }
            }
        };
        drop(timeout(DRAIN_TIME_MAX, reading).await);
    }

    /// Reads the rest and returns the connection for the next leg; `None` when it cannot be used any more.
    pub(super) async fn into_connection(mut self) -> Option<Connection> {
        let mut bytes = 0;
        while !self.body.is_end_stream() {
            match timeout(self.idle_timeout, self.body.frame()).await {
                Ok(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => return None,
            }
            if bytes > DRAIN_BYTES_MAX {
                return None;
            }
        }
        self.connection.take().filter(|connection| !connection.is_closed())
    }

    /// Reads the whole body, as long as it is short.
    pub(crate) async fn into_bytes(mut self, bytes_max: usize) -> Result<Vec<u8>, HttpError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.chunk().await? {
            whole.extend_from_slice(&piece);
            if whole.len() > bytes_max {
                whole.truncate(bytes_max);
                break;
            }
        }
        Ok(whole)
    }
}
