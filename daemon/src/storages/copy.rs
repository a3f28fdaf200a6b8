//! A copy of a storage, made or brought up to date beside its writer.

use super::Storages;
use super::long::{Events, Teller, on_thread};
use crate::failure;
use crate::name::Name;
use c2b_api::ApiError;
use c2b_api::storage::{ProgressUnit, StorageCopy, StorageCopyReport};
use c2b_storagefmt::{CopyProgress, CopyReport, copy};
use std::ops::ControlFlow;
use tracing::info;

impl Storages {
    /// Copies a storage. Stops at its next step when nobody listens any more.
    ///
    /// # Errors
    /// When there is no such storage, or the path is not absolute.
    pub async fn copy(&self, name: &Name, wish: StorageCopy, user: &str) -> Result<Events<StorageCopyReport>, ApiError> {
        let storage = self.get(name)?;
        if !wish.path.is_absolute() {
            return Err(failure::invalid(format!("{} is not an absolute path", wish.path.display()), "give the whole path, beginning with /"));
        }
        let unlock = self.unlock_of(&storage).await?;
        // What is handed over so far is in the copy too.
        let flushed = self.writer(name).await?.flush().await;
        flushed.map_err(|error| super::writer_error(&error))?;
        info!(storage = %name, %user, path = %wish.path.display(), "copy begins");
        on_thread("copy", name, move |teller: &Teller<StorageCopyReport>| {
            let mut tell = |at: CopyProgress| {
                teller.progress(at.packs, at.packs_total, ProgressUnit::Packs, at.bytes);
                if teller.is_alone() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            copy(&storage.path, &wish.path, &unlock, &mut tell).map(report).map_err(|error| failure::storage(&error))
        })
    }
}

fn report(report: CopyReport) -> StorageCopyReport {
    StorageCopyReport {
        files: report.packs,
        files_present: report.packs_present,
        files_removed: report.packs_removed,
        bytes: report.bytes,
        damages: report.damages.into_iter().map(|damage| damage.what).collect(),
        last_commit: report.time,
    }
}
