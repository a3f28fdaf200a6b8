//! A store that records what is asked of it, and that can die at any step, run full, or be damaged.

use crate::harm::Harm;
use crate::support::Place;
use c2b_storagefmt::store::{DirStore, Store, StoreEntry, StoreFile};
use c2b_storagefmt::{Error, Unlock, Writer};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Never,
    /// Instead of this step (from 0).
    Before(usize),
    /// Right after this step; of a write, only half is done.
    After(usize),
    /// From this step on, the disk is full; what needs no room goes on.
    Full(usize),
    /// When so many bytes were written, the disk is full.
    FullBytes(u64),
    /// As long as the files take so many bytes, index not counted, the disk is full.
    FullFolder(u64),
    /// This step fails, and nothing else does.
    Fails(usize),
}

/// A read: name, offset and length.
pub(crate) type Read = (String, u64, usize);

/// A [`DirStore`] that dies.
pub(crate) struct FaultyStore {
    inner: DirStore,
    plan: Arc<Plan>,
}

struct Plan {
    dir: PathBuf,
    state: Mutex<State>,
}

struct State {
    fault: Fault,
    /// Died: nothing is changed any more. What a batch wrote that was given up since may have been the last step, so reading goes on.
    dead: bool,
    steps: Vec<String>,
    written: u64,
    reads: Vec<Read>,
}

struct FaultyFile {
    inner: Option<Box<dyn StoreFile>>,
    plan: Arc<Plan>,
}

/// What becomes of a step.
enum Course {
    Whole,
    Half,
    Then(io::Error),
}

/// Does `work` on copies of a storage, with a fault at each of its steps in turn, and hands over what each leaves.
/// Returns how many steps it has.
pub(crate) fn fault_everywhere(
    original: &Place,
    unlock: &Unlock,
    fault: impl Fn(usize) -> Fault,
    work: impl Fn(&mut Writer) -> Result<(), Error>,
    mut left: impl FnMut(Place, usize, Fault),
) -> usize {
    let run = |fault: Fault| {
        let place = Place::with_copy_of(&original.dir());
        let store = FaultyStore::new(&place.dir(), fault);
        let result = work(&mut Writer::open_on(&place.dir(), Arc::clone(&store) as _, unlock).unwrap());
        (place, store.steps(), result)
    };
    let (_, steps, result) = run(Fault::Never);
    result.unwrap();
    assert!(steps.len() > 20, "{steps:?}");
    for step in 0..steps.len() {
        let fault = fault(step);
        let (place, _, result) = run(fault);
        assert!(result.is_err(), "{fault:?} did nothing");
        left(place, step, fault);
    }
    steps.len()
}

impl FaultyStore {
    pub(crate) fn new(dir: &Path, fault: Fault) -> Arc<Self> {
        let state = Mutex::new(State { fault, ..State::default() });
        Arc::new(Self { inner: DirStore::new(dir), plan: Arc::new(Plan { dir: dir.to_owned(), state }) })
    }

    /// The steps that change something, so far: `begin`, `write`, `sync`, `publish`, `sync name`, `rename`, `delete`.
    pub(crate) fn steps(&self) -> Vec<String> {
        self.plan.state.lock().unwrap().steps.clone()
    }

    /// The bytes that were written so far.
    pub(crate) fn written(&self) -> u64 {
        self.plan.state.lock().unwrap().written
    }

    /// The reads so far; forgets them.
    pub(crate) fn take_reads(&self) -> Vec<Read> {
        std::mem::take(&mut self.plan.state.lock().unwrap().reads)
    }

    /// Makes the disk whole again.
    pub(crate) fn heal(&self) {
        self.arm(Fault::Never);
    }

    /// Makes the disk whole, until this happens: steps and bytes are counted from now on.
    pub(crate) fn arm(&self, fault: Fault) {
        *self.plan.state.lock().unwrap() = State { fault, ..State::default() };
    }

    /// Damages a published file.
    pub(crate) fn harm(&self, name: &str, harm: Harm) {
        harm.strike(&self.plan.dir.join(name));
    }

