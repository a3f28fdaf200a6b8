//! The command line as a whole: what holds for all nouns, and which noun is meant.

use crate::completions::CompletionsArgs;
use crate::connection::ConnectionCommand;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::job::JobCommand;
use crate::mailbox::MailboxCommand;
use crate::metrics::MetricsArgs;
use crate::mount::{MountArgs, UnmountArgs};
use crate::output::Output;
use crate::session::Session;
use crate::socket::SOCKET_DEFAULT;
use crate::status::StatusArgs;
use crate::storage::StorageCommand;
use crate::{completions, connection, job, mailbox, metrics, mount, status, storage};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::env;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  c2bctl connection create main --kind ews --user backup@example.org \\
      --url https://mail.example.org/EWS/Exchange.asmx
  c2bctl storage create archive /srv/backup/archive --seal
  c2bctl job create nightly --connection main --storage archive --all-except --one-time
  c2bctl job start nightly --wait
  c2bctl mount archive /mnt

JSON:
  With --json, standard output holds JSON only: one value, or one value a line for what goes on
  for a while (job watch, job start --wait, storage check, rebuild, repair, prune, free, erase
  and copy). A command that fails before it has an answer prints
  {\"error\":{\"code\",\"message\",\"hint\",\"exit\"}} instead, as the last line of a stream.
  Words for people are on standard error.";

/// Where the help lists what holds for all commands.
const GLOBAL: &str = "Global options";

/// Back up mailboxes, and look at what is backed up
#[derive(Parser, Debug)]
#[command(name = "c2bctl", version, after_help = format!("{EXAMPLES}\n\n{}", exit::HELP), max_term_width = 120)]
pub(crate) struct Cli {
    /// The daemon's socket
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "PATH", env = "C2B_SOCKET", hide_env_values = true, default_value = SOCKET_DEFAULT)]
    socket: PathBuf,
    /// Answer in JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Say nothing but answers and errors
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Status(StatusArgs),
    /// Where mail comes from
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Where backups are kept
    #[command(subcommand)]
    Storage(StorageCommand),
    /// What is backed up, from where to where, and how it goes
    #[command(subcommand)]
    Job(JobCommand),
    /// The mailboxes of a connection
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    Mount(MountArgs),
    Unmount(UnmountArgs),
    Metrics(MetricsArgs),
    Completions(CompletionsArgs),
}

/// Reads the arguments; says what is wrong with them, or the help, itself.
pub(crate) fn parse() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        // When the stream is gone there is nobody left to tell.
        let _ = error.print();
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Exit::OK;
        }
        if env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json") {
            let (message, hint) = sentences(&error.render().to_string());
            let _ = Output::new(true, false).value(&Error::usage(message, hint).json());
        }
        Exit::USAGE
    })
}

impl Cli {
    /// Does what the arguments say.
    pub(crate) async fn run(&self, output: Output) -> Result<Exit, Error> {
        if let Command::Completions(args) = &self.command {
            return completions::run(args, &output);
        }
        let session = Session::new(&self.socket, output)?;
        match &self.command {
            Command::Status(args) => status::run(&session, args).await,
            Command::Connection(command) => connection::run(&session, command).await,
            Command::Storage(command) => storage::run(&session, command).await,
            Command::Job(command) => job::run(&session, command).await,
            Command::Mailbox(command) => mailbox::run(&session, command).await,
            Command::Metrics(args) => metrics::run(&session, args).await,
            Command::Mount(args) => mount::mount(&session, args).await,
            Command::Unmount(args) => mount::unmount(&session.output, args).await,
            Command::Completions(args) => completions::run(args, &session.output),
        }
    }
}

/// Takes clap's message apart: what is wrong in one sentence, and its tip.
fn sentences(text: &str) -> (String, String) {
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let message: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let tip = lines.find_map(|line| line.strip_prefix("tip: ")).unwrap_or("see `c2bctl --help`");
    (message.join(" ").trim_start_matches("error: ").to_owned(), tip.to_owned())
}
