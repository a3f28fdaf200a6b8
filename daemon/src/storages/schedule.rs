//! What storages have done by themselves: marking and freeing by their schedule, ending erasures, sealing anew, keeping ballast.
//!
//! One look a minute, and one after each cycle. A storage that somebody works on is left for the next look, and so is one
//! that fails. The first look opens every storage, so that what a crash interrupted goes on; later ones leave those closed
//! that nobody uses and that have no schedule. Whoever wants a storage for a chore need not wait: this work makes way.

use super::chore::Chore;
use super::retention::policy;
use super::{Storages, Work, between_error, blocking, writer_error};
use crate::atomic::{self, FileError};
use crate::definition::Storage;
use crate::engine::StorageWriter;
use crate::failure;
use crate::name::Name;
use c2b_api::storage::{PendingSpace, RetentionPolicy, Suspicion};
use c2b_api::{ApiError, Span};
use c2b_storagefmt::ResealStep;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Between two tries to seal anew what could not be: somebody may have repaired the storage.
const STUCK_INTERVAL: Span = Span::hours(24);

/// What is remembered of a storage's schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Schedule {
    /// When versions were marked that are not freed yet.
    pub(super) marked: Option<DateTime<Utc>>,
    /// When the policy was last held against the versions.
    pub(super) looked: Option<DateTime<Utc>>,
    /// When the last freeing ended.
    pub(super) freed: Option<DateTime<Utc>>,
    /// What it had to leave.
    pub(super) pending: Vec<PendingSpace>,
    /// When sealing anew was last tried and could not be ended.
    pub(super) sealed: Option<DateTime<Utc>>,
    /// Why it could not.
    pub(super) stuck: Vec<String>,
    /// Why nothing is to be removed.
    pub(super) frozen: Vec<Suspicion>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Mark,
    Free,
    /// Versions are marked, and nobody remembers since when: their time begins now.
    Remember,
}

