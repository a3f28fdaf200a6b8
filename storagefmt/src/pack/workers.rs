//! Threads that hash, compress and seal while the caller fetches and cuts.
//!
//! Whoever hands over work waits while too many bytes are on their way, so memory is bounded. Work is begun in
//! the order in which it came. A worker that panics reports it as failed work and goes on.

use super::frame::FrameMaker;
use crate::Error;
use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// More threads than this find no more work: cutting feeds about four.
const THREADS_MAX: usize = 4;
/// Raw bytes that are waiting or worked on; 32 groups, so that no thread waits for the caller.
const BYTES_MAX: usize = 16 << 20;

/// Work: done once, with what a thread keeps from one to the next.
type Job = Box<dyn FnOnce(&mut FrameMaker) + Send>;

/// The threads. They end when this is dropped.
pub(crate) struct Workers {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

/// Where work waits.
struct Desk {
    state: Mutex<State>,
    /// There is work, or there will be none any more.
    work: Condvar,
    /// Bytes are no longer on their way.
    room: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(Job, usize)>,
    bytes: usize,
    closed: bool,
}

impl Workers {
    /// Starts as many threads as the machine can run at a time, at most four.
    pub(crate) fn start() -> Result<Arc<Self>, Error> {
        let desk = Arc::new(Desk { state: Mutex::default(), work: Condvar::new(), room: Condvar::new() });
        let count = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let mut workers = Self { desk, threads: Vec::with_capacity(count) };
        for number in 0..count {
            let desk = Arc::clone(&workers.desk);
            let thread = thread::Builder::new().name(format!("c2b-pack-{number}")).spawn(move || desk.run());
            workers.threads.push(thread.map_err(Error::file("start", "a thread"))?);
        }
        Ok(Arc::new(workers))
    }

    /// Hands over work on so many bytes; waits while there is too much of it.
    pub(crate) fn submit(&self, bytes: usize, job: impl FnOnce(&mut FrameMaker) + Send + 'static) {
        let mut state = self.desk.state();
        // One that is larger than all room goes alone.
        while state.bytes > 0 && state.bytes + bytes > BYTES_MAX {
            state = self.desk.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes += bytes;
        state.jobs.push_back((Box::new(job), bytes));
        self.desk.work.notify_one();
    }
}

impl Desk {
    /// Works until there will be no more.
    fn run(&self) {
        let mut maker = FrameMaker::default();
        while let Some((job, bytes)) = self.next() {
            // What the job holds is dropped in unwinding, and that is how its owner learns of it.
            if catch_unwind(AssertUnwindSafe(|| job(&mut maker))).is_err() {
                maker = FrameMaker::default();
            }
            self.state().bytes -= bytes;
            self.room.notify_all();
        }
    }

    fn next(&self) -> Option<(Job, usize)> {
        let mut state = self.state();
        loop {
            match state.jobs.pop_front() {
                Some(job) => return Some(job),
                None if state.closed => return None,
                None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.desk.state().closed = true;
        self.desk.work.notify_all();
        for thread in self.threads.drain(..) {
            // A thread catches the panics of its work; there is nothing else to learn from it.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[test]
    fn all_work_is_done_before_the_threads_end() {
        let done = Arc::new(AtomicUsize::new(0));
        let workers = Workers::start().unwrap();
        for _ in 0..100 {
            let done = Arc::clone(&done);
            workers.submit(BYTES_MAX, move |_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        drop(workers);
        assert_eq!(done.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn a_panic_ends_neither_the_threads_nor_the_room() {
        let workers = Workers::start().unwrap();
        for _ in 0..20 {
            workers.submit(BYTES_MAX, |_| std::panic::resume_unwind(Box::new("on purpose")));
        }
        let (sender, receiver) = mpsc::channel();
        workers.submit(BYTES_MAX, move |_| sender.send(()).unwrap());
        receiver.recv().unwrap();
    }

    #[test]
    fn the_caller_waits_while_too_much_is_on_its_way() {
        let workers = Workers::start().unwrap();
        let (release, wait) = mpsc::channel::<()>();
        workers.submit(BYTES_MAX, move |_| wait.recv().unwrap_or_default());
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                workers.submit(1, |_| {});
                sender.send("handed over").unwrap();
            });
            assert_eq!(workers.desk.state().bytes, BYTES_MAX);
            assert!(receiver.try_recv().is_err());
            release.send(()).unwrap();
            assert_eq!(receiver.recv().unwrap(), "handed over");
        });
    }
}
