//! Tells apart what can go wrong between us and an answer in SOAP.

use super::answer::Answer;
use super::error::HttpError;
use crate::auth::{Refusal, Scheme};
use crate::error::{Failure, TIMED_OUT};
use c2b_mailbox::{Retry, Scope, Trouble};
use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use rustls::CertificateError;
use std::error::Error;
use std::time::Duration;
use url::Url;

/// Judges a request that got no answer.
pub(super) fn sending(err: HttpError) -> Failure {
    let failure = match (&err, tls_error(&err)) {
        (_, Some(tls)) => of_tls(tls),
        (HttpError::Resolve(err), _) => Failure::new(Trouble::Unreachable, "DNS", format!("the server's name cannot be resolved: {err}")),
        (HttpError::Connect(err) | HttpError::Tls(err), _) => Failure::new(Trouble::Unreachable, "connect", format!("no connection to the server: {err}")),
        (HttpError::ConnectTimedOut, _) => Failure::new(Trouble::Unreachable, "connect", "the server does not answer: connecting timed out"),
        (HttpError::TimedOut, _) => Failure::new(Trouble::Unreachable, TIMED_OUT, "the server did not answer in time"),
        (HttpError::Broken(_), _) => Failure::new(Trouble::Malformed, "no answer", "the server closed the connection without a whole answer"),
        (HttpError::Request(_), _) => Failure::new(Trouble::Refused, "request", "the request cannot be put into HTTP"),
    };
    failure.caused_by(err)
}

/// Judges an answer that is an error whatever its body says.
pub(super) fn at_sight(answer: &Answer, url: &Url, scheme: Scheme) -> Option<Failure> {
    let status = answer.status();
    let code = code_of(status);
    if status.is_redirection() {
        let to = Some(answer.header("location")).filter(|to| !to.is_empty()).unwrap_or("an unnamed place");
        return Some(Failure::new(Trouble::WrongUrl, code, format!("{url} sends on to {to}")));
    }
    match status {
        StatusCode::UNAUTHORIZED => Some(Failure::new(Trouble::SignIn, code, Refusal::of(answer.headers(), scheme).message())),
        StatusCode::FORBIDDEN => Some(Failure::new(Trouble::Forbidden, code, "the server forbids this user EWS").reaching(Scope::Connection)),
        StatusCode::NOT_FOUND | StatusCode::GONE => Some(Failure::new(Trouble::WrongUrl, code, format!("there is nothing at {url}"))),
        StatusCode::METHOD_NOT_ALLOWED => Some(Failure::new(Trouble::WrongUrl, code, format!("{url} is not an EWS address"))),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Some(Failure::new(Trouble::Unreachable, code, "a proxy on the way asks for a password")),
        _ => None,
    }
}

/// Judges by the status line what has no SOAP fault in its body; `None` for a success.
pub(super) fn status(answer: &Answer) -> Option<Failure> {
    let status = answer.status();
    if status.is_success() {
        return None;
    }
    let pause = pause(answer);
    let (trouble, words) = match status {
        StatusCode::TOO_MANY_REQUESTS => (Trouble::Throttled, "the server asks to slow down"),
        StatusCode::SERVICE_UNAVAILABLE if pause.is_some() => (Trouble::Throttled, "the server asks to slow down"),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => {
            (Trouble::Busy, "the server is not available now")
        }
        StatusCode::NOT_IMPLEMENTED => (Trouble::Unsupported, "the server does not know this operation"),
        status if status.is_server_error() => (Trouble::Busy, "the server failed"),
        _ => (Trouble::Refused, "the server refused the request"),
    };
    let mut failure = Failure::new(trouble, code_of(status), words);
    if trouble == Trouble::Busy && status != StatusCode::INTERNAL_SERVER_ERROR {
        failure = failure.reaching(Scope::Connection);
    }
    Some(match pause {
        Some(pause) if failure.retry != Retry::No => failure.retrying(Retry::After(pause)),
        _ => failure,
    })
}

/// Gives a fault the pause of its HTTP header, where it has none of its own.
pub(super) fn with_pause_of(failure: Failure, status: &Failure) -> Failure {
    match (failure.retry, status.retry) {
        (Retry::Backoff, Retry::After(_)) => failure.retrying(status.retry),
        _ => failure,
    }
}

fn code_of(status: StatusCode) -> String {
    format!("HTTP {}", status.as_u16())
}

/// Reads the seconds of a Retry-After header; its form with a date would need a clock.
fn pause(answer: &Answer) -> Option<Duration> {
    answer.header(RETRY_AFTER.as_str()).trim().parse().ok().map(Duration::from_secs)
}

fn of_tls(err: &rustls::Error) -> Failure {
    match err {
        rustls::Error::InvalidCertificate(reason) => Failure::new(Trouble::Certificate, "TLS", certificate_words(reason)),
        rustls::Error::InvalidMessage(_) => Failure::new(Trouble::WrongUrl, "TLS", "the server does not speak TLS at this port"),
        other => Failure::new(Trouble::Unreachable, "TLS", format!("no TLS connection: {other}")),
    }
}

fn certificate_words(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => "the certificate is not trusted: its issuer is unknown here".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "the certificate is not valid yet".to_owned(),
        CertificateError::Revoked => "the certificate has been revoked".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is for another server name: {reason}")
        }
        other => format!("the certificate is not trusted: {other}"),
    }
}

fn causes<'a>(err: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(err), |err: &&'a (dyn Error + 'static)| (*err).source())
}

/// Finds the TLS error, which I/O errors hide as their content rather than their source.
fn tls_error<'a>(err: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(err).find_map(|cause| {
        let mut inner: &(dyn Error + 'static) = cause;
        while let Some(content) = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            inner = content;
        }
        inner.downcast_ref::<rustls::Error>()
    })
}
