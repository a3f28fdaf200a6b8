//! `c2bctl storage check`, `rebuild` and `repair`: is it whole, and what is done when it is not.

use super::follow::{Long, follow};
use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::human::count::nouns;
use crate::noun::{NameArgs, parse_name};
use crate::output::{Output, Paint};
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::route::{self, Nothing};
use c2b_api::storage::{DamagedItem, StorageCheck, StorageCheckReport, StorageRebuildReport, StorageRepairReport, Subset};
use clap::Args;

const EXAMPLES_CHECK: &str = "\
Exit code 0 when all is well, 1 when something is damaged: it is listed by mailbox, folder, subject and date. 3 when \
the storage is sealed and this host cannot open it, so that only checksums were looked at. \
`systemctl enable --now c2b-check@archive.timer` has every byte of storage archive read within 30 days.

Examples:
  c2bctl storage check archive
  c2bctl storage check archive --read-data
  c2bctl storage check archive --subset $(( $(date +%s) / 86400 % 30 + 1 ))/30   # from a daily timer";
const EXAMPLES_REPAIR: &str = "\
What cannot be read is put aside into the storage's folder quarantine. Items that the source still has are fetched again \
by the next cycle. Exit code 3 when something is lost for good: past versions, and items that the source had deleted.

Examples:
  c2bctl storage repair archive";

/// Find out whether a storage is whole
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CHECK)]
pub(crate) struct CheckArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Read and verify every byte, not only the structure
    #[arg(long)]
    read_data: bool,
    /// Read and verify every byte of one part of M parts, so that M checks read everything
    #[arg(long, value_name = "N/M", conflicts_with = "read_data")]
    subset: Option<Subset>,
}

/// Put damaged parts of a storage aside, so that the next cycle fetches again what the source still has
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_REPAIR)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    storage: NameArgs,
}

/// Checks a storage and shows what is damaged.
pub(super) async fn check(session: &Session, args: &CheckArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let request = StorageCheck { read_data: args.read_data || args.subset.is_some(), subset: args.subset };
    let interrupted = "nothing was changed; what was verified stays noted";
    let report: StorageCheckReport = follow(session, Long { name, route: &route::storage::CHECK, body: Some(&request), verb: "checking", interrupted }).await?;
    let output = &session.output;
    let mut table = Table::new(&["MAILBOX", "FOLDER", "SUBJECT", "DATE", "KEY", "DAMAGE"]).missable(&["KEY"]);
    for damage in &report.damages {
        for item in &damage.items {
            table.row(item_cells(item).into_iter().chain([(&damage.what).into()]).collect());
        }
        if damage.items.is_empty() {
            table.row(vec!["".into(), "".into(), "".into(), "".into(), "".into(), (&damage.what).into()]);
        }
    }
    output.table(&table)?;
    let looked =
        format!("{}, {}, {}", nouns(report.packs, "pack", "packs"), nouns(report.items, "item", "items"), nouns(report.versions, "version", "versions"));
    for note in &report.notes {
        output.line(&format!("note: {}", human::text::line(note)))?;
    }
    output.done(&format!("looked at {looked} ({})", read(args, &report)))?;
    if report.known_losses > 0 {
        let losses = nouns(report.known_losses, "content is", "contents are");
        output.line(&format!("{losses} lost since an earlier repair; the next cycle fetches again what the source still has"))?;
    }
    if report.damages.is_empty() && report.locked {
        output.done(&format!("the checksums of storage {name} are right"))?;
        let hint = format!("open it with `c2bctl storage unlock {name}`, then check again");
        output.complain(Paint::Warning, "the storage is sealed and this host cannot open it: what the checksums cover was not looked at", &hint);
        return Ok(Exit::WARNINGS);
    }
    if report.damages.is_empty() {
        output.done(&format!("storage {name} is whole"))?;
        return Ok(Exit::OK);
    }
    let items: usize = report.damages.iter().map(|damage| damage.items.len()).sum();
    let places = nouns(report.damages.len() as u64, "place", "places");
    output.complain(
        Paint::Bad,
        &format!("storage {name} is damaged in {places}, which touches {}", nouns(items as u64, "item", "items")),
        &format!(
            "what is not listed is whole and can be read; look at the disk (`dmesg`, `smartctl -a`) before you write to it again, then `c2bctl storage repair {name}`"
        ),
    );
    Ok(Exit::FAILED)
}

