//! Bodies of requests: read to their end, bounded in length, time and number, JSON, and wrong ones explained.

use super::answer::Refusal;
use crate::nearest;
use axum::body::HttpBody;
use axum::body::{self, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use c2b_api::ErrorCode;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use zeroize::Zeroize;

/// Longest body, in bytes: a job that names 20,000 addresses fits.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Where it stands what a body must be.
const SEE: &str = "GET /v1/openapi.json, or `c2bctl api schema`, describes what is taken here";

/// How much of a body is read at all, in bytes: a caller who is still sending when the connection
/// ends does not see the answer.
const READ_BYTES_MAX: usize = 64 * BODY_BYTES_MAX;

/// For all of a body: it comes from this host.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Room for bodies that are being read or understood, all together: in units, so that short ones take little.
const ROOM_UNITS: usize = 64 * 1024;

/// Bytes of such a unit.
const ROOM_UNIT_BYTES: usize = 1024;

/// Where bodies are kept while they are needed: many callers with long ones wait for each other.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_UNITS)))
    }
}

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
            let hint = Some(nearest::hint(&message)).filter(|hint| !hint.is_empty()).unwrap_or_else(|| SEE.to_owned());
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
pub(super) async fn read_whole(State(room): State<Room>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let expected = length.unwrap_or(if body.is_end_stream() { 0 } else { BODY_BYTES_MAX }).min(BODY_BYTES_MAX);
    let held = tokio::time::timeout(BODY_TIMEOUT, async {
        let permit = room.0.acquire_many_owned(u32::try_from(expected.div_ceil(ROOM_UNIT_BYTES)).unwrap_or(0)).await;
        permit.map_err(|_| busy())
    });
    let _held = match held.await.unwrap_or_else(|_| Err(busy())) {
        Ok(permit) => permit,
        Err(refusal) => return refusal.into_response(),
    };
    match tokio::time::timeout(BODY_TIMEOUT, read(body, expected)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, body::Body::from(bytes))).await,
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => {
            let message = format!("the body did not come whole within {} s", BODY_TIMEOUT.as_secs());
            Refusal::new(ErrorCode::TooSlow, message, "send it at once, and as many bytes as content-length says").into_response()
        }
    }
}

/// Reads a body to its end.
async fn read(body: body::Body, expected: usize) -> Result<Vec<u8>, Refusal> {
    let mut stream = body.into_data_stream();
    // At its full length from the start: bytes that move leave a copy of themselves behind.
    let (mut bytes, mut read) = (Vec::with_capacity(expected), 0);
    while let Some(part) = stream.next().await {
        let Ok(part) = part else { return Err(not_whole()) };
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
        return Err(Refusal::new(ErrorCode::TooLong, format!("the body is longer than {BODY_BYTES_MAX} bytes"), "say it in several requests"));
    }
    Ok(bytes)
}

fn not_whole() -> Refusal {
    Refusal::new(ErrorCode::Invalid, "the body was cut short", "send as many bytes as content-length says")
}

fn busy() -> Refusal {
    Refusal::new(ErrorCode::Busy, "there is no room for the body: too many are being read", "try again in a moment")
}
