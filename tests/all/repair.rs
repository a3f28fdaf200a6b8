//! Repair through the real programs: damage is named, put aside, and fetched again where the source still has it.

use super::letters::{change_and_back_up, letter};
use c2b_tests::{Bench, Mount, files, fuse_usable};
use serde_json::{Value, json};
use std::path::PathBuf;

const ANNA: &str = "anna@example.org";

fn bench(letters: u64) -> Bench {
    let bench = Bench::organisation(|org| (0..letters).for_each(|n| letter(org, ANNA, n, 1, 40_000)), &[]);
    bench.job_all("all");
    bench
}

/// The packs, largest first.
fn packs(bench: &Bench) -> Vec<PathBuf> {
    let dir = bench.storage().join("packs");
    let mut packs: Vec<PathBuf> = files(&dir).into_iter().map(|pack| dir.join(pack)).collect();
    packs.sort_by_key(|pack| std::cmp::Reverse(std::fs::metadata(pack).unwrap().len()));
    packs
}

/// Flips a bit at a third of a file.
fn flip(path: &PathBuf) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

/// The report at the end of a stream of JSON, whatever the exit code.
fn report(bench: &Bench, args: &[&str]) -> Value {
    let all: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
    let outcome = bench.ctl().run(&all);
    let last: Value = serde_json::from_str(outcome.stdout.lines().last().expect("a stream ends with its report")).unwrap();
    assert_eq!(last["event"], "done", "{outcome:#?}");
    last["report"].clone()
}

fn subjects(items: &Value) -> Vec<&str> {
    let mut subjects: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["subject"].as_str().unwrap()).collect();
    subjects.sort_unstable();
    subjects
}

#[test]
fn a_damaged_letter_is_named_and_fetched_again() {
    let bench = bench(20);
    bench.run("all");
    let ctl = bench.ctl();
    flip(&packs(&bench)[0]);
    let check = ctl.run(&["storage", "check", "main", "--read-data"]);
    assert!(check.code == 1 && check.stderr.contains("c2bctl storage repair main"), "{check:#?}");
    let named = report(&bench, &["storage", "check", "main", "--read-data"]);
    let damaged = subjects(&named["damages"][0]["items"]).into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert!(!damaged.is_empty() && damaged.len() < 20, "{named}");
    let item = &named["damages"][0]["items"][0];
    assert_eq!((&item["mailbox"], &item["folder"]), (&json!(ANNA), &json!("Inbox")), "{named}");
    assert!(item["date"].as_str().is_some_and(|date| date.starts_with("2026-11-20T10:")), "{named}");

    let repaired = ctl.run(&["storage", "repair", "main"]);
    assert_eq!(repaired.code, 0, "nothing is lost for good: {repaired:#?}");
    for subject in &damaged {
        let row = |line: &str| {
            line.starts_with(ANNA)
                && line.contains("Inbox")
                && line.contains(subject.as_str())
                && line.contains("2026-11-20 10:")
                && line.ends_with("fetched again")
        };
        assert!(repaired.stdout.lines().any(row), "{subject} is not named: {repaired:#?}");
    }
    assert!(!files(&bench.storage().join("quarantine")).is_empty(), "nothing was put aside");
    let shown = ctl.json(&["storage", "show", "main"]);
    assert!(shown["lost-contents"].as_u64() > Some(0), "{shown}");
    assert!(ctl.ok(&["storage", "show", "main"]).lines().any(|line| line.trim_start().starts_with("lost ")), "losses are not shown");
    let status = ctl.ok(&["status"]);
    assert!(status.lines().any(|line| line.starts_with("bad ") && line.contains("lost to damage")), "{status}");
    let between = report(&bench, &["storage", "check", "main", "--read-data"]);
    assert_eq!((&between["damages"], between["known-losses"].as_u64()), (&json!([]), shown["lost-contents"].as_u64()), "{between}");

    bench.lab.reset_counters();
    bench.run("all");
    assert_eq!(bench.lab.counters()["items_exported"].as_u64(), Some(damaged.len() as u64), "more or less than what was lost is fetched again");
    let shown = ctl.json(&["storage", "show", "main"]);
    assert_eq!((&shown["lost-contents"], &shown["items"]), (&json!(0), &json!(20)), "{shown}");
    ctl.ok(&["storage", "check", "main", "--read-data"]);
    if fuse_usable() {
        let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
        super::backup::assert_complete(&bench, &mount);
    }
    assert!(ctl.ok(&["storage", "repair", "main"]).contains("nothing of storage main needs repair"));
}