impl Storages {
    /// Looks after all storages until the daemon ends.
    pub async fn look_after(self: Arc<Self>, end: CancellationToken) {
        let mut is_first = true;
        loop {
            let storages: Vec<Arc<Storage>> = self.definitions.known().storages.values().cloned().collect();
            for storage in storages {
                if end.is_cancelled() {
                    return;
                }
                if let Err(error) = self.look(&storage, is_first).await {
                    warn!(storage = %storage.name, reason = error.message, "storage could not be looked after");
                }
            }
            is_first = false;
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Has all storages looked after now.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Remembers since when versions are marked.
    pub(super) fn note_marked(&self, name: &Name, marked: Option<DateTime<Utc>>) {
        self.remember(name, &Schedule { marked, ..self.schedule(name) });
    }

    /// Forgets that sealing anew could not be ended: it is tried again at the next look.
    pub(super) fn seal_again(&self, name: &Name) {
        self.remember(name, &Schedule { sealed: None, stuck: Vec::new(), ..self.schedule(name) });
        self.wake();
    }

    /// Remembers that everything marked was freed, and what that had to leave.
    pub(super) fn note_freed(&self, name: &Name, now: DateTime<Utc>, pending: Vec<PendingSpace>) {
        self.remember(name, &Schedule { marked: None, freed: Some(now), pending, ..self.schedule(name) });
    }

    /// Returns what is remembered; of a storage never seen, or from a damaged file, nothing.
    pub(super) fn schedule(&self, name: &Name) -> Schedule {
        std::fs::read(self.schedule_path(name)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    async fn look(&self, storage: &Storage, is_first: bool) -> Result<(), ApiError> {
        let name = &storage.name;
        let is_open = self.place(name).try_lock().is_ok_and(|work| matches!(*work, Work::Open { .. }));
        if !is_open && !is_first && storage.retention.every.is_none() {
            return Ok(());
        }
        let Some(chore) = self.scheduled_chore(name) else { return Ok(()) };
        let (writer, stats) = self.live(name).await?;
        writer.keep_ballast().await;
        self.end_erasures(&writer).await?;
        self.seal_anew(name, &writer, &chore).await?;
        let (now, schedule) = (self.clock.now(), self.schedule(name));
        match due(&storage.retention, &schedule, stats.marked_versions, now) {
            Due::Nothing => {}
            Due::Remember => self.note_marked(name, Some(now)),
            Due::Free => {
                let report = self.free_all(name, &mut |_| !chore.is_wanted()).await?;
                info!(storage = %name, versions = report.versions, freed_bytes = report.physical_freed_bytes, "freed by schedule");
            }
            Due::Mark => {
                self.remember(name, &Schedule { looked: Some(now), ..schedule });
                let (catalog, policy) = (writer.catalog(), policy(&storage.retention, now));
                let planned = blocking(move || catalog.retention_plan(&policy, now, false, &mut |_| {}).map_err(|error| failure::storage(&error)));
                let versions = self.mark(name, planned.await?, now, &mut |_, _| !chore.is_wanted()).await?;
                info!(storage = %name, versions, "marked by schedule");
            }
        }
        Ok(())
    }

    /// Ends erasures that a crash or a full disk interrupted.
    async fn end_erasures(&self, writer: &StorageWriter) -> Result<(), ApiError> {
        loop {
            let pending = writer.ask(|writer| Ok(writer.pending_erasures())).await.map_err(|error| writer_error(&error))?;
            if pending.map_err(|error| failure::storage(&error))?.is_empty() {
                return Ok(());
            }
            let now = self.clock.now();
            let run = writer.between(move |writer| writer.erase_continue(now)).await.map_err(|error| between_error(&error))?;
            let Some(run) = run else { return Ok(()) };
            self.erase_on(writer, run, &mut |_| {}).await?;
        }
    }

    /// Seals with the newest key what older keys seal.
    async fn seal_anew(&self, name: &Name, writer: &StorageWriter, chore: &Chore) -> Result<(), ApiError> {
        let (catalog, now) = (writer.catalog(), self.clock.now());
        if self.schedule(name).sealed.is_some_and(|tried| STUCK_INTERVAL.after(tried) > now) {
            return Ok(());
        }
        let pending = blocking(move || catalog.reseal_pending().map_err(|error| failure::storage(&error))).await?;
        if pending.generations.is_empty() {
            return Ok(());
        }
        let mut run = writer.between(|writer| writer.reseal_begin()).await.map_err(|error| between_error(&error))?;
        while !chore.is_wanted() {
            let step = writer.between(move |writer| {
                let step = writer.with_room(|writer| writer.reseal_step(&mut run))?;
                Ok((step, run))
            });
            let (step, next) = step.await.map_err(|error| between_error(&error))?;
            run = next;
            if step == ResealStep::Done {
                let report = run.report();
                info!(storage = %name, packs = report.packs, stuck = report.stuck.len(), "old data sealed anew");
                let sealed = (!report.stuck.is_empty()).then_some(now);
                self.remember(name, &Schedule { sealed, stuck: report.stuck.clone(), ..self.schedule(name) });
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn remember(&self, name: &Name, schedule: &Schedule) {
        let path = self.schedule_path(name);
        let written = serde_json::to_vec(schedule).map_err(|error| error.to_string());
        let written = written.and_then(|bytes| atomic::write(&path, &bytes, 0o640).map_err(|error| failure::chain(&error)));
        if let Err(error) = written {
            warn!(storage = %name, error, "schedule of the storage not written");
        }
    }

    /// Has what is remembered follow a storage to its new name.
    pub(super) fn move_schedule(&self, name: &Name, new: &Name) -> Result<(), FileError> {
        atomic::rename(&self.schedule_path(name), &self.schedule_path(new))
    }

    /// Forgets what is remembered of a storage: another one may come by its name.
    pub(super) fn forget_schedule(&self, name: &Name) -> Result<(), FileError> {
        atomic::remove(&self.schedule_path(name))
    }

    fn schedule_path(&self, name: &Name) -> PathBuf {
        self.state_dir.join(format!("{name}.json"))
    }
}

/// Decides what is due; while marked versions wait, nothing else is marked, so that each has its whole undo time.
fn due(policy: &RetentionPolicy, schedule: &Schedule, marked_versions: u64, now: DateTime<Utc>) -> Due {
    let Some(every) = policy.every.filter(|_| schedule.frozen.is_empty()) else { return Due::Nothing };
    match (marked_versions, schedule.marked) {
        (0, _) if schedule.looked.is_none_or(|looked| every.after(looked) <= now) => Due::Mark,
        (0, _) => Due::Nothing,
        (_, None) => Due::Remember,
        (_, Some(marked)) if policy.undo().after(marked) <= now => Due::Free,
        (_, Some(_)) => Due::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicion() -> Suspicion {
        Suspicion { since: DateTime::UNIX_EPOCH, job: "nightly".into(), mailbox: "a@b".into(), before: 100, deleted: 90, rewritten: 0 }
    }

    #[test]
    fn marked_versions_have_their_whole_undo_time() {
        let time = |day: u32| format!("2026-11-{day:02}T00:00:00Z").parse::<DateTime<Utc>>().unwrap();
        let policy = RetentionPolicy { deleted_after: Some("90d".parse().unwrap()), every: Some("1d".parse().unwrap()), ..RetentionPolicy::default() };
        let schedule = |marked: Option<u32>, looked: Option<u32>| Schedule { marked: marked.map(time), looked: looked.map(time), ..Schedule::default() };
        for (schedule, versions, day, expected) in [
            (schedule(None, None), 0, 1, Due::Mark),
            (schedule(None, Some(1)), 0, 1, Due::Nothing),
            (schedule(None, Some(1)), 0, 2, Due::Mark),
            (schedule(Some(2), Some(2)), 5, 8, Due::Nothing),
            (schedule(Some(2), Some(2)), 5, 9, Due::Free),
            (schedule(None, Some(2)), 5, 9, Due::Remember),
            (schedule(Some(2), Some(2)), 0, 9, Due::Mark),
            (Schedule { frozen: vec![suspicion()], ..schedule(None, None) }, 0, 1, Due::Nothing),
            (Schedule { frozen: vec![suspicion()], ..schedule(Some(2), Some(2)) }, 5, 9, Due::Nothing),
        ] {
            assert_eq!(due(&policy, &schedule, versions, time(day)), expected, "{schedule:?} {versions} {day}");
        }
        let by_hand = RetentionPolicy { every: None, ..policy };
        assert_eq!(due(&by_hand, &schedule(Some(1), None), 5, time(28)), Due::Nothing);
    }
}
