//! Associated items from the command line to the mount: views, rules and automatic replies that a folder hides.

use c2b_tests::{Bench, Ews, Mount, files, fuse_usable, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MAILBOX: &str = "anna@example.org";

/// What Outlook and Exchange leave in an inbox.
const HIDDEN: [&str; 4] = ["IPM.Rule.Version2.Message", "IPM.ExtendedRule.Message", "IPM.Note.Rules.OofTemplate.Microsoft", "IPM.Configuration.CategoryList"];

fn put(folder: &Path, name: &str, class: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let text = format!(
        "X-Lab-Item-Class: {class}\r\nFrom: Ann <ann@example.org>\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\nDate: Fri, 20 Nov 2020 10:00:00 +0000\r\n\r\n{name}\r\n"
    );
    std::fs::write(folder.join(format!("{name}.eml")), text).unwrap();
}

/// A mailbox and a public folder, both with mails and hidden items.
fn fill(org: &Path) {
    let inbox = org.join(MAILBOX).join("Inbox");
    for n in 0..3 {
        put(&inbox, &format!("mail {n}"), "IPM.Note");
    }
    for (n, class) in HIDDEN.iter().enumerate() {
        put(&inbox.join(".associated"), &format!("hidden {n}"), class);
    }
    put(&org.join(MAILBOX).join("Archive/2020/.associated"), "a view", "IPM.Microsoft.FolderDesign.NamedView");
    put(&org.join(".public/Sales"), "offer", "IPM.Note");
    put(&org.join(".public/Sales/.associated"), "a form", "IPM.Microsoft.FolderDesign.FormsDescription");
}

/// How many files are in each folder of a tree.
fn shown(root: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for file in files(root) {
        *counts.entry(file.parent().map(Path::to_string_lossy).unwrap_or_default().into_owned()).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(folder, count)| (folder.to_owned(), count)).collect()
}

fn create(bench: &Bench, flags: &[&str]) {
    let job = ["job", "create", "all", "--connection", "lab", "--storage", "main", "--mailbox", MAILBOX, "--public-tree", "Sales", "--one-time"];
    bench.ctl().ok(&[&job[..], flags].concat());
}

/// How it stands with associated items and rules, of the public folders and then of the mailbox.
fn coverage(bench: &Bench) -> Vec<String> {
    let coverage: Value = bench.ctl().json(&["job", "coverage", "all"]);
    let parts = coverage.as_array().unwrap().iter().flat_map(|one| one["parts"].as_array().unwrap().clone());
    let hidden = parts.filter(|part| ["associated-items", "rules"].contains(&part["part"].as_str().unwrap()));
    hidden.map(|part| format!("{}: {} {}", part["part"], part["state"], part["reason"]).replace(['"', '\n'], "").replace(" null", "")).collect()
}

#[test]
fn what_folders_hide_is_backed_up_where_it_is_wished_and_shown_apart() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::organisation(fill, &[]);
    create(&bench, &[]);
    bench.run("all");
    let plain = counts([("Inbox", 3)]);
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    let public = mount.path.join("public-folders/latest");
    assert_eq!((shown(&mount.latest(MAILBOX)), shown(&public)), (plain, counts([("Sales", 1)])));
    let excluded = "associated-items: excluded-by-configuration the job does not take them";
    assert_eq!(coverage(&bench), [excluded, excluded, "rules: excluded-by-configuration they are associated items, which the job does not take"]);

    // Whoever turns it on gets what is there, and nothing of the rest again; age decides nothing about it.
    bench.ctl().ok(&["job", "edit", "all", "--associated", "--older-than", "1y"]);
    assert!(bench.ctl().ok(&["job", "show", "all"]).contains("older than 1y; associated items, too"));
    bench.lab.reset_counters();
    bench.run("all");
    // Public folders know no exports.
    assert_eq!(bench.lab.counters()["items_exported"].as_u64(), Some(5), "what is held was fetched again");
    let whole = counts([("Inbox", 3), ("Inbox/.associated", 4), ("Archive/2020/.associated", 1)]);
    until("the mount shows it", || (shown(&mount.latest(MAILBOX)) == whole).then_some(()));
    until("of public folders, too", || (shown(&public) == counts([("Sales", 1), ("Sales/.associated", 1)])).then_some(()));
    let class = |file: &PathBuf| String::from_utf8(xattr::get(file, "user.c2b.class").unwrap().unwrap()).unwrap();
    let hidden = mount.latest(MAILBOX).join("Inbox/.associated");
    let mut classes: Vec<String> = files(&hidden).iter().map(|file| class(&hidden.join(file))).collect();
    classes.sort();
    let mut expected = HIDDEN.map(str::to_owned);
    expected.sort();
    assert_eq!(classes, expected);
    let included = "associated-items: included";
    assert_eq!(coverage(&bench), [included, included, "rules: included as associated items"]);
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(10));

    // A quiet mailbox costs no more than one without; what changes among hidden items alone is noticed.
    bench.ctl().ok(&["job", "edit", "all", "--any-age"]);
    let quiet = || {
        bench.lab.reset_counters();
        bench.run("all");
        bench.lab.counters()["by_mailbox"][MAILBOX].as_u64()
    };
    until("the counters are settled", || (quiet() == Some(1)).then_some(()));
    let rules: Vec<String> = bench.lab.items(MAILBOX).into_iter().filter(|item| item.is_associated && item.folder == "Inbox").map(|item| item.id).collect();
    let client = Ews::new(&bench.lab.url, MAILBOX);
    client.delete(&rules[0]);
    client.categorise_all(&rules[1..2], "Projects");
    bench.run("all");
    let versions = |subject: &str| files(&hidden).iter().filter(|file| file.to_string_lossy().contains(subject)).count();
    until("the mount shows that", || (files(&hidden).len() == 3).then_some(()));
    assert_eq!((0..4).map(|n| versions(&format!("hidden {n}"))).sum::<usize>(), 3);
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["versions"].as_u64(), Some(11));

    // Whoever turns it off keeps what there is.
    bench.ctl().ok(&["job", "edit", "all", "--associated=false"]);
    bench.run("all");
    bench.lab.reset_sync_states();
    client.create("inbox", b"Subject: fresh\r\n\r\nHello.\r\n");
    bench.run("all");
    until("the mount shows the new mail", || (shown(&mount.latest(MAILBOX)).get("Inbox") == Some(&4)).then_some(()));
    assert_eq!((files(&hidden).len(), shown(&public).len()), (3, 2));
}

#[test]
fn a_server_without_them_is_backed_up_all_the_same() {
    let bench = Bench::organisation(fill, &["--quirks", "no-associated"]);
    create(&bench, &["--associated"]);
    for _ in 0..2 {
        bench.run("all");
        let lacking = "associated-items: not-available the server does not list them";
        assert_eq!(coverage(&bench), [lacking, lacking, "rules: not-available they are associated items, which the server does not list"]);
        assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(4));
    }
}