#[test]
fn what_the_source_has_no_more_is_lost_and_said_to_be() {
    let mut bench = bench(6);
    change_and_back_up(&mut bench, ANNA, 6, 2, 40_000);
    // The first cycle's letters are past versions now.
    let mut packs = packs(&bench);
    packs.sort();
    let first = packs.into_iter().find(|pack| std::fs::metadata(pack).unwrap().len() > 40_000).expect("the letters are in a pack");
    flip(&first);
    let repaired = bench.ctl().run(&["storage", "repair", "main"]);
    assert_eq!(repaired.code, 3, "{repaired:#?}");
    assert!(repaired.stdout.lines().any(|line| line.starts_with(ANNA) && line.contains("letter") && line.contains("lost:")), "{repaired:#?}");
    assert!(repaired.stderr.contains("for good") && repaired.stderr.contains("storage import"), "{repaired:#?}");
    bench.lab.reset_counters();
    bench.run("all");
    assert_eq!(bench.lab.counters()["items_exported"].as_u64(), Some(0), "past versions cannot be fetched, and nothing else is damaged");
    bench.ctl().ok(&["storage", "check", "main", "--read-data"]);
}

#[test]
fn a_repair_waits_until_no_job_runs() {
    let bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 1000), &["--latency", "300"]);
    bench.job_all("all");
    bench.ctl().ok(&["job", "start", "all"]);
    let refused = bench.ctl().run(&["storage", "repair", "main"]);
    assert!(refused.code == 1 && refused.stderr.contains("job stop all"), "{refused:#?}");
}

#[test]
fn every_byte_is_read_in_parts_and_the_oldest_verification_is_shown() {
    let mut bench = bench(6);
    // Each cycle is a pack of its own.
    bench.run("all");
    for seed in 2..6 {
        for n in 0..6 {
            letter(&bench.lab.org, ANNA, n, seed, 20_000);
        }
        bench.lab.restart();
        bench.run("all");
    }
    let ctl = bench.ctl();
    let oldest = || ctl.json(&["storage", "show", "main"])["oldest-verification"].clone();
    assert_eq!(oldest(), Value::Null);
    assert!(ctl.ok(&["storage", "show", "main"]).contains("not every byte yet"));
    let mut read = Vec::new();
    for part in 1..=3 {
        assert_eq!(oldest(), Value::Null, "part {part} is not read yet");
        let report = report(&bench, &["storage", "check", "main", "--subset", &format!("{part}/3")]);
        assert_eq!(report["damages"], json!([]), "{report}");
        read.push(report["bytes-read"].as_u64().unwrap());
    }
    let whole = report(&bench, &["storage", "check", "main", "--read-data"])["bytes-read"].as_u64().unwrap();
    assert!(read.iter().all(|part| *part < whole) && read.iter().sum::<u64>() >= whole, "{read:?} of {whole}");
    let verified = oldest();
    assert!(verified.is_string());
    assert!(ctl.ok(&["storage", "show", "main"]).contains("every byte; the oldest part at "));
    // It outlives the daemon and the index.
    assert!(bench.daemon.stop());
    bench.restart_daemon();
    let ctl = bench.ctl();
    ctl.ok(&["storage", "rebuild", "main"]);
    assert_eq!(ctl.json(&["storage", "show", "main"])["oldest-verification"], verified);
    // Damage is found by the part that it is in, and by no other.
    flip(&packs(&bench)[0]);
    let codes: Vec<i32> = (1..=3).map(|part| ctl.run(&["storage", "check", "main", "--subset", &format!("{part}/3")]).code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 1, "{codes:?}");
}
