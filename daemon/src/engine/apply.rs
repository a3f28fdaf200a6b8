//! Applies listed changes to the storage: fetches what differs, and orders everything so that no
//! cursor is ever ahead of its data.
//!
//! What can be told by an item's properties alone (that it moved, or was only marked) costs no fetch.
//! Fetches of several pages and folders overlap. A page's cursor is handed over when all items of it
//! and of the pages before are. A page that speaks of an item which is being fetched waits for that.

mod aside;
mod seen;

use super::cycle::{Cycle, Halt};
use super::fetch::{Done, Outcome, Step, Wanted};
use super::filter::Decision;
use super::flight::Flight;
use super::ledger::{Ledger, Try};
use super::limits::REQUESTS_MAILBOX_MAX;
use super::listing::{Listed, Seen};
use super::moves::Moves;
use super::plan::{Action, Planned};
use super::position::{Position, Positions};
use super::problem;
use super::progress::MailboxIndex;
use super::recent::{Held, Recent};
use aside::Aside;
use c2b_mailbox::{Address, ChangeKey, Cursor, Fidelity, Item, ItemId, SourceError};
use c2b_storagefmt::{ChangeMark, CursorScope, Failure, FolderKey, MailboxKey, Moment, PutOutcome, Writer};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinError, JoinSet};

/// Items that may wait to be fetched before no further page is taken in.
const QUEUE_MAX: usize = 1024;

/// Pages that may be open at a time.
const PAGES_MAX: usize = 64;

/// Batches of a mailbox that may be under way, those included that wait before they are tried again.
const BATCHES_MAX: usize = 32;

/// The changes of one mailbox on their way into the storage.
pub(crate) struct Applier {
    cycle: Arc<Cycle>,
    mailbox: MailboxKey,
    address: Address,
    index: MailboxIndex,
    tree: Cursor,
    pub(crate) ledger: Ledger,
    recent: Recent,
    marks: Marks,
    pages: VecDeque<OpenPage>,
    next_page: u64,
    queue: VecDeque<Wanted>,
    /// Items to be looked at.
    looks: VecDeque<Wanted>,
    /// What left and what arrived; `None` when nothing can have left.
    moves: Option<Moves>,
    /// Ids that wait, are queued, or are being fetched.
    under_way: HashSet<ItemId>,
    fetches: JoinSet<(bool, Result<Done, Halt>)>,
    /// Of the fetches, those that mostly wait before they are tried again.
    waiting: usize,
    /// Whether what is queued failed in earlier cycles.
    retries: bool,
    /// A step that waits until nothing is under way.
    held: Option<Listed>,
}

/// Read marks of the folder that is being listed.
///
/// A mark may bear the change key of a change of contents that a later page reports. So it is
/// recorded without its change key at first, and with it once the folder has no further page.
#[derive(Default)]
struct Marks {
    folder: Option<FolderKey>,
    items: HashMap<ItemId, (Option<ChangeKey>, bool)>,
}

/// A page whose items are not all handed over.
struct OpenPage {
    number: u64,
    folder: FolderKey,
    outstanding: usize,
    position: Option<Position>,
}

impl Applier {
    /// Returns the applier of a mailbox; `tree` is the cursor of its folder tree.
    pub(crate) fn new(cycle: Arc<Cycle>, mailbox: MailboxKey, address: Address, index: MailboxIndex, tree: Cursor, ledger: Ledger) -> Self {
        Self {
            cycle,
            mailbox,
            address,
            index,
            tree,
            ledger,
            recent: Recent::default(),
            marks: Marks::default(),
            pages: VecDeque::new(),
            next_page: 0,
            queue: VecDeque::new(),
            looks: VecDeque::new(),
            moves: None,
            under_way: HashSet::new(),
            fetches: JoinSet::new(),
            waiting: 0,
            retries: false,
            held: None,
        }
    }

