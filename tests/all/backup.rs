//! The whole current: from the lab to files one can open, and what later cycles cost.

use c2b_tests::{Bench, Ews, Mount, digest, files, folders, fuse_usable, sha256, until};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

/// What the mount shows as files that the server gave, as a count for each (mailbox, hash, length).
pub(crate) fn shown(bench: &Bench, mount: &Mount) -> BTreeMap<(String, String, u64), u64> {
    let mut counts = BTreeMap::new();
    for mailbox in bench.lab.mailboxes() {
        let root = mount.latest(&mailbox);
        for file in files(&root) {
            let path = root.join(&file);
            let (hash, length) = sha256(&path).unwrap_or_else(|err| panic!("failed to read {}: {err}", file.display()));
            assert_eq!(std::fs::metadata(&path).unwrap().size(), length, "the size of {} is not what reading it gives", file.display());
            let fidelity = xattr::get(&path, "user.c2b.fidelity").unwrap().unwrap_or_default();
            let rendered = xattr::get(&path, "user.c2b.rendered").unwrap().unwrap_or_default();
            assert!(!fidelity.is_empty(), "{} does not say its fidelity", file.display());
            if rendered != b"true" {
                *counts.entry((mailbox.clone(), hash, length)).or_default() += 1;
            }
        }
    }
    counts
}

/// Asserts that the mount shows exactly what the lab serves, and as many items as it has.
///
/// A MIME of no bytes says nothing: such an item is rendered from its properties.
pub(crate) fn assert_complete(bench: &Bench, mount: &Mount) {
    let (mut served, shown) = (bench.served(), shown(bench, mount));
    served.retain(|(_, _, length), _| *length > 0);
    let missing: Vec<_> = served.iter().filter(|(key, n)| shown.get(*key).unwrap_or(&0) < *n).collect();
    let extra: Vec<_> = shown.iter().filter(|(key, n)| served.get(*key).unwrap_or(&0) < *n).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{} missing, {} extra; first: {:?} {:?}", missing.len(), extra.len(), missing.first(), extra.first());
    let items: usize = bench.lab.mailboxes().iter().map(|mailbox| files(&mount.latest(mailbox)).len()).sum();
    assert_eq!(items as u64, bench.served_items(), "the mount has not as many files as the lab has items");
}

pub(crate) const NEW_MAIL: &[u8] = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: a fresh one\r\nMessage-ID: <fresh@example.org>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n";

#[test]
fn what_the_lab_serves_is_what_the_mount_shows() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::company(4, 150, &[]);
    bench.job_all("all");
    bench.run("all");
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    assert_complete(&bench, &mount);
}

#[test]
fn a_cycle_without_changes_fetches_and_writes_nothing() {
    let bench = Bench::company(3, 80, &[]);
    bench.job_all("all");
    bench.run("all");
    assert!(bench.lab.requests("ExportItems") > 0 && !bench.packs().is_empty());
    bench.lab.reset_counters();
    let packs = bench.settle("all");
    bench.run("all");
    assert_eq!(bench.packs(), packs, "a cycle without changes wrote a pack");
    assert_eq!((bench.lab.requests("ExportItems"), bench.lab.requests("GetItem")), (0, 0), "a cycle without changes fetched items");
}

#[test]
fn later_cycles_follow_the_mailbox_and_old_moments_stay() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::company(3, 60, &[]);
    bench.job_all("all");
    bench.run("all");
    let mailbox = bench.lab.mailboxes()[0].clone();
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    let before = digest(&mount.latest(&mailbox));
    let points = |mount: &Mount| -> Vec<_> { files_of_points(&mount.path.join("mailboxes").join(&mailbox).join("at")) };
    let first = points(&mount);
    assert_eq!(first.len(), 1, "one cycle is one point in time: {first:?}");

    let client = Ews::new(&bench.lab.url, &mailbox);
    let mail: Vec<_> = bench.lab.items(&mailbox).into_iter().filter(|item| item.class == "IPM.Note").collect();
    client.delete(&mail[0].id);
    client.move_item(&mail[1].id, "deleteditems");
    client.create("inbox", NEW_MAIL);
    let folder = client.create_folder("inbox", "Zeppelin: \"A/B\" 2027?");
    bench.run("all");

    until("the open mount shows the new mail", || {
        let names: Vec<_> = files(&mount.latest(&mailbox)).into_iter().map(|path| path.to_string_lossy().into_owned()).collect();
        names.iter().any(|name| name.contains("a fresh one")).then_some(())
    });
    assert_complete(&bench, &mount);
    let zeppelin = || folders(&mount.latest(&mailbox)).iter().any(|path| path.to_string_lossy().contains("Zeppelin"));
    assert!(zeppelin(), "the empty folder is not shown: {:?}", folders(&mount.latest(&mailbox)));

    let second = points(&mount);
    assert_eq!(second.len(), 2, "the second cycle is a second point: {second:?}");
    assert_eq!(digest(&first[0]), before, "the first moment does not show what was");

    client.delete_folder(&folder);
    bench.run("all");
    until("the folder is gone from the open mount", || (!zeppelin()).then_some(()));
    assert_eq!(digest(&first[0]), before, "the first moment changed later");
}

