//! A storage and its model, side by side.

use super::op::Op;
use crate::dump::dump;
use crate::faulty::{Fault, FaultyStore};
use crate::model::{State, Version};
use crate::support::{Place, address, sealing, time, unlock};
use c2b_storagefmt::{Catalog, Contents, Error, ItemKey, Unlock, Writer};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) struct World {
    pub(super) place: Place,
    pub(super) key: Unlock,
    writer: Option<Writer>,
    /// Below the writer.
    store: Arc<FaultyStore>,
    /// What the store is about to do to us.
    pub(super) fault: Fault,
    /// A reader that was opened some time ago.
    pub(super) reader: Option<(Catalog, Contents)>,
    /// The sources now, as far as they were told to the open batch.
    pub(super) state: State,
    /// What each commit holds, from 0.
    pub(super) history: Vec<State>,
    /// When each commit was, in minutes.
    pub(super) minutes: Vec<i64>,
    pub(super) minute: i64,
    /// The versions of each item that are not freed, oldest first, as the listings after each commit showed them begin and end.
    pub(super) versions: BTreeMap<(u8, u8), (ItemKey, Vec<Version>)>,
    /// Versions that retention marked.
    pub(super) marked: BTreeSet<(ItemKey, u64)>,
    /// What the marking under way is to mark.
    pub(super) marking: BTreeSet<(ItemKey, u64)>,
    pub(super) erased: BTreeSet<u8>,
    pub(super) has_erased: bool,
    pub(super) copied: bool,
}

/// The folder in which all failures are.
pub(super) const FAILURES_IN: u8 = 0;

pub(super) const NAMES: [&str; 4] = ["Inbox", "inbox", "CON", "a/b"];

impl World {
    pub(super) fn new(sealed: bool) -> Self {
        let place = Place::new();
        let writer = Writer::create(&place.dir(), time(0), sealing(sealed.then_some("secret"))).unwrap().0;
        let store = FaultyStore::new(&place.dir(), Fault::Never);
        drop(writer);
        Self {
            place,
            key: unlock(sealed),
            writer: None,
            store,
            fault: Fault::Never,
            reader: None,
            state: State::default(),
            history: vec![State::default()],
            minutes: vec![0],
            minute: 0,
            versions: BTreeMap::new(),
            marked: BTreeSet::new(),
            marking: BTreeSet::new(),
            erased: BTreeSet::new(),
            has_erased: false,
            copied: false,
        }
    }

    pub(super) fn committed(&self) -> &State {
        &self.history[self.history.len() - 1]
    }

    /// Opens the storage if it is not, over a store that may be about to die.
    pub(super) fn open(&mut self) -> Result<&mut Writer, Error> {
        if self.writer.is_none() {
            self.store = FaultyStore::new(&self.place.dir(), self.fault);
            self.writer = Some(Writer::open_on(&self.place.dir(), Arc::clone(&self.store) as _, &self.key)?);
        }
        Ok(self.writer.as_mut().unwrap())
    }

    pub(super) fn writer(&mut self) -> &mut Writer {
        self.open().unwrap()
    }

    /// The process ends, and all that it had not committed with it.
    pub(super) fn close(&mut self) {
        self.writer = None;
        self.state = self.committed().clone();
    }

    /// From this step on, the disk is full.
    pub(super) fn run_full(&mut self, step: usize) {
        self.settle();
        self.fault = Fault::Full(step);
        self.store.arm(self.fault);
    }

    pub(super) fn apply(&mut self, op: &Op) {
        let done = match op.source().filter(|mailbox| self.erased.contains(mailbox)) {
            Some(mailbox) => match self.mailbox(mailbox) {
                Err(Error::Erased { .. }) => Ok(()),
                Ok(_) => panic!("an erased mailbox is written to"),
                Err(err) => Err(err),
            },
            None => self.run(op),
        };
        if let Err(err) = done {
            match self.fault {
                Fault::Never => panic!("{op:?}: {err:?}"),
                Fault::Full(_) => assert!(err.is_no_space(), "{op:?} on a full disk: {err:?}"),
                _ => {}
            }
            self.after_fault(op);
        }
    }

    /// Goes on after a step of the store failed within `op`: the process died, or there is room again.
    fn after_fault(&mut self, op: &Op) {
        self.recover();
        let head = self.writer().catalog().head().unwrap().0;
        let before = self.history.len() as u64 - 1;
        match op {
            Op::Commit if head == before + 1 => self.committed_now(self.state.clone()),
            Op::Retain(_) if head == before + 1 => self.marked_now(),
            Op::Undo if head == before + 1 => self.undone_now(),
            Op::Free { .. } if head == before + 1 => self.freed_now(),
            Op::Allow { mailbox } if head == before + 1 => self.allowed_now(*mailbox),
            Op::Erase { mailbox, .. } => self.erased_now(*mailbox),
            _ => assert_eq!(head, before, "{op:?} failed and left commits"),
        }
        self.state = self.committed().clone();
        self.verify_latest();
    }

    fn recover(&mut self) {
        let is_alive = matches!(self.fault, Fault::Full(_)) && self.writer.is_some();
        self.fault = Fault::Never;
        self.store.arm(Fault::Never);
        if !is_alive {
            self.writer = None;
            return;
        }
        // The same writer goes on. Any call makes it look at what became of a commit that failed.
        let writer = self.writer();
        writer.abandon();
        let _ = writer.mailbox(&address("m0"));
        writer.abandon();
        // One copy of the keys may be older now, which a check tells: the next change of keys or opening makes it good.
        let copies = ["keys/a", "keys/b"].map(|name| fs::read(self.place.dir().join(name)).ok());
        if copies[0] != copies[1] {
            self.writer = None;
        }
    }

    /// What is not committed is lost, and no fault is waiting.
    pub(super) fn settle(&mut self) {
        if self.fault == Fault::Never {
            self.writer().abandon();
        } else {
            self.recover();
        }
        self.state = self.committed().clone();
    }

    /// Makes sure that no batch is open, and returns the time. A fault stays.
    pub(super) fn idle(&mut self) -> Result<DateTime<Utc>, Error> {
        self.open()?.abandon();
        self.state = self.committed().clone();
        self.minute += 1;
        Ok(time(self.minute))
    }

    pub(super) fn copy_dir(&self) -> PathBuf {
        self.place.root.path().join("copy")
    }

    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.place.root.path().join(format!("scratch-{name}"))
    }

    pub(super) fn dump(&mut self) -> String {
        let writer = self.writer();
        dump(&writer.catalog(), &writer.contents())
    }

    /// Looks at everything. The check makes an index from the packs, and compares the rows.
    pub(super) fn end(&mut self) {
        self.settle();
        self.go_on().unwrap();
        self.verify();
        self.place.is_clean(&self.key, &"the end");
        if self.copied {
            self.run(&Op::Copy { fault: None }).unwrap();
            let copied = c2b_storagefmt::check(&self.copy_dir(), &self.place.scratch(), &self.key, true, &mut |_| {}).unwrap();
            assert_eq!(copied.damages, [], "the copy");
        }
    }
}
