//! Looking after a storage: check beside its writer, rebuild of its index and repair without one.
//!
//! A check stops when nobody listens any more; rebuild and repair run to their end.

use super::create::is_wrong_key;
use super::long::{Events, Teller, on_thread};
use super::{Storages, Work, end, rebuilding};
use crate::failure;
use crate::name::Name;
use c2b_api::ApiError;
use c2b_api::storage::{DamageInfo, DamagedItem, LostItem, ProgressUnit, StorageCheck, StorageCheckReport, StorageRebuildReport, StorageRepairReport};
use c2b_storagefmt::{CheckOptions, CheckReport, Damage, RebuildReport, RepairReport, StorageStats, Unlock};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;
use tracing::{info, warn};

impl Storages {
    /// Checks a storage beside its writer: its structure, or also bytes.
    ///
    /// # Errors
    /// When there is no such storage, or the check cannot be started.
    pub async fn check(self: &Arc<Self>, name: &Name, wish: StorageCheck) -> Result<Events<StorageCheckReport>, ApiError> {
        let storage = self.get(name)?;
        let unlock = self.unlock_of(&storage).await?;
        let scratch = self.scratch("check-")?;
        let (storages, name, runtime) = (self.clone(), name.clone(), tokio::runtime::Handle::current());
        on_thread("check", &name.clone(), move |teller: &Teller<StorageCheckReport>| {
            let mut tell = |at: c2b_storagefmt::CheckProgress| teller.progress(at.packs, at.packs_total, ProgressUnit::Packs, at.bytes_read);
            let options = CheckOptions { read_data: wish.read_data, subset: wish.subset.map(|subset| (subset.part(), subset.parts())) };
            let outcome = match c2b_storagefmt::check(&storage.path, scratch.path(), &unlock, options, &mut tell) {
                // What needs no key can be proven all the same.
                Err(error) if is_wrong_key(&error) => c2b_storagefmt::check(&storage.path, scratch.path(), &Unlock::Open, options, &mut tell),
                outcome => outcome,
            };
            let report = outcome.map_err(|error| failure::storage(&error))?;
            info!(storage = %name, damages = report.damages.len(), read_data = wish.read_data, "storage checked");
            let oldest = runtime.block_on(storages.note_verified(&name, report.verified.clone()));
            Ok(check_report(report, oldest))
        })
    }

    /// Makes a storage's index anew from its packs. The caller has seen to it that no job runs there.
    ///
    /// # Errors
    /// When there is no such storage, it is being rebuilt already, or the rebuild cannot be started.
    pub async fn rebuild(self: Arc<Self>, name: &Name, user: &str) -> Result<Events<StorageRebuildReport>, ApiError> {
        let storage = self.get(name)?;
        let unlock = self.unlock_of(&storage).await?;
        info!(storage = %name, %user, "rebuild of the index begins");
        let (storages, rebuilt, runtime) = (self.clone(), name.clone(), tokio::runtime::Handle::current());
        self.without_writer("rebuild", name, move |teller| {
            let report = rebuild(&storage.path, &unlock, teller)?;
            Ok(move || runtime.block_on(storages.live(&rebuilt)).map(|(_, stats)| rebuild_report(report, &stats)))
        })
        .await
    }

    /// Puts what is damaged aside. The caller has seen to it that no job runs there.
    ///
    /// # Errors
    /// When there is no such storage, other work of this kind goes on there, or the repair cannot be started.
    pub async fn repair(self: Arc<Self>, name: &Name, user: &str) -> Result<Events<StorageRepairReport>, ApiError> {
        let storage = self.get(name)?;
        let unlock = self.unlock_of(&storage).await?;
        info!(storage = %name, %user, "repair begins");
        let (storages, repaired, now) = (self.clone(), name.clone(), self.clock.now());
        self.without_writer("repair", name, move |teller: &Teller<StorageRepairReport>| {
            let mut tell = |at: c2b_storagefmt::RepairProgress| teller.progress(at.packs, at.packs_total, ProgressUnit::Packs, at.bytes_read);
            let report = c2b_storagefmt::repair(&storage.path, &unlock, now, &mut tell).map_err(|error| failure::storage(&error))?;
            Ok(move || {
                storages.seal_again(&repaired);
                Ok(repair_report(report))
            })
        })
        .await
    }