#[test]
fn reading_a_thousand_mails_stores_no_body() {
    let bench = Bench::company(2, 60, &[]);
    bench.job_all("all");
    bench.run("all");
    let mailbox = bench.lab.mailboxes()[0].clone();
    let client = Ews::new(&bench.lab.url, &mailbox);
    let unread = bench.lab.items(&mailbox).into_iter().filter(|item| item.class == "IPM.Note").take(10);
    for item in unread {
        client.set_read(&item.id, false);
        client.set_read(&item.id, true);
        client.set_read(&item.id, false);
    }
    bench.lab.reset_counters();
    let before = stored(&bench);
    bench.run("all");
    assert_eq!((bench.lab.requests("ExportItems"), bench.lab.requests("GetItem")), (0, 0), "a read flag fetched an item");
    let grown = stored(&bench) - before;
    assert!(grown < 64 * 1024, "ten read flags took {grown} bytes");
}

#[test]
fn a_lost_sync_state_downloads_nothing_again() {
    let bench = Bench::company(2, 80, &[]);
    bench.job_all("all");
    bench.run("all");
    let mailbox = bench.lab.mailboxes()[0].clone();
    let client = Ews::new(&bench.lab.url, &mailbox);
    let victim = bench.lab.items(&mailbox).into_iter().find(|item| item.class == "IPM.Note").expect("there is mail");
    client.delete(&victim.id);
    client.create("inbox", NEW_MAIL);
    bench.lab.reset_sync_states();
    bench.lab.reset_counters();
    bench.run("all");
    let fetched = bench.lab.counters()["items_exported"].as_u64().expect("the lab counts exports");
    assert_eq!(fetched, 1, "only the new mail is fetched after the sync states were lost");
    let items: u64 = bench.lab.mailboxes().iter().map(|mailbox| bench.lab.items(mailbox).len() as u64).sum();
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(items));
}

#[test]
fn a_continuous_job_goes_on_by_itself_and_survives_a_restart() {
    let mut bench = Bench::company(2, 40, &[]);
    bench.ctl().ok(&[
        "job",
        "create",
        "all",
        "--connection",
        "lab",
        "--storage",
        "main",
        "--all-except",
        "nobody@example.org",
        "--continuous",
        "--idle",
        "00:00:01",
    ]);
    bench.ctl().ok(&["job", "start", "all"]);
    let items = |bench: &Bench| bench.ctl().json(&["storage", "show", "main"])["items"].as_u64();
    let wanted = bench.served_items();
    until("the first cycle is done", || (items(&bench) == Some(wanted)).then_some(()));
    let mailbox = bench.lab.mailboxes()[0].clone();
    Ews::new(&bench.lab.url, &mailbox).create("inbox", NEW_MAIL);
    until("a later cycle finds the new mail", || (items(&bench) == Some(wanted + 1)).then_some(()));

    assert!(bench.daemon.stop(), "c2bd did not end well:\n{}", bench.daemon.log());
    Ews::new(&bench.lab.url, &mailbox).create("inbox", NEW_MAIL);
    bench.restart_daemon();
    until("the job went on after the restart", || (items(&bench) == Some(wanted + 2)).then_some(()));
    bench.ctl().ok(&["job", "stop", "all"]);
    let job = bench.ctl().json(&["job", "show", "all"]);
    assert_eq!(job["state"], "inactive", "{job}");
}

fn stored(bench: &Bench) -> u64 {
    bench.packs().iter().map(|pack| std::fs::metadata(bench.storage().join("packs").join(pack)).unwrap().len()).sum()
}

/// The folders of points: `at/YYYY/MM/DD/HH-MM-SSZ`.
fn files_of_points(at: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut level = vec![at.to_owned()];
    for _ in 0..4 {
        level = level.iter().flat_map(|dir| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path())).collect();
        level.sort();
    }
    level
}
