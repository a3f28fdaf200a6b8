//! Retention: past versions are marked by the policy, shown again, or freed with their space.

use super::long::{Events, Teller, as_task, on_thread};
use super::{Storages, between_error, blocking, writer_error};
use crate::failure;
use crate::name::Name;
use c2b_api::storage::{
    MarkedInfo, PendingReason, PendingSpace, ProgressUnit, RetentionDecision, RetentionPolicy, RetentionRule, RuleCount, StorageFree, StorageFreeReport,
    StoragePrune, StoragePruneReport, StorageUnpruneReport, WorkStage,
};
use c2b_api::{ApiError, Span};
use c2b_storagefmt::{Decision, FreeRun, FreeStage, FreeStep, RetentionPlan, pins};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;
use tracing::info;

impl Storages {
    /// Marks the past versions that the policy names, or lists them.
    ///
    /// # Errors
    /// When there is no such storage, it has no policy, or other work of this kind goes on there.
    pub async fn prune(self: &Arc<Self>, name: &Name, wish: StoragePrune, user: &str) -> Result<Events<StoragePruneReport, RetentionDecision>, ApiError> {
        let storage = self.get(name)?;
        if storage.retention.keeps_all() {
            let hint = format!("set one first, for instance `c2bctl storage retention set {name} --superseded-after 90d`");
            return Err(failure::state(format!("storage {name} has no retention policy: everything is kept"), hint));
        }
        if !wish.dry_run {
            self.refuse_frozen(name)?;
        }
        let chore = self.chore(name, "marking").await?;
        let catalog = self.writer(name).await?.catalog();
        let (storages, name, user, runtime) = (self.clone(), name.clone(), user.to_owned(), tokio::runtime::Handle::current());
        on_thread("prune", &name.clone(), move |teller: &Teller<StoragePruneReport, RetentionDecision>| {
            let _chore = chore;
            let now = storages.clock.now();
            let mut each = |decision: &Decision| {
                if wish.dry_run && !teller.is_alone() {
                    teller.found(shown(decision));
                }
            };
            teller.stage(WorkStage::Looking, 0, 0, ProgressUnit::Versions, 0);
            let plan = catalog.retention_plan(&policy(&storage.retention, now), now, wish.trust_clock, &mut each);
            let plan = plan.map_err(|error| failure::storage(&error))?;
            let mut report = report(&plan, wish.dry_run);
            if !wish.dry_run {
                let mut go_on = |done: u64, total: u64| {
                    teller.stage(WorkStage::Marking, done, total, ProgressUnit::Versions, 0);
                    !teller.is_alone()
                };
                report.versions = runtime.block_on(storages.mark(&name, plan, now, &mut go_on))?;
                report.freed_from = storage.retention.every.map(|_| storage.retention.undo().after(now));
                info!(storage = %name, %user, versions = report.versions, "versions marked");
            }
            Ok(report)
        })
    }

    /// Shows all marked versions again.
    ///
    /// # Errors
    /// When there is no such storage, or other work of this kind goes on there.
    pub async fn unprune(&self, name: &Name, user: &str) -> Result<StorageUnpruneReport, ApiError> {
        let _chore = self.chore(name, "undoing marks").await?;
        let (writer, now) = (self.writer(name).await?, self.clock.now());
        let mut versions = 0;
        loop {
            match writer.between(move |writer| writer.retention_undo_some(now)).await.map_err(|error| between_error(&error))? {
                0 => break,
                some => versions += some,
            }
        }
        self.note_marked(name, None);
        info!(storage = %name, %user, versions, "marks undone");
        Ok(StorageUnpruneReport { versions })
    }

