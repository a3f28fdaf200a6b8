//! How a job goes: its record, its present run, and those who watch.
//!
//! All changes of a job's state are made here, under one lock, and written before they are told.

use super::ledger::Count;
use crate::clock::Clock;
use crate::definition::Job;
use crate::engine::Progress;
use crate::failure::{self, chain};
use crate::name::Name;
use crate::state::{CoverageGroup, JobRecord, States};
use c2b_api::coverage::MailboxCoverage;
use c2b_api::job::{CycleInfo, JobDefinition, JobState, JobStatus, ListeningInfo, Problem, RunInfo};
use c2b_api::{ApiError, ErrorCode};
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// How long a run may take to stop by itself; then it is cut off. Stopping is promised within 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(9);

/// A job at work.
pub(super) struct Handle {
    name: Name,
    states: States,
    clock: Clock,
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
    over: Arc<Notify>,
}

struct Inner {
    record: JobRecord,
    run: Option<Run>,
    next_run: Option<DateTime<Utc>>,
    failure: Option<Problem>,
    counted: Option<Count>,
    listening: Option<ListeningInfo>,
    /// The progress of a run that its activity period's end paused in mid-cycle.
    paused: Option<Arc<Progress>>,
}

struct Run {
    progress: Arc<Progress>,
    cancel: CancellationToken,
    task: AbortHandle,
    stop: Option<Stop>,
    /// Whether the daemon began it by itself after a restart, and nobody asked for it since.
    resumed: bool,
    /// Whether a cycle is going on; else the run waits for its next one.
    in_cycle: bool,
    /// What the cycle began with.
    definition: Option<JobDefinition>,
}

/// Why a run is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody wants it.
    By(String),
    /// The daemon ends; the job goes on with the next one.
    Shutdown,
    /// Its activity period is over; the next one goes on.
    Paused,
    /// For an edit.
    Edited,
    /// It was disabled.
    Disabled,
    /// Its definition is gone.
    Removed,
}

/// How a run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The daemon begins it by itself.
    pub(super) resumed: bool,
    /// It goes on outside of its activity periods, too.
    pub(super) beyond: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// Everything is backed up.
    Finished,
    /// Some things could not be backed up.
    Warnings,
    /// It failed.
    Failed(Problem),
    /// It was stopped.
    Stopped,
}

