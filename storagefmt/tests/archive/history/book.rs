//! What the model writes down when something was committed.

use super::world::World;
use crate::model::State;
use crate::support::address;
use c2b_storagefmt::{ItemKey, Moment};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// A commit was made that holds this.
    pub(super) fn committed_now(&mut self, state: State) {
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

    pub(super) fn marked_now(&mut self) {
        self.committed_now(self.committed().clone());
        let marking = std::mem::take(&mut self.marking);
        self.marked.extend(marking);
    }

    pub(super) fn undone_now(&mut self) {
        self.committed_now(self.committed().clone());
        self.marked.clear();
    }

    pub(super) fn freed_now(&mut self) {
        self.committed_now(self.committed().clone());
        let freed = std::mem::take(&mut self.marked);
        for (key, versions) in self.versions.values_mut() {
            versions.retain(|(from, _)| !freed.contains(&(*key, *from)));
        }
    }

    pub(super) fn allowed_now(&mut self, mailbox: u8) {
        self.committed_now(self.committed().clone());
        self.erased.remove(&mailbox);
    }

    /// An erasure was begun: whether it is recorded must be looked at. Commits that store anew what others have come before.
    pub(super) fn erased_now(&mut self, mailbox: u8) {
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
}
