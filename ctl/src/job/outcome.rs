//! How a run ended: the summary line, the exit code, and the words on standard error.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::human::count::{count, nouns};
use crate::output::{Output, Paint};
use c2b_api::job::{Continuity, JobState, JobStatus, Problem};

/// Most problems that are told after a run; `job show` has all.
const PROBLEMS_MAX: usize = 10;

/// Tells how a run ended and returns the exit code for it.
pub(super) fn tell(output: &Output, job: &JobStatus) -> Result<Exit, Error> {
    let name = &job.definition.name;
    output.done(&summary(job))?;
    let problems = job.run.as_ref().map_or(&[][..], |run| &run.problems);
    let hint_all = if job.failures > 0 { format!("see which with `c2bctl job failures {name}`") } else { format!("see more with `c2bctl job show {name}`") };
    match job.state {
        JobState::Finished => Ok(Exit::OK),
        JobState::FinishedWithWarnings => {
            tell_problems(output, problems);
            output.complain(Paint::Warning, &format!("job {name} finished with warnings{}", failed_items(job)), &hint_all);
            Ok(Exit::WARNINGS)
        }
        JobState::Error => {
            let cause = problems.iter().find(|p| p.mailbox.is_empty()).or(problems.first());
            tell_problems(output, problems.iter().filter(|p| Some(*p) != cause));
            // The daemon's detail may hold the hint too, which is told on its own.
            let reason = cause.map_or(job.detail.as_str(), |problem| &problem.message);
            let hint = cause.map(|p| p.hint.clone()).filter(|hint| !hint.is_empty()).unwrap_or(hint_all);
            output.complain(Paint::Bad, &format!("job {name} failed: {reason}"), &hint);
            Ok(cause.map_or(Exit::FAILED, |p| exit_of(&p.code)))
        }
        // Being stopped is the only way in which a continuous job ends.
        JobState::Inactive if matches!(job.definition.continuity, Continuity::Continuous { .. }) => {
            tell_problems(output, problems);
            Ok(if problems.is_empty() && job.failures == 0 { Exit::OK } else { Exit::WARNINGS })
        }
        JobState::Inactive => {
            let how = if job.detail.is_empty() { "it was stopped" } else { &job.detail };
            output.complain(Paint::Bad, &format!("job {name} did not finish: {how}"), &format!("go on with `c2bctl job start {name}`"));
            Ok(Exit::FAILED)
        }
        // The end of an activity period is no failure: the next one goes on with it.
        JobState::Active if !job.running && job.next_run.is_some() => {
            tell_problems(output, problems);
            Ok(Exit::OK)
        }
        JobState::Active => Err(Error::WentAway),
    }
}

/// Returns a run in one line.
pub(super) fn summary(job: &JobStatus) -> String {
    let word = match job.state {
        JobState::Finished => "finished",
        JobState::FinishedWithWarnings => "finished with warnings",
        JobState::Error => "failed",
        JobState::Inactive => "was stopped",
        JobState::Active if !job.running => "does not run now",
        JobState::Active => "runs",
    };
    let mut text = format!("job {} {word}", human::text::line(&job.definition.name));
    if let Some(run) = job.run.as_ref().filter(|run| !run.mailboxes.is_empty()) {
        let totals = &run.totals;
        let excluded = if totals.excluded > 0 { format!(", {} excluded", count(totals.excluded)) } else { String::new() };
        text += &format!(
            ": {}, {} scanned, {} stored{excluded}, {} failed, {} ({} new)",
            nouns(run.mailboxes.len() as u64, "mailbox", "mailboxes"),
            count(totals.scanned),
            count(totals.stored),
            count(totals.failed),
            human::size::size(totals.bytes),
            human::size::size(totals.new_bytes)
        );
        if let (Some(started), Some(ended)) = (run.started, run.ended) {
            let secs = u64::try_from((ended - started).num_seconds()).unwrap_or(0);
            text += &format!(" in {}", human::duration::duration(secs));
        }
        if run.bytes_per_sec >= 1.0 {
            text += &format!(", {}", human::size::rate(run.bytes_per_sec));
        }
    }
    text
}

/// Returns a problem in one line.
pub(super) fn problem_text(problem: &Problem) -> String {
    let place: Vec<&str> = [problem.mailbox.as_str(), problem.folder.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(" ")) };
    format!("{place}{} ({})", problem.message, problem.code)
}

fn failed_items(job: &JobStatus) -> String {
    match job.failures {
        0 => String::new(),
        failures => format!(": {} could not be backed up", nouns(failures, "item", "items")),
    }
}

fn tell_problems<'a>(output: &Output, problems: impl IntoIterator<Item = &'a Problem>) {
    let problems: Vec<&Problem> = problems.into_iter().collect();
    for problem in problems.iter().take(PROBLEMS_MAX) {
        output.complain(Paint::Warning, &problem_text(problem), &problem.hint);
    }
    if problems.len() > PROBLEMS_MAX {
        output.complain(Paint::Warning, &format!("{} more like these", count((problems.len() - PROBLEMS_MAX) as u64)), "");
    }
}

/// Returns the exit code for a problem's code: the daemon's words for what the mail server or the disk refused, else 1.
fn exit_of(code: &str) -> Exit {
    match code {
        "sign-in" | "forbidden" | "auth" => Exit::SIGN_IN,
        "low-space" => Exit::LOW_SPACE,
        "config" => Exit::CONFIG,
        _ => Exit::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_problem() {
        for (code, exit) in [("sign-in", 5), ("auth", 5), ("forbidden", 5), ("low-space", 7), ("config", 4), ("unreachable", 1), ("", 1)] {
            assert_eq!(exit_of(code), Exit(exit), "{code}");
        }
    }
}
