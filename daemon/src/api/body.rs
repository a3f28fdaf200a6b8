//! Bodies of requests: read to their end, bounded, JSON, and wrong ones explained.

use super::answer::Refusal;
use crate::nearest;
use axum::body::{self, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use c2b_api::ErrorCode;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use zeroize::Zeroize;

/// Longest body, in bytes: a job that names 20,000 addresses fits.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How much of a body is read at all, in bytes: a caller who is still sending when the connection
/// ends does not see the answer.
const READ_BYTES_MAX: usize = 64 * BODY_BYTES_MAX;

/// A request's body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let Ok(bytes) = to_bytes(request.into_body(), BODY_BYTES_MAX).await else { return Err(not_whole()) };
        // No body means no wishes, so that `curl -X POST` works where all is optional.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let value = serde_json::from_slice(text).map(Self).map_err(|error| {
            let message = error.to_string();
            let hint = nearest::hint(&message);
            Refusal::new(ErrorCode::Invalid, format!("the body is not understood: {message}"), hint)
        });
        // A body may hold a password; nobody else has these bytes, since `read_whole` made them.
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.zeroize();
        }
        value
    }
}

/// Reads every body to its end before the request is handled, whether or not the handler wants it.
pub(super) async fn read_whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut stream = body.into_data_stream();
    // At its full length from the start: bytes that move leave a copy of themselves behind.
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let (mut bytes, mut read) = (Vec::with_capacity(length.min(BODY_BYTES_MAX)), 0);
    while let Some(part) = stream.next().await {
        let Ok(part) = part else { return not_whole().into_response() };
        read += part.len();
        if read > READ_BYTES_MAX {
            break;
        }
        if read <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&part);
        }
        if let Ok(mut part) = part.try_into_mut() {
            part.zeroize();
        }
    }
    if read > BODY_BYTES_MAX {
        return Refusal::new(ErrorCode::Invalid, format!("the body is longer than {BODY_BYTES_MAX} bytes"), "").into_response();
    }
    next.run(Request::from_parts(parts, body::Body::from(bytes))).await
}

fn not_whole() -> Refusal {
    Refusal::new(ErrorCode::Invalid, "the body was cut short", "")
}
