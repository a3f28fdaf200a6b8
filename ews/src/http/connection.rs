//! One connection to a server: TCP, TLS where the URL says so, HTTP/1.1.
//!
//! Knows the certificate that the server showed, and whether somebody has signed in on it: NTLM and Negotiate
//! belong to the connection, not to the request.

use super::error::HttpError;
use super::outgoing::Outgoing;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    is_tls: bool,
    host: Host,
    port: u16,
}

impl Origin {
    /// Returns the origin of a URL; `None` when it has no host, or is not of HTTP.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        Some(Self { is_tls, host: url.host()?.to_owned(), port: url.port_or_known_default()? })
    }

    /// Returns the host and, where it is not the usual one, the port: the `Host` header.
    pub(super) fn authority(&self) -> String {
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// What came of sending a request.
pub(super) enum Sent {
    Answered(Response<Incoming>),
    /// Nothing was sent: the connection had been closed before.
    NotSent,
}

/// A connection that nobody else uses at the moment.
pub(crate) struct Connection {
    sender: SendRequest<Outgoing>,
    certificate: Option<CertificateDer<'static>>,
    /// Whether requests on it need no more sign-in.
    pub(super) is_signed_in: bool,
    /// Since when it has been waiting for use.
    pub(super) idle_since: Instant,
}

impl Connection {
    /// Connects; all of it within `limit`.
    pub(super) async fn open(origin: &Origin, tls: &TlsConnector, limit: Duration) -> Result<Self, HttpError> {
        timeout(limit, Self::open_in_any_time(origin, tls, limit)).await.unwrap_or(Err(HttpError::ConnectTimedOut))
    }

    async fn open_in_any_time(origin: &Origin, tls: &TlsConnector, limit: Duration) -> Result<Self, HttpError> {
        let stream = reach(&addresses(origin).await?, limit).await?;
        // Requests are written whole: waiting for more would only delay them.
        stream.set_nodelay(true).map_err(HttpError::Connect)?;
        if !origin.is_tls {
            return Self::over(stream, None).await;
        }
        let stream = tls.connect(server_name(&origin.host)?, stream).await.map_err(HttpError::Tls)?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.clone().into_owned());
        Self::over(stream, certificate).await
    }

    async fn over<S>(stream: S, certificate: Option<CertificateDer<'static>>) -> Result<Self, HttpError>
    where
        TokioIo<S>: Read + Write + Unpin + Send + 'static,
        S: Send + 'static,
    {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Broken)?;
        // It ends with the connection; what goes wrong is told to the one who waits for the answer.
        tokio::spawn(async move { drop(driver.await) });
        Ok(Self { sender, certificate, is_signed_in: false, idle_since: Instant::now() })
    }

    /// Returns the certificate that the server showed in TLS.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref()
    }

    /// Returns whether the server has closed it, as far as is known.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its answer, at most `limit`.
    pub(super) async fn send(&mut self, request: Request<Outgoing>, limit: Duration) -> Result<Sent, HttpError> {
        let sending = async {
            if self.sender.ready().await.is_err() {
                return Ok(Sent::NotSent);
            }
            match self.sender.try_send_request(request).await {
                Ok(response) => Ok(Sent::Answered(response)),
                Err(err) if err.message().is_some() => Ok(Sent::NotSent),
                Err(err) => Err(HttpError::Broken(err.into_error())),
            }
        };
        timeout(limit, sending).await.unwrap_or(Err(HttpError::TimedOut))
    }
}

async fn addresses(origin: &Origin) -> Result<Vec<SocketAddr>, HttpError> {
    match &origin.host {
        Host::Ipv4(ip) => Ok(vec![(*ip, origin.port).into()]),
        Host::Ipv6(ip) => Ok(vec![(*ip, origin.port).into()]),
        Host::Domain(name) => {
            let found: Vec<_> = lookup_host((name.as_str(), origin.port)).await.map_err(HttpError::Resolve)?.collect();
            if found.is_empty() { Err(HttpError::Resolve(io::Error::other("the name has no address"))) } else { Ok(found) }
        }
    }
}

/// Tries one address after the other; each has its share of the time, so that a dead one leaves time for the next.
async fn reach(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, HttpError> {
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = HttpError::ConnectTimedOut;
    for address in addresses {
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(err)) => HttpError::Connect(err),
            Err(_) => HttpError::ConnectTimedOut,
        };
    }
    Err(last)
}

fn server_name(host: &Host) -> Result<ServerName<'static>, HttpError> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|err| HttpError::Resolve(io::Error::other(err))),
        Host::Ipv4(ip) => Ok(ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(*ip)))),
        Host::Ipv6(ip) => Ok(ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V6(*ip)))),
    }
}