    /// Closes the storage, does work, lets the storage be opened again, and then makes the report.
    async fn without_writer<R: Send + 'static, F: FnOnce() -> Result<R, ApiError>>(
        &self,
        what: &'static str,
        name: &Name,
        work: impl FnOnce(&Teller<R>) -> Result<F, ApiError> + Send + 'static,
    ) -> Result<Events<R>, ApiError> {
        let chore = self.chore(name, what).await?;
        let place = self.place(name);
        let mut open = place.lock().await;
        match std::mem::replace(&mut *open, Work::Rebuilding) {
            Work::Rebuilding => return Err(rebuilding(name)),
            Work::Open { writer, .. } => end(name, writer).await,
            Work::Closed => {}
        }
        drop(open);
        let reached = place.clone();
        let started = on_thread(what, name, move |teller| {
            let _chore = chore;
            let outcome = work(teller);
            *reached.blocking_lock() = Work::Closed;
            outcome?()
        });
        if started.is_err() {
            *place.lock().await = Work::Closed;
        }
        started
    }

    /// Notes what a check read and found whole; returns when the part verified longest ago was. A storage that cannot be
    /// written to now is verified all the same.
    async fn note_verified(&self, name: &Name, packs: Vec<String>) -> Option<DateTime<Utc>> {
        let now = self.clock.now();
        let writer = self.writer(name).await.ok()?;
        let noted = writer.between(move |writer| writer.note_verified(&packs, now)).await;
        if let Err(error) = noted {
            warn!(storage = %name, error = failure::chain(&error), "verification not noted");
        }
        self.ask(name, |catalog| catalog.oldest_verification()).await.ok().flatten()
    }
}

fn rebuild(path: &Path, unlock: &Unlock, teller: &Teller<StorageRebuildReport>) -> Result<RebuildReport, ApiError> {
    let mut tell = |at: c2b_storagefmt::RebuildProgress| teller.progress(at.packs, at.packs_total, ProgressUnit::Packs, 0);
    c2b_storagefmt::rebuild(path, unlock, &mut tell).map_err(|error| failure::storage(&error))
}

fn check_report(report: CheckReport, oldest_verification: Option<DateTime<Utc>>) -> StorageCheckReport {
    let CheckReport { locked, packs, items, versions, known_losses, bytes_read, damages, notes, .. } = report;
    let damages = damages.into_iter().map(damage).collect();
    StorageCheckReport { packs, items, versions, bytes_read, oldest_verification, locked, known_losses, damages, notes }
}

fn repair_report(report: RepairReport) -> StorageRepairReport {
    let lost = |lost: c2b_storagefmt::LostItem| LostItem { item: item(lost.item), version: Some(lost.version.into()), reason: lost.reason };
    StorageRepairReport {
        packs: report.packs,
        made: report.made,
        quarantined: report.quarantined,
        fetched_again: report.fetched_again.into_iter().map(item).collect(),
        lost: report.lost.into_iter().map(lost).collect(),
        unknown: report.unknown,
    }
}

fn damage(damage: Damage) -> DamageInfo {
    DamageInfo { what: damage.what, items: damage.items.into_iter().map(item).collect() }
}

fn item(item: c2b_storagefmt::DamagedItem) -> DamagedItem {
    DamagedItem { mailbox: item.mailbox.into(), folder: item.folder, subject: item.subject, date: Some(item.date), key: item.key.to_string() }
}

fn rebuild_report(report: RebuildReport, stats: &StorageStats) -> StorageRebuildReport {
    let problems = report.damages.into_iter().map(|damage| damage.what).collect();
    StorageRebuildReport { packs: report.packs, items: stats.items, versions: stats.versions, problems }
}
