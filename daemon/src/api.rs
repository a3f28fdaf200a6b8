//! The control socket: paths, and what is done there. The types are those of `c2b_api`.
//!
//! Every answer but metrics is JSON, errors included: unknown paths, wrong methods, bodies that are too long
//! or not understood. Handlers translate; what is done is in [`crate::connections`],
//! [`crate::storages`] and [`crate::jobs`].

mod answer;
mod body;
mod connections;
mod jobs;
mod metrics;
mod storages;
mod stream;

use crate::daemon::Daemon;
use crate::nearest::nearest;
use crate::peer::Peer;
use answer::{Answer, Refusal};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use c2b_api::ErrorCode;
use c2b_api::status::Status;
use std::sync::Arc;
use tracing::debug;

/// What there is, for the hint after a mistyped path.
const NOUNS: [&str; 5] = ["/v1/status", "/v1/metrics", "/v1/connections", "/v1/storages", "/v1/jobs"];

/// Returns the service of the control socket.
pub fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/metrics", get(metrics::show))
        .route("/v1/connections", get(connections::list).post(connections::create))
        .route("/v1/connections/{name}", get(connections::show).delete(connections::delete))
        .route("/v1/connections/{name}/check", post(connections::check))
        .route("/v1/connections/{name}/sign-in", post(connections::sign_in))
        .route("/v1/connections/{name}/mailboxes", get(connections::mailboxes))
        .route("/v1/storages", get(storages::list).post(storages::create))
        .route("/v1/storages/{name}", get(storages::show).put(storages::edit).delete(storages::delete))
        .route("/v1/storages/{name}/unlock", post(storages::unlock))
        .route("/v1/storages/{name}/passwords", get(storages::passwords))
        .route("/v1/storages/{name}/passwords/add", post(storages::add_password))
        .route("/v1/storages/{name}/passwords/change", post(storages::change_password))
        .route("/v1/storages/{name}/passwords/remove", post(storages::remove_password))
        .route("/v1/storages/{name}/recovery-key", post(storages::renew_recovery_key))
        .route("/v1/storages/{name}/rotate-keys", post(storages::rotate_keys))
        .route("/v1/storages/{name}/check", post(storages::check))
        .route("/v1/storages/{name}/rebuild", post(storages::rebuild))
        .route("/v1/storages/{name}/repair", post(storages::repair))
        .route("/v1/storages/{name}/prune", post(storages::prune))
        .route("/v1/storages/{name}/unprune", post(storages::unprune))
        .route("/v1/storages/{name}/free", post(storages::free))
        .route("/v1/storages/{name}/erase", post(storages::erase))
        .route("/v1/storages/{name}/erased", get(storages::erased))
        .route("/v1/storages/{name}/allow", post(storages::allow))
        .route("/v1/storages/{name}/copy", post(storages::copy))
        .route("/v1/jobs", get(jobs::list).post(jobs::create))
        .route("/v1/jobs/{name}", get(jobs::show).put(jobs::edit).delete(jobs::delete))
        .route("/v1/jobs/{name}/start", post(jobs::start))
        .route("/v1/jobs/{name}/stop", post(jobs::stop))
        .route("/v1/jobs/{name}/watch", get(jobs::watch))
        .route("/v1/jobs/{name}/failures", get(jobs::failures))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(body::read_whole))
        .layer(middleware::from_fn(log_request))
        .with_state(daemon)
}

async fn status(State(daemon): State<Arc<Daemon>>) -> Answer<Status> {
    Ok(Json(daemon.status().await))
}

async fn no_such_path(request: Request) -> Refusal {
    let path = request.uri().path();
    let hint = nearest(path, NOUNS).map_or_else(|| format!("there are: {}", NOUNS.join(", ")), |near| format!("did you mean {near}?"));
    Refusal::new(ErrorCode::NotFound, format!("there is nothing at {path}"), hint)
}

async fn no_such_method(request: Request) -> Response {
    let message = format!("{} is not possible at {}", request.method(), request.uri().path());
    let body = c2b_api::ApiError::new(ErrorCode::Invalid, message, "");
    (axum::http::StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}

async fn log_request(ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    debug!(user = peer.user, pid = peer.pid, %method, path, status = response.status().as_u16(), "request answered");
    response
}
