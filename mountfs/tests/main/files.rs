//! Files of a real mount: bytes, sizes, names, attributes, inodes.

use crate::bench::{ALICE, Bench, contents, mail, os_error, paths, usable};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::thread;

/// A message with an attachment in base64, as mail really is.
fn message(n: usize, attachment_bytes: usize) -> Vec<u8> {
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU2Nzg5QUJDREVGR0hJSktMTU5PUFFSU1RV\r\n";
    let mut text = format!(
        "Subject: message {n}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\nContent-Type: text/plain\r\n\r\nHello {n}\r\n--b{n}\r\n\
         Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    while text.len() < attachment_bytes {
        text.push_str(line);
    }
    text.push_str(&format!("\r\n--b{n}--\r\n"));
    text.into_bytes()
}

/// Bytes that nothing can compress.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len).collect()
}

#[test]
fn every_file_is_what_was_stored_with_its_exact_size() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let mut expected = BTreeMap::new();
    for (place, name) in ["Inbox", "Archive", "Sent"].iter().enumerate() {
        let folder = bench.folder(name, None, name);
        for n in 0..40 {
            let body = match n {
                0 => Vec::new(),
                1 => vec![b'x'],
                2 => noise(7, 1_000_003),
                3 => message(n, 300_000),
                _ => message(n, 100 * n * (place + 1)),
            };
            let subject = format!("mail {n}");
            bench.put(folder, mail(&format!("{name} {n}"), &subject, &body));
            expected.insert((format!("latest/{name}"), subject), body);
        }
    }
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let mailbox = mounted.target.join("mailboxes").join(ALICE);
    for round in ["cold", "warm"] {
        let mut found = 0;
        for path in paths(&mailbox.join("latest")).into_iter().filter(|path| path.is_file()) {
            let bytes = fs::read(&path).unwrap();
            let meta = fs::metadata(&path).unwrap();
            assert_eq!(meta.len(), bytes.len() as u64, "{round}: {}", path.display());
            assert_eq!(meta.blocks(), meta.len().div_ceil(512));
            let folder = path.parent().unwrap().strip_prefix(&mailbox).unwrap().to_str().unwrap().to_owned();
            let subject = String::from_utf8(xattr::get(&path, "user.c2b.subject").unwrap().unwrap()).unwrap();
            assert!(expected[&(folder, subject)] == bytes, "{round}: {} differs", path.display());
            found += 1;
        }
        assert_eq!(found, expected.len());
    }
    many_readers_see_the_same(&mailbox.join("latest/Inbox"));
}

/// Reads every file of a folder in pieces from four threads at once.
fn many_readers_see_the_same(folder: &Path) {
    let whole = contents(folder);
    thread::scope(|scope| {
        for reader in 1..5usize {
            let whole = &whole;
            scope.spawn(move || {
                for (name, bytes) in whole {
                    let file = fs::File::open(folder.join(name)).unwrap();
                    for offset in (0..=bytes.len()).step_by(1 + bytes.len() / (3 * reader)) {
                        let mut buffer = vec![0; 10_000 * reader];
                        let n = file.read_at(&mut buffer, offset as u64).unwrap();
                        assert_eq!(buffer[..n], bytes[offset..(offset + buffer.len()).min(bytes.len())]);
                    }
                }
            });
        }
    });
}

/// Whether a name is legal on Linux, Samba and Windows.
fn legal(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let device = ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str())
        || (["COM", "LPT"].iter().any(|kind| stem.starts_with(kind)) && stem.len() == 4 && stem.ends_with(|c: char| c.is_ascii_digit()));
    !name.is_empty() && name.len() <= 200 && !name.ends_with(['.', ' ']) && !device && !name.contains(|c: char| c.is_control() || "<>:\"/\\|?*".contains(c))
}

