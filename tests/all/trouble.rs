//! Everything that a server can do to a backup (users-ask.md C4-C15), scripted in the lab: each trouble has a mailbox of
//! its own, all of them in one run of one job. `doc/exchange.md` has the table.

use c2b_tests::{Bench, Ews};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Mails in each inbox; a folder below it has two more.
const MAILS: usize = 6;

/// A trouble: its name, which is the name of the mailbox, too, and its faults.
type Trouble = (&'static str, &'static [&'static str]);

/// Trouble that passes: the run is a good one, and everything is there.
const PASSING: &[Trouble] = &[
    ("http-503-retry-after", &["operation = 'SyncFolderItems'\naction = 'http'\nstatus = 503\nretry_after = 1\ncount = 2"]),
    ("http-503", &["operation = 'ExportItems'\naction = 'http'\nstatus = 503\ncount = 2"]),
    ("http-429", &["operation = 'ExportItems'\naction = 'http'\nstatus = 429\nretry_after = 1\ncount = 2"]),
    ("http-502", &["operation = 'GetItem'\naction = 'http'\nstatus = 502\ncount = 2"]),
    ("html-with-200", &["operation = 'SyncFolderItems'\naction = 'http'\nstatus = 200\ncount = 2"]),
    ("html-with-200-for-items", &["operation = 'ExportItems'\naction = 'http'\nstatus = 200\ncount = 1"]),
    ("redirect-to-maintenance", &["operation = 'SyncFolderItems'\naction = 'http'\nstatus = 302\nlocation = 'https://sorry.example.org/'\ncount = 1"]),
    ("not-found-behind-the-balancer", &["operation = 'ExportItems'\naction = 'http'\nstatus = 404\ncount = 1"]),
    ("busy-fault", &["operation = 'SyncFolderItems'\naction = 'server-busy'\nbackoff_ms = 400\ncount = 3"]),
    ("busy-fault-with-200", &["operation = 'ExportItems'\naction = 'server-busy'\nbackoff_ms = 400\nhttp200 = true\ncount = 3"]),
    ("busy-response", &["operation = 'ExportItems'\naction = 'response-error'\ncode = 'ErrorServerBusy'\nbackoff_ms = 400\ncount = 3"]),
    (
        "busy-inside-another-error",
        &["operation = 'GetItem'\naction = 'response-error'\ncode = 'ErrorInternalServerError'\ninner = 'ErrorServerBusy'\ncount = 2"],
    ),
    ("too-many-connections", &["operation = 'SyncFolderItems'\naction = 'soap-fault'\ncode = 'ErrorExceededConnectionCount'\ncount = 2"]),
    ("too-many-objects", &["operation = 'GetItem'\naction = 'response-error'\ncode = 'ErrorTooManyObjectsOpened'\ncount = 2"]),
    ("timeout-expired", &["operation = 'ExportItems'\naction = 'response-error'\ncode = 'ErrorTimeoutExpired'\ncount = 2"]),
    ("store-unavailable", &["operation = 'SyncFolderItems'\naction = 'response-error'\ncode = 'ErrorMailboxStoreUnavailable'\ncount = 2"]),
    ("mailbox-moves", &["operation = 'FindFolder'\naction = 'soap-fault'\ncode = 'ErrorMailboxMoveInProgress'\ncount = 2"]),
    ("mailbox-fails-over", &["operation = 'ExportItems'\naction = 'soap-fault'\ncode = 'ErrorMailboxFailover'\ncount = 2"]),
    ("directory-unavailable", &["operation = 'GetFolder'\naction = 'soap-fault'\ncode = 'ErrorADUnavailable'\ncount = 1"]),
    ("connection-failed", &["operation = 'GetItem'\naction = 'response-error'\ncode = 'ErrorConnectionFailed'\ncount = 2"]),
    ("transient-inside", &["operation = 'SyncFolderItems'\naction = 'response-error'\ncode = 'ErrorInternalServerTransientError'\ncount = 2"]),
    ("access-denied-that-is-throttling", &["operation = 'SyncFolderItems'\naction = 'response-error'\ncode = 'ErrorAccessDenied'\ncount = 1"]),
    ("connection-reset", &["operation = 'ExportItems'\naction = 'drop-connection'\ncount = 2"]),
    ("body-cut", &["operation = 'SyncFolderItems'\naction = 'truncate-body'\nafter = 700\ncount = 2"]),
    ("half-a-body-with-200", &["operation = 'SyncFolderItems'\naction = 'short-body'\nafter = 900\ncount = 2"]),
    ("half-a-body-of-items", &["operation = 'ExportItems'\naction = 'short-body'\nafter = 2500\ncount = 2"]),
    ("half-a-tree", &["operation = 'FindFolder'\naction = 'short-body'\nafter = 1500\ncount = 2"]),
    ("batch-stopped", &["operation = 'ExportItems'\nnth = 3\naction = 'batch-stopped'"]),
    ("truncated-data", &["operation = 'ExportItems'\nnth = 2\naction = 'truncated-data'"]),
    ("bad-base64-once", &["operation = 'ExportItems'\nnth = 4\naction = 'bad-base64'"]),
    ("unpadded-base64", &["action = 'unpadded-base64'"]),
    ("base64-in-lines", &["action = 'base64-lines'"]),
    ("illegal-characters", &["action = 'illegal-xml'"]),
    ("invalid-utf8", &["action = 'invalid-utf8'"]),
    ("little-is-told", &["action = 'omit-optional'"]),
    ("small-pages", &["action = 'page-cap'\nentries = 2"]),
    ("changes-twice", &["action = 'repeat-changes'", "action = 'page-cap'\nentries = 3"]),
];

/// The mailbox of an item that never comes whole in one form, and may yet.
const TRUNCATED: &str = "item-that-is-always-truncated";

/// Trouble that does not pass: so many items are in the ledger, the others are there.
const LASTING: &[(&str, usize, &[&str])] = &[
    ("corrupt-item", 1, &["item_subject = 'mail 3'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'"]),
    ("item-that-is-always-500", 1, &["item_subject = 'mail 2'\naction = 'soap-fault'\ncode = 'ErrorInternalServerError'"]),
    ("item-that-cuts-the-connection", 1, &["item_subject = 'mail 1'\naction = 'drop-connection'"]),
    ("virus", 1, &["item_subject = 'mail 5'\naction = 'item-error'\ncode = 'ErrorVirusDetected'"]),
    // What one form lacks, another one has.
    (TRUNCATED, 0, &["item_subject = 'mail 4'\noperation = 'ExportItems'\naction = 'truncated-data'"]),
    ("not-exported", 0, &["item_subject = 'mail 3'\noperation = 'ExportItems'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'"]),
    ("export-denied", 0, &["operation = 'ExportItems'\naction = 'item-error'\ncode = 'ErrorAccessDenied'"]),
];

/// Puts the mailboxes of troubles into an organisation.
fn fill<'a>(org: &Path, names: impl Iterator<Item = &'a str>) {
    for name in names {
        let folder = |path: &str| org.join(address(name)).join(path);
        for (path, word, mails) in [("Inbox", "mail", MAILS), ("Inbox/Sub", "note", 2)] {
            std::fs::create_dir_all(folder(path)).unwrap();
            for n in 0..mails {
                let text = format!(
                    "From: a@example.org\r\nTo: {name}@example.org\r\nSubject: {word} {n}\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nText {n}.\r\n"
                );
                std::fs::write(folder(path).join(format!("{n}.eml")), text).unwrap();
            }
        }
    }
}

fn address(name: &str) -> String {
    format!("{name}@example.org")
}

/// Returns the faults of troubles as a file.
fn script<'a>(troubles: impl Iterator<Item = (&'a str, &'a [&'a str])>) -> String {
    let mut text = String::new();
    for (name, faults) in troubles {
        for fault in faults {
            writeln!(text, "[[fault]]\nmailbox = '{}'\n{fault}\n", address(name)).unwrap();
        }
    }
    text
}

