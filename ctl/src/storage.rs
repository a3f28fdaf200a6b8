//! `c2bctl storage`: where backups are kept.

mod care;

use crate::connection::absolute;
use crate::delete::{DeleteArgs, delete};
use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::human;
use crate::list::list;
use crate::noun::{NameArgs, Noun, parse_name};
use crate::output::Paint;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::storage::{StorageCreate, StorageInfo};
use clap::{Args, Subcommand};
use std::path::PathBuf;

const EXAMPLES_CREATE: &str = "\
A folder that is missing or empty becomes a storage; a folder that is one already is attached.

Examples:
  c2bctl storage create archive --path /srv/backup/archive";
const EXAMPLES_LIST: &str = "Examples:\n  c2bctl storage list\n  c2bctl --json storage list | jq -r '.[].path'";
const EXAMPLES_SHOW: &str = "Examples:\n  c2bctl storage show archive";
const EXAMPLES_CHECK: &str = "\
Exit code 0 when all is well, 1 when something is damaged: it is listed by mailbox, folder, subject and date.

Examples:
  c2bctl storage check archive
  c2bctl storage check archive --read-data";
const EXAMPLES_REBUILD: &str = "\
The index can always be made anew from the data files. Exit code 3 when some of them could not be used.

Examples:
  c2bctl storage rebuild archive";
const EXAMPLES_DELETE: &str = "\
The files stay where they are; `storage create` with the same path attaches them again.

Examples:
  c2bctl storage delete archive
  c2bctl storage delete archive --yes";

#[derive(Subcommand, Debug)]
pub(crate) enum StorageCommand {
    Create(CreateArgs),
    /// List all storages
    #[command(after_help = EXAMPLES_LIST)]
    List,
    /// Show a storage: size, counts, savings, free space
    #[command(after_help = EXAMPLES_SHOW)]
    Show(NameArgs),
    Check(CheckArgs),
    /// Make the index of a storage anew from its data files
    #[command(after_help = EXAMPLES_REBUILD)]
    Rebuild(NameArgs),
    /// Forget a storage; its files stay
    #[command(after_help = EXAMPLES_DELETE)]
    Delete(DeleteArgs),
}

/// Make a storage, or attach one that exists
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CREATE)]
pub(crate) struct CreateArgs {
    /// Its distinct name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Its folder
    #[arg(long, value_name = "DIR")]
    path: PathBuf,
}

/// Find out whether a storage is whole
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CHECK)]
pub(crate) struct CheckArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Read and verify every byte, not only the structure
    #[arg(long)]
    read_data: bool,
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &StorageCommand) -> Result<Exit, Error> {
    match command {
        StorageCommand::Create(args) => create(session, args).await,
        StorageCommand::List => list(session, Noun::Storage, table).await,
        StorageCommand::Show(args) => show(session, &args.name).await,
        StorageCommand::Check(args) => care::check(session, &args.name, args.read_data).await,
        StorageCommand::Rebuild(args) => care::rebuild(session, &args.name).await,
        StorageCommand::Delete(args) => delete(session, Noun::Storage, args, "its files stay where they are").await,
    }
}

/// Makes the table of storages.
pub(crate) fn table(storages: &[StorageInfo]) -> Table {
    let headings = &["STORAGE", "PATH", "STATE", ">MAILBOXES", ">ITEMS", ">MAIL", ">ON DISK", ">FREE", "LAST COMMIT", "JOBS"];
    let mut table = Table::new(headings).missable(&["JOBS", "MAILBOXES", "MAIL"]);
    for storage in storages {
        table.row(vec![
            (&storage.name).into(),
            storage.path.to_string_lossy().into(),
            storage.problem.as_ref().map_or_else(|| Cell::painted(Paint::Good, "ok"), |problem| Cell::painted(Paint::Bad, problem)),
            human::count::count(storage.mailboxes).into(),
            human::count::count(storage.items).into(),
            human::size::size(storage.logical_bytes).into(),
            human::size::size(storage.stored_bytes).into(),
            human::size::size(storage.free_bytes).into(),
            human::time::time_or_dash(storage.last_commit).into(),
            storage.jobs.join(", ").into(),
        ]);
    }
    table
}

async fn create(session: &Session, args: &CreateArgs) -> Result<Exit, Error> {
    let request = StorageCreate { name: args.name.clone(), path: absolute(&args.path)? };
    let info: StorageInfo = session.create(Noun::Storage, &request).await?;
    if session.output.is_json() {
        session.output.value(&info)?;
    }
    let path = info.path.display();
    session.output.done(&match info.versions {
        0 => format!("made storage {} in {path}", info.name),
        _ => format!("attached storage {} in {path}: {}, {}", info.name, mailboxes(&info), items(&info)),
    })?;
    Ok(Exit::OK)
}

async fn show(session: &Session, name: &str) -> Result<Exit, Error> {
    let info: StorageInfo = session.get_object(Noun::Storage, name, "").await?;
    if session.output.is_json() {
        session.output.value(&info)?;
        return Ok(Exit::OK);
    }
    session.output.line(&format!("storage {}", session.output.paint(Paint::Strong, &human::text::line(&info.name))))?;
    let mut facts = Facts::default();
    facts.add("path", info.path.to_string_lossy());
    match &info.problem {
        Some(problem) => facts.add_painted("state", Paint::Bad, problem),
        None => {
            facts.add_painted("state", Paint::Good, "ok");
            facts.add("holds", format!("{}, {}, {}", mailboxes(&info), items(&info), human::count::nouns(info.versions, "version", "versions")));
            facts.add("mail", format!("{} when every version is counted whole", human::size::size(info.logical_bytes)));
            facts.add("on disk", format!("{}{}", human::size::size(info.stored_bytes), savings(&info)));
            facts.add("last commit", human::time::time_or_dash(info.last_commit));
        }
    }
    facts.add("free space", human::size::size(info.free_bytes));
    facts.add("jobs", if info.jobs.is_empty() { "none".to_owned() } else { info.jobs.join(", ") });
    if let Some(uuid) = &info.uuid {
        facts.add("identity", format!("{uuid}, format {}", info.format));
    }
    facts.show(&session.output)?;
    Ok(Exit::OK)
}

fn mailboxes(info: &StorageInfo) -> String {
    human::count::nouns(info.mailboxes, "mailbox", "mailboxes")
}

fn items(info: &StorageInfo) -> String {
    human::count::nouns(info.items, "item", "items")
}

/// Returns what deduplication and compression saved, when there is something to tell.
fn savings(info: &StorageInfo) -> String {
    match info.stored_bytes.saturating_mul(100).checked_div(info.logical_bytes) {
        Some(percent) if info.stored_bytes > 0 => format!(" ({percent} % of it)"),
        Some(_) | None => String::new(),
    }
}
