//! Retention through the real programs: seen before it is done, marked, undone, freed beside everything else, and by schedule.

use super::letters::{change_and_back_up, letter, pack_bytes};
use c2b_tests::{Bench, Mount, digest, fuse_usable, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const ANNA: &str = "anna@example.org";
const LETTERS: u64 = 12;
const CHANGED: u64 = 8;
const BYTES: usize = 60_000;

/// A mailbox of which most letters have a past version.
fn bench_with_past(lab_args: &[&str]) -> Bench {
    let mut bench = Bench::organisation(|org| (0..LETTERS).for_each(|n| letter(org, ANNA, n, 1, BYTES)), lab_args);
    bench.job_all("all");
    change_and_back_up(&mut bench, ANNA, CHANGED, 2, BYTES);
    bench
}

fn show(bench: &Bench) -> Value {
    bench.ctl().json(&["storage", "show", "main"])
}

/// The last line of a command that prints a stream of JSON.
fn report(bench: &Bench, args: &[&str]) -> Value {
    let all: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
    let text = bench.ctl().ok(&all);
    let last: Value = serde_json::from_str(text.lines().last().expect("a stream ends with its report")).unwrap();
    assert_eq!(last["event"], "done", "{text}");
    last["report"].clone()
}

/// The folder of the first point in time of a mailbox.
fn first_point(mount: &Mount) -> PathBuf {
    let mut at = mount.path.join("mailboxes").join(ANNA).join("at");
    for _ in 0..4 {
        at = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).min().expect("there is a point in time");
    }
    at
}

#[test]
fn what_goes_is_listed_with_its_rule_marked_undone_and_freed() {
    let bench = bench_with_past(&[]);
    let ctl = bench.ctl();
    let refused = ctl.run(&["storage", "prune", "main"]);
    assert!(refused.code == 1 && refused.stderr.contains("no retention policy"), "{refused:#?}");
    // Less than until now is kept only if somebody says so.
    let unasked = ctl.run(&["storage", "retention", "set", "main", "--versions-max", "1"]);
    assert!(unasked.code == 2 && unasked.stderr.contains("--yes") && unasked.stderr.contains("everything is kept"), "{unasked:#?}");
    assert_eq!(show(&bench)["retention"], json!({}));
    ctl.ok(&["storage", "retention", "set", "main", "--versions-max", "1", "--yes"]);
    ctl.ok(&["storage", "retention", "set", "main", "--versions-max", "3"]);
    ctl.ok(&["storage", "retention", "set", "main", "--versions-max", "1", "--yes"]);

    let listed = ctl.ok(&["storage", "prune", "main", "--dry-run"]);
    let rows = listed.lines().filter(|line| line.starts_with(ANNA) && line.contains("Inbox") && line.contains("letter") && line.ends_with("versions-max"));
    assert_eq!(rows.count() as u64, CHANGED, "{listed}");
    assert!(listed.contains("nothing was done"), "{listed}");
    assert_eq!(show(&bench)["marked"]["versions"], 0, "a dry run marked something");

    let before = fuse_usable().then(|| {
        let mount = Mount::new(&bench.storage(), &bench.path("before"));
        digest(&first_point(&mount))
    });
    assert_eq!(report(&bench, &["storage", "prune", "main"])["versions"], CHANGED);
    let marked = show(&bench);
    assert_eq!((&marked["marked"]["versions"], &marked["marked"]["freed-from"]), (&json!(CHANGED), &Value::Null), "{marked}");
    let text = ctl.ok(&["storage", "show", "main"]);
    assert!(text.contains("`storage unprune` undoes the marks"), "{text}");
    assert_eq!(ctl.json(&["storage", "unprune", "main"])["versions"], CHANGED);
    if let Some(before) = before {
        let mount = Mount::new(&bench.storage(), &bench.path("after"));
        assert_eq!(digest(&first_point(&mount)), before, "the first moment is not what it was before the marks");
    }

    assert_eq!(report(&bench, &["storage", "prune", "main"])["versions"], CHANGED);
    let held = pack_bytes(&bench);
    let plan = report(&bench, &["storage", "free", "main", "--dry-run"]);
    assert_eq!((&plan["versions"], pack_bytes(&bench)), (&json!(CHANGED), held), "{plan}");
    let freed = ctl.ok(&["storage", "free", "main"]);
    for word in ["logical", "removed, with 8 versions", "on disk", "freed,", "pending"] {
        assert!(freed.contains(word), "{word:?} is not in:\n{freed}");
    }
    let gone = held - pack_bytes(&bench);
    let least = CHANGED * BYTES as u64;
    assert!(gone >= least, "{gone} bytes are free of {least} that nothing needs");
    assert!(plan["physical-freed-bytes"].as_u64().unwrap() >= least, "{plan}");
    assert_eq!(ctl.json(&["storage", "unprune", "main"])["versions"], 0, "what is freed cannot be undone");
    ctl.ok(&["storage", "check", "main", "--read-data"]);
    if fuse_usable() {
        let mount = Mount::new(&bench.storage(), &bench.path("last"));
        super::backup::assert_complete(&bench, &mount);
    }
}

