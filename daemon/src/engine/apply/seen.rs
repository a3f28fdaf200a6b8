//! What need not be fetched: items that moved, and items that were only marked.

use super::aside::Aside;
use super::{Applier, PAGES_MAX};
use crate::engine::cycle::Halt;
use crate::engine::fetch::Wanted;
use crate::engine::filter::Decision;
use crate::engine::identity::{is_mail, is_marked, is_moved};
use crate::engine::moves::LEFT_MAX;
use crate::engine::plan::{Action, Planned};
use crate::engine::recent::Held;
use c2b_mailbox::{ItemId, ItemMeta, Sight};
use c2b_storagefmt::{CommitSeq, FolderKey, ItemKey, ItemRow, Writer};
use chrono::TimeDelta;
use std::collections::HashMap;

/// For how long an item that left is known again, where the job leaves some out for their age; otherwise until the last
/// cycle but one.
const LEFT_FOR: TimeDelta = TimeDelta::days(7);

/// Items whose state is read at once.
const ROWS_AT_ONCE: usize = 1024;

/// What an item that was seen turned out to be.
enum Found {
    /// One that left.
    Moved(ItemKey),
    /// The one that is held under this id, with other properties.
    Same,
}

impl Applier {
    /// Returns the committed state of those items of a page of which it may be needed: of those that leave the folder,
    /// and of those that changed and may be recognised. Where more was handed over since, nobody knows the state.
    pub(super) async fn rows(&self, folder: FolderKey, planned: &[Planned], holds: &[Option<Held>]) -> Result<HashMap<ItemId, ItemRow>, Halt> {
        if self.moves.is_none() {
            return Ok(HashMap::new());
        }
        let is_needed = |one: &Planned, held: &Held| match one.action {
            Action::Drop => held.folder == folder,
            Action::Look => !held.is(folder, self.change(one.change_key.as_ref())),
            Action::Mark(_) => false,
        };
        let needed = planned.iter().zip(holds).filter(|(one, held)| held.as_ref().is_some_and(|held| is_needed(one, held)));
        let ids: Vec<ItemId> = needed.map(|(one, _)| one.id.clone()).filter(|id| self.recent.get(id).is_none()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let dropped: Vec<bool> = ids.iter().map(|id| planned.iter().any(|one| one.id == *id && one.action == Action::Drop)).collect();
        let mailbox = self.mailbox;
        let rows = self.cycle.read(move |catalog| catalog.present(mailbox, &ids)).await?;
        let is_of_use = |row: &ItemRow, dropped: bool| dropped || row.folder != folder || is_mail(&row.meta);
        let rows = rows.into_iter().zip(dropped).filter_map(|(row, dropped)| row.filter(|row| is_of_use(row, dropped)));
        Ok(rows.map(|row| (row.meta.id.clone(), row)).collect())
    }

    /// Returns the told read states of a page's items of which nothing else changed, where they are not those that are held.
    pub(super) async fn other_reads(&self, folder: FolderKey, planned: &[Planned], holds: &[Option<Held>]) -> Result<HashMap<ItemId, bool>, Halt> {
        let is_current = |one: &Planned, held: &Option<Held>| held.as_ref().is_some_and(|held| held.is(folder, self.change(one.change_key.as_ref())));
        let told = planned.iter().zip(holds).filter(|(one, held)| one.action == Action::Look && is_current(one, held));
        let told = told.filter_map(|(one, _)| Some((one.id.clone(), one.told.read?)));
        // Of what was handed over in this cycle the catalogue may not know the state yet.
        let (recent, told): (Vec<_>, Vec<_>) = told.partition(|(id, _)| self.recent.get(id).is_some());
        if told.is_empty() {
            return Ok(recent.into_iter().collect());
        }
        let mailbox = self.mailbox;
        self.cycle
            .read(move |catalog| {
                let ids: Vec<ItemId> = told.iter().map(|(id, _)| id.clone()).collect();
                let rows = catalog.present(mailbox, &ids)?;
                let differs =
                    |((_, read), row): &((ItemId, bool), Option<ItemRow>)| row.as_ref().is_some_and(|row| row.meta.read.is_some_and(|held| held != *read));
                Ok(told.into_iter().zip(rows).filter(differs).map(|(one, _)| one).chain(recent).collect())
            })
            .await
    }

    /// Lets go of new items that wait, when all is listed or no more can wait: what is no item that left is fetched.
    pub(super) async fn release(&mut self, is_open: bool) -> Result<(), Halt> {
        let is_due = !is_open || self.held.is_some() || self.pages.len() >= PAGES_MAX;
        if let Some(moves) = &mut self.moves {
            moves.may_grow = is_open || self.held.is_some();
        }
        let Some(moves) = self.moves.as_mut().filter(|moves| moves.has_waiting() && (is_due || moves.is_full())) else { return Ok(()) };
        if !moves.is_complete {
            moves.is_complete = true;
            let mailbox = self.mailbox;
            // What left earlier is taken to be gone for good. That costs a fetch; what is left out would be gone with it.
            let long_ago = self.cycle.sieve.is_of_age().then(|| self.cycle.clock.now() - LEFT_FOR);
            let left = self.cycle.read(move |catalog| {
                let points = catalog.points(mailbox)?;
                let since = points.iter().rev().skip(1).find(|point| long_ago.is_none_or(|long_ago| point.time <= long_ago));
                let since = since.map_or(CommitSeq(0), |point| point.seq);
                catalog.left_since(mailbox, since, LEFT_MAX)
            });
            let left = left.await?;
            left.iter().for_each(|row| moves.leave(row));
        }
        let (look, fetch) = moves.release();
        self.looks.extend(look);
        let mut aside = Aside::default();
        for wanted in fetch {
            match wanted.decision {
                Some(Decision::Take) => self.queue.push_back(wanted),
                None => self.looks.push_back(wanted),
                Some(Decision::Leave | Decision::NotYet(_)) => {
                    self.finish(&wanted.id, wanted.page);
                    self.pass(&wanted);
                    aside.add(wanted, false);
                }
            }
        }
        self.set_aside(aside).await
    }

    fn pass(&mut self, wanted: &Wanted) {
        if let Some(moves) = &mut self.moves {
            moves.pass(wanted);
        }
    }

    /// When all is listed and handed over, looks again at what was left out before it was known what left.
    pub(super) fn look_again(&mut self) {
        let Some(moves) = self.moves.as_mut().filter(|moves| !moves.may_grow && self.under_way.is_empty()) else { return };
        let passed = moves.take_passed();
        self.cycle.progress.readmit(self.index, passed.len() as u64);
        for mut wanted in passed {
            wanted.page = self.open_page(wanted.folder, None);
            self.expect(&wanted);
            self.looks.push_back(wanted);
        }
    }

    /// Notes that items left though no feed told so, before they are deleted.
    pub(super) async fn note_left(&mut self, items: &[ItemId]) -> Result<(), Halt> {
        let Some(moves) = &mut self.moves else { return Ok(()) };
        // Of what was handed over since nobody knows the state.
        let ids: Vec<ItemId> = items.iter().filter(|id| self.recent.get(id).is_none()).take(LEFT_MAX).cloned().collect();
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let (mailbox, ids) = (self.mailbox, ids.to_vec());
            let rows = self.cycle.read(move |catalog| catalog.present(mailbox, &ids)).await?;
            rows.into_iter().flatten().for_each(|row| moves.leave(&row));
        }
        Ok(())
    }

