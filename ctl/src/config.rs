//! `c2bctl config check`: definition files, looked at without the daemon; `config show`: what is in force.
//!
//! The daemon's program reads them as the daemon would (`c2bd --check`); it asks nobody, and needs no secret.

pub(crate) mod show;

use crate::error::Error;
use crate::exit::Exit;
use crate::human::count::nouns;
use crate::output::{Output, Paint};
use crate::program;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use show::ShowArgs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const EXAMPLES: &str = "\
A folder holds connections, storages and jobs, as /etc/c2b does; a file is one of these, or jobs for
`c2bctl job apply`. Nothing is changed, and neither the daemon nor a mail server is asked. The exit code is 4
when something is wrong.

Examples:
  c2bctl config check
  c2bctl config check /etc/c2b/jobs/nightly.toml
  c2bctl config check ./etc && systemctl reload c2bd";

/// Where definitions are.
const CONFIG: &str = "/etc/c2b";

#[derive(Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    Check(CheckArgs),
    Show(ShowArgs),
}

/// Look for mistakes in definition files; needs no daemon
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// A definition file, or a folder of them
    #[arg(default_value = CONFIG)]
    path: PathBuf,
}

/// What the daemon's program found.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    files: u64,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Problem {
    path: PathBuf,
    line: Option<u64>,
    message: String,
    hint: String,
}

/// Looks for mistakes.
pub(crate) fn check(output: &Output, CheckArgs { path }: &CheckArgs) -> Result<Exit, Error> {
    let program = program::find("c2bd");
    let ended = Command::new(&program).arg("--check").arg(path).stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let ended = ended.map_err(|source| Error::StartProgram { program: program.clone(), source })?;
    let Ok(report) = serde_json::from_slice::<Report>(&ended.stdout) else {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(Error::CheckConfig { path: path.clone(), reason: said.trim().trim_start_matches("Error: ").to_owned() });
    };
    if output.is_json() {
        output.value(&report)?;
    }
    for Problem { path, line, message, hint } in &report.problems {
        let place = line.map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display()));
        output.complain(Paint::Bad, &format!("{place}: {message}"), hint);
    }
    match report.problems.len() {
        0 if report.files == 0 => output.done(&format!("there are no definitions at {}", path.display()))?,
        0 => output.done(&format!("{} well", nouns(report.files, "definition reads", "definitions read")))?,
        _ => return Ok(Exit::CONFIG),
    }
    Ok(Exit::OK)
}
