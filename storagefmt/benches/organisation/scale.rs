//! Many items of many tiny chunks: what an archive of years costs in memory, opening and look-ups.
//!
//! Each chunk is a body part that no other item has, long enough to be a chunk of its own; most of it is alike, so that the disk is not what is measured.

use crate::measure::{Stopwatch, as_map, peak_mb, round, timed};
use crate::{Scale, storage};
use c2b_mailbox::{Address, ChangeKey, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Items of one mailbox.
const MAILBOX_ITEMS: u32 = 10_000;

/// Items of one commit.
const COMMIT_ITEMS: u32 = 5_000;

/// Random bytes of a part, and how often a line that all parts share follows them: beyond half a KiB.
const PART_BYTES: usize = 8;
const PART_LINES: usize = 10;

/// Item ids asked about at once.
const PAGE: u32 = 500;

/// Fills a storage.
pub(crate) fn fill(args: &Scale) -> Map<String, Value> {
    let watch = Stopwatch::start();
    let mut writer = storage::create(&args.storage, args.sealed, now(0));
    let (mut key, mut folder) = (None, None);
    let mut marks = Vec::new();
    for number in 0..args.items {
        if number % MAILBOX_ITEMS == 0 {
            let mailbox = writer.mailbox(&address(number)).unwrap();
            let inbox = Folder { id: FolderId::new("F"), parent: None, name: "Inbox".to_owned(), class: String::new(), role: None };
            folder = Some(writer.put_folder(mailbox, &inbox).unwrap());
            key = Some(mailbox);
        }
        writer.put_item(key.unwrap(), folder.unwrap(), item(number, args.chunks)).unwrap();
        if (number + 1) % COMMIT_ITEMS == 0 || number + 1 == args.items {
            writer.mark_point(key.unwrap()).unwrap();
            writer.commit(now(number)).unwrap();
        }
        if (number + 1) % (args.items / 10).max(1) == 0 {
            marks.push(json!({ "items": number + 1, "cpu_secs": watch.figures()["cpu_secs"], "rss_mb": peak_mb() }));
        }
    }
    let stats = writer.stats().unwrap();
    drop(writer);
    let mut figures = watch.figures();
    figures.extend(as_map(json!({ "items": stats.items, "chunks": stats.chunks, "growth": marks })));
    figures
}

/// Opens the storage, asks about every item and reads a thousand.
pub(crate) fn open(args: &Scale) -> Map<String, Value> {
    let watch = Stopwatch::start();
    let (writer, opened) = timed(|| storage::open(&args.storage, args.sealed));
    let (catalog, contents) = (writer.catalog(), writer.contents());
    let ((), asked) = timed(|| {
        for first in (0..args.items).step_by(PAGE as usize) {
            let mailbox = catalog.mailbox(&address(first)).unwrap().unwrap();
            let ids: Vec<ItemId> = (first..args.items.min(first + PAGE)).map(item_id).collect();
            assert!(catalog.known(mailbox.key, &ids).unwrap().iter().all(Option::is_some));
        }
    });
    let mut content = Vec::new();
    let mut reads = Vec::new();
    for step in 0..1000_u64 {
        let number = u32::try_from(step * 7919 * 131 % u64::from(args.items)).unwrap();
        let mailbox = catalog.mailbox(&address(number)).unwrap().unwrap();
        let ((), took) = timed(|| {
            let known = catalog.known(mailbox.key, &[item_id(number)]).unwrap().remove(0).unwrap();
            let row = catalog.item(known.key, c2b_storagefmt::Moment::Latest).unwrap().unwrap();
            crate::read::whole(&contents, &row, &mut content);
        });
        reads.push(took);
    }
    reads.sort();
    let mut figures = watch.figures();
    figures.extend(as_map(json!({
        "open_ms": round(opened.as_secs_f64() * 1e3),
        "known_us_per_item": round(asked.as_secs_f64() * 1e6 / f64::from(args.items)),
        "read_p50_ms": round(reads[reads.len() / 2].as_secs_f64() * 1e3),
        "read_p99_ms": round(reads[reads.len() * 99 / 100].as_secs_f64() * 1e3),
    })));
    figures
}

fn item(number: u32, chunks: u32) -> Item {
    let mut mail = format!("Subject: {number}\r\nContent-Type: multipart/mixed; boundary=b\r\n");
    let mut random = blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof();
    for _ in 0..chunks {
        mail.push_str("\r\n--b\r\n\r\n");
        let mut bytes = [0; PART_BYTES];
        random.fill(&mut bytes);
        for byte in bytes {
            write!(mail, "{byte:02x}").unwrap();
        }
        for _ in 0..PART_LINES {
            mail.push_str("\r\nAll parts of all items have this line, and nothing to say.");
        }
    }
    mail.push_str("\r\n--b--\r\n");
    let mut meta = ItemMeta::new(item_id(number), "IPM.Note");
    meta.change_key = Some(ChangeKey::new(format!("{number:040}")));
    meta.subject = number.to_string();
    let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(mail.as_bytes()).unwrap() };
    Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }
}

fn item_id(number: u32) -> ItemId {
    ItemId::new(format!("{number:0152}"))
}

fn address(number: u32) -> Address {
    Address::parse(&format!("user{}@example.org", number / MAILBOX_ITEMS)).unwrap()
}

fn now(number: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + i64::from(number), 0).unwrap()
}
