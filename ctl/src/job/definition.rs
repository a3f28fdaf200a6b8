//! The flags that say what a job is, for `job create` and `job edit`.

use crate::error::Error;
use crate::noun::parse_name;
use c2b_api::idle::Idle;
use c2b_api::job::{Continuity, JobDefinition, JobEdit, Selection};
use clap::{ArgGroup, Args};

const EXAMPLES_CREATE: &str = "\
A job that is made does not run yet: `c2bctl job start NAME` starts it.

Examples:
  c2bctl job create alice --connection main --storage archive --one-time \\
      --mailbox alice@example.org
  c2bctl job create all --connection main --storage archive --continuous --idle 00:15:00 \\
      --all-except
  c2bctl job create most --connection main --storage archive --one-time \\
      --all-except lobby@example.org spam@example.org";
const EXAMPLES_EDIT: &str = "\
What is given replaces what was; the rest stays. A running job must be stopped for it:
you are asked, or say --stop.

Examples:
  c2bctl job edit nightly --mailbox alice@example.org bob@example.org
  c2bctl job edit nightly --continuous --idle 01:00:00 --stop";

const USAGE_CREATE: &str = "\
c2bctl job create NAME --connection NAME --storage NAME
           (--mailbox ADDRESS... | --all-except [ADDRESS...])
           (--one-time | --continuous [--idle HH:MM:SS])";

/// Make a job
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CREATE, override_usage = USAGE_CREATE)]
#[command(group = ArgGroup::new("source").required(true).args(["mailbox", "all_except"]))]
#[command(group = ArgGroup::new("continuity").required(true).args(["one_time", "continuous"]))]
pub(crate) struct CreateArgs {
    /// Its distinct name
    #[arg(value_parser = parse_name)]
    name: String,
    /// The connection that it reads from
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    connection: String,
    /// The storage that it writes to
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    storage: String,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    continuity: ContinuityArgs,
}

/// Change a job
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_EDIT)]
#[command(group = ArgGroup::new("source").args(["mailbox", "all_except"]))]
#[command(group = ArgGroup::new("continuity").args(["one_time", "continuous"]))]
pub(crate) struct EditArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    pub(super) name: String,
    /// Another connection
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    connection: Option<String>,
    /// Another storage
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    storage: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    continuity: ContinuityArgs,
    /// Stop a running job for the edit, and start it again
    #[arg(long)]
    stop: bool,
}

#[derive(Args, Debug)]
#[group(skip)]
struct SourceArgs {
    /// Only these mailboxes; can be given several times
    #[arg(long, value_name = "ADDRESS", num_args = 1..)]
    mailbox: Option<Vec<String>>,
    /// All mailboxes that the connection lists, except these; without an address, all
    #[arg(long, value_name = "ADDRESS", num_args = 0..)]
    all_except: Option<Vec<String>>,
}

#[derive(Args, Debug)]
#[group(skip)]
struct ContinuityArgs {
    /// One cycle, then done
    #[arg(long)]
    one_time: bool,
    /// Cycle after cycle
    #[arg(long)]
    continuous: bool,
    /// From the end of one cycle to the start of the next [default: 00:01:00]
    #[arg(long, value_name = "HH:MM:SS", requires = "continuous", conflicts_with = "one_time")]
    idle: Option<Idle>,
}

impl CreateArgs {
    /// Returns the definition that the flags describe.
    pub(super) fn definition(&self) -> JobDefinition {
        JobDefinition {
            name: self.name.clone(),
            connection: self.connection.clone(),
            storage: self.storage.clone(),
            source: self.source.selection().unwrap_or(Selection::Only(Vec::new())),
            continuity: self.continuity.continuity().unwrap_or(Continuity::OneTime),
        }
    }
}

impl EditArgs {
    /// Returns the edit that the flags describe.
    pub(super) fn edit(&self) -> Result<JobEdit, Error> {
        let edit = JobEdit {
            connection: self.connection.clone(),
            storage: self.storage.clone(),
            source: self.source.selection(),
            continuity: self.continuity.continuity(),
            stop: self.stop,
        };
        if edit == (JobEdit { stop: self.stop, ..JobEdit::default() }) {
            return Err(Error::usage("nothing is to be changed", "see `c2bctl job edit --help` for what can be"));
        }
        Ok(edit)
    }
}

impl SourceArgs {
    fn selection(&self) -> Option<Selection> {
        let only = self.mailbox.clone().map(Selection::Only);
        only.or_else(|| self.all_except.clone().map(Selection::AllExcept))
    }
}

impl ContinuityArgs {
    fn continuity(&self) -> Option<Continuity> {
        let continuous = self.continuous.then(|| Continuity::Continuous { idle: self.idle.unwrap_or_default() });
        continuous.or_else(|| self.one_time.then_some(Continuity::OneTime))
    }
}
