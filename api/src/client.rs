//! A client of the control socket.

use crate::route::Verb;
use crate::{ApiError, ErrorCode};
use bytes::BytesMut;
use futures_util::StreamExt;
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Longest line accepted in a stream, in bytes: a job with 10,000 mailboxes is about 2 MB.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Speaks to a daemon.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("failed to reach c2bd at {}", socket.display())]
    Unreachable {
        /// The socket that was tried.
        socket: PathBuf,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The daemon answered with an error.
    #[error("{0}")]
    Api(ApiError),
    /// The daemon's answer was cut short.
    #[error("failed to read the daemon's answer")]
    Read(#[source] reqwest::Error),
    /// The daemon's answer is not understood.
    #[error("failed to understand the daemon's answer")]
    Understand(#[source] serde_json::Error),
    /// A line of a stream is too long.
    #[error("the daemon's answer holds a line of more than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
}

/// A stream of JSON lines.
pub struct Lines {
    response: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    buffer: BytesMut,
}

impl Client {
    /// Prepares a client for a socket; connects with the first call.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(socket: &Path) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().unix_socket(socket).build().map_err(ClientError::Read)?;
        Ok(Self { http, socket: socket.to_owned() })
    }

    /// Makes a request and returns the value that is answered.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call<B: Serialize + Sync, T: DeserializeOwned>(&self, verb: Verb, path: &str, body: Option<&B>) -> Result<T, ClientError> {
        value(self.send(verb, path, body).await?).await
    }

    /// Gets a text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        self.send::<()>(Verb::Get, path, None).await?.text().await.map_err(ClientError::Read)
    }

    /// Opens a stream of JSON lines.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lines<B: Serialize + Sync>(&self, verb: Verb, path: &str, body: Option<&B>) -> Result<Lines, ClientError> {
        let response = self.send(verb, path, body).await?;
        Ok(Lines { response: Box::pin(response.bytes_stream()), buffer: BytesMut::new() })
    }

    async fn send<B: Serialize + Sync>(&self, verb: Verb, path: &str, body: Option<&B>) -> Result<Response, ClientError> {
        let method = match verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        };
        let mut request = self.http.request(method, format!("http://c2bd{path}"));
        if let Some(body) = body {
            let json = serde_json::to_vec(body).map_err(ClientError::Understand)?;
            request = request.header("content-type", "application/json").body(json);
        }
        let response = request.send().await.map_err(|source| ClientError::Unreachable { socket: self.socket.clone(), source })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.map_err(ClientError::Read)?;
        let error = serde_json::from_str(&text).unwrap_or_else(|_| ApiError::new(ErrorCode::Internal, format!("c2bd answered HTTP {status}"), ""));
        Err(ClientError::Api(error))
    }
}

impl Lines {
    /// Returns the next value; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return serde_json::from_slice(&line).map(Some).map_err(ClientError::Understand);
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(ClientError::LineTooLong);
            }
            match self.response.next().await {
                Some(bytes) => self.buffer.extend_from_slice(&bytes.map_err(ClientError::Read)?),
                None if self.buffer.is_empty() => return Ok(None),
                // Without a line break added: a line that was cut is an error of the category "end of file".
                None => return serde_json::from_slice(&self.buffer.split()).map(Some).map_err(ClientError::Understand),
            }
        }
    }
}

async fn value<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let bytes = response.bytes().await.map_err(ClientError::Read)?;
    serde_json::from_slice(&bytes).map_err(ClientError::Understand)
}
