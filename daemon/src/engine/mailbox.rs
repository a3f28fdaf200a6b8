//! One mailbox in one cycle: its turn, its folder tree, its items, its failures that are due.

use super::apply::Applier;
use super::cycle::{Cycle, Halt};
use super::ledger::Ledger;
use super::listing::{PAGES_AHEAD, list};
use super::progress::{MailboxIndex, Phase};
use super::queue::{Claim, Place};
use super::tree::{self, Tree};
use c2b_mailbox::Address;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Backs up a mailbox: compares, fetches what differs, and marks a point in time.
pub(crate) async fn back_up(cycle: &Arc<Cycle>, index: MailboxIndex, address: &Address) -> Result<(), Halt> {
    let claim = claim(cycle, index, address).await?;
    if is_erased(cycle, address).await? {
        cycle.progress.phase(index, Phase::Erased);
        return Ok(());
    }
    cycle.progress.phase(index, Phase::Folders);
    let tree = tree::update(cycle, address).await?;
    let ledger = ledger(cycle, &tree).await?;
    cycle.progress.phase(index, Phase::Items);
    let mut applier = Applier::new(cycle.clone(), tree.mailbox, address.clone(), index, tree.cursor.clone(), ledger);
    let (pages, listing) = mpsc::channel(PAGES_AHEAD);
    tokio::try_join!(list(cycle, address, index, &tree, pages), applier.run(listing))?;
    let due = applier.ledger.due(cycle.clock.now());
    cycle.progress.known(index, due.len() as u64);
    applier.retry(due).await?;
    end(cycle, &tree, &claim).await?;
    cycle.progress.phase(index, Phase::Done);
    Ok(())
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
    let hopeful = ledger.hopeful();
    if hopeful.is_empty() {
        return Ok(());
    }
    cycle.progress.again(index, hopeful.len() as u64);
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
    let place = Place::of(&cycle.storage.catalog(), address);
    let waits = |holder| cycle.progress.held(index, holder);
    cycle.until_halt(cycle.queue.claim(place, &cycle.job, waits)).await
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

/// Loads the ledger; what failed in folders that are gone leaves it.
async fn ledger(cycle: &Cycle, tree: &Tree) -> Result<Ledger, Halt> {
    let mailbox = tree.mailbox;
    let failures = cycle.read(move |catalog| catalog.failures(Some(mailbox))).await?;
    let mut ledger = Ledger::new(failures.into_iter().map(|(_, failure)| failure));
    let living: HashSet<_> = tree.folders.iter().map(|folder| folder.key).collect();
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