/// A set-up whose lab follows a script that can be changed.
fn set_up(names: &[&str]) -> (Bench, std::path::PathBuf) {
    let faults = tempfile::Builder::new().prefix("c2b-faults-").tempfile().unwrap().into_temp_path().keep().unwrap();
    let bench = Bench::organisation(|org| fill(org, names.iter().copied()), &["--faults", faults.to_str().unwrap()]);
    (bench, faults)
}

fn totals(bench: &Bench) -> Value {
    bench.ctl().json(&["job", "show", "all"])["run"].clone()
}

/// What the run says of each mailbox: stored and failed.
fn of_mailbox(run: &Value, name: &str) -> (u64, u64, String) {
    let line = run["mailboxes"].as_array().unwrap().iter().find(|line| line["address"] == address(name).as_str()).unwrap();
    let number = |key: &str| line[key].as_u64().unwrap();
    // An item that is tried again for what it lacks is looked at twice.
    let there = (number("stored") + number("unchanged")).min(MAILS as u64 + 2);
    (there, number("failed"), line["phase"].as_str().unwrap().to_owned())
}

fn assert_all_stored(bench: &Bench) {
    let items = bench.ctl().json(&["storage", "show", "main"])["items"].as_u64();
    assert_eq!(items, Some(bench.served_items()), "not everything is there");
}

