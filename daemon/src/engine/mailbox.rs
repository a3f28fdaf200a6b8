//! One mailbox in one cycle: its turn, its folder tree, its items, its failures that are due.

use super::apply::Applier;
use super::coverage::{Associated, coverage};
use super::cycle::{Cycle, Halt};
use super::ledger::Ledger;
use super::listing::{PAGES_AHEAD, list};
use super::parts;
use super::permissions;
use super::progress::{MailboxIndex, Phase};
use super::public;
use super::queue::{Claim, Place};
use super::tree::{self, Tree};
use c2b_mailbox::Address;
use c2b_storagefmt::{CursorScope, Failure, FolderKey};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Between two looks whether a server has fallen silent.
const SILENCE_INTERVAL: Duration = Duration::from_secs(5);

/// What became of a mailbox's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The mailbox is done.
    Used,
    /// It was left to somebody else who waits for it, and has to be begun anew.
    Left,
}

/// A mailbox that waits for its turn, as long as it does.
struct Queued<'a>(&'a Cycle);

/// Backs up a mailbox: compares, fetches what differs, and marks a point in time.
///
/// When the server has been silent for `patience`, and somebody waits for the mailbox who does not need that server, the
/// mailbox is left to him: a dead source delays nobody else (spec.md 2).
pub(crate) async fn back_up(cycle: &Arc<Cycle>, index: MailboxIndex, address: &Address, patience: Duration) -> Result<Turn, Halt> {
    let claim = claim(cycle, index, address).await?;
    tokio::select! {
        done = work(cycle, index, address, &claim) => return done.map(|()| Turn::Used),
        () = in_the_way(cycle, &claim, patience) => {}
    }
    tracing::info!(job = %cycle.job, cycle = cycle.progress.cycle(), mailbox = %address, "server is silent, mailbox left to who waits for it");
    cycle.flush().await?;
    cycle.progress.restart(index);
    Ok(Turn::Left)
}

/// Waits until the server has been silent for `patience` and keeps somebody from the mailbox who does not need it.
async fn in_the_way(cycle: &Cycle, claim: &Claim, patience: Duration) {
    let since = Instant::now();
    loop {
        tokio::time::sleep(SILENCE_INTERVAL).await;
        if cycle.limits.silence().min(since.elapsed()) >= patience && claim.is_wanted_elsewhere() {
            return;
        }
    }
}

async fn work(cycle: &Arc<Cycle>, index: MailboxIndex, address: &Address, claim: &Claim) -> Result<(), Halt> {
    if is_erased(cycle, address).await? {
        cycle.progress.phase(index, Phase::Erased);
        return Ok(());
    }
    cycle.progress.phase(index, Phase::Folders);
    let before = live_items(cycle, address).await?;
    let tree = tree::update(cycle, address).await?;
    parts::report(cycle, address, &tree);
    if address.is_of_public_folders() {
        public::report(cycle, address, &tree);
    }
    tell_coverage(cycle, address, &tree);
    permissions::update(cycle, address, &tree).await?;
    let ledger = ledger(cycle, &tree).await?;
    cycle.progress.phase(index, Phase::Items);
    let mut applier = Applier::new(cycle.clone(), tree.mailbox, address.clone(), index, tree.cursor.clone(), ledger);
    let (pages, listing) = mpsc::channel(PAGES_AHEAD);
    let (unlisted, ()) = tokio::try_join!(list(cycle, address, index, &tree, pages), applier.run(listing))?;
    // Listing may have shown what the source lacks.
    tell_coverage(cycle, address, &tree);
    let there = there(&tree);
    let due = applier.ledger.due(cycle.clock.now());
    applier.retry(due.into_iter().filter(|failure| there.contains(&failure.folder)).collect()).await?;
    applier.ripen(there.into_iter().collect()).await?;
    let after = count_rest(cycle, index, &tree, unlisted).await?;
    cycle.progress.suspect(index, before, after);
    end(cycle, &tree, claim).await?;
    cycle.progress.phase(index, Phase::Done);
    Ok(())
}

/// Returns the folders whose items may be asked for. Of one that is away it is not known whether it is hidden only, and then
/// nothing is found in it.
fn there(tree: &Tree) -> BTreeSet<FolderKey> {
    tree.folders.iter().filter(|folder| !folder.is_away).map(|folder| folder.key).collect()
}

/// Tells what the cycle covers of the mailbox.
fn tell_coverage(cycle: &Cycle, address: &Address, tree: &Tree) {
    let associated = match cycle.source.lacks_associated(address) {
        _ if !cycle.sieve.takes_associated() => Associated::NotWanted,
        Some(reason) => Associated::Lacking(reason),
        None => Associated::Taken,
    };
    let covered = if address.is_of_public_folders() { public::coverage(tree, &associated) } else { coverage(tree, &associated) };
    cycle.progress.covers(address, covered);
}

/// Counts what was looked at without a word from the source, since it tells changes only: all but what is in folders
/// that could not be listed, or are left out. Returns how many items live in the archive.
async fn count_rest(cycle: &Cycle, index: MailboxIndex, tree: &Tree, mut unlisted: Vec<FolderKey>) -> Result<u64, Halt> {
    let mailbox = tree.mailbox;
    unlisted.extend(tree.left_out.iter().map(|place| place.key));
    let live = cycle.ask(move |writer| writer.live_items(mailbox)).await?;
    let beside = cycle.read(move |catalog| unlisted.into_iter().map(|folder| catalog.live_items(mailbox, folder)).sum::<Result<u64, _>>()).await?;
    cycle.progress.rest(index, live.saturating_sub(beside));
    Ok(live)
}

