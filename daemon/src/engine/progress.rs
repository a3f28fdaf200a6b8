//! How a run goes: counters, phases and rates, as the control socket shows them.
//!
//! For each mailbox `known = stored + unchanged + excluded + failed + left` holds at all times, since `left`
//! is what remains of the others. Everything that changes wakes the subscribers.

use super::limits::ConnectionLimits;
use crate::clock::Clock;
use c2b_api::coverage::{MailboxCoverage, PartCoverage};
use c2b_api::job::{Counters, MailboxProgress, Problem, RunInfo};
use c2b_mailbox::Address;
use c2b_storagefmt::{Put, PutOutcome};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// No remaining time is told before this share of the known items is done: below it, it is guesswork.
const REMAINING_FROM_PERCENT: u64 = 5;

/// One part in so many of a mailbox that is deleted or rewritten in one cycle is suspicious: a fifth.
const SUSPICIOUS_SHARE: u64 = 5;

/// Fewer items than these are no reason to suspect anything: three of ten mails deleted is an ordinary morning.
const SUSPICIOUS_MIN: u64 = 50;

/// Much of a mailbox was deleted or rewritten in one cycle, as by somebody who destroys or encrypts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suspicion {
    pub(crate) mailbox: Address,
    /// Items before the cycle.
    pub(crate) before: u64,
    pub(crate) deleted: u64,
    /// Items of which the contents changed.
    pub(crate) rewritten: u64,
}

/// The progress of a job's run. Made when the run starts; shared with who shows it.
#[derive(Debug)]
pub struct Progress {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
    limits: OnceLock<Arc<ConnectionLimits>>,
    clock: Clock,
}

/// Where a mailbox is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not begun, or waiting for another job.
    Waiting,
    /// Its folders are listed.
    Folders,
    /// Its items are listed and fetched.
    Items,
    /// It is done.
    Done,
    /// It could not be backed up.
    Failed,
    /// It was erased from the storage and is left out until somebody allows it again.
    Erased,
}

/// The place of a mailbox in the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MailboxIndex(pub(crate) usize);

#[derive(Debug, Default)]
struct Inner {
    started: Option<DateTime<Utc>>,
    cycle: u64,
    totals: Counters,
    cycle_totals: Counters,
    received: u64,
    mailboxes: Vec<Line>,
    problems: Vec<Problem>,
    coverage: BTreeMap<Address, Vec<PartCoverage>>,
    covered: Option<Vec<Address>>,
    suspicions: Vec<Suspicion>,
    throttled: Duration,
    throttled_until: Option<DateTime<Utc>>,
    active: Duration,
    running_since: Option<Duration>,
}

#[derive(Debug)]
struct Line {
    address: Address,
    phase: Phase,
    held_by: Option<String>,
    listed: bool,
    known: u64,
    stored: u64,
    unchanged: u64,
    excluded: u64,
    failed: u64,
    /// How many of those that failed or are left out are held in an earlier state.
    held_before: u64,
    bytes: u64,
    deleted: u64,
    rewritten: u64,
}

impl Progress {
    /// Returns the progress of a run that starts now.
    pub fn new(clock: Clock) -> Arc<Self> {
        let inner = Inner { started: Some(clock.now()), ..Inner::default() };
        Arc::new(Self { inner: Mutex::new(inner), changes: watch::Sender::new(0), limits: OnceLock::new(), clock })
    }

    /// Begins cycle `n`, counted from 1: what is kept for each cycle starts anew.
    pub fn begin_cycle(&self, n: u64) {
        self.begin(|inner| {
            inner.cycle = n;
            inner.cycle_totals = Counters::default();
        });
    }

    /// Goes on with a cycle that was paused: what it counted stays.
    pub fn continue_cycle(&self) {
        self.begin(|_| ());
    }

    fn begin(&self, count: impl FnOnce(&mut Inner)) {
        self.change(|inner, clock| {
            count(inner);
            inner.mailboxes.clear();
            inner.problems.clear();
            inner.covered = None;
            inner.throttled_until = None;
            inner.running_since = Some(clock.elapsed());
        });
    }

    /// Returns the number of the cycle that goes on, or went on at last; 0 before the first.
    pub fn cycle(&self) -> u64 {
        self.lock().cycle
    }

