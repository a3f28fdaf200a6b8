//! Progress as plain lines, for logs and pipes: at most one a tick and job, and only when something changed.

use crate::error::Error;
use crate::human;
use crate::human::count::{count, nouns};
use crate::output::Output;
use c2b_api::job::{JobState, JobStatus, RunInfo};
use std::collections::BTreeMap;

/// The lines of several jobs.
pub(crate) struct ProgressLines {
    output: Output,
    jobs: BTreeMap<String, JobLine>,
}

#[derive(Default)]
struct JobLine {
    newest: String,
    shown: String,
}

/// What all mailboxes of a cycle have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) mailboxes: u64,
    pub(super) mailboxes_done: u64,
    pub(super) known: u64,
    pub(super) stored: u64,
    pub(super) failed: u64,
    pub(super) left: u64,
    pub(super) bytes: u64,
}

impl ProgressLines {
    /// Starts with nothing shown.
    pub(super) fn new(output: &Output) -> Self {
        Self { output: output.clone(), jobs: BTreeMap::new() }
    }

    /// Takes a job's newest state. A run that has ended has its summary instead of a line.
    pub(super) fn update(&mut self, job: &JobStatus) {
        if job.state == JobState::Active {
            self.jobs.entry(job.definition.name.clone()).or_default().newest = line(job);
        } else {
            self.jobs.remove(&job.definition.name);
        }
    }

    /// Shows what changed since the last tick.
    pub(super) fn tick(&mut self) -> Result<(), Error> {
        for job in self.jobs.values_mut().filter(|job| job.newest != job.shown) {
            self.output.line(&job.newest)?;
            job.shown.clone_from(&job.newest);
        }
        Ok(())
    }
}

impl Sums {
    /// Adds a cycle's mailboxes up.
    pub(super) fn of(run: &RunInfo) -> Self {
        run.mailboxes.iter().fold(Self::default(), |sums, mailbox| Self {
            mailboxes: sums.mailboxes + 1,
            mailboxes_done: sums.mailboxes_done + u64::from(matches!(mailbox.phase.as_str(), "done" | "failed" | "erased")),
            known: sums.known.saturating_add(mailbox.known),
            stored: sums.stored.saturating_add(mailbox.stored),
            failed: sums.failed.saturating_add(mailbox.failed),
            left: sums.left.saturating_add(mailbox.left),
            bytes: sums.bytes.saturating_add(mailbox.bytes),
        })
    }

    /// Returns how many are left and for how long.
    pub(super) fn left_text(&self, run: &RunInfo) -> String {
        let mailboxes = nouns(self.mailboxes, "mailbox", "mailboxes");
        let mut text = format!("{} of {mailboxes} done, {} left", count(self.mailboxes_done), nouns(self.left, "item", "items"));
        if let Some(secs) = run.remaining_secs {
            text += &format!(", {} to go", human::duration::duration(secs));
        }
        text
    }

    /// Returns what is done, and how big it is.
    pub(super) fn done_text(&self, run: &RunInfo) -> String {
        let (stored, failed, known) = (count(self.stored), count(self.failed), count(self.known));
        let mut text = format!("{stored} stored, {failed} failed, {known} known, {}", human::size::size(self.bytes));
        if run.bytes_per_sec >= 1.0 {
            text += &format!(", {}", human::size::rate(run.bytes_per_sec));
        }
        if let Some(slots) = &run.slots {
            text += &format!("; {}", crate::connection::slots_text(slots));
        }
        if run.throttled_secs > 0 {
            text += &format!(", throttled for {}", human::duration::duration(run.throttled_secs));
        }
        text
    }
}

fn line(job: &JobStatus) -> String {
    let name = human::text::line(&job.definition.name);
    let detail = human::text::line(&job.detail);
    match &job.run {
        Some(run) if run.ended.is_none() => {
            let sums = Sums::of(run);
            format!("{name}: cycle {}, {detail}: {}; {}", run.cycle, sums.left_text(run), sums.done_text(run))
        }
        Some(_) | None => format!("{name}: {detail}"),
    }
}
