//! Watching a job: its status at once, when it changes, and when its run ended.

use super::Jobs;
use crate::name::Name;
use c2b_api::ApiError;
use c2b_api::job::JobStatus;
use futures_util::Stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Least time between two statuses: four a second, more nobody can read.
const INTERVAL_MIN: Duration = Duration::from_millis(250);

struct Watcher {
    jobs: Arc<Jobs>,
    name: Name,
    state: watch::Receiver<u64>,
    progress: Option<watch::Receiver<u64>>,
    begun: bool,
    ended: bool,
}

impl Jobs {
    /// Returns a job's statuses until its present run ended; one status when none goes on.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn watch(self: Arc<Self>, name: &Name) -> Result<impl Stream<Item = JobStatus> + Send + 'static, ApiError> {
        self.get(name)?;
        let (state, progress) = self.handle(name).subscribe();
        let watcher = Watcher { jobs: self, name: name.clone(), state, progress, begun: false, ended: false };
        Ok(futures_util::stream::unfold(watcher, |mut watcher| async move { watcher.next().await.map(|status| (status, watcher)) }))
    }
}

impl Watcher {
    async fn next(&mut self) -> Option<JobStatus> {
        if self.ended {
            return None;
        }
        if self.begun {
            tokio::time::sleep(INTERVAL_MIN).await;
            self.changed().await;
        }
        self.begun = true;
        // Looked at before the status is made, so that the last status is never one of a run that goes on.
        self.ended = !self.jobs.handle(&self.name).is_running();
        self.jobs.status(&self.name).await.ok()
    }

    async fn changed(&mut self) {
        let progress = async {
            if let Some(progress) = &mut self.progress
                && progress.changed().await.is_ok()
            {
                return;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = self.state.changed() => {}
            () = progress => {}
        }
    }
}
