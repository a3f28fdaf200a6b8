//! `c2bctl storage free`: what is marked or erased gives its space back.

use super::follow::{Long, follow};
use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::human::count::nouns;
use crate::human::size::size;
use crate::noun::parse_name;
use crate::session::Session;
use c2b_api::route;
use c2b_api::storage::{PendingReason, PendingSpace, StorageFree, StorageFreeReport};
use clap::Args;

const EXAMPLES: &str = "\
Marked versions are gone after this; it cannot be undone. It goes in short steps beside backups and mounts, and may be \
stopped with Ctrl-C at any time: what is freed stays freed, and the next run goes on from there.

Examples:
  c2bctl storage free archive --dry-run
  c2bctl storage free archive";

/// Give the space of marked versions and erased mailboxes back
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FreeArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Free nothing; say what would be freed
    #[arg(long)]
    dry_run: bool,
}

/// Frees space, or says how much would be freed.
pub(super) async fn free(session: &Session, args: &FreeArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let request = StorageFree { dry_run: args.dry_run };
    let interrupted = "what is freed stays freed; the same command goes on from there";
    let report: StorageFreeReport = follow(session, Long { name, route: &route::storage::FREE, body: Some(&request), verb: "freeing", interrupted }).await?;
    let output = &session.output;
    output.done(&if report.dry_run { format!("storage {name} would free") } else { format!("freed in storage {name}") })?;
    let mut facts = Facts::default();
    let versions = nouns(report.versions, "version", "versions");
    facts.add("logical", format!("{} removed, with {versions}", size(report.logical_removed_bytes)));
    let packs = nouns(report.packs, "pack", "packs");
    facts.add("on disk", format!("{} freed, {packs} written anew", size(report.physical_freed_bytes)));
    for pending in &report.pending {
        facts.add("pending", format!("{}: {}", size(pending.bytes), why(pending)));
    }
    if report.pending.is_empty() {
        facts.add("pending", "nothing");
    }
    facts.show(output)?;
    Ok(Exit::OK)
}

/// Says why space is not free yet, and what makes it free.
pub(super) fn why(pending: &PendingSpace) -> String {
    let why = match pending.reason {
        PendingReason::NotWorthIt => "scattered in packs of which nearly all is in use; freed once more of them is unused",
        PendingReason::NoRoom => "no room to write the rest of their packs anew; free some space, then the same command goes on",
        PendingReason::Damaged => "in a damaged pack: see `c2bctl storage check`",
        PendingReason::Replaced => "in packs that other work replaced meanwhile; the same command goes on",
        PendingReason::Pinned => "held open by a program that reads the storage; free once it looks again or ends",
    };
    if pending.detail.is_empty() { why.to_owned() } else { format!("{why} ({})", pending.detail) }
}
