//! Who reads what in the mount: each item once for each user, and each mailbox that is listed.
//!
//! Noting never waits: what does not fit into the queue is counted. What is not opened anew is not seen: the kernel keeps
//! what it was given, and a second reading, by whomever, is answered from there.

use c2b_storagefmt::ItemKey;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Looks that wait to be gathered: 1.5 MB.
const QUEUE_MAX: usize = 65_536;

/// Pairs of user and file that are remembered, 16 bytes each; then it begins anew, and some are told twice.
const SEEN_MAX: usize = 262_144;

/// Processes that are named of one user and mailbox.
const PIDS_MAX: usize = 10;

/// Longest list of items in one report, in characters.
const ITEMS_CHARS_MAX: usize = 3800;

/// Who looked at which inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) uid: u32,
    pub(crate) pid: u32,
    pub(crate) ino: u64,
}

/// Where looks are noted.
pub(crate) struct Looks {
    queue: SyncSender<Look>,
    seen: Mutex<HashSet<(u32, u64)>>,
    /// Looks for which there was no room.
    lost: Arc<AtomicU64>,
}

/// Where noted looks arrive.
pub(crate) struct Noted {
    pub(crate) looks: Receiver<Look>,
    lost: Arc<AtomicU64>,
}

impl Looks {
    /// Returns a place to note looks, and where they arrive.
    pub(crate) fn new() -> (Self, Noted) {
        let ((queue, looks), lost) = (sync_channel(QUEUE_MAX), Arc::new(AtomicU64::new(0)));
        (Self { queue, seen: Mutex::default(), lost: lost.clone() }, Noted { looks, lost })
    }

    /// Notes a look, the first of this user at this inode.
    pub(crate) fn note(&self, look: Look) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        if seen.insert((look.uid, look.ino)) && self.queue.try_send(look).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Noted {
    /// Returns how many were lost since this was asked last.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// What one user read of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) uid: u32,
    pub(crate) pids: Vec<u32>,
    pub(crate) mailbox: String,
    /// The keys of items, as in the names of their files; none when a folder was listed only.
    pub(crate) items: String,
    /// How many items these are.
    pub(crate) count: usize,
}

/// Looks, by user and mailbox.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    readings: BTreeMap<(u32, String), (BTreeSet<u32>, BTreeSet<ItemKey>)>,
    /// Mailboxes whose listing was told.
    listed: HashSet<(u32, String)>,
}

impl Gathered {
    /// Adds a look at a mailbox, or at an item of it.
    pub(crate) fn add(&mut self, look: Look, mailbox: String, item: Option<ItemKey>) {
        let who = (look.uid, mailbox);
        if item.is_none() && !self.listed.insert(who.clone()) {
            return;
        }
        let (pids, items) = self.readings.entry(who).or_default();
        if pids.len() < PIDS_MAX {
            pids.insert(look.pid);
        }
        items.extend(item);
    }

    /// Takes what was gathered; long lists come in several parts.
    pub(crate) fn take(&mut self) -> Vec<Reading> {
        let mut readings = Vec::new();
        for ((uid, mailbox), (pids, items)) in mem::take(&mut self.readings) {
            let reading = |items: String, count| Reading { uid, pids: pids.iter().copied().collect(), mailbox: mailbox.clone(), items, count };
            let (mut text, mut count) = (String::new(), 0);
            for item in items {
                if text.len() > ITEMS_CHARS_MAX {
                    readings.push(reading(mem::take(&mut text), mem::take(&mut count)));
                }
                let space = if text.is_empty() { "" } else { " " };
                // Writing into memory does not fail.
                let _ = write!(text, "{space}{item}");
                count += 1;
            }
            readings.push(reading(text, count));
        }
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(uid: u32, pid: u32, ino: u64) -> Look {
        Look { uid, pid, ino }
    }

    #[test]
    fn each_user_is_noted_once_for_each_file_and_what_has_no_room_is_counted() {
        let (looks, noted) = Looks::new();
        for (uid, ino) in [(1, 5), (1, 5), (2, 5), (1, 6)] {
            looks.note(look(uid, 9, ino));
        }
        assert_eq!(noted.looks.try_iter().map(|look| (look.uid, look.ino)).collect::<Vec<_>>(), [(1, 5), (2, 5), (1, 6)]);
        (0..QUEUE_MAX as u64 + 7).for_each(|ino| looks.note(look(3, 9, ino)));
        assert_eq!((noted.lost(), noted.lost()), (7, 0));
    }

    #[test]
    fn what_was_read_is_told_by_user_and_mailbox() {
        let mut gathered = Gathered::default();
        gathered.add(look(1, 7, 0), "a@b".into(), None);
        let [one, other] = [ItemKey(2), ItemKey(9)];
        for item in [one, other, one] {
            gathered.add(look(1, 8, 0), "a@b".into(), Some(item));
        }
        gathered.add(look(2, 7, 0), "a@b".into(), None);
        let told = gathered.take();
        let expected = Reading { uid: 1, pids: vec![7, 8], mailbox: "a@b".into(), items: format!("{one} {other}"), count: 2 };
        assert_eq!(told, [expected, Reading { uid: 2, pids: vec![7], mailbox: "a@b".into(), ..Reading::default() }]);
        gathered.add(look(2, 7, 0), "a@b".into(), None);
        assert!(gathered.take().is_empty(), "a listing was told twice");
        (0..5000).for_each(|n| gathered.add(look(1, 7, 0), "a@b".into(), Some(ItemKey(n))));
        let told = gathered.take();
        assert!(told.len() > 1 && told.iter().all(|reading| reading.items.len() < ITEMS_CHARS_MAX + 50));
        assert_eq!(told.iter().map(|reading| reading.count).sum::<usize>(), 5000);
    }
}