    /// Returns everything as it is now. `ended` is left to whoever ends the run.
    pub fn snapshot(&self) -> RunInfo {
        let inner = self.lock();
        let seconds = inner.active(&self.clock).as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        RunInfo {
            started: inner.started,
            ended: None,
            cycle: inner.cycle,
            totals: inner.totals,
            cycle_totals: inner.cycle_totals,
            mailboxes: inner.mailboxes.iter().map(Line::shown).collect(),
            problems: inner.problems.clone(),
            items_per_sec: rate(inner.totals.scanned),
            bytes_per_sec: rate(inner.received),
            remaining_secs: inner.remaining(&self.clock).map(|time| time.as_secs()),
            throttled_secs: inner.throttled.as_secs(),
            slots: self.limits.get().map(|limits| limits.info()),
        }
    }

    /// Returns a receiver of a number that grows with each change.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns what the job does at the moment, in words: `running`, `waits for …`, `throttled until …`.
    pub fn detail(&self) -> String {
        let inner = self.lock();
        let open: Vec<&Line> = inner.mailboxes.iter().filter(|line| !line.phase.is_end()).collect();
        let busy = open.iter().any(|line| matches!(line.phase, Phase::Folders | Phase::Items));
        if let Some((line, holder)) = open.iter().find_map(|line| line.held_by.as_ref().map(|holder| (line, holder))).filter(|_| !busy) {
            return format!("waits for {} held by {holder}", line.address);
        }
        match inner.throttled_until.filter(|until| *until > self.clock.now()) {
            Some(until) => format!("throttled until {}", until.format("%H:%M:%S UTC")),
            None => "running".to_owned(),
        }
    }

    /// Returns the mailboxes that this cycle's selection came to, once that is known.
    ///
    /// Whoever runs the next cycle gives them as `previous_mailboxes`.
    pub fn covered(&self) -> Option<Vec<Address>> {
        self.lock().covered.clone()
    }

    /// Notes over which connection the run goes, to show how it stands.
    pub(crate) fn goes_over(&self, limits: &Arc<ConnectionLimits>) {
        // A run keeps its connection: an edit starts another run.
        self.limits.get_or_init(|| limits.clone());
    }

    pub(crate) fn cover(&self, mailboxes: &[Address]) {
        self.change(|inner, _| {
            inner.covered = Some(mailboxes.to_vec());
            inner.coverage.clear();
            inner.mailboxes = mailboxes.iter().cloned().map(Line::new).collect();
        });
    }

    /// Returns what is covered of each mailbox that the cycle has looked at, by address.
    pub fn coverage(&self) -> Vec<MailboxCoverage> {
        let coverage = |(address, parts): (&Address, &Vec<PartCoverage>)| MailboxCoverage { mailbox: address.to_string(), parts: parts.clone() };
        self.lock().coverage.iter().map(coverage).collect()
    }

    /// Notes what is covered of a mailbox.
    pub(crate) fn covers(&self, address: &Address, parts: Vec<PartCoverage>) {
        self.change(|inner, _| drop(inner.coverage.insert(address.clone(), parts)));
    }

    /// Adds what a look beside the cycles counted, which is over.
    pub(crate) fn absorb(&self, look: &Self) {
        let look = look.lock();
        self.change(|inner, _| {
            inner.totals.add(&look.totals);
            inner.received += look.received;
            inner.throttled += look.throttled;
            inner.active += look.active;
            let new = look.problems.iter().filter(|problem| !inner.problems.contains(problem)).cloned().collect::<Vec<_>>();
            inner.problems.extend(new);
        });
    }

    /// Adds what is backed up beside the mailboxes of the selection.
    pub(crate) fn add(&self, address: &Address) {
        self.change(|inner, _| inner.mailboxes.push(Line::new(address.clone())));
    }

    /// Ends the cycle: time that passes from now on is idle.
    pub(crate) fn end_cycle(&self) {
        self.change(|inner, clock| {
            inner.active = inner.active(clock);
            inner.running_since = None;
            inner.throttled_until = None;
        });
    }

    pub(crate) fn phase(&self, mailbox: MailboxIndex, phase: Phase) {
        self.line(mailbox, |line, _| {
            line.phase = phase;
            line.held_by = None;
        });
    }

    pub(crate) fn held(&self, mailbox: MailboxIndex, by: String) {
        self.line(mailbox, |line, _| line.held_by = Some(by));
    }

    /// Notes that a mailbox is begun anew, and with it the count of what was looked at; what was stored stays so.
    pub(crate) fn restart(&self, mailbox: MailboxIndex) {
        self.line(mailbox, |line, count| {
            let before = std::mem::replace(line, Line::new(line.address.clone()));
            (line.bytes, line.deleted, line.rewritten) = (before.bytes, before.deleted, before.rewritten);
            count(&|counters| {
                counters.scanned = counters.scanned.saturating_sub(before.stored + before.unchanged + before.excluded + before.failed);
                counters.excluded = counters.excluded.saturating_sub(before.excluded);
                counters.failed = counters.failed.saturating_sub(before.failed);
            });
        });
    }

