//! `c2bctl job show NAME`: the summary of spec.md section 2, the last run, each mailbox.

use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::human;
use crate::human::count::{count, nouns};
use crate::job::{continuity, state};
use crate::noun::parse_name;
use crate::output::{Output, Paint};
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::filter::Filter;
use c2b_api::job::{Continuity, JobDefinition, JobStatus, JobText, ListeningInfo, PublicFolder, RunInfo, Selection};
use c2b_api::route;
use clap::Args;

const EXAMPLES: &str = "Examples:\n  c2bctl job show nightly\n  c2bctl job show nightly --toml > nightly.toml";

/// Show a job: its summary, its last run, each mailbox
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Write its definition, as `c2bctl job apply` takes it
    #[arg(long)]
    toml: bool,
}

/// Shows all about a job.
pub(super) async fn run(session: &Session, args: &ShowArgs) -> Result<Exit, Error> {
    let name = &args.name;
    if args.toml {
        let definition: JobText = session.ask_of(&route::job::DEFINITION, name).await?;
        if session.output.is_json() {
            session.output.value(&definition)?;
        } else {
            session.output.line(definition.text.trim_end())?;
        }
        return Ok(Exit::OK);
    }
    let job: JobStatus = session.ask_of(&route::job::SHOW, name).await?;
    if session.output.is_json() {
        session.output.value(&job)?;
        return Ok(Exit::OK);
    }
    summary(&session.output, &job)?;
    if let Some(run) = &job.run {
        show_run(&session.output, run)?;
    }
    Ok(Exit::OK)
}

/// Says what a job is.
pub(super) fn definition(output: &Output, definition: &JobDefinition) -> Result<(), Error> {
    facts(output, definition)?.show(output)
}

