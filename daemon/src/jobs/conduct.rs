//! The conductor: has jobs run in their activity periods, and pauses them at the end (spec.md section 3).
//!
//! What is to be done is a pure function ([`crate::schedule`]); here it is asked and followed: when a period begins or ends, when a
//! run ended, when a definition changed, and at least once in a while, since clocks are set and machines sleep.

use super::Jobs;
use super::handle::{Beginning, Handle, Stop};
use crate::definition::Job;
use crate::failure::{self, chain};
use crate::name::Name;
use crate::schedule::standing::{Decision, Standing};
use crate::schedule::{Period, Schedule};
use crate::state::JobRecord;
use c2b_api::ApiError;
use c2b_api::job::{Continuity, JobSchedule, JobStart, JobState, PeriodInfo};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// Longest time between two looks: within it a clock that was set, or a machine that slept, is noticed.
const LOOK_MAX: Duration = Duration::from_secs(30);

impl Jobs {
    /// Follows the activity periods of all jobs, for ever.
    pub async fn conduct(self: Arc<Self>) {
        loop {
            let now = self.clock.now();
            let next = self.look(now).await;
            let wait = next.and_then(|next| (next - now).to_std().ok()).unwrap_or(LOOK_MAX).min(LOOK_MAX);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Has the activity periods looked at now.
    pub fn look_again(&self) {
        self.wake.notify_one();
    }

    /// Returns a job's next activity periods.
    ///
    /// # Errors
    /// When there is no such job, or it has none.
    pub fn schedule(&self, name: &Name, count: usize) -> Result<JobSchedule, ApiError> {
        let job = self.get(name)?;
        let Some(schedule) = schedule(&job)? else {
            let message = format!("job {name} has no activity periods: it runs when it is started");
            return Err(failure::state(message, format!("see `c2bctl job edit {name} --help` for how to give it some")));
        };
        let periods = schedule.ending_after(self.clock.now()).take(count).map(|period| info(&schedule, period)).collect();
        Ok(JobSchedule { time_zone: schedule.zone_name(), periods })
    }

    /// Returns the longest time from the beginning of one of a job's activity periods to that of the next, from its last
    /// success on; for ever when no period comes after that.
    pub(crate) fn gap(&self, name: &str, last_success: Option<DateTime<Utc>>, periods: usize) -> Option<TimeDelta> {
        let job = self.get(&name.parse().ok()?).ok()?;
        let schedule = schedule(&job).ok()??;
        let from = last_success.unwrap_or_else(|| self.clock.now());
        let starts = schedule.ending_after(from).take(periods).map(|period| period.start.max(from));
        let times: Vec<DateTime<Utc>> = std::iter::once(from).chain(starts).collect();
        let longest = times.windows(2).filter_map(|pair| if let [one, next] = pair { Some(*next - *one) } else { None }).max();
        Some(longest.filter(|gap| *gap > TimeDelta::zero()).unwrap_or(TimeDelta::MAX))
    }

    /// Returns whether an activity period is open, or the job has none.
    pub(super) fn is_open(&self, job: &Job) -> Result<bool, ApiError> {
        Ok(schedule(job)?.is_none_or(|schedule| schedule.at(self.clock.now()).is_some()))
    }

    /// Outside of the activity periods, lets a job that would not run in the next one do so again; `true` when that was done.
    /// The error says when it runs, where it would anyway.
    pub(super) fn is_armed(&self, job: &Job, handle: &Handle, wish: JobStart) -> Result<bool, ApiError> {
        let now = self.clock.now();
        let Some(schedule) = schedule(job)?.filter(|schedule| !wish.now && schedule.at(now).is_none()) else { return Ok(false) };
        let name = &job.name;
        let hint = format!("`c2bctl job start {name} --now` starts it all the same");
        let Some(next) = schedule.next(now) else {
            return Err(failure::state(format!("no activity period of job {name} comes any more"), hint));
        };
        let record = handle.record();
        if matches!(standing(job, &record).decide(&schedule, now), Decision::Hold | Decision::Over) {
            handle.remember(|record| (record.held, record.cycle_ended, record.ran, record.seen) = (false, None, None, Some(now)));
            return Ok(true);
        }
        let at = schedule.shown(next.start);
        Err(failure::state(format!("job {name} is outside of its activity periods; the next one begins at {at}"), hint))
    }

    /// Has a job that does not run rest as its activity periods say, at once, and looks for what is due.
    pub(super) fn follow_schedule(&self, name: &Name) {
        if let Ok(job) = self.get(name) {
            let handle = self.handle(name);
            match schedule(&job) {
                Ok(Some(schedule)) if !job.definition.disabled => {
                    let decision = standing(&job, &handle.record()).decide(&schedule, self.clock.now());
                    rest(&job, &handle, &schedule, decision);
                }
                _ => rest_unscheduled(&job, &handle),
            }
        }
        self.wake.notify_one();
    }

    /// Looks at all jobs; returns when something is due next.
    async fn look(self: &Arc<Self>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let _changing = self.definitions.change().await;
        let jobs: Vec<Arc<Job>> = self.definitions.known().jobs.values().cloned().collect();
        jobs.iter().filter_map(|job| self.look_at(job, now)).min()
    }

    fn look_at(self: &Arc<Self>, job: &Arc<Job>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let handle = self.handle(&job.name);
        if job.definition.disabled {
            self.pause(&handle, Stop::Disabled);
            rest_unscheduled(job, &handle);
            return None;
        }
        let schedule = match schedule(job) {
            Ok(schedule) => schedule?,
            Err(error) => {
                warn!(job = %job.name, reason = error.message, "activity periods cannot be worked out");
                handle.rest(JobState::Error, &error.message, None);
                return None;
            }
        };
        let mut record = handle.record();
        if record.seen.is_none() {
            // What was before the definition was not missed.
            handle.remember(|record| record.seen = Some(now));
            record = handle.record();
        }
        let (decision, runs, open) = (standing(job, &record).decide(&schedule, now), handle.is_running(), schedule.at(now));
        match (decision, open) {
            (Decision::Run(_), _) if runs => {
                if record.beyond {
                    handle.remember(|record| record.beyond = false);
                }
            }
            (Decision::Run(period), _) => self.begin_by_schedule(&handle, period, false),
            (Decision::CatchUp(period), _) if !runs => self.begin_by_schedule(&handle, period, true),
            // In a period it ends by itself; beyond them it was wanted.
            (_, None) if runs && !record.beyond => self.pause(&handle, Stop::Paused),
            _ if runs => {}
            _ => rest(job, &handle, &schedule, decision),
        }
        match (open, schedule.next(now)) {
            (Some(open), next) => Some(next.map_or(open.end, |next| next.start.min(open.end))),
            (None, next) => next.map(|next| next.start),
        }
    }

    fn begin_by_schedule(self: &Arc<Self>, handle: &Arc<Handle>, period: Period, beyond: bool) {
        match self.begin(handle, Beginning { resumed: true, beyond }) {
            Ok(()) => info!(job = %handle.name(), from = %period.start, to = %period.end, beyond, "job begun by its schedule"),
            Err(error) => warn!(job = %handle.name(), reason = error.message, "job not begun by its schedule"),
        }
    }

    /// Stops a run without waiting for it.
    fn pause(&self, handle: &Arc<Handle>, why: Stop) {
        if !handle.is_running() {
            return;
        }
        let handle = handle.clone();
        tokio::spawn(async move { handle.stop(why).await });
    }
}

fn schedule(job: &Job) -> Result<Option<Schedule>, ApiError> {
    let read = job.definition.activity.as_ref().map(Schedule::of).transpose();
    read.map_err(|error| failure::state(format!("job {}: {}", job.name, chain(&error)), ""))
}

fn standing(job: &Job, record: &JobRecord) -> Standing {
    let activity = job.definition.activity.as_ref();
    Standing {
        one_time: job.definition.continuity == Continuity::OneTime,
        rearm: activity.is_some_and(|activity| activity.rearm),
        catch_up: activity.is_some_and(|activity| activity.catch_up),
        held: record.held,
        unfinished: record.unfinished,
        ended: record.cycle_ended,
        ran: record.ran,
        seen: record.seen,
    }
}

/// Says how a job waits that does not run.
fn rest(job: &Job, handle: &Handle, schedule: &Schedule, decision: Decision) {
    let record = handle.record();
    let next = match decision {
        Decision::Run(period) | Decision::CatchUp(period) | Decision::Wait(period) => Some(period.start),
        Decision::Hold | Decision::Over => None,
    };
    let at = next.map(|next| schedule.shown(next)).unwrap_or_default();
    let is_end = matches!(record.state, JobState::Finished | JobState::FinishedWithWarnings | JobState::Error);
    let is_one_time = job.definition.continuity == Continuity::OneTime;
    let (state, detail) = match decision {
        Decision::Run(_) | Decision::CatchUp(_) => return,
        Decision::Wait(_) if record.unfinished && record.state != JobState::Error => (JobState::Active, format!("paused until {at}")),
        Decision::Wait(_) if is_end && record.ran.is_some() && (is_one_time || record.state == JobState::Error) => (record.state, record.detail),
        Decision::Wait(_) if record.ran.is_some() && !is_one_time => (JobState::Active, format!("idle until {at}")),
        Decision::Wait(_) => (JobState::Inactive, format!("starts at {at}")),
        Decision::Over if is_end => (record.state, record.detail),
        Decision::Over => (JobState::Inactive, "no activity period comes any more".to_owned()),
        Decision::Hold => (JobState::Inactive, held(&record.detail)),
    };
    handle.rest(state, &detail, next);
}

fn held(detail: &str) -> String {
    let stopped = detail.strip_suffix(HELD).unwrap_or(detail);
    format!("{}{HELD}", if stopped.starts_with("stopped by ") { stopped } else { "stopped" })
}

const HELD: &str = "; it follows its activity periods again after `c2bctl job start`";

/// Says that a job does not wait for anything any more, where it said so.
fn rest_unscheduled(job: &Job, handle: &Handle) {
    let record = handle.record();
    match record.state {
        _ if job.definition.disabled => handle.rest(JobState::Inactive, "disabled", None),
        JobState::Active | JobState::Inactive if record.detail == "disabled" || is_waiting(&record.detail) => {
            handle.rest(JobState::Inactive, "not started", None);
        }
        state => handle.rest(state, &record.detail, None),
    }
}

fn is_waiting(detail: &str) -> bool {
    ["paused until ", "idle until ", "starts at "].iter().any(|start| detail.starts_with(start)) || detail.ends_with(HELD)
}

fn info(schedule: &Schedule, period: Period) -> PeriodInfo {
    PeriodInfo { start: period.start, end: period.end, local_start: schedule.local(period.start), local_end: schedule.local(period.end) }
}
