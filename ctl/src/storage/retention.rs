//! `c2bctl storage retention`, `prune` and `unprune`: which past versions go when, marked first, and marks undone.

use super::follow::{Long, follow_found};
use crate::ask;
use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::human::count::{count, nouns};
use crate::human::size::size;
use crate::human::time::{time, time_or_dash};
use crate::noun::{NameArgs, parse_name};
use crate::output::Paint;
use crate::session::Session;
use crate::table::Table;
use c2b_api::Span;
use c2b_api::route;
use c2b_api::storage::{RetentionDecision, RetentionPolicy, StorageEdit, StorageInfo, StoragePrune, StoragePruneReport, StorageUnpruneReport};
use clap::{Args, Subcommand};
use std::str::FromStr;

/// Most decisions that are shown as a table; with `--json` all come, one a line.
const DECISIONS_SHOWN_MAX: usize = 10_000;

const EXAMPLES_RETENTION: &str = "\
Without a policy everything is kept. The clock of a rule is when a version was replaced or its deletion was seen, never \
the item's own date. The newest version of a living item always stays.

Examples:
  c2bctl storage retention archive
  c2bctl storage retention set archive --superseded-after 90d --deleted-after 1y --every 1d --yes";
const EXAMPLES_SET: &str = "\
What is not named stays as it was; `off` takes a rule away. Lengths of time are 12h, 90d, 12w, 6mo or 2y. \
Asks before less is kept than until now. Nothing is removed by this command itself: `c2bctl storage prune NAME --dry-run` \
shows what would go.

Examples:
  c2bctl storage retention set archive --superseded-after 90d --deleted-after 1y
  c2bctl storage retention set archive --versions-max 50 --every 1d --undo 14d
  c2bctl storage retention set archive --every off
  c2bctl storage retention set archive --keep-all";
const EXAMPLES_THAW: &str = "\
When a fifth of a mailbox is deleted or rewritten in one cycle, as by somebody who destroys or encrypts it, nothing is
removed from the storage any more: neither marked nor freed. Look at the mailbox, for instance in a mount at a moment
before, and thaw.

Examples:
  c2bctl storage show archive
  c2bctl storage retention thaw archive";
const EXAMPLES_PRUNE: &str = "\
Marked versions are still there, and `storage unprune` undoes the marks, until `storage free` frees them.

Examples:
  c2bctl storage prune archive --dry-run
  c2bctl --json storage prune archive --dry-run | jq -r 'select(.event==\"found\").item.rule' | sort | uniq -c
  c2bctl storage prune archive";
const EXAMPLES_UNPRUNE: &str = "Examples:\n  c2bctl storage unprune archive";

/// Show or set which past versions of a storage go when
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_RETENTION, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct RetentionArgs {
    #[command(subcommand)]
    command: Option<RetentionCommand>,
    /// Its name
    #[arg(value_parser = parse_name, required = true)]
    name: Option<String>,
}

#[derive(Subcommand, Debug)]
enum RetentionCommand {
    Set(SetArgs),
    /// Let retention go on that a suspicious change froze
    #[command(after_help = EXAMPLES_THAW)]
    Thaw(NameArgs),
}

/// Set which past versions of a storage go when
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_SET)]
struct SetArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Replaced versions go after this time
    #[arg(long, value_name = "TIME", value_parser = rule::<Span>)]
    superseded_after: Option<Rule<Span>>,
    /// Items that were deleted at the source go after this time, with all their versions
    #[arg(long, value_name = "TIME", value_parser = rule::<Span>)]
    deleted_after: Option<Rule<Span>>,
    /// The oldest versions of an item go when it has more than this number
    #[arg(long, value_name = "N", value_parser = rule::<u32>)]
    versions_max: Option<Rule<u32>>,
    /// How often the daemon marks by itself
    #[arg(long, value_name = "TIME", value_parser = rule::<Span>)]
    every: Option<Rule<Span>>,
    /// How long the daemon leaves marked versions before it frees them; 7d when not said
    #[arg(long, value_name = "TIME", value_parser = rule::<Span>)]
    undo: Option<Rule<Span>>,
    /// Keep everything: no policy at all
    #[arg(long, conflicts_with_all = ["superseded_after", "deleted_after", "versions_max", "every", "undo"])]
    keep_all: bool,
    /// Do not ask when less is kept than before
    #[arg(long, short)]
    yes: bool,
}

