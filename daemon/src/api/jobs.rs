//! `/v1/jobs`.

use super::answer::{Answer, Nothing, Refusal};
use super::body::Body;
use super::query::Query;
use super::shown::Shown;
use super::stream;
use crate::daemon::Daemon;
use crate::definition::file::JobFile;
use crate::failure;
use crate::name::Name;
use crate::peer::Peer;
use axum::Extension;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use c2b_api::ErrorCode;
use c2b_api::access::Role;
use c2b_api::coverage::MailboxCoverage;
use c2b_api::job::{
    CycleInfo, FailureChoice, FailureCount, FailureInfo, HowMany, JobApplied, JobApply, JobEdit, JobSchedule, JobStart, JobStatus, JobText, NewName,
};
use futures_util::StreamExt;
use std::sync::Arc;

/// Most periods or cycles that are told at once.
const COUNT_MAX: usize = 100_000;

pub(super) async fn list(State(daemon): State<Arc<Daemon>>, Extension(role): Extension<Role>) -> Answer<Vec<JobStatus>> {
    Ok(Json(daemon.jobs.list().await.for_role(role)))
}

pub(super) async fn create(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Body(file): Body<JobFile>) -> Answer<JobStatus> {
    let Some(name) = &file.name else { return Err(Refusal::new(ErrorCode::Invalid, "the job has no name", "give name")) };
    let name: Name = name.parse().map_err(|error| failure::bad_name(&error))?;
    Ok(Json(daemon.jobs.create(&name, JobFile { owner: None, ..file }, &peer.user).await?))
}

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, Extension(role): Extension<Role>, Path(name): Path<String>) -> Answer<JobStatus> {
    Ok(Json(daemon.jobs.status(&daemon.job_name(&name)?).await?.for_role(role)))
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

pub(super) async fn start(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(role): Extension<Role>,
    Path(name): Path<String>,
    Body(wish): Body<JobStart>,
) -> Answer<JobStatus> {
    Ok(Json(daemon.jobs.start(&daemon.job_name(&name)?, wish, &peer.user).await?.for_role(role)))
}

pub(super) async fn schedule(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>, Query(wish): Query<HowMany>) -> Answer<JobSchedule> {
    Ok(Json(daemon.jobs.schedule(&daemon.job_name(&name)?, wish.n.min(COUNT_MAX))?))
}

pub(super) async fn stop(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(role): Extension<Role>,
    Path(name): Path<String>,
) -> Answer<JobStatus> {
    Ok(Json(daemon.jobs.stop(&daemon.job_name(&name)?, &peer.user).await?.for_role(role)))
}

pub(super) async fn watch(State(daemon): State<Arc<Daemon>>, Extension(role): Extension<Role>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let statuses = daemon.jobs.clone().watch(&daemon.job_name(&name)?)?;
    Ok(stream::lines(statuses.map(move |status| status.for_role(role))))
}

pub(super) async fn failures(State(daemon): State<Arc<Daemon>>, Extension(role): Extension<Role>, Path(name): Path<String>) -> Answer<Vec<FailureInfo>> {
    Ok(Json(daemon.jobs.failures(&daemon.job_name(&name)?).await?.for_role(role)))
}

pub(super) async fn retry(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(choice): Body<FailureChoice>,
) -> Answer<FailureCount> {
    Ok(Json(daemon.jobs.retry_failures(&daemon.job_name(&name)?, choice, &peer.user).await?))
}

pub(super) async fn acknowledge(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(choice): Body<FailureChoice>,
) -> Answer<FailureCount> {
    Ok(Json(daemon.jobs.acknowledge_failures(&daemon.job_name(&name)?, choice, &peer.user).await?))
}

pub(super) async fn history(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>, Query(wish): Query<HowMany>) -> Answer<Vec<CycleInfo>> {
    Ok(Json(daemon.jobs.history(&daemon.job_name(&name)?, wish.n.min(COUNT_MAX))?))
}

pub(super) async fn definition(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<JobText> {
    Ok(Json(daemon.jobs.text(&daemon.job_name(&name)?)?))
}

pub(super) async fn apply(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Body(wish): Body<JobApply>) -> Answer<Vec<JobApplied>> {
    Ok(Json(daemon.jobs.apply(wish, &peer.user, |connection| daemon.connections.ask_password(connection, &peer)).await?))
}

pub(super) async fn copy(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(new): Body<NewName>,
) -> Answer<JobStatus> {
    let new: Name = new.name.parse().map_err(|error| failure::bad_name(&error))?;
    Ok(Json(daemon.jobs.copy(&daemon.job_name(&name)?, &new, &peer.user).await?))
}

pub(super) async fn rename(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(new): Body<NewName>,
) -> Answer<JobStatus> {
    let new: Name = new.name.parse().map_err(|error| failure::bad_name(&error))?;
    Ok(Json(daemon.jobs.rename(&daemon.job_name(&name)?, &new, &peer.user).await?))
}

pub(super) async fn coverage(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<Vec<MailboxCoverage>> {
    Ok(Json(daemon.jobs.coverage(&daemon.job_name(&name)?)?))
}
