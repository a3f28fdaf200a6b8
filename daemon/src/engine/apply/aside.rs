//! Items that the job leaves out: forgotten until they change, or kept in mind until they are old enough.
//!
//! What is left out is not deleted: an earlier state of it that the archive holds stays as it is.

use super::Applier;
use crate::engine::cycle::Halt;
use crate::engine::fetch::Wanted;
use crate::engine::filter::Decision;
use crate::engine::listing::Seen;
use c2b_mailbox::ItemId;
use c2b_storagefmt::{FolderKey, Waiting, Writer};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// Items that became old enough and are fetched before the storage is asked for more.
const RIPE_MAX: usize = 1024;

/// Items that are left out.
#[derive(Debug, Default)]
pub(super) struct Aside {
    items: Vec<Wanted>,
    /// Of how many an earlier state is held.
    held: u64,
}

impl Aside {
    /// Adds an item, of which an earlier state `is_held` or not.
    pub(super) fn add(&mut self, wanted: Wanted, is_held: bool) {
        self.items.push(wanted);
        self.held += u64::from(is_held);
    }
}

impl Applier {
    /// Records what is left out, in one order, and counts it.
    pub(super) async fn set_aside(&mut self, aside: Aside) -> Result<(), Halt> {
        let Aside { items, held } = aside;
        if items.is_empty() {
            return Ok(());
        }
        self.cycle.progress.excluded(self.index, items.len() as u64, held);
        // What failed and is not wanted any more is no failure.
        let items: Vec<(Wanted, bool)> = items.into_iter().map(|wanted| (self.ledger.clear(&wanted.id), wanted)).map(|(failed, one)| (one, failed)).collect();
        // A job by another filter would not try it again: it must meet it anew.
        let forgotten: BTreeSet<FolderKey> = items.iter().filter(|(_, had_failed)| *had_failed).map(|(wanted, _)| wanted.folder).collect();
        for folder in forgotten {
            self.forget_other_positions(folder).await?;
        }
        // What a job waits for that takes only what is old is none of the others' business.
        let (mailbox, waits) = (self.mailbox, self.cycle.sieve.ripe_until().is_some());
        let work = move |writer: &mut Writer| {
            for (wanted, had_failed) in items {
                let Wanted { id, change_key, folder, size, decision, .. } = wanted;
                if had_failed {
                    writer.clear_failure(mailbox, &id)?;
                }
                match decision {
                    Some(Decision::NotYet(since)) => writer.put_waiting(mailbox, &Waiting { id, folder, change_key, size, since })?,
                    Some(Decision::Leave | Decision::Take) | None if waits => writer.end_waiting(mailbox, &id, None)?,
                    Some(Decision::Leave | Decision::Take) | None => {}
                }
            }
            Ok(())
        };
        self.cycle.submit(work).await.map(drop)
    }

    /// Fetches what is old enough by now in these folders.
    pub(crate) async fn ripen(&mut self, folders: Vec<FolderKey>) -> Result<(), Halt> {
        let Some(until) = self.cycle.sieve.ripe_until() else { return Ok(()) };
        self.retries = false;
        let mailbox = self.mailbox;
        loop {
            let folders = folders.clone();
            let ripe = self.cycle.ask(move |writer| {
                let mut ripe = Vec::new();
                for folder in folders {
                    ripe.extend(writer.waiting(mailbox, folder, until, RIPE_MAX - ripe.len())?);
                    if ripe.len() == RIPE_MAX {
                        break;
                    }
                }
                Ok(ripe)
            });
            let ripe: Vec<Waiting> = ripe.await?;
            if ripe.is_empty() {
                return Ok(());
            }
            tracing::debug!(job = %self.cycle.job, mailbox = %self.address, items = ripe.len(), "items are old enough now");
            self.cycle.progress.known(self.index, ripe.len() as u64);
            for Waiting { id, folder, change_key, size, .. } in ripe {
                let page = self.open_page(folder, None);
                self.want(Wanted { id, change_key, folder, size, page, decision: Some(Decision::Take), associated: false, counted: false });
            }
            // Each of them is stored, fails or is gone, and waits no more either way.
            self.run_queued().await?;
        }
    }

    /// Ends the waiting of an item that is not in this folder any more.
    pub(super) async fn stop_waiting(&mut self, folder: FolderKey, id: ItemId) -> Result<(), Halt> {
        if self.cycle.sieve.is_of_age() {
            let mailbox = self.mailbox;
            self.cycle.submit(move |writer| writer.end_waiting(mailbox, &id, Some(folder))).await?;
        }
        Ok(())
    }

    /// Ends the waiting of items that a complete listing of their folder did not report.
    pub(super) async fn forget_unseen(&mut self, folder: FolderKey, seen: &Seen) -> Result<(), Halt> {
        let mailbox = self.mailbox;
        let waiting = self.cycle.ask(move |writer| writer.waiting(mailbox, folder, DateTime::<Utc>::MAX_UTC, usize::MAX)).await?;
        let gone: Vec<ItemId> = waiting.into_iter().map(|waiting| waiting.id).filter(|id| !seen.contains(id)).collect();
        if !gone.is_empty() {
            self.cycle.submit(move |writer| gone.iter().try_for_each(|id| writer.end_waiting(mailbox, id, Some(folder)))).await?;
        }
        Ok(())
    }
}