/// Mark the past versions that the retention policy names
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_PRUNE)]
pub(crate) struct PruneArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Mark nothing; list each version that would be marked, with its rule
    #[arg(long)]
    dry_run: bool,
    /// Go on although the clock does not fit to the times of commits
    #[arg(long)]
    trust_clock: bool,
}

/// Undo the marks of `prune`: what is not freed yet stays after all
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_UNPRUNE)]
pub(crate) struct UnpruneArgs {
    #[command(flatten)]
    storage: NameArgs,
}

/// A rule as it is said: a value, or `off`.
#[derive(Clone, Copy, Debug)]
enum Rule<T> {
    Off,
    Is(T),
}

impl<T: Copy> Rule<T> {
    /// Puts what was said in the place of what was.
    fn replace(said: Option<Self>, place: &mut Option<T>) {
        match said {
            Some(Self::Off) => *place = None,
            Some(Self::Is(value)) => *place = Some(value),
            None => {}
        }
    }
}

async fn thaw(session: &Session, name: &str) -> Result<Exit, Error> {
    let info: StorageInfo = session.ask_of(&route::storage::THAW, name).await?;
    if session.output.is_json() {
        session.output.value(&info)?;
    }
    session.output.done(&format!("retention of storage {name} goes on"))?;
    Ok(Exit::OK)
}

/// Shows or sets the policy.
pub(super) async fn retention(session: &Session, args: &RetentionArgs) -> Result<Exit, Error> {
    match (&args.command, &args.name) {
        (Some(RetentionCommand::Set(args)), _) => set(session, args).await,
        (Some(RetentionCommand::Thaw(args)), _) => thaw(session, &args.name).await,
        (None, Some(name)) => show(session, name).await,
        (None, None) => Err(Error::usage("no storage is named", "see `c2bctl storage retention --help`")),
    }
}

/// Marks, or says what would be marked.
pub(super) async fn prune(session: &Session, args: &PruneArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let request = StoragePrune { dry_run: args.dry_run, trust_clock: args.trust_clock };
    let interrupted = "what is marked can be undone with `c2bctl storage unprune`; the same command goes on with the rest";
    let long = Long { name, route: &route::storage::PRUNE, body: Some(&request), verb: "looking through", interrupted };
    let mut table = Table::new(&["MAILBOX", "FOLDER", "SUBJECT", "DATE", "KEY", ">VERSION", ">SIZE", "SINCE", "RULE"]).missable(&["KEY", "DATE"]);
    let (mut shown, mut more) = (0, 0_u64);
    let report: StoragePruneReport = follow_found(session, long, |decision: RetentionDecision| {
        if shown < DECISIONS_SHOWN_MAX {
            add(&mut table, &decision);
            shown += 1;
        } else {
            more += 1;
        }
    })
    .await?;
    let output = &session.output;
    output.table(&table)?;
    if more > 0 {
        output.line(&format!("… and {} more; --json lists all", count(more)))?;
    }
    let versions = nouns(report.versions, "version", "versions");
    let rules: Vec<String> = report.rules.iter().map(|by| format!("{} by {}", count(by.versions), by.rule.key())).collect();
    let rules = if rules.is_empty() { String::new() } else { format!(" ({})", rules.join(", ")) };
    let whole = size(report.logical_bytes);
    output.done(&match (report.dry_run, report.versions) {
        (_, 0) => format!("looked at {}: the policy of storage {name} removes none", nouns(report.considered, "past version", "past versions")),
        (true, _) => format!("would mark {versions}{rules}, {whole} when counted whole; nothing was done"),
        (false, _) => format!("marked {versions}{rules}, {whole} when counted whole"),
    })?;
    if !report.dry_run && report.versions > 0 {
        output.done(&match report.freed_from {
            Some(at) => format!("they are freed from {} on; until then `c2bctl storage unprune {name}` undoes it", time(at)),
            None => format!("`c2bctl storage free {name}` frees them; until then `c2bctl storage unprune {name}` undoes it"),
        })?;
    }
    Ok(Exit::OK)
}

/// Undoes the marks.
pub(super) async fn unprune(session: &Session, args: &UnpruneArgs) -> Result<Exit, Error> {
    let name = &args.storage.name;
    let report: StorageUnpruneReport = session.ask_of(&route::storage::UNPRUNE, name).await?;
    if session.output.is_json() {
        session.output.value(&report)?;
    }
    session.output.done(&match report.versions {
        0 => format!("no version of storage {name} is marked"),
        versions => format!("{} of storage {name} after all; the policy marks them again at the next prune", nouns(versions, "version stays", "versions stay")),
    })?;
    Ok(Exit::OK)
}

