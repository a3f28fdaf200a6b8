//! Storing: the first time, and again.

use crate::corpus::{self, Entry, Mailbox};
use crate::measure::{Stopwatch, as_map};
use crate::{Feed, source, storage};
use c2b_mailbox::{Address, Item, ItemId};
use c2b_storagefmt::{FolderKey, MailboxKey, Writer};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::fs;
use std::sync::mpsc;
use std::thread;

/// Contents after which a batch is committed, in bytes.
const COMMIT_BYTES: u64 = 64 << 20;

/// Items that are read ahead.
const AHEAD: usize = 32;

/// Item ids asked about at once, as many as a page of changes holds.
const PAGE: usize = 512;

/// What was done.
#[derive(Default)]
struct Done {
    seen: u64,
    put: u64,
    deleted: u64,
    bytes: u64,
    commits: u64,
}

/// Stores the corpus into a new storage.
pub(crate) fn first(args: &Feed) -> Map<String, Value> {
    let watch = Stopwatch::start();
    let mut writer = storage::create(&args.storage, args.sealed, now(0));
    let done = feed(args, &mut writer);
    finish(watch, writer, &done)
}

/// Stores what differs from the storage.
pub(crate) fn again(args: &Feed) -> Map<String, Value> {
    let watch = Stopwatch::start();
    let mut writer = storage::open(&args.storage, args.sealed);
    let done = feed(args, &mut writer);
    finish(watch, writer, &done)
}

fn finish(watch: Stopwatch, writer: Writer, done: &Done) -> Map<String, Value> {
    let head = writer.catalog().head().unwrap();
    let stats = writer.stats().unwrap();
    drop(writer);
    let mut figures = watch.figures();
    figures.extend(as_map(json!({
        "seen": done.seen, "put": done.put, "deleted": done.deleted, "content_bytes": done.bytes, "commits": done.commits,
        "head": head.0, "items": stats.items, "versions": stats.versions, "chunks": stats.chunks,
    })));
    figures
}

/// Brings the storage to what the corpus is now.
fn feed(args: &Feed, writer: &mut Writer) -> Done {
    let mut done = Done::default();
    for address in corpus::addresses(&args.corpus) {
        let mailbox = corpus::mailbox(&args.corpus, &address);
        let key = writer.mailbox(&Address::parse(&address).unwrap()).unwrap();
        let wanted = plan(writer, key, &mailbox, &mut done);
        put(writer, key, &mailbox, wanted, &mut done);
        commit(writer, Some(key), &mut done);
    }
    done
}

/// Puts the folders, deletes what is gone and returns what is to be read, with its folder.
fn plan(writer: &mut Writer, key: MailboxKey, mailbox: &Mailbox, done: &mut Done) -> Vec<(FolderKey, usize, Entry)> {
    let catalog = writer.catalog();
    let fresh = catalog.mailbox(&Address::parse(&mailbox.address).unwrap()).unwrap().is_none();
    let (mut wanted, mut held) = (Vec::new(), 0);
    let mut keys = Vec::new();
    for (number, folder) in mailbox.folders.iter().enumerate() {
        let folder_key = writer.put_folder(key, &source::folder(&mailbox.address, &folder.path)).unwrap();
        keys.push(folder_key);
        for page in folder.items.chunks(PAGE) {
            done.seen += page.len() as u64;
            let ids: Vec<ItemId> = page.iter().map(|file| source::item_id(&mailbox.address, &folder.path, file)).collect();
            let known = if fresh { vec![None; ids.len()] } else { catalog.known(key, &ids).unwrap() };
            for (file, known) in page.iter().zip(known) {
                held += u64::from(known.is_some());
                let mark = catalog.change_mark(&source::change_key(&mailbox.address, file));
                if known.is_none_or(|known| known.change != Some(mark)) {
                    wanted.push((folder_key, number, file.clone()));
                }
            }
        }
    }
    if !fresh && catalog.counts(key).unwrap().items != held {
        for (folder, folder_key) in mailbox.folders.iter().zip(keys) {
            let present: HashSet<ItemId> = folder.items.iter().map(|file| source::item_id(&mailbox.address, &folder.path, file)).collect();
            for (id, _) in catalog.live_ids(key, folder_key, true).unwrap() {
                if !present.contains(&id) {
                    done.deleted += u64::from(writer.delete_item(key, &id).unwrap());
                }
            }
        }
    }
    wanted
}

/// Reads items on a thread of their own, as a source fetches them, and puts them.
fn put(writer: &mut Writer, key: MailboxKey, mailbox: &Mailbox, wanted: Vec<(FolderKey, usize, Entry)>, done: &mut Done) {
    let (sender, items) = mpsc::sync_channel::<(FolderKey, Item)>(AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || {
            for (folder, number, file) in wanted {
                let bytes = fs::read(&file.path).unwrap();
                let item = source::item(&mailbox.address, &mailbox.folders[number].path, &file, &bytes);
                if sender.send((folder, item)).is_err() {
                    return;
                }
            }
        });
        let mut uncommitted = 0;
        for (folder, item) in items {
            done.put += 1;
            let len = item.readable.as_ref().map_or(0, |readable| readable.content.len());
            done.bytes += len;
            uncommitted += len;
            writer.put_item(key, folder, item).unwrap();
            if uncommitted >= COMMIT_BYTES {
                commit(writer, None, done);
                uncommitted = 0;
            }
        }
    });
}

/// Commits what is pending, as a point in time at the end of a mailbox.
fn commit(writer: &mut Writer, whole: Option<MailboxKey>, done: &mut Done) {
    if writer.pending().changes == 0 {
        return;
    }
    if let Some(key) = whole {
        writer.mark_point(key).unwrap();
    }
    done.commits += u64::from(writer.commit(now(done.commits)).unwrap().is_some());
}

/// A time that grows with each commit.
fn now(commits: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + i64::try_from(commits).unwrap(), 0).unwrap()
}
