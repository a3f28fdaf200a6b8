//! How far jobs and storage care are: bars on a terminal, lines elsewhere, nothing with `--json` or `--quiet`.

mod bars;
mod lines;

use crate::error::Error;
use crate::output::Output;
use bars::Bars;
use c2b_api::job::JobStatus;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lines::ProgressLines;

/// The progress of jobs.
pub(crate) enum Progress {
    /// For a person.
    Bars(Bars),
    /// For a log.
    Lines(ProgressLines),
    /// For nobody.
    Nothing,
}

/// The progress of a check or a rebuild.
pub(crate) struct PackBar(Option<ProgressBar>);

impl Progress {
    /// Chooses how to show progress.
    pub(crate) fn new(output: &Output) -> Self {
        match () {
            () if output.is_json() || output.is_quiet() => Self::Nothing,
            () if output.is_terminal() => Self::Bars(Bars::new()),
            () => Self::Lines(ProgressLines::new(output)),
        }
    }

    /// Takes a job's newest state.
    pub(crate) fn update(&mut self, job: &JobStatus) {
        match self {
            Self::Bars(bars) => bars.update(job),
            Self::Lines(lines) => lines.update(job),
            Self::Nothing => {}
        }
    }

    /// Shows what changed since the last tick.
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        match self {
            Self::Lines(lines) => lines.tick(),
            Self::Bars(_) | Self::Nothing => Ok(()),
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&mut self) {
        if let Self::Bars(bars) = self {
            bars.clear();
        }
    }
}

impl PackBar {
    /// Prepares a bar where there is a terminal.
    pub(crate) fn new(output: &Output, verb: &'static str) -> Self {
        if output.is_json() || output.is_quiet() || !output.is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stdout());
        bar.set_prefix(verb);
        Self(Some(bar))
    }

    /// Shows how far it is.
    pub(crate) fn update(&mut self, done: u64, total: u64, text: &str) {
        if let Some(bar) = &self.0 {
            let template = if total > 0 { "{prefix} [{bar:30}] {wide_msg}" } else { "{prefix} … {wide_msg}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("#>-"));
            }
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(text.to_owned());
        }
    }
}

impl Drop for PackBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
