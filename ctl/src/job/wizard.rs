//! `c2bctl job new`: a job made by answering questions, in any order, from what the server has.
//!
//! It makes the same definition as flags and files do. Nothing is saved before the summary was seen.

mod draft;
mod steps;

use crate::ask;
use crate::error::Error;
use crate::exit::Exit;
use crate::job::show;
use crate::noun::Noun;
use crate::session::Session;
use c2b_api::ErrorCode;
use c2b_api::connection::ConnectionInfo;
use c2b_api::job::{JobStart, JobStatus};
use c2b_api::route;
use c2b_api::storage::StorageInfo;
use clap::Args;
use draft::Draft;
use inquire::{Confirm, InquireError, Select};
use std::fmt;

const EXAMPLES: &str = "\
Needs a terminal. Steps can be visited in any order, and again; Esc goes back to the list of steps. The same can be
said with flags (`c2bctl job create --help`) or in a file (`c2bctl job apply --help`).

Examples:
  c2bctl job new
  c2bctl job new nightly";

/// What is said below the list of steps.
const HELP: &str = "up and down to move, enter to choose, Esc to leave";

/// Make a job by answering questions
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct NewArgs {
    /// Its distinct name
    #[arg(value_parser = crate::noun::parse_name)]
    name: Option<String>,
}

/// What there is to choose from.
struct Known {
    connections: Vec<String>,
    storages: Vec<String>,
    jobs: Vec<String>,
}

/// A step of the wizard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Name,
    Connection,
    Mailboxes,
    PublicFolders,
    Storage,
    Continuity,
    Activity,
    Age,
    Folders,
    Save,
    Leave,
}

impl Step {
    const ALL: [Self; 11] = [
        Self::Name,
        Self::Connection,
        Self::Mailboxes,
        Self::PublicFolders,
        Self::Storage,
        Self::Continuity,
        Self::Activity,
        Self::Age,
        Self::Folders,
        Self::Save,
        Self::Leave,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Connection => "Connection",
            Self::Mailboxes => "Mailboxes",
            Self::PublicFolders => "Public folders",
            Self::Storage => "Storage",
            Self::Continuity => "Runs",
            Self::Activity => "Active",
            Self::Age => "Items",
            Self::Folders => "Folders left out",
            Self::Save => "Save ...",
            Self::Leave => "Leave without saving",
        }
    }
}

/// A step as the list shows it.
struct Row {
    step: Step,
    value: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() { f.write_str(self.step.words()) } else { write!(f, "{:<18}{}", self.step.words(), self.value) }
    }
}

/// Asks until a job is saved or given up.
pub(super) async fn run(session: &Session, args: &NewArgs) -> Result<Exit, Error> {
    if !ask::can_ask() || session.output.is_json() {
        return Err(Error::usage("`job new` asks questions, and there is no terminal to ask on", "use `c2bctl job create` or `c2bctl job apply`"));
    }
    let known = known(session).await?;
    let mut draft = Draft::new(args.name.clone(), &known.connections, &known.storages);
    let mut at = 0;
    loop {
        let rows: Vec<Row> = Step::ALL.into_iter().map(|step| Row { step, value: draft.value(step) }).collect();
        let asked = Select::new("New job", rows).with_starting_cursor(at).with_page_size(Step::ALL.len()).without_filtering().with_help_message(HELP);
        let chosen = asked.raw_prompt();
        let Some(chosen) = answer(chosen)? else { return Err(left()) };
        at = chosen.index;
        match chosen.value.step {
            Step::Leave => return Err(left()),
            Step::Save => match draft.missing() {
                Some(step) => {
                    session.output.note(&format!("{} is still to be said", step.words()));
                    at = place(step);
                }
                None => {
                    if let Some(job) = save(session, &draft).await? {
                        return finish(session, &job).await;
                    }
                }
            },
            step => {
                // A server that does not answer is no reason to lose what was said.
                match steps::ask(session, step, &mut draft, &known).await {
                    Ok(true) => at += 1,
                    Ok(false) => {}
                    Err(error @ (Error::Api(_) | Error::Usage { .. })) => session.output.failure(&error),
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

async fn known(session: &Session) -> Result<Known, Error> {
    let connections: Vec<ConnectionInfo> = session.ask(&route::connection::LIST).await?;
    let storages: Vec<StorageInfo> = session.ask(&route::storage::LIST).await?;
    let known = Known {
        connections: connections.into_iter().map(|connection| connection.name).collect(),
        storages: storages.into_iter().map(|storage| storage.name).collect(),
        jobs: session.names(Noun::Job).await?,
    };
    if known.connections.is_empty() {
        return Err(Error::usage(
            "there is no connection yet: a job reads from one",
            "make it with `c2bctl connection create`; see `c2bctl connection create --help`",
        ));
    }
    if known.storages.is_empty() {
        return Err(Error::usage("there is no storage yet: a job writes to one", "make it with `c2bctl storage create`; see `c2bctl storage create --help`"));
    }
    Ok(known)
}

/// Shows the summary and saves; nothing when the person wants to change something, or the daemon refuses.
async fn save(session: &Session, draft: &Draft) -> Result<Option<JobStatus>, Error> {
    let definition = draft.definition();
    session.output.line("")?;
    show::definition(&session.output, &definition)?;
    session.output.line("")?;
    if answer(Confirm::new("Save this job?").with_default(true).prompt())? != Some(true) {
        return Ok(None);
    }
    match session.tell::<_, JobStatus>(&route::job::CREATE, &definition).await {
        Ok(job) => Ok(Some(job)),
        Err(error @ Error::Api(_)) => {
            session.output.failure(&error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Says what was made, and asks whether to start it where nothing else does.
async fn finish(session: &Session, job: &JobStatus) -> Result<Exit, Error> {
    let name = &job.definition.name;
    if job.definition.activity.is_some() {
        let next = if job.next_run.is_some() { format!("it {}", job.detail) } else { "it runs in its activity periods".to_owned() };
        session.output.done(&format!("made job {name}; {next}"))?;
        return Ok(Exit::OK);
    }
    session.output.done(&format!("made job {name}"))?;
    if answer(Confirm::new("Start it now?").with_default(true).prompt())? != Some(true) {
        session.output.done(&format!("it does not run yet: start it with `c2bctl job start {name}`"))?;
        return Ok(Exit::OK);
    }
    let started: Result<JobStatus, Error> = session.tell_of(&route::job::START, name, &JobStart::default()).await;
    match started {
        Err(Error::Api(error)) if error.code == ErrorCode::State => {}
        started => drop(started?),
    }
    session.output.done(&format!("started job {name}; see how it goes with `c2bctl job watch {name}`"))?;
    Ok(Exit::OK)
}

fn place(step: Step) -> usize {
    Step::ALL.iter().position(|one| *one == step).unwrap_or(0)
}

fn left() -> Error {
    Error::Declined("no job was made".to_owned())
}

/// Returns what was answered; nothing when the person went back.
fn answer<T>(answered: Result<T, InquireError>) -> Result<Option<T>, Error> {
    match answered {
        Ok(value) => Ok(Some(value)),
        Err(InquireError::OperationCanceled) => Ok(None),
        Err(InquireError::OperationInterrupted) => Err(left()),
        Err(error) => Err(Error::Ask(std::io::Error::other(error))),
    }
}
