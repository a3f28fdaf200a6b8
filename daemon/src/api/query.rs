//! What stands behind the `?` of a path, and wrong ones explained.

use super::answer::Refusal;
use crate::nearest;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use c2b_api::ErrorCode;
use serde::de::DeserializeOwned;

/// A request's query.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|error| {
            let message = error.to_string();
            let hint = nearest::hint(&message);
            Refusal::new(ErrorCode::Invalid, format!("what stands behind the ? is not understood: {message}"), hint)
        })
    }
}
