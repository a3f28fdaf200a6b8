//! Looking after a storage: check beside its writer, rebuild of its index without one.
//!
//! Both run on a thread of their own to their end, also when nobody listens any more.

use super::{Storages, Work, end, rebuilding};
use crate::failure;
use crate::name::Name;
use c2b_api::storage::{CareEvent, DamageInfo, DamagedItem, StorageCheckReport, StorageRebuildReport};
use c2b_api::{ApiError, ErrorCode};
use c2b_storagefmt::{CheckReport, Damage, RebuildReport, StorageStats};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};

/// Events that wait for a slow listener; further progress is left out, the end never.
const EVENTS_MAX: usize = 16;

impl Storages {
    /// Checks a storage beside its writer: its structure, or with `read_data` every byte.
    ///
    /// # Errors
    /// When there is no such storage, or the check cannot be started.
    pub fn check(&self, name: &Name, read_data: bool) -> Result<Receiver<CareEvent<StorageCheckReport>>, ApiError> {
        let storage = self.get(name)?;
        let scratch = tempfile::Builder::new().prefix("check-").tempdir_in(&self.scratch_dir);
        let scratch = scratch.map_err(|err| failure::file(&crate::atomic::FileError::of("make a folder in", &self.scratch_dir)(err)))?;
        let (events, receiver) = channel(EVENTS_MAX);
        let name = name.clone();
        start("check", move || {
            let mut tell = |at: c2b_storagefmt::CheckProgress| progress(&events, at.packs, at.packs_total, at.bytes_read);
            let outcome = c2b_storagefmt::check(&storage.path, scratch.path(), read_data, &mut tell);
            let event = match outcome {
                Ok(report) => {
                    info!(storage = %name, damages = report.damages.len(), read_data, "storage checked");
                    CareEvent::Done { report: check_report(report) }
                }
                Err(error) => CareEvent::Failed { error: failure::storage(&error) },
            };
            let _unheard = events.blocking_send(event);
        })?;
        Ok(receiver)
    }

    /// Makes a storage's index anew from its packs. The caller has seen to it that no job runs there.
    ///
    /// # Errors
    /// When there is no such storage, it is being rebuilt already, or the rebuild cannot be started.
    pub async fn rebuild(self: Arc<Self>, name: &Name, user: &str) -> Result<Receiver<CareEvent<StorageRebuildReport>>, ApiError> {
        let storage = self.get(name)?;
        let place = self.place(name);
        let mut work = place.lock().await;
        match std::mem::replace(&mut *work, Work::Rebuilding) {
            Work::Rebuilding => return Err(rebuilding(name)),
            Work::Open { writer, .. } => end(name, writer).await,
            Work::Closed => {}
        }
        drop(work);
        info!(storage = %name, %user, "rebuild of the index begins");
        let (events, receiver) = channel(EVENTS_MAX);
        let (name, runtime, storages, reached) = (name.clone(), tokio::runtime::Handle::current(), self.clone(), place.clone());
        let started = start("rebuild", move || {
            let outcome = rebuild(&storage.path, &events);
            *reached.blocking_lock() = Work::Closed;
            let event = match outcome {
                Ok(report) => match runtime.block_on(storages.live(&name)) {
                    Ok((_, stats)) => CareEvent::Done { report: rebuild_report(report, &stats) },
                    Err(error) => CareEvent::Failed { error },
                },
                Err(error) => CareEvent::Failed { error },
            };
            info!(storage = %name, done = matches!(event, CareEvent::Done { .. }), "rebuild of the index ended");
            let _unheard = events.blocking_send(event);
        });
        if let Err(error) = started {
            *place.lock().await = Work::Closed;
            return Err(error);
        }
        Ok(receiver)
    }
}

fn rebuild(path: &Path, events: &Sender<CareEvent<StorageRebuildReport>>) -> Result<RebuildReport, ApiError> {
    let mut tell = |at: c2b_storagefmt::RebuildProgress| progress(events, at.packs, at.packs_total, 0);
    c2b_storagefmt::rebuild(path, &mut tell).map_err(|error| failure::storage(&error))
}

fn progress<R>(events: &Sender<CareEvent<R>>, done: u64, total: u64, bytes: u64) {
    let _left_out = events.try_send(CareEvent::Progress { done, total, bytes });
}

fn start(what: &str, work: impl FnOnce() + Send + 'static) -> Result<(), ApiError> {
    let started = std::thread::Builder::new().name(what.to_owned()).spawn(work);
    started.map(drop).map_err(|error| {
        warn!(%error, what, "thread not started");
        ApiError::new(ErrorCode::Internal, format!("failed to start the {what}: {error}"), "try again later")
    })
}

fn check_report(report: CheckReport) -> StorageCheckReport {
    let CheckReport { packs, items, versions, bytes_read, damages, .. } = report;
    StorageCheckReport { packs, items, versions, bytes_read, damages: damages.into_iter().map(damage).collect() }
}

fn damage(damage: Damage) -> DamageInfo {
    let item = |item: c2b_storagefmt::DamagedItem| DamagedItem {
        mailbox: item.mailbox.into(),
        folder: item.folder,
        subject: item.subject,
        date: Some(item.date),
        key: item.key.to_string(),
    };
    DamageInfo { what: damage.what, items: damage.items.into_iter().map(item).collect() }
}

fn rebuild_report(report: RebuildReport, stats: &StorageStats) -> StorageRebuildReport {
    let problems = report.damages.into_iter().map(|damage| damage.what).collect();
    StorageRebuildReport { packs: report.packs, items: stats.items, versions: stats.versions, problems }
}
