//! `c2bctl job schedule NAME`: the next activity periods.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::noun::parse_name;
use crate::session::Session;
use crate::table::Table;
use c2b_api::job::JobSchedule;
use c2b_api::route;
use clap::Args;

const EXAMPLES: &str = "\
Times are those of the job's time zone, with its offset from UTC, and of UTC. A period that is open now
comes first. Where clocks are put forward, what would begin in the hour left out begins after it; an
hour that comes twice counts once.

Examples:
  c2bctl job schedule nightly
  c2bctl job schedule nightly -n 30
  c2bctl --json job schedule nightly | jq -r '.periods[].start'";

/// List the next activity periods of a job
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScheduleArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// How many
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    number: u16,
}

/// Returns a job's next periods, first the one that is open.
pub(super) async fn periods(session: &Session, name: &str, number: u16) -> Result<JobSchedule, Error> {
    session.ask_of_with(&route::job::SCHEDULE, name, &[("n", number.to_string())]).await
}

/// Lists the periods.
pub(super) async fn run(session: &Session, args: &ScheduleArgs) -> Result<Exit, Error> {
    let schedule = periods(session, &args.name, args.number).await?;
    if session.output.is_json() {
        session.output.value(&schedule)?;
        return Ok(Exit::OK);
    }
    if schedule.periods.is_empty() {
        session.output.note(&format!("no activity period of job {} comes any more", args.name));
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["BEGINS", "ENDS", "LASTS", "BEGINS (UTC)", "ENDS (UTC)"]);
    for period in &schedule.periods {
        let seconds = u64::try_from((period.end - period.start).num_seconds()).unwrap_or(0);
        table.row(vec![
            period.local_start.format("%a %Y-%m-%d %H:%M %:z").to_string().into(),
            period.local_end.format("%a %Y-%m-%d %H:%M %:z").to_string().into(),
            human::duration::duration(seconds).into(),
            period.start.format("%Y-%m-%d %H:%M").to_string().into(),
            period.end.format("%Y-%m-%d %H:%M").to_string().into(),
        ]);
    }
    session.output.line(&format!("activity periods of job {} in {}", args.name, schedule.time_zone))?;
    session.output.table(&table)?;
    Ok(Exit::OK)
}
