//! Fetches a few items and finds out whose fault a failure is.
//!
//! A batch that fails as a whole is tried again item by item; an item that keeps failing while
//! the connection answers is given up, and only that.

use super::cycle::{Cycle, Halt, Probe, RECOVERIES_MAX, SUSPICIOUS_FAILURES, salt};
use super::problem;
use super::retry::{Tried, Verdict, backoff, is_throttling, verdict};
use c2b_mailbox::{Address, ChangeKey, Cursor, Item, ItemId, ItemRef, Retry, Scope, SourceError, Trouble};
use c2b_storagefmt::FolderKey;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// An item to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) id: ItemId,
    pub(crate) change_key: Option<ChangeKey>,
    pub(crate) folder: FolderKey,
    /// The page that asked for it.
    pub(crate) page: u64,
}

/// Items to be fetched in one request.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) wanted: Vec<Wanted>,
    /// How often these items failed in this cycle.
    failures: u32,
    /// How often the connection failed and came back meanwhile.
    recoveries: u32,
    wait: Duration,
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Done {
    /// Items about which something is known.
    pub(crate) known: Vec<(Wanted, Outcome)>,
    /// What is to be tried again.
    pub(crate) again: Vec<Batch>,
}

/// What came of an item.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Here it is.
    Item(Box<Item>),
    /// It is gone since it was listed.
    Gone,
    /// It cannot be had now.
    Failed(SourceError),
}

impl Batch {
    /// Returns a first try.
    pub(crate) fn new(wanted: Vec<Wanted>) -> Self {
        Self { wanted, failures: 0, recoveries: 0, wait: Duration::ZERO }
    }

    /// Returns whether this is a try after others.
    pub(crate) fn is_retry(&self) -> bool {
        self.failures + self.recoveries > 0
    }

    /// Returns these items one by one, after a failure.
    fn split(self, error: &SourceError, mailbox: &Address) -> Vec<Self> {
        let failures = self.failures + 1;
        let wait = if error.is_transient() { backoff(failures, salt(Some(mailbox))) } else { Duration::ZERO };
        let recoveries = self.recoveries;
        self.wanted.into_iter().map(|one| Self { wanted: vec![one], failures, recoveries, wait }).collect()
    }
}

/// Fetches a batch; `tree` is the cursor of the mailbox's folder tree, to ask whether the connection answers.
pub(crate) async fn fetch(cycle: Arc<Cycle>, mailbox: Address, tree: Cursor, batch: Batch) -> Result<Done, Halt> {
    if !batch.wait.is_zero() {
        cycle.pause(batch.wait).await?;
    }
    let refs: Vec<ItemRef> = batch.wanted.iter().map(|one| ItemRef { id: one.id.clone(), change_key: one.change_key.clone() }).collect();
    let mut tried = Tried { failures: batch.failures, ..Tried::default() };
    let error = match cycle.attempt(Some(&mailbox), &mut tried, || cycle.source.fetch(&mailbox, &refs)).await {
        Ok(fetched) => {
            let results = fetched.into_iter().map(|one| (one.id, one.result)).collect();
            return sort_out(&cycle, &mailbox, batch, results);
        }
        Err(Halt::Source(error)) => error,
        Err(Halt::Cycle) => return Err(Halt::Cycle),
    };
    if error.scope == Scope::Mailbox && !error.is_transient() {
        return Err(Halt::Source(error));
    }
    if let (Verdict::HoldOff(delay), true) = (verdict(&error, tried, salt(Some(&mailbox))), error.is_transient()) {
        cycle.note_hold(&mailbox, delay);
    }
    if batch.wanted.len() > 1 || (error.is_transient() && tried.failures < SUSPICIOUS_FAILURES) {
        return Ok(Done { known: Vec::new(), again: batch.split(&error, &mailbox) });
    }
    let recoveries = batch.recoveries + 1;
    if error.is_transient() && error.scope != Scope::Item && recoveries <= RECOVERIES_MAX && cycle.probe(&mailbox, Some(&tree)).await? == Probe::Recovered {
        let again = Batch { wanted: batch.wanted, failures: 0, recoveries, wait: Duration::ZERO };
        return Ok(Done { known: Vec::new(), again: vec![again] });
    }
    // One item is left by now, so the error is its own.
    Ok(Done { known: batch.wanted.into_iter().next().map(|one| (one, Outcome::Failed(error))).into_iter().collect(), again: Vec::new() })
}

/// Gives each item its result; what may succeed by itself is tried again.
fn sort_out(cycle: &Cycle, mailbox: &Address, batch: Batch, mut results: HashMap<ItemId, Result<Item, SourceError>>) -> Result<Done, Halt> {
    let failures = batch.failures + 1;
    let tried = Tried { failures, ..Tried::default() };
    let mut known = Vec::new();
    let (mut failed, mut wait) = (Vec::new(), Duration::ZERO);
    let mut throttled = Vec::new();
    for one in batch.wanted {
        let error = match results.remove(&one.id).unwrap_or_else(|| Err(unanswered(&one.id))) {
            Ok(item) => {
                known.push((one, Outcome::Item(Box::new(item))));
                continue;
            }
            Err(error) => error,
        };
        if problem::is_no_space(&error) {
            return Err(cycle.lose(problem::of_source(&error, None, "")));
        }
        if error.trouble == Trouble::NotFound {
            known.push((one, Outcome::Gone));
            continue;
        }
        let is_throttled = is_throttling(&error);
        if !is_throttled && (!error.is_transient() || failures >= SUSPICIOUS_FAILURES) {
            known.push((one, Outcome::Failed(error)));
            continue;
        }
        match verdict(&error, tried, salt(Some(mailbox))) {
            Verdict::Wait(delay) => wait = wait.max(delay),
            Verdict::HoldOff(delay) => cycle.note_hold(mailbox, delay),
            Verdict::GiveUp => {}
        }
        if is_throttled { throttled.push(one) } else { failed.push(one) }
    }
    let recoveries = batch.recoveries;
    let again = [Batch { wanted: failed, failures, recoveries, wait }, Batch { wanted: throttled, failures: batch.failures, recoveries, wait: Duration::ZERO }];
    Ok(Done { known, again: again.into_iter().filter(|batch| !batch.wanted.is_empty()).collect() })
}

fn unanswered(id: &ItemId) -> SourceError {
    SourceError {
        operation: format!("fetch item {id}"),
        scope: Scope::Item,
        trouble: Trouble::Malformed,
        code: "NoAnswer".to_owned(),
        message: "the server's answer does not mention the item".to_owned(),
        retry: Retry::Backoff,
        source: None,
    }
}
