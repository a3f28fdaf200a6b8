//! Why a request got no answer, or not the whole of it.

use std::io;

/// What stopped a request on its way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The host has no address.
    #[error("failed to resolve the server's name")]
    Resolve(#[source] io::Error),
    /// No address of the host lets us connect.
    #[error("failed to connect")]
    Connect(#[source] io::Error),
    /// Nobody answered the attempt to connect, or to agree on TLS.
    #[error("connecting timed out")]
    ConnectTimedOut,
    /// There is a connection, but no TLS on it.
    #[error("failed to agree on TLS")]
    Tls(#[source] io::Error),
    /// The server was silent for too long.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The server closed the connection, or does not speak HTTP.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// What was to be sent is no HTTP request.
    #[error("failed to make a request")]
    Request(#[source] hyper::http::Error),
}
