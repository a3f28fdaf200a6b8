//! Any history of changes, commits, crashes and rebuilds, against a model that a child could check.

use crate::dump::dump;
use crate::support::{Place, address, folder, mail, noise, read, time};
use c2b_mailbox::{ChangeKey, Cursor, FolderId, ItemId};
use c2b_storagefmt::{CommitSeq, CursorScope, Error, FolderKey, MailboxKey, Moment, Unlock, Writer, check, rebuild};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, Debug)]
enum Op {
    Put { mailbox: u8, id: u8, folder: u8, subject: u8, body: u8 },
    Read { mailbox: u8, id: u8, read: bool },
    Delete { mailbox: u8, id: u8 },
    PutFolder { mailbox: u8, id: u8, parent: Option<u8>, name: u8 },
    DeleteFolder { mailbox: u8, id: u8 },
    Cursor { mailbox: u8, folder: Option<u8>, state: u8 },
    Commit,
    Abandon,
    Crash,
    Rebuild,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    items: BTreeMap<(u8, u8), ModelItem>,
    folders: BTreeMap<(u8, u8), ModelFolder>,
    cursors: BTreeMap<(u8, Option<u8>), u8>,
}

#[derive(Clone, Debug, PartialEq)]
struct ModelItem {
    folder: u8,
    subject: u8,
    body: u8,
    read: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct ModelFolder {
    wanted: Option<u8>,
    parent: Option<u8>,
    name: u8,
}

impl State {
    fn within(&self, mailbox: u8, folder: u8, ancestor: u8) -> bool {
        std::iter::successors(Some(folder), |at| self.folders.get(&(mailbox, *at)).and_then(|folder| folder.parent)).any(|at| at == ancestor)
    }

    fn put_folder(&mut self, mailbox: u8, id: u8, wanted: Option<u8>, name: u8) {
        let parent = wanted.filter(|parent| self.folders.contains_key(&(mailbox, *parent)) && !self.within(mailbox, *parent, id));
        let folder = ModelFolder { wanted, parent, name };
        if self.folders.insert((mailbox, id), folder.clone()) == Some(folder) {
            return;
        }
        let waiting: Vec<u8> =
            self.folders.iter().filter(|((m, _), f)| *m == mailbox && f.parent.is_none() && f.wanted == Some(id)).map(|((_, f), _)| *f).collect();
        for child in waiting.into_iter().filter(|child| !self.within(mailbox, id, *child)).collect::<Vec<_>>() {
            self.folders.get_mut(&(mailbox, child)).unwrap().parent = Some(id);
        }
    }

    fn delete_folder(&mut self, mailbox: u8, id: u8) {
        if !self.folders.contains_key(&(mailbox, id)) {
            return;
        }
        let gone: BTreeSet<u8> = self.folders.keys().filter(|(m, f)| *m == mailbox && self.within(mailbox, *f, id)).map(|(_, f)| *f).collect();
        self.items.retain(|(m, _), item| *m != mailbox || !gone.contains(&item.folder));
        self.folders.retain(|(m, f), _| *m != mailbox || !gone.contains(f));
        self.cursors.retain(|(m, f), _| *m != mailbox || f.is_none_or(|f| !gone.contains(&f)));
    }
}

struct World {
    place: Place,
    writer: Option<Writer>,
    state: State,
    committed: State,
    history: Vec<State>,
    minute: i64,
}

const NAMES: [&str; 4] = ["Inbox", "inbox", "CON", "a/b"];

fn body(number: u8) -> Vec<u8> {
    [format!("Subject: {number}\r\n\r\n").as_bytes(), &noise(usize::from(number) * 9000, u64::from(number))].concat()
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        let writer = Some(place.create());
        Self { place, writer, state: State::default(), committed: State::default(), history: vec![State::default()], minute: 0 }
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.get_or_insert_with(|| self.place.open())
    }

    fn mailbox(&mut self, mailbox: u8) -> MailboxKey {
        self.writer().mailbox(&address(&format!("m{mailbox}"))).unwrap()
    }

