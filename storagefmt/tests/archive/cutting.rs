//! Whatever comes in comes out again, whole and by ranges.

use crate::support::{Place, inbox, mail, noise, put, read, time};
use base64::Engine as _;
use c2b_mailbox::{Content, Fidelity, Item};
use c2b_storagefmt::{Contents, FolderKey, ItemKey, MailboxKey, Moment, Writer};
use proptest::prelude::*;
use std::path::PathBuf;
use std::process::Command;

struct Bench {
    _place: Place,
    writer: Writer,
    inbox: (MailboxKey, FolderKey),
    count: u64,
}

impl Bench {
    fn new() -> Self {
        let place = Place::new();
        let mut writer = place.create();
        let inbox = inbox(&mut writer);
        Self { _place: place, writer, inbox, count: 0 }
    }

    fn put(&mut self, mime: &[u8], export: Option<&[u8]>) -> ItemKey {
        self.count += 1;
        let mut item = mail(&format!("I-{}", self.count), "x", mime);
        item.export = export.map(|export| Content::from_bytes(export).unwrap());
        put(&mut self.writer, self.inbox, item).key
    }

    fn commit(&mut self) {
        self.writer.commit(time(1)).unwrap();
    }

    fn shown(&self, key: ItemKey) -> Vec<u8> {
        let row = self.writer.catalog().item(key, Moment::Latest).unwrap().unwrap();
        let bytes = read(&self.writer.contents(), row.mailbox, &row.shown.unwrap());
        assert_eq!(bytes.len() as u64, row.size);
        bytes
    }

    fn exported(&self, key: ItemKey) -> Vec<u8> {
        let row = self.writer.catalog().item(key, Moment::Latest).unwrap().unwrap();
        let bytes = read(&self.writer.contents(), row.mailbox, &row.export.unwrap());
        assert_eq!(bytes.len() as u64, row.export_bytes);
        bytes
    }

    fn contents(&self) -> Contents {
        self.writer.contents()
    }
}

/// A message with two attachments, one of them in a message that is attached itself.
fn message(boundary: &str, attachment: &[u8], newline: &str, line: usize) -> Vec<u8> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(attachment);
    let lines: Vec<&str> = encoded.as_bytes().chunks(line).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let (body, html) = (lines.join(newline), "<p>gr=C3=BC=C3=9Fe</p>=\n".repeat(40).replace('\n', newline));
    let text = format!(
        "From: a@b\nSubject: =?utf-8?q?x?=\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\nThis is MIME.\n--{boundary}\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n@html@\n\
         --{boundary}\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n@body@\n\n--{boundary}\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=\"i-{boundary}\"\n\n--i-{boundary}\n\
         Content-Transfer-Encoding: base64\n\n@body@\n--i-{boundary}--\n--{boundary}--\n"
    );
    text.replace('\n', newline).replace("@html@", &html).replace("@body@", &body).into_bytes()
}

