//! Answers and refusals as HTTP.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use c2b_api::{ApiError, ErrorCode};
use serde::Serialize;

/// What a handler returns.
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

/// The answer when there is nothing to say: `{}`.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// An error on its way out.
pub(super) struct Refusal(ApiError);

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(ApiError::new(code, message, hint))
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}
