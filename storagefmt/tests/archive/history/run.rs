//! What an operation does to the storage, and to the model beside it.

use super::mails::{failure, item};
use super::op::{MAILBOXES, Op};
use super::world::{FAILURES_IN, NAMES, World};
use crate::dump::dump;
use crate::faulty::{Fault, FaultyStore};
use crate::model::{ModelItem, Policy, Rule, decide};
use crate::support::{address, folder, go_on, machine, time};
use crate::tables::assert_rebuilds_alike;
use c2b_mailbox::{ChangeKey, Cursor, FolderId, ItemId};
use c2b_storagefmt::copy::copy_on;
use c2b_storagefmt::store::DirStore;
use c2b_storagefmt::{
    Catalog, CursorScope, EraseStep, Error, FolderKey, FreeStep, MailboxKey, ResealStep, RetentionPolicy, RetentionRule, Unlock, copy, rebuild,
};
use chrono::TimeDelta;
use std::collections::BTreeMap;

impl World {
    pub(super) fn run(&mut self, op: &Op) -> Result<(), Error> {
        match *op {
            Op::Put { mailbox, id, folder, subject, body: number, export } => {
                let Some(key) = self.folder(mailbox, folder)? else { return Ok(()) };
                let at = self.mailbox(mailbox)?;
                self.open()?.put_item(at, key, item(id, subject, number, export))?;
                self.state.items.insert((mailbox, id), ModelItem { folder, subject, body: number, read: false, export });
                // What is here is no failure any more.
                self.state.failures.remove(&(mailbox, id));
            }
            Op::Read { mailbox, id, read } => {
                let at = self.mailbox(mailbox)?;
                let known = self.open()?.set_read(at, &ItemId::new(format!("I{id}")), Some(&ChangeKey::new(format!("{read}"))), read)?;
                let item = self.state.items.get_mut(&(mailbox, id));
                assert_eq!(known.is_some(), item.is_some());
                if let Some(item) = item {
                    item.read = read;
                }
            }
            Op::Delete { mailbox, id } => {
                let at = self.mailbox(mailbox)?;
                let known = self.open()?.delete_item(at, &ItemId::new(format!("I{id}")))?;
                assert_eq!(known, self.state.items.remove(&(mailbox, id)).is_some());
                self.state.failures.remove(&(mailbox, id));
            }
            Op::PutFolder { mailbox, id, parent, name } => {
                let (at, text) = (self.mailbox(mailbox)?, parent.map(|parent| format!("F{parent}")));
                self.open()?.put_folder(at, &folder(&format!("F{id}"), NAMES[usize::from(name)], text.as_deref()))?;
                self.state.put_folder(mailbox, id, parent, name);
            }
            Op::DeleteFolder { mailbox, id } => {
                let at = self.mailbox(mailbox)?;
                self.open()?.delete_folder(at, &FolderId::new(format!("F{id}")))?;
                self.state.delete_folder(mailbox, id);
                if !self.state.folders.contains_key(&(mailbox, FAILURES_IN)) {
                    self.state.failures.retain(|(m, _), _| *m != mailbox);
                }
            }
            Op::Cursor { mailbox, folder, state } => {
                let scope = match folder {
                    None => CursorScope::Hierarchy,
                    Some(folder) => match self.folder(mailbox, folder)? {
                        Some(key) => CursorScope::Folder(key),
                        None => return Ok(()),
                    },
                };
                let at = self.mailbox(mailbox)?;
                self.open()?.set_cursor(at, scope, state.map(|state| Cursor::new(state.to_string())).as_ref())?;
                match state {
                    Some(state) => self.state.cursors.insert((mailbox, folder), state),
                    None => self.state.cursors.remove(&(mailbox, folder)),
                };
            }
            Op::Failure { mailbox, id, attempts } => {
                let Some(key) = self.folder(mailbox, FAILURES_IN)? else { return Ok(()) };
                let at = self.mailbox(mailbox)?;
                self.open()?.put_failure(at, failure(key, id, attempts))?;
                self.state.failures.insert((mailbox, id), attempts);
            }
            Op::FailureGone { mailbox, id } => {
                let at = self.mailbox(mailbox)?;
                self.open()?.clear_failure(at, &ItemId::new(format!("I{id}")))?;
                self.state.failures.remove(&(mailbox, id));
            }
            Op::Commit => self.commit()?,
            Op::Abandon => {
                self.open()?.abandon();
                self.state = self.committed().clone();
            }
            Op::Crash => {
                self.settle();
                self.close();
            }
            Op::Fault { step, after } => {
                self.settle();
                self.close();
                self.fault = if after { Fault::After(step) } else { Fault::Before(step) };
            }
            Op::Retain(policy) => self.retain(policy)?,
            Op::Undo => {
                let now = self.idle()?;
                let undone = self.open()?.retention_undo(now)?;
                assert_eq!(undone, self.marked.len() as u64);
                if undone > 0 {
                    self.undone_now();
                }
                self.verify_latest();
            }
            Op::Free { steps } => {
                let now = self.idle()?;
                let mut run = self.open()?.free_begin()?;
                for _ in 0..steps.unwrap_or(u8::MAX) {
                    if self.open()?.free_step(&mut run, now)? == FreeStep::Done {
                        break;
                    }
                }
                if run.report().versions > 0 {
                    assert_eq!(run.report().versions, self.marked.len() as u64);
                    self.freed_now();
                }
                self.verify_latest();
            }
            Op::Erase { mailbox, steps } => {
                let now = self.idle()?;
                let Some(row) = self.open()?.catalog().mailbox(&address(&format!("m{mailbox}")))? else { return Ok(()) };
                self.has_erased = true;
                let mut run = self.open()?.erase_begin(row.key, "admin", now)?;
                for _ in 0..steps.unwrap_or(u8::MAX) {
                    if self.open()?.erase_step(&mut run, now)? == EraseStep::Done {
                        // That of another mailbox may have been interrupted before.
                        assert!(!self.open()?.pending_erasures()?.contains(&row.key));
                        break;
                    }
                }
                drop(run);
                self.erased_now(mailbox);
                self.verify_latest();
            }
            Op::GoOn => self.go_on()?,
            Op::Allow { mailbox } => {
                let now = self.idle()?;
                let erased = self.erased.contains(&mailbox);
                assert_eq!(self.open()?.allow(&address(&format!("m{mailbox}")), now)?, erased);
                if erased {
                    self.allowed_now(mailbox);
                }
            }
            Op::Rotate => {
                let (now, key) = (self.idle()?, self.key.clone());
                if self.is_sealed() {
                    self.open()?.keys()?.rotate(&key, Some(&machine()), now)?;
                }
            }
            Op::Reseal { steps } => {
                self.idle()?;
                if !self.is_sealed() {
                    return Ok(());
                }
                let mut run = self.open()?.reseal_begin()?;
                for _ in 0..steps.unwrap_or(u8::MAX) {
                    if self.open()?.reseal_step(&mut run)? == ResealStep::Done {
                        assert_eq!(run.report().stuck, Vec::<String>::new());
                        assert_eq!(self.open()?.reseal_pending()?.frames, 0);
                        break;
                    }
                }
                self.verify_latest();
            }
            Op::Rebuild => {
                self.settle();
                let before = self.dump();
                self.close();
                if self.is_sealed() || self.has_erased {
                    // Hashes are keyed anew, and rows of erased mailboxes that refer to nothing may stay.
                    assert_eq!(rebuild(&self.place.dir(), &self.key, &mut |_| {}).unwrap().damages, []);
                } else {
                    assert_rebuilds_alike(&self.place.dir(), &self.key);
                }
                assert_eq!(self.dump(), before, "the rebuilt index answers otherwise");
            }
            Op::Check => {
                self.open()?;
                self.place.is_clean(&self.key, op);
            }
            Op::Copy { fault } => self.copy(fault),
            Op::Reader => {
                self.open()?;
                let (catalog, contents) = Catalog::open_reader(&self.place.dir(), &self.scratch("reader"), &self.key)?;
                let answers = dump(&catalog, &contents);
                assert_eq!(answers, self.dump(), "a reader sees something else");
                self.reader = Some((catalog, contents));
            }
            Op::Follow { refresh } => {
                self.open()?;
                self.follow(refresh);
            }
            Op::Full { step } => self.run_full(step),
            Op::Strike { file, at, action } => self.strike(file, at, action),
        }
        Ok(())
    }

