//! The engine: one backup cycle of one job, from a source into a storage, that loses nothing.
//!
//! What it promises:
//! * A cursor is handed to the writer after everything that it covers, and both are committed in
//!   that order: whatever moment the process dies at, the next cycle fetches what is missing.
//! * What the storage has already (same id, folder and change key) is not fetched again.
//! * A broken item costs itself (it goes into the ledger and is tried again later), a broken
//!   folder itself, a broken mailbox itself; only the connection or the storage fail a cycle.
//! * Nothing counts as deleted unless the source said so, or left it out of a listing that was complete.
//! * A cycle that finds no change writes nothing.
//!
//! It decides neither when a cycle runs nor what follows its end: that is the supervisor's.

mod apply;
mod batch;
mod coverage;
mod cycle;
mod fetch;
mod filter;
mod flight;
mod full;
mod identity;
mod ledger;
pub mod limits;
mod listing;
mod mailbox;
mod moves;
mod parts;
mod permissions;
mod plan;
mod position;
mod problem;
pub mod progress;
mod public;
pub mod queue;
mod recent;
mod retry;
mod selection;
mod tree;
mod weigh;
pub mod writer;

pub(crate) use problem::BELOW_RESERVE_HINT;
pub(crate) use writer::BetweenError;

pub use limits::{ConnectionLimits, Hold, Pass};
pub use progress::Progress;
pub(crate) use progress::Suspicion;
pub use queue::MailboxQueue;
pub use writer::{StorageWriter, WriterError};

use crate::clock::Clock;
use crate::slots::{MAILBOXES_MAX, MAILBOXES_MIN};
use c2b_api::filter::Filter;
use c2b_api::job::{Problem, Selection};
use c2b_mailbox::{Address, PublicFolder, Source};
use chrono::{DateTime, Utc};
use cycle::{Cycle, Halt, Suspect};
use filter::Sieve;
use flight::Flight;
use futures_util::stream::{FuturesUnordered, StreamExt};
use mailbox::Turn;
use progress::{MailboxIndex, Phase};
use selection::Resolved;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// How long tasks have to end after a stop, before they are dropped where they stand.
const STOP_GRACE: Duration = Duration::from_secs(4);

/// How long a server may be silent before a mailbox is left to a job that waits for it and has another server; twice as long
/// each further time, so that a slow server gets on.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most mailboxes of a job that wait for others beside those under way.
const QUEUED_MAX: usize = 256;

/// Everything that one cycle works with.
pub struct CycleContext {
    /// The job's name: it is seen by jobs that wait for its mailboxes, and in the ledger.
    pub job: String,
    /// The connection's name: its jobs take turns at a mailbox, whatever their storages are.
    pub connection: String,
    /// Which mailboxes.
    pub selection: Selection,
    /// Which items and folders of them.
    pub filter: Filter,
    /// Which public folders.
    pub public_folders: Vec<PublicFolder>,
    /// What the previous cycle's selection came to ([`Progress::covered`]); `None` after an edit of
    /// the job and at the first cycle. A listing that lacks more than a fifth of them fails the cycle.
    pub previous_mailboxes: Option<Vec<Address>>,
    /// When the last cycle began that ended well; `None` after an edit of the job and at the first cycle. From it follows
    /// which mailboxes are listed in full though nothing seems to have changed.
    pub previous_start: Option<DateTime<Utc>>,
    /// When this cycle began.
    pub start: DateTime<Utc>,
    /// Whether no cycle follows: then items that failed are tried once more at the end.
    pub one_time: bool,
    /// Where mail comes from.
    pub source: Arc<dyn Source>,
    /// Where it goes.
    pub storage: StorageWriter,
    /// The bounds of the connection, shared by its jobs.
    pub limits: Arc<ConnectionLimits>,
    /// The turns of mailboxes, shared by all jobs.
    pub queue: Arc<MailboxQueue>,
    /// The clock.
    pub clock: Clock,
    /// Where it tells how it goes. [`Progress::begin_cycle`] is called before.
    pub progress: Arc<Progress>,
    /// Stops the cycle.
    pub cancel: CancellationToken,
}

/// How a cycle ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CycleEnd {
    /// Everything is backed up.
    Finished,
    /// Some things could not be backed up: problems in the progress, or items in the ledger.
    Warnings,
    /// The cycle could not be done; what was fetched before is committed where the storage allows it.
    Failed(Problem),
    /// It was stopped; what was fetched is committed.
    Stopped,
}

/// How one mailbox ended.
enum MailboxEnd {
    Done,
    /// It was left to another job, and is begun anew.
    Left,
    Failed(Problem),
    Halted,
}