    /// Adds items that the cycle now knows of.
    pub(crate) fn known(&self, mailbox: MailboxIndex, items: u64) {
        self.line(mailbox, |line, _| line.known += items);
    }

    /// Notes that no further items will become known, but for retries.
    pub(crate) fn listed(&self, mailbox: MailboxIndex) {
        self.line(mailbox, |line, _| line.listed = true);
    }

    pub(crate) fn unchanged(&self, mailbox: MailboxIndex, items: u64) {
        self.line(mailbox, |line, count| {
            line.unchanged += items;
            count(&|counters| counters.scanned += items);
        });
    }

    /// Counts items that the job leaves out; of some an earlier state is `held`.
    pub(crate) fn excluded(&self, mailbox: MailboxIndex, items: u64, held: u64) {
        self.line(mailbox, |line, count| {
            line.excluded += items;
            line.held_before += held;
            count(&|counters| {
                counters.scanned += items;
                counters.excluded += items;
            });
        });
    }

    /// Takes back that items were left out, since they are looked at once more.
    pub(crate) fn readmit(&self, mailbox: MailboxIndex, items: u64) {
        self.line(mailbox, |line, count| {
            line.excluded = line.excluded.saturating_sub(items);
            count(&|counters| {
                counters.scanned = counters.scanned.saturating_sub(items);
                counters.excluded = counters.excluded.saturating_sub(items);
            });
        });
    }

    /// Counts an item that the writer took.
    pub(crate) fn put(&self, mailbox: MailboxIndex, put: &Put) {
        // What was lost to damage and is stored again differs in nothing that one could see.
        if put.outcome == PutOutcome::Unchanged && put.stored_bytes == 0 {
            return self.unchanged(mailbox, 1);
        }
        self.line(mailbox, |line, count| {
            line.stored += 1;
            line.rewritten += u64::from(put.outcome == PutOutcome::NewVersion);
            count(&|counters| {
                counters.scanned += 1;
                counters.stored += 1;
                counters.bytes += put.logical_bytes;
                counters.new_bytes += put.stored_bytes;
            });
        });
    }

    /// Counts what an item brought that was counted before, and lacked something then.
    pub(crate) fn completed(&self, put: &Put) {
        self.change(|inner, _| {
            for counters in [&mut inner.totals, &mut inner.cycle_totals] {
                counters.bytes += put.logical_bytes;
                counters.new_bytes += put.stored_bytes;
            }
        });
    }

    /// Counts an item of which only the read state was stored.
    pub(crate) fn marked(&self, mailbox: MailboxIndex) {
        self.line(mailbox, |line, count| {
            line.stored += 1;
            count(&|counters| {
                counters.scanned += 1;
                counters.stored += 1;
            });
        });
    }

    /// Counts an item that could not be had in its present state; of some an earlier one `is_held`.
    pub(crate) fn failed(&self, mailbox: MailboxIndex, is_held: bool) {
        self.line(mailbox, |line, count| {
            line.failed += 1;
            line.held_before += u64::from(is_held);
            count(&|counters| {
                counters.scanned += 1;
                counters.failed += 1;
            });
        });
    }

    /// Counts the items that needed no look of their own, since the source told of all changes: those of the
    /// `looked_at` which the archive holds in the end and which were not counted.
    pub(crate) fn rest(&self, mailbox: MailboxIndex, looked_at: u64) {
        self.line(mailbox, |line, count| {
            let items = looked_at.saturating_sub(line.stored + line.unchanged + line.held_before);
            line.known += items;
            line.unchanged += items;
            count(&|counters| counters.scanned += items);
        });
    }

    /// Takes failures back, since these items are tried once more; of some an earlier state is `held`.
    pub(crate) fn again(&self, mailbox: MailboxIndex, items: u64, held: u64) {
        self.line(mailbox, |line, count| {
            let beside = items.saturating_sub(line.failed);
            line.known += beside;
            let items = items - beside;
            line.failed -= items;
            line.held_before = line.held_before.saturating_sub(held);
            count(&|counters| {
                counters.scanned = counters.scanned.saturating_sub(items);
                counters.failed = counters.failed.saturating_sub(items);
            });
        });
    }

    pub(crate) fn deleted(&self, mailbox: MailboxIndex) {
        self.line(mailbox, |line, count| {
            line.deleted += 1;
            count(&|counters| counters.deleted += 1);
        });
    }

