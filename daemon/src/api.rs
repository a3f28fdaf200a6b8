//! The control socket: paths, and what is done there. The types are those of `c2b_api`.
//!
//! Every answer but metrics is JSON, errors included: unknown paths, wrong methods, bodies that are too long
//! or not understood. Who may do what is decided, and recorded, in one place before any handler: `gate`, by the rule that
//! stands beside each route in the table of `c2b_api`. Handlers translate; what is done is in [`crate::connections`], [`crate::storages`] and [`crate::jobs`].

mod access;
mod alerts;
mod answer;
mod audit;
mod body;
mod config;
mod connections;
mod gate;
mod jobs;
mod metrics;
mod query;
mod routes;
mod shown;
mod storages;
mod stream;

use crate::daemon::Daemon;
use crate::nearest::nearest;
use crate::peer::Peer;
use answer::{Answer, Nothing, Refusal};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use c2b_api::ErrorCode;
use c2b_api::access::Role;
use c2b_api::status::Status;
use c2b_api::{openapi, route};
use gate::Gate;
use routes::Routes;
use serde_json::Value;
use shown::Shown;
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::debug;

/// Returns the service of the control socket.
pub fn router(daemon: Arc<Daemon>) -> Router {
    let routes = routes();
    let gate = Arc::new(Gate { daemon: daemon.clone(), rules: routes.rules });
    routes
        .router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(gate, gate::pass))
        .layer(middleware::from_fn_with_state(body::Room::default(), body::read_whole))
        .layer(middleware::from_fn(log_request))
        .with_state(daemon)
}

/// Returns what there is: each route of the table with its handler.
fn routes() -> Routes {
    Routes::default()
        .on(&route::daemon::STATUS, status)
        .on(&route::daemon::ALIVE, alive)
        .on(&route::daemon::METRICS, metrics::show)
        .on(&route::daemon::OPENAPI, openapi)
        .on(&route::daemon::CONFIG, config::show)
        .on(&route::daemon::ACCESS, access::show)
        .on(&route::daemon::AUDIT, audit::show)
        .on(&route::daemon::AUDIT_VERIFY, audit::verify)
        .on(&route::alert::LIST, alerts::list)
        .on(&route::alert::TEST, alerts::test)
        .on(&route::alert::PASSWORD, alerts::set_password)
        .on(&route::connection::LIST, connections::list)
        .on(&route::connection::CREATE, connections::create)
        .on(&route::connection::SHOW, connections::show)
        .on(&route::connection::EDIT, connections::edit)
        .on(&route::connection::DELETE, connections::delete)
        .on(&route::connection::CHECK, connections::check)
        .on(&route::connection::SIGN_IN, connections::sign_in)
        .on(&route::connection::PASSWORD_SET, connections::set_password)
        .on(&route::connection::PASSWORD_REMOVE, connections::remove_password)
        .on(&route::connection::UNLOCK, connections::unlock)
        .on(&route::connection::LOCK, connections::lock)
        .on(&route::connection::MAILBOXES, connections::mailboxes)
        .on(&route::connection::PUBLIC_FOLDERS, connections::public_folders)
        .on(&route::storage::LIST, storages::list)
        .on(&route::storage::CREATE, storages::create)
        .on(&route::storage::SHOW, storages::show)
        .on(&route::storage::EDIT, storages::edit)
        .on(&route::storage::DELETE, storages::delete)
        .on(&route::storage::UNLOCK, storages::unlock)
        .on(&route::storage::PASSWORDS, storages::passwords)
        .on(&route::storage::PASSWORD_ADD, storages::add_password)
        .on(&route::storage::PASSWORD_CHANGE, storages::change_password)
        .on(&route::storage::PASSWORD_REMOVE, storages::remove_password)
        .on(&route::storage::RECOVERY_KEY, storages::renew_recovery_key)
        .on(&route::storage::ROTATE_KEYS, storages::rotate_keys)
        .on(&route::storage::CHECK, storages::check)
        .on(&route::storage::REBUILD, storages::rebuild)
        .on(&route::storage::REPAIR, storages::repair)
        .on(&route::storage::PRUNE, storages::prune)
        .on(&route::storage::UNPRUNE, storages::unprune)
        .on(&route::storage::THAW, storages::thaw)
        .on(&route::storage::FREE, storages::free)
        .on(&route::storage::ERASE, storages::erase)
        .on(&route::storage::ERASED, storages::erased)
        .on(&route::storage::ALLOW, storages::allow)
        .on(&route::storage::COPY, storages::copy)
        .on(&route::storage::MOUNT, storages::mount)
        .on(&route::storage::MOUNTED, storages::told)
        .on(&route::storage::READ, storages::told)
        .on(&route::job::LIST, jobs::list)
        .on(&route::job::CREATE, jobs::create)
        .on(&route::job::SHOW, jobs::show)
        .on(&route::job::EDIT, jobs::edit)
        .on(&route::job::DELETE, jobs::delete)
        .on(&route::job::START, jobs::start)
        .on(&route::job::STOP, jobs::stop)
        .on(&route::job::SCHEDULE, jobs::schedule)
        .on(&route::job::WATCH, jobs::watch)
        .on(&route::job::APPLY, jobs::apply)
        .on(&route::job::DEFINITION, jobs::definition)
        .on(&route::job::COPY, jobs::copy)
        .on(&route::job::RENAME, jobs::rename)
        .on(&route::job::HISTORY, jobs::history)
        .on(&route::job::FAILURES, jobs::failures)
        .on(&route::job::RETRY, jobs::retry)
        .on(&route::job::ACKNOWLEDGE, jobs::acknowledge)
        .on(&route::job::COVERAGE, jobs::coverage)
}

async fn status(State(daemon): State<Arc<Daemon>>, Extension(role): Extension<Role>) -> Answer<Status> {
    Ok(Json(daemon.status().await.for_role(role)))
}

/// Answers when what answers are made of can be had.
async fn alive(State(daemon): State<Arc<Daemon>>) -> Answer<Nothing> {
    let look = tokio::task::spawn_blocking(move || daemon.look_alive());
    look.await.map_err(|error| Refusal::new(ErrorCode::Internal, error.to_string(), ""))?;
    Ok(Json(Nothing {}))
}

/// Tells other programs what there is.
async fn openapi() -> Json<Value> {
    Json(openapi::document())
}

async fn no_such_path(request: Request) -> Refusal {
    let path = request.uri().path();
    let known: BTreeSet<&str> = route::all().filter(|route| !route.has_name()).map(|route| route.path).collect();
    let all = || format!("there are: {}; {} describes them", known.iter().copied().collect::<Vec<_>>().join(", "), route::daemon::OPENAPI.path);
    let hint = nearest(path, known.iter().copied()).map_or_else(all, |near| format!("did you mean {near}?"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_of_the_table_has_its_handler_and_there_are_no_others() {
        let table: BTreeSet<(&str, &str)> = route::all().map(|route| (route.verb.word(), route.path)).collect();
        let routes = routes();
        let rules: BTreeSet<(&str, &str)> = routes.rules.iter().map(|((method, path), _)| (method.as_str(), *path)).collect();
        assert_eq!(rules, table);
    }
}
