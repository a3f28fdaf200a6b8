//! Storages to be damaged, and what is in them.

use crate::harm::Harm;
use crate::support::{Place, address, at, folder, inbox, mail, noise, pack_of, sealing, time, unlock};
use c2b_mailbox::Cursor;
use c2b_storagefmt::{Catalog, CheckReport, Contents, CursorScope, Error, ItemKey, MailboxKey, Moment, Unlock, Writer, check, repair};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What is in the archive: by mailbox and item, the bytes of its versions.
pub(super) type Truth = BTreeMap<(MailboxKey, ItemKey), BTreeSet<[u8; 32]>>;

/// A storage of which copies are damaged.
pub(super) struct Sample {
    place: Place,
    pub(super) key: Unlock,
    pub(super) truth: Truth,
}

/// What a sample is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Sealed,
    /// The index's rows are in its log still.
    Logged,
    /// The pack of the second commit was made anew.
    Rewritten,
}

impl Sample {
    /// Three commits of two mailboxes; the second commit has small mails in a group, one large, and what replaces a version.
    pub(super) fn new(kind: Kind) -> Self {
        let (place, sealed) = (Place::new(), kind == Kind::Sealed);
        let key = unlock(sealed);
        let mut writer = Writer::create(&place.dir(), time(0), sealing(sealed.then_some("secret"))).unwrap().0;
        let inbox = inbox(&mut writer);
        for commit in 0..3u64 {
            let sub = writer.put_folder(inbox.0, &folder("F-sub", "Projects", Some("F-inbox"))).unwrap();
            for n in 0..4u64 {
                let number = commit * 4 + n;
                let folder = if n == 3 { sub } else { inbox.1 };
                writer.put_item(inbox.0, folder, mail(&format!("I-{number}"), &format!("subject {number}"), &text(number))).unwrap();
            }
            let large = || mail(&format!("L-{commit}"), &format!("subject large {commit}"), &noise(150_000, commit));
            writer.put_item(inbox.0, inbox.1, large()).unwrap();
            writer.put_item(inbox.0, inbox.1, mail("V", "subject versions", &text(100 + commit))).unwrap();
            let bob = writer.mailbox(&address("bob")).unwrap();
            let his = writer.put_folder(bob, &folder("F-bob", "Inbox", None)).unwrap();
            writer.put_item(bob, his, mail(&format!("B-{commit}"), &format!("subject of bob {commit}"), &text(200 + commit))).unwrap();
            // What both have, large and small.
            writer.put_item(bob, his, large()).unwrap();
            writer.put_item(bob, his, mail(&format!("I-{}", commit * 4), &format!("subject shared {commit}"), &text(commit * 4))).unwrap();
            writer.set_cursor(inbox.0, CursorScope::Folder(inbox.1), Some(&Cursor::new(format!("cursor {commit}")))).unwrap();
            writer.mark_point(inbox.0).unwrap();
            writer.commit(time(i64::try_from(commit).unwrap())).unwrap();
        }
        if kind != Kind::Logged {
            // Opening once more moves rows from the log into table files.
            drop(writer);
            if kind == Kind::Rewritten {
                Harm::Flip(34).strike(&pack_of(&place.dir(), 2));
                assert_eq!(repair(&place.dir(), &key, time(4), &mut |_| {}).unwrap().quarantined.len(), 1);
            }
            writer = Writer::open(&place.dir(), &key).unwrap();
        }
        let truth = whole(&writer.catalog(), &writer.contents());
        assert_eq!(truth.len(), (12 + 3 + 1) + (3 + 3 + 3));
        drop(writer);
        // What else there may be: ballast, what a repair set aside, what an unfinished copy or process left.
        for name in ["reserve", "quarantine/old.pack", "incoming/packs/left.pack", "tmp/left"] {
            let path = place.dir().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, noise(4096, 5)).unwrap();
        }
        Self { place, key, truth }
    }

    pub(super) fn copy(&self) -> Place {
        let place = Place::with_copy_of(&self.place.dir());
        fs::create_dir_all(place.scratch()).unwrap();
        place
    }

    pub(super) fn open(&self, place: &Place) -> Result<Writer, Error> {
        Writer::open(&place.dir(), &self.key)
    }

    pub(super) fn check(&self, place: &Place, read_data: bool) -> Result<CheckReport, Error> {
        check(&place.dir(), &place.scratch(), &self.key, read_data, &mut |_| {})
    }
}

/// What the source has of an item now.
pub(super) fn source(id: &str) -> Vec<u8> {
    let number = || id[2..].parse().unwrap();
    match &id[..1] {
        "I" => text(number()),
        "B" => text(200 + number()),
        "L" => noise(150_000, number()),
        _ => text(102),
    }
}

pub(super) fn text(number: u64) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\n{}", "words of this mail, which are many. ".repeat(20 + usize::try_from(number % 7).unwrap())).into_bytes()
}

/// Reads every version at every moment; returns what is whole. Everything else must be an error.
pub(crate) fn whole(catalog: &Catalog, contents: &Contents) -> Truth {
    let mut found = Truth::new();
    let Some(head) = explained(catalog.head()) else { return found };
    for mailbox in explained(catalog.mailboxes()).unwrap_or_default() {
        for moment in (1..=head.0).map(at).chain([Moment::Latest]) {
            for folder in explained(catalog.folders(mailbox.key, moment)).unwrap_or_default() {
                let Some(items) = explained(catalog.items(mailbox.key, folder.key, moment)) else { continue };
                for item in items {
                    let Some(item) = explained(item) else { break };
                    let (id, mut bytes) = (item.shown.unwrap(), vec![0; usize::try_from(item.size).unwrap()]);
                    match contents.open(mailbox.key, &id).and_then(|file| file.read_at(0, &mut bytes)) {
                        Ok(n) => {
                            assert_eq!((n as u64, blake3::hash(&bytes).as_bytes()), (item.size, &id.0), "wrong bytes were handed out");
                            found.entry((mailbox.key, item.key)).or_default().insert(id.0);
                        }
                        Err(err) => says_what_to_do(&err),
                    }
                }
            }
        }
    }
    found
}

pub(crate) fn says_what_to_do(err: &Error) {
    let text = std::iter::successors(Some(err as &dyn std::error::Error), |err| err.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let hints =
        ["storage check", "storage repair", "storage rebuild", "put the file back", "restore", "newer c2b", "is not in the archive", "put one of them back"];
    assert!(hints.iter().any(|hint| text.contains(hint)), "nothing says what to do: {text} ({err:?})");
}

/// Returns what was done; an error must say what to do.
pub(crate) fn explained<T>(result: Result<T, Error>) -> Option<T> {
    result.map_err(|err| says_what_to_do(&err)).ok()
}
