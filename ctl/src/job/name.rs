//! `c2bctl job copy` and `job rename`.

use crate::error::Error;
use crate::exit::Exit;
use crate::noun::parse_name;
use crate::session::Session;
use c2b_api::job::{JobStatus, NewName};
use c2b_api::route::{self, Route};
use clap::Args;

const EXAMPLES_COPY: &str = "\
The copy has the settings, and nothing of what the job did; it does not run unless its activity periods start it.

Examples:
  c2bctl job copy nightly weekly && c2bctl job edit weekly --weekly saturday";
const EXAMPLES_RENAME: &str = "\
What it backed up, its history and its list of failures follow. Refused while it runs.

Examples:
  c2bctl job rename nightly all-mailboxes";

/// Make a job like another one
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_COPY)]
pub(crate) struct CopyArgs {
    #[command(flatten)]
    names: Names,
}

/// Give a job another name
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_RENAME)]
pub(crate) struct RenameArgs {
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Debug)]
struct Names {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// The new name
    #[arg(value_name = "NEW", value_parser = parse_name)]
    new: String,
}

/// Copies a job.
pub(super) async fn copy(session: &Session, args: &CopyArgs) -> Result<Exit, Error> {
    let Names { name, new } = &args.names;
    act(session, &args.names, &route::job::COPY, &format!("made job {new} like {name}; change it with `c2bctl job edit {new}`")).await
}

/// Renames a job.
pub(super) async fn rename(session: &Session, args: &RenameArgs) -> Result<Exit, Error> {
    let Names { name, new } = &args.names;
    act(session, &args.names, &route::job::RENAME, &format!("job {name} is {new} from now on")).await
}

async fn act(session: &Session, names: &Names, route: &Route, done: &str) -> Result<Exit, Error> {
    let job: JobStatus = session.tell_of(route, &names.name, &NewName { name: names.new.clone() }).await?;
    if session.output.is_json() {
        session.output.value(&job)?;
    }
    session.output.done(done)?;
    Ok(Exit::OK)
}