async fn show(session: &Session, name: &str) -> Result<Exit, Error> {
    let info: StorageInfo = session.ask_of(&route::storage::SHOW, name).await?;
    let output = &session.output;
    if output.is_json() {
        output.value(&info.retention)?;
        return Ok(Exit::OK);
    }
    let policy = &info.retention;
    output.line(&format!("retention of storage {}: {policy}", output.paint(Paint::Strong, name)))?;
    let mut facts = Facts::default();
    let told = |span: Option<Span>| span.map_or_else(|| "off".to_owned(), |span| span.to_string());
    if !policy.keeps_all() {
        facts.add("superseded-after", told(policy.superseded_after));
        facts.add("deleted-after", told(policy.deleted_after));
        facts.add("versions-max", policy.versions_max.map_or_else(|| "off".to_owned(), |max| max.to_string()));
        facts.add("every", policy.every.map_or_else(|| "off: only by `storage prune`".to_owned(), |every| every.to_string()));
        facts.add("undo", policy.every.map_or_else(|| "until `storage free`".to_owned(), |_| policy.undo().to_string()));
    }
    if info.marked.versions > 0 {
        facts.add("marked now", nouns(info.marked.versions, "version", "versions"));
    }
    facts.show(output)?;
    Ok(Exit::OK)
}

async fn set(session: &Session, args: &SetArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let said_nothing = !args.keep_all
        && args.superseded_after.is_none()
        && args.deleted_after.is_none()
        && args.versions_max.is_none()
        && args.every.is_none()
        && args.undo.is_none();
    if said_nothing {
        return Err(Error::usage("nothing is to be set", "name a rule, for instance --superseded-after 90d, or --keep-all"));
    }
    let mut policy = RetentionPolicy::default();
    if !args.keep_all {
        let StorageInfo { retention: before, .. } = session.ask_of(&route::storage::SHOW, name).await?;
        policy = before.clone();
        Rule::replace(args.superseded_after, &mut policy.superseded_after);
        Rule::replace(args.deleted_after, &mut policy.deleted_after);
        Rule::replace(args.versions_max, &mut policy.versions_max);
        Rule::replace(args.every, &mut policy.every);
        Rule::replace(args.undo, &mut policy.undo);
        policy.check().map_err(|error| Error::usage(error.message, error.hint))?;
        if policy.keeps_less_than(&before) {
            agree(args.yes, name, &before, &policy)?;
        }
    }
    let edit = StorageEdit { retention: Some(policy), ..StorageEdit::default() };
    let info: StorageInfo = session.tell_of(&route::storage::EDIT, name, &edit).await?;
    if session.output.is_json() {
        session.output.value(&info.retention)?;
    }
    session.output.done(&format!("retention of storage {name}: {}", info.retention))?;
    if !info.retention.keeps_all() {
        session.output.done(&format!("see what it removes with `c2bctl storage prune {name} --dry-run`"))?;
    }
    Ok(Exit::OK)
}

/// Asks before less is kept.
fn agree(yes: bool, name: &str, before: &RetentionPolicy, policy: &RetentionPolicy) -> Result<(), Error> {
    let when = match policy.every {
        Some(every) => format!("marked every {every}, and freed for good {} later", policy.undo()),
        None => "only by `storage prune` and `storage free`".to_owned(),
    };
    let consequence = format!("until now {before}; from now on {policy}, {when}");
    let step = ask::Step {
        question: format!("Keep less in storage {name} than before ({consequence})?"),
        doing: format!("keeping less in storage {name} than before"),
        consequence: &consequence,
        declined: format!("the retention of storage {name} stays as it was"),
    };
    ask::agree(yes, step)
}

fn add(table: &mut Table, decision: &RetentionDecision) {
    table.row(vec![
        (&decision.mailbox).into(),
        (&decision.folder).into(),
        (&decision.subject).into(),
        time_or_dash(decision.date).into(),
        (&decision.key).into(),
        decision.version.to_string().into(),
        size(decision.bytes).into(),
        time(decision.since).into(),
        decision.rule.key().into(),
    ]);
}

fn rule<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<Rule<T>, String> {
    if text == "off" {
        return Ok(Rule::Off);
    }
    text.parse().map(Rule::Is).map_err(|error: T::Err| format!("{error}, or off"))
}
