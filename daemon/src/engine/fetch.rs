//! Fetches a few items and finds out whose fault a failure is.
//!
//! A batch that fails as a whole is tried again item by item. An item is given up only when the
//! mailbox answers otherwise: a server that is down, or that refuses everything, must not send a
//! whole mailbox into the ledger item by item.

use super::cycle::{Cycle, Halt, Probe, RECOVERIES_MAX, SUSPICIOUS_FAILURES, salt};
use super::filter::Decision;
use super::flight::Room;
use super::problem;
use super::retry::{Tried, Verdict, backoff, is_throttling, verdict};
use c2b_mailbox::{Address, ChangeKey, Cursor, Fetched, Item, ItemId, ItemRef, Retry, Scope, Sight, SourceError, Trouble};
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
    /// Its size, when the source told it.
    pub(crate) size: Option<u64>,
    /// The page that asked for it.
    pub(crate) page: u64,
    /// Whether the job takes it; `None` when that is to be found out by a look.
    pub(crate) decision: Option<Decision>,
    /// Whether its listing said that it is associated with its folder.
    pub(crate) associated: bool,
    /// Whether this cycle counted it already, as one that is held but for what it lacks.
    pub(crate) counted: bool,
}

impl Wanted {
    /// Returns whether the job leaves it out for now.
    pub(crate) fn is_left_out(&self) -> bool {
        self.decision.is_some_and(|decision| decision != Decision::Take)
    }
}

/// Items to be fetched in one request.
#[derive(Debug)]
pub(crate) struct Batch {
    wanted: Vec<Wanted>,
    /// How often these items failed in this cycle.
    failures: u32,
    /// How often the connection failed and came back meanwhile.
    recoveries: u32,
    /// Whether the mailbox was seen to answer since they failed: then another failure is their own.
    is_last: bool,
    wait: Duration,
}

/// Items that failed, as long as it is not known whose fault that is.
#[derive(Debug)]
pub(crate) struct Suspects {
    items: Vec<(Wanted, SourceError)>,
    recoveries: u32,
}

/// Something to do about items.
#[derive(Debug)]
pub(crate) enum Step {
    /// See what they are like.
    Look(Vec<Wanted>),
    /// Fetch them.
    Fetch(Batch),
    /// Find out whose fault their failure is.
    Judge(Suspects),
}

/// What came of a step.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Items about which something is known.
    pub(crate) known: Vec<(Wanted, Outcome)>,
    /// What is to be done about the others.
    pub(crate) next: Vec<Step>,
    /// Kept until the items are handed over.
    _room: Option<Room>,
}

/// What came of an item.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Here it is, and why a form of it lacks, if one does.
    Item(Box<Item>, Option<SourceError>),
    /// This is what it is like.
    Seen(Box<Sight>),
    /// It could not be seen what it is like: to be fetched, whatever the matter is.
    Unseen,
    /// It is gone since it was listed.
    Gone,
    /// It cannot be had now.
    Failed(SourceError),
}

impl Step {
    /// Fetches these items for the first time.
    pub(crate) fn first(wanted: Vec<Wanted>) -> Self {
        Self::Fetch(Batch { wanted, failures: 0, recoveries: 0, is_last: false, wait: Duration::ZERO })
    }

    /// Fetches items that failed in earlier cycles: one more failure is enough.
    pub(crate) fn once_more(wanted: Vec<Wanted>) -> Self {
        Self::Fetch(Batch { wanted, failures: SUSPICIOUS_FAILURES - 1, recoveries: 0, is_last: false, wait: Duration::ZERO })
    }

    /// Returns whether this mostly waits.
    pub(crate) fn waits(&self) -> bool {
        match self {
            Self::Look(_) => false,
            Self::Fetch(batch) => !batch.wait.is_zero(),
            Self::Judge(_) => true,
        }
    }

    /// Does it; `tree` is the cursor of the mailbox's folder tree, to ask whether the mailbox answers.
    pub(crate) async fn run(self, cycle: Arc<Cycle>, mailbox: Address, tree: Cursor) -> Result<Done, Halt> {
        match self {
            Self::Look(wanted) => look(&cycle, &mailbox, wanted).await,
            Self::Fetch(batch) => batch.fetch(&cycle, &mailbox).await,
            Self::Judge(suspects) => suspects.judge(&cycle, &mailbox, &tree).await,
        }
    }
}

