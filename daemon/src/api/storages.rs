//! `/v1/storages`.

use super::answer::{Answer, Nothing, Refusal};
use super::body::Body;
use super::stream;
use crate::daemon::Daemon;
use crate::definition::file::StorageFile;
use crate::failure;
use crate::name::Name;
use crate::peer::Peer;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use c2b_api::storage::{StorageCheck, StorageCreate, StorageInfo};
use std::sync::Arc;

pub(super) async fn list(State(daemon): State<Arc<Daemon>>) -> Answer<Vec<StorageInfo>> {
    Ok(Json(daemon.storages.list().await))
}

pub(super) async fn create(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Body(body): Body<StorageCreate>) -> Answer<StorageInfo> {
    let name: Name = body.name.parse().map_err(|error| failure::bad_name(&error))?;
    Ok(Json(daemon.storages.create(&name, StorageFile { owner: None, path: body.path }, &peer.user).await?))
}

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<StorageInfo> {
    let storage = daemon.storages.get(&daemon.storage_name(&name)?)?;
    Ok(Json(daemon.storages.info(&storage).await))
}

pub(super) async fn delete(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<Nothing> {
    daemon.storages.delete(&daemon.storage_name(&name)?, &peer.user).await?;
    Ok(Json(Nothing {}))
}

pub(super) async fn check(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>, Body(body): Body<StorageCheck>) -> Result<Response, Refusal> {
    let events = daemon.storages.check(&daemon.storage_name(&name)?, body.read_data)?;
    Ok(stream::lines(stream::received(events)))
}

pub(super) async fn rebuild(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let name = daemon.storage_name(&name)?;
    if let Some(job) = daemon.jobs.running_on_storage(&name) {
        return Err(failure::state(format!("job {job} runs on storage {name}"), format!("stop it first: `c2bctl job stop {job}`")).into());
    }
    let events = daemon.storages.clone().rebuild(&name, &peer.user).await?;
    Ok(stream::lines(stream::received(events)))
}
