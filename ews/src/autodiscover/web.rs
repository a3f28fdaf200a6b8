//! The network under Autodiscover: plain HTTP requests, each made once.
//!
//! Two kinds: [`Web::peek`] gives nothing away; [`Web::ask`] signs in. Certificates are verified before either says anything; a redirect is an
//! answer like any other, so credentials never follow it.

use crate::EwsConfig;
use crate::body::Body;
use crate::error::{EwsError, Failure};
use crate::http::{Answer, HttpClient, Request};
use async_trait::async_trait;
use c2b_mailbox::Trouble;
use flate2::read::MultiGzDecoder;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use std::io::Read;
use std::time::Duration;
use url::Url;

/// How long connecting may take: there are many places to ask.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(25);
/// Longest answer that is read, in bytes; settings have some 10,000.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Where it sends on to.
    pub(crate) location: Option<String>,
    /// The sign-in schemes that it offers.
    pub(crate) offers: Vec<String>,
    /// The server's time of day.
    pub(crate) date: Option<String>,
    /// The server's certificate, in DER.
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
}

/// A way to ask servers.
#[async_trait]
pub(crate) trait Web: Send + Sync {
    /// Sends a document in the user's name.
    async fn ask(&self, url: &Url, body: Body) -> Result<Reply, Failure>;
    /// Looks at a place in nobody's name.
    async fn peek(&self, url: &Url) -> Result<Reply, Failure>;
}

/// HTTP in the name of the configuration's user.
pub(crate) struct HttpWeb {
    client: HttpClient,
}

impl HttpWeb {
    /// Sets the client up; the configuration's URL is of no matter.
    pub(crate) fn new(config: &EwsConfig) -> Result<Self, EwsError> {
        let (connect_timeout, idle_timeout) = (CONNECT_TIMEOUT.min(config.connect_timeout), ANSWER_TIMEOUT.min(config.idle_timeout));
        Ok(Self { client: HttpClient::new(&EwsConfig { connect_timeout, idle_timeout, ..config.clone() })? })
    }
}

async fn reply(answer: Answer) -> Result<Reply, Failure> {
    let text = |name: &str| Some(answer.header(name).to_owned()).filter(|text| !text.is_empty());
    let offers = answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut reply = Reply {
        status: answer.status().as_u16(),
        location: text(LOCATION.as_str()),
        offers: offers.filter_map(|offer| offer.split_whitespace().next()).map(str::to_owned).collect(),
        date: text(DATE.as_str()),
        certificate: answer.certificate().map(<[u8]>::to_vec),
        body: Vec::new(),
    };
    let is_packed = answer.is_gzip();
    let cut = |err| Failure::new(Trouble::Malformed, "no answer", "the answer broke off").caused_by(err);
    reply.body = answer.into_bytes(ANSWER_BYTES_MAX).await.map_err(cut)?;
    if is_packed {
        let mut plain = Vec::new();
        let packed = std::mem::take(&mut reply.body);
        let cut = |err| Failure::new(Trouble::Malformed, "no answer", "the answer cannot be unpacked").caused_by(err);
        MultiGzDecoder::new(packed.as_slice()).take(ANSWER_BYTES_MAX as u64).read_to_end(&mut plain).map_err(cut)?;
        reply.body = plain;
    }
    Ok(reply)
}

#[async_trait]
impl Web for HttpWeb {
    async fn ask(&self, url: &Url, body: Body) -> Result<Reply, Failure> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"))]);
        reply(self.client.send(&Request { method: Method::POST, url: url.clone(), headers, body }).await?).await
    }

    async fn peek(&self, url: &Url) -> Result<Reply, Failure> {
        reply(self.client.send_unsigned(&Request { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Body::default() }).await?).await
    }
}
