//! `/v1/storages`.

use super::answer::{Answer, Nothing, Refusal};
use super::body::Body;
use super::stream;
use crate::daemon::Daemon;
use crate::definition::file::StorageFile;
use crate::failure;
use crate::name::Name;
use crate::peer::Peer;
use crate::storages::CreateWish;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use c2b_api::ApiError;
use c2b_api::storage::{
    ErasedInfo, MountReport, PasswordAdd, PasswordChange, PasswordInfo, PasswordRemove, RecoveryKey, StorageAllow, StorageCheck, StorageCopy, StorageCreate,
    StorageCreated, StorageEdit, StorageErase, StorageFree, StorageInfo, StorageMount, StoragePrune, StorageRotate, StorageRotateReport, StorageUnlock,
    StorageUnpruneReport,
};
use std::sync::Arc;

pub(super) async fn list(State(daemon): State<Arc<Daemon>>) -> Answer<Vec<StorageInfo>> {
    Ok(Json(daemon.storages.list().await))
}

pub(super) async fn create(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Body(body): Body<StorageCreate>) -> Answer<StorageCreated> {
    let name: Name = body.name.parse().map_err(|error| failure::bad_name(&error))?;
    let file = StorageFile { owner: None, path: body.path, reserve: None, retention: None };
    let wish = CreateWish { seal: body.seal, existing: body.existing, credential: body.credential };
    Ok(Json(daemon.storages.create(&name, file, wish, &peer.user).await?))
}

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<StorageInfo> {
    let storage = daemon.storages.get(&daemon.storage_name(&name)?)?;
    Ok(Json(daemon.storages.whole_info(&storage).await))
}

pub(super) async fn edit(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StorageEdit>,
) -> Answer<StorageInfo> {
    let name = daemon.storage_name(&name)?;
    if body.name.is_some() {
        refuse_while_running(&daemon, &name)?;
    }
    Ok(Json(daemon.storages.edit(&name, body, &peer.user).await?))
}

pub(super) async fn delete(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<Nothing> {
    daemon.storages.delete(&daemon.storage_name(&name)?, &peer.user).await?;
    Ok(Json(Nothing {}))
}

pub(super) async fn unlock(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StorageUnlock>,
) -> Answer<StorageInfo> {
    let name = daemon.storage_name(&name)?;
    refuse_while_running(&daemon, &name)?;
    Ok(Json(daemon.storages.unlock(&name, body.credential, &peer.user).await?))
}

pub(super) async fn passwords(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<Vec<PasswordInfo>> {
    Ok(Json(daemon.storages.passwords(&daemon.storage_name(&name)?).await?))
}

pub(super) async fn add_password(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<PasswordAdd>,
) -> Answer<Vec<PasswordInfo>> {
    Ok(Json(daemon.storages.add_password(&daemon.storage_name(&name)?, body, &peer.user).await?))
}

pub(super) async fn change_password(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<PasswordChange>,
) -> Answer<Vec<PasswordInfo>> {
    Ok(Json(daemon.storages.change_password(&daemon.storage_name(&name)?, body, &peer.user).await?))
}

pub(super) async fn remove_password(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<PasswordRemove>,
) -> Answer<Vec<PasswordInfo>> {
    Ok(Json(daemon.storages.remove_password(&daemon.storage_name(&name)?, body, &peer.user).await?))
}

pub(super) async fn renew_recovery_key(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
) -> Answer<RecoveryKey> {
    Ok(Json(daemon.storages.renew_recovery_key(&daemon.storage_name(&name)?, &peer.user).await?))
}

pub(super) async fn rotate_keys(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StorageRotate>,
) -> Answer<StorageRotateReport> {
    Ok(Json(daemon.storages.rotate_keys(&daemon.storage_name(&name)?, body, &peer.user).await?))
}

pub(super) async fn check(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>, Body(body): Body<StorageCheck>) -> Result<Response, Refusal> {
    let events = daemon.storages.check(&daemon.storage_name(&name)?, body).await?;
    Ok(stream::lines(stream::received(events)))
}

pub(super) async fn rebuild(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let name = daemon.storage_name(&name)?;
    refuse_while_running(&daemon, &name)?;
    let events = daemon.storages.clone().rebuild(&name, &peer.user).await?;
    Ok(stream::lines(stream::received(events)))
}

pub(super) async fn repair(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let name = daemon.storage_name(&name)?;
    refuse_while_running(&daemon, &name)?;
    let events = daemon.storages.clone().repair(&name, &peer.user).await?;
    Ok(stream::lines(stream::received(events)))
}

pub(super) async fn prune(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StoragePrune>,
) -> Result<Response, Refusal> {
    let events = daemon.storages.prune(&daemon.storage_name(&name)?, body, &peer.user).await?;
    Ok(stream::lines(stream::received(events)))
}

pub(super) async fn thaw(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<StorageInfo> {
    Ok(Json(daemon.storages.thaw(&daemon.storage_name(&name)?, &peer.user).await?))
}

pub(super) async fn unprune(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<StorageUnpruneReport> {
    Ok(Json(daemon.storages.unprune(&daemon.storage_name(&name)?, &peer.user).await?))
}

pub(super) async fn free(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StorageFree>,
) -> Result<Response, Refusal> {
    let events = daemon.storages.free(&daemon.storage_name(&name)?, body, &peer.user).await?;
    Ok(stream::lines(stream::received(events)))
}

pub(super) async fn erase(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StorageErase>,
) -> Result<Response, Refusal> {
    let events = daemon.storages.erase(&daemon.storage_name(&name)?, body, daemon.jobs.queue(), &peer.user).await?;
    Ok(stream::lines(stream::received(events)))
}

pub(super) async fn erased(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<Vec<ErasedInfo>> {
    Ok(Json(daemon.storages.erased(&daemon.storage_name(&name)?).await?))
}

pub(super) async fn allow(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StorageAllow>,
) -> Answer<Vec<ErasedInfo>> {
    Ok(Json(daemon.storages.allow(&daemon.storage_name(&name)?, &body.mailbox, &peer.user).await?))
}

pub(super) async fn copy(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<StorageCopy>,
) -> Result<Response, Refusal> {
    let events = daemon.storages.copy(&daemon.storage_name(&name)?, body, &peer.user).await?;
    Ok(stream::lines(stream::received(events)))
}

/// Says where a storage is to who mounts it: the mount is a process of the caller's own.
pub(super) async fn mount(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>, Body(_): Body<StorageMount>) -> Answer<StorageInfo> {
    let storage = daemon.storages.get(&daemon.storage_name(&name)?)?;
    Ok(Json(daemon.storages.info(&storage).await))
}

/// Takes what a mount tells of itself: the gate has recorded it.
pub(super) async fn told(Body(_): Body<MountReport>) -> Answer<Nothing> {
    Ok(Json(Nothing {}))
}

fn refuse_while_running(daemon: &Daemon, name: &Name) -> Result<(), ApiError> {
    match daemon.jobs.running_on_storage(name) {
        Some(job) => Err(failure::state(format!("job {job} runs on storage {name}"), format!("stop it first: `c2bctl job stop {job}`"))),
        None => Ok(()),
    }
}
