//! A storage's one writer, on a thread of its own.
//!
//! All jobs of a storage share it through clones of [`StorageWriter`]. Orders are carried out in
//! the order of their arrival, in one open batch that is committed by the rules of `batch`;
//! so a cursor that is handed over after its items is never committed before them. Few orders
//! may wait at a time: who brings more waits until there is room, which bounds memory.
//!
//! The first error ends the writer: the open batch is forgotten, the lock is released, and
//! everybody who asks gets the error. Nothing is lost, since what was not committed is fetched
//! again. To go on, drop all clones and catalogues and open the storage anew.
//!
//! Retention, erasing, freeing and keys are worked on between two batches (`StorageWriter::between`), in short
//! steps: a job waits for such a step, and never fails because of it.

use super::batch::Batch;
use crate::clock::Clock;
use crate::failure::chain;
use crate::space::Space;
use c2b_api::Size;
use c2b_storagefmt::{Catalog, Error, RESERVE_BYTES, RecoveryKey, Sealing, StorageStats, Unlock, Writer};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Orders that may wait for the writer. Enough to keep it busy while the next answer is received;
/// few, since a waiting item is one that `kill -9` loses.
const ORDERS_MAX: usize = 4;

/// A handle of a storage's writer. Cheap to clone.
#[derive(Clone)]
pub struct StorageWriter {
    intake: Arc<Mutex<Intake>>,
    room: Arc<Semaphore>,
    state: Arc<State>,
    catalog: Catalog,
    dir: Arc<Path>,
}

/// The number of an order; later orders have greater ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Why an order was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriterError {
    /// Writing failed, now or before; the storage must be opened again.
    #[error("failed to write to the storage")]
    Write(#[source] Arc<Error>),
    /// The storage was closed.
    #[error("the storage is closed")]
    Closed,
}

/// Why work between two batches was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BetweenError {
    /// It failed by itself.
    #[error(transparent)]
    Work(Error),
    /// The writer ended.
    #[error(transparent)]
    Writer(WriterError),
}

type Work = Box<dyn FnOnce(&mut Writer) -> Result<(), Error> + Send>;

type BetweenWork = Box<dyn FnOnce(&mut Writer) -> Outcome + Send>;

/// What came of work between two batches, and how to tell it once it is committed.
enum Outcome {
    Done(Box<dyn FnOnce() + Send>),
    Refused(Box<dyn FnOnce() + Send>),
}

enum Order {
    Work { work: Work, ticket: Ticket, _room: OwnedSemaphorePermit },
    Between { work: BetweenWork, ticket: Ticket },
    Flush(oneshot::Sender<()>),
    Close { commit: bool, done: oneshot::Sender<()> },
}

struct Intake {
    orders: Option<Sender<Order>>,
    last: Ticket,
}

/// What the thread tells.
struct State {
    committed: AtomicU64,
    reserve: Mutex<Option<Size>>,
    low: AtomicBool,
    end: watch::Sender<Option<WriterError>>,
}

impl State {
    /// Looks whether there is more free space than the reserve. A file system that does not answer changes nothing.
    fn look(&self, dir: &Path) {
        let reserve = *self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(space) = Space::of(dir) {
            self.low.store(space.is_low(reserve), Ordering::Release);
        }
    }
}

/// The writer's queue is closed; the reason is in [`State::end`].
struct Shut;

impl StorageWriter {
    /// Makes a new storage in `dir` and starts its writer; a sealed one comes with its recovery key. Blocks.
    ///
    /// # Errors
    /// When the storage cannot be made there, or the thread cannot be started.
    pub fn create(dir: &Path, sealing: Sealing, clock: Clock) -> Result<(Self, Option<RecoveryKey>), Error> {
        Self::create_and(dir, sealing, clock, |_| Ok(()))
    }

    /// Makes a new storage in `dir`, does something to it, and starts its writer. Blocks.
    ///
    /// # Errors
    /// As [`StorageWriter::create`], or when that cannot be done.
    pub(crate) fn create_and(
        dir: &Path,
        sealing: Sealing,
        clock: Clock,
        first: impl FnOnce(&mut Writer) -> Result<(), Error>,
    ) -> Result<(Self, Option<RecoveryKey>), Error> {
        let (mut writer, recovery) = Writer::create(dir, clock.now(), sealing)?;
        first(&mut writer)?;
        Ok((Self::start(dir, writer, clock), recovery))
    }

    /// Opens the storage in `dir` and starts its writer. Blocks.
    ///
    /// # Errors
    /// When there is no storage, it is in use or of a newer format, the key does not fit, or the thread cannot be started.
    pub fn open(dir: &Path, unlock: &Unlock, clock: Clock) -> Result<Self, Error> {
        Self::open_and(dir, unlock, clock, |_| Ok(()))
    }

    /// Opens the storage in `dir`, does something to it, and starts its writer. Blocks.
    ///
    /// # Errors
    /// As [`StorageWriter::open`], or when that cannot be done.
    pub(crate) fn open_and(dir: &Path, unlock: &Unlock, clock: Clock, first: impl FnOnce(&mut Writer) -> Result<(), Error>) -> Result<Self, Error> {
        let mut writer = Writer::open(dir, unlock)?;
        first(&mut writer)?;
        Ok(Self::start(dir, writer, clock))
    }