    /// Applies everything that is listed, to the end.
    pub(crate) async fn run(&mut self, mut listing: Receiver<Listed>) -> Result<(), Halt> {
        let mut is_open = true;
        let mailbox = self.mailbox;
        let counts = self.cycle.read(move |catalog| catalog.counts(mailbox)).await?;
        self.moves = (counts.versions > 0).then(Moves::default);
        loop {
            self.release(is_open).await?;
            self.look_again();
            self.launch();
            self.close_pages().await?;
            if let Some(step) = self.held.take_if(|_| self.under_way.is_empty()) {
                self.take(step).await?;
                continue;
            }
            let wants = is_open && self.held.is_none() && self.queue.len() < QUEUE_MAX && self.pages.len() < PAGES_MAX;
            tokio::select! {
                biased;
                Some(done) = self.fetches.join_next() => self.settle(done).await?,
                step = listing.recv(), if wants => match step {
                    Some(step) => self.admit(step).await?,
                    None => is_open = false,
                },
                else => return Ok(()),
            }
        }
    }

    /// Tries items of the ledger again. What this cycle tried before is not counted twice.
    pub(crate) async fn retry(&mut self, failures: Vec<Failure>) -> Result<(), Halt> {
        self.retries = true;
        let holds = self.holds(failures.iter().map(|failure| failure.id.clone()).collect()).await?;
        let (mut known, mut again, mut held_before) = (0, 0, 0);
        for (failure, held) in failures.into_iter().zip(holds) {
            let page = self.open_page(failure.folder, None);
            let was_tried = failure.last_seen >= self.cycle.full.until;
            let Failure { id, change_key, folder, size, .. } = failure;
            // One that is held in the state that was tried is there, but for what it lacks.
            let counted = was_tried && held.as_ref().is_some_and(|held| held.is(folder, self.change(change_key.as_ref())));
            match (was_tried, counted) {
                (false, _) => known += 1,
                (true, true) => {}
                (true, false) => {
                    again += 1;
                    held_before += u64::from(held.is_some());
                }
            }
            self.want(Wanted { id, change_key, folder, size, page, decision: Some(Decision::Take), associated: false, counted });
        }
        self.cycle.progress.known(self.index, known);
        self.cycle.progress.again(self.index, again, held_before);
        self.run_queued().await
    }

    /// Fetches what is queued, to the end.
    async fn run_queued(&mut self) -> Result<(), Halt> {
        let (_, nothing) = tokio::sync::mpsc::channel(1);
        self.run(nothing).await
    }

    /// Takes a step now, or once what it depends on is done.
    async fn admit(&mut self, step: Listed) -> Result<(), Halt> {
        let waits = match &step {
            Listed::Page { planned, .. } => planned.iter().any(|one| self.under_way.contains(&one.id)),
            Listed::Complete { .. } => !self.under_way.is_empty(),
        };
        if waits {
            self.held = Some(step);
            return Ok(());
        }
        self.take(step).await
    }

    async fn take(&mut self, step: Listed) -> Result<(), Halt> {
        match step {
            Listed::Page { folder, planned, position, last } => self.page(folder, planned, position, last).await,
            Listed::Complete { folder, seen, associated, position } => self.complete(folder, &seen, associated, position).await,
        }
    }

