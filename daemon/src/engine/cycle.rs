//! What all mailboxes of one cycle share, and how they ask the source and the storage.
//!
//! Every request goes through here: bounded by the connection's limits, repeated by the one retry
//! policy, ended at once by a stop. It is also decided here whose fault an error is. An error that
//! looks like the connection's, while the connection answers others, is the item's, folder's or
//! mailbox's own: so a message that crashes the server costs itself and not the backup.

use super::filter::Sieve;
use super::flight::{Flight, Room};
use super::full::Interval;
use super::limits::{ConnectionLimits, Pass};
use super::problem;
use super::progress::Progress;
use super::public::PublicJob;
use super::queue::MailboxQueue;
use super::retry::{Tried, Verdict, is_throttling, verdict};
use super::weigh::{Weigh, of_error};
use super::writer::{StorageWriter, Ticket, WriterError};
use crate::clock::Clock;
use c2b_api::job::Problem;
use c2b_mailbox::{Address, Cursor, Scope, Source, SourceError, Trouble};
use c2b_storagefmt::{Catalog, Error, Writer};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Failures of one request after which it is asked whose fault they are.
pub(crate) const SUSPICIOUS_FAILURES: u32 = 3;

/// Failures of one request after which a server that never answered in this cycle is given up, some 15 s:
/// whoever starts a job wants to know, and a running one gets its next cycle soon.
const FIRST_FAILURES_MAX: u32 = 5;

/// How often a request is begun anew because the connection had failed meanwhile and came back.
pub(crate) const RECOVERIES_MAX: u32 = 5;

/// The shared state of one cycle.
pub(crate) struct Cycle {
    pub(crate) job: String,
    pub(crate) connection: String,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) storage: StorageWriter,
    pub(crate) limits: Arc<ConnectionLimits>,
    pub(crate) queue: Arc<MailboxQueue>,
    /// How many mailboxes wait for their turn.
    pub(crate) queued: watch::Sender<usize>,
    pub(crate) clock: Clock,
    pub(crate) progress: Arc<Progress>,
    /// Cancelled by a stop, and when the cycle is lost.
    pub(crate) halt: CancellationToken,
    pub(crate) flight: Flight,
    pub(crate) lost: OnceLock<Problem>,
    pub(crate) contacted: AtomicBool,
    /// The public folders of the job, once it is known where they belong.
    pub(crate) public: OnceLock<PublicJob>,
    /// Says which mailboxes are listed in full.
    pub(crate) full: Interval,
    /// Says which items and folders are taken.
    pub(crate) sieve: Sieve,
}

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The whole cycle ends: it was stopped, or is lost.
    Cycle,
    /// The source refused this.
    Source(SourceError),
}

/// Who is to blame when a request fails again and again while the connection answers others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Suspect<'a> {
    /// Nobody else: the request is of the connection itself.
    Connection,
    /// The mailbox.
    Mailbox,
    /// A folder; the mailbox's folder tree with this cursor is asked for to find out.
    Folder(Option<&'a Cursor>),
}

/// What a look at the connection found after a request failed again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The connection answers at once: the request's own object is at fault.
    Answers,
    /// The connection had failed and came back: the request deserves another try.
    Recovered,
}

impl Cycle {
    /// Ends the cycle with a problem; the first one counts.
    pub(crate) fn lose(&self, problem: Problem) -> Halt {
        tracing::error!(job = %self.job, cycle = self.progress.cycle(), code = %problem.code, reason = %problem.message, "cycle failed");
        // Later problems follow from the first.
        let _later = self.lost.set(problem);
        self.halt.cancel();
        Halt::Cycle
    }