    fn retain(&mut self, policy: Policy) -> Result<(), Error> {
        let now = self.idle()?;
        let minutes = |minutes: Option<i64>| minutes.map(TimeDelta::minutes);
        let ours = RetentionPolicy { superseded_after: minutes(policy.superseded), deleted_after: minutes(policy.deleted), versions_max: policy.max };
        let mut decided = BTreeMap::new();
        let mut each = |decision: &c2b_storagefmt::Decision| {
            let rule = match decision.rule {
                RetentionRule::Deleted => Rule::Deleted,
                RetentionRule::Superseded => Rule::Superseded,
                RetentionRule::TooMany => Rule::TooMany,
            };
            assert!(decided.insert((decision.key, decision.from.0), rule).is_none());
        };
        let plan = match self.open()?.catalog().retention_plan(&ours, now, false, &mut each) {
            Err(Error::Policy { .. }) if policy.max == Some(1) && policy.superseded.is_some() || policy.is_empty() => return Ok(()),
            other => other?,
        };
        let mut expected = BTreeMap::new();
        for (key, versions) in self.versions.values() {
            let marked = self.marked.iter().filter(|(item, _)| item == key).map(|(_, from)| *from).collect();
            let time = |seq: u64| self.minutes[usize::try_from(seq).unwrap()];
            expected.extend(decide(versions, &marked, policy, self.minute, &time).into_iter().map(|(from, rule)| ((*key, from), rule)));
        }
        assert_eq!(decided, expected, "{policy:?}");
        self.marking = expected.into_keys().collect();
        assert_eq!(self.open()?.retention_mark(&plan, now)?, self.marking.len() as u64);
        if !self.marking.is_empty() {
            self.marked_now();
        }
        self.verify_latest();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.minute += 1;
        for mailbox in (0..MAILBOXES).filter(|mailbox| !self.erased.contains(mailbox)).collect::<Vec<_>>() {
            let at = self.mailbox(mailbox)?;
            self.open()?.mark_point(at)?;
        }
        let now = time(self.minute);
        match self.open()?.commit(now)? {
            Some(seq) => {
                self.committed_now(self.state.clone());
                assert_eq!(seq.0, self.history.len() as u64 - 1);
                self.verify_latest();
            }
            None => assert_eq!(&self.state, self.committed(), "a change was not committed"),
        }
        Ok(())
    }

