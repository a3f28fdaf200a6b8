//! Copies through the real programs: made during a backup, brought up to date, whole by themselves, attached.

use super::letters::letter;
use c2b_tests::{Bench, Mount, files, fuse_usable, until};
use serde_json::{Value, json};

const ANNA: &str = "anna@example.org";
const BOB: &str = "bob@example.org";

fn copied(bench: &Bench, to: &str) -> Value {
    let text = bench.ctl().ok(&["--json", "storage", "copy", "main", to]);
    let last: Value = serde_json::from_str(text.lines().last().expect("a stream ends with its report")).unwrap();
    assert_eq!((&last["event"], &last["report"]["damages"]), (&json!("done"), &json!([])), "{text}");
    last["report"].clone()
}

#[test]
fn a_copy_made_during_a_backup_is_whole_grows_and_is_attached() {
    let mut bench = Bench::organisation(|org| (0..10).for_each(|n| letter(org, ANNA, n, 1, 30_000)), &["--latency", "40"]);
    let ctl = bench.ctl();
    bench.job_all("all");
    bench.run("all");
    for n in 0..10 {
        letter(&bench.lab.org, BOB, n, 2, 30_000);
    }
    bench.lab.restart();
    let to = bench.text("copy");
    ctl.ok(&["job", "start", "all"]);
    let first = copied(&bench, &to);
    assert_eq!(ctl.json(&["job", "show", "all"])["state"], "active", "the backup had ended before the copy");
    assert!(first["files"].as_u64() > Some(0) && first["bytes"].as_u64() > Some(10 * 30_000), "{first}");
    if fuse_usable() {
        let mount = Mount::new(&bench.path("copy"), &bench.path("mnt-first"));
        assert_eq!(files(&mount.latest(ANNA)).len(), 10, "the copy lacks what was committed before it began");
    }
    until("the backup is done", || (ctl.json(&["job", "show", "all"])["state"] == "finished").then_some(()));
    let second = copied(&bench, &to);
    assert!(second["files-present"].as_u64() > Some(0), "what was there is copied again: {second}");
    assert!(second["bytes"].as_u64() < Some(20 * 30_000), "{second}");
    let third = copied(&bench, &to);
    assert_eq!((&third["files"], &third["bytes"]), (&json!(0), &json!(0)), "nothing was new: {third}");
    assert!(ctl.ok(&["storage", "copy", "main", &to]).contains("is up to date"));

    let attached = ctl.json(&["storage", "import", "old", &to]);
    assert_eq!(attached["items"], json!(20), "{attached}");
    assert_eq!(attached["uuid"], ctl.json(&["storage", "show", "main"])["uuid"]);
    ctl.ok(&["storage", "check", "old", "--read-data"]);
    if fuse_usable() {
        let mount = Mount::new(&bench.path("copy"), &bench.path("mnt-last"));
        super::backup::assert_complete(&bench, &mount);
    }
    // It needs nothing of what it was made from.
    ctl.ok(&["job", "delete", "all", "--yes"]);
    ctl.ok(&["storage", "detach", "main", "--yes"]);
    std::fs::remove_dir_all(bench.storage()).unwrap();
    ctl.ok(&["storage", "rebuild", "old"]);
    ctl.ok(&["storage", "check", "old", "--read-data"]);
    assert_eq!(ctl.json(&["storage", "show", "old"])["items"], json!(20));
}

#[test]
fn what_is_no_place_for_a_copy_is_refused_and_left_alone() {
    let bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 1000), &[]);
    let ctl = bench.ctl();
    bench.job_all("all");
    bench.run("all");
    std::fs::create_dir(bench.path("photos")).unwrap();
    std::fs::write(bench.path("photos/cat.jpg"), "miaow").unwrap();
    let inside = format!("{}/copy", bench.text("storage"));
    for (to, word) in [(bench.text("photos"), "empty"), (inside, "inside")] {
        let refused = ctl.run(&["storage", "copy", "main", &to]);
        assert!(refused.code == 1 || refused.code == 2, "{refused:#?}");
        assert!(refused.stderr.contains(word), "{word:?} is not in {refused:#?}");
    }
    assert_eq!(files(&bench.path("photos")).len(), 1, "something was put there");
}

#[test]
fn what_is_erased_goes_from_the_copy_too() {
    let bench = Bench::organisation(|org| [ANNA, BOB].iter().for_each(|mailbox| letter(org, mailbox, 0, 1, 1000)), &[]);
    let (ctl, to) = (bench.ctl(), bench.text("copy"));
    bench.job_all("all");
    bench.run("all");
    copied(&bench, &to);
    ctl.ok(&["storage", "erase", "main", ANNA, "--yes"]);
    copied(&bench, &to);
    let attached = ctl.json(&["storage", "import", "old", &to]);
    assert_eq!((&attached["mailboxes"], &attached["items"]), (&json!(1), &json!(1)), "{attached}");
    assert_eq!(ctl.json(&["storage", "erased", "old"])[0]["mailbox"], json!(ANNA));
    ctl.ok(&["storage", "check", "old", "--read-data"]);
}