#[test]
fn trouble_that_passes_costs_nothing_but_time() {
    let names: Vec<&str> = PASSING.iter().map(|(name, _)| *name).collect();
    let (bench, faults) = set_up(&names);
    std::fs::write(&faults, script(PASSING.iter().copied())).unwrap();
    bench.job_all("all");
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    let run = totals(&bench);
    let incomplete: Vec<_> =
        names.iter().map(|name| (name, of_mailbox(&run, name))).filter(|(_, of)| *of != (MAILS as u64 + 2, 0, "done".to_owned())).collect();
    assert!(incomplete.is_empty() && outcome.code == 0, "{incomplete:#?}\n{}\n{outcome:#?}", run["problems"]);
    assert_all_stored(&bench);
    assert_eq!(run["totals"]["deleted"], 0);
    // In full fidelity, whatever came in between.
    assert_eq!(bench.ctl().json(&["job", "failures", "all"]).as_array().map(Vec::len), Some(0));

    // The same again while everything must be listed anew, and something has changed.
    let victims: Vec<String> = names.iter().map(|name| bench.lab.items(&address(name))[0].id.clone()).collect();
    for (name, victim) in names.iter().zip(&victims) {
        Ews::new(&bench.lab.url, &address(name)).delete(victim);
    }
    bench.lab.reset_sync_states();
    std::fs::write(&faults, script(PASSING.iter().copied()) + "\n# again\n").unwrap();
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    let run = totals(&bench);
    assert_eq!(outcome.code, 0, "{}\n{outcome:#?}", run["problems"]);
    assert_eq!(run["totals"]["deleted"], names.len() as u64, "what was deleted, and nothing else, is seen to be deleted");
    assert_all_stored(&bench);
    std::fs::remove_file(&faults).unwrap();
}

