//! `/v1/metrics`: the only answer that is not JSON, since Prometheus has a format of its own.

use crate::daemon::Daemon;
use crate::metrics;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

pub(super) async fn show(State(daemon): State<Arc<Daemon>>) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&daemon.status().await, &daemon.tally)).into_response()
}