impl Batch {
    async fn fetch(self, cycle: &Cycle, mailbox: &Address) -> Result<Done, Halt> {
        if !self.wait.is_zero() {
            cycle.pause(self.wait).await?;
        }
        let refs: Vec<ItemRef> =
            self.wanted.iter().map(|one| ItemRef { id: one.id.clone(), change_key: one.change_key.clone(), settle: self.is_last }).collect();
        let mut tried = Tried { failures: self.failures, ..Tried::default() };
        let fetch = || async { cycle.source.fetch(mailbox, &refs).await.and_then(as_one) };
        match cycle.attempt_in(Some(refs.len()), Some(mailbox), &mut tried, fetch).await {
            Ok((fetched, room)) => Ok(Done { _room: room, ..self.sort_out(cycle, mailbox, fetched)? }),
            Err(Halt::Source(error)) if is_beyond_items(&error) && !error.is_transient() => Err(Halt::Source(error)),
            Err(Halt::Source(error)) => Ok(self.fail(cycle, mailbox, error)),
            Err(Halt::Cycle) => Err(Halt::Cycle),
        }
    }

    /// Goes on after an error of the whole request.
    fn fail(self, cycle: &Cycle, mailbox: &Address, error: SourceError) -> Done {
        let failures = self.failures + 1;
        let is_again = error.is_transient() && failures < SUSPICIOUS_FAILURES;
        if self.wanted.len() == 1 && !is_again {
            let failed = self.wanted.into_iter().zip(std::iter::once(error)).collect();
            return Done::default().suspecting(failed, self.recoveries, self.is_last);
        }
        let wait = if error.is_transient() { wait_after(cycle, mailbox, &error, failures) } else { Duration::ZERO };
        let (recoveries, is_last) = (self.recoveries, self.is_last);
        let alone = |one| Step::Fetch(Self { wanted: vec![one], failures, recoveries, is_last, wait });
        Done { next: self.wanted.into_iter().map(alone).collect(), ..Done::default() }
    }

    /// Gives each item its result; what may succeed by itself is tried again.
    fn sort_out(self, cycle: &Cycle, mailbox: &Address, fetched: Vec<Fetched>) -> Result<Done, Halt> {
        let mut lacks: HashMap<ItemId, SourceError> = HashMap::new();
        let mut results: HashMap<ItemId, Result<Item, SourceError>> = HashMap::new();
        for Fetched { id, result, lacks: lack } in fetched {
            lacks.extend(lack.map(|lack| (id.clone(), lack)));
            results.insert(id, result);
        }
        let failures = self.failures + 1;
        let (recoveries, is_last) = (self.recoveries, self.is_last);
        let mut done = Done::default();
        let (mut again, mut wait) = (Vec::new(), Duration::ZERO);
        let (mut throttled, mut suspects) = (Vec::new(), Vec::new());
        for one in self.wanted {
            let error = match results.remove(&one.id).unwrap_or_else(|| Err(unanswered(&one.id))) {
                Ok(item) => {
                    let lacks = lacks.remove(&one.id);
                    done.known.push((one, Outcome::Item(Box::new(item), lacks)));
                    continue;
                }
                Err(error) => error,
            };
            if problem::is_no_space(&error) {
                return Err(cycle.lose(problem::of_source(&error, None, "")));
            }
            match error.trouble {
                Trouble::NotFound => done.known.push((one, Outcome::Gone)),
                Trouble::Corrupt => done.known.push((one, Outcome::Failed(error))),
                Trouble::Throttled => {
                    wait_after(cycle, mailbox, &error, failures);
                    throttled.push(one);
                }
                // Said of one item, meant of all: alone it will say so of the whole request.
                _ if is_beyond_items(&error) => done.next.push(Step::Fetch(Self { wanted: vec![one], failures, recoveries, is_last, wait: Duration::ZERO })),
                _ if error.is_transient() && failures < SUSPICIOUS_FAILURES => {
                    wait = wait.max(wait_after(cycle, mailbox, &error, failures));
                    again.push(one);
                }
                _ => suspects.push((one, error)),
            }
        }
        if !again.is_empty() {
            done.next.push(Step::Fetch(Self { wanted: again, failures, recoveries, is_last, wait }));
        }
        if !throttled.is_empty() {
            done.next.push(Step::Fetch(Self { wanted: throttled, failures: self.failures, recoveries, is_last, wait: Duration::ZERO }));
        }
        Ok(done.suspecting(suspects, recoveries, is_last))
    }
}