    async fn page(&mut self, folder: FolderKey, planned: Vec<Planned>, position: Option<Position>, last: bool) -> Result<(), Halt> {
        let holds = self.holds(planned.iter().map(|one| one.id.clone()).collect()).await?;
        let mut rows = self.rows(folder, &planned, &holds).await?;
        let reads = self.other_reads(folder, &planned, &holds).await?;
        let page = self.open_page(folder, position);
        let now = self.cycle.clock.now();
        if self.marks.folder != Some(folder) {
            self.marks = Marks { folder: Some(folder), ..Marks::default() };
        }
        let mut unchanged = 0;
        let mut aside = Aside::default();
        for (one, held) in planned.into_iter().zip(holds) {
            let Planned { id, change_key, told, action } = one;
            let row = rows.remove(&id);
            self.marks.items.remove(&id);
            if let Some(moves) = &mut self.moves {
                moves.unpass(&id);
            }
            // A listing that tells read states tells of marks, too.
            let action = reads.get(&id).map_or(action, |read| Action::Mark(*read));
            // A mark says nothing about how old the item is, and of what may be associated age does not decide.
            let is_told = action == Action::Look && (told.associated.is_some() || !self.cycle.sieve.takes_associated());
            let associated = told.associated == Some(true);
            let decision = self.cycle.sieve.decide(told.facts.as_ref().filter(|_| is_told), associated);
            let is_taken = decision.is_none_or(|decision| decision == Decision::Take);
            let is_current = held.as_ref().is_some_and(|held| held.is(folder, self.change(change_key.as_ref())));
            match (action, held) {
                (Action::Drop, held) => {
                    if let Some((moves, row)) = self.moves.as_mut().zip(row.as_ref()) {
                        moves.leave(row);
                    }
                    self.drop_item(folder, id, held).await?;
                }
                // First of all, since Exchange keeps the change key of an item when only its read state changes.
                (Action::Mark(read), Some(held)) if held.folder == folder && (is_current || self.ledger.get(&id).is_none()) => {
                    self.mark(folder, id.clone(), held.change, None, read).await?;
                    // Of what is held a newer state may have been left out for its age: then the change key is that state's.
                    if !self.cycle.sieve.is_of_age() {
                        self.marks.items.insert(id, (change_key, read));
                    }
                }
                (Action::Look | Action::Mark(_), _) if is_current => unchanged += 1,
                (Action::Look | Action::Mark(_), held) if is_taken && self.ledger.rests(&id, folder, change_key.as_ref(), now) => {
                    self.cycle.progress.failed(self.index, held.is_some());
                }
                (action, held) => {
                    let wanted = Wanted { id, change_key, folder, size: told.size, page, decision, associated, counted: false };
                    let is_here = held.as_ref().is_some_and(|held| held.folder == folder);
                    match (action, &mut self.moves) {
                        // It may be one that left, which is not deleted then.
                        (_, Some(moves)) if !is_taken && held.is_none() => {
                            moves.wait(wanted.clone());
                            self.expect(&wanted);
                        }
                        _ if !is_taken && (held.is_none() || is_here) => aside.add(wanted, is_here),
                        _ if !is_taken => {
                            self.expect(&wanted);
                            self.looks.push_back(wanted);
                        }
                        (Action::Look, Some(moves)) if held.is_none() && self.ledger.get(&wanted.id).is_none() => {
                            moves.wait(wanted.clone());
                            self.expect(&wanted);
                        }
                        (Action::Look, _) if row.is_some() && self.ledger.get(&wanted.id).is_none() => {
                            self.expect(&wanted);
                            self.looks.push_back(wanted);
                        }
                        _ if decision.is_none() => {
                            self.expect(&wanted);
                            self.looks.push_back(wanted);
                        }
                        _ => self.want(wanted),
                    }
                }
            }
        }
        if unchanged > 0 {
            self.cycle.progress.unchanged(self.index, unchanged);
        }
        self.set_aside(aside).await?;
        if last {
            // No further page can report a change of contents under the marks' change keys: now they hold.
            for (id, (change_key, read)) in std::mem::take(&mut self.marks.items) {
                self.mark(folder, id, self.change(change_key.as_ref()), change_key, read).await?;
            }
        }
        Ok(())
    }

    /// Records a read state. The item counts as held with `held`; `change_key` is recorded when it is given.
    async fn mark(&mut self, folder: FolderKey, id: ItemId, held: Option<ChangeMark>, change_key: Option<ChangeKey>, read: bool) -> Result<(), Halt> {
        let (mailbox, item, index, progress) = (self.mailbox, id.clone(), self.index, self.cycle.progress.clone());
        let work = move |writer: &mut Writer| {
            match writer.set_read(mailbox, &item, change_key.as_ref(), read)? {
                // It was counted when the mark was reported.
                _ if change_key.is_some() => {}
                None | Some(PutOutcome::Unchanged) => progress.unchanged(index, 1),
                Some(_) => progress.marked(index),
            }
            Ok(())
        };
        let ticket = self.cycle.submit(work).await?;
        self.recent.note(id, ticket, Some(Held { folder, change: held }));
        Ok(())
    }

