//! A run: one cycle of a one-time job, cycle after cycle of a continuous one, until it is stopped.
//!
//! Without enough free space it pauses, and goes on by itself once there is.

use super::Jobs;
use super::handle::{Handle, RunEnd, is_low_space};
use crate::definition::Job;
use crate::engine::{CycleContext, CycleEnd, Progress, run_cycle};
use crate::state::HistoryRow;
use c2b_api::ApiError;
use c2b_api::job::{Continuity, Problem};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Longest wait after failed cycles, unless the job's idle time is longer: a server that comes back
/// after a night is noticed within this time.
const BACKOFF_MAX: Duration = Duration::from_secs(15 * 60);

/// Shortest wait after a failed cycle, so that an idle time of zero does not hammer a broken server.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Longest wait for free space: space is noticed within this time (users-ask.md B3).
const LOW_SPACE_WAIT_MAX: Duration = Duration::from_secs(60);

/// Runs the job until it ends or is stopped. The definition is looked up anew for each cycle, so
/// that a file edited by hand takes effect with the next one.
pub(super) async fn run(jobs: Arc<Jobs>, handle: Arc<Handle>, progress: Arc<Progress>, cancel: CancellationToken) -> RunEnd {
    let mut number = 0;
    loop {
        let Ok(job) = jobs.get(handle.name()) else { return RunEnd::Stopped };
        number += 1;
        let end = cycle(&jobs, &job, &handle, &progress, &cancel, number).await;
        jobs.storages.wake();
        let failed_in_a_row = end.1;
        let idle = match (&end.0, &job.definition.continuity) {
            (RunEnd::Stopped, _) => return end.0,
            // Low space pauses a run and does not end it.
            (RunEnd::Failed(problem), Continuity::OneTime) if is_low_space(problem) => LOW_SPACE_WAIT_MAX,
            (_, Continuity::OneTime) => return end.0,
            (_, Continuity::Continuous { idle }) => idle.duration(),
        };
        let wait = wait(&end.0, idle, failed_in_a_row);
        handle.wait_until(jobs.clock.now() + wait, &end.0);
        tokio::select! {
            () = cancel.cancelled() => return RunEnd::Stopped,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Runs one cycle and notes how it ended. Returns that, and how many cycles in a row failed.
async fn cycle(jobs: &Jobs, job: &Job, handle: &Handle, progress: &Arc<Progress>, cancel: &CancellationToken, number: u64) -> (RunEnd, u32) {
    progress.begin_cycle(number);
    handle.begin_cycle();
    let started = jobs.clock.now();
    // The server may have to be looked for, which takes its time.
    let context = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        context = context(jobs, job, handle, progress, cancel, started) => Some(context),
    };
    let end = match context {
        None => RunEnd::Stopped,
        Some(Ok(context)) => match run_cycle(&context).await {
            CycleEnd::Finished => RunEnd::Finished,
            CycleEnd::Warnings => RunEnd::Warnings,
            CycleEnd::Failed(problem) => RunEnd::Failed(problem),
            CycleEnd::Stopped => RunEnd::Stopped,
        },
        Some(Err(error)) => {
            warn!(job = %job.name, cycle = number, reason = error.message, "cycle could not begin");
            RunEnd::Failed(problem(error))
        }
    };
    let snapshot = progress.snapshot();
    if let RunEnd::Failed(problem) = &end
        && !snapshot.problems.contains(problem)
    {
        progress.problem(problem.clone());
    }
    if matches!(end, RunEnd::Failed(_)) {
        jobs.connections.doubt(&job.connection);
    }
    let (word, detail) = match &end {
        RunEnd::Finished => ("finished", String::new()),
        RunEnd::Warnings => ("finished-with-warnings", String::new()),
        RunEnd::Failed(problem) => ("failed", problem.message.clone()),
        RunEnd::Stopped => ("stopped", String::new()),
    };
    let row = HistoryRow { cycle: number, started, ended: jobs.clock.now(), end: word.to_owned(), detail, totals: snapshot.cycle_totals };
    let failed_in_a_row = handle.end_cycle(&end, progress.covered(), &row);
    (end, failed_in_a_row)
}

async fn context(
    jobs: &Jobs,
    job: &Job,
    handle: &Handle,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
    start: DateTime<Utc>,
) -> Result<CycleContext, ApiError> {
    let (source, limits) = jobs.connections.source(&job.connection).await?;
    let storage = jobs.storages.writer_of_cycle(&job.storage).await?;
    Ok(CycleContext {
        job: job.name.to_string(),
        selection: job.definition.source.clone(),
        previous_mailboxes: handle.previous_mailboxes(),
        previous_start: handle.previous_start(),
        start,
        one_time: job.definition.continuity == Continuity::OneTime,
        source,
        storage,
        limits,
        queue: jobs.queue.clone(),
        clock: jobs.clock.clone(),
        progress: progress.clone(),
        cancel: cancel.clone(),
    })
}

/// Returns the time until the next cycle: idle after a good one, longer and longer after bad ones.
fn wait(end: &RunEnd, idle: Duration, failed_in_a_row: u32) -> Duration {
    let RunEnd::Failed(problem) = end else { return idle };
    let doublings = failed_in_a_row.saturating_sub(1).min(20);
    let wait = idle.max(BACKOFF_MIN).saturating_mul(1 << doublings).min(BACKOFF_MAX.max(idle));
    if is_low_space(problem) { wait.min(LOW_SPACE_WAIT_MAX) } else { wait }
}

fn problem(error: ApiError) -> Problem {
    let code = serde_json::to_value(error.code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
    Problem { mailbox: String::new(), folder: String::new(), code, message: error.message, hint: error.hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: &str) -> RunEnd {
        RunEnd::Failed(Problem { mailbox: String::new(), folder: String::new(), code: code.to_owned(), message: String::new(), hint: String::new() })
    }

    #[test]
    fn failures_wait_longer_and_longer_but_never_for_ever() {
        let minute = Duration::from_secs(60);
        assert_eq!(wait(&RunEnd::Finished, minute, 0), minute);
        assert_eq!(wait(&failed("unreachable"), minute, 1), minute);
        assert_eq!(wait(&failed("unreachable"), minute, 3), 4 * minute);
        assert_eq!(wait(&failed("unreachable"), minute, u32::MAX), BACKOFF_MAX);
        assert_eq!(wait(&failed("unreachable"), Duration::ZERO, 1), BACKOFF_MIN);
        assert_eq!(wait(&failed("unreachable"), 600 * minute, 9), 600 * minute, "never shorter than the idle time");
        assert_eq!(wait(&failed("low-space"), 600 * minute, 9), LOW_SPACE_WAIT_MAX);
    }
}
