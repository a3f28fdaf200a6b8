//! Everything in a mailbox: archive and recoverable items beside the primary folders, and what a cycle over them costs.

use c2b_tests::{Bench, LabItem, Mount, files, folders, fuse_usable, sha256, until};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many items are in each folder, associated ones left out, below `prefix`.
fn served(items: &[LabItem], prefix: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for item in items.iter().filter(|item| !item.is_associated) {
        *counts.entry(format!("{prefix}{}", item.folder)).or_default() += 1;
    }
    counts
}

/// How many files are in each folder of a tree; each is read to its end.
fn shown(root: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for file in files(root) {
        let (_, length) = sha256(&root.join(&file)).unwrap_or_else(|err| panic!("failed to read {}: {err}", file.display()));
        assert!(length > 0, "{} is empty", file.display());
        let folder = file.parent().map(Path::to_string_lossy).unwrap_or_default().into_owned();
        *counts.entry(folder).or_default() += 1;
    }
    counts
}

/// What the lab has of a mailbox, as the mount is to show it.
fn expected(bench: &Bench, mailbox: &str) -> BTreeMap<String, usize> {
    let mut expected = served(&bench.lab.items(mailbox), "");
    for (folder, count) in served(&bench.lab.archived(mailbox), "Archive Mailbox/") {
        expected.insert(folder, count);
    }
    expected
}

#[test]
fn a_mailbox_is_shown_with_its_archive_and_recoverable_items() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::everything(2, 30, &[]);
    bench.job_all("all");
    bench.run("all");
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    let mailbox = bench.lab.mailboxes()[0].clone();
    let shown = shown(&mount.latest(&mailbox));
    assert_eq!(shown, expected(&bench, &mailbox));
    assert_eq!((shown["Archive Mailbox/Old projects/2019"], shown["Recoverable Items/Deletions"]), (5, 3));
    assert_eq!(shown["Archive Mailbox/Recoverable Items/Deletions"], 1);
    let all = folders(&mount.latest(&mailbox));
    for folder in ["Archive Mailbox/Deleted Items", "Recoverable Items/Purges", "Hidden settings"] {
        assert!(all.contains(&PathBuf::from(folder)), "{folder} is not shown");
    }
    let role = |folder: &str| xattr::get(mount.latest(&mailbox).join(folder), "user.c2b.role").unwrap().map(|role| String::from_utf8(role).unwrap());
    assert_eq!(role("Archive Mailbox").as_deref(), Some("archivemsgfolderroot"));
    assert_eq!(role("Recoverable Items/Versions").as_deref(), Some("recoverableitemsversions"));
    let permissions = xattr::get(mount.latest(&mailbox).join("Shared"), "user.c2b.permissions").unwrap().unwrap_or_default();
    let colleague = bench.lab.mailboxes()[1].clone();
    assert_eq!(String::from_utf8(permissions).unwrap(), format!("Anonymous: None\nDefault: None\n{colleague}: Reviewer"));
    let other = bench.lab.mailboxes()[1].clone();
    let others = folders(&mount.latest(&other));
    assert!(others.contains(&PathBuf::from("Recoverable Items")) && !others.contains(&PathBuf::from("Archive Mailbox")), "{others:?}");
}

#[test]
fn a_cycle_without_changes_costs_one_request_for_a_mailbox_with_all_parts() {
    let bench = Bench::everything(2, 10, &[]);
    bench.job_all("all");
    bench.run("all");
    until("the counters are settled", || {
        bench.lab.reset_counters();
        bench.run("all");
        (bench.lab.requests("SyncFolderItems") == 0).then_some(())
    });
    bench.lab.reset_counters();
    bench.run("all");
    let counters = bench.lab.counters();
    // One mailbox may be due for a full look.
    let requests = counters["by_mailbox"].as_object().unwrap().values().filter(|requests| requests.as_u64() == Some(1)).count();
    assert!(requests >= 1 && counters["by_operation"]["FindFolder"].as_u64() == Some(2), "{counters}");
}