    /// Ends an item that is not in `folder` any more, unless it is known to be in another one by now.
    async fn drop_item(&mut self, folder: FolderKey, id: ItemId, held: Option<Held>) -> Result<(), Halt> {
        let (mailbox, item) = (self.mailbox, id.clone());
        if self.ledger.get(&id).is_some_and(|failure| failure.folder == folder) {
            self.ledger.clear(&id);
            let item = id.clone();
            self.cycle.submit(move |writer| writer.clear_failure(mailbox, &item)).await?;
        }
        if held.is_none_or(|held| held.folder != folder) {
            return self.stop_waiting(folder, id).await;
        }
        let (index, progress) = (self.index, self.cycle.progress.clone());
        // Where it went it failed: that outlasts its end here.
        let elsewhere = self.ledger.get(&id).cloned();
        let work = move |writer: &mut Writer| {
            if writer.delete_item(mailbox, &item)? {
                progress.deleted(index);
            }
            elsewhere.map_or(Ok(()), |failure| writer.put_failure(mailbox, failure))
        };
        let ticket = self.cycle.submit(work).await?;
        self.recent.note(id, ticket, None);
        Ok(())
    }

    /// Ends what a complete listing of a folder did not report, though it was about such items.
    async fn complete(&mut self, folder: FolderKey, seen: &Seen, associated: bool, position: Position) -> Result<(), Halt> {
        let mailbox = self.mailbox;
        self.recent.prune(self.cycle.storage.committed());
        let live = self.cycle.read(move |catalog| catalog.live_ids(mailbox, folder, associated)).await?;
        let gone: Vec<(ItemId, Option<ChangeMark>)> = live.into_iter().filter(|(id, _)| !seen.contains(id)).collect();
        let ids: Vec<ItemId> = gone.iter().map(|(id, _)| id.clone()).collect();
        self.note_left(&ids).await?;
        let mut deleted = 0;
        for (id, change) in gone {
            let committed = Some(Held { folder, change });
            let held = self.recent.get(&id).map_or(committed, Clone::clone);
            deleted += 1;
            self.drop_item(folder, id, held).await?;
        }
        let unseen: Vec<ItemId> = self.ledger.within(folder).into_iter().filter(|id| !seen.contains(id)).collect();
        if !unseen.is_empty() && !associated {
            // They may be what this listing was not about, and others passed.
            self.forget_other_positions(folder).await?;
        }
        for id in unseen {
            self.drop_item(folder, id, None).await?;
        }
        self.forget_unseen(folder, seen).await?;
        tracing::info!(job = %self.cycle.job, cycle = self.cycle.progress.cycle(), mailbox = %self.address, folder = folder.0, listed = seen.len(), deleted, "resync");
        self.open_page(folder, Some(position));
        Ok(())
    }

    /// Hands over what came of a batch.
    async fn settle(&mut self, done: Result<(bool, Result<Done, Halt>), JoinError>) -> Result<(), Halt> {
        let (waited, done) = match done {
            Ok(done) => done,
            Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
            Err(_) => return Err(Halt::Cycle),
        };
        self.waiting -= usize::from(waited);
        let done = done?;
        let mut seen = Vec::new();
        for (wanted, outcome) in done.known {
            let (id, page) = (wanted.id.clone(), wanted.page);
            match outcome {
                Outcome::Seen(sight) => {
                    seen.push((wanted, *sight));
                    continue;
                }
                // One that is left out was looked at since it may be held elsewhere: rather one too many is stored.
                Outcome::Unseen => {
                    self.queue.push_back(wanted);
                    continue;
                }
                Outcome::Item(item, lacks) => self.store(wanted, *item, lacks).await?,
                Outcome::Gone => self.lose_sight(wanted).await?,
                Outcome::Failed(error) => self.fail(wanted, &error).await?,
            }
            self.finish(&id, page);
        }
        if !seen.is_empty() {
            self.judge(seen).await?;
        }
        for step in done.next {
            self.spawn(step);
        }
        Ok(())
    }