    /// The key of a folder that lives: putting it again as it is tells.
    fn folder(&mut self, mailbox: u8, id: u8) -> Option<FolderKey> {
        let known = self.state.folders.get(&(mailbox, id))?.clone();
        let key = self.mailbox(mailbox);
        let parent = known.wanted.map(|parent| format!("F{parent}"));
        let before = self.state.clone();
        self.state.put_folder(mailbox, id, known.wanted, known.name);
        if self.state != before {
            // Putting it again would change something (a parent that can now be taken).
            self.state = before;
            return None;
        }
        Some(self.writer().put_folder(key, &folder(&format!("F{id}"), NAMES[usize::from(known.name)], parent.as_deref())).unwrap())
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Put { mailbox, id, folder, subject, body: number } => {
                let Some(key) = self.folder(mailbox, folder) else { return };
                let at = self.mailbox(mailbox);
                self.writer().put_item(at, key, mail(&format!("I{id}"), &format!("subject {subject}"), &body(number))).unwrap();
                self.state.items.insert((mailbox, id), ModelItem { folder, subject, body: number, read: false });
            }
            Op::Read { mailbox, id, read } => {
                let at = self.mailbox(mailbox);
                let known = self.writer().set_read(at, &ItemId::new(format!("I{id}")), Some(&ChangeKey::new(format!("{read}"))), read).unwrap();
                let item = self.state.items.get_mut(&(mailbox, id));
                assert_eq!(known, item.is_some());
                if let Some(item) = item {
                    item.read = read;
                }
            }
            Op::Delete { mailbox, id } => {
                let at = self.mailbox(mailbox);
                let known = self.writer().delete_item(at, &ItemId::new(format!("I{id}"))).unwrap();
                assert_eq!(known, self.state.items.remove(&(mailbox, id)).is_some());
            }
            Op::PutFolder { mailbox, id, parent, name } => {
                let at = self.mailbox(mailbox);
                let text = parent.map(|parent| format!("F{parent}"));
                self.writer().put_folder(at, &folder(&format!("F{id}"), NAMES[usize::from(name)], text.as_deref())).unwrap();
                self.state.put_folder(mailbox, id, parent, name);
            }
            Op::DeleteFolder { mailbox, id } => {
                let at = self.mailbox(mailbox);
                self.writer().delete_folder(at, &FolderId::new(format!("F{id}"))).unwrap();
                self.state.delete_folder(mailbox, id);
            }
            Op::Cursor { mailbox, folder, state } => {
                let scope = match folder.map(|folder| self.folder(mailbox, folder)) {
                    None => CursorScope::Hierarchy,
                    Some(Some(key)) => CursorScope::Folder(key),
                    Some(None) => return,
                };
                let at = self.mailbox(mailbox);
                self.writer().set_cursor(at, scope, Some(&Cursor::new(state.to_string()))).unwrap();
                self.state.cursors.insert((mailbox, folder), state);
            }
            Op::Commit => {
                self.minute += 1;
                let now = time(self.minute);
                for mailbox in 0..2 {
                    let at = self.mailbox(mailbox);
                    self.writer().mark_point(at).unwrap();
                }
                match self.writer().commit(now).unwrap() {
                    Some(seq) => {
                        self.history.push(self.state.clone());
                        assert_eq!(seq.0, self.history.len() as u64 - 1);
                        self.committed = self.state.clone();
                    }
                    None => assert_eq!(self.state, self.committed, "a change was not committed"),
                }
            }
            Op::Abandon => {
                self.writer().abandon();
                self.state = self.committed.clone();
            }
            Op::Crash => {
                self.writer = None;
                self.state = self.committed.clone();
            }
            Op::Rebuild => {
                let before = dump(&self.writer().catalog(), &self.writer().contents());
                self.writer = None;
                self.state = self.committed.clone();
                assert!(matches!(rebuild(&self.place.dir(), &Unlock::Open, &mut |_| {}), Ok(report) if report.damages.is_empty()));
                assert_eq!(dump(&self.writer().catalog(), &self.writer().contents()), before, "the rebuilt index answers otherwise");
            }
        }
    }

    /// Compares every moment with the model, as the writer's process sees it and as a reader does.
    fn verify(&mut self) {
        let history = self.history.clone();
        let (catalog, contents) = (self.writer().catalog(), self.writer().contents());
        for (seq, state) in history.iter().enumerate() {
            let moment = Moment::At(CommitSeq(seq as u64));
            let mut seen = State { cursors: state.cursors.clone(), ..State::default() };
            for mailbox in 0..2u8 {
                let Some(row) = catalog.mailbox(&address(&format!("m{mailbox}"))).unwrap() else { continue };
                let folders = catalog.folders(row.key, moment).unwrap();
                let ids: HashMap<_, u8> = folders.iter().map(|folder| (folder.key, folder.id.as_str()[1..].parse().unwrap())).collect();
                let names: BTreeSet<_> = folders.iter().map(|folder| (folder.parent, folder.file_name.to_lowercase())).collect();
                assert_eq!(names.len(), folders.len(), "two siblings have one name");
                for folder in folders {
                    let id = ids[&folder.key];
                    let name = u8::try_from(NAMES.iter().position(|name| *name == folder.name).unwrap()).unwrap();
                    let wanted = state.folders.get(&(mailbox, id)).and_then(|folder| folder.wanted);
                    seen.folders.insert((mailbox, id), ModelFolder { wanted, parent: folder.parent.map(|parent| ids[&parent]), name });
                    for item in catalog.items(row.key, folder.key, moment).unwrap() {
                        let item = item.unwrap();
                        let bytes = read(&contents, row.key, &item.shown.unwrap());
                        let number = (0..5).find(|number| body(*number) == bytes).unwrap();
                        let model = ModelItem { folder: id, subject: item.meta.subject[8..].parse().unwrap(), body: number, read: item.meta.read.unwrap() };
                        assert!(seen.items.insert((mailbox, item.meta.id.as_str()[1..].parse().unwrap()), model).is_none(), "listed twice");
                    }
                }
            }
            assert_eq!(&seen, state, "at commit {seq}");
        }
        let (reader, reader_contents) = self.place.reader();
        assert_eq!(dump(&reader, &reader_contents), dump(&catalog, &contents), "a reader sees something else");
        let report = check(&self.place.dir(), &self.place.scratch(), &Unlock::Open, true, &mut |_| {}).unwrap();
        assert_eq!(report.damages, []);
    }
}