/// A message with one attachment that is encoded already.
fn attached(boundary: &str, encoded: &str) -> Vec<u8> {
    let head = format!(
        "From: {boundary}@b\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    [head.as_bytes(), encoded.as_bytes(), b"--", boundary.as_bytes(), b"--\r\n"].concat()
}

/// An export stream that holds these values, in frames of `frame` bytes.
fn export(values: &[&[u8]], frame: usize) -> Vec<u8> {
    let mut data = b"some properties before".to_vec();
    for value in values {
        data.extend(0x3701_0102u32.to_le_bytes());
        data.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        data.extend(*value);
        data.extend(0x400e_0003u32.to_le_bytes());
    }
    let mut stream = [1u32, 8, 0, 1].map(u32::to_le_bytes).concat();
    for piece in data.chunks(frame) {
        stream.extend(2u32.to_le_bytes());
        stream.extend(u32::try_from(piece.len()).unwrap().to_le_bytes());
        stream.extend(piece);
    }
    stream
}

#[test]
fn messages_and_streams_read_back_by_any_range() {
    let mut bench = Bench::new();
    let attachment = noise(300_000, 1);
    for (newline, line, frame) in [("\r\n", 76, 31_680), ("\n", 60, 1000), ("\r\n", 57, 7)] {
        let mime = message("b-1", &attachment, newline, line);
        let stream = export(&[&attachment, b"short", &noise(70_000, 2)], frame);
        let key = bench.put(&mime, Some(&stream));
        bench.commit();
        assert!(bench.shown(key) == mime && bench.exported(key) == stream, "line {line}, frame {frame}");
        let row = bench.writer.catalog().item(key, Moment::Latest).unwrap().unwrap();
        for (id, bytes) in [(row.shown.unwrap(), &mime), (row.export.unwrap(), &stream)] {
            let file = bench.contents().open(row.mailbox, &id).unwrap();
            for step in 0..200usize {
                let offset = (step * 7919 * 31) % (bytes.len() + 10);
                let len = [1, 2, 3, 75, 77, 4096, 131_072][step % 7];
                let mut buffer = vec![0; len];
                let n = file.read_at(offset as u64, &mut buffer).unwrap();
                let expected = &bytes[offset.min(bytes.len())..(offset + len).min(bytes.len())];
                assert!(buffer[..n] == *expected, "line {line}, frame {frame}: {len} bytes at {offset}");
            }
        }
    }
}

#[test]
fn an_attachment_costs_once_in_mime_and_export_and_with_new_boundaries() {
    let mut bench = Bench::new();
    let attachment = noise(2_000_000, 3);
    let stored = |bench: &Bench| bench.writer.catalog().stats().unwrap().stored_bytes;
    let empty = stored(&bench);
    bench.put(&message("b-1", &attachment, "\r\n", 76), Some(&export(&[&attachment], 31_680)));
    bench.commit();
    let once = stored(&bench) - empty;
    assert!(once < 2_200_000, "MIME twice and the stream once cost {once}");
    for number in 2..12 {
        bench.put(&message(&format!("another boundary {number}"), &attachment, "\r\n", 76), Some(&export(&[b"other", &attachment], 12_345)));
    }
    bench.commit();
    let more = stored(&bench) - empty - once;
    assert!(more < 200_000, "ten regenerated messages cost {more} more");
}

#[test]
fn ten_mebibytes_to_a_hundred_mailboxes_cost_once() {
    let place = Place::new();
    let mut writer = place.create();
    let encoded = base64::engine::general_purpose::STANDARD.encode(noise(10 << 20, 4));
    let encoded: String = encoded.as_bytes().chunks(76).map(|line| [std::str::from_utf8(line).unwrap(), "\r\n"].concat()).collect();
    for number in 0..100 {
        let mailbox = writer.mailbox(&crate::support::address(&format!("user{number}"))).unwrap();
        let folder = writer.put_folder(mailbox, &crate::support::folder("F", "Inbox", None)).unwrap();
        put(&mut writer, (mailbox, folder), mail("I", "x", &attached(&format!("b{number}"), &encoded)));
    }
    writer.commit(time(1)).unwrap();
    let stats = writer.stats().unwrap();
    assert!(stats.stored_bytes < 11 << 20, "{} bytes stored", stats.stored_bytes);
    assert!(stats.logical_bytes > 1000 << 20);
}

#[test]
fn an_export_alone_is_what_is_shown() {
    let mut bench = Bench::new();
    let mut item = mail("I-only", "x", b"");
    item.readable = None;
    item.fidelity = Fidelity::ExportOnly;
    item.export = Some(Content::from_bytes(&export(&[b"x"], 10)).unwrap());
    let key = put(&mut bench.writer, bench.inbox, Item { ..item }).key;
    bench.commit();
    assert_eq!(bench.shown(key), bench.exported(key));
    let row = bench.writer.catalog().item(key, Moment::Latest).unwrap().unwrap();
    assert!(row.file_name.ends_with(".fts") && row.format.is_none());
}

#[test]
fn every_message_of_the_corpora_reads_back() {
    let shared = std::env::var_os("C2B_SHARED").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    for corpus in ["edge", "spamassassin"] {
        let archive = shared.join("corpus").join(format!("{corpus}.tar.zst"));
        if !archive.exists() {
            println!("skipped: {} is not there", archive.display());
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let status = Command::new("tar").arg("--zstd").arg("-xf").arg(&archive).arg("-C").arg(dir.path()).status().unwrap();
        assert!(status.success());
        let (mut bench, mut open, mut put) = (Bench::new(), vec![dir.path().to_owned()], Vec::new());
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            put.push((bench.put(&bytes, None), path));
            if put.len().is_multiple_of(500) {
                bench.commit();
            }
        }
        bench.commit();
        assert!(put.len() > 800, "{corpus} has only {} messages", put.len());
        for (key, path) in put {
            assert!(bench.shown(key) == std::fs::read(&path).unwrap(), "{} came back otherwise", path.display());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn anything_reads_back(cases in prop::collection::vec((anything(), anything()), 1..40)) {
        let mut bench = Bench::new();
        let keys: Vec<_> = cases.iter().map(|(mime, export)| bench.put(mime, Some(export))).collect();
        bench.commit();
        for (key, (mime, export)) in keys.into_iter().zip(&cases) {
            prop_assert!(bench.shown(key) == *mime && bench.exported(key) == *export);
        }
    }
}

/// Bytes that are nearly a message or a stream: cut, doubled, flipped, or nothing of the kind.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::collection::vec(any::<u8>(), 0..3000);
    let sound = prop_oneof![
        any::<Vec<u8>>(),
        (part.clone(), any::<bool>(), 1usize..100).prop_map(|(part, crlf, line)| message("b", &part, if crlf { "\r\n" } else { "\n" }, line)),
        (part.clone(), part, 1usize..2000).prop_map(|(one, two, frame)| export(&[&one, &two], frame)),
    ];
    let harm = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..50), 0..4);
    (sound, harm).prop_map(|(mut bytes, harm)| {
        for (place, value, cut) in harm {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = value;
                let end = (place + cut).min(bytes.len());
                bytes.drain(place + 1..end.max(place + 1));
            }
        }
        bytes
    })
}
