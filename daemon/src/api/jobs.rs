//! `/v1/jobs`.

use super::answer::{Answer, Nothing, Refusal};
use super::body::Body;
use super::stream;
use crate::daemon::Daemon;
use crate::definition::file::JobFile;
use crate::failure;
use crate::name::Name;
use crate::peer::Peer;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use c2b_api::job::{Continuity, FailureInfo, JobEdit, JobStatus, Selection};
use serde::Deserialize;
use std::sync::Arc;

/// `c2b_api::job::JobDefinition`, with unknown keys as errors.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Create {
    name: String,
    connection: String,
    storage: String,
    source: Selection,
    continuity: Continuity,
}

pub(super) async fn list(State(daemon): State<Arc<Daemon>>) -> Answer<Vec<JobStatus>> {
    Ok(Json(daemon.jobs.list().await))
}

pub(super) async fn create(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Body(body): Body<Create>) -> Answer<JobStatus> {
    let name: Name = body.name.parse().map_err(|error| failure::bad_name(&error))?;
    let file = JobFile { owner: None, connection: body.connection, storage: body.storage, continuity: body.continuity, source: body.source };
    Ok(Json(daemon.jobs.create(&name, file, &peer.user).await?))
}

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<JobStatus> {
    Ok(Json(daemon.jobs.status(&daemon.job_name(&name)?).await?))
}

pub(super) async fn edit(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<JobEdit>,
) -> Answer<JobStatus> {
    Ok(Json(daemon.jobs.edit(&daemon.job_name(&name)?, body, &peer.user).await?))
}

pub(super) async fn delete(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<Nothing> {
    daemon.jobs.delete(&daemon.job_name(&name)?, &peer.user).await?;
    Ok(Json(Nothing {}))
}

pub(super) async fn start(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<JobStatus> {
    Ok(Json(daemon.jobs.start(&daemon.job_name(&name)?, &peer.user).await?))
}

pub(super) async fn stop(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<JobStatus> {
    Ok(Json(daemon.jobs.stop(&daemon.job_name(&name)?, &peer.user).await?))
}

pub(super) async fn watch(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let statuses = daemon.jobs.clone().watch(&daemon.job_name(&name)?)?;
    Ok(stream::lines(statuses))
}

pub(super) async fn failures(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<Vec<FailureInfo>> {
    Ok(Json(daemon.jobs.failures(&daemon.job_name(&name)?).await?))
}