#[test]
fn hostile_names_are_legal_everywhere_and_lead_back_to_the_originals() {
    if !usable() {
        return;
    }
    let names = [
        "Re: a/b?",
        "a/b",
        "a_b",
        "CON",
        "NUL",
        "COM1",
        "x.",
        "x ",
        " x",
        "..",
        ".",
        "",
        "Inbox",
        "INBOX",
        "inbox",
        "\u{c9}t\u{e9}",
        "E\u{301}te\u{301}",
        "a\u{0}b",
        "tab\tand\nline",
        "<>:\"|?*",
        "back\\slash",
        "\u{202e}gpj.exe",
        "日本語の件名",
        "mail [k3f9c2].eml",
        "emoji 👩‍👩‍👧‍👦 family",
    ];
    let long = ["🎉".repeat(1000), "件".repeat(300), "a".repeat(255), "é".repeat(128)];
    let all: Vec<&str> = names.into_iter().chain(long.iter().map(String::as_str)).collect();
    let mut bench = Bench::new();
    for (n, name) in all.iter().enumerate() {
        let folder = bench.folder(&format!("folder {n}"), None, name);
        bench.put(folder, mail(&format!("item {n}"), name, name.as_bytes()));
        bench.put(folder, mail(&format!("twin {n}"), name, name.as_bytes()));
    }
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let mut originals: Vec<String> = Vec::new();
    let mut folded = BTreeSet::new();
    for folder in fs::read_dir(mounted.latest()).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(legal(name), "folder {name:?}");
        assert!(folded.insert(name.to_lowercase()), "folder {name:?} differs from another by case only");
        let original = |path: &Path| String::from_utf8(xattr::get(path, "user.c2b.name").unwrap().unwrap_or_default()).unwrap();
        originals.push(original(&folder));
        let mut items = 0;
        for item in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = item.file_name().unwrap().to_str().unwrap();
            assert!(legal(name), "item {name:?}");
            assert_eq!(original(&item), original(&folder));
            assert_eq!(fs::read(&item).unwrap(), original(&folder).as_bytes());
            items += 1;
        }
        assert_eq!(items, 2, "{name:?}");
    }
    let mut expected: Vec<String> = all.iter().map(ToString::to_string).collect();
    expected.sort();
    originals.sort();
    assert_eq!(originals, expected);
}

#[test]
fn extended_attributes_carry_the_originals() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "In/box");
    let sub = bench.folder("sub", Some("inbox"), "Sub");
    bench.put(inbox, mail("top", "top", b"x"));
    let mut item = mail("one", "Re: budget 2027?", b"text");
    item.meta.message_id = Some("<1@example.org>".to_owned());
    item.meta.categories = vec!["Red".to_owned(), "Blue".to_owned()];
    item.meta.importance = Some(c2b_mailbox::Importance::High);
    item.meta.flag = Some(c2b_mailbox::FlagStatus::Flagged);
    let key = bench.put(sub, item);
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let file = paths(&mounted.latest()).into_iter().find(|path| path.to_str().unwrap().contains(&key.to_string())).unwrap();
    let text = |name: &str| xattr::get(&file, format!("user.c2b.{name}")).unwrap().map(|value| String::from_utf8(value).unwrap());
    let key = key.to_string();
    let expected = [
        ("mailbox", ALICE),
        ("folder", "In/box/Sub"),
        ("subject", "Re: budget 2027?"),
        ("from", "Bob <bob@example.org>"),
        ("to", "Alice <alice@example.org>, carol@example.org"),
        ("class", "IPM.Note"),
        ("received", "2024-03-01T08:07:00Z"),
        ("message-id", "<1@example.org>"),
        ("read", "false"),
        ("flag", "flagged"),
        ("importance", "high"),
        ("categories", "Red; Blue"),
        ("fidelity", "mime"),
        ("version", "1"),
        ("source-id", "one"),
        ("key", key.as_str()),
    ];
    for (name, value) in expected {
        assert_eq!(text(name).as_deref(), Some(value), "{name}");
    }
    let listed: Vec<String> = xattr::list(&file).unwrap().map(|name| name.into_string().unwrap()).collect();
    assert!(listed.len() > 15 && listed.iter().all(|name| name.starts_with("user.c2b.")), "{listed:?}");
    assert!(listed.iter().all(|name| xattr::get(&file, name).unwrap().is_some()));
    assert_eq!(text("sent"), None);
    let folder = file.parent().unwrap();
    assert_eq!(xattr::get(folder, "user.c2b.name").unwrap().unwrap(), b"Sub");
    assert_eq!(xattr::get(folder, "user.c2b.class").unwrap().unwrap(), b"IPF.Note");
    assert_eq!(xattr::get(mounted.latest(), "user.c2b.mailbox").unwrap().unwrap(), ALICE.as_bytes());
    assert_eq!(os_error(xattr::set(&file, "user.c2b.read", b"true")), Some(libc_erofs()));
}

