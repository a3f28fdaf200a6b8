//! Comparing a storage with its model.

use super::mails::Mail;
use super::op::MAILBOXES;
use super::world::{NAMES, World};
use crate::damage::whole;
use crate::model::{ModelFolder, ModelItem, State};
use crate::support::{address, read};
use c2b_storagefmt::{Catalog, CommitSeq, ContentId, Contents, CursorScope, ItemKey, MailboxKey, Moment};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Contents whose bytes were compared already.
#[derive(Default)]
pub(super) struct Compared {
    done: BTreeSet<(MailboxKey, ContentId)>,
    /// Those that cannot be read, where that is no mistake by itself: with the error, and who has them.
    lost: Option<BTreeMap<(MailboxKey, ContentId), Lost>>,
}

pub(super) struct Lost {
    pub(super) reason: String,
    pub(super) items: BTreeSet<ItemKey>,
}

impl World {
    /// Compares the present with the model: items, cursors, failures, counts.
    pub(super) fn verify_latest(&mut self) {
        let (catalog, contents) = (self.writer().catalog(), self.writer().contents());
        let expected = self.committed().clone();
        let mut seen = listed(&catalog, &contents, Moment::Latest, &expected, &mut Compared::default());
        for mailbox in 0..MAILBOXES {
            let Some(row) = catalog.mailbox(&address(&format!("m{mailbox}"))).unwrap() else { continue };
            let cursor = |scope| catalog.cursor(row.key, scope).unwrap().map(|cursor| cursor.as_str().parse().unwrap());
            seen.cursors.extend(cursor(CursorScope::Hierarchy).map(|state| ((mailbox, None), state)));
            for folder in catalog.folders(row.key, Moment::Latest).unwrap() {
                let id: u8 = folder.id.as_str()[1..].parse().unwrap();
                seen.cursors.extend(cursor(CursorScope::Folder(folder.key)).map(|state| ((mailbox, Some(id)), state)));
                let ids: BTreeSet<u8> =
                    catalog.live_ids(row.key, folder.key, true).unwrap().into_iter().map(|(id, _)| id.as_str()[1..].parse().unwrap()).collect();
                let live = expected.items.iter().filter(|((m, _), item)| *m == mailbox && item.folder == id).map(|((_, id), _)| *id).collect();
                assert_eq!(ids, live);
            }
            for (_, failure) in catalog.failures(Some(row.key)).unwrap() {
                seen.failures.insert((mailbox, failure.id.as_str()[1..].parse().unwrap()), u8::try_from(failure.attempts).unwrap());
            }
            let counts = catalog.counts(row.key).unwrap();
            assert_eq!(counts.items, expected.items.keys().filter(|(m, _)| *m == mailbox).count() as u64);
            let versions =
                || self.versions.iter().filter(|((m, _), _)| *m == mailbox).flat_map(|(_, (key, versions))| versions.iter().map(|(from, _)| (*key, *from)));
            assert_eq!(counts.versions, versions().count() as u64);
            assert_eq!(counts.marked_versions, versions().filter(|version| self.marked.contains(version)).count() as u64);
            assert_eq!(counts.folders, expected.folders.keys().filter(|(m, _)| *m == mailbox).count() as u64);
        }
        assert_eq!(seen, expected, "now");
    }

    /// Compares every moment with the model.
    pub(super) fn verify(&mut self) {
        self.verify_latest();
        let (catalog, contents) = (self.writer().catalog(), self.writer().contents());
        assert_eq!(catalog.head().unwrap().0, self.history.len() as u64 - 1);
        self.verify_moments(&catalog, &contents, &mut Compared::default());
    }

    /// Compares what a catalogue says of every moment so far with the model.
    pub(super) fn verify_moments(&self, catalog: &Catalog, contents: &Contents, compared: &mut Compared) {
        for seq in 0..self.history.len() {
            let state = &self.shown(seq);
            let mut seen = listed(catalog, contents, Moment::At(CommitSeq(seq as u64)), state, compared);
            // Only the present has them.
            (seen.cursors, seen.failures) = (state.cursors.clone(), state.failures.clone());
            assert_eq!(&seen, state, "at commit {seq}");
        }
    }