    /// Makes a request until it succeeds, is given up, or the cycle ends.
    pub(crate) async fn request<T, F, R>(&self, mailbox: Option<&Address>, suspect: Suspect<'_>, call: F) -> Result<T, Halt>
    where
        T: Weigh,
        F: Fn() -> R,
        R: Future<Output = Result<T, SourceError>>,
    {
        let mut tried = Tried::default();
        let mut recoveries = 0;
        let answers = self.limits.answers();
        loop {
            let error = match self.attempt(mailbox, &mut tried, &call).await {
                Err(Halt::Source(error)) => error,
                other => return other,
            };
            if error.is_transient() && tried.failures >= SUSPICIOUS_FAILURES {
                match (suspect, mailbox) {
                    (Suspect::Mailbox, _) if self.limits.answers() != answers => return Err(Halt::Source(error)),
                    (Suspect::Folder(cursor), Some(mailbox)) => match self.probe(mailbox, cursor).await? {
                        Probe::Recovered if recoveries < RECOVERIES_MAX => {
                            recoveries += 1;
                            tried = Tried::default();
                            continue;
                        }
                        Probe::Answers | Probe::Recovered => return Err(Halt::Source(error)),
                    },
                    _ => {}
                }
            }
            if !self.contacted.load(Ordering::Relaxed) && tried.failures >= FIRST_FAILURES_MAX {
                let is_of_all = error.scope == Scope::Connection;
                return Err(if is_of_all { self.lose(problem::of_source(&error, None, "")) } else { Halt::Source(error) });
            }
            self.wait_after(mailbox, error, &mut tried).await?;
        }
    }

    /// Makes a request once. Throttling is waited for here, since it says nothing about the request.
    ///
    /// A connection that fails before it ever answered in this cycle loses the cycle at once.
    pub(crate) async fn attempt<T, F, R>(&self, mailbox: Option<&Address>, tried: &mut Tried, call: F) -> Result<T, Halt>
    where
        T: Weigh,
        F: Fn() -> R,
        R: Future<Output = Result<T, SourceError>>,
    {
        Ok(self.attempt_in(None, mailbox, tried, call).await?.0)
    }

    /// As [`Cycle::attempt`], for requests that bring so many items: takes room for them, to be kept until they are handed over.
    pub(crate) async fn attempt_in<T, F, R>(
        &self,
        items: Option<usize>,
        mailbox: Option<&Address>,
        tried: &mut Tried,
        call: F,
    ) -> Result<(T, Option<Room>), Halt>
    where
        T: Weigh,
        F: Fn() -> R,
        R: Future<Output = Result<T, SourceError>>,
    {
        loop {
            let sent = async {
                let (pass, room) = self.enter(items, mailbox).await;
                let answer = call().await;
                pass.end(answer.as_ref().map_or_else(of_error, Weigh::outcome));
                (answer, room)
            };
            let error = match self.until_halt(sent).await? {
                (Ok(answer), room) => {
                    self.answered();
                    return Ok((answer, room));
                }
                (Err(error), _) => error,
            };
            if problem::is_no_space(&error) {
                return Err(self.lose(problem::of_source(&error, None, "")));
            }
            if is_throttling(&error) {
                tried.throttles += 1;
                self.contacted.store(true, Ordering::Relaxed);
                self.wait_after_throttling(mailbox, &error, *tried).await?;
                continue;
            }
            tried.failures += 1;
            if is_of_connection(&error) && (!error.is_transient() || !self.contacted.load(Ordering::Relaxed)) {
                return Err(self.lose(problem::of_source(&error, None, "")));
            }
            if error.scope != Scope::Connection && !error.is_transient() {
                self.answered();
            }
            tracing::debug!(
                job = %self.job, mailbox = mailbox.map(Address::as_str), operation = %error.operation, code = %error.code, failures = tried.failures, "request failed"
            );
            return Err(Halt::Source(error));
        }
    }

    /// Waits as the retry policy says; an error that is given up comes back, or loses the cycle when it is the connection's.
    pub(crate) async fn wait_after(&self, mailbox: Option<&Address>, error: SourceError, tried: &mut Tried) -> Result<(), Halt> {
        match verdict(&error, *tried, salt(mailbox)) {
            Verdict::Wait(delay) => {
                tried.waited += delay;
                self.pause(delay).await
            }
            Verdict::HoldOff(delay) => {
                tried.waited += delay;
                self.hold_off(mailbox, delay).await
            }
            Verdict::GiveUp if error.is_transient() && error.scope == Scope::Connection => Err(self.lose(problem::of_source(&error, None, ""))),
            Verdict::GiveUp => Err(Halt::Source(error)),
        }
    }

    /// Finds out whether `mailbox` answers, by asking for its folder tree; waits until it does.
    ///
    /// A mailbox that refuses that, too, is at fault itself: then that error comes back.
    pub(crate) async fn probe(&self, mailbox: &Address, cursor: Option<&Cursor>) -> Result<Probe, Halt> {
        let mut tried = Tried::default();
        let mut probe = Probe::Answers;
        loop {
            match self.attempt(Some(mailbox), &mut tried, || self.source.folder_changes(mailbox, cursor)).await {
                Ok(_) => return Ok(probe),
                Err(Halt::Source(error)) if error.trouble == Trouble::CursorInvalid => return Ok(probe),
                Err(Halt::Source(error)) => self.wait_after(Some(mailbox), error, &mut tried).await?,
                Err(Halt::Cycle) => return Err(Halt::Cycle),
            }
            probe = Probe::Recovered;
        }
    }

    /// Leaves a mailbox alone because its server asked for it.
    pub(crate) fn note_hold(&self, mailbox: &Address, delay: Duration) {
        let hold = self.limits.hold_off(mailbox, delay);
        self.progress.throttled(hold.added, hold.until);
    }

    /// Waits, unless the cycle ends.
    pub(crate) async fn pause(&self, delay: Duration) -> Result<(), Halt> {
        self.until_halt(tokio::time::sleep(delay)).await
    }

    /// Waits for `future`, unless the cycle ends.
    pub(crate) async fn until_halt<T>(&self, future: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(Halt::Cycle),
            value = future => Ok(value),
        }
    }

