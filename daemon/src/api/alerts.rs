//! `/v1/alerts`.

use super::answer::{Answer, Nothing};
use super::body::Body;
use crate::daemon::Daemon;
use crate::failure;
use crate::peer::Peer;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use c2b_api::alert::{AlertPassword, AlertStatus, AlertTest};
use c2b_api::{ApiError, ErrorCode};
use std::sync::Arc;
use zeroize::Zeroizing;

pub(super) async fn list(State(daemon): State<Arc<Daemon>>) -> Answer<AlertStatus> {
    Ok(Json(daemon.alerts.status()))
}

pub(super) async fn test(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>) -> Answer<Vec<AlertTest>> {
    Ok(Json(daemon.alerts.test(&peer.user).await))
}

pub(super) async fn set_password(State(daemon): State<Arc<Daemon>>, Body(body): Body<AlertPassword>) -> Answer<Nothing> {
    let password: Zeroizing<String> = body.password.into();
    if password.is_empty() {
        return Err(failure::invalid("the password is empty", "").into());
    }
    daemon.alerts.put_password(&password).map_err(|error| ApiError::new(ErrorCode::Internal, failure::chain(&error), ""))?;
    Ok(Json(Nothing {}))
}