    /// Looks whether so much of a mailbox that held `before` items, and holds `after`, was deleted or rewritten that somebody
    /// should look. What went with its folder is told by nobody: it is seen by what is left.
    pub(crate) fn suspect(&self, mailbox: MailboxIndex, before: u64, after: u64) {
        self.change(|inner, _| {
            let Some(line) = inner.mailboxes.get(mailbox.0) else { return };
            let deleted = line.deleted.max(before.saturating_sub(after));
            if before >= SUSPICIOUS_MIN && (deleted + line.rewritten) * SUSPICIOUS_SHARE >= before {
                let suspicion = Suspicion { mailbox: line.address.clone(), before, deleted, rewritten: line.rewritten };
                inner.suspicions.push(suspicion);
            }
        });
    }

    /// Takes the suspicions that the cycle came to.
    pub(crate) fn take_suspicions(&self) -> Vec<Suspicion> {
        std::mem::take(&mut self.lock().suspicions)
    }

    pub(crate) fn received(&self, mailbox: MailboxIndex, bytes: u64) {
        self.change(|inner, _| {
            inner.received += bytes;
            if let Some(line) = inner.mailboxes.get_mut(mailbox.0) {
                line.bytes += bytes;
            }
        });
    }

    pub(crate) fn problem(&self, problem: Problem) {
        self.change(|inner, _| inner.problems.push(problem));
    }

    pub(crate) fn throttled(&self, time: Duration, until: DateTime<Utc>) {
        self.change(|inner, _| {
            inner.throttled += time;
            inner.throttled_until = Some(inner.throttled_until.map_or(until, |earlier| earlier.max(until)));
        });
    }

    /// Returns how many items this cycle knows of so far, in all mailboxes.
    pub(crate) fn known_items(&self) -> u64 {
        self.lock().mailboxes.iter().map(|line| line.known).sum()
    }

    /// Returns whether this cycle saw problems.
    pub(crate) fn has_problems(&self) -> bool {
        !self.lock().problems.is_empty()
    }

    fn line(&self, mailbox: MailboxIndex, change: impl FnOnce(&mut Line, &mut dyn FnMut(&dyn Fn(&mut Counters)))) {
        self.change(|inner, _| {
            let Inner { mailboxes, totals, cycle_totals, .. } = inner;
            if let Some(line) = mailboxes.get_mut(mailbox.0) {
                change(line, &mut |count| {
                    count(totals);
                    count(cycle_totals);
                });
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Inner, &Clock)) {
        change(&mut self.lock(), &self.clock);
        self.changes.send_modify(|n| *n += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn active(&self, clock: &Clock) -> Duration {
        self.active + self.running(clock)
    }

    fn running(&self, clock: &Clock) -> Duration {
        self.running_since.map_or(Duration::ZERO, |since| clock.elapsed().saturating_sub(since))
    }

    /// The time that the rest takes at the cycle's pace, once every mailbox told what it has.
    fn remaining(&self, clock: &Clock) -> Option<Duration> {
        if self.running_since.is_none() || self.mailboxes.is_empty() || !self.mailboxes.iter().all(Line::is_told) {
            return None;
        }
        let open = || self.mailboxes.iter().filter(|line| line.phase != Phase::Failed);
        let known: u64 = open().map(|line| line.known).sum();
        let left: u64 = open().map(Line::left).sum();
        let done = known - left;
        if left == 0 || done == 0 || done * 100 < known * REMAINING_FROM_PERCENT {
            return None;
        }
        Some(self.running(clock).mul_f64(left as f64 / done as f64))
    }
}

impl Line {
    fn new(address: Address) -> Self {
        Self {
            address,
            phase: Phase::Waiting,
            held_by: None,
            listed: false,
            known: 0,
            stored: 0,
            unchanged: 0,
            excluded: 0,
            failed: 0,
            held_before: 0,
            bytes: 0,
            deleted: 0,
            rewritten: 0,
        }
    }

    fn is_told(&self) -> bool {
        self.listed || self.phase.is_end()
    }

    fn left(&self) -> u64 {
        self.known.saturating_sub(self.stored + self.unchanged + self.excluded + self.failed)
    }

    fn shown(&self) -> MailboxProgress {
        MailboxProgress {
            address: self.address.to_string(),
            phase: self.phase.as_str().to_owned(),
            known: self.known,
            stored: self.stored,
            unchanged: self.unchanged,
            excluded: self.excluded,
            failed: self.failed,
            left: self.left(),
            bytes: self.bytes,
        }
    }
}

impl Phase {
    fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Erased)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Folders => "folders",
            Self::Items => "items",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Erased => "erased",
        }
    }
}
