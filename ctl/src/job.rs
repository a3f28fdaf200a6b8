//! `c2bctl job`: what is backed up, from where to where, and how it goes.

mod activity;
mod apply;
mod coverage;
mod definition;
mod editor;
mod failures;
mod history;
mod name;
mod outcome;
mod schedule;
mod show;
mod watch;
mod wizard;

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
use c2b_api::job::{Continuity, JobEdit, JobStart, JobState, JobStatus};
use c2b_api::route;
use clap::{Args, Subcommand};
use definition::{CreateArgs, EditArgs};

const EXAMPLES_LIST: &str = "Examples:\n  c2bctl job list\n  c2bctl --json job list \\\n      | jq -r '.[] | select(.state == \"error\") | .definition.name'";
const EXAMPLES_START: &str = "\
With --wait, the exit code says how the run ended: 0 finished, 3 finished with warnings,
5 sign-in or rights, 7 low space, 1 any other error. A continuous job runs until it is stopped. When the job runs already, that run
is waited for. Ctrl-C ends the waiting, not the job.

A job with activity periods runs in them by itself. Outside of them it is refused with the time of the
next one, unless --now has it run all the same, for one cycle. One that was stopped, or is done, follows
its periods again when it is started.

Examples:
  c2bctl job start nightly
  c2bctl job start nightly --wait
  c2bctl job start nightly --now
  c2bctl --json job start nightly --wait | jq .state";
const EXAMPLES_STOP: &str = "\
What was fetched is kept; the next start goes on from there.

Examples:
  c2bctl job stop nightly";
const EXAMPLES_DELETE: &str = "Examples:\n  c2bctl job delete nightly\n  c2bctl job delete nightly --yes";
const EXAMPLES_DISABLE: &str = "Examples:\n  c2bctl job disable nightly";
const EXAMPLES_ENABLE: &str = "\
A job with activity periods runs in the next one; another one waits for `c2bctl job start`.

Examples:
  c2bctl job enable nightly";
const EXAMPLES_WATCH: &str = "\
Without a name, all jobs that run now are watched. The exit code says how the run ended, as with
`job start --wait`.

Examples:
  c2bctl job watch
  c2bctl job watch nightly
  c2bctl --json job watch nightly | jq -r '.run.\"cycle-totals\".stored'";
#[derive(Subcommand, Debug)]
pub(crate) enum JobCommand {
    New(wizard::NewArgs),
    Create(Box<CreateArgs>),
    Apply(apply::ApplyArgs),
    /// List all jobs
    #[command(after_help = EXAMPLES_LIST)]
    List,
    Show(show::ShowArgs),
    Start(StartArgs),
    /// Stop a job
    #[command(after_help = EXAMPLES_STOP)]
    Stop(NameArgs),
    Edit(Box<EditArgs>),
    Copy(name::CopyArgs),
    Rename(name::RenameArgs),
    /// Delete a job that does not run; what it backed up stays
    #[command(after_help = EXAMPLES_DELETE)]
    Delete(DeleteArgs),
    /// Keep a job from running, whoever or whatever would start it; one that runs is stopped
    #[command(after_help = EXAMPLES_DISABLE)]
    Disable(NameArgs),
    /// Let a disabled job run again
    #[command(after_help = EXAMPLES_ENABLE)]
    Enable(NameArgs),
    Schedule(schedule::ScheduleArgs),
    Watch(WatchArgs),
    History(history::HistoryArgs),
    Failures(failures::FailuresArgs),
    Coverage(coverage::CoverageArgs),
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
    /// Run one cycle outside of the activity periods, too
    #[arg(long)]
    now: bool,
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
        JobCommand::New(args) => wizard::run(session, args).await,
        JobCommand::Apply(args) => apply::run(session, args).await,
        JobCommand::Copy(args) => name::copy(session, args).await,
        JobCommand::Rename(args) => name::rename(session, args).await,
        JobCommand::History(args) => history::run(session, args).await,
        JobCommand::List => list(session, Noun::Job, table).await,
        JobCommand::Show(args) => show::run(session, args).await,
        JobCommand::Start(args) => start(session, args).await,
        JobCommand::Stop(args) => stop(session, &args.name).await,
        JobCommand::Edit(args) => edit(session, args).await,
        JobCommand::Delete(args) => delete(session, Noun::Job, args, "what it backed up stays in its storage").await,
        JobCommand::Disable(args) => disable(session, &args.name, true).await,
        JobCommand::Enable(args) => disable(session, &args.name, false).await,
        JobCommand::Schedule(args) => schedule::run(session, args).await,
        JobCommand::Watch(args) => watch::watch(session, args.name.as_deref()).await,
        JobCommand::Failures(args) => failures::run(session, args).await,
        JobCommand::Coverage(args) => coverage::run(session, args).await,
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
    let definition = args.definition()?;
    let job: JobStatus = match session.tell(&route::job::CREATE, &definition).await {
        Ok(job) => job,
        Err(error) => return Err(add_nearest_part(session, Some(&definition.connection), Some(&definition.storage), error).await),
    };
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    let name = &job.definition.name;
    session.output.done(&match (&job.definition.activity, job.next_run) {
        _ if job.definition.disabled => format!("made job {name}; it is disabled: let it run with `c2bctl job enable {name}`"),
        (None, _) => format!("made job {name}; it does not run yet: start it with `c2bctl job start {name}`"),
        (Some(_), Some(_)) => format!("made job {name}; it {}", job.detail),
        (Some(_), None) if schedule::periods(session, name, 1).await?.periods.is_empty() => {
            format!("made job {name}; no activity period of it comes any more: give it others with `c2bctl job edit {name}`")
        }
        (Some(_), None) => format!("made job {name}; its activity period is open, and it starts now"),
    })?;
    Ok(Exit::OK)
}

