//! `c2bctl monitor`: one line and an exit code for Nagios, Icinga and those who understand their plugins.
//!
//! Everything is judged from one answer of the daemon, by its clock.

mod verdict;

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::noun::{Noun, parse_name};
use crate::session::Session;
use crate::socket::SocketTrouble;
use c2b_api::Span;
use c2b_api::route;
use c2b_api::status::Status;
use clap::Args;
use serde_json::json;
use verdict::{Level, Verdict};

const EXAMPLES: &str = "\
One line and the exit codes of Nagios plugins:
  0 OK        every job succeeded within the age, and nothing else is wrong
  1 WARNING   items or mailboxes that lag behind, a first run that goes on, space that gets low, a secret
              or certificate that ends within 14 days, a definition file that is wrong
  2 CRITICAL  a job that failed, or did not succeed within the age, or never; a storage that cannot be
              used or has no space left; a secret or certificate that ended; no daemon
  3 UNKNOWN   wrong usage, no such job, or no right to ask
Disabled jobs are left out. After `|` are figures: the age of each job's last success in seconds, its
items that failed, and the free space of each storage in bytes.

Examples:
  c2bctl monitor
  c2bctl monitor --max-age 26h --job nightly
  c2bctl --json monitor | jq -r '.problems[].text'";

/// The exit code when nothing can be said.
pub(crate) const UNKNOWN: Exit = Exit(3);

/// Say whether backups are as they should be, for monitoring
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MonitorArgs {
    /// How old the last success of a job may be: 26h, 2d, 1w
    #[arg(long, value_name = "AGE", default_value = "26h")]
    max_age: Span,
    /// Only this job, with its storage and connection; can be given several times
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    job: Vec<String>,
}

/// Judges and tells.
pub(crate) async fn run(session: &Session, args: &MonitorArgs) -> Result<Exit, Error> {
    let verdict = match session.ask::<Status>(&route::daemon::STATUS).await {
        Ok(status) => verdict::judge(&status, args.max_age, &args.job),
        Err(error @ Error::Unreachable { trouble: SocketTrouble::Denied | SocketTrouble::NotASocket, .. }) => Verdict::only(Level::Unknown, error.sentence()),
        Err(error @ (Error::Unreachable { .. } | Error::WentAway)) => Verdict::only(Level::Critical, error.sentence()),
        Err(error) => Verdict::only(Level::Unknown, error.sentence()),
    };
    if session.output.is_json() {
        let problems: Vec<_> = verdict.problems.iter().map(|(level, text)| json!({ "level": level.word(), "text": text })).collect();
        session.output.value(&json!({ "state": verdict.level().word(), "exit": verdict.level().exit().0, "problems": problems, "text": verdict.text() }))?;
    }
    session.output.line(&human::text::line(&verdict.line()))?;
    Ok(verdict.level().exit())
}

impl Verdict {
    /// Returns the verdict when something is not there.
    fn not_found(noun: Noun, name: &str) -> Self {
        Self::only(Level::Unknown, format!("there is no {} {name}", noun.word()))
    }
}
