//! `c2bctl completions SHELL`: what the shell needs to complete words.

use crate::cli::Cli;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  c2bctl completions bash > /etc/bash_completion.d/c2bctl
  c2bctl completions zsh > /usr/local/share/zsh/site-functions/_c2bctl
  c2bctl completions fish > ~/.config/fish/completions/c2bctl.fish";

/// Print the completions of a shell
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Writes the script.
pub(crate) fn run(args: &CompletionsArgs, output: &Output) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "c2bctl", &mut script);
    let script = String::from_utf8_lossy(&script);
    if output.is_json() {
        output.value(&json!({ "shell": args.shell.to_string(), "script": script }))?;
    }
    output.line(script.trim_end())?;
    Ok(Exit::OK)
}
