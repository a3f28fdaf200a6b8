//! `c2bctl job coverage NAME`: what of each mailbox the last cycle covered, and why not the rest.

use crate::error::Error;
use crate::exit::Exit;
use crate::noun::parse_name;
use crate::output::Paint;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::coverage::{CoverageState, MailboxCoverage, PartCoverage};
use c2b_api::route;
use clap::Args;

const EXAMPLES: &str = "\
Shown are parts that are not included, and why; --all shows all. What a mailbox simply does not have, such as an
archive, is no warning.

Examples:
  c2bctl job coverage nightly
  c2bctl job coverage nightly --all
  c2bctl --json job coverage nightly \\
      | jq -r '.[] | select(any(.parts[]; .warning)) | .mailbox'";

/// Show what of each mailbox the last cycle covered
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CoverageArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Show what is included, too
    #[arg(long)]
    all: bool,
}

/// Shows the coverage.
pub(super) async fn run(session: &Session, args: &CoverageArgs) -> Result<Exit, Error> {
    let coverage: Vec<MailboxCoverage> = session.ask_of(&route::job::COVERAGE, &args.name).await?;
    if session.output.is_json() {
        session.output.value(&coverage)?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["MAILBOX", "PART", "STATE", "WHY"]);
    for mailbox in &coverage {
        for part in mailbox.parts.iter().filter(|part| args.all || part.state != CoverageState::Included) {
            table.row(vec![
                (&mailbox.mailbox).into(),
                part.part.to_string().into(),
                Cell::painted(paint(part), &part.state.to_string()),
                (&part.reason).into(),
            ]);
        }
    }
    session.output.table(&table)?;
    if coverage.is_empty() {
        session.output.note(&format!("no cycle of job {} has looked at a mailbox yet", args.name));
    }
    Ok(Exit::OK)
}

fn paint(part: &PartCoverage) -> Paint {
    if part.warning { Paint::Warning } else { Paint::Plain }
}
