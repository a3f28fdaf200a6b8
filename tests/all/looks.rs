//! Who reads what in a mount is in the audit log: each item once, with the mailbox; also what was read while the daemon was
//! away, and just before the end.

use c2b_tests::{Bench, Ctl, files, fuse_usable, until};
use serde_json::Value;
use std::path::PathBuf;

/// Returns what is recorded of the readings of a mailbox.
fn readings(ctl: &Ctl, mailbox: &str) -> Vec<Value> {
    let records = ctl.json(&["audit", "show", "--mailbox", mailbox, "--action", "mount read", "-n", "1000"]);
    records.as_array().unwrap().clone()
}

/// Returns the keys of items in such records.
fn items(records: &[Value]) -> Vec<String> {
    records.iter().filter_map(|record| record["detail"].as_str()?.split_once("items ")).map(|(_, items)| items.to_owned()).collect()
}

#[test]
fn what_is_read_in_a_mount_is_recorded_once() {
    if !fuse_usable() {
        return;
    }
    let mut bench = Bench::company(2, 20, &[]);
    bench.job_all("all");
    bench.run("all");
    let (mailbox, other) = (bench.lab.mailboxes()[0].clone(), bench.lab.mailboxes()[1].clone());
    let dir = bench.text("mnt");
    std::fs::create_dir(&dir).unwrap();
    bench.ctl().ok(&["mount", "main", &dir]);
    let begun = until("the mount is recorded", || bench.ctl().json(&["audit", "show", "--action", "mount begun"]).get(0).cloned());
    assert!(begun["detail"].as_str().unwrap().contains(&dir) && begun["pid"].is_number(), "{begun}");

    let latest = PathBuf::from(&dir).join("mailboxes").join(&mailbox).join("latest");
    let mails: Vec<PathBuf> = files(&latest).into_iter().filter(|file| file.to_string_lossy().ends_with(".eml")).map(|file| latest.join(file)).collect();
    let key = |mail: &PathBuf| String::from_utf8(xattr::get(mail, "user.c2b.key").unwrap().unwrap()).unwrap();
    // Folders were listed, and nothing was read.
    let listed = until("the listing is recorded", || readings(&bench.ctl(), &mailbox).first().cloned());
    assert!(items(&[listed]).is_empty() && readings(&bench.ctl(), &other).is_empty());
    for _ in 0..3 {
        std::fs::read(&mails[0]).unwrap();
    }
    let told = until("the reading is recorded", || Some(items(&readings(&bench.ctl(), &mailbox))).filter(|items| !items.is_empty()));
    assert_eq!(told, [key(&mails[0])]);
    let record = readings(&bench.ctl(), &mailbox).pop().unwrap();
    let reader = format!("by root (uid 0), pid {}", std::process::id());
    assert!(record["detail"].as_str().unwrap().contains(&reader) && record["user"] == "root", "{record}");

    // The daemon is away: readers do not wait, and it is told when it is back.
    assert!(bench.daemon.stop());
    std::fs::read(&mails[1]).unwrap();
    bench.restart_daemon();
    let told = until("what was read meanwhile is recorded", || Some(items(&readings(&bench.ctl(), &mailbox))).filter(|items| items.len() == 2));
    assert_eq!(told[1], key(&mails[1]));
    // What was read last of all.
    let last = key(&mails[2]);
    std::fs::read(&mails[2]).unwrap();
    // Somebody is in it: it is not taken away from him unless one says so.
    let open = std::fs::File::open(&mails[2]).unwrap();
    let busy = bench.ctl().run(&["unmount", &dir]);
    assert!(busy.code != 0 && busy.stderr.contains("it is busy") && busy.stderr.contains("--lazy"), "{busy:?}");
    bench.ctl().ok(&["unmount", &dir, "--lazy"]);
    assert!(!latest.exists());
    drop(open);
    let told = until("what was read at the end is recorded", || Some(items(&readings(&bench.ctl(), &mailbox))).filter(|items| items.len() == 3));
    assert_eq!(told[2], last);
    assert!(bench.ctl().ok(&["audit", "verify"]).contains("as it was written"));
}