/// Gathers what a job is, under its name.
fn facts(output: &Output, definition: &JobDefinition) -> Result<Facts, Error> {
    output.line(&format!("job {}", output.paint(Paint::Strong, &human::text::line(&definition.name))))?;
    let mut facts = Facts::default();
    facts.add("connection", &definition.connection);
    facts.add("storage", &definition.storage);
    facts.add("mailboxes", selection(&definition.source));
    if !definition.public_folders.is_empty() {
        facts.add("public folders", definition.public_folders.iter().map(public_folder).collect::<Vec<_>>().join(", "));
    }
    facts.add(
        "type",
        match &definition.continuity {
            Continuity::Continuous { idle } => format!("continuous, {idle} from cycle to cycle"),
            one_time @ Continuity::OneTime => continuity(one_time).to_owned(),
        },
    );
    facts.add("items", items(&definition.filter));
    if !definition.filter.leave_out.is_empty() {
        facts.add("left out", definition.filter.leave_out.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    }
    if let Some(activity) = &definition.activity {
        facts.add("active", activity.to_string());
    }
    Ok(facts)
}

fn summary(output: &Output, job: &JobStatus) -> Result<(), Error> {
    let mut facts = facts(output, &job.definition)?;
    let (paint, word) = state(job.state);
    facts.add_painted("state", paint, if job.detail.is_empty() { word.to_owned() } else { format!("{word}: {}", job.detail) });
    if job.pending {
        facts.add_painted("pending change", Paint::Warning, "the file was edited; its next cycle goes by what is shown here");
    }
    if let Some(listening) = &job.listening {
        facts.add("listens", listens(listening));
    }
    facts.add("last success", human::time::time_or_dash(job.last_success));
    facts.add("next run", human::time::time_or_dash(job.next_run));
    match job.failures {
        0 => facts.add("failed items", "none"),
        failures => {
            facts.add_painted("failed items", Paint::Warning, format!("{} (`c2bctl job failures {}` lists them)", count(failures), job.definition.name));
        }
    }
    facts.show(output)
}

fn items(filter: &Filter) -> String {
    let contacts = if filter.contacts_always { "; contacts of any age" } else { "" };
    let associated = if filter.associated { "; associated items, too" } else { "" };
    format!("{}{contacts}{associated}", filter.age)
}

fn listens(listening: &ListeningInfo) -> String {
    let ListeningInfo { mailboxes, of, connections, looks, reason } = listening;
    let whose = match mailboxes {
        0 if reason.is_empty() => return "not yet; changes wait for the next cycle".to_owned(),
        0 => return format!("no, changes wait for the next cycle: {reason}"),
        all if all == of => format!("to {}", nouns(*of, "mailbox", "mailboxes")),
        some => format!("to {} of {}", count(*some), nouns(*of, "mailbox", "mailboxes")),
    };
    let woken = format!("{whose} over {}, woken {}", nouns(*connections, "connection", "connections"), nouns(*looks, "time", "times"));
    if reason.is_empty() { woken } else { format!("{woken}; not to the others: {reason}") }
}

fn public_folder(folder: &PublicFolder) -> String {
    if folder.subfolders { format!("{} and below", folder.path) } else { folder.path.clone() }
}

fn selection(selection: &Selection) -> String {
    match selection {
        Selection::Only(addresses) => format!("only {}", addresses.join(", ")),
        Selection::AllExcept(addresses) if addresses.is_empty() => "all that the connection lists".to_owned(),
        Selection::AllExcept(addresses) => format!("all that the connection lists, except {}", addresses.join(", ")),
    }
}

fn show_run(output: &Output, run: &RunInfo) -> Result<(), Error> {
    output.line(&format!("\nrun of {}, cycle {}", human::time::time_or_dash(run.started), run.cycle))?;
    let totals = &run.totals;
    let mut facts = Facts::default();
    match (run.started, run.ended) {
        (Some(started), Some(ended)) => {
            let secs = u64::try_from((ended - started).num_seconds()).unwrap_or(0);
            facts.add("ended", format!("{} (took {})", human::time::time(ended), human::duration::duration(secs)));
        }
        _ => facts.add("remaining", run.remaining_secs.map_or_else(|| "not known yet".to_owned(), human::duration::duration)),
    }
    facts.add("scanned", nouns(totals.scanned, "item", "items"));
    facts.add("stored", format!("{}, {}", nouns(totals.stored, "item", "items"), human::size::size(totals.bytes)));
    if totals.excluded > 0 {
        facts.add("excluded", format!("{} that the filter leaves out", nouns(totals.excluded, "item", "items")));
    }
    facts.add("failed", nouns(totals.failed, "item", "items"));
    facts.add("deleted", format!("{} at the source", nouns(totals.deleted, "item", "items")));
    facts.add("new", format!("{} that the storage did not hold, before compression", human::size::size(totals.new_bytes)));
    facts.add("speed", format!("{}, {:.1} items/s", human::size::rate(run.bytes_per_sec), run.items_per_sec));
    if run.throttled_secs > 0 {
        facts.add("throttled", format!("{} at the server's request", human::duration::duration(run.throttled_secs)));
    }
    if let Some(slots) = run.slots.filter(|_| run.ended.is_none()) {
        facts.add("connection", crate::connection::slots_text(&slots));
    }
    facts.show(output)?;
    let headings = ["MAILBOX", "PHASE", ">KNOWN", ">STORED", ">UNCHANGED", ">EXCLUDED", ">FAILED", ">LEFT", ">BYTES"];
    let mut table = Table::new(&headings).missable(&["EXCLUDED", "UNCHANGED", "PHASE"]);
    for mailbox in &run.mailboxes {
        let paint = match mailbox.phase.as_str() {
            "failed" => Paint::Bad,
            _ if mailbox.failed > 0 => Paint::Warning,
            "done" => Paint::Good,
            _ => Paint::Plain,
        };
        table.row(vec![
            (&mailbox.address).into(),
            Cell::painted(paint, &mailbox.phase),
            count(mailbox.known).into(),
            count(mailbox.stored).into(),
            count(mailbox.unchanged).into(),
            count(mailbox.excluded).into(),
            count(mailbox.failed).into(),
            count(mailbox.left).into(),
            human::size::size(mailbox.bytes).into(),
        ]);
    }
    if !table.is_empty() {
        output.line("")?;
        output.table(&table)?;
    }
    if !run.problems.is_empty() {
        output.line("\nproblems")?;
    }
    for problem in &run.problems {
        output.line(&format!("  {}", human::text::line(&super::outcome::problem_text(problem))))?;
        if !problem.hint.is_empty() {
            output.line(&format!("    hint: {}", human::text::line(&problem.hint)))?;
        }
    }
    Ok(())
}
