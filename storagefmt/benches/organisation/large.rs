//! One item that is larger than memory should hold, and one folder with very many.

use crate::measure::{Stopwatch, as_map, peak_mb};
use crate::{Large, storage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use c2b_mailbox::{Address, Content, ContentWriter, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

/// Bytes generated, stored and read at a time; a whole number of lines of 76 characters.
const PIECE_BYTES: usize = 57 << 10;

/// Stores a message with one attachment of `args.bytes`, and reads it back.
pub(crate) fn item(args: &Large) -> Map<String, Value> {
    let watch = Stopwatch::start();
    std::fs::create_dir_all(&args.storage).unwrap();
    let mut mail = message(args);
    let base = peak_mb();
    let mut hash = blake3::Hasher::new();
    each_piece(|buffer| mail.read(buffer).unwrap(), |piece| _ = hash.update(piece));
    mail.seek(SeekFrom::Start(0)).unwrap();
    let len = mail.len();
    let mut writer = storage::create(&args.storage, args.sealed, now(0));
    let key = writer.mailbox(&Address::parse("a@example.org").unwrap()).unwrap();
    let folder = writer.put_folder(key, &inbox()).unwrap();
    let readable = Readable { format: Format::Eml, rendered: false, content: mail };
    writer
        .put_item(key, folder, Item { meta: ItemMeta::new(ItemId::new("I"), "IPM.Note"), readable: Some(readable), export: None, fidelity: Fidelity::Mime })
        .unwrap();
    writer.commit(now(1)).unwrap();
    let put = peak_mb();
    let (mut shown, mut back, mut offset) = (None, blake3::Hasher::new(), 0);
    crate::read::rows(&writer.catalog(), |row| shown = Some((row.mailbox, row.shown.unwrap())));
    let (mailbox, id) = shown.unwrap();
    let file = writer.contents().open(mailbox, &id).unwrap();
    assert_eq!(file.len(), len);
    let read = |buffer: &mut [u8]| {
        let n = file.read_at(offset, buffer).unwrap();
        offset += n as u64;
        n
    };
    each_piece(read, |piece| _ = back.update(piece));
    assert_eq!(back.finalize(), hash.finalize(), "it came back otherwise");
    let mut figures = watch.figures();
    figures.extend(as_map(json!({ "content_bytes": len, "generated_rss_mb": base, "put_rss_mb": put })));
    figures
}

/// Fills one folder, and deletes it in one batch.
pub(crate) fn folder(args: &Large) -> Map<String, Value> {
    let mut writer = storage::create(&args.storage, args.sealed, now(0));
    let key = writer.mailbox(&Address::parse("a@example.org").unwrap()).unwrap();
    let folder = writer.put_folder(key, &inbox()).unwrap();
    for number in 0..args.items {
        let content = Content::from_bytes(format!("Subject: {number}\r\n\r\nHello\r\n").as_bytes()).unwrap();
        let readable = Readable { format: Format::Eml, rendered: false, content };
        let meta = ItemMeta::new(ItemId::new(format!("{number:0152}")), "IPM.Note");
        writer.put_item(key, folder, Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }).unwrap();
        if number % 5000 == 0 {
            writer.commit(now(number)).unwrap();
        }
    }
    writer.commit(now(args.items)).unwrap();
    let filled = peak_mb();
    let watch = Stopwatch::start();
    writer.delete_folder(key, &FolderId::new("F")).unwrap();
    writer.commit(now(args.items + 1)).unwrap();
    assert_eq!(writer.stats().unwrap().items, 0);
    let mut figures = watch.figures();
    figures.extend(as_map(json!({ "deleted": args.items, "filled_rss_mb": filled })));
    figures
}

/// Returns a message with an attachment that does not compress.
fn message(args: &Large) -> Content {
    let mut mail = ContentWriter::new_in(&args.storage);
    mail.write_all(b"Subject: the file\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n").unwrap();
    let mut random = blake3::Hasher::new().finalize_xof();
    let (mut piece, mut left) = (vec![0; PIECE_BYTES], args.bytes / 4 * 3);
    while left > 0 {
        piece.truncate(left);
        left -= piece.len();
        random.fill(&mut piece);
        let lines: String = piece.chunks(57).map(|line| STANDARD.encode(line) + "\r\n").collect();
        mail.write_all(lines.as_bytes()).unwrap();
    }
    mail.write_all(b"--b--\r\n").unwrap();
    mail.finish().unwrap()
}

fn each_piece(mut read: impl FnMut(&mut [u8]) -> usize, mut each: impl FnMut(&[u8])) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match read(&mut buffer) {
            0 => return,
            n => each(&buffer[..n]),
        }
    }
}

fn inbox() -> Folder {
    Folder { id: FolderId::new("F"), parent: None, name: "Inbox".to_owned(), class: String::new(), role: None }
}

fn now(number: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + i64::from(number), 0).unwrap()
}
