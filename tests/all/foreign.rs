//! Other EWS servers than Exchange, and Exchange on a bad day: the backup works all the same.

use super::backup::assert_complete;
use c2b_tests::{Bench, Mount, fuse_usable, until};
use std::path::Path;

/// Backs a company up from a lab with these faults; returns it with the exit code of the job.
fn backed_up(faults: &str) -> (Bench, i32) {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("faults.toml");
    std::fs::write(&script, faults).unwrap();
    let bench = Bench::company(2, 80, &["--faults", script.to_str().unwrap()]);
    // The lab reads the script again when it changes: it must stay as long as the lab runs.
    std::mem::forget(dir);
    bench.job_all("all");
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    assert!(!outcome.stderr.contains("panicked"), "{outcome:#?}");
    (bench, outcome.code)
}

/// Backs up through these faults and asserts that nothing is missing and nothing is extra.
fn whole_in_spite_of(faults: &str) -> Bench {
    let (bench, code) = backed_up(faults);
    assert_eq!(code, 0, "{}\n{}", bench.ctl().run(&["job", "show", "all"]).stdout, bench.ctl().run(&["job", "failures", "all"]).stdout);
    if fuse_usable() {
        let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
        assert_complete(&bench, &mount);
    }
    bench
}

#[test]
fn a_server_without_exports_is_backed_up_through_mime() {
    for http200 in [false, true] {
        let bench = whole_in_spite_of(&format!("[[fault]]\noperation = \"ExportItems\"\naction = \"unknown-operation\"\nhttp200 = {http200}\n"));
        // Six requests may be on their way before the first answer tells.
        assert!(bench.lab.requests("ExportItems") <= 6, "a server that lacks an operation is asked for it again and again");
        assert_eq!(bench.lab.counters()["items_exported"].as_u64(), Some(0));
        bench.lab.reset_counters();
        bench.run("all");
        assert_eq!(bench.lab.requests("GetItem"), 0, "items without an export were fetched again");
    }
}

#[test]
fn a_server_that_leaves_out_what_is_optional_is_backed_up() {
    whole_in_spite_of("[[fault]]\naction = \"omit-optional\"\n");
}

#[test]
fn a_server_that_caps_pages_is_backed_up() {
    whole_in_spite_of("[[fault]]\naction = \"page-cap\"\nentries = 7\n");
}

#[test]
fn a_server_without_sync_is_backed_up_by_listing() {
    whole_in_spite_of(
        "[[fault]]\noperation = \"SyncFolderItems\"\naction = \"unknown-operation\"\n\n[[fault]]\noperation = \"SyncFolderHierarchy\"\naction = \"unknown-operation\"\nhttp200 = true\n",
    );
}

#[test]
fn passing_trouble_costs_time_only() {
    let bench = whole_in_spite_of(
        r#"
        [[fault]]
        every = 7
        count = 6
        action = "server-busy"
        backoff_ms = 200

        [[fault]]
        operation = "GetItem"
        nth = 3
        action = "truncate-body"
        after = 3000

        [[fault]]
        operation = "ExportItems"
        nth = 4
        action = "truncated-data"

        [[fault]]
        operation = "SyncFolderItems"
        nth = 5
        action = "drop-connection"

        [[fault]]
        operation = "ExportItems"
        nth = 9
        action = "http"
        status = 503
        retry_after = 1

        [[fault]]
        operation = "GetItem"
        nth = 6
        action = "unpadded-base64"

        [[fault]]
        action = "illegal-xml"
        "#,
    );
    let job = bench.ctl().json(&["job", "show", "all"]);
    assert!(job["run"]["throttled-secs"].as_u64() > Some(0), "the time that the server asked for is not shown: {job}");
}

#[test]
fn mime_that_differs_at_each_fetch_is_backed_up_once() {
    let bench = Bench::company(2, 80, &["--regenerate-mime"]);
    bench.job_all("all");
    bench.run("all");
    let packs = bench.settle("all");
    bench.run("all");
    assert_eq!(bench.packs(), packs, "unchanged items were stored again");
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(bench.served_items()));
}

/// Sixty mails, one of which is about `poison`, from a lab with this script of faults.
fn sixty_mails(script: &Path) -> Bench {
    std::fs::write(script, "").unwrap();
    Bench::organisation(
        |org| {
            let inbox = org.join("ann@example.org/Inbox");
            std::fs::create_dir_all(&inbox).unwrap();
            for n in 0..60 {
                let subject = if n == 31 { "poison".to_owned() } else { format!("mail {n}") };
                let mail = format!("From: a@example.org\r\nSubject: {subject}\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nbody {n}\r\n");
                std::fs::write(inbox.join(format!("{n:03}.eml")), mail).unwrap();
            }
        },
        &["--faults", script.to_str().unwrap()],
    )
}

/// Makes an operation fail for ever for the mail about `poison`.
fn poison(operation: &str) -> String {
    format!("[[fault]]\noperation = \"{operation}\"\nitem_subject = \"poison\"\naction = \"soap-fault\"\ncode = \"ErrorInternalServerError\"\n\n")
}

/// Runs the job until no item is left that failed.
fn mend(bench: &Bench) {
    until("what failed is stored once the server gives it", || {
        bench.ctl().run(&["job", "start", "all", "--wait"]);
        bench.ctl().json(&["job", "failures", "all"]).as_array().is_some_and(Vec::is_empty).then_some(())
    });
}

#[test]
fn an_item_of_which_one_form_fails_for_ever_is_stored_in_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("faults.toml");
    for operation in ["GetItem", "ExportItems"] {
        let bench = sixty_mails(&script);
        std::fs::write(&script, poison(operation)).unwrap();
        bench.job_all("all");
        let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
        assert_eq!(outcome.code, 3, "{operation}: {outcome:#?}");
        assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(60), "{operation}");
        let failures = bench.ctl().json(&["job", "failures", "all"]);
        assert_eq!(failures.as_array().map(Vec::len), Some(1), "{operation}: {failures}");
        assert!(failures[0]["message"].as_str().is_some_and(|text| text.contains("the rest is stored")), "{operation}: {failures}");
        bench.ctl().run(&["job", "start", "all", "--wait"]);
        assert_eq!(bench.ctl().json(&["storage", "show", "main"])["versions"], 60, "{operation}: the same part was stored again");
        std::fs::write(&script, "").unwrap();
        mend(&bench);
        assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(60), "{operation}");
    }
}

#[test]
fn a_poisoned_item_costs_itself_alone_and_is_retried() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("faults.toml");
    let bench = sixty_mails(&script);
    std::fs::write(&script, poison("GetItem") + &poison("ExportItems")).unwrap();
    bench.job_all("all");
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    assert_eq!(outcome.code, 3, "{outcome:#?}");
    assert_eq!(bench.ctl().json(&["job", "show", "all"])["state"], "finished-with-warnings");
    let failures = bench.ctl().json(&["job", "failures", "all"]);
    assert_eq!(failures.as_array().map(Vec::len), Some(1), "{failures}");
    assert_eq!(failures[0]["mailbox"], "ann@example.org");
    assert!(failures[0]["attempts"].as_u64() >= Some(1), "{failures}");
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(59));

    std::fs::write(&script, "").unwrap();
    mend(&bench);
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"].as_u64(), Some(60));
}
