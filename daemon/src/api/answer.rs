//! Answers and refusals as HTTP.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
pub(super) use c2b_api::route::Nothing;
use c2b_api::{ApiError, ErrorCode};

/// What a handler returns.
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

/// An error on its way out.
pub(super) struct Refusal(ApiError);

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(ApiError::new(code, message, hint))
    }
}

/// The code of an error, beside an answer for who looks at it on its way out.
#[derive(Clone)]
pub(super) struct Code(pub(super) String);

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = Code(crate::failure::code_word(self.0.code));
        let mut response = (status, Json(self.0)).into_response();
        response.extensions_mut().insert(code);
        response
    }
}
