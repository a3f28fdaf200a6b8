//! Long work on a storage: a stream of events, whose listener may go away.
//!
//! Work that may be left off is left off at its next step once nobody listens any more; what it did stays done.

use crate::name::Name;
use c2b_api::storage::{CareEvent, NoItem, ProgressUnit, WorkStage};
use c2b_api::{ApiError, ErrorCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};

/// Events that wait for a slow listener; further progress is left out, what was found and the end never.
const EVENTS_MAX: usize = 16;

/// What the caller of long work listens to.
pub(crate) type Events<R, I = NoItem> = Receiver<CareEvent<R, I>>;

/// Where long work tells how it goes.
pub(super) struct Teller<R, I = NoItem>(Sender<CareEvent<R, I>>);

impl<R: Send + 'static, I: Send + 'static> Teller<R, I> {
    /// Tells how far it is, unless the listener is slow.
    pub(super) fn progress(&self, done: u64, total: u64, unit: ProgressUnit, bytes: u64) {
        self.stage(WorkStage::Whole, done, total, unit, bytes);
    }

    /// Tells which stage it is in and how far in it, unless the listener is slow.
    pub(super) fn stage(&self, stage: WorkStage, done: u64, total: u64, unit: ProgressUnit, bytes: u64) {
        let _left_out = self.0.try_send(CareEvent::Progress { done, total, unit, bytes, stage });
    }

    /// Hands over something found; waits for a slow listener. For threads that may block.
    pub(super) fn found(&self, item: I) {
        let _unheard = self.0.blocking_send(CareEvent::Found { item });
    }

    /// Returns whether the listener is gone.
    pub(super) fn is_alone(&self) -> bool {
        self.0.is_closed()
    }
}

/// Does work on a thread of its own, to its end or until it sees that it is alone.
pub(super) fn on_thread<R: Send + 'static, I: Send + 'static>(
    what: &'static str,
    storage: &Name,
    work: impl FnOnce(&Teller<R, I>) -> Result<R, ApiError> + Send + 'static,
) -> Result<Events<R, I>, ApiError> {
    let (sender, receiver) = channel(EVENTS_MAX);
    let storage = storage.clone();
    let run = move || {
        let teller = Teller(sender);
        let event = end(what, &storage, work(&teller));
        let _unheard = teller.0.blocking_send(event);
    };
    let started = std::thread::Builder::new().name(what.to_owned()).spawn(run);
    started.map(|_| receiver).map_err(|error| {
        warn!(%error, what, "thread not started");
        ApiError::new(ErrorCode::Internal, format!("failed to start the {what}: {error}"), "try again later")
    })
}

/// Does work as a task of its own, to its end or until it sees that it is alone.
pub(super) fn as_task<R, I, F>(what: &'static str, storage: &Name, work: impl FnOnce(Teller<R, I>) -> F) -> Events<R, I>
where
    R: Send + 'static,
    I: Send + 'static,
    F: Future<Output = Result<R, ApiError>> + Send + 'static,
{
    let (sender, receiver) = channel(EVENTS_MAX);
    let running = work(Teller(sender.clone()));
    let storage = storage.clone();
    tokio::spawn(async move {
        let event = end(what, &storage, running.await);
        let _unheard = sender.send(event).await;
    });
    receiver
}

fn end<R, I>(what: &'static str, storage: &Name, outcome: Result<R, ApiError>) -> CareEvent<R, I> {
    match outcome {
        Ok(report) => {
            info!(%storage, what, "work on a storage ended");
            CareEvent::Done { report }
        }
        Err(error) => {
            warn!(%storage, what, reason = error.message, "work on a storage failed");
            CareEvent::Failed { error }
        }
    }
}
