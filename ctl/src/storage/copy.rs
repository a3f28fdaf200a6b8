//! `c2bctl storage copy`: an independent copy, made or brought up to date.

use super::follow::{Long, follow};
use crate::connection::absolute;
use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::human::count::nouns;
use crate::human::size::size;
use crate::human::time::time;
use crate::noun::parse_name;
use crate::output::Paint;
use crate::session::Session;
use c2b_api::route;
use c2b_api::storage::{StorageCopy, StorageCopyReport};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
The copy is a storage of its own: it can be checked, mounted and attached on any host, and it is sealed when the storage \
is, with the same passwords and recovery key. Backups go on meanwhile; the copy is of the moment when it began. The same \
command again copies only what is new, and goes on after an interruption. What was erased or freed goes from the copy too.

Examples:
  c2bctl storage copy archive /mnt/disk/archive
  c2bctl storage import old /mnt/disk/archive";

/// Copy a storage to another folder, or bring the copy there up to date
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopyArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// The copy's folder: missing, empty, or a copy of this storage
    #[arg(value_name = "DIR")]
    path: PathBuf,
}

/// Copies a storage.
pub(super) async fn copy(session: &Session, args: &CopyArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let request = StorageCopy { path: absolute(&args.path)? };
    let interrupted = "what is copied stays copied; the same command goes on from there";
    let report: StorageCopyReport = follow(session, Long { name, route: &route::storage::COPY, body: Some(&request), verb: "copying", interrupted }).await?;
    let path = request.path.display();
    let state = report.last_commit.map(|at| format!("; its last commit is of {}", time(at))).unwrap_or_default();
    let output = &session.output;
    output.done(&match (report.files, report.files_removed) {
        (0, 0) => format!("the copy of storage {name} in {path} is up to date{state}"),
        _ => format!("copied storage {name} to {path}{state}"),
    })?;
    for damage in &report.damages {
        output.line(&format!("damaged in the storage: {}", human::text::line(damage)))?;
    }
    output.done(&format!(
        "{} copied ({}), {} there already, {} removed",
        nouns(report.files, "file", "files"),
        size(report.bytes),
        nouns(report.files_present, "file", "files"),
        nouns(report.files_removed, "file", "files")
    ))?;
    if report.damages.is_empty() {
        return Ok(Exit::OK);
    }
    let damages = nouns(report.damages.len() as u64, "place", "places");
    let hint = format!("see whose mail it is with `c2bctl storage check {name} --read-data`; `c2bctl storage repair {name}` mends what can be mended");
    output.complain(Paint::Warning, &format!("storage {name} is damaged in {damages}; the rest is in the copy"), &hint);
    Ok(Exit::WARNINGS)
}