    /// Records items that were recognised by their properties; the others are fetched.
    pub(super) async fn judge(&mut self, seen: Vec<(Wanted, Sight)>) -> Result<(), Halt> {
        let (mailbox, ids) = (self.mailbox, seen.iter().map(|(wanted, _)| wanted.id.clone()).collect::<Vec<_>>());
        let rows = self.cycle.read(move |catalog| catalog.present(mailbox, &ids)).await?;
        let (mut known, mut orders, mut aside) = (Vec::new(), Vec::new(), Aside::default());
        for ((mut wanted, mut sight), row) in seen.into_iter().zip(rows) {
            sight.meta.associated |= wanted.associated;
            wanted.decision = wanted.decision.or_else(|| self.cycle.sieve.decide(Some(&sight.facts), sight.meta.associated));
            let is_here = row.as_ref().is_some_and(|row| row.folder == wanted.folder);
            // One that is held elsewhere is not left out unless it is the same: it would count as deleted there.
            let may_be_left_out = wanted.is_left_out() && (row.is_none() || is_here);
            // Of one that failed something is lacking, which no property shows.
            let found = match row {
                Some(_) if self.ledger.get(&wanted.id).is_some() && !wanted.is_left_out() => None,
                Some(row) if is_here => (!may_be_left_out && is_marked(&row.meta, &sight)).then_some(Found::Same),
                Some(row) => is_moved(&row.meta, &sight).then_some(Found::Same),
                None => self.moves.as_mut().and_then(|moves| moves.take(&sight)).map(Found::Moved),
            };
            match found {
                Some(found) => {
                    // As with what is fetched, the listed state is kept: of a newer one the next listing tells.
                    let meta = ItemMeta { id: wanted.id.clone(), change_key: wanted.change_key.clone().or(sight.meta.change_key.clone()), ..sight.meta };
                    let change = self.change(meta.change_key.as_ref());
                    orders.push((found, wanted.folder, meta));
                    known.push((wanted, change));
                }
                None if may_be_left_out => {
                    self.finish(&wanted.id, wanted.page);
                    if !is_here {
                        self.pass(&wanted);
                    }
                    aside.add(wanted, is_here);
                }
                None => self.queue.push_back(wanted),
            }
        }
        self.set_aside(aside).await?;
        if known.is_empty() {
            return Ok(());
        }
        let work = move |writer: &mut Writer| {
            let record = |(found, folder, meta): &(Found, FolderKey, ItemMeta)| match found {
                Found::Moved(item) => writer.move_item(mailbox, *item, *folder, meta),
                Found::Same => writer.put_meta(mailbox, *folder, meta),
            };
            orders.iter().map(record).collect::<Result<Vec<_>, _>>()
        };
        let (ticket, puts) = self.cycle.ask_in_turn(work).await?;
        for ((wanted, change), put) in known.into_iter().zip(puts) {
            let Some(put) = put else {
                self.queue.push_back(wanted);
                continue;
            };
            self.cycle.progress.put(self.index, &put);
            self.recent.note(wanted.id.clone(), ticket, Some(Held { folder: wanted.folder, change }));
            self.finish(&wanted.id, wanted.page);
        }
        Ok(())
    }
}
