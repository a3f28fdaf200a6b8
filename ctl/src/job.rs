//! `c2bctl job`: what is backed up, from where to where, and how it goes.

mod definition;
mod failures;
mod outcome;
mod show;
mod watch;

use crate::ask;
use crate::delete::{DeleteArgs, delete};
use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::list::list;
use crate::noun::{NameArgs, Noun, parse_name};
use crate::output::Paint;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::ErrorCode;
use c2b_api::job::{Continuity, JobState, JobStatus};
use clap::{Args, Subcommand};
use definition::{CreateArgs, EditArgs};

const EXAMPLES_LIST: &str = "Examples:\n  c2bctl job list\n  c2bctl --json job list \\\n      | jq -r '.[] | select(.state == \"error\") | .definition.name'";
const EXAMPLES_SHOW: &str = "Examples:\n  c2bctl job show nightly";
const EXAMPLES_START: &str = "\
With --wait, the exit code says how the run ended: 0 finished, 3 finished with warnings,
5 sign-in or rights, 7 low space, 1 any other error. A continuous job runs until it is stopped. When the job runs already, that run
is waited for. Ctrl-C ends the waiting, not the job.

Examples:
  c2bctl job start nightly
  c2bctl job start nightly --wait
  c2bctl --json job start nightly --wait | jq .state";
const EXAMPLES_STOP: &str = "\
What was fetched is kept; the next start goes on from there.

Examples:
  c2bctl job stop nightly";
const EXAMPLES_DELETE: &str = "Examples:\n  c2bctl job delete nightly\n  c2bctl job delete nightly --yes";
const EXAMPLES_WATCH: &str = "\
Without a name, all jobs that run now are watched. The exit code says how the run ended, as with
`job start --wait`.

Examples:
  c2bctl job watch
  c2bctl job watch nightly
  c2bctl --json job watch nightly | jq -r '.run.\"cycle-totals\".stored'";
const EXAMPLES_FAILURES: &str = "\
An item leaves this list when it is stored. Until then it is tried again, at growing intervals.

Examples:
  c2bctl job failures nightly
  c2bctl --json job failures nightly \\
      | jq -r '.[] | [.mailbox, .folder, .subject, .code] | @csv'";

#[derive(Subcommand, Debug)]
pub(crate) enum JobCommand {
    Create(CreateArgs),
    /// List all jobs
    #[command(after_help = EXAMPLES_LIST)]
    List,
    /// Show a job: its summary, its last run, each mailbox
    #[command(after_help = EXAMPLES_SHOW)]
    Show(NameArgs),
    Start(StartArgs),
    /// Stop a job
    #[command(after_help = EXAMPLES_STOP)]
    Stop(NameArgs),
    Edit(EditArgs),
    /// Delete a job that does not run; what it backed up stays
    #[command(after_help = EXAMPLES_DELETE)]
    Delete(DeleteArgs),
    Watch(WatchArgs),
    /// List the items that could not be backed up, and why
    #[command(after_help = EXAMPLES_FAILURES)]
    Failures(NameArgs),
}

/// Start a job
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_START)]
pub(crate) struct StartArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Show progress until the run ends
    #[arg(long)]
    wait: bool,
}

/// Show the progress of a job until its run ends
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_WATCH)]
pub(crate) struct WatchArgs {
    /// Its name; without one, all that run now
    #[arg(value_parser = parse_name)]
    name: Option<String>,
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &JobCommand) -> Result<Exit, Error> {
    match command {
        JobCommand::Create(args) => create(session, args).await,
        JobCommand::List => list(session, Noun::Job, table).await,
        JobCommand::Show(args) => show::run(session, &args.name).await,
        JobCommand::Start(args) => start(session, args).await,
        JobCommand::Stop(args) => stop(session, &args.name).await,
        JobCommand::Edit(args) => edit(session, args).await,
        JobCommand::Delete(args) => delete(session, Noun::Job, args, "what it backed up stays in its storage").await,
        JobCommand::Watch(args) => watch::watch(session, args.name.as_deref()).await,
        JobCommand::Failures(args) => failures::run(session, &args.name).await,
    }
}

/// Makes the table of jobs.
pub(crate) fn table(jobs: &[JobStatus]) -> Table {
    let headings = &["JOB", "TYPE", "STATE", "STORAGE", ">SCANNED", ">STORED", ">FAILED", ">BYTES", ">SPEED", "LAST SUCCESS", "NEXT RUN", "DETAIL"];
    let mut table = Table::new(headings).missable(&["TYPE", "SPEED", "STORAGE", "SCANNED", "NEXT RUN", "BYTES"]).beneath("DETAIL");
    for job in jobs {
        let (paint, state) = state(job.state);
        let run = job.run.clone().unwrap_or_default();
        table.row(vec![
            (&job.definition.name).into(),
            continuity(&job.definition.continuity).into(),
            Cell::painted(paint, state),
            (&job.definition.storage).into(),
            human::count::count(run.totals.scanned).into(),
            human::count::count(run.totals.stored).into(),
            Cell::painted(if job.failures > 0 { Paint::Warning } else { Paint::Plain }, &human::count::count(job.failures)),
            human::size::size(run.totals.bytes).into(),
            human::size::rate(run.bytes_per_sec).into(),
            human::time::time_or_dash(job.last_success).into(),
            human::time::time_or_dash(job.next_run).into(),
            (&job.detail).into(),
        ]);
    }
    table
}