#[test]
fn freeing_runs_beside_a_backup_and_a_mount() {
    if !fuse_usable() {
        return;
    }
    // Slow answers, so that the backup goes on while space is freed.
    let mut bench = bench_with_past(&["--latency", "25"]);
    let ctl = bench.ctl();
    for n in 0..40 {
        letter(&bench.lab.org, "bob@example.org", n, 3, 2000);
    }
    bench.lab.restart();
    ctl.ok(&["storage", "retention", "set", "main", "--versions-max", "1", "--yes"]);
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    let latest = digest(&mount.latest(ANNA));
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(digest(&mount.latest(ANNA)), latest, "a reader saw something else while space was freed");
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        ctl.ok(&["job", "start", "all"]);
        ctl.ok(&["storage", "prune", "main"]);
        let freed = report(&bench, &["storage", "free", "main"]);
        let state = ctl.json(&["job", "show", "all"])["state"].clone();
        assert_eq!((&freed["versions"], &state), (&json!(CHANGED), &json!("active")), "the backup had ended before: {freed}");
        until("readers have seen it all", || (rounds.load(Ordering::Relaxed) > 2 || reading.is_finished()).then_some(()));
        stop.store(true, Ordering::Relaxed);
        reading.join().unwrap();
    });
    until("the backup is done", || (ctl.json(&["job", "show", "all"])["state"] == "finished").then_some(()));
    ctl.ok(&["storage", "check", "main", "--read-data"]);
    until("the open mount shows what came", || (mount.latest("bob@example.org").join("Inbox").read_dir().ok()?.count() == 40).then_some(()));
    super::backup::assert_complete(&bench, &mount);
}

#[test]
fn the_schedule_marks_and_frees_by_itself() {
    let mut bench = bench_with_past(&[]);
    let held = pack_bytes(&bench);
    bench.ctl().ok(&["storage", "retention", "set", "main", "--versions-max", "1", "--every", "1h", "--undo", "1d", "--yes"]);
    // The marks are seen a moment before it is remembered since when.
    until("the schedule marks, and says from when it frees", || {
        Some(show(&bench)["marked"].clone()).filter(|marked| marked["versions"] == CHANGED && marked["freed-from"].is_string())
    });
    assert!(pack_bytes(&bench) >= held, "something was freed before its time");
    // A day and an hour later.
    assert!(bench.daemon.stop());
    backdate(&bench.path("var/storages/main.json"));
    bench.restart_daemon();
    let freed = until("the schedule frees", || Some(show(&bench)).filter(|storage| storage["freed"].is_string()));
    assert_eq!(freed["marked"]["versions"], 0, "{freed}");
    assert!(pack_bytes(&bench) <= held - CHANGED * BYTES as u64, "nothing was freed");
    // The hour is over: the next cycle's past versions are marked after it, without anybody.
    for n in 0..2 {
        letter(&bench.lab.org, ANNA, n, 4, BYTES);
    }
    bench.lab.restart();
    bench.run("all");
    until("the next cycle's past versions are marked", || (show(&bench)["marked"]["versions"] == 2).then_some(()));
    bench.ctl().ok(&["storage", "check", "main", "--read-data"]);
}

/// Sets all that is remembered back by a day and an hour.
fn backdate(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut schedule: Value = serde_json::from_str(&text).unwrap();
    for key in ["marked", "looked"] {
        assert!(schedule[key].is_string(), "{text}");
        schedule[key] = json!("2020-01-01T00:00:00Z");
    }
    std::fs::write(path, schedule.to_string()).unwrap();
}
