//! Bodies of requests: bounded, JSON, and wrong ones explained.

use super::answer::Refusal;
use crate::nearest;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use c2b_api::ErrorCode;
use serde::de::DeserializeOwned;

/// Longest body, in bytes: a job that names 20,000 addresses fits.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A request's body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let Ok(bytes) = to_bytes(request.into_body(), BODY_BYTES_MAX).await else {
            return Err(Refusal::new(ErrorCode::Invalid, format!("the body is longer than {BODY_BYTES_MAX} bytes, or was cut short"), ""));
        };
        // No body means no wishes, so that `curl -X POST` works where all is optional.
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(bytes).map(Self).map_err(|error| {
            let message = error.to_string();
            let hint = nearest::hint(&message);
            Refusal::new(ErrorCode::Invalid, format!("the body is not understood: {message}"), hint)
        })
    }
}