/// Runs one cycle to its end.
///
/// After a stop it returns within seconds, with what was fetched committed.
pub async fn run_cycle(context: &CycleContext) -> CycleEnd {
    let cycle = Arc::new(Cycle {
        job: context.job.clone(),
        connection: context.connection.clone(),
        source: context.source.clone(),
        storage: context.storage.clone(),
        limits: context.limits.clone(),
        queue: context.queue.clone(),
        queued: watch::Sender::new(0),
        clock: context.clock.clone(),
        progress: context.progress.clone(),
        halt: context.cancel.child_token(),
        flight: Flight::new(),
        lost: OnceLock::new(),
        contacted: AtomicBool::new(false),
        public: OnceLock::new(),
        full: full::Interval { since: context.previous_start, until: context.start },
        sieve: Sieve::new(context.filter.clone(), context.start),
    });
    context.progress.goes_over(&context.limits);
    let end = run(&cycle, context).await;
    context.progress.end_cycle();
    let totals = context.progress.snapshot().cycle_totals;
    tracing::info!(
        job = %cycle.job, end = end.word(), scanned = totals.scanned, stored = totals.stored, excluded = totals.excluded, failed = totals.failed,
        deleted = totals.deleted, "cycle ended"
    );
    end
}

async fn run(cycle: &Arc<Cycle>, context: &CycleContext) -> CycleEnd {
    let resolved = match resolve(cycle, context).await {
        Ok(resolved) => resolved,
        Err(Some(problem)) => return CycleEnd::Failed(problem),
        Err(None) => return wind_up(cycle, None).await,
    };
    tracing::info!(job = %cycle.job, cycle = cycle.progress.cycle(), mailboxes = resolved.mailboxes.len(), skipped = resolved.skipped.len(), "cycle began");
    for (address, reason) in &resolved.skipped {
        tracing::debug!(job = %cycle.job, mailbox = %address, %reason, "mailbox skipped");
    }
    cycle.progress.cover(&resolved.mailboxes);
    for address in &resolved.gone {
        tracing::warn!(job = %cycle.job, cycle = cycle.progress.cycle(), mailbox = %address, "mailbox is gone");
        cycle.progress.problem(selection::gone(address));
    }
    let mut all = resolved.mailboxes.clone();
    match public::job(cycle, &context.public_folders, &resolved.mailboxes).await {
        Ok(Some(Ok(public))) => {
            all.push(public.address.clone());
            cycle.progress.add(&public.address);
            cycle.public.get_or_init(|| public);
        }
        Ok(Some(Err(problem))) => cycle.progress.problem(problem),
        Ok(None) => {}
        Err(_) => return wind_up(cycle, None).await,
    }
    let places: Vec<(MailboxIndex, Address)> = all.iter().enumerate().map(|(place, address)| (MailboxIndex(place), address.clone())).collect();
    let ends = each(cycle, &places, false).await;
    // What failed is in the catalogue once it is committed.
    if context.one_time && !cycle.halt.is_cancelled() && cycle.flush().await.is_ok() {
        let done: Vec<_> = places.into_iter().zip(&ends).filter(|(_, end)| matches!(end, MailboxEnd::Done)).map(|(place, _)| place).collect();
        each(cycle, &done, true).await;
    }
    let count = ends.len();
    let failed: Vec<Problem> = ends.into_iter().filter_map(|end| if let MailboxEnd::Failed(problem) = end { Some(problem) } else { None }).collect();
    let nothing = failed.first().filter(|_| failed.len() == count).map(|first| nothing_done(first, count));
    wind_up(cycle, Some((nothing, &all))).await
}

/// Evaluates the selection; `Err(None)` means that the cycle ended meanwhile.
async fn resolve(cycle: &Cycle, context: &CycleContext) -> Result<Resolved, Option<Problem>> {
    let listed = match &context.selection {
        Selection::Only(_) => Vec::new(),
        Selection::AllExcept(_) => match cycle.request(None, Suspect::Connection, || cycle.source.mailboxes()).await {
            Ok(listed) => listed,
            Err(Halt::Source(error)) => return Err(Some(problem::of_source(&error, None, ""))),
            Err(Halt::Cycle) => return Err(None),
        },
    };
    selection::resolve(&context.selection, &listed, context.previous_mailboxes.as_deref()).map_err(Some)
}