    /// Returns the catalogue: what is committed.
    pub fn catalog(&self) -> Catalog {
        self.catalog.clone()
    }

    /// Returns the storage's numbers, once the orders before are carried out.
    ///
    /// # Errors
    /// When the writer ended, or the numbers cannot be had.
    pub async fn stats(&self) -> Result<StorageStats, WriterError> {
        self.ask(|writer| writer.stats()).await
    }

    /// Commits all that was handed over before.
    ///
    /// # Errors
    /// When the writer ended, or ends with this commit.
    pub async fn flush(&self) -> Result<(), WriterError> {
        let (done, answer) = oneshot::channel();
        if self.send(|_| Order::Flush(done)).is_ok() && answer.await.is_ok() {
            return Ok(());
        }
        Err(self.end().await)
    }

    /// Commits what is pending, ends the thread and releases the lock, for all clones.
    ///
    /// The index stays open until the last clone and catalogue are dropped.
    ///
    /// # Errors
    /// When the last commit fails, or the writer had failed before.
    pub async fn close(self) -> Result<(), WriterError> {
        self.finish(true).await
    }

    /// Ends the thread and releases the lock without a commit, as a kill would.
    pub async fn abandon(self) {
        if let Err(error) = self.finish(false).await {
            tracing::debug!(%error, "abandoned a writer that had ended");
        }
    }

    /// Hands over work; returns when it has a place in the queue. Its failure ends the writer.
    pub(crate) async fn submit(&self, work: impl FnOnce(&mut Writer) -> Result<(), Error> + Send + 'static) -> Result<Ticket, WriterError> {
        let sent = match self.room.clone().acquire_owned().await {
            Ok(room) => self.send(|ticket| Order::Work { work: Box::new(work), ticket, _room: room }),
            Err(_) => Err(Shut),
        };
        match sent {
            Ok(ticket) => Ok(ticket),
            Err(Shut) => Err(self.end().await),
        }
    }

    /// Hands over work and waits for its answer.
    pub(crate) async fn ask<T: Send + 'static>(&self, work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static) -> Result<T, WriterError> {
        Ok(self.ask_in_turn(work).await?.1)
    }

    /// As [`StorageWriter::ask`], and tells the order's place.
    pub(crate) async fn ask_in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Ticket, T), WriterError> {
        let (done, answer) = oneshot::channel();
        let ticket = self
            .submit(move |writer| {
                // A caller that stopped waiting needs no answer.
                let _unheard = done.send(work(writer)?);
                Ok(())
            })
            .await?;
        match answer.await {
            Ok(answer) => Ok((ticket, answer)),
            Err(_) => Err(self.end().await),
        }
    }

    /// Does work between two batches: what was handed over before is committed first, and so is the work.
    ///
    /// An error of the work is its own: the batch is abandoned, and the writer goes on. It ends only when a commit fails.
    pub(crate) async fn between<T: Send + 'static>(&self, work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static) -> Result<T, BetweenError> {
        let (done, answer) = oneshot::channel();
        let work = Box::new(move |writer: &mut Writer| match work(writer) {
            Ok(value) => Outcome::Done(Box::new(move || drop(done.send(Ok(value))))),
            Err(error) => {
                writer.abandon();
                Outcome::Refused(Box::new(move || drop(done.send(Err(error)))))
            }
        });
        if self.send(|ticket| Order::Between { work, ticket }).is_ok()
            && let Ok(answer) = answer.await
        {
            return answer.map_err(BetweenError::Work);
        }
        Err(BetweenError::Writer(self.end().await))
    }

    /// Keeps the storage's ballast where there is room for it. A storage without it works all the same until its disk is full.
    pub(crate) async fn keep_ballast(&self) {
        // When the writer ended, who uses it next is told why.
        if let Ok(Err(error)) = self.ask(|writer| Ok(writer.keep_reserve(RESERVE_BYTES))).await {
            tracing::warn!(dir = %self.dir.display(), error = chain(&error), "ballast of the storage not kept");
        }
    }

    /// Returns whether nothing can be written through this handle any more.
    pub(crate) fn is_over(&self) -> bool {
        self.state.end.borrow().is_some()
    }

    /// Returns whether cycles are to pause, since free space is below the reserve.
    pub(crate) fn is_low(&self) -> bool {
        self.state.low.load(Ordering::Acquire)
    }

    /// Says from which free space on cycles may go on; looked at after each commit.
    pub(crate) fn set_reserve(&self, reserve: Option<Size>) {
        *self.state.reserve.lock().unwrap_or_else(PoisonError::into_inner) = reserve;
        self.state.look(&self.dir);
    }

    /// Returns the last order whose effects, and those of all before it, the catalogue shows.
    pub(crate) fn committed(&self) -> Ticket {
        Ticket(self.state.committed.load(Ordering::Acquire))
    }

    fn start(dir: &Path, writer: Writer, clock: Clock) -> Self {
        let (sender, orders) = channel();
        let (reserve, low) = (Mutex::default(), AtomicBool::new(false));
        let state = Arc::new(State { committed: AtomicU64::new(0), reserve, low, end: watch::Sender::new(None) });
        let dir: Arc<Path> = dir.into();
        let handle = Self {
            intake: Arc::new(Mutex::new(Intake { orders: Some(sender), last: Ticket(0) })),
            room: Arc::new(Semaphore::new(ORDERS_MAX)),
            state: state.clone(),
            catalog: writer.catalog(),
            dir: dir.clone(),
        };
        std::thread::spawn(move || Loop { dir, writer, orders, state, clock, batch: Batch::default(), done: Ticket(0) }.run());
        handle
    }

    fn send(&self, order: impl FnOnce(Ticket) -> Order) -> Result<Ticket, Shut> {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = Ticket(intake.last.0 + 1);
        intake.orders.as_ref().ok_or(Shut)?.send(order(ticket)).map_err(|_| Shut)?;
        intake.last = ticket;
        Ok(ticket)
    }

    async fn finish(self, commit: bool) -> Result<(), WriterError> {
        let (done, answer) = oneshot::channel();
        let sent = self.send(|_| Order::Close { commit, done });
        self.intake.lock().unwrap_or_else(PoisonError::into_inner).orders = None;
        if sent.is_ok() && answer.await.is_ok() {
            return Ok(());
        }
        match self.end().await {
            WriterError::Closed => Ok(()),
            failure @ WriterError::Write(_) => Err(failure),
        }
    }

    /// Waits until the thread is over; returns why nothing can be written any more.
    async fn end(&self) -> WriterError {
        let mut end = self.state.end.subscribe();
        // The thread tells in any case, and the sender lives as long as this handle.
        let told = end.wait_for(Option::is_some).await;
        told.ok().and_then(|end| end.clone()).unwrap_or(WriterError::Closed)
    }
}

