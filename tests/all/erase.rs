//! Erasing through the real programs: gone at once and from everywhere, on record, and not back by itself.

use super::letters::letter;
use c2b_tests::{Bench, Mount, files, fuse_usable, sha256, until};
use serde_json::{Value, json};

const ANNA: &str = "anna@example.org";
const BOB: &str = "bob@example.org";
/// Some of both mailboxes' letters are the same.
const SHARED: u64 = 4;
const LETTERS: u64 = 10;

fn bench() -> Bench {
    let fill = |org: &std::path::Path| {
        for n in 0..LETTERS {
            letter(org, BOB, n, if n < SHARED { 1 } else { 2 }, 50_000);
            letter(org, ANNA, n, if n < SHARED { 1 } else { 3 }, 50_000);
        }
    };
    let bench = Bench::organisation(fill, &[]);
    bench.job_all("all");
    bench.run("all");
    bench
}

fn items(bench: &Bench) -> Value {
    bench.ctl().json(&["storage", "show", "main"])["items"].clone()
}

#[test]
fn an_erased_mailbox_is_gone_on_record_and_comes_back_only_when_allowed() {
    let bench = bench();
    let ctl = bench.ctl();
    let mount = fuse_usable().then(|| Mount::new(&bench.storage(), &bench.path("mnt")));
    let held = super::letters::pack_bytes(&bench);

    let plan = ctl.ok(&["storage", "erase", "main", ANNA, "--dry-run"]);
    assert!(plan.contains("would erase anna@example.org") && plan.contains("10 items") && plan.contains("nothing was done"), "{plan}");
    let unasked = ctl.run(&["storage", "erase", "main", ANNA]);
    assert!(unasked.code == 2 && unasked.stderr.contains("--yes") && unasked.stderr.contains("10 items"), "{unasked:#?}");
    let nobody = ctl.run(&["storage", "erase", "main", "nobody@example.org", "--yes"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("nobody@example.org"), "{nobody:#?}");
    assert_eq!(items(&bench), json!(2 * LETTERS));

    let said = ctl.ok(&["storage", "erase", "main", ANNA, "--yes"]);
    assert!(said.contains("10 items and 10 versions") && said.contains("lost for ever"), "{said}");
    let gone = held - super::letters::pack_bytes(&bench);
    assert!(gone >= (LETTERS - SHARED) * 50_000, "only {gone} bytes of the mailbox are gone");
    let records = ctl.json(&["storage", "erased", "main"]);
    assert_eq!((&records[0]["mailbox"], &records[0]["items"], &records[0]["allowed"]), (&json!(ANNA), &json!(LETTERS), &json!(false)), "{records}");
    assert!(records[0]["who"].as_str().is_some_and(|who| !who.is_empty()) && records[0]["time"].is_string(), "{records}");
    let shown = ctl.ok(&["storage", "show", "main"]);
    assert!(shown.contains("erased") && shown.contains("1 mailbox"), "{shown}");
    if let Some(mount) = &mount {
        until("the open mount shows it no more", || (!mount.path.join("mailboxes").join(ANNA).exists()).then_some(()));
        assert_eq!(
            files(&mount.latest(BOB)).iter().filter(|file| sha256(&mount.latest(BOB).join(file)).is_ok()).count() as u64,
            LETTERS,
            "what others hold too is not whole"
        );
    }
    ctl.ok(&["storage", "check", "main", "--read-data"]);

    // Neither the next cycle nor a rebuild brings it back.
    bench.run("all");
    let shown = ctl.ok(&["job", "show", "all"]);
    assert!(shown.lines().any(|line| line.starts_with(ANNA) && line.contains("erased")), "the cycle does not say that it leaves the mailbox out:\n{shown}");
    assert_eq!(items(&bench), json!(LETTERS));
    ctl.ok(&["storage", "rebuild", "main"]);
    assert_eq!(items(&bench), json!(LETTERS));
    bench.run("all");
    assert_eq!(items(&bench), json!(LETTERS));

    let records = ctl.json(&["storage", "allow", "main", ANNA]);
    assert_eq!(records[0]["allowed"], json!(true), "{records}");
    bench.run("all");
    assert_eq!(items(&bench), json!(2 * LETTERS));
    assert_eq!(ctl.json(&["storage", "erased", "main"])[0]["allowed"], json!(true), "the record is gone");
    if let Some(mount) = &mount {
        until("the open mount shows it again", || mount.path.join("mailboxes").join(ANNA).exists().then_some(()));
        super::backup::assert_complete(&bench, mount);
    }
    ctl.ok(&["storage", "check", "main", "--read-data"]);
}

#[test]
fn an_erasure_goes_on_after_the_daemon_was_killed() {
    let mut bench = bench();
    let ctl = bench.ctl();
    // Killed as soon as the erasure is on record: what is left to do is done by the next daemon, without anybody.
    std::thread::scope(|scope| {
        let erasing = scope.spawn(|| ctl.run(&["storage", "erase", "main", ANNA, "--yes"]));
        let recorded = || {
            bench.daemon.log().contains("keys of an erased") || ctl.json(&["storage", "erased", "main"]).as_array().is_some_and(|records| !records.is_empty())
        };
        until("the erasure is on record", || (recorded() || erasing.is_finished()).then_some(()));
        bench.daemon.kill();
        erasing.join().unwrap();
    });
    bench.restart_daemon();
    until("nothing of it is left in any file", || (bench.ctl().json(&["storage", "show", "main"])["erasing-mailboxes"] == 0).then_some(()));
    assert_eq!(items(&bench), json!(LETTERS));
    bench.ctl().ok(&["storage", "check", "main", "--read-data"]);
}
