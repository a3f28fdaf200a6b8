//! A mount while the writer goes on: `latest/` follows, the past stays.

use crate::bench::{ALICE, Bench, contents, mail, paths, usable, wait_for};
use c2b_mailbox::{FolderId, ItemId};
use chrono::TimeDelta;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

/// How long a new commit may take to be seen.
const SEEN_WITHIN_SECS: u64 = 5;

#[test]
fn a_new_commit_is_seen_in_an_open_mount() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    for n in 0..5 {
        bench.put(inbox, mail(&n.to_string(), &format!("mail {n}"), format!("body {n}").as_bytes()));
    }
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let folder = mounted.latest().join("Inbox");
    let before = contents(&folder);
    assert_eq!(before.len(), 5);
    let changed = paths(&folder).into_iter().find(|path| path.to_str().unwrap().contains("mail 1")).unwrap();
    let mut open = fs::File::open(&changed).unwrap();

    let mut item = mail("new", "new mail", b"new body");
    item.meta.received = Some("2025-01-01T00:00:00Z".parse().unwrap());
    bench.put(inbox, item);
    bench.put(inbox, mail("1", "mail 1", b"another body, and longer"));
    bench.writer.delete_item(bench.alice, &ItemId::new("2")).unwrap();
    bench.writer.set_read(bench.alice, &ItemId::new("3"), None, true).unwrap();
    bench.folder("later", Some("inbox"), "Later");
    bench.commit();

    wait_for("the new commit", SEEN_WITHIN_SECS, || contents(&folder).values().any(|body| body == b"new body"));
    let bodies: Vec<Vec<u8>> = contents(&folder).into_values().collect();
    assert_eq!(bodies.len(), 5);
    assert!(!bodies.contains(&b"body 2".to_vec()), "a deleted item is still shown");
    assert!(bodies.contains(&b"another body, and longer".to_vec()), "a changed item is not shown");
    let read = paths(&folder).into_iter().find(|path| path.to_str().unwrap().contains("mail 3")).unwrap();
    assert_eq!(xattr::get(read, "user.c2b.read").unwrap().unwrap(), b"true");
    assert!(folder.join("Later").is_dir());
    assert_eq!(fs::metadata(&folder).unwrap().mtime(), 1_735_689_600, "the folder has not the time of its newest item");
    let mut text = Vec::new();
    open.seek(SeekFrom::Start(0)).unwrap();
    open.read_to_end(&mut text).unwrap();
    assert_eq!(text, b"body 1", "an open file changed");

    let status = mounted.target.join("storage/status.json");
    wait_for("the new status", SEEN_WITHIN_SECS, || fs::read_to_string(&status).unwrap().contains("\"commit\": 2"));
    assert_eq!(fs::metadata(&status).unwrap().len(), fs::read(&status).unwrap().len() as u64);
}

#[test]
fn a_renamed_folder_and_a_new_mailbox_are_seen() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    let sub = bench.folder("sub", Some("inbox"), "Sub");
    bench.put(sub, mail("1", "mail", b"body"));
    bench.put(inbox, mail("2", "mail", b"body"));
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    assert_eq!(paths(&mounted.latest()).len(), 4);
    bench.folder("sub", None, "Renamed and moved");
    bench.writer.mailbox(&c2b_mailbox::Address::parse("zoe@example.org").unwrap()).unwrap();
    bench.commit();
    wait_for("the renamed folder", SEEN_WITHIN_SECS, || mounted.latest().join("Renamed and moved").is_dir());
    assert!(!mounted.latest().join("Inbox/Sub").exists());
    assert_eq!(contents(&mounted.latest().join("Renamed and moved")).len(), 1);
    wait_for("the new mailbox", SEEN_WITHIN_SECS, || mounted.target.join("mailboxes/zoe@example.org/latest").is_dir());
    bench.writer.delete_folder(bench.alice, &FolderId::new("inbox")).unwrap();
    bench.commit();
    wait_for("the end of the folder", SEEN_WITHIN_SECS, || !mounted.latest().join("Inbox").exists());
}

#[test]
fn the_past_does_not_change_while_new_commits_arrive() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    let mounted = {
        bench.put(inbox, mail("0", "mail 0", b"body 0"));
        bench.commit();
        bench.mount("mnt", &[])
    };
    let mut moments = Vec::new();
    for n in 1..6 {
        bench.put(inbox, mail(&n.to_string(), &format!("mail {n}"), format!("body {n}").as_bytes()));
        bench.put(inbox, mail("0", "mail 0", format!("body 0, version {n}").as_bytes()));
        if n == 3 {
            bench.writer.delete_item(bench.alice, &ItemId::new("1")).unwrap();
        }
        let time = bench.commit();
        let newest = format!("body 0, version {n}").into_bytes();
        wait_for("the point in time", SEEN_WITHIN_SECS, || contents(&mounted.at(time)).values().any(|body| *body == newest));
        moments.push((time, contents(&mounted.at(time))));
        for (time, then) in &moments {
            assert_eq!(&contents(&mounted.at(*time)), then, "{time} changed");
        }
    }
    for (time, then) in &moments {
        // Typed, not listed: half a minute after each commit.
        assert_eq!(&contents(&mounted.at(*time + TimeDelta::seconds(30))), then);
    }
    let day = mounted.target.join("mailboxes").join(ALICE).join("at/2024/11/21");
    let mut names: Vec<String> = fs::read_dir(&day).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["10-01-00Z", "10-02-00Z", "10-03-00Z", "10-04-00Z", "10-05-00Z", "10-06-00Z"]);
    for wrong in ["09-00-00Z", "10:02:00Z", "x"] {
        assert!(!day.join(wrong).exists(), "{wrong} exists");
    }
    assert!(!mounted.target.join("mailboxes").join(ALICE).join("at/2999").exists());
}
