//! A storage and its model, side by side.

use super::op::{MAILBOXES, Op};
use crate::dump::dump;
use crate::faulty::{Fault, FaultyStore};
use crate::model::{ModelItem, Policy, Rule, State, Version, decide};
use crate::sealed::CHEAP;
use crate::support::{Place, address, folder, mail, noise, time};
use base64::Engine as _;
use c2b_mailbox::{ChangeKey, Content, Cursor, Fidelity, FolderId, Item, ItemId};
use c2b_storagefmt::{
    Catalog, CursorScope, EraseStep, Error, Failure, FolderKey, FreeStep, ItemKey, MailboxKey, Moment, ResealStep, RetentionPolicy, RetentionRule, Sealing,
    Unlock, Writer, check, copy, rebuild,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use zeroize::Zeroizing;

pub(super) struct World {
    pub(super) place: Place,
    pub(super) key: Unlock,
    writer: Option<Writer>,
    /// What the next opening of the storage meets.
    fault: Fault,
    /// The sources now, as far as they were told to the open batch.
    pub(super) state: State,
    /// What each commit holds, from 0.
    pub(super) history: Vec<State>,
    /// When each commit was, in minutes.
    minutes: Vec<i64>,
    minute: i64,
    /// The versions of each item that are not freed, oldest first, as the listings after each commit showed them begin and end.
    pub(super) versions: BTreeMap<(u8, u8), (ItemKey, Vec<Version>)>,
    /// Versions that retention marked.
    pub(super) marked: BTreeSet<(ItemKey, u64)>,
    /// Versions that were freed.
    pub(super) freed: BTreeSet<(ItemKey, u64)>,
    /// What the marking under way is to mark.
    marking: BTreeSet<(ItemKey, u64)>,
    erased: BTreeSet<u8>,
    copied: bool,
}

/// The folder in which all failures are.
const FAILURES_IN: u8 = 0;

pub(super) const NAMES: [&str; 4] = ["Inbox", "inbox", "CON", "a/b"];

/// The mail with this number: short, long, with attachments that others have, too, in several codings.
pub(super) fn body(number: u8) -> Vec<u8> {
    let head = format!("Subject: {number}\r\nMIME-Version: 1.0\r\n");
    let attachment = |len: usize, line: usize| -> String {
        let encoded = base64::engine::general_purpose::STANDARD.encode(noise(len, 1));
        encoded.as_bytes().chunks(line).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect()
    };
    let mixed = |parts: &[String]| {
        let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
        format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n").into_bytes()
    };
    let base64 = |len, line| format!("Content-Transfer-Encoding: base64\r\n\r\n{}", attachment(len, line));
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(40);
    match number {
        0 => Vec::new(),
        1 => format!("{head}\r\nshort\r\n").into_bytes(),
        2 => format!("{head}\r\n{text}").into_bytes(),
        3 => mixed(&[format!("\r\n{text}"), base64(5000, 76)]),
        4 => mixed(&[base64(5000, 60), base64(700, 76)]),
        5 => mixed(&[base64(9000, 76)]),
        _ => format!("{head}Content-Transfer-Encoding: quoted-printable\r\n\r\n{}", "caf=C3=A9 =\r\nau lait\r\n".repeat(60)).into_bytes(),
    }
}

/// The export stream of that mail: its attachment in frames.
pub(super) fn stream(number: u8) -> Vec<u8> {
    let bytes = noise(
        match number {
            3 | 4 => 5000,
            5 => 9000,
            _ => 600,
        },
        1,
    );
    let value = [&0x3701_0102u32.to_le_bytes()[..], &u32::try_from(bytes.len()).unwrap().to_le_bytes(), &bytes, &[number]].concat();
    value.chunks(1000).flat_map(|piece| [&2u32.to_le_bytes()[..], &u32::try_from(piece.len()).unwrap().to_le_bytes(), piece].concat()).collect()
}

pub(super) fn failure(mailbox: FolderKey, id: u8, attempts: u8) -> Failure {
    Failure {
        id: ItemId::new(format!("I{id}")),
        folder: mailbox,
        job: "nightly".to_owned(),
        change_key: None,
        subject: "x".to_owned(),
        date: None,
        size: Some(7),
        code: "ErrorItemCorrupt".to_owned(),
        message: "y".to_owned(),
        attempts: u32::from(attempts),
        first_seen: time(0),
        last_seen: time(1),
        next_try: None,
    }
}

impl World {
    pub(super) fn new(sealed: bool) -> Self {
        let place = Place::fast();
        let (sealing, key) = if sealed {
            let machine = Zeroizing::new([7; 32]);
            (Sealing::Sealed { password: Some(Zeroizing::new("secret".to_owned())), machine: Some(machine.clone()), params: CHEAP }, Unlock::Machine(machine))
        } else {
            (Sealing::None, Unlock::Open)
        };
        let writer = Some(Writer::create(&place.dir(), time(0), sealing).unwrap().0);
        Self {
            place,
            key,
            writer,
            fault: Fault::Never,
            state: State::default(),
            history: vec![State::default()],
            minutes: vec![0],
            minute: 0,
            versions: BTreeMap::new(),
            marked: BTreeSet::new(),
            freed: BTreeSet::new(),
            marking: BTreeSet::new(),
            erased: BTreeSet::new(),
            copied: false,
        }
    }

    pub(super) fn committed(&self) -> &State {
        &self.history[self.history.len() - 1]
    }

    /// Opens the storage if it is not, over a store that may be about to die.
    fn open(&mut self) -> Result<&mut Writer, Error> {
        if self.writer.is_none() {
            let writer = match self.fault {
                Fault::Never => Writer::open(&self.place.dir(), &self.key)?,
                fault => Writer::open_on(&self.place.dir(), FaultyStore::new(&self.place.dir(), fault), &self.key)?,
            };
            self.writer = Some(writer);
        }
        Ok(self.writer.as_mut().unwrap())
    }

    pub(super) fn writer(&mut self) -> &mut Writer {
        self.open().unwrap()
    }

    /// The process ends, and all that it had not committed with it.
    fn close(&mut self) {
        self.writer = None;
        self.state = self.committed().clone();
    }

    pub(super) fn apply(&mut self, op: &Op) {
        if let Some(mailbox) = op.source().filter(|mailbox| self.erased.contains(mailbox)) {
            match self.mailbox(mailbox) {
                Err(Error::Erased { .. }) => {}
                Err(err) if self.fault != Fault::Never => {
                    drop(err);
                    self.after_crash(op);
                }
                other => panic!("an erased mailbox: {other:?}"),
            }
            return;
        }
        let done = self.run(op);
        if let Err(err) = done {
            assert!(self.fault != Fault::Never, "{op:?}: {err:?}");
            self.after_crash(op);
        }
    }

    /// Opens the storage again after a step of the store killed the process within `op`.
    fn after_crash(&mut self, op: &Op) {
        self.fault = Fault::Never;
        self.writer = None;
        let head = self.writer().catalog().head().unwrap().0;
        let before = self.history.len() as u64 - 1;
        match op {
            Op::Commit if head == before + 1 => self.committed_now(self.state.clone()),
            Op::Retain(_) if head == before + 1 => self.marked_now(),
            Op::Undo if head == before + 1 => self.undone_now(),
            Op::Free { .. } if head == before + 1 => self.freed_now(),
            Op::Allow { mailbox } if head == before + 1 => self.allowed_now(*mailbox),
            Op::Erase { mailbox, .. } => self.erased_now(*mailbox),
            _ => assert_eq!(head, before, "{op:?} crashed and left commits"),
        }
        self.state = self.committed().clone();
        self.verify_latest();
    }

    fn mailbox(&mut self, mailbox: u8) -> Result<MailboxKey, Error> {
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

    fn run(&mut self, op: &Op) -> Result<(), Error> {
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
                assert_eq!(known, item.is_some());
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
            Op::Crash => self.close(),
            Op::Fault { step, after } => {
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
                if let Unlock::Machine(machine) = &key {
                    self.open()?.keys()?.rotate(&key, Some(machine), now)?;
                }
            }
            Op::Reseal { steps } => {
                self.idle()?;
                if matches!(self.key, Unlock::Open) {
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
                let report = rebuild(&self.place.dir(), &self.key, &mut |_| {}).unwrap();
                assert_eq!(report.damages, []);
                assert_eq!(self.dump(), before, "the rebuilt index answers otherwise");
            }
            Op::Check => {
                self.open()?;
                self.check();
            }
            Op::Copy => {
                self.settle();
                let (from, to) = (self.place.dir(), self.copy_dir());
                copy(&from, &to, &self.key, &mut |_| ControlFlow::Continue(())).unwrap();
                self.copied = true;
                let (catalog, contents) = Catalog::open_reader(&to, &self.place.root.path().join("scratch-copy"), &self.key).unwrap();
                assert_eq!(dump(&catalog, &contents), self.dump(), "the copy answers otherwise");
            }
        }
        Ok(())
    }

    /// Makes sure that no batch is open, and returns the time. A fault stays.
    fn idle(&mut self) -> Result<DateTime<Utc>, Error> {
        self.open()?.abandon();
        self.state = self.committed().clone();
        self.minute += 1;
        Ok(time(self.minute))
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

    /// A commit was made that holds this.
    fn committed_now(&mut self, state: State) {
        self.history.push(state);
        self.minutes.push(self.minute);
        let seq = self.history.len() as u64 - 1;
        let catalog = self.writer().catalog();
        let mut live = BTreeMap::new();
        for mailbox in catalog.mailboxes().unwrap() {
            let number: u8 = mailbox.address.as_str()[1..2].parse().unwrap();
            for folder in catalog.folders(mailbox.key, Moment::Latest).unwrap() {
                for row in catalog.items(mailbox.key, folder.key, Moment::Latest).unwrap().map(Result::unwrap) {
                    live.insert((number, row.meta.id.as_str()[1..].parse::<u8>().unwrap()), (row.key, row.from.0));
                }
            }
        }
        for (id, (_, versions)) in &mut self.versions {
            let last = versions.last_mut().filter(|(from, until)| until.is_none() && live.get(id).is_none_or(|(_, live)| live != from));
            if let Some((_, until)) = last {
                *until = Some(seq);
            }
        }
        for (id, (key, from)) in live {
            let (known, versions) = self.versions.entry(id).or_insert((key, Vec::new()));
            assert_eq!(*known, key, "an item that came again has another key");
            if versions.last().is_none_or(|(last, _)| *last != from) {
                assert_eq!(from, seq, "a version began before it was seen");
                versions.push((from, None));
            }
        }
    }

    fn marked_now(&mut self) {
        self.committed_now(self.committed().clone());
        let marking = std::mem::take(&mut self.marking);
        self.marked.extend(marking);
    }

    fn undone_now(&mut self) {
        self.committed_now(self.committed().clone());
        self.marked.clear();
    }

    fn freed_now(&mut self) {
        self.committed_now(self.committed().clone());
        let freed = std::mem::take(&mut self.marked);
        for (key, versions) in self.versions.values_mut() {
            versions.retain(|(from, _)| !freed.contains(&(*key, *from)));
        }
        self.freed.extend(freed);
    }

    fn allowed_now(&mut self, mailbox: u8) {
        self.committed_now(self.committed().clone());
        self.erased.remove(&mailbox);
    }

    /// An erasure was begun: whether it is recorded must be looked at. Commits that store anew what others have come before.
    fn erased_now(&mut self, mailbox: u8) {
        let catalog = self.writer().catalog();
        if catalog.erasure(&address(&format!("m{mailbox}"))).unwrap().is_some() && self.erased.insert(mailbox) {
            self.history.iter_mut().for_each(|state| state.forget(mailbox));
            self.state.forget(mailbox);
            let gone: BTreeSet<ItemKey> = self.versions.iter().filter(|((m, _), _)| *m == mailbox).map(|(_, (key, _))| *key).collect();
            self.versions.retain(|(m, _), _| *m != mailbox);
            self.marked.retain(|(key, _)| !gone.contains(key));
        }
        for _ in self.history.len() as u64..=catalog.head().unwrap().0 {
            self.committed_now(self.committed().clone());
        }
    }

    fn go_on(&mut self) -> Result<(), Error> {
        let now = self.idle()?;
        while let Some(mut run) = self.open()?.erase_continue(now)? {
            while self.open()?.erase_step(&mut run, now)? == EraseStep::More {}
        }
        Ok(())
    }

    /// What a moment shows: what it held, but for versions that retention took.
    pub(super) fn shown(&self, seq: usize) -> State {
        let mut state = self.history[seq].clone();
        let at = seq as u64;
        state.items.retain(|id, _| {
            let Some((key, versions)) = self.versions.get(id) else { return false };
            versions.iter().any(|(from, until)| *from <= at && until.is_none_or(|until| at < until) && !self.marked.contains(&(*key, *from)))
        });
        state
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

    /// What is not committed is lost, and no fault is waiting.
    fn settle(&mut self) {
        if self.fault == Fault::Never {
            self.writer().abandon();
        } else {
            self.fault = Fault::Never;
            self.writer = None;
        }
        self.state = self.committed().clone();
    }

    fn copy_dir(&self) -> PathBuf {
        self.place.root.path().join("copy")
    }

    pub(super) fn dump(&mut self) -> String {
        let writer = self.writer();
        dump(&writer.catalog(), &writer.contents())
    }

    fn check(&mut self) {
        let report = check(&self.place.dir(), &self.place.scratch(), &self.key, true, &mut |_| {}).unwrap();
        assert_eq!(report.damages, []);
    }

    /// Looks at everything, as the writer and as a reader, and makes the index anew.
    pub(super) fn end(&mut self) {
        self.settle();
        self.go_on().unwrap();
        self.verify();
        let before = self.dump();
        let (reader, contents) = Catalog::open_reader(&self.place.dir(), &self.place.scratch(), &self.key).unwrap();
        assert_eq!(dump(&reader, &contents), before, "a reader sees something else");
        self.check();
        self.run(&Op::Rebuild).unwrap();
        if self.copied {
            let report = check(&self.copy_dir(), &self.place.scratch(), &self.key, true, &mut |_| {}).unwrap();
            assert_eq!(report.damages, [], "the copy");
        }
    }
}

fn item(id: u8, subject: u8, number: u8, export: bool) -> Item {
    let mut item = mail(&format!("I{id}"), &format!("subject {subject}"), &body(number));
    if export {
        item.export = Some(Content::from_bytes(&stream(number)).unwrap());
        item.fidelity = Fidelity::Full;
    }
    item
}
