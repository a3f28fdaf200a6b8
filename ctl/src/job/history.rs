//! `c2bctl job history NAME`: the cycles that were.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::human::count::count;
use crate::noun::parse_name;
use crate::output::Paint;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::job::CycleInfo;
use c2b_api::route;
use clap::Args;

const EXAMPLES: &str = "\
The last cycle comes first. A look between two cycles, at mailboxes of which the server told something, is a row
of its own when it found something.

Examples:
  c2bctl job history nightly
  c2bctl job history nightly -n 100
  c2bctl --json job history nightly -n 1000 | jq '[.[].totals.stored] | add'";

/// List the cycles of a job, the last one first
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// How many
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    number: u32,
}

/// Lists the cycles.
pub(super) async fn run(session: &Session, args: &HistoryArgs) -> Result<Exit, Error> {
    let cycles: Vec<CycleInfo> = session.ask_of_with(&route::job::HISTORY, &args.name, &[("n", args.number.to_string())]).await?;
    if session.output.is_json() {
        session.output.value(&cycles)?;
        return Ok(Exit::OK);
    }
    let headings = ["STARTED", ">TOOK", "END", ">SCANNED", ">STORED", ">FAILED", ">DELETED", ">BYTES", ">NEW", "DETAIL"];
    let mut table = Table::new(&headings).missable(&["NEW", "DELETED", "BYTES", "SCANNED"]).beneath("DETAIL");
    for cycle in &cycles {
        let paint = match cycle.end.as_str() {
            "finished" => Paint::Good,
            "finished-with-warnings" => Paint::Warning,
            "failed" => Paint::Bad,
            _ => Paint::Plain,
        };
        let seconds = u64::try_from((cycle.ended - cycle.started).num_seconds()).unwrap_or(0);
        table.row(vec![
            human::time::time(cycle.started).into(),
            human::duration::duration(seconds).into(),
            Cell::painted(paint, &cycle.end.replace('-', " ")),
            count(cycle.totals.scanned).into(),
            count(cycle.totals.stored).into(),
            count(cycle.totals.failed).into(),
            count(cycle.totals.deleted).into(),
            human::size::size(cycle.totals.bytes).into(),
            human::size::size(cycle.totals.new_bytes).into(),
            (&cycle.detail).into(),
        ]);
    }
    session.output.table(&table)?;
    if cycles.is_empty() {
        session.output.note(&format!("no cycle of job {} has ended yet", args.name));
    }
    Ok(Exit::OK)
}
