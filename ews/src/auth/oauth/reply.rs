//! What a token service answers: a token, or why there is none (RFC 6749, RFC 8628).

use crate::Secret;
use crate::body::Body;
use crate::error::Failure;
use crate::http::{Request, Wire};
use c2b_mailbox::{Retry, Trouble};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;
use url::{Url, form_urlencoded};

/// Longest answer of a token service: tokens have some KiB.
const REPLY_BYTES_MAX: usize = 256 * 1024;
/// Life of a token whose service does not tell it.
const LIFE_USUAL: Duration = Duration::from_secs(3600);

/// What came back.
pub(super) enum Reply {
    Token {
        access_token: Secret,
        life: Duration,
        refresh_token: Option<Secret>,
    },
    /// The fields of another success: a code for a device.
    Fields(Value),
    Refused {
        error: String,
        description: String,
        status: StatusCode,
        pause: Option<Duration>,
    },
}

impl Reply {
    /// Judges an answer that is no token.
    pub(super) fn into_failure(self) -> Failure {
        let Self::Refused { error, description, status, pause } = self else {
            return Failure::new(Trouble::Malformed, "token", "the token service's answer is not understood");
        };
        let is_busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || error == "temporarily_unavailable";
        if is_busy {
            let failure = Failure::new(Trouble::Busy, code_of(&error, status), "the token service is busy");
            return failure.retrying(pause.map_or(Retry::Backoff, Retry::After)).reaching(c2b_mailbox::Scope::Connection);
        }
        let reason = if description.is_empty() { &error } else { &description };
        let message = match error.as_str() {
            "invalid_grant" | "interaction_required" | "expired_token" => format!("the sign-in is no longer valid, sign in again: {reason}"),
            "" => format!("the token service answered {status}"),
            _ => format!("the token service refused: {reason}"),
        };
        Failure::new(Trouble::SignIn, code_of(&error, status), message)
    }
}

/// Sends a form to a token service.
pub(super) async fn ask(wire: &Wire, url: &Url, form: &[(&'static str, Secret)]) -> Result<Reply, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let request = Request { method: Method::POST, url: url.clone(), headers, body: Body::from(written(form)) };
    let answer = wire.send(&request, None).await.map_err(|failure| failure.of_host(url))?;
    let status = answer.status();
    let pause = answer.header("retry-after").trim().parse().ok().map(Duration::from_secs);
    if answer.is_gzip() || status.is_redirection() {
        return Ok(Reply::Refused { error: String::new(), description: String::new(), status, pause });
    }
    let bytes = answer.into_bytes(REPLY_BYTES_MAX).await;
    let bytes = bytes.map_err(|err| Failure::new(Trouble::Unreachable, "token", "the token service broke off its answer").caused_by(err))?;
    let fields: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(read(&fields, status, pause))
}

fn written(form: &[(&'static str, Secret)]) -> String {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form {
        body.append_pair(name, &String::from_utf8_lossy(value.expose()));
    }
    body.finish()
}

fn read(fields: &Value, status: StatusCode, pause: Option<Duration>) -> Reply {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if !status.is_success() {
        // The first line says it; what follows are numbers for the service's own staff.
        let description: String = text("error_description").lines().next().unwrap_or_default().chars().take(400).collect();
        return Reply::Refused { error: text("error"), description, status, pause };
    }
    let token = text("access_token");
    if token.is_empty() {
        return Reply::Fields(fields.clone());
    }
    let refresh_token = Some(text("refresh_token")).filter(|token| !token.is_empty()).map(Secret::new);
    let life = number(fields, "expires_in").map_or(LIFE_USUAL, Duration::from_secs);
    Reply::Token { access_token: Secret::new(token), life, refresh_token }
}

/// Returns a number, which AD FS may write as a text.
pub(super) fn number(fields: &Value, name: &str) -> Option<u64> {
    let value = fields.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn code_of(error: &str, status: StatusCode) -> String {
    if error.is_empty() { format!("HTTP {}", status.as_u16()) } else { error.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, json: &str) -> Failure {
        read(&serde_json::from_str(json).unwrap(), StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(7))).into_failure()
    }

    #[test]
    fn refusals_and_busy_services_are_told_apart() {
        let refused = failure(401, r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret.\r\nTrace ID: 1"}"#);
        assert_eq!((refused.trouble, refused.message.as_str()), (Trouble::SignIn, "the token service refused: AADSTS7000215: Invalid client secret."));
        let ended = failure(400, r#"{"error":"invalid_grant","error_description":"AADSTS70008: expired"}"#);
        assert!(ended.message.contains("sign in again"), "{}", ended.message);
        let busy = failure(503, "{}");
        assert_eq!((busy.trouble, busy.retry), (Trouble::Busy, Retry::After(Duration::from_secs(7))));
    }

    #[test]
    fn lives_are_numbers_or_texts() {
        for json in [r#"{"access_token":"a","expires_in":60}"#, r#"{"access_token":"a","expires_in":"60"}"#] {
            let Reply::Token { life, .. } = read(&serde_json::from_str(json).unwrap(), StatusCode::OK, None) else { panic!("no token") };
            assert_eq!(life, Duration::from_secs(60));
        }
    }
}