fn state(state: JobState) -> (Paint, &'static str) {
    match state {
        JobState::Inactive => (Paint::Plain, "inactive"),
        JobState::Active => (Paint::Strong, "active"),
        JobState::Finished => (Paint::Good, "finished"),
        JobState::FinishedWithWarnings => (Paint::Warning, "finished with warnings"),
        JobState::Error => (Paint::Bad, "error"),
    }
}

fn continuity(continuity: &Continuity) -> &'static str {
    match continuity {
        Continuity::Continuous { .. } => "continuous",
        Continuity::OneTime => "one-time",
    }
}

async fn create(session: &Session, args: &CreateArgs) -> Result<Exit, Error> {
    let definition = args.definition();
    let job: JobStatus = match session.create(Noun::Job, &definition).await {
        Ok(job) => job,
        Err(error) => return Err(add_nearest_part(session, Some(&definition.connection), Some(&definition.storage), error).await),
    };
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    session.output.done(&format!("made job {0}; it does not run yet: start it with `c2bctl job start {0}`", job.definition.name))?;
    Ok(Exit::OK)
}

async fn start(session: &Session, args: &StartArgs) -> Result<Exit, Error> {
    let job: JobStatus = match session.post_object(Noun::Job, &args.name, "/start").await {
        Ok(_) if args.wait => return watch::wait(session, &args.name).await,
        Ok(job) => job,
        Err(error) if args.wait && is_running(session, &args.name, &error).await => {
            session.output.note(&format!("job {} is running already: this is the run that goes on", args.name));
            return watch::wait(session, &args.name).await;
        }
        Err(error) => return Err(error),
    };
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    session.output.done(&format!("started job {0}; see how it goes with `c2bctl job watch {0}`", args.name))?;
    Ok(Exit::OK)
}

/// Returns whether a start was refused because the job runs.
async fn is_running(session: &Session, name: &str, error: &Error) -> bool {
    let refused = matches!(error, Error::Api(error) if error.code == ErrorCode::State);
    refused && session.get_object::<JobStatus>(Noun::Job, name, "").await.is_ok_and(|job| job.state == JobState::Active)
}

async fn stop(session: &Session, name: &str) -> Result<Exit, Error> {
    let job: JobStatus = session.post_object(Noun::Job, name, "/stop").await?;
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    session.output.done(&format!("stopped job {name}; what was fetched is kept, and the next start goes on from there"))?;
    Ok(Exit::OK)
}

async fn edit(session: &Session, args: &EditArgs) -> Result<Exit, Error> {
    let mut edit = args.edit()?;
    let mut answer: Result<JobStatus, Error> = session.put_object(Noun::Job, &args.name, &edit).await;
    let refused = matches!(&answer, Err(Error::Api(error)) if error.code == ErrorCode::State);
    if refused && !edit.stop && ask::can_ask() {
        if !ask::confirm(&format!("Job {} is running. Stop it for the edit and start it again?", args.name))? {
            return Err(Error::Declined(format!("the edit is discarded; job {} runs on as it was", args.name)));
        }
        edit.stop = true;
        answer = session.put_object(Noun::Job, &args.name, &edit).await;
    }
    let job = match answer {
        Ok(job) => job,
        Err(error) => return Err(add_nearest_part(session, edit.connection.as_deref(), edit.storage.as_deref(), error).await),
    };
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    session.output.done(&format!("changed job {0}; see it with `c2bctl job show {0}`", args.name))?;
    Ok(Exit::OK)
}

/// When a job's connection or storage is what was not found: adds the nearest name of that kind.
async fn add_nearest_part(session: &Session, connection: Option<&str>, storage: Option<&str>, error: Error) -> Error {
    let Error::Api(answer) = &error else { return error };
    if answer.code != ErrorCode::NotFound {
        return error;
    }
    for (noun, name) in [(Noun::Connection, connection), (Noun::Storage, storage)] {
        let Some(name) = name.filter(|name| answer.message.contains(name)) else { continue };
        if session.names(noun).await.is_ok_and(|names| !names.iter().any(|n| n == name)) {
            return session.add_nearest(noun, name, error).await;
        }
    }
    error
}