    /// Brings the copy up to date, beside whatever batch is open; at first with a fault on its side.
    fn copy(&mut self, fault: Option<Fault>) {
        if self.fault != Fault::Never {
            self.settle();
        }
        let (from, to) = (self.place.dir(), self.copy_dir());
        if let Some(fault) = fault {
            let store = FaultyStore::new(&to, fault);
            match copy_on((&from, &DirStore::new(&from)), (&to, &*store), &self.key, &mut go_on) {
                Err(err) if matches!(fault, Fault::Full(_)) => assert!(err.is_no_space(), "{err:?}"),
                // It may have had nothing to do.
                _ => {}
            }
        }
        let report = copy(&from, &to, &self.key, &mut go_on).unwrap();
        assert!(report.complete && report.damages.is_empty(), "{report:?}");
        self.copied = true;
        let (catalog, contents) = Catalog::open_reader(&to, &self.scratch("copy"), &self.key).unwrap();
        let copied = dump(&catalog, &contents);
        assert_eq!(copied, self.dump(), "the copy answers otherwise");
    }

    pub(super) fn go_on(&mut self) -> Result<(), Error> {
        let now = self.idle()?;
        while let Some(mut run) = self.open()?.erase_continue(now)? {
            while self.open()?.erase_step(&mut run, now)? == EraseStep::More {}
        }
        Ok(())
    }

    pub(super) fn mailbox(&mut self, mailbox: u8) -> Result<MailboxKey, Error> {
        self.open()?.mailbox(&address(&format!("m{mailbox}")))
    }

    /// The key of a folder that lives: putting it again as it is tells. `None` where that would change something (a parent that can now be taken).
    fn folder(&mut self, mailbox: u8, id: u8) -> Result<Option<FolderKey>, Error> {
        let Some(known) = self.state.folders.get(&(mailbox, id)).cloned() else { return Ok(None) };
        let mut again = self.state.clone();
        again.put_folder(mailbox, id, known.wanted, known.name);
        if again != self.state {
            return Ok(None);
        }
        let (at, parent) = (self.mailbox(mailbox)?, known.wanted.map(|parent| format!("F{parent}")));
        Ok(Some(self.open()?.put_folder(at, &folder(&format!("F{id}"), NAMES[usize::from(known.name)], parent.as_deref()))?))
    }

    fn is_sealed(&self) -> bool {
        !matches!(self.key, Unlock::Open)
    }
}