    /// Hands an item over. What it lacks is tried for again later, as an item that failed is.
    async fn store(&mut self, wanted: Wanted, mut item: Item, lacks: Option<SourceError>) -> Result<(), Halt> {
        let Wanted { id, change_key, folder, associated, counted, .. } = wanted;
        let received = item.readable.as_ref().map_or(0, |readable| readable.content.len()) + item.export.as_ref().map_or(0, c2b_mailbox::Content::len);
        self.cycle.progress.received(self.index, received);
        item.meta.id = id.clone();
        item.meta.associated |= associated;
        // The parts of an item are fetched one after another, and each is of the listed state or a newer one. Of a
        // newer one the next listing tells, under another change key; so the listed one is kept.
        item.meta.change_key = change_key.or(item.meta.change_key);
        let change = self.change(item.meta.change_key.as_ref());
        let failure = if item.fidelity == Fidelity::Partial || lacks.is_some() {
            let (code, why) =
                lacks.map_or_else(|| ("partial".to_owned(), String::new()), |error| (error.code.clone(), format!(": {}", problem::chain(&error))));
            let message = format!("a part of the item could not be fetched; the rest is stored{why}");
            let one = Try { id: id.clone(), folder, change_key: item.meta.change_key.clone(), code, message };
            Some(self.ledger.fail(one, &self.cycle.job, self.cycle.clock.now(), |failure| {
                failure.subject.clone_from(&item.meta.subject);
                failure.date = item.meta.received.or(item.meta.modified);
                failure.size = item.meta.size;
            }))
        } else {
            self.ledger.clear(&id);
            None
        };
        let (mailbox, index, progress) = (self.mailbox, self.index, self.cycle.progress.clone());
        let work = move |writer: &mut Writer| {
            let put = writer.put_item(mailbox, folder, item)?;
            if let Some(failure) = failure {
                writer.put_failure(mailbox, failure)?;
            }
            if counted {
                progress.completed(&put);
            } else {
                progress.put(index, &put);
            }
            Ok(())
        };
        let ticket = self.cycle.submit(work).await?;
        self.recent.note(id, ticket, Some(Held { folder, change }));
        Ok(())
    }

    /// Ends an item that is gone since it was listed.
    async fn lose_sight(&mut self, wanted: Wanted) -> Result<(), Halt> {
        let Wanted { id, folder, counted, .. } = wanted;
        let (mailbox, index, progress) = (self.mailbox, self.index, self.cycle.progress.clone());
        let had_failed = self.ledger.clear(&id);
        let held = self.holds(vec![id.clone()]).await?.pop().flatten();
        if had_failed || held.is_some() {
            self.note_left(std::slice::from_ref(&id)).await?;
            let item = id.clone();
            let work = move |writer: &mut Writer| {
                if writer.delete_item(mailbox, &item)? {
                    progress.deleted(index);
                }
                if had_failed { writer.clear_failure(mailbox, &item) } else { Ok(()) }
            };
            let ticket = self.cycle.submit(work).await?;
            self.recent.note(id, ticket, None);
        } else {
            self.stop_waiting(folder, id).await?;
        }
        if !counted {
            self.cycle.progress.unchanged(self.index, 1);
        }
        Ok(())
    }

    async fn fail(&mut self, wanted: Wanted, error: &SourceError) -> Result<(), Halt> {
        let Wanted { id, change_key, folder, counted, .. } = wanted;
        let (mailbox, item) = (self.mailbox, id.clone());
        let stored = self
            .cycle
            .read(move |catalog| match catalog.known(mailbox, &[item])?.pop().flatten() {
                Some(known) => catalog.item(known.key, Moment::Latest),
                None => Ok(None),
            })
            .await?;
        let is_held = stored.is_some();
        let one = Try { id, folder, change_key, code: error.code.clone(), message: problem::chain(error) };
        let failure = self.ledger.fail(one, &self.cycle.job, self.cycle.clock.now(), |failure| {
            if let Some(row) = stored {
                failure.subject = row.meta.subject;
                failure.date = Some(row.time);
                failure.size = Some(row.size);
            }
        });
        tracing::warn!(
            job = %self.cycle.job, cycle = self.cycle.progress.cycle(), mailbox = %self.address, folder = folder.0, item = %failure.id, code = %failure.code, attempts = failure.attempts, "item failed"
        );
        self.cycle.submit(move |writer| writer.put_failure(mailbox, failure)).await?;
        if !counted {
            self.cycle.progress.failed(self.index, is_held);
        }
        Ok(())
    }

    /// Returns what the archive holds of these items once everything handed over is carried out.
    async fn holds(&mut self, ids: Vec<ItemId>) -> Result<Vec<Option<Held>>, Halt> {
        self.recent.prune(self.cycle.storage.committed());
        let mailbox = self.mailbox;
        let (ids, known) = self.cycle.read(move |catalog| catalog.known(mailbox, &ids).map(|known| (ids, known))).await?;
        Ok(ids.iter().zip(known).map(|(id, known)| self.recent.resolve(id, known)).collect())
    }

