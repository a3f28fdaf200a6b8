//! The network under Autodiscover: plain HTTP requests, each made once.
//!
//! Two kinds: [`Web::peek`] gives nothing away; [`Web::ask`] signs in. Certificates are verified before either says anything; a redirect is an
//! answer like any other, so credentials never follow it.

use crate::error::{EwsError, Failure};
use crate::http::classify;
use crate::EwsConfig;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::tls::TlsInfo;
use reqwest::{Client, RequestBuilder, redirect};
use std::net::SocketAddr;
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
    async fn ask(&self, url: &Url, body: String, headers: &[(&'static str, &'static str)]) -> Result<Reply, Failure>;
    /// Looks at a place in nobody's name.
    async fn peek(&self, url: &Url) -> Result<Reply, Failure>;
}

/// HTTP with Basic sign-in.
pub(crate) struct HttpWeb {
    client: Client,
    authorization: HeaderValue,
}

impl HttpWeb {
    /// Sets the client up; `addresses` are where hosts are, instead of what their names resolve to.
    pub(crate) fn new(config: &EwsConfig, addresses: &[(String, SocketAddr)]) -> Result<Self, EwsError> {
        let mut builder = Client::builder()
            .http1_only()
            .no_proxy()
            .user_agent(crate::http::USER_AGENT)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(config.connect_timeout))
            .timeout(ANSWER_TIMEOUT)
            .tls_info(true)
            .tls_danger_accept_invalid_certs(config.insecure);
        for (host, address) in addresses {
            builder = builder.resolve(host, *address);
        }
        if let Some(pem) = &config.ca_pem {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(EwsError::CertificateAuthority)?;
            builder = builder.tls_certs_merge(roots);
        }
        let mut plain = config.user.clone().into_bytes();
        plain.push(b':');
        plain.extend_from_slice(config.password.expose());
        let mut authorization = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(&plain))).map_err(|_| EwsError::Credentials)?;
        plain.fill(0);
        std::hint::black_box(&plain);
        authorization.set_sensitive(true);
        Ok(Self { client: builder.build().map_err(EwsError::Client)?, authorization })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply, Failure> {
        let mut response = request.send().await.map_err(classify::sending)?;
        let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let offers = response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let mut reply = Reply {
            status: response.status().as_u16(),
            location: text(LOCATION),
            offers: offers.filter_map(|offer| offer.split_whitespace().next()).map(str::to_owned).collect(),
            date: text(DATE),
            certificate: response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec),
            body: Vec::new(),
        };
        while let Some(piece) = response.chunk().await.map_err(classify::sending)? {
            if reply.body.len() + piece.len() > ANSWER_BYTES_MAX {
                break;
            }
            reply.body.extend_from_slice(&piece);
        }
        Ok(reply)
    }
}

#[async_trait]
impl Web for HttpWeb {
    async fn ask(&self, url: &Url, body: String, headers: &[(&'static str, &'static str)]) -> Result<Reply, Failure> {
        let mut request = self.client.post(url.clone()).header(CONTENT_TYPE, "text/xml; charset=utf-8").header(AUTHORIZATION, self.authorization.clone()).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    async fn peek(&self, url: &Url) -> Result<Reply, Failure> {
        self.send(self.client.get(url.clone())).await
    }
}