#[test]
fn trouble_that_lasts_costs_its_item_alone() {
    let names: Vec<&str> = LASTING.iter().map(|(name, ..)| *name).collect();
    let (bench, faults) = set_up(&names);
    std::fs::write(&faults, script(LASTING.iter().map(|(name, _, faults)| (*name, *faults)))).unwrap();
    bench.job_all("all");
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    let run = totals(&bench);
    assert_eq!(outcome.code, 3, "{}\n{outcome:#?}", run["problems"]);
    let expected = |failed: &usize| ((MAILS + 2 - failed) as u64, *failed as u64, "done".to_owned());
    let wrong: Vec<_> =
        LASTING.iter().map(|(name, failed, _)| (name, of_mailbox(&run, name), expected(failed))).filter(|(_, is, should)| is != should).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{}\n{}", run["problems"], bench.ctl().run(&["job", "failures", "all"]).stdout);
    let ledger = bench.ctl().json(&["job", "failures", "all"]);
    let ledger = ledger.as_array().unwrap();
    let failed = LASTING.iter().map(|(_, failed, _)| failed).sum::<usize>();
    assert_eq!(ledger.len(), failed + 1, "what lacks of a stored item is tried again, too");
    assert!(ledger.iter().any(|row| row["mailbox"] == address(TRUNCATED).as_str() && row["message"].as_str().unwrap().contains("the rest is stored")));
    assert!(ledger.iter().all(|row| !row["code"].as_str().unwrap().is_empty() && row["folder"] == "Inbox" && row["next-try"].is_string()), "{ledger:#?}");
    assert_eq!(run["totals"]["deleted"], 0);

    // The sync position went on: the next cycle asks for nothing but what is in the ledger, which a run by hand tries at once.
    bench.lab.reset_counters();
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    assert_eq!(outcome.code, 3, "what is missing is still told");
    let counters = bench.lab.counters();
    assert!(bench.lab.requests("GetItem") <= 4 * ledger.len() as u64 && counters["items_exported"].as_u64() <= Some(ledger.len() as u64), "{counters}");
    assert_eq!(counters["by_anchor"][address("not-exported")].as_u64().max(Some(3)), Some(3), "{counters}");
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(bench.served_items() - failed as u64));
    std::fs::remove_file(&faults).unwrap();
}

#[test]
fn a_folder_that_vanishes_between_two_pages_takes_nothing_else_along() {
    let (bench, faults) = set_up(&["vanishing"]);
    let vanish = ["action = 'page-cap'\nentries = 1", "operation = 'SyncFolderItems'\nfolder = 'Inbox/Sub'\nnth = 2\naction = 'remove-folder'"];
    std::fs::write(&faults, script([("vanishing", vanish.as_slice())].into_iter())).unwrap();
    bench.job_all("all");
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    assert!(outcome.code == 0 || outcome.code == 3, "{outcome:#?}");
    let run = totals(&bench);
    assert_eq!(of_mailbox(&run, "vanishing").2, "done", "{run}");
    bench.run("all");
    assert_eq!(bench.lab.items(&address("vanishing")).len(), MAILS);
    assert_all_stored(&bench);
    std::fs::remove_file(&faults).unwrap();
}

#[test]
fn tokens_that_expire_in_mid_run_cost_no_item() {
    // Each answer is late, so that several tokens live and die meanwhile.
    let args = ["--sign-in", "bearer", "--client-secret", "s3cret", "--token-life", "1", "--latency", "120"];
    let bench = Bench::organisation(|org| (0..4).for_each(|n| fill(org, [format!("user{n}").as_str()].into_iter())), &args);
    bench.write_password("s3cret");
    let service = format!("{}/tenant/oauth2/v2.0/token", bench.lab.base());
    let url = bench.lab.url.clone();
    let secret = bench.text("password");
    bench.ctl().ok(&[
        "connection",
        "create",
        "cloud",
        "--kind",
        "ews",
        "--url",
        &url,
        "--sign-in",
        "oauth-secret",
        "--client-id",
        "lab-app",
        "--token-url",
        &service,
        "--scope",
        "https://outlook.office365.com/.default",
        "--password-file",
        &secret,
    ]);
    bench.ctl().ok(&["job", "create", "all", "--connection", "cloud", "--storage", "main", "--all-except", "nobody@example.org", "--one-time"]);
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}\n{}", totals(&bench)["problems"]);
    assert_all_stored(&bench);
}
