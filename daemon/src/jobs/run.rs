//! A run: one cycle of a one-time job, cycle after cycle of a continuous one, until it is stopped.
//!
//! Without enough free space it pauses, and goes on by itself once there is. Between cycles it looks at mailboxes of which
//! the source tells something ([`super::listen`]).

use super::Jobs;
use super::handle::{Handle, RunEnd, is_low_space};
use super::listen::Hearing;
use crate::definition::Job;
use crate::engine::{CycleContext, CycleEnd, Progress, run_cycle};
use c2b_api::ApiError;
use c2b_api::idle::Idle;
use c2b_api::job::{Continuity, CycleInfo, Problem, Selection};
use c2b_mailbox::{Address, PublicFolder};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
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
    let mut number = progress.cycle();
    let mut is_paused = number > 0;
    let mut hearing: Option<Hearing> = None;
    loop {
        let Ok(job) = jobs.get(handle.name()) else { return RunEnd::Stopped };
        if std::mem::take(&mut is_paused) {
            progress.continue_cycle();
        } else {
            number += 1;
            progress.begin_cycle(number);
        }
        if let Some(hearing) = &hearing {
            hearing.ear.forget();
        }
        let end = cycle(&jobs, &job, &handle, &progress, &cancel, number).await;
        jobs.storages.wake();
        let failed_in_a_row = end.1;
        let idle = match (&end.0, &job.definition.continuity) {
            (RunEnd::Stopped, _) => return end.0,
            // Low space pauses a run and does not end it.
            (RunEnd::Failed(problem), Continuity::OneTime) if is_low_space(problem) => LOW_SPACE_WAIT_MAX,
            // Nobody may be there to start it again.
            (RunEnd::Failed(_), Continuity::OneTime) if job.definition.activity.is_some() => Idle::default().duration(),
            (_, Continuity::OneTime) => return end.0,
            (RunEnd::Finished | RunEnd::Warnings, _) if handle.is_beyond() => return end.0,
            (_, Continuity::Continuous { idle }) => idle.duration(),
        };
        let wait = wait(&end.0, idle, failed_in_a_row);
        let is_good = matches!(end.0, RunEnd::Finished | RunEnd::Warnings);
        if is_good {
            hearing = listen(&jobs, &job, &handle, &progress, hearing, idle).await;
        }
        let next = (Instant::now() + wait, jobs.clock.now() + wait);
        loop {
            handle.wait_until(next.1, &end.0);
            let heard = async {
                match hearing.as_ref().filter(|_| is_good) {
                    Some(hearing) => (hearing.ear.due().await, &hearing.ear),
                    None => std::future::pending().await,
                }
            };
            let (mailboxes, ear) = tokio::select! {
                biased;
                () = cancel.cancelled() => return RunEnd::Stopped,
                () = tokio::time::sleep_until(next.0) => break,
                heard = heard => heard,
            };
            let begun = Instant::now();
            let succeeded = look(&jobs, &job, &handle, &progress, &cancel, number, &mailboxes).await;
            ear.looked(&mailboxes, begun.elapsed(), succeeded);
        }
    }
}

/// Listens to the mailboxes that the last cycle covered, as long as they and their connection stay the same.
async fn listen(jobs: &Jobs, job: &Job, handle: &Arc<Handle>, progress: &Progress, before: Option<Hearing>, idle: Duration) -> Option<Hearing> {
    let (source, _) = jobs.connections.source(&job.connection).await.ok()?;
    let hearing = Hearing::of(before, source, progress.covered().unwrap_or_default(), idle, handle);
    if hearing.is_none() {
        handle.listens(None);
    }
    hearing
}

/// Looks at mailboxes of which something was heard, as a cycle does that has only these. Returns whether that was possible.
async fn look(jobs: &Jobs, job: &Job, handle: &Handle, progress: &Progress, cancel: &CancellationToken, number: u64, mailboxes: &[Address]) -> bool {
    handle.begin_look(mailboxes);
    let (started, own) = (jobs.clock.now(), Progress::new(jobs.clock.clone()));
    own.begin_cycle(number);
    let context = tokio::select! {
        biased;
        () = cancel.cancelled() => return true,
        context = context(jobs, job, handle, &own, cancel, started) => context,
    };
    let end = match context {
        Ok(context) => {
            let selection = Selection::Only(mailboxes.iter().map(ToString::to_string).collect());
            // Full looks and public folders are the cycles' business.
            let context =
                CycleContext { selection, public_folders: Vec::new(), previous_mailboxes: None, previous_start: Some(started), one_time: false, ..context };
            run_cycle(&context).await
        }
        Err(error) => CycleEnd::Failed(problem(error)),
    };
    suspect(jobs, job, &own);
    jobs.storages.wake();
    progress.absorb(&own);
    let totals = own.snapshot().totals;
    let (end, reason) = match end {
        CycleEnd::Finished | CycleEnd::Warnings if totals.stored + totals.deleted + totals.failed == 0 => return true,
        CycleEnd::Finished => ("finished", None),
        CycleEnd::Warnings => ("finished-with-warnings", None),
        CycleEnd::Failed(problem) => {
            warn!(job = %job.name, code = %problem.code, reason = %problem.message, "look failed");
            ("failed", Some(problem.message))
        }
        CycleEnd::Stopped => ("stopped", None),
    };
    let what = if let [only] = mailboxes { format!("heard of {only}") } else { format!("heard of {} mailboxes", mailboxes.len()) };
    let detail = reason.as_ref().map_or_else(|| what.clone(), |reason| format!("{what}: {reason}"));
    handle.end_look(&CycleInfo { cycle: number, started, ended: jobs.clock.now(), end: end.to_owned(), detail, totals });
    reason.is_none()
}

/// Runs one cycle and notes how it ended. Returns that, and how many cycles in a row failed.
async fn cycle(jobs: &Jobs, job: &Job, handle: &Handle, progress: &Arc<Progress>, cancel: &CancellationToken, number: u64) -> (RunEnd, u32) {
    handle.begin_cycle(&job.definition);
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
    suspect(jobs, job, progress);
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
        RunEnd::Stopped if handle.is_paused() => ("paused", String::new()),
        RunEnd::Stopped => ("stopped", String::new()),
    };
    let row = CycleInfo { cycle: number, started, ended: jobs.clock.now(), end: word.to_owned(), detail, totals: snapshot.cycle_totals };
    let failed_in_a_row = handle.end_cycle(&end, progress.covered(), &row);
    (end, failed_in_a_row)
}

/// Has the storage's retention wait for somebody to look, where a mailbox changed as if somebody destroyed it.
fn suspect(jobs: &Jobs, job: &Job, progress: &Progress) {
    for suspicion in progress.take_suspicions() {
        jobs.storages.freeze(&job.storage, &job.name, &suspicion);
    }
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
        connection: job.connection.to_string(),
        selection: job.definition.source.clone(),
        filter: job.definition.filter.clone(),
        public_folders: job.definition.public_folders.iter().map(to_named).collect(),
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

fn to_named(folder: &c2b_api::job::PublicFolder) -> PublicFolder {
    PublicFolder { path: folder.path.trim_matches('/').to_owned(), subfolders: folder.subfolders }
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