fn op() -> impl Strategy<Value = Op> {
    let (mailbox, item, place) = (0..2u8, 0..6u8, 0..4u8);
    prop_oneof![
        10 => (mailbox.clone(), item.clone(), place.clone(), 0..2u8, 0..5u8).prop_map(|(mailbox, id, folder, subject, body)| Op::Put { mailbox, id, folder, subject, body }),
        3 => (mailbox.clone(), item.clone(), any::<bool>()).prop_map(|(mailbox, id, read)| Op::Read { mailbox, id, read }),
        3 => (mailbox.clone(), item).prop_map(|(mailbox, id)| Op::Delete { mailbox, id }),
        7 => (mailbox.clone(), place.clone(), prop::option::of(0..4u8), 0..4u8).prop_map(|(mailbox, id, parent, name)| Op::PutFolder { mailbox, id, parent, name }),
        1 => (mailbox.clone(), place.clone()).prop_map(|(mailbox, id)| Op::DeleteFolder { mailbox, id }),
        2 => (mailbox, prop::option::of(place), 0..3u8).prop_map(|(mailbox, folder, state)| Op::Cursor { mailbox, folder, state }),
        6 => Just(Op::Commit),
        1 => Just(Op::Abandon),
        1 => Just(Op::Crash),
        1 => Just(Op::Rebuild),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_moment_holds_what_the_model_says(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in ops {
            world.apply(&op);
        }
        world.apply(&Op::Crash);
        world.verify();
    }
}

#[test]
fn errors_name_what_is_wrong() {
    let mut world = World::new();
    let at = world.mailbox(0);
    let err = world.writer().put_item(at, FolderKey(77), mail("I", "x", b"")).unwrap_err();
    assert!(matches!(err, Error::UnknownKey { what: "folder", .. }), "{err}");
    let err = world.writer().put_folder(MailboxKey(9), &folder("F", "x", None)).unwrap_err();
    assert!(matches!(err, Error::UnknownKey { what: "mailbox", .. }), "{err}");
}