/// What the thread works with.
struct Loop {
    dir: Arc<Path>,
    writer: Writer,
    orders: Receiver<Order>,
    state: Arc<State>,
    clock: Clock,
    batch: Batch,
    done: Ticket,
}

impl Loop {
    fn run(mut self) {
        let ending = Ending(self.state.clone());
        let served = self.serve();
        let Self { mut writer, orders, .. } = self;
        if let Err(error) = &served {
            tracing::error!(error = error as &dyn std::error::Error, "writing to a storage failed");
            writer.abandon();
        }
        drop(writer);
        match served {
            Ok(closed) => {
                ending.tell(WriterError::Closed);
                // Who closed may have gone.
                closed.map(|done| done.send(()));
            }
            Err(error) => ending.tell(WriterError::Write(Arc::new(error))),
        }
        drop(orders);
    }

    /// Serves until it is closed; returns who is to be told then.
    fn serve(&mut self) -> Result<Option<oneshot::Sender<()>>, Error> {
        loop {
            let order = match self.batch.rest(self.clock.elapsed()) {
                Some(rest) => self.orders.recv_timeout(rest),
                None => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Work { work, ticket, _room }) => {
                    work(&mut self.writer)?;
                    self.done = ticket;
                    let pending = self.writer.pending();
                    let now = self.clock.elapsed();
                    self.batch.note(&pending, now);
                    if pending.changes == 0 || self.batch.is_due(&pending, now) {
                        self.commit()?;
                    }
                }
                Ok(Order::Between { work, ticket }) => {
                    self.commit()?;
                    let outcome = work(&mut self.writer);
                    self.done = ticket;
                    match outcome {
                        Outcome::Done(tell) => {
                            self.commit()?;
                            tell();
                        }
                        Outcome::Refused(tell) => tell(),
                    }
                }
                Ok(Order::Flush(done)) => {
                    self.commit()?;
                    self.batch.flushed();
                    let _unheard = done.send(());
                }
                Ok(Order::Close { commit: true, done }) => {
                    self.commit()?;
                    return Ok(Some(done));
                }
                Ok(Order::Close { commit: false, done }) => {
                    self.writer.abandon();
                    return Ok(Some(done));
                }
                Err(RecvTimeoutError::Timeout) => self.commit()?,
                // All handles are gone: what is pending is whole, since it ends with an order.
                Err(RecvTimeoutError::Disconnected) => {
                    self.commit()?;
                    return Ok(None);
                }
            }
        }
    }

    fn commit(&mut self) -> Result<(), Error> {
        let pending = self.writer.pending();
        if pending.changes > 0 {
            self.writer.commit(self.clock.now())?;
            self.batch.written(pending.items);
            self.state.look(&self.dir);
            tracing::debug!(items = pending.items, bytes = pending.bytes, changes = pending.changes, "committed a batch");
        }
        self.state.committed.store(self.done.0, Ordering::Release);
        Ok(())
    }
}

/// Tells the end of the thread, even when it panics.
struct Ending(Arc<State>);

impl Ending {
    fn tell(&self, end: WriterError) {
        self.0.end.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(end);
            first
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.tell(WriterError::Closed);
    }
}