    fn alive(&self) -> io::Result<()> {
        if self.plan.state.lock().unwrap().dead { Err(dead()) } else { Ok(()) }
    }
}

impl Default for State {
    fn default() -> Self {
        Self { fault: Fault::Never, dead: false, steps: Vec::new(), written: 0, reads: Vec::new() }
    }
}

impl Plan {
    /// Counts a step and says what becomes of it.
    fn course(&self, name: &str, bytes: u64) -> io::Result<Course> {
        let mut state = self.state.lock().unwrap();
        if state.dead {
            return Err(dead());
        }
        let number = state.steps.len();
        state.steps.push(name.to_owned());
        let needs_room = name != "delete";
        match state.fault {
            Fault::Before(at) if number == at => {
                state.dead = true;
                return Err(dead());
            }
            Fault::After(at) if number == at => {
                state.dead = true;
                return Ok(if name == "write" { Course::Half } else { Course::Then(dead()) });
            }
            Fault::Full(from) if number >= from && needs_room => return Err(io::ErrorKind::StorageFull.into()),
            Fault::FullBytes(max) if state.written + bytes > max => return Err(io::ErrorKind::StorageFull.into()),
            Fault::FullFolder(max) if bytes > 0 && used(&self.dir) + bytes > max => return Err(io::ErrorKind::StorageFull.into()),
            Fault::Fails(at) if number == at => return Err(io::Error::other("failed")),
            _ => state.written += bytes,
        }
        Ok(Course::Whole)
    }

    /// Does a step that cannot be done by half.
    fn step<T>(&self, name: &str, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.course(name, 0)? {
            Course::Whole | Course::Half => work(),
            Course::Then(err) => {
                // What it made belongs to a process that is dead: nobody cleans it up.
                std::mem::forget(work()?);
                Err(err)
            }
        }
    }
}

impl Store for FaultyStore {
    fn begin(&self) -> io::Result<Box<dyn StoreFile>> {
        let file = self.plan.step("begin", || self.inner.begin())?;
        Ok(Box::new(FaultyFile { inner: Some(file), plan: Arc::clone(&self.plan) }))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.plan.state.lock().unwrap().reads.push((name.to_owned(), offset, buffer.len()));
        self.inner.read_at(name, offset, buffer)
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        self.inner.len(name)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoreEntry>> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.plan.step("delete", || self.inner.delete(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.plan.step("rename", || self.inner.rename(from, to))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.plan.step("sync name", || self.inner.sync(name))
    }

    fn sweep(&self) -> io::Result<()> {
        self.alive()?;
        self.inner.sweep()
    }
}

impl FaultyFile {
    fn inner(&mut self) -> io::Result<&mut Box<dyn StoreFile>> {
        self.inner.as_mut().ok_or_else(dead)
    }
}

impl StoreFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.plan.course("write", bytes.len() as u64)? {
            Course::Whole => self.inner()?.write(bytes),
            Course::Half | Course::Then(_) => {
                self.inner()?.write(&bytes[..bytes.len() / 2])?;
                Err(dead())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let plan = Arc::clone(&self.plan);
        let inner = self.inner()?;
        plan.step("sync", || inner.sync())
    }

    fn publish(mut self: Box<Self>, name: &str) -> io::Result<()> {
        let plan = Arc::clone(&self.plan);
        plan.step("publish", || self.inner.take().ok_or_else(dead)?.publish(name))
    }
}

impl Drop for FaultyFile {
    fn drop(&mut self) {
        // A process that dies leaves its file: it must not be removed by our own unwinding.
        if self.plan.state.lock().unwrap().dead {
            std::mem::forget(self.inner.take());
        }
    }
}

/// Returns the bytes of all files below a folder but those of an index.
pub(crate) fn used(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().map(Result::unwrap).filter(|entry| entry.file_name() != "index");
    entries.map(|entry| if entry.path().is_dir() { used(&entry.path()) } else { entry.metadata().map_or(0, |metadata| metadata.len()) }).sum()
}

fn dead() -> io::Error {
    io::Error::other("dead")
}