/// Makes a storage's index anew.
pub(super) async fn rebuild(session: &Session, name: &str) -> Result<Exit, Error> {
    let interrupted = "the daemon goes on with it: `c2bctl storage show` tells when it is done";
    let report: StorageRebuildReport =
        follow(session, Long { name, route: &route::storage::REBUILD, body: None::<&Nothing>, verb: "reading", interrupted }).await?;
    let output = &session.output;
    output.done(&format!(
        "made the index of storage {name} anew: {} read, {} in {}",
        nouns(report.packs, "pack", "packs"),
        nouns(report.items, "item", "items"),
        nouns(report.versions, "version", "versions")
    ))?;
    for problem in &report.problems {
        output.line(&format!("  {}", human::text::line(problem)))?;
    }
    if report.problems.is_empty() {
        return Ok(Exit::OK);
    }
    let problems = nouns(report.problems.len() as u64, "place", "places");
    output.complain(Paint::Warning, &format!("{problems} could not be used"), &format!("see whose mail it is with `c2bctl storage check {name} --read-data`"));
    Ok(Exit::WARNINGS)
}

/// Puts damaged parts aside and shows what becomes of the items in them.
pub(super) async fn repair(session: &Session, args: &RepairArgs) -> Result<Exit, Error> {
    let name = &args.storage.name;
    let interrupted = "what was put aside is put aside; the same command goes on with the rest";
    let report: StorageRepairReport =
        follow(session, Long { name, route: &route::storage::REPAIR, body: None::<&Nothing>, verb: "repairing", interrupted }).await?;
    let output = &session.output;
    for what in &report.made {
        output.line(&format!("made anew: {}", human::text::line(what)))?;
    }
    for what in &report.quarantined {
        output.line(&format!("put aside: {}", human::text::line(what)))?;
    }
    output.table(&fates(&report))?;
    for what in &report.unknown {
        output.line(&format!("lost without a name: {}", human::text::line(what)))?;
    }
    let (aside, again, lost) = (report.quarantined.len() as u64, report.fetched_again.len() as u64, report.lost.len() as u64);
    let lost = lost + report.unknown.len() as u64;
    if aside + again + lost + report.made.len() as u64 == 0 {
        output.done(&format!("looked at {}: nothing of storage {name} needs repair", nouns(report.packs, "pack", "packs")))?;
        return Ok(Exit::OK);
    }
    output.done(&format!(
        "repaired storage {name}: {} put aside; {} for the next cycle, which fetches what the source still has; {} lost",
        nouns(aside, "place", "places"),
        nouns(again, "item waits", "items wait"),
        nouns(lost, "version is", "versions are")
    ))?;
    if lost == 0 {
        return Ok(Exit::OK);
    }
    warn_lost(output, name, lost);
    Ok(Exit::WARNINGS)
}

fn warn_lost(output: &Output, name: &str, lost: u64) {
    let message = format!("storage {name} lost {} for good", nouns(lost, "version", "versions"));
    output.complain(Paint::Warning, &message, "a copy of the storage may have them: `c2bctl storage import` attaches one");
}

fn fates(report: &StorageRepairReport) -> Table {
    let mut table = Table::new(&["MAILBOX", "FOLDER", "SUBJECT", "DATE", "KEY", "VERSION", "BECOMES"]).missable(&["KEY", "VERSION"]);
    for item in &report.fetched_again {
        table.row(item_cells(item).into_iter().chain(["".into(), "fetched again".into()]).collect());
    }
    for lost in &report.lost {
        let version = lost.version.map(|version| version.to_string()).unwrap_or_default();
        let fate = Cell::painted(Paint::Bad, &format!("lost: {}", lost.reason));
        table.row(item_cells(&lost.item).into_iter().chain([version.into(), fate]).collect());
    }
    table
}

fn item_cells(item: &DamagedItem) -> Vec<Cell> {
    vec![(&item.mailbox).into(), (&item.folder).into(), (&item.subject).into(), human::time::time_or_dash(item.date).into(), (&item.key).into()]
}

fn read(args: &CheckArgs, report: &StorageCheckReport) -> String {
    let bytes = human::size::size(report.bytes_read);
    match (args.subset, report.oldest_verification) {
        (None, _) if args.read_data => format!("every byte read: {bytes}"),
        (None, _) => "structure only; --read-data reads every byte".to_owned(),
        (Some(subset), Some(at)) => format!("every byte of part {subset} read: {bytes}; all others since {}", human::time::time(at)),
        (Some(subset), None) => format!("every byte of part {subset} read: {bytes}; not all others yet"),
    }
}
