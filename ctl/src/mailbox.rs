//! `c2bctl mailbox`: which mailboxes a connection can list.

use crate::error::Error;
use crate::exit::Exit;
use crate::noun::parse_name;
use crate::output::Paint;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::connection::MailboxInfo;
use c2b_api::route;
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  c2bctl mailbox list main
  c2bctl --json mailbox list main | jq -r '.[].address'";

#[derive(Subcommand, Debug)]
pub(crate) enum MailboxCommand {
    List(ListArgs),
}

/// List the mailboxes of a connection, as its server tells them
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// The connection
    #[arg(value_name = "CONNECTION", value_parser = parse_name, required_unless_present = "connection", conflicts_with = "connection")]
    name: Option<String>,
    /// The connection
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    connection: Option<String>,
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &MailboxCommand) -> Result<Exit, Error> {
    let MailboxCommand::List(args) = command;
    let name = args.name.as_ref().or(args.connection.as_ref()).map(String::as_str).unwrap_or_default();
    let mailboxes: Vec<MailboxInfo> = session.ask_of(&route::connection::MAILBOXES, name).await?;
    if session.output.is_json() {
        session.output.value(&mailboxes)?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["ADDRESS", "NAME", "KIND", "ARCHIVE", "NOT BACKED UP"]).missable(&["NAME"]);
    for mailbox in &mailboxes {
        let archive = match mailbox.archive {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let skipped = mailbox.skipped.as_deref().unwrap_or_default();
        table.row(vec![
            (&mailbox.address).into(),
            (&mailbox.display_name).into(),
            (&mailbox.kind).into(),
            archive.into(),
            Cell::painted(Paint::Warning, skipped),
        ]);
    }
    session.output.table(&table)?;
    let skipped = mailboxes.iter().filter(|mailbox| mailbox.skipped.is_some()).count();
    if skipped > 0 {
        session.output.note(&format!("{skipped} of {} are not backed up by \"all except\"", mailboxes.len()));
    }
    if mailboxes.is_empty() {
        session.output.note(&format!("the server lists no mailboxes: name them with --mailbox, or see `c2bctl connection check {name}`"));
    }
    Ok(Exit::OK)
}