#[test]
fn servers_that_lack_what_exchange_has_are_backed_up_whole() {
    if !fuse_usable() {
        return;
    }
    for quirks in ["no-folder-counters,no-distinguished-ids", "sparse,short-pages"] {
        let bench = Bench::everything(1, 10, &["--quirks", quirks]);
        bench.job_all("all");
        bench.run("all");
        bench.run("all");
        let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
        let mailbox = bench.lab.mailboxes()[0].clone();
        assert_eq!(shown(&mount.latest(&mailbox)).values().sum::<usize>(), expected(&bench, &mailbox).values().sum::<usize>(), "{quirks}");
    }
}

#[test]
fn an_archive_that_is_away_stays_as_it_was() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::everything(1, 10, &[]);
    bench.job_all("all");
    bench.run("all");
    let mailbox = bench.lab.mailboxes()[0].clone();
    let before = expected(&bench, &mailbox);
    let archive = bench.path("org").join(&mailbox).join(".archive");
    std::fs::rename(&archive, bench.path("archive")).unwrap();
    let mut bench = bench;
    bench.lab.restart();
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    assert_eq!(outcome.code, 3, "an archive that was there and is not is a warning: {outcome:#?}");
    assert!(bench.ctl().ok(&["job", "show", "all"]).contains("archive mailbox"));
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    assert_eq!(shown(&mount.latest(&mailbox)), before);
    drop(mount);
    std::fs::rename(bench.path("archive"), &archive).unwrap();
    bench.lab.restart();
    bench.run("all");
}

#[test]
fn public_folders_are_found_picked_and_shown() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::everything(2, 5, &[]);
    let listed = bench.ctl().json(&["connection", "public-folders", "lab"]);
    let paths: Vec<&str> = listed.as_array().unwrap().iter().map(|folder| folder["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["Board", "Company news", "Company news/2025", "Rooms", "Sales", "Sales/Customers", "Suppliers"]);
    let mailbox = bench.lab.mailboxes()[0].clone();
    let create = ["job", "create", "public", "--connection", "lab", "--storage", "main", "--mailbox", &mailbox, "--one-time"];
    bench.ctl().ok(&[&create[..], &["--public-folder", "Company news", "--public-tree", "Sales", "Rooms", "Suppliers"]].concat());
    assert!(bench.ctl().ok(&["job", "show", "public"]).contains("Sales and below"));
    bench.run("public");
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    let root = mount.path.join("public-folders/latest");
    let mut expected = served(&bench.lab.public(), "");
    expected.retain(|folder, _| !matches!(folder.as_str(), "Board" | "Company news/2025"));
    assert_eq!(shown(&root), expected);
    assert_eq!((expected["Sales/Customers"], expected["Company news"]), (2, 4));
    let mailboxes: Vec<_> = std::fs::read_dir(mount.path.join("mailboxes")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(mailboxes, [std::ffi::OsString::from(&mailbox)], "public folders are no mailbox");
    drop(mount);
    bench.lab.reset_counters();
    bench.run("public");
    let counters = bench.lab.counters();
    assert_eq!((counters["mime_items"].as_u64(), bench.lab.requests("SyncFolderHierarchy")), (Some(0), 0), "{counters}");

    // What is not there is told, and stays out.
    bench.ctl().ok(&["job", "edit", "public", "--public-tree", "Sales", "Nowhere"]);
    let outcome = bench.ctl().run(&["job", "start", "public", "--wait"]);
    assert_eq!(outcome.code, 3, "{outcome:#?}");
    let coverage = bench.ctl().json(&["job", "coverage", "public"]);
    assert!(coverage.to_string().contains("Nowhere"), "{coverage}");
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    assert_eq!(shown(&mount.path.join("public-folders/latest")), expected, "what is named no more stays");
}
