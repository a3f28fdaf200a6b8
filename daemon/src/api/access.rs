//! `/v1/access`.

use super::answer::Answer;
use crate::daemon::Daemon;
use crate::peer::Peer;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use c2b_api::access::AccessInfo;
use c2b_api::access::Role;
use std::sync::Arc;

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>) -> Answer<AccessInfo> {
    let mut info = daemon.access.info(&peer);
    if info.caller.role != Some(Role::Admin) {
        // Who else may do what is for those who decide it.
        info.grants.clear();
        info.warnings.clear();
    }
    Ok(Json(info))
}
