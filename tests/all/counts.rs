//! What cycles cost, counted by the lab: requests, and bodies fetched.
//!
//! `C2B_COUNT_MAILBOXES` and `C2B_COUNT_ITEMS` make the organisations larger than a usual run has time for.

use c2b_tests::{Bench, Ews, until};
use serde_json::Value;
use std::path::Path;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Fills an organisation with mailboxes of so many small mails in their inboxes.
fn fill(org: &Path, mailboxes: usize, mails: usize) {
    for mailbox in 0..mailboxes {
        let inbox = org.join(format!("m{mailbox:04}@example.org/Inbox"));
        std::fs::create_dir_all(&inbox).unwrap();
        for mail in 0..mails {
            let text = format!(
                "From: Ann <ann@example.org>\r\nTo: m{mailbox}@example.org\r\nSubject: mail {mail}\r\nMessage-ID: <{mailbox}.{mail}@example.org>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nText {mail}.\r\n"
            );
            std::fs::write(inbox.join(format!("{mail:06}.eml")), text).unwrap();
        }
    }
}

/// Runs the job with fresh counters; returns what the lab counted.
fn counted(bench: &Bench) -> Value {
    bench.lab.reset_counters();
    bench.run("all");
    bench.lab.counters()
}

fn of(counters: &Value, operation: &str) -> u64 {
    counters["by_operation"][operation].as_u64().unwrap_or(0)
}

/// Asserts that no mailbox cost more than two requests, but for one that may be due for a full look.
fn assert_quiet(counters: &Value) {
    let by_mailbox = counters["by_mailbox"].as_object().unwrap();
    let loud: Vec<_> = by_mailbox.iter().filter(|(name, requests)| name.starts_with('m') && requests.as_u64() > Some(2)).collect();
    assert!(loud.len() <= 1, "{loud:?}");
    assert_eq!((of(counters, "GetItem"), of(counters, "ExportItems")), (0, 0));
}

/// Backs up until the folders' counters can be trusted: they cannot in the seconds after a change.
fn settle(bench: &Bench) {
    until("the counters are settled", || (of(&counted(bench), "SyncFolderItems") == 0).then_some(()));
}

/// Ids of the mails of a mailbox in a folder.
fn mails(bench: &Bench, mailbox: &str, folder: &str) -> Vec<String> {
    bench.lab.items(mailbox).into_iter().filter(|item| item.folder == folder).map(|item| item.id).collect()
}

#[test]
fn a_cycle_costs_what_changed() {
    let mailboxes = number("C2B_COUNT_MAILBOXES", 12);
    let mut bench = Bench::organisation(|org| fill(org, mailboxes, 3), &[]);
    bench.job_all("all");
    bench.run("all");
    settle(&bench);
    assert_quiet(&counted(&bench));
    bench.restart_daemon();
    let counters = counted(&bench);
    assert_quiet(&counters);
    assert!(of(&counters, "GetFolder") == 0, "mailboxes were opened anew: {counters}");

    let client = Ews::new(&bench.lab.url, "m0003@example.org");
    client.create("inbox", b"From: Ann <ann@example.org>\r\nSubject: fresh\r\nMessage-ID: <fresh@example.org>\r\n\r\nHello.\r\n");
    let counters = counted(&bench);
    let asked = ["FindFolder", "SyncFolderItems", "GetItem", "ExportItems"].map(|operation| of(&counters, operation));
    assert_eq!(asked, [mailboxes as u64, 1, 1, 1], "{counters}");
    assert_eq!((counters["mime_items"].as_u64(), counters["items_exported"].as_u64()), (Some(1), Some(1)));

    let folder = client.create_folder("inbox", "Projects");
    settle(&bench);
    client.rename_folder(&folder, "Plans");
    let counters = counted(&bench);
    assert_quiet(&counters);
    assert_eq!(of(&counters, "SyncFolderItems"), 0, "a rename listed items: {counters}");
}

#[test]
fn flags_and_moves_fetch_no_body() {
    let items = number("C2B_COUNT_ITEMS", 1000).min(1000);
    let bench = Bench::organisation(|org| fill(org, 1, items), &[]);
    let mailbox = "m0000@example.org";
    bench.job_all("all");
    bench.run("all");
    settle(&bench);
    let client = Ews::new(&bench.lab.url, mailbox);
    let versions = |bench: &Bench| bench.ctl().json(&["storage", "show", "main"])["versions"].as_u64().unwrap();
    let bodies = |counters: &Value| (counters["mime_items"].as_u64().unwrap(), counters["items_exported"].as_u64().unwrap());
    let pages = (items as u64).div_ceil(512);

    assert_eq!(mails(&bench, mailbox, "Inbox").len(), items);
    let before = versions(&bench);
    client.set_read_all(&mails(&bench, mailbox, "Inbox"), false);
    let counters = counted(&bench);
    assert_eq!((bodies(&counters), of(&counters, "GetItem"), versions(&bench) - before), ((0, 0), 0, items as u64), "{counters}");
    assert!(of(&counters, "SyncFolderItems") <= pages + 1, "{counters}");
    settle(&bench);

    let before = versions(&bench);
    client.categorise_all(&mails(&bench, mailbox, "Inbox"), "Projects");
    let counters = counted(&bench);
    assert_eq!((bodies(&counters), versions(&bench) - before), ((0, 0), items as u64));
    // Each page's last look may be a small one.
    assert!(of(&counters, "GetItem") <= (items as u64).div_ceil(100) + pages, "{counters}");
    settle(&bench);

    let before = versions(&bench);
    client.move_all(&mails(&bench, mailbox, "Inbox"), "drafts");
    let counters = counted(&bench);
    assert_eq!((bodies(&counters), versions(&bench) - before), ((0, 0), items as u64), "{counters}");
    assert!(of(&counters, "GetItem") <= (items as u64).div_ceil(100) + pages, "{counters}");
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(items as u64));
}

#[test]
fn a_lost_sync_state_lists_and_fetches_nothing_else() {
    let items = number("C2B_COUNT_ITEMS", 600);
    let bench = Bench::organisation(|org| fill(org, 1, items), &[]);
    bench.job_all("all");
    bench.run("all");
    settle(&bench);
    bench.lab.reset_sync_states();
    Ews::new(&bench.lab.url, "m0000@example.org").create("inbox", b"Subject: fresh\r\n\r\nHello.\r\n");
    let counters = counted(&bench);
    assert_eq!((of(&counters, "GetItem"), of(&counters, "ExportItems")), (1, 1), "{counters}");
    // The refused state, and all pages.
    assert_eq!(of(&counters, "SyncFolderItems"), 1 + (items as u64 + 1).div_ceil(512), "{counters}");
}
