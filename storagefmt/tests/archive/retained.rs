//! Any history of changes, marks, undoing, freeing, crashes: each moment shows what the model says, and a rebuild gives the same index.

use crate::support::{Place, inbox, list, mail, noise, read, time};
use crate::tables::assert_rebuilds_alike;
use c2b_mailbox::ItemId;
use c2b_storagefmt::{CommitSeq, FreeStep, Moment, RetentionPolicy, Unlock, Writer};
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Op {
    Put {
        id: u8,
        body: u8,
    },
    Read {
        id: u8,
        read: bool,
    },
    Delete {
        id: u8,
    },
    Commit,
    Mark {
        versions_max: u32,
        deleted: bool,
    },
    Undo,
    /// Frees, and gives up after so many steps.
    Free {
        steps: u8,
    },
    Crash,
}

#[derive(Clone, Debug, PartialEq)]
struct Version {
    from: u64,
    until: Option<u64>,
    body: u8,
    read: bool,
    marked: bool,
}

/// The versions of each item that are not freed, oldest first.
type Items = BTreeMap<u8, Vec<Version>>;

struct World {
    place: Place,
    writer: Option<Writer>,
    committed: Items,
    present: BTreeMap<u8, (u8, bool)>,
    /// What the open batch changed, be it back to what it was.
    changed: BTreeSet<u8>,
    minute: i64,
}

fn body(number: u8) -> Vec<u8> {
    [format!("Subject: {number}\r\n\r\n").as_bytes(), &noise(usize::from(number) * 1500, u64::from(number))].concat()
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        let writer = Some(place.create());
        Self { place, writer, committed: Items::new(), present: BTreeMap::new(), changed: BTreeSet::new(), minute: 0 }
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.get_or_insert_with(|| self.place.open())
    }

    fn reset(&mut self) {
        self.changed.clear();
        let live = |versions: &Vec<Version>| versions.last().filter(|version| version.until.is_none()).map(|version| (version.body, version.read));
        self.present = self.committed.iter().filter_map(|(id, versions)| Some((*id, live(versions)?))).collect();
    }

    fn set(&mut self, id: u8, state: Option<(u8, bool)>) {
        let before = match state {
            Some(state) => self.present.insert(id, state),
            None => self.present.remove(&id),
        };
        if before != state {
            self.changed.insert(id);
        }
    }

    fn commit(&mut self) {
        self.minute += 1;
        let now = time(self.minute);
        let Some(seq) = self.writer().commit(now).unwrap() else { return };
        let (present, changed) = (self.present.clone(), std::mem::take(&mut self.changed));
        for (id, versions) in &mut self.committed {
            if let Some(last) = versions.last_mut().filter(|version| version.until.is_none() && changed.contains(id)) {
                last.until = Some(seq.0);
            }
        }
        for (id, (body, read)) in present {
            let versions = self.committed.entry(id).or_default();
            if versions.last().is_none_or(|version| version.until.is_some()) {
                versions.push(Version { from: seq.0, until: None, body, read, marked: false });
            }
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Put { id, body: number } => {
                let at = inbox(self.writer());
                self.writer().put_item(at.0, at.1, mail(&format!("I{id}"), &format!("I{id}"), &body(number))).unwrap();
                self.set(id, Some((number, false)));
            }
            Op::Read { id, read } => {
                let at = inbox(self.writer());
                self.writer().set_read(at.0, &ItemId::new(format!("I{id}")), None, read).unwrap();
                if let Some((body, _)) = self.present.get(&id).copied() {
                    self.set(id, Some((body, read)));
                }
            }
            Op::Delete { id } => {
                let at = inbox(self.writer());
                self.writer().delete_item(at.0, &ItemId::new(format!("I{id}"))).unwrap();
                self.set(id, None);
            }
            Op::Commit => self.commit(),
            Op::Mark { versions_max, deleted } => {
                self.commit();
                self.minute += 10;
                let policy =
                    RetentionPolicy { versions_max: Some(versions_max), deleted_after: deleted.then_some(TimeDelta::minutes(5)), ..RetentionPolicy::default() };
                let now = time(self.minute);
                let plan = self.writer().catalog().retention_plan(&policy, now, false, &mut |_| {}).unwrap();
                let mut marked = 0;
                for versions in self.committed.values_mut() {
                    let gone = deleted && versions.last().is_some_and(|version| version.until.is_some());
                    for (newer, version) in (0u32..).zip(versions.iter_mut().rev()) {
                        if version.until.is_some() && !version.marked && (gone || newer >= versions_max) {
                            version.marked = true;
                            marked += 1;
                        }
                    }
                }
                assert_eq!(self.writer().retention_mark(&plan, now).unwrap(), marked);
            }
            Op::Undo => {
                self.commit();
                let now = time(self.minute);
                let marked: u64 = self.committed.values().flatten().map(|version| u64::from(version.marked)).sum();
                assert_eq!(self.writer().retention_undo(now).unwrap(), marked);
                self.committed.values_mut().flatten().for_each(|version| version.marked = false);
            }
            Op::Free { steps } => {
                self.commit();
                let now = time(self.minute);
                let mut run = self.writer().free_begin().unwrap();
                for _ in 0..steps {
                    if self.writer().free_step(&mut run, now).unwrap() == FreeStep::Done {
                        break;
                    }
                }
                if steps > 0 {
                    self.committed.values_mut().for_each(|versions| versions.retain(|version| !version.marked));
                    self.committed.retain(|_, versions| !versions.is_empty());
                }
            }
            Op::Crash => {
                self.writer = None;
                self.reset();
            }
        }
    }

    fn verify(&mut self) {
        self.apply(&Op::Crash);
        let at = inbox(self.writer());
        self.writer().abandon();
        let (catalog, contents) = (self.writer().catalog(), self.writer().contents());
        for seq in 0..=catalog.head().unwrap().0 {
            let holds = |version: &&Version| version.from <= seq && version.until.is_none_or(|until| seq < until) && !version.marked;
            let expected: BTreeMap<u8, (u8, bool)> =
                self.committed.iter().filter_map(|(id, versions)| versions.iter().find(holds).map(|version| (*id, (version.body, version.read)))).collect();
            let mut seen = BTreeMap::new();
            for item in list(&catalog, at, Moment::At(CommitSeq(seq))) {
                let bytes = read(&contents, at.0, &item.shown.unwrap());
                let number = (0..6).find(|number| body(*number) == bytes).unwrap();
                let id = item.meta.id.as_str()[1..].parse().unwrap();
                assert!(seen.insert(id, (number, item.meta.read.unwrap())).is_none(), "listed twice");
            }
            assert_eq!(seen, expected, "at commit {seq}");
        }
        self.writer = None;
        assert_rebuilds_alike(&self.place.dir(), &Unlock::Open);
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..4u8, 0..6u8).prop_map(|(id, body)| Op::Put { id, body }),
        3 => (0..4u8, any::<bool>()).prop_map(|(id, read)| Op::Read { id, read }),
        4 => (0..4u8).prop_map(|id| Op::Delete { id }),
        8 => Just(Op::Commit),
        3 => (1..4u32, any::<bool>()).prop_map(|(versions_max, deleted)| Op::Mark { versions_max, deleted }),
        1 => Just(Op::Undo),
        3 => prop_oneof![Just(200u8), 0..12u8].prop_map(|steps| Op::Free { steps }),
        1 => Just(Op::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_moment_shows_what_is_not_freed(ops in prop::collection::vec(op(), 1..50)) {
        let mut world = World::new();
        for op in ops {
            world.apply(&op);
        }
        world.verify();
    }
}