    /// Gives the space of marked versions back, or says how much that is. Stops at its next step when nobody listens any more.
    ///
    /// # Errors
    /// When there is no such storage, or other work of this kind goes on there.
    pub async fn free(self: &Arc<Self>, name: &Name, wish: StorageFree, user: &str) -> Result<Events<StorageFreeReport>, ApiError> {
        self.get(name)?;
        if !wish.dry_run {
            self.refuse_frozen(name)?;
        }
        let chore = self.chore(name, "freeing").await?;
        info!(storage = %name, %user, dry_run = wish.dry_run, "freeing begins");
        let (storages, freed) = (self.clone(), name.clone());
        Ok(as_task("free", name, move |teller: Teller<StorageFreeReport>| async move {
            let _chore = chore;
            if wish.dry_run {
                teller.stage(WorkStage::Looking, 0, 0, ProgressUnit::Packs, 0);
                return storages.free_plan(&freed).await;
            }
            let mut go_on = |run: &FreeRun| {
                tell(&teller, run);
                !teller.is_alone()
            };
            storages.free_all(&freed, &mut go_on).await
        }))
    }

    /// Frees what is marked, as long as `go_on` says so before each step.
    pub(super) async fn free_all(&self, name: &Name, go_on: &mut (dyn FnMut(&FreeRun) -> bool + Send)) -> Result<StorageFreeReport, ApiError> {
        let storage = self.get(name)?;
        let writer = self.writer(name).await?;
        let mut run = writer.between(|writer| writer.free_begin()).await.map_err(|error| between_error(&error))?;
        let mut is_done = false;
        while !is_done && go_on(&run) {
            let now = self.clock.now();
            let (step, next) = writer
                .between(move |writer| {
                    let step = writer.free_step(&mut run, now)?;
                    Ok((step, run))
                })
                .await
                .map_err(|error| between_error(&error))?;
            run = next;
            is_done = step == FreeStep::Done;
        }
        let report = run.report().clone();
        let mut pending: Vec<PendingSpace> = report.pending.into_iter().map(still_there).collect();
        if is_done {
            self.note_freed(name, self.clock.now(), pending.clone());
        }
        pending.extend(pinned(&storage.path));
        Ok(StorageFreeReport {
            dry_run: false,
            versions: report.versions,
            logical_removed_bytes: report.logical_removed,
            physical_freed_bytes: report.physical_freed,
            packs: report.packs_replaced,
            pending,
        })
    }

    async fn free_plan(&self, name: &Name) -> Result<StorageFreeReport, ApiError> {
        let storage = self.get(name)?;
        let writer = self.writer(name).await?;
        writer.flush().await.map_err(|error| writer_error(&error))?;
        let catalog = writer.catalog();
        let plan = blocking(move || catalog.free_plan().map_err(|error| failure::storage(&error))).await?;
        let mut pending: Vec<PendingSpace> = plan.pending.into_iter().map(still_there).collect();
        let stays: u64 = pending.iter().map(|pending| pending.bytes).sum();
        pending.extend(pinned(&storage.path));
        Ok(StorageFreeReport {
            dry_run: true,
            versions: plan.versions,
            logical_removed_bytes: plan.logical_removed,
            physical_freed_bytes: plan.dead_bytes.saturating_sub(stays),
            packs: plan.packs,
            pending,
        })
    }