    /// Returns what the catalogue keeps of a change key.
    fn change(&self, change_key: Option<&ChangeKey>) -> Option<ChangeMark> {
        change_key.map(|change_key| self.cycle.storage.catalog().change_mark(change_key))
    }

    fn open_page(&mut self, folder: FolderKey, position: Option<Position>) -> u64 {
        let number = self.next_page;
        self.next_page += 1;
        self.pages.push_back(OpenPage { number, folder, outstanding: 0, position });
        number
    }

    /// Queues an item for a page, the last one opened.
    fn want(&mut self, wanted: Wanted) {
        self.expect(&wanted);
        self.queue.push_back(wanted);
    }

    /// Notes that the page opened last waits for an item.
    fn expect(&mut self, wanted: &Wanted) {
        if let Some(open) = self.pages.back_mut() {
            open.outstanding += 1;
        }
        self.under_way.insert(wanted.id.clone());
    }

    /// Notes that an item is handed over, or nothing is to be done about it.
    fn finish(&mut self, id: &ItemId, page: u64) {
        self.under_way.remove(id);
        let first = self.pages.front().map_or(0, |page| page.number);
        let place = page.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(page) = place.and_then(|place| self.pages.get_mut(place)) {
            page.outstanding -= 1;
        }
    }

    /// Hands over the cursors of pages that are done, in their order.
    async fn close_pages(&mut self) -> Result<(), Halt> {
        while let Some(page) = self.pages.pop_front_if(|page| page.outstanding == 0) {
            if let Some(position) = page.position {
                let (mailbox, scope) = (self.mailbox, CursorScope::Folder(page.folder));
                let work = move |writer: &mut Writer| {
                    let stored = Positions::of(writer.cursor(mailbox, scope)?);
                    writer.set_cursor(mailbox, scope, Some(&stored.with(position)))
                };
                self.cycle.submit(work).await?;
            }
        }
        Ok(())
    }

    /// Forgets where listings by other filters stand in a folder: they must meet again what they passed.
    async fn forget_other_positions(&mut self, folder: FolderKey) -> Result<(), Halt> {
        let (mailbox, scope, filter) = (self.mailbox, CursorScope::Folder(folder), self.cycle.sieve.text());
        let work = move |writer: &mut Writer| {
            let stored = Positions::of(writer.cursor(mailbox, scope)?);
            writer.set_cursor(mailbox, scope, stored.only(&filter).as_ref())
        };
        self.cycle.submit(work).await.map(drop)
    }

    /// Starts as many requests as there may be.
    fn launch(&mut self) {
        while self.fetches.len() < BATCHES_MAX && self.fetches.len() - self.waiting < REQUESTS_MAILBOX_MAX {
            if !self.looks.is_empty() {
                let items = self.cycle.source.bounds().look_items.clamp(1, self.looks.len());
                let wanted = self.looks.drain(..items).collect();
                self.spawn(Step::Look(wanted));
            } else if !self.queue.is_empty() {
                let wanted = self.next_batch();
                self.spawn(if self.retries { Step::once_more(wanted) } else { Step::first(wanted) });
            } else {
                return;
            }
        }
    }

    /// Takes from the queue what one request is to bring: a bounded number of items and of bytes, at least one item.
    fn next_batch(&mut self) -> Vec<Wanted> {
        let bounds = self.cycle.source.bounds();
        let items_max = Flight::batch_items(self.cycle.progress.known_items(), self.cycle.limits.slots()).clamp(1, bounds.fetch_items.max(1));
        let guess = bounds.fetch_bytes / u64::try_from(bounds.fetch_items_unsized.max(1)).unwrap_or(1);
        let (mut batch, mut bytes) = (Vec::new(), 0u64);
        while let Some(wanted) = self.queue.pop_front() {
            bytes = bytes.saturating_add(wanted.size.unwrap_or(guess));
            if !batch.is_empty() && bytes > bounds.fetch_bytes {
                self.queue.push_front(wanted);
                break;
            }
            batch.push(wanted);
            if batch.len() >= items_max {
                break;
            }
        }
        batch
    }

    fn spawn(&mut self, step: Step) {
        let waits = step.waits();
        self.waiting += usize::from(waits);
        let running = step.run(self.cycle.clone(), self.address.clone(), self.tree.clone());
        self.fetches.spawn(async move { (waits, running.await) });
    }
}
