//! `c2bctl completions SHELL`: what the shell needs to complete words, names of the daemon's objects included.
//!
//! The script asks this program at each Tab, by a variable of its environment; what is typed so far is on the command line.

mod candidates;

use crate::cli::Cli;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use clap::builder::PossibleValue;
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use serde_json::json;

const EXAMPLES: &str = "\
Names of connections, storages, jobs and mailboxes are asked of the daemon, at C2B_SOCKET where that is set;
when it does not answer at once, none are offered.

Examples:
  c2bctl completions bash > /etc/bash_completion.d/c2bctl
  c2bctl completions zsh > /usr/local/share/zsh/site-functions/_c2bctl
  c2bctl completions fish > ~/.config/fish/completions/c2bctl.fish";

/// The variable by which the scripts ask.
const VARIABLE: &str = "C2BCTL_COMPLETE";

/// The name under which the program is found.
const PROGRAM: &str = "c2bctl";

/// Print the completions of a shell
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

#[derive(Clone, Copy, Debug)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        }
    }
}

impl ValueEnum for Shell {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Bash, Self::Zsh, Self::Fish]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.completer().name()))
    }
}

/// Answers a shell that wants to complete a word, and ends; returns when none does.
pub(crate) fn answer() {
    CompleteEnv::with_factory(|| candidates::add(Cli::command())).var(VARIABLE).bin(PROGRAM).complete();
}

/// Writes the script.
pub(crate) fn run(args: &CompletionsArgs, output: &Output) -> Result<Exit, Error> {
    let completer = args.shell.completer();
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script).map_err(Error::Write)?;
    let script = String::from_utf8_lossy(&script);
    if output.is_json() {
        output.value(&json!({ "shell": completer.name(), "script": script }))?;
    }
    output.line(script.trim_end())?;
    Ok(Exit::OK)
}
