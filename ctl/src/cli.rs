//! The command line as a whole: what holds for all nouns, and which noun is meant.

use crate::access::AccessCommand;
use crate::alert::AlertCommand;
use crate::api::ApiCommand;
use crate::audit::AuditCommand;
use crate::completions::CompletionsArgs;
use crate::config::ConfigCommand;
use crate::connection::ConnectionCommand;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::explain::ExplainArgs;
use crate::human;
use crate::job::JobCommand;
use crate::mailbox::MailboxCommand;
use crate::man::ManArgs;
use crate::metrics::MetricsArgs;
use crate::monitor::MonitorArgs;
use crate::mount::{MountArgs, UnmountArgs};
use crate::output::Output;
use crate::session::Session;
use crate::socket::SOCKET_DEFAULT;
use crate::status::StatusArgs;
use crate::storage::StorageCommand;
use crate::{access, alert, api, audit, completions, config, connection, explain, job, mailbox, man, metrics, monitor, mount, status, storage};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::env;
use std::io::{self, Write};
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
  Words for people are on standard error. The JSON is that of the daemon's socket, of the version that
  `c2bctl status --json` shows as api-version: keys may be added, and are neither renamed nor removed
  (`c2bctl api schema`).";

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
    /// Definition files
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What is wrong now, and who is told of it
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Who may do what
    #[command(subcommand)]
    Access(AccessCommand),
    /// Who did what, and who was refused
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What programs speak with the daemon
    #[command(subcommand)]
    Api(ApiCommand),
    Explain(ExplainArgs),
    Mount(MountArgs),
    Unmount(UnmountArgs),
    Metrics(MetricsArgs),
    Monitor(MonitorArgs),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Man(ManArgs),
}

/// Reads the arguments; says what is wrong with them, or the help, itself.
pub(crate) fn parse() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        tell(&error);
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Exit::OK;
        }
        let has = |word: &str| env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == word);
        if has("--json") {
            let (message, hint) = sentences(&error.render().to_string());
            let _ = Output::new(true, false).value(&Error::usage(message, hint).json());
        }
        // Whoever monitors takes 2 for a backup that is in danger.
        if has("monitor") { monitor::UNKNOWN } else { Exit::USAGE }
    })
}

impl Cli {
    /// Does what the arguments say.
    pub(crate) async fn run(&self, output: Output) -> Result<Exit, Error> {
        if let Command::Completions(args) = &self.command {
            return completions::run(args, &output);
        }
        if let Command::Config(ConfigCommand::Check(args)) = &self.command {
            return config::check(&output, args);
        }
        if let Command::Api(command) = &self.command {
            return api::run(command, &output);
        }
        if let Command::Explain(args) = &self.command {
            return explain::run(args, &output);
        }
        if let Command::Man(args) = &self.command {
            return man::run(args);
        }
        let session = Session::new(&self.socket, output)?;
        match &self.command {
            Command::Status(args) => status::run(&session, args).await,
            Command::Connection(command) => connection::run(&session, command).await,
            Command::Storage(command) => storage::run(&session, command).await,
            Command::Job(command) => job::run(&session, command).await,
            Command::Mailbox(command) => mailbox::run(&session, command).await,
            Command::Alert(command) => alert::run(&session, command).await,
            Command::Access(command) => access::run(&session, command).await,
            Command::Audit(command) => audit::run(&session, command).await,
            Command::Metrics(args) => metrics::run(&session, args).await,
            Command::Monitor(args) => monitor::run(&session, args).await,
            Command::Mount(args) => mount::mount(&session, args).await,
            Command::Unmount(args) => mount::unmount(&session.output, args).await,
            Command::Config(ConfigCommand::Check(args)) => config::check(&session.output, args),
            Command::Config(ConfigCommand::Show(args)) => config::show::run(&session, args).await,
            Command::Completions(args) => completions::run(args, &session.output),
            Command::Api(command) => api::run(command, &session.output),
            Command::Explain(args) => explain::run(args, &session.output),
            Command::Man(args) => man::run(args),
        }
    }
}

/// Prints what clap says; when the stream is gone there is nobody left to tell. What was typed is in it, and must not command
/// the terminal.
fn tell(error: &clap::Error) {
    let text = error.render().to_string();
    let safe: Vec<String> = text.split('\n').map(human::text::line).collect();
    let safe = safe.join("\n");
    if safe == text {
        let _ = error.print();
    } else {
        let _ = io::stderr().lock().write_all(safe.as_bytes());
    }
}

/// Takes clap's message apart: what is wrong in one sentence, and its tip.
fn sentences(text: &str) -> (String, String) {
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let message: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let tip = lines.find_map(|line| line.strip_prefix("tip: ")).unwrap_or("see `c2bctl --help`");
    (message.join(" ").trim_start_matches("error: ").to_owned(), tip.to_owned())
}
