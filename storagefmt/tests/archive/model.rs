//! What an archive must hold, as plain maps: a model that a child could check.

use std::collections::{BTreeMap, BTreeSet};

/// What the sources have, and hence what a commit must hold. Mailboxes, folders and items are small numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) items: BTreeMap<(u8, u8), ModelItem>,
    pub(crate) folders: BTreeMap<(u8, u8), ModelFolder>,
    pub(crate) cursors: BTreeMap<(u8, Option<u8>), u8>,
    pub(crate) failures: BTreeMap<(u8, u8), u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelItem {
    pub(crate) folder: u8,
    pub(crate) subject: u8,
    pub(crate) body: u8,
    pub(crate) read: bool,
    pub(crate) export: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelFolder {
    /// The parent that the source names, known or not.
    pub(crate) wanted: Option<u8>,
    pub(crate) parent: Option<u8>,
    pub(crate) name: u8,
}

/// A version of an item: from this commit on, until that one if it ended.
pub(crate) type Version = (u64, Option<u64>);

/// Why a version goes, in the order in which the rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Deleted,
    Superseded,
    TooMany,
}

/// A policy in minutes and versions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) superseded: Option<i64>,
    pub(crate) deleted: Option<i64>,
    pub(crate) max: Option<u32>,
}

impl Policy {
    pub(crate) fn is_empty(self) -> bool {
        self.superseded.is_none() && self.deleted.is_none() && self.max.is_none()
    }
}

impl State {
    fn within(&self, mailbox: u8, folder: u8, ancestor: u8) -> bool {
        std::iter::successors(Some(folder), |at| self.folders.get(&(mailbox, *at)).and_then(|folder| folder.parent)).any(|at| at == ancestor)
    }

    pub(crate) fn put_folder(&mut self, mailbox: u8, id: u8, wanted: Option<u8>, name: u8) {
        let parent = wanted.filter(|parent| self.folders.contains_key(&(mailbox, *parent)) && !self.within(mailbox, *parent, id));
        let folder = ModelFolder { wanted, parent, name };
        if self.folders.insert((mailbox, id), folder.clone()) == Some(folder) {
            return;
        }
        let waiting: Vec<u8> =
            self.folders.iter().filter(|((m, _), f)| *m == mailbox && f.parent.is_none() && f.wanted == Some(id)).map(|((_, f), _)| *f).collect();
        for child in waiting.into_iter().filter(|child| !self.within(mailbox, id, *child)).collect::<Vec<_>>() {
            if let Some(folder) = self.folders.get_mut(&(mailbox, child)) {
                folder.parent = Some(id);
            }
        }
    }

    pub(crate) fn delete_folder(&mut self, mailbox: u8, id: u8) {
        if !self.folders.contains_key(&(mailbox, id)) {
            return;
        }
        let gone: BTreeSet<u8> = self.folders.keys().filter(|(m, f)| *m == mailbox && self.within(mailbox, *f, id)).map(|(_, f)| *f).collect();
        self.items.retain(|(m, _), item| *m != mailbox || !gone.contains(&item.folder));
        self.folders.retain(|(m, f), _| *m != mailbox || !gone.contains(f));
        self.cursors.retain(|(m, f), _| *m != mailbox || f.is_none_or(|f| !gone.contains(&f)));
    }

    /// Forgets everything of a mailbox.
    pub(crate) fn forget(&mut self, mailbox: u8) {
        self.items.retain(|(m, _), _| *m != mailbox);
        self.folders.retain(|(m, _), _| *m != mailbox);
        self.cursors.retain(|(m, _), _| *m != mailbox);
        self.failures.retain(|(m, _), _| *m != mailbox);
    }
}

/// Decides which versions of one item go: oldest first, those marked already as they are; `time` is when a commit was, in minutes.
pub(crate) fn decide(versions: &[Version], marked: &BTreeSet<u64>, policy: Policy, now: i64, time: &dyn Fn(u64) -> i64) -> Vec<(u64, Rule)> {
    let deleted = versions.last().and_then(|(_, until)| *until);
    let mut decisions = Vec::new();
    for (newer, (from, until)) in (0u32..).zip(versions.iter().rev()) {
        let Some(until) = until.filter(|_| !marked.contains(from)) else { continue };
        let ended = |after: Option<i64>, at: u64| after.is_some_and(|after| now - time(at) > after);
        if deleted.is_some_and(|deleted| ended(policy.deleted, deleted)) {
            decisions.push((*from, Rule::Deleted));
        } else if newer > 0 && ended(policy.superseded, until) {
            decisions.push((*from, Rule::Superseded));
        } else if policy.max.is_some_and(|max| newer >= max) {
            decisions.push((*from, Rule::TooMany));
        }
    }
    decisions
}