    /// Marks what a plan says, some thousand versions at a time as long as `go_on` says so, and remembers when.
    pub(super) async fn mark(
        &self,
        name: &Name,
        mut plan: RetentionPlan,
        now: DateTime<Utc>,
        go_on: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<u64, ApiError> {
        let writer = self.writer(name).await?;
        let (mut versions, total) = (0, plan.versions());
        while go_on(versions, total)
            && let Some(some) = plan.take_some()
        {
            let before = versions;
            versions += writer.between(move |writer| writer.retention_mark(&some, now)).await.map_err(|error| between_error(&error))?;
            if before == 0 && versions > 0 {
                self.note_marked(name, Some(now));
            }
        }
        Ok(versions)
    }
}

/// Returns what is marked in a storage, and when the schedule frees it.
pub(super) fn marked(policy: &RetentionPolicy, versions: u64, bytes: u64, since: Option<DateTime<Utc>>) -> MarkedInfo {
    let freed_from = since.filter(|_| versions > 0 && policy.every.is_some()).map(|since| policy.undo().after(since));
    MarkedInfo { versions, bytes, freed_from }
}

/// Returns a policy as the archive takes it: lengths of time are those of the calendar before now.
pub(super) fn policy(policy: &RetentionPolicy, now: DateTime<Utc>) -> c2b_storagefmt::RetentionPolicy {
    let length = |span: Option<Span>| span.map(|span| now - span.before(now));
    c2b_storagefmt::RetentionPolicy {
        superseded_after: length(policy.superseded_after),
        deleted_after: length(policy.deleted_after),
        versions_max: policy.versions_max,
    }
}

fn report(plan: &RetentionPlan, dry_run: bool) -> StoragePruneReport {
    let counts = [
        (RetentionRule::SupersededAfter, plan.superseded.versions),
        (RetentionRule::DeletedAfter, plan.deleted.versions),
        (RetentionRule::VersionsMax, plan.too_many.versions),
    ];
    StoragePruneReport {
        dry_run,
        considered: plan.considered,
        versions: plan.versions(),
        logical_bytes: plan.logical_bytes(),
        rules: counts.into_iter().filter(|(_, versions)| *versions > 0).map(|(rule, versions)| RuleCount { rule, versions }).collect(),
        freed_from: None,
    }
}

fn shown(decision: &Decision) -> RetentionDecision {
    RetentionDecision {
        mailbox: decision.mailbox.to_string(),
        folder: decision.folder.clone(),
        subject: decision.subject.clone(),
        date: Some(decision.date),
        key: decision.key.to_string(),
        version: decision.version.into(),
        bytes: decision.logical_bytes,
        since: decision.since,
        rule: match decision.rule {
            c2b_storagefmt::RetentionRule::Superseded => RetentionRule::SupersededAfter,
            c2b_storagefmt::RetentionRule::Deleted => RetentionRule::DeletedAfter,
            c2b_storagefmt::RetentionRule::TooMany => RetentionRule::VersionsMax,
        },
    }
}

fn tell(teller: &Teller<StorageFreeReport>, run: &FreeRun) {
    let report = run.report();
    let bytes = report.physical_freed;
    match run.stage() {
        FreeStage::Versions => teller.stage(WorkStage::Marking, report.versions, 0, ProgressUnit::Versions, 0),
        FreeStage::Looking => teller.stage(WorkStage::Looking, 0, 0, ProgressUnit::Packs, bytes),
        FreeStage::Regrouping => teller.stage(WorkStage::Moving, 0, 0, ProgressUnit::Packs, bytes),
        FreeStage::Rewriting { packs_left } => {
            teller.stage(WorkStage::Rewriting, report.packs_replaced, report.packs_replaced + packs_left, ProgressUnit::Packs, bytes);
        }
    }
}

fn still_there(pending: c2b_storagefmt::PendingSpace) -> PendingSpace {
    use c2b_storagefmt::PendingReason as R;
    let (reason, detail) = match pending.why {
        R::LittleDead => (PendingReason::NotWorthIt, String::new()),
        R::NoRoom => (PendingReason::NoRoom, String::new()),
        R::Damaged { what } => (PendingReason::Damaged, what),
        R::Replaced => (PendingReason::Replaced, String::new()),
    };
    PendingSpace { bytes: pending.bytes, reason, detail }
}

/// Returns what programs hold open. What cannot be looked at holds nothing that could be told.
fn pinned(path: &Path) -> impl Iterator<Item = PendingSpace> + use<> {
    let pins = pins(path).unwrap_or_default().into_iter();
    pins.map(|pin| PendingSpace { bytes: pin.bytes, reason: PendingReason::Pinned, detail: format!("{}, process {}", pin.command, pin.pid) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_those_of_the_calendar() {
        let now: DateTime<Utc> = "2028-03-01T00:00:00Z".parse().unwrap();
        let asked =
            RetentionPolicy { superseded_after: Some("1mo".parse().unwrap()), deleted_after: Some("1y".parse().unwrap()), ..RetentionPolicy::default() };
        let policy = policy(&asked, now);
        assert_eq!((policy.superseded_after.unwrap().num_days(), policy.deleted_after.unwrap().num_days()), (29, 366));
    }
}