/// Works on all mailboxes, several at a time, begun in their order: a few, and more when slots stay empty. Those that wait
/// for another job keep none of the others from being begun.
async fn each(cycle: &Arc<Cycle>, places: &[(MailboxIndex, Address)], retry: bool) -> Vec<MailboxEnd> {
    let mut left: VecDeque<(usize, Duration)> = (0..places.len()).map(|place| (place, PATIENCE)).collect();
    let mut open = FuturesUnordered::new();
    let mut ends: Vec<MailboxEnd> = places.iter().map(|_| MailboxEnd::Halted).collect();
    let mut queued = cycle.queued.subscribe();
    let mut is_hungry = false;
    loop {
        let waiting = (*queued.borrow_and_update()).min(QUEUED_MAX);
        while open.len() < MAILBOXES_MIN + waiting || is_hungry {
            is_hungry = false;
            let Some((place, patience)) = left.pop_front() else { break };
            let Some((index, address)) = places.get(place) else { break };
            let work = one(cycle.clone(), *index, address.clone(), (!retry).then_some(patience));
            open.push(async move { (place, patience, work.await) });
        }
        let may_open = open.len() < MAILBOXES_MAX + waiting && !left.is_empty();
        tokio::select! {
            ended = open.next() => match ended {
                Some((place, patience, MailboxEnd::Left)) => left.push_back((place, patience.saturating_mul(2))),
                Some((place, _, end)) => {
                    if let Some(slot) = ends.get_mut(place) {
                        *slot = end;
                    }
                }
                None => return ends,
            },
            () = cycle.limits.hunger(), if may_open => is_hungry = true,
            // The cycle has the other end.
            _ = queued.changed() => {}
        }
    }
}

/// Works on one mailbox, in a task of its own: backs it up, with patience for a silent server, or tries again what failed.
async fn one(cycle: Arc<Cycle>, index: MailboxIndex, address: Address, patience: Option<Duration>) -> MailboxEnd {
    if cycle.halt.is_cancelled() {
        return MailboxEnd::Halted;
    }
    let (inner, mailbox) = (cycle.clone(), address.clone());
    let mut task = tokio::spawn(async move {
        match patience {
            Some(patience) => mailbox::back_up(&inner, index, &mailbox, patience).await,
            None => mailbox::retry(&inner, index, &mailbox).await.map(|()| Turn::Used),
        }
    });
    let _abort_when_dropped = AbortOnDrop(task.abort_handle());
    let stopped = async {
        cycle.halt.cancelled().await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    let ended = tokio::select! {
        ended = &mut task => ended,
        () = stopped => return MailboxEnd::Halted,
    };
    let problem = match ended {
        Ok(Ok(Turn::Used)) => return MailboxEnd::Done,
        Ok(Ok(Turn::Left)) => return MailboxEnd::Left,
        Ok(Err(Halt::Cycle)) => return MailboxEnd::Halted,
        Ok(Err(Halt::Source(error))) => problem::of_source(&error, Some(&address), ""),
        Err(_) => Problem { mailbox: address.to_string(), ..problem::whole("internal", "the backup of this mailbox broke off", "see the daemon's log") },
    };
    tracing::warn!(job = %cycle.job, cycle = cycle.progress.cycle(), mailbox = %address, code = %problem.code, reason = %problem.message, "mailbox failed");
    cycle.progress.phase(index, Phase::Failed);
    cycle.progress.covers(&address, coverage::of_failed(&problem.message));
    cycle.progress.problem(problem.clone());
    MailboxEnd::Failed(problem)
}

/// Commits, and says how the cycle ended. `done` is why nothing was backed up, if so, and what was covered.
async fn wind_up(cycle: &Cycle, done: Option<(Option<Problem>, &[Address])>) -> CycleEnd {
    // What was handed over is worth keeping however the cycle ends; an error here is its own reason.
    let flushed = cycle.flush().await;
    if let Some(problem) = cycle.lost.get() {
        return CycleEnd::Failed(problem.clone());
    }
    let (Ok(()), Some((nothing, mailboxes)), false) = (flushed, done, cycle.halt.is_cancelled()) else {
        return CycleEnd::Stopped;
    };
    if let Some(problem) = nothing {
        return CycleEnd::Failed(problem);
    }
    match failures(cycle, mailboxes).await {
        Ok(0) if !cycle.progress.has_problems() => CycleEnd::Finished,
        Ok(_) => CycleEnd::Warnings,
        Err(_) => cycle.lost.get().cloned().map_or(CycleEnd::Stopped, CycleEnd::Failed),
    }
}

/// Returns how many items of these mailboxes are in the ledger.
async fn failures(cycle: &Cycle, mailboxes: &[Address]) -> Result<usize, Halt> {
    let mailboxes = mailboxes.to_vec();
    cycle
        .read(move |catalog| {
            let mut sum = 0;
            for address in &mailboxes {
                if let Some(row) = catalog.mailbox(address)? {
                    sum += catalog.failures(Some(row.key))?.len();
                }
            }
            Ok(sum)
        })
        .await
}

fn nothing_done(first: &Problem, mailboxes: usize) -> Problem {
    if mailboxes == 1 {
        return first.clone();
    }
    let message = format!("none of {mailboxes} mailboxes could be backed up; {}: {}", first.mailbox, first.message);
    problem::whole(&first.code, message, first.hint.clone())
}

impl CycleEnd {
    fn word(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Warnings => "warnings",
            Self::Failed(_) => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