impl Handle {
    /// Takes up what is remembered of a job; `ended` is told when a run ended.
    pub(super) fn new(name: Name, states: States, clock: Clock, ended: Arc<Notify>) -> Self {
        let record = states.job(&name);
        let inner = Inner { record, run: None, next_run: None, failure: None, counted: None, listening: None, paused: None };
        Self { name, states, clock, inner: Mutex::new(inner), changes: watch::Sender::new(0), over: ended }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn is_running(&self) -> bool {
        self.lock().run.is_some()
    }

    /// Returns whether the job was running when the daemon before this one ended.
    pub(super) fn goes_on(&self) -> bool {
        self.lock().record.goes_on
    }

    /// Returns whether its run goes on, or went on at last, outside of its activity periods.
    pub(super) fn is_beyond(&self) -> bool {
        self.lock().record.beyond
    }

    /// Returns whether the run that goes on is to stop since its activity period is over.
    pub(super) fn is_paused(&self) -> bool {
        self.lock().run.as_ref().is_some_and(|run| run.stop == Some(Stop::Paused))
    }

    /// Returns what is remembered of the job.
    pub(super) fn record(&self) -> JobRecord {
        let mut inner = self.lock();
        self.end_future(&mut inner);
        inner.record.clone()
    }

    /// Changes what is remembered of the job.
    pub(super) fn remember(&self, change: impl FnOnce(&mut JobRecord)) {
        self.change(|inner| {
            change(&mut inner.record);
            self.write(&inner.record);
        });
    }

    /// Notes how a job that does not run waits, and when it runs next.
    pub(super) fn rest(&self, state: JobState, detail: &str, next_run: Option<DateTime<Utc>>) {
        let mut inner = self.lock();
        let rests = (inner.record.state, inner.record.detail.as_str(), inner.next_run) == (state, detail, next_run);
        if rests || inner.run.is_some() {
            return;
        }
        let is_new = (inner.record.state, inner.record.detail.as_str()) != (state, detail);
        (inner.record.state, inner.record.detail, inner.next_run) = (state, detail.to_owned(), next_run);
        if is_new {
            self.write(&inner.record);
        }
        drop(inner);
        self.tell();
    }

    /// Returns why the last run failed, as an answer.
    pub(super) fn failure(&self) -> Option<ApiError> {
        self.lock().failure.as_ref().map(|problem| ApiError::new(error_code(&problem.code), problem.message.clone(), problem.hint.clone()))
    }

    /// Returns what the last cycle covered.
    pub(super) fn previous_mailboxes(&self) -> Option<Vec<Address>> {
        Some(self.lock().record.previous_mailboxes.clone()).filter(|mailboxes| !mailboxes.is_empty())
    }

    /// Returns when the last cycle began that ended well.
    pub(super) fn previous_start(&self) -> Option<DateTime<Utc>> {
        self.lock().record.previous_start
    }

    /// Notes that the job is another one now: what its selection was before says nothing about it.
    pub(super) fn edited(&self) {
        self.change(|inner| {
            inner.record.previous_mailboxes.clear();
            inner.record.previous_start = None;
            inner.record.cycle_ended = None;
            inner.record.seen = None;
            inner.counted = None;
            inner.paused = None;
        });
    }

    /// Takes a run that the daemon began by itself after a restart for the one that somebody starts now:
    /// who starts a job after a crash need not know that it goes on already.
    pub(super) fn adopt(&self) -> bool {
        let mut inner = self.lock();
        inner.run.as_mut().is_some_and(|run| run.stop.is_none() && std::mem::take(&mut run.resumed))
    }

    /// Starts a run as a task, or goes on with one that was paused.
    pub(super) fn begin<F>(self: &Arc<Self>, beginning: Beginning, run: impl FnOnce(Arc<Progress>, CancellationToken) -> F) -> Result<(), ApiError>
    where
        F: Future<Output = RunEnd> + Send + 'static,
    {
        let mut inner = self.lock();
        if inner.run.is_some() {
            let message = format!("job {} is running already: {}", self.name, inner.detail());
            return Err(failure::state(message, format!("see `c2bctl job watch {}`", self.name)));
        }
        let paused = inner.paused.take().filter(|_| inner.record.unfinished);
        let (progress, cancel) = (paused.unwrap_or_else(|| Progress::new(self.clock.clone())), CancellationToken::new());
        let task = tokio::spawn(run(progress.clone(), cancel.clone()));
        inner.run = Some(Run { progress, cancel, task: task.abort_handle(), stop: None, resumed: beginning.resumed, in_cycle: true, definition: None });
        inner.failure = None;
        inner.next_run = None;
        inner.record.state = JobState::Active;
        inner.record.goes_on = true;
        inner.record.detail = "running".to_owned();
        inner.record.failed_in_a_row = 0;
        inner.record.held = false;
        inner.record.beyond = beginning.beyond;
        inner.record.ran = Some(self.clock.now());
        inner.record.seen = inner.record.ran;
        self.write(&inner.record);
        drop(inner);
        self.tell();
        let handle = self.clone();
        tokio::spawn(async move {
            let end = task.await.unwrap_or_else(|error| if error.is_panic() { RunEnd::Failed(defect()) } else { RunEnd::Stopped });
            handle.finish(end);
        });
        Ok(())
    }

    /// Stops the run; returns when it has ended. `false` when none was going on.
    pub(super) async fn stop(&self, why: Stop) -> bool {
        let (cancel, task) = {
            let mut inner = self.lock();
            let Some(run) = &mut inner.run else { return false };
            match (&run.stop, &why) {
                // What a person says outlasts what would have gone on by itself.
                (None, _) | (Some(Stop::Paused | Stop::Edited), Stop::By(_)) => run.stop = Some(why),
                _ => {}
            }
            (run.cancel.clone(), run.task.clone())
        };
        cancel.cancel();
        if tokio::time::timeout(STOP_TIMEOUT, self.ended()).await.is_err() {
            warn!(job = %self.name, "job did not stop in time and is cut off");
            task.abort();
            self.ended().await;
        }
        true
    }

    /// Waits until no run goes on.
    pub(super) async fn ended(&self) {
        self.wait_while(|inner| inner.run.is_some()).await;
    }

    /// Waits until the run ended, or waits for its next cycle.
    pub(super) async fn cycle_ended(&self) {
        self.wait_while(|inner| inner.run.as_ref().is_some_and(|run| run.in_cycle)).await;
    }

    /// Notes that a cycle begins, and with what.
    pub(super) fn begin_cycle(&self, definition: &JobDefinition) {
        self.change(|inner| {
            if !inner.record.unfinished {
                inner.record.unfinished = true;
                self.write(&inner.record);
            }
            inner.next_run = None;
            inner.record.state = JobState::Active;
            inner.record.detail = "running".to_owned();
            if let Some(run) = &mut inner.run {
                run.in_cycle = true;
                run.definition = Some(definition.clone());
            }
        });
    }

    /// Notes that a cycle ended, and what it covered when it ended well. Returns how many failed in a row.
    pub(super) fn end_cycle(&self, end: &RunEnd, covered: Option<Vec<Address>>, row: &CycleInfo) -> u32 {
        let failed = self.change(|inner| {
            if let Some(run) = &inner.run {
                inner.record.take_over(run.progress.snapshot());
                inner.record.end_cycle(row);
                inner.record.coverage = CoverageGroup::of(run.progress.coverage());
            }
            inner.record.last_cycle = Some(row.clone());
            match end {
                RunEnd::Finished | RunEnd::Warnings => {
                    inner.record.failing_since = None;
                    inner.record.failed_with.clear();
                    inner.record.warning_since = if *end == RunEnd::Finished { None } else { inner.record.warning_since.or(Some(row.ended)) };
                    inner.record.last_success = Some(row.ended);
                    inner.record.failed_in_a_row = 0;
                    inner.record.previous_mailboxes = covered.unwrap_or_default();
                    inner.record.previous_start = Some(row.started);
                    inner.record.cycle_ended = Some(row.ended);
                    inner.record.unfinished = false;
                }
                // That is the storage's trouble, and told as such.
                RunEnd::Failed(problem) if is_low_space(problem) => inner.record.failed_in_a_row += 1,
                RunEnd::Failed(problem) => {
                    inner.record.failed_in_a_row += 1;
                    inner.record.fail(row.ended, in_words(problem));
                }
                RunEnd::Stopped => {}
            }
            self.write(&inner.record);
            inner.record.failed_in_a_row
        });
        if let Err(error) = self.states.add_history(&self.name, row) {
            error!(job = %self.name, error = chain(&error), "history not written");
        }
        failed
    }

    /// Returns what of each mailbox the cycle that runs, or the last one, covered.
    pub(super) fn coverage(&self) -> Vec<MailboxCoverage> {
        let inner = self.lock();
        let running = inner.run.as_ref().map(|run| run.progress.coverage()).filter(|coverage| !coverage.is_empty());
        running.unwrap_or_else(|| CoverageGroup::apart(&inner.record.coverage))
    }

    /// Notes that the run waits for its next cycle, and how the one before ended.
    pub(super) fn wait_until(&self, time: DateTime<Utc>, end: &RunEnd) {
        let at = time.format("%H:%M:%S UTC");
        self.change(|inner| {
            inner.next_run = Some(time);
            if let Some(run) = &mut inner.run {
                run.in_cycle = false;
            }
            (inner.record.state, inner.record.detail) = match end {
                RunEnd::Failed(problem) if is_low_space(problem) => (JobState::Active, format!("paused: low space; tries again at {at}")),
                RunEnd::Failed(problem) => (JobState::Error, format!("{}; tries again at {at}", in_words(problem))),
                RunEnd::Warnings => (JobState::Active, format!("idle until {at}, the last cycle finished with warnings")),
                RunEnd::Finished | RunEnd::Stopped => (JobState::Active, format!("idle until {at}")),
            };
        });
    }

    /// Notes that the run looks at mailboxes of which something was heard.
    pub(super) fn begin_look(&self, mailboxes: &[Address]) {
        let what = match mailboxes {
            [only] => format!("looks at {only}, where something happened"),
            several => format!("looks at {} mailboxes where something happened", several.len()),
        };
        self.change(|inner| (inner.record.state, inner.record.detail) = (JobState::Active, what));
    }

    /// Notes that such a look changed something, or could not be made.
    pub(super) fn end_look(&self, row: &CycleInfo) {
        self.change(|inner| {
            if let Some(run) = &inner.run {
                inner.record.take_over(run.progress.snapshot());
            }
            self.write(&inner.record);
        });
        if let Err(error) = self.states.add_history(&self.name, row) {
            error!(job = %self.name, error = chain(&error), "history not written");
        }
    }

    /// Notes how the run hears of changes; nothing when it does not try.
    pub(super) fn listens(&self, how: impl Into<Option<ListeningInfo>>) {
        let how = how.into();
        self.change(|inner| inner.listening = how.filter(|_| inner.run.is_some()));
    }

    /// Returns the job as shown; `counted` is what its storage said about its ledger.
    pub(super) fn status(&self, job: &Job, counted: Option<Count>) -> JobStatus {
        let mut inner = self.lock();
        if counted.is_some() {
            inner.counted = counted;
        }
        self.end_future(&mut inner);
        let detail = inner.detail();
        let run = match &inner.run {
            Some(run) => Some(run.progress.snapshot()),
            None => inner.record.run.clone(),
        };
        JobStatus {
            definition: job.definition.clone(),
            state: inner.record.state,
            detail,
            run,
            last_success: inner.record.last_success,
            last_cycle: inner.record.last_cycle.clone(),
            failing_since: inner.record.failing_since,
            warning_since: inner.record.warning_since,
            running: inner.run.is_some(),
            pending: inner.run.as_ref().is_some_and(|run| run.in_cycle && run.definition.as_ref().is_some_and(|began| *began != job.definition)),
            next_run: inner.next_run,
            failures: inner.counted.map_or(0, |count| count.failures),
            listening: inner.listening.clone(),
            lifetime: inner.record.lifetime.clone(),
            freshness: inner.record.freshness(self.clock.now()),
        }
    }

    /// Returns the ledger's count that is known, so that only a newer one is counted.
    pub(super) fn ledger_question(&self) -> Option<Count> {
        self.lock().counted
    }

    /// Returns what wakes those who watch: the job's state, and its run's progress while one goes on.
    pub(super) fn subscribe(&self) -> (watch::Receiver<u64>, Option<watch::Receiver<u64>>) {
        let inner = self.lock();
        (self.changes.subscribe(), inner.run.as_ref().map(|run| run.progress.subscribe()))
    }

    fn finish(&self, end: RunEnd) {
        self.change(|inner| {
            let Some(run) = inner.run.take() else { return };
            inner.listening = None;
            if run.stop == Some(Stop::Paused) && inner.record.unfinished {
                inner.paused = Some(run.progress.clone());
            }
            let ended = RunInfo { ended: Some(self.clock.now()), ..run.progress.snapshot() };
            let record = &mut inner.record;
            record.take_over(ended);
            record.ran = Some(self.clock.now());
            record.seen = record.ran;
            record.goes_on = matches!(run.stop, Some(Stop::Shutdown | Stop::Edited)) && end == RunEnd::Stopped;
            if let RunEnd::Failed(problem) = &end
                && !is_low_space(problem)
            {
                record.fail(self.clock.now(), in_words(problem));
            }
            inner.next_run = None;
            (record.state, record.detail) = match (&end, &run.stop) {
                (RunEnd::Finished, _) => (JobState::Finished, String::new()),
                (RunEnd::Warnings, _) => (JobState::FinishedWithWarnings, "some items or folders could not be backed up".to_owned()),
                (RunEnd::Failed(problem), _) => (JobState::Error, in_words(problem)),
                (RunEnd::Stopped, Some(Stop::By(user))) => (JobState::Inactive, format!("stopped by {user}")),
                (RunEnd::Stopped, Some(Stop::Paused)) if record.failing_since.is_some() => (JobState::Error, record.failed_with.clone()),
                (RunEnd::Stopped, Some(Stop::Paused)) => (JobState::Active, "paused".to_owned()),
                (RunEnd::Stopped, Some(Stop::Edited)) => (JobState::Inactive, "stopped for an edit".to_owned()),
                (RunEnd::Stopped, Some(Stop::Disabled)) => (JobState::Inactive, "disabled".to_owned()),
                (RunEnd::Stopped, Some(Stop::Removed)) => (JobState::Inactive, "its definition was removed".to_owned()),
                (RunEnd::Stopped, Some(Stop::Shutdown)) => (JobState::Active, "goes on when c2bd starts".to_owned()),
                (RunEnd::Stopped, None) => (JobState::Inactive, "stopped".to_owned()),
            };
            if let RunEnd::Failed(problem) = end {
                inner.failure = Some(problem);
            }
            if matches!(run.stop, Some(Stop::By(_) | Stop::Disabled)) {
                (inner.record.failing_since, inner.record.failed_with) = (None, String::new());
            }
            inner.record.held |= matches!(run.stop, Some(Stop::By(_)));
            inner.record.beyond &= inner.record.goes_on;
            self.write(&inner.record);
        });
        self.over.notify_one();
    }

    async fn wait_while(&self, goes_on: impl Fn(&Inner) -> bool) {
        let mut changes = self.changes.subscribe();
        while goes_on(&self.lock()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ends times that are still to come, and remembers that.
    fn end_future(&self, inner: &mut Inner) {
        if inner.record.end_future(self.clock.now()) {
            self.write(&inner.record);
        }
    }

    fn write(&self, record: &JobRecord) {
        if let Err(error) = self.states.put_job(&self.name, record) {
            error!(job = %self.name, error = chain(&error), "state of the job not written");
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut self.lock());
        self.tell();
        result
    }

    fn tell(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn detail(&self) -> String {
        match &self.run {
            Some(run) if run.stop.is_some() => "stopping".to_owned(),
            Some(run) if run.in_cycle => run.progress.detail(),
            Some(_) if self.listening.as_ref().is_some_and(|how| how.mailboxes > 0) => format!("{}, listening", self.record.detail),
            _ => self.record.detail.clone(),
        }
    }
}

/// Returns whether the storage's disk is full: that passes, and is no failure of the job.
pub(super) fn is_low_space(problem: &Problem) -> bool {
    problem.code == "low-space"
}

/// Returns what a problem's code means for the caller.
fn error_code(code: &str) -> ErrorCode {
    match code {
        "sign-in" | "forbidden" | "auth" => ErrorCode::Auth,
        "locked" => ErrorCode::Locked,
        "low-space" => ErrorCode::LowSpace,
        "storage" => ErrorCode::Storage,
        "internal" => ErrorCode::Internal,
        "not-found" => ErrorCode::NotFound,
        "state" => ErrorCode::State,
        "invalid" => ErrorCode::Invalid,
        _ => ErrorCode::Server,
    }
}

fn in_words(problem: &Problem) -> String {
    if problem.hint.is_empty() { problem.message.clone() } else { format!("{} ({})", problem.message, problem.hint) }
}

fn defect() -> Problem {
    Problem {
        mailbox: String::new(),
        folder: String::new(),
        code: "internal".to_owned(),
        message: "the job hit a defect of c2bd".to_owned(),
        hint: "see the log (journalctl -u c2bd), and report it".to_owned(),
    }
}