    /// Lets the reader look. What it knew before may be gone since, but nothing is ever something else.
    pub(super) fn follow(&mut self, refresh: bool) {
        let Some((catalog, contents)) = &self.reader else { return };
        let head = self.history.len() as u64 - 1;
        if refresh {
            assert_eq!(catalog.refresh().unwrap().0, head);
            self.verify_reader();
        } else {
            assert!(catalog.head().unwrap().0 <= head);
            whole(catalog, contents);
        }
    }

    /// Compares what the reader, which is up to date, says of the present.
    pub(super) fn verify_reader(&self) {
        let Some((catalog, contents)) = &self.reader else { return };
        let expected = self.committed();
        let mut seen = listed(catalog, contents, Moment::Latest, expected, &mut Compared::default());
        (seen.cursors, seen.failures) = (expected.cursors.clone(), expected.failures.clone());
        assert_eq!(&seen, expected, "the reader");
    }
}

/// Lists a moment; what a listing does not say is taken from `model`.
pub(super) fn listed(catalog: &Catalog, contents: &Contents, moment: Moment, model: &State, compared: &mut Compared) -> State {
    let mut seen = State::default();
    for mailbox in 0..MAILBOXES {
        let Some(row) = catalog.mailbox(&address(&format!("m{mailbox}"))).unwrap() else { continue };
        let folders = catalog.folders(row.key, moment).unwrap();
        let ids: HashMap<_, u8> = folders.iter().map(|folder| (folder.key, folder.id.as_str()[1..].parse().unwrap())).collect();
        let names: BTreeSet<_> = folders.iter().map(|folder| (folder.parent, folder.file_name.to_lowercase())).collect();
        assert_eq!(names.len(), folders.len(), "two siblings have one name");
        for folder in folders {
            let id = ids[&folder.key];
            let name = u8::try_from(NAMES.iter().position(|name| *name == folder.name).unwrap()).unwrap();
            let wanted = model.folders.get(&(mailbox, id)).and_then(|folder| folder.wanted);
            seen.folders.insert((mailbox, id), ModelFolder { wanted, parent: folder.parent.map(|parent| ids[&parent]), name });
            for item in catalog.items(row.key, folder.key, moment).unwrap() {
                let item = item.unwrap();
                let number = Mail::number(&item.shown.unwrap()).unwrap();
                let mail = Mail::of(number);
                compared.check(contents, row.key, item.key, &mail.id, &mail.mime);
                if let Some(export) = item.export {
                    compared.check(contents, row.key, item.key, &export, &mail.stream);
                }
                let (subject, read, export) = (item.meta.subject[8..].parse().unwrap(), item.meta.read.unwrap(), item.export.is_some());
                let model = ModelItem { folder: id, subject, body: number, read, export };
                assert!(seen.items.insert((mailbox, item.meta.id.as_str()[1..].parse().unwrap()), model).is_none(), "listed twice");
            }
        }
    }
    seen
}

impl Compared {
    /// Lets contents be lost, and notes which.
    pub(super) fn lossy() -> Self {
        Self { lost: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Returns what was lost.
    pub(super) fn into_lost(self) -> Vec<Lost> {
        self.lost.unwrap_or_default().into_values().collect()
    }

    fn check(&mut self, contents: &Contents, mailbox: MailboxKey, item: ItemKey, id: &ContentId, bytes: &[u8]) {
        if let Some(lost) = self.lost.as_mut().and_then(|lost| lost.get_mut(&(mailbox, *id))) {
            lost.items.insert(item);
            return;
        }
        if !self.done.insert((mailbox, *id)) {
            return;
        }
        if let Some(lost) = &mut self.lost {
            let mut buffer = vec![0; bytes.len()];
            if let Err(err) = contents.open(mailbox, id).and_then(|file| file.read_at(0, &mut buffer)) {
                lost.insert((mailbox, *id), Lost { reason: err.to_string(), items: BTreeSet::from([item]) });
                return;
            }
        }
        assert!(read(contents, mailbox, id) == bytes, "content {id} is something else");
    }
}