    /// Reads the catalogue, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Catalog) -> Result<T, Error> + Send + 'static) -> Result<T, Halt> {
        let catalog = self.storage.catalog();
        match tokio::task::spawn_blocking(move || read(&catalog)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.lose(problem::of_storage(&error))),
            Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
            Err(_) => Err(Halt::Cycle),
        }
    }

    /// Hands work to the storage's writer.
    pub(crate) async fn submit(&self, work: impl FnOnce(&mut Writer) -> Result<(), Error> + Send + 'static) -> Result<Ticket, Halt> {
        if self.storage.is_low() {
            return Err(self.lose(problem::below_reserve()));
        }
        self.of_writer(self.storage.submit(work).await)
    }

    /// Hands work to the storage's writer and waits for its answer.
    pub(crate) async fn ask<T: Send + 'static>(&self, work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static) -> Result<T, Halt> {
        self.of_writer(self.storage.ask(work).await)
    }

    /// As [`Cycle::ask`], and tells the order's place.
    pub(crate) async fn ask_in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Ticket, T), Halt> {
        if self.storage.is_low() {
            return Err(self.lose(problem::below_reserve()));
        }
        self.of_writer(self.storage.ask_in_turn(work).await)
    }

    /// Commits everything that was handed over.
    pub(crate) async fn flush(&self) -> Result<(), Halt> {
        self.of_writer(self.storage.flush().await)
    }

    /// Waits for the leave to send, and for room before. No room is kept while a mailbox is left alone.
    async fn enter(&self, items: Option<usize>, mailbox: Option<&Address>) -> (Pass, Option<Room>) {
        let Some(items) = items else { return (self.limits.enter(&self.job, mailbox).await, None) };
        loop {
            self.limits.rest(mailbox).await;
            let room = self.flight.take(self.progress.known_items(), items).await;
            if let Some(pass) = self.limits.enter_unless_held(&self.job, mailbox).await {
                return (pass, Some(room));
            }
        }
    }

    /// Leaves the mailbox alone because the server asked for it; all its requests wait in [`ConnectionLimits::enter`].
    async fn hold_off(&self, mailbox: Option<&Address>, delay: Duration) -> Result<(), Halt> {
        let Some(mailbox) = mailbox else {
            self.progress.throttled(delay, self.clock.now() + delay);
            return self.pause(delay).await;
        };
        self.note_hold(mailbox, delay);
        Ok(())
    }

    async fn wait_after_throttling(&self, mailbox: Option<&Address>, error: &SourceError, tried: Tried) -> Result<(), Halt> {
        tracing::info!(job = %self.job, mailbox = mailbox.map(Address::as_str), code = %error.code, "server asks to slow down");
        match verdict(error, tried, salt(mailbox)) {
            Verdict::HoldOff(delay) | Verdict::Wait(delay) => self.hold_off(mailbox, delay).await,
            Verdict::GiveUp => Ok(()),
        }
    }

    fn answered(&self) {
        self.contacted.store(true, Ordering::Relaxed);
        self.limits.answered();
    }

    fn of_writer<T>(&self, result: Result<T, WriterError>) -> Result<T, Halt> {
        result.map_err(|error| self.lose(problem::of_writer(&error)))
    }
}

/// Returns whether an error says that the connection as a whole does not work.
fn is_of_connection(error: &SourceError) -> bool {
    error.scope == Scope::Connection && matches!(error.trouble, Trouble::Unreachable | Trouble::Certificate | Trouble::WrongUrl | Trouble::SignIn)
}

/// Returns a number that spreads the waits of different mailboxes.
pub(crate) fn salt(mailbox: Option<&Address>) -> u64 {
    let mut hasher = DefaultHasher::new();
    mailbox.hash(&mut hasher);
    hasher.finish()
}
