//! A store that counts what is asked of it, and that can die at any step.

use c2b_storagefmt::store::{DirStore, Store, StoreEntry, StoreFile};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Where to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Never,
    /// Instead of this step (from 0).
    Before(usize),
    /// Right after this step; of a write, only half is done.
    After(usize),
    /// From this step on, the disk is full.
    Full(usize),
}

/// A [`DirStore`] that dies.
pub(crate) struct FaultyStore {
    inner: DirStore,
    plan: Arc<Plan>,
}

struct Plan {
    fault: Mutex<Fault>,
    steps: Mutex<Vec<String>>,
}

struct FaultyFile {
    inner: Box<dyn StoreFile>,
    plan: Arc<Plan>,
}

impl FaultyStore {
    pub(crate) fn new(dir: &Path, fault: Fault) -> Arc<Self> {
        Arc::new(Self { inner: DirStore::new(dir), plan: Arc::new(Plan { fault: Mutex::new(fault), steps: Mutex::new(Vec::new()) }) })
    }

    /// The steps that change something, so far.
    pub(crate) fn steps(&self) -> Vec<String> {
        self.plan.steps.lock().unwrap().clone()
    }

    /// Makes the disk whole again.
    pub(crate) fn heal(&self) {
        *self.plan.fault.lock().unwrap() = Fault::Never;
    }
}

impl Plan {
    /// Does a step, or dies at it.
    fn step(&self, name: &str, whole: impl FnOnce() -> io::Result<()>, half: impl FnOnce()) -> io::Result<()> {
        let mut steps = self.steps.lock().unwrap();
        let number = steps.len();
        steps.push(name.to_owned());
        drop(steps);
        match *self.fault.lock().unwrap() {
            Fault::Full(from) if number >= from => Err(io::ErrorKind::StorageFull.into()),
            Fault::Before(at) if number >= at => Err(io::Error::other("dead")),
            Fault::After(at) if number > at => Err(io::Error::other("dead")),
            Fault::After(at) if number == at => {
                if name == "write" {
                    half();
                } else {
                    whole()?;
                }
                Err(io::Error::other("dead"))
            }
            _ => whole(),
        }
    }
}

impl Store for FaultyStore {
    fn begin(&self) -> io::Result<Box<dyn StoreFile>> {
        let mut file = None;
        let result = self.plan.step(
            "begin",
            || {
                file = Some(self.inner.begin()?);
                Ok(())
            },
            || {},
        );
        if result.is_err() {
            // A process that dies leaves its file: it must not be removed by our own unwinding.
            if let Some(file) = file.take() {
                std::mem::forget(file);
            }
        }
        result?;
        Ok(Box::new(FaultyFile { inner: file.unwrap(), plan: Arc::clone(&self.plan) }))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(name, offset, buffer)
    }

    fn list(&self) -> io::Result<Vec<StoreEntry>> {
        self.inner.list()
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.plan.step("delete", || self.inner.delete(name), || {})
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.plan.step("sync name", || self.inner.sync(name), || {})
    }

    fn sweep(&self) -> io::Result<()> {
        self.inner.sweep()
    }
}

impl StoreFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { inner, plan } = self;
        let inner = Mutex::new(inner);
        plan.step("write", || inner.lock().unwrap().write(bytes), || drop(inner.lock().unwrap().write(&bytes[..bytes.len() / 2])))
    }

    fn sync(&mut self) -> io::Result<()> {
        let Self { inner, plan } = self;
        plan.step("sync", || inner.sync(), || {})
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        let Self { inner, plan } = *self;
        plan.step("publish", || inner.publish(name), || {})
    }
}