impl Done {
    /// Adds items that failed too often, or for good.
    fn suspecting(mut self, failed: Vec<(Wanted, SourceError)>, recoveries: u32, is_last: bool) -> Self {
        if is_last {
            self.known.extend(failed.into_iter().map(|(one, error)| (one, Outcome::Failed(error))));
        } else if !failed.is_empty() {
            self.next.push(Step::Judge(Suspects { items: failed, recoveries }));
        }
        self
    }
}

impl Suspects {
    /// Tries items once more when the mailbox answers, and anew when it had to come back first.
    async fn judge(self, cycle: &Cycle, mailbox: &Address, tree: &Cursor) -> Result<Done, Halt> {
        let probe = cycle.probe(mailbox, Some(tree)).await?;
        let is_last = probe == Probe::Answers || self.recoveries >= RECOVERIES_MAX;
        let mut done = Done::default();
        let mut again = Vec::new();
        for (one, error) in self.items {
            if error.is_transient() {
                again.push(one);
            } else {
                done.known.push((one, Outcome::Failed(error)));
            }
        }
        if !again.is_empty() {
            let failures = if is_last { SUSPICIOUS_FAILURES - 1 } else { 0 };
            done.next.push(Step::Fetch(Batch { wanted: again, failures, recoveries: self.recoveries + 1, is_last, wait: Duration::ZERO }));
        }
        Ok(done)
    }
}

/// Looks at items. Whose fault a failure is shows when they are fetched.
async fn look(cycle: &Cycle, mailbox: &Address, wanted: Vec<Wanted>) -> Result<Done, Halt> {
    let ids: Vec<ItemId> = wanted.iter().map(|one| one.id.clone()).collect();
    let looked = match cycle.attempt(Some(mailbox), &mut Tried::default(), || cycle.source.look(mailbox, &ids)).await {
        Ok(looked) => looked,
        Err(Halt::Source(error)) if is_beyond_items(&error) && !error.is_transient() => return Err(Halt::Source(error)),
        Err(Halt::Source(_)) => Vec::new(),
        Err(Halt::Cycle) => return Err(Halt::Cycle),
    };
    let mut results: HashMap<ItemId, Result<Sight, SourceError>> = looked.into_iter().map(|one| (one.id, one.result)).collect();
    let outcome = |one: &Wanted| match results.remove(&one.id) {
        Some(Ok(sight)) => Outcome::Seen(Box::new(sight)),
        Some(Err(error)) if error.trouble == Trouble::NotFound => Outcome::Gone,
        Some(Err(_)) | None => Outcome::Unseen,
    };
    let outcomes: Vec<Outcome> = wanted.iter().map(outcome).collect();
    Ok(Done { known: wanted.into_iter().zip(outcomes).collect(), ..Done::default() })
}

/// Returns how long to wait after an error; a mailbox that is to be left alone waits as a whole instead.
fn wait_after(cycle: &Cycle, mailbox: &Address, error: &SourceError, failures: u32) -> Duration {
    match verdict(error, Tried { failures, ..Tried::default() }, salt(Some(mailbox))) {
        Verdict::Wait(delay) => delay,
        Verdict::HoldOff(delay) => {
            cycle.note_hold(mailbox, delay);
            Duration::ZERO
        }
        Verdict::GiveUp => backoff(failures, salt(Some(mailbox))),
    }
}

/// Makes one error of an answer in which nothing succeeded and nothing is about items.
fn as_one(mut fetched: Vec<Fetched>) -> Result<Vec<Fetched>, SourceError> {
    let beyond = |one: &Fetched| one.result.as_ref().is_err_and(|error| is_beyond_items(error) && !is_throttling(error));
    if !fetched.is_empty() && fetched.iter().all(beyond) {
        fetched.swap_remove(0).result?;
    }
    Ok(fetched)
}

/// Returns whether an error is about more than items and their folder.
fn is_beyond_items(error: &SourceError) -> bool {
    matches!(error.scope, Scope::Mailbox | Scope::Connection)
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