async fn start(session: &Session, args: &StartArgs) -> Result<Exit, Error> {
    let job: JobStatus = match session.tell_of(&route::job::START, &args.name, &JobStart { now: args.now }).await {
        Ok(job) if is_armed(&job) => {
            if session.output.is_json() {
                session.output.value(&job)?;
            }
            session.output.done(&format!("job {} follows its activity periods again: it {}", args.name, job.detail))?;
            return Ok(Exit::OK);
        }
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

/// Returns whether a start let the job follow its activity periods again, and it does not run yet.
fn is_armed(job: &JobStatus) -> bool {
    !job.running && job.definition.activity.is_some() && job.next_run.is_some()
}

/// Returns whether a start was refused because the job runs.
async fn is_running(session: &Session, name: &str, error: &Error) -> bool {
    let refused = matches!(error, Error::Api(error) if error.code == ErrorCode::State);
    refused && session.ask_of::<JobStatus>(&route::job::SHOW, name).await.is_ok_and(|job| job.running)
}

async fn stop(session: &Session, name: &str) -> Result<Exit, Error> {
    let job: JobStatus = session.ask_of(&route::job::STOP, name).await?;
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    let next = if job.definition.activity.is_some() { ", and follows its activity periods again" } else { "" };
    session.output.done(&format!("stopped job {name}; what was fetched is kept, and the next start goes on from there{next}"))?;
    Ok(Exit::OK)
}

async fn disable(session: &Session, name: &str, disabled: bool) -> Result<Exit, Error> {
    let edit = JobEdit { disabled: Some(disabled), stop: true, ..JobEdit::default() };
    let job: JobStatus = session.tell_of(&route::job::EDIT, name, &edit).await?;
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    let next = match (&job.definition.activity, disabled) {
        (_, true) => "disabled job {name}; `c2bctl job enable {name}` lets it run again",
        (Some(_), false) => "enabled job {name}; it runs in its activity periods",
        (None, false) => "enabled job {name}; start it with `c2bctl job start {name}`",
    };
    session.output.done(&next.replace("{name}", name))?;
    Ok(Exit::OK)
}

async fn edit(session: &Session, args: &EditArgs) -> Result<Exit, Error> {
    if !args.is_given() {
        return editor::run(session, &args.name, args.stop).await;
    }
    // Flags that change only a part of the activity periods need the rest.
    let before = if args.activity.is_given() { session.ask_of::<JobStatus>(&route::job::SHOW, &args.name).await?.definition.activity } else { None };
    let mut edit = args.edit(before)?;
    let mut answer: Result<JobStatus, Error> = session.tell_of(&route::job::EDIT, &args.name, &edit).await;
    let refused = matches!(&answer, Err(Error::Api(error)) if error.code == ErrorCode::State);
    if refused && !edit.stop && ask::can_ask() {
        if !ask::confirm(&format!("Job {} is running. Stop it for the edit and start it again?", args.name))? {
            return Err(Error::Declined(format!("the edit is discarded; job {} runs on as it was", args.name)));
        }
        edit.stop = true;
        answer = session.tell_of(&route::job::EDIT, &args.name, &edit).await;
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
