//! Retention that waits: after a suspicious change nothing is removed until somebody has looked.

use super::Storages;
use crate::engine::Suspicion;
use crate::failure;
use crate::name::Name;
use c2b_api::ApiError;
use c2b_api::storage::{self, StorageInfo};
use tracing::{info, warn};

/// Most suspicions that are kept: the first ones tell when it began.
const SUSPICIONS_MAX: usize = 100;

impl Storages {
    /// Has a storage's retention wait, and remembers why.
    pub(crate) fn freeze(&self, name: &Name, job: &Name, suspicion: &Suspicion) {
        let Suspicion { mailbox, before, deleted, rewritten } = suspicion;
        warn!(storage = %name, %job, %mailbox, before, deleted, rewritten, "suspicious change, retention is frozen");
        let mut schedule = self.schedule(name);
        let known = storage::Suspicion {
            since: self.clock.now(),
            job: job.to_string(),
            mailbox: mailbox.to_string(),
            before: *before,
            deleted: *deleted,
            rewritten: *rewritten,
        };
        if schedule.frozen.len() < SUSPICIONS_MAX {
            schedule.frozen.push(known);
            self.remember(name, &schedule);
        }
    }

    /// Lets a storage's retention go on: somebody has looked.
    ///
    /// # Errors
    /// When there is no such storage, or it is not frozen.
    pub async fn thaw(&self, name: &Name, user: &str) -> Result<StorageInfo, ApiError> {
        let storage = self.get(name)?;
        let mut schedule = self.schedule(name);
        if schedule.frozen.is_empty() {
            return Err(failure::state(format!("retention of storage {name} is not frozen"), ""));
        }
        info!(storage = %name, %user, suspicions = schedule.frozen.len(), "retention goes on");
        schedule.frozen.clear();
        self.remember(name, &schedule);
        self.wake();
        Ok(self.info(&storage).await)
    }

    /// Refuses to remove anything while retention is frozen.
    pub(super) fn refuse_frozen(&self, name: &Name) -> Result<(), ApiError> {
        let schedule = self.schedule(name);
        let Some(first) = schedule.frozen.first() else { return Ok(()) };
        let hint = format!("look whether that was meant; `c2bctl storage retention thaw {name}` lets retention go on");
        Err(failure::state(format!("retention of storage {name} is frozen since {}: {first}", first.since.format("%Y-%m-%d %H:%M UTC")), hint))
    }
}
