//! `c2bctl storage erase`, `erased` and `allow`: a mailbox is gone from all history, and there is a record of it.

use super::follow::{Long, follow};
use crate::ask;
use crate::error::Error;
use crate::exit::Exit;
use crate::human::count::{count, nouns};
use crate::human::size::size;
use crate::human::time::time;
use crate::noun::{NameArgs, parse_name};
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::route;
use c2b_api::storage::{ErasedInfo, StorageAllow, StorageErase, StorageEraseReport};
use clap::Args;

const EXAMPLES_ERASE: &str = "\
The mailbox is gone from every moment at once. In a sealed storage its key is destroyed, so that nothing that is left \
of it on the disk can be read any more. What other mailboxes hold too stays with them, and copies made by `storage copy` \
lose the mailbox when they are next brought up to date. A record says what was erased, when and by whom, and keeps \
cycles from bringing the mailbox back until `storage allow`.

Examples:
  c2bctl storage erase archive alice@example.org --dry-run
  c2bctl storage erase archive alice@example.org";
const EXAMPLES_ERASED: &str = "Examples:\n  c2bctl storage erased archive\n  c2bctl --json storage erased archive | jq -r '.[].mailbox'";
const EXAMPLES_ALLOW: &str = "\
The next cycle backs the mailbox up from nothing; what was erased stays erased.

Examples:
  c2bctl storage allow archive alice@example.org";

/// Erase a mailbox from all history of a storage
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_ERASE)]
pub(crate) struct EraseArgs {
    /// The storage's name
    #[arg(value_parser = parse_name)]
    name: String,
    /// The mailbox's address
    mailbox: String,
    /// Erase nothing; say what would be lost
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// List the mailboxes that were erased: what, when, by whom
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_ERASED)]
pub(crate) struct ErasedArgs {
    #[command(flatten)]
    storage: NameArgs,
}

/// Let an erased mailbox be backed up again
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_ALLOW)]
pub(crate) struct AllowArgs {
    /// The storage's name
    #[arg(value_parser = parse_name)]
    name: String,
    /// The mailbox's address
    mailbox: String,
}

/// Erases a mailbox after a question that says what is lost.
pub(super) async fn erase(session: &Session, args: &EraseArgs) -> Result<Exit, Error> {
    let EraseArgs { name, mailbox, .. } = args;
    if args.dry_run {
        let plan = ask_daemon(session, name, mailbox, true).await?;
        session.output.done(&format!("would erase {mailbox} from storage {name}: {} would be lost for ever; nothing was done", lost(&plan)))?;
        return Ok(Exit::OK);
    }
    if !args.yes {
        // Looked up for the question only: the answer of the command is what was erased.
        let plan = ask_daemon(&session.quietly(), name, mailbox, true).await?;
        let consequence = format!("{} are lost for ever", lost(&plan));
        let step = ask::Step {
            question: format!("Erase {mailbox} from storage {name} ({consequence})?"),
            doing: format!("erasing {mailbox}"),
            consequence: &consequence,
            declined: format!("{mailbox} stays in storage {name}"),
        };
        ask::agree(false, step)?;
    }
    let report = ask_daemon(session, name, mailbox, false).await?;
    let output = &session.output;
    output.done(&format!("erased {mailbox} from storage {name}: {} are lost for ever", lost(&report)))?;
    output.done(&format!("{} freed on disk; {} stay with other mailboxes that hold the same", size(report.freed_bytes), size(report.shared_bytes)))?;
    Ok(Exit::OK)
}

/// Lists the records of erasures.
pub(super) async fn erased(session: &Session, args: &ErasedArgs) -> Result<Exit, Error> {
    let name = &args.storage.name;
    let records: Vec<ErasedInfo> = session.ask_of(&route::storage::ERASED, name).await?;
    if session.output.is_json() {
        session.output.value(&records)?;
        return Ok(Exit::OK);
    }
    session.output.table(&table(&records))?;
    if records.is_empty() {
        session.output.note(&format!("nothing was erased from storage {name}"));
    }
    Ok(Exit::OK)
}

/// Lets a mailbox be backed up again.
pub(super) async fn allow(session: &Session, args: &AllowArgs) -> Result<Exit, Error> {
    let AllowArgs { name, mailbox } = args;
    let records: Vec<ErasedInfo> = session.tell_of(&route::storage::ALLOW, name, &StorageAllow { mailbox: mailbox.clone() }).await?;
    if session.output.is_json() {
        session.output.value(&records)?;
    }
    session.output.done(&format!("{mailbox} may be backed up to storage {name} again, from nothing; what was erased stays erased"))?;
    Ok(Exit::OK)
}

async fn ask_daemon(session: &Session, name: &str, mailbox: &str, dry_run: bool) -> Result<StorageEraseReport, Error> {
    let request = StorageErase { mailbox: mailbox.to_owned(), dry_run };
    let interrupted = "an erasure that has begun is ended by the daemon: see `c2bctl storage erased`";
    follow(session, Long { name, route: &route::storage::ERASE, body: Some(&request), verb: "erasing in", interrupted }).await
}

fn lost(report: &StorageEraseReport) -> String {
    let (items, versions) = (nouns(report.items, "item", "items"), nouns(report.versions, "version", "versions"));
    format!("{items} and {versions} in {}, {}", nouns(report.folders, "folder", "folders"), size(report.logical_bytes))
}

fn table(records: &[ErasedInfo]) -> Table {
    let mut table = Table::new(&["MAILBOX", "ERASED", "BY", ">ITEMS", ">VERSIONS", "BACKED UP AGAIN"]);
    for record in records {
        let allowed: Cell = if record.allowed { "allowed" } else { "no" }.into();
        table.row(vec![
            (&record.mailbox).into(),
            time(record.time).into(),
            (&record.who).into(),
            count(record.items).into(),
            count(record.versions).into(),
            allowed,
        ]);
    }
    table
}