fn libc_erofs() -> i32 {
    nix::errno::Errno::EROFS as i32
}

#[test]
fn inodes_are_unique_and_the_same_in_every_mount_and_nothing_is_of_1970() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    for n in 0..30 {
        bench.put(inbox, mail(&format!("{n}"), "same subject", format!("body {n}").as_bytes()));
    }
    bench.commit();
    bench.put(inbox, mail("3", "same subject", b"changed"));
    bench.commit();
    let inodes = |name: &str| -> BTreeMap<String, u64> {
        let mounted = bench.mount(name, &[]);
        let mut found = BTreeMap::new();
        for path in paths(&mounted.target) {
            let meta = fs::symlink_metadata(&path).unwrap();
            assert!(meta.mtime() > 86_400 && meta.ctime() > 86_400 && meta.atime() > 86_400, "{} is of 1970", path.display());
            assert!(meta.nlink() >= 1);
            found.insert(path.strip_prefix(&mounted.target).unwrap().to_str().unwrap().to_owned(), meta.ino());
        }
        found
    };
    let (first, second) = (inodes("one"), inodes("two"));
    assert_eq!(first, second);
    assert_eq!(first.values().collect::<BTreeSet<_>>().len(), first.len(), "two paths share an inode");
    assert!(first.len() > 90, "{} paths", first.len());
}

#[test]
fn a_file_has_the_time_of_its_item_and_a_folder_that_of_its_newest() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    let times = ["2011-01-02T03:04:05Z", "2023-06-07T08:09:10Z", "2019-01-01T00:00:00Z"].map(|text| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    for (n, time) in times.iter().enumerate() {
        let mut item = mail(&n.to_string(), &format!("mail {n}"), b"x");
        item.meta.received = Some(*time);
        bench.put(inbox, item);
    }
    let committed = bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let mut found: Vec<i64> = fs::read_dir(mounted.latest().join("Inbox")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().mtime()).collect();
    found.sort_unstable();
    let mut expected = times.map(|time| time.timestamp());
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(fs::metadata(mounted.latest().join("Inbox")).unwrap().mtime(), expected[2]);
    assert_eq!(fs::metadata(mounted.at(committed)).unwrap().mtime(), committed.timestamp());
}

#[test]
fn nothing_can_be_changed() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    bench.put(inbox, mail("1", "mail", b"body"));
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let file = paths(&mounted.latest().join("Inbox")).remove(0);
    let erofs = Some(libc_erofs());
    assert_eq!(os_error(fs::File::options().append(true).open(&file).and_then(|mut file| file.write_all(b"x"))), erofs);
    assert_eq!(os_error(fs::remove_file(&file)), erofs);
    assert_eq!(os_error(fs::rename(&file, mounted.latest().join("other"))), erofs);
    assert_eq!(os_error(fs::create_dir(mounted.latest().join("new"))), erofs);
    assert_eq!(os_error(fs::write(mounted.target.join("new"), b"x")), erofs);
    assert_eq!(fs::read(&file).unwrap(), b"body");
}

#[test]
fn the_storage_says_what_it_is() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    bench.put(inbox, mail("1", "mail", b"body"));
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    for name in ["README.txt", "storage/status.json", "storage/mailboxes.json"] {
        let path = mounted.target.join(name);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64, "{name}");
    }
    let status: serde_json::Value = serde_json::from_slice(&fs::read(mounted.target.join("storage/status.json")).unwrap()).unwrap();
    assert_eq!((&status["mailboxes"], &status["items"], &status["commit"]), (&1.into(), &1.into(), &1.into()));
    let mailboxes: serde_json::Value = serde_json::from_slice(&fs::read(mounted.target.join("storage/mailboxes.json")).unwrap()).unwrap();
    assert_eq!((&mailboxes[0]["address"], &mailboxes[0]["last_point"]), (&ALICE.into(), &"2024-11-21T10:01:00.000Z".into()));
}
