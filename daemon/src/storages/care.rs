//! Looking after a storage: check beside its writer, rebuild of its index without one.
//!
//! A rebuild runs to its end, also when nobody listens any more.

use super::long::{Events, Teller, on_thread};
use super::{Storages, Work, end, rebuilding};
use crate::atomic::FileError;
use crate::failure;
use crate::name::Name;
use c2b_api::ApiError;
use c2b_api::storage::{DamageInfo, DamagedItem, ProgressUnit, StorageCheck, StorageCheckReport, StorageRebuildReport};
use c2b_storagefmt::{CheckReport, Damage, RebuildReport, StorageStats, Unlock};
use std::path::Path;
use std::sync::Arc;
use tracing::info;

impl Storages {
    /// Checks a storage beside its writer: its structure, or also bytes.
    ///
    /// # Errors
    /// When there is no such storage, or the check cannot be started.
    pub async fn check(&self, name: &Name, wish: StorageCheck) -> Result<Events<StorageCheckReport>, ApiError> {
        let storage = self.get(name)?;
        let unlock = self.unlock_of(&storage).await?;
        let scratch = tempfile::Builder::new().prefix("check-").tempdir_in(&self.scratch_dir);
        let scratch = scratch.map_err(|err| failure::file(&FileError::of("make a folder in", &self.scratch_dir)(err)))?;
        let name = name.clone();
        on_thread("check", &name.clone(), move |teller: &Teller<StorageCheckReport>| {
            let mut tell = |at: c2b_storagefmt::CheckProgress| teller.progress(at.packs, at.packs_total, ProgressUnit::Packs, at.bytes_read);
            let outcome = c2b_storagefmt::check(&storage.path, scratch.path(), &unlock, wish.read_data, &mut tell);
            let report = outcome.map_err(|error| failure::storage(&error))?;
            info!(storage = %name, damages = report.damages.len(), read_data = wish.read_data, "storage checked");
            Ok(check_report(report))
        })
    }

    /// Makes a storage's index anew from its packs. The caller has seen to it that no job runs there.
    ///
    /// # Errors
    /// When there is no such storage, it is being rebuilt already, or the rebuild cannot be started.
    pub async fn rebuild(self: Arc<Self>, name: &Name, user: &str) -> Result<Events<StorageRebuildReport>, ApiError> {
        let storage = self.get(name)?;
        let unlock = self.unlock_of(&storage).await?;
        let place = self.place(name);
        let mut work = place.lock().await;
        match std::mem::replace(&mut *work, Work::Rebuilding) {
            Work::Rebuilding => return Err(rebuilding(name)),
            Work::Open { writer, .. } => end(name, writer).await,
            Work::Closed => {}
        }
        drop(work);
        info!(storage = %name, %user, "rebuild of the index begins");
        let (runtime, storages, reached, rebuilt) = (tokio::runtime::Handle::current(), self.clone(), place.clone(), name.clone());
        let started = on_thread("rebuild", name, move |teller| {
            let outcome = rebuild(&storage.path, &unlock, teller);
            *reached.blocking_lock() = Work::Closed;
            let report = outcome?;
            let (_, stats) = runtime.block_on(storages.live(&rebuilt))?;
            Ok(rebuild_report(report, &stats))
        });
        if started.is_err() {
            *place.lock().await = Work::Closed;
        }
        started
    }
}

fn rebuild(path: &Path, unlock: &Unlock, teller: &Teller<StorageRebuildReport>) -> Result<RebuildReport, ApiError> {
    let mut tell = |at: c2b_storagefmt::RebuildProgress| teller.progress(at.packs, at.packs_total, ProgressUnit::Packs, 0);
    c2b_storagefmt::rebuild(path, unlock, &mut tell).map_err(|error| failure::storage(&error))
}

fn check_report(report: CheckReport) -> StorageCheckReport {
    let CheckReport { packs, items, versions, bytes_read, damages, .. } = report;
    StorageCheckReport { packs, items, versions, bytes_read, oldest_verification: None, damages: damages.into_iter().map(damage).collect() }
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
