//! `c2bctl job failures [NAME]`: the items that could not be backed up, of one job or of all, and what is done about them.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::human::count::nouns;
use crate::noun::{Noun, parse_name};
use crate::session::Session;
use crate::table::Table;
use c2b_api::job::{FailureChoice, FailureCount, FailureInfo};
use c2b_api::route;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde::Serialize;
use std::io;

const EXAMPLES: &str = "\
An item leaves this list when it is stored, or acknowledged. Until then it is tried again, at growing
intervals; after ten tries only when it changes, or with --retry.

Examples:
  c2bctl job failures
  c2bctl job failures nightly
  c2bctl job failures nightly --mailbox alice@example.org --retry
  c2bctl job failures nightly --item AAMkAD... --acknowledge
  c2bctl job failures nightly --csv > failures.csv
  c2bctl --json job failures nightly | jq -r '.[] | .code' | sort | uniq -c";

/// List the items that could not be backed up, and why
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FailuresArgs {
    /// The job's name; without it, all jobs
    #[arg(value_parser = parse_name)]
    name: Option<String>,
    /// Only of this mailbox
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<String>,
    /// Only these items, by their ids at the source, as --csv and --json show them
    #[arg(long, value_name = "ID", num_args = 1..)]
    item: Vec<String>,
    /// Have them tried again with the next cycle
    #[arg(long, conflicts_with = "acknowledge")]
    retry: bool,
    /// Take them out of the list though they are not stored
    #[arg(long)]
    acknowledge: bool,
    /// Write comma-separated values, with times in UTC
    #[arg(long, conflicts_with_all = ["retry", "acknowledge"])]
    csv: bool,
}

/// A failure, and whose it is.
#[derive(Serialize)]
struct Failure {
    job: String,
    #[serde(flatten)]
    failure: FailureInfo,
}

/// Shows the failure ledger, or does something about it.
pub(super) async fn run(session: &Session, args: &FailuresArgs) -> Result<Exit, Error> {
    if args.retry || args.acknowledge {
        return act(session, args).await;
    }
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => session.names(Noun::Job).await?,
    };
    let is_meant = |failure: &FailureInfo| {
        args.mailbox.as_ref().is_none_or(|mailbox| mailbox.eq_ignore_ascii_case(&failure.mailbox))
            && (args.item.is_empty() || args.item.contains(&failure.item))
    };
    let mut failures = Vec::new();
    for job in names {
        let of_job: Vec<FailureInfo> = session.ask_of(&route::job::FAILURES, &job).await?;
        failures.extend(of_job.into_iter().filter(is_meant).map(|failure| Failure { job: job.clone(), failure }));
    }
    if session.output.is_json() {
        session.output.value(&failures)?;
        return Ok(Exit::OK);
    }
    if args.csv {
        return csv(session, &failures);
    }
    let mut headings = vec!["MAILBOX", "FOLDER", "SUBJECT", "DATE", ">SIZE", "CODE", "WHY", ">TRIES", "NEXT TRY"];
    if args.name.is_none() {
        headings.insert(0, "JOB");
    }
    let mut table = Table::new(&headings).missable(&["SIZE", "TRIES", "CODE", "DATE"]);
    for Failure { job, failure } in &failures {
        let mut row = vec![
            (&failure.mailbox).into(),
            (&failure.folder).into(),
            (&failure.subject).into(),
            human::time::time_or_dash(failure.date).into(),
            failure.size.map_or_else(String::new, human::size::size).into(),
            (&failure.code).into(),
            (&failure.message).into(),
            failure.attempts.to_string().into(),
            failure.next_try.map_or_else(|| "not again".to_owned(), human::time::time).into(),
        ];
        if args.name.is_none() {
            row.insert(0, job.into());
        }
        table.row(row);
    }
    session.output.table(&table)?;
    if failures.is_empty() {
        session.output.note(&args.name.as_ref().map_or_else(|| "no item of any job has failed".to_owned(), |name| format!("no item of job {name} has failed")));
    }
    Ok(Exit::OK)
}

async fn act(session: &Session, args: &FailuresArgs) -> Result<Exit, Error> {
    let Some(name) = &args.name else {
        return Err(Error::usage("no job is named", "give the job whose items are meant: `c2bctl job failures` shows it beside each"));
    };
    let choice = FailureChoice { mailbox: args.mailbox.clone(), items: args.item.clone() };
    let route = if args.retry { &route::job::RETRY } else { &route::job::ACKNOWLEDGE };
    let done: FailureCount = session.tell_of(route, name, &choice).await?;
    if session.output.is_json() {
        session.output.value(&done)?;
    }
    let items = nouns(done.items, "item", "items");
    session.output.done(&if args.retry {
        format!("{items} of job {name} will be tried again with its next cycle")
    } else {
        format!("acknowledged {items} of job {name}: not stored, and not told about any more unless they change and fail again")
    })?;
    Ok(Exit::OK)
}

fn csv(session: &Session, failures: &[Failure]) -> Result<Exit, Error> {
    let time = |time: Option<DateTime<Utc>>| time.map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for Failure { job, failure } in failures {
        let FailureInfo { mailbox, folder, item, subject, date, size, code, message, attempts, first_seen, last_seen, next_try } = failure;
        let (size, attempts) = (size.map_or_else(String::new, |size| size.to_string()), attempts.to_string());
        let texts = [mailbox, folder, item, subject].map(|text| harmless(text));
        let [mailbox, folder, item, subject] = texts;
        let times = [time(Some(*first_seen)), time(Some(*last_seen)), time(*next_try)];
        let [first, last, next] = times;
        rows.push([mailbox, folder, item, subject, time(*date), size, harmless(code), harmless(message), attempts, first, last, next, harmless(job)]);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = rows.iter().try_for_each(|row| writer.write_record(row)).map_err(io::Error::from);
    let bytes = written.and_then(|()| writer.into_inner().map_err(csv::IntoInnerError::into_error)).map_err(Error::Write)?;
    session.output.line(String::from_utf8_lossy(&bytes).trim_end())?;
    Ok(Exit::OK)
}

const HEADINGS: [&str; 13] =
    ["mailbox", "folder", "item", "subject", "date", "size", "code", "message", "attempts", "first-seen", "last-seen", "next-try", "job"];

/// Others chose these texts: what a spreadsheet would take for a formula is not to be one.
fn harmless(text: &str) -> String {
    let text = human::text::line(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_string() }
}
