//! `c2bctl job apply -f FILE`: jobs as their definitions say.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::session::Session;
use c2b_api::job::{Applied, JobApplied, JobApply};
use c2b_api::route;
use clap::Args;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest file, in bytes: with the marks of JSON around it, it fits into a request.
const TEXT_BYTES_MAX: u64 = 900 * 1024;

const EXAMPLES: &str = "\
A file holds the keys of one job, or [[job]] and a name for each of several. `c2bctl job show NAME --toml`
writes such a file. All jobs of all files are checked before the first one changes. A running job that is to
change is stopped for it and started again with --stop; without it, nothing changes.

Examples:
  c2bctl job apply -f nightly.toml
  c2bctl job apply -f jobs.toml --dry-run
  c2bctl job show nightly --toml > nightly.toml && $EDITOR nightly.toml && c2bctl job apply -f nightly.toml
  printf '%s\\n' '[[job]]' 'name = \"all\"' 'connection = \"main\"' 'storage = \"archive\"' \\
      'continuity = \"one-time\"' 'source = { all-except = [] }' \\
      'activity = { rearm = true, daily = { from = \"22:00\", to = \"06:00\" } }' \\
      | c2bctl job apply -f -";

/// Make or change jobs as a TOML file says
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApplyArgs {
    /// The file; - for standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Stop running jobs that are to change, and start them again
    #[arg(long)]
    stop: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Applies a file.
pub(super) async fn run(session: &Session, args: &ApplyArgs) -> Result<Exit, Error> {
    let is_stdin = args.file == Path::new("-");
    let text = if is_stdin { read(io::stdin().lock()) } else { File::open(&args.file).and_then(read) };
    let text = text.map_err(|source| Error::ReadFile { path: args.file.clone(), source })?;
    let file = if is_stdin { String::new() } else { args.file.display().to_string() };
    let wish = JobApply { text, file, only: None, stop: args.stop, dry_run: args.dry_run };
    let applied: Vec<JobApplied> = session.tell(&route::job::APPLY, &wish).await?;
    if session.output.is_json() {
        session.output.value(&applied)?;
        return Ok(Exit::OK);
    }
    tell(&session.output, &applied, args.dry_run)?;
    Ok(Exit::OK)
}

/// Says what became of jobs.
fn tell(output: &Output, applied: &[JobApplied], is_dry: bool) -> Result<(), Error> {
    for JobApplied { name, outcome } in applied {
        let line = match (outcome, is_dry) {
            (Applied::Created, false) => format!("made job {name}"),
            (Applied::Created, true) => format!("would make job {name}"),
            (Applied::Changed, false) => format!("changed job {name}"),
            (Applied::Changed, true) => format!("would change job {name}"),
            (Applied::Unchanged, _) => format!("job {name} is like that already"),
        };
        output.done(&line)?;
    }
    Ok(())
}

/// Reads definitions, and no more than the daemon takes.
fn read(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {TEXT_BYTES_MAX} bytes")));
    }
    Ok(text)
}