/// Returns how many items of a mailbox live in the archive.
async fn live_items(cycle: &Cycle, address: &Address) -> Result<u64, Halt> {
    let address = address.clone();
    let row = cycle.read(move |catalog| catalog.mailbox(&address)).await?;
    match row {
        Some(row) => cycle.ask(move |writer| writer.live_items(row.key)).await,
        None => Ok(0),
    }
}

/// Tries once more what failed in this cycle and may succeed by itself.
pub(crate) async fn retry(cycle: &Arc<Cycle>, index: MailboxIndex, address: &Address) -> Result<(), Halt> {
    if !is_hopeful(cycle, address).await? {
        return Ok(());
    }
    let claim = claim(cycle, index, address).await?;
    if is_erased(cycle, address).await? {
        return Ok(());
    }
    // It costs a request, and tells which folders the failures are in now.
    let tree = tree::update(cycle, address).await?;
    let ledger = ledger(cycle, &tree).await?;
    let there = there(&tree);
    let hopeful: Vec<_> = ledger.hopeful().into_iter().filter(|failure| there.contains(&failure.folder)).collect();
    if hopeful.is_empty() {
        return Ok(());
    }
    let mut applier = Applier::new(cycle.clone(), tree.mailbox, address.clone(), index, tree.cursor.clone(), ledger);
    applier.retry(hopeful).await?;
    end(cycle, &tree, &claim).await
}

/// Returns whether anything in the mailbox's ledger may succeed by itself; most mailboxes have nothing there, and cost no request.
async fn is_hopeful(cycle: &Cycle, address: &Address) -> Result<bool, Halt> {
    let asked = address.clone();
    let failures = cycle.read(move |catalog| catalog.mailbox(&asked)?.map_or(Ok(Vec::new()), |row| catalog.failures(Some(row.key)))).await?;
    Ok(!Ledger::new(failures.into_iter().map(|(_, failure)| failure)).hopeful().is_empty())
}

async fn claim(cycle: &Cycle, index: MailboxIndex, address: &Address) -> Result<Claim, Halt> {
    let places = vec![Place::of(&cycle.storage.catalog(), address), Place::at(&cycle.connection, address)];
    let mut queued = None;
    let waits = |before| {
        queued.get_or_insert_with(|| Queued::begin(cycle));
        cycle.progress.held(index, before);
    };
    cycle.until_halt(cycle.queue.claim(places, &cycle.job, waits)).await
}

impl<'a> Queued<'a> {
    fn begin(cycle: &'a Cycle) -> Self {
        cycle.queued.send_modify(|count| *count += 1);
        Self(cycle)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.queued.send_modify(|count| *count -= 1);
    }
}

/// Returns whether the mailbox was erased from the storage and is not to come back. Asked for while it is claimed,
/// since whoever erases it claims it too.
async fn is_erased(cycle: &Cycle, address: &Address) -> Result<bool, Halt> {
    let asked = address.clone();
    let erased = cycle.read(move |catalog| catalog.erasure(&asked)).await?;
    if erased.is_some() {
        tracing::info!(job = %cycle.job, mailbox = %address, "mailbox left out: it was erased from the storage");
    }
    Ok(erased.is_some())
}

/// Loads the ledger; what failed in folders that are gone or left out leaves it.
async fn ledger(cycle: &Cycle, tree: &Tree) -> Result<Ledger, Halt> {
    let mailbox = tree.mailbox;
    let failures = cycle.read(move |catalog| catalog.failures(Some(mailbox))).await?;
    let left_out: HashSet<_> = tree.left_out.iter().map(|place| place.key).collect();
    // What failed for another job in a folder that this one leaves out is none of its business.
    let of_others = |failure: &Failure| left_out.contains(&failure.folder) && failure.job != cycle.job;
    let mut ledger = Ledger::new(failures.into_iter().map(|(_, failure)| failure).filter(|failure| !of_others(failure)));
    let living: HashSet<_> = tree.folders.iter().map(|folder| folder.key).collect();
    for folder in tree.left_out.iter().map(|place| place.key).filter(|folder| !ledger.within(*folder).is_empty()) {
        // Nobody tries again there. Should the job ever take the folder again, all of it must be listed.
        cycle.submit(move |writer| writer.set_cursor(mailbox, CursorScope::Folder(folder), None)).await?;
    }
    for id in ledger.clear_dead(|folder| living.contains(&folder)) {
        cycle.submit(move |writer| writer.clear_failure(mailbox, &id)).await?;
    }
    Ok(ledger)
}

/// Marks the point in time; commits when another job waits for the mailbox, so that it sees what was done.
async fn end(cycle: &Cycle, tree: &Tree, claim: &Claim) -> Result<(), Halt> {
    let mailbox = tree.mailbox;
    cycle.submit(move |writer| writer.mark_point(mailbox)).await?;
    if claim.is_wanted() {
        cycle.flush().await?;
    }
    Ok(())
}
