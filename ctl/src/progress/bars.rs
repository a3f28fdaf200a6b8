//! Progress as bars, for a terminal: one for each mailbox that is being read, as many as fit, and a total for each job.

use super::lines::Sums;
use crate::human;
use crate::human::count::count;
use c2b_api::job::{JobStatus, MailboxProgress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;

/// Most bars for mailboxes of one job. The total is above them: where the terminal is lower, indicatif leaves out the last.
const MAILBOXES_MAX: usize = 12;
/// Columns of the address or the job's name.
const PREFIX_COLUMNS: usize = 24;
/// A mailbox's line.
const TEMPLATE_MAILBOX: &str = "{prefix} [{bar:16}] {wide_msg}";
/// A job's two lines: the message holds the second.
const TEMPLATE_TOTAL: &str = "{prefix} [{bar:16}] {msg}";

/// The bars of several jobs.
pub(crate) struct Bars {
    all: MultiProgress,
    jobs: BTreeMap<String, JobBars>,
}

struct JobBars {
    total: ProgressBar,
    mailboxes: BTreeMap<String, ProgressBar>,
}

impl Bars {
    /// Starts with nothing shown.
    pub(super) fn new() -> Self {
        Self { all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()), jobs: BTreeMap::new() }
    }

    /// Shows a job's newest state.
    pub(super) fn update(&mut self, job: &JobStatus) {
        let Self { all, jobs } = self;
        let bars = jobs.entry(job.definition.name.clone()).or_insert_with(|| {
            let total = all.add(bar(TEMPLATE_TOTAL));
            total.set_prefix(prefix(&job.definition.name));
            JobBars { total, mailboxes: BTreeMap::new() }
        });
        let Some(run) = job.run.as_ref().filter(|run| run.ended.is_none()) else {
            bars.total.set_message(human::text::line(&job.detail));
            return;
        };
        let active = || run.mailboxes.iter().filter(|m| is_active(m)).take(MAILBOXES_MAX);
        bars.mailboxes.retain(|address, bar| {
            let stays = active().any(|mailbox| mailbox.address == *address);
            if !stays {
                all.remove(bar);
            }
            stays
        });
        for mailbox in active() {
            if !bars.mailboxes.contains_key(&mailbox.address) {
                let before = bars.mailboxes.range(..mailbox.address.clone()).next_back().map_or(&bars.total, |(_, bar)| bar);
                let bar = all.insert_after(before, bar(TEMPLATE_MAILBOX));
                bar.set_prefix(prefix(&format!("  {}", mailbox.address)));
                bars.mailboxes.insert(mailbox.address.clone(), bar);
            }
            if let Some(bar) = bars.mailboxes.get(&mailbox.address) {
                set(bar, mailbox.known, mailbox.left, mailbox_text(mailbox));
            }
        }
        let sums = Sums::of(run);
        let detail = if job.detail == "running" { String::new() } else { format!("{}; ", human::text::line(&job.detail)) };
        set(&bars.total, sums.known, sums.left, format!("{}\n  {detail}{}", sums.left_text(run), sums.done_text(run)));
    }

    /// Takes the bars away.
    pub(super) fn clear(&mut self) {
        for job in std::mem::take(&mut self.jobs).into_values() {
            for bar in job.mailboxes.values().chain([&job.total]) {
                bar.finish_and_clear();
            }
        }
    }
}

fn is_active(mailbox: &MailboxProgress) -> bool {
    matches!(mailbox.phase.as_str(), "folders" | "items")
}

fn mailbox_text(mailbox: &MailboxProgress) -> String {
    if mailbox.phase == "folders" {
        return "reading folders".to_owned();
    }
    let (left, stored, failed, known) = (count(mailbox.left), count(mailbox.stored), count(mailbox.failed), count(mailbox.known));
    format!("{left} left, {stored} stored, {failed} failed, {known} known, {}", human::size::size(mailbox.bytes))
}

fn set(bar: &ProgressBar, known: u64, left: u64, text: String) {
    bar.set_length(known);
    bar.set_position(known.saturating_sub(left));
    bar.set_message(text);
}

fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    // The template is constant; were it wrong, indicatif's own would be shown.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("#>-"));
    }
    bar
}

fn prefix(text: &str) -> String {
    let text = human::text::line(text);
    if text.chars().count() <= PREFIX_COLUMNS {
        return format!("{text:PREFIX_COLUMNS$}");
    }
    let start: String = text.chars().take(PREFIX_COLUMNS - 1).collect();
    format!("{start}…")
}
