//! A disk that fills up: backups pause, everything that reads works, and they go on by themselves.

use super::letters::letter;
use c2b_tests::{Bench, Mount, files, fuse_usable, until};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ANNA: &str = "anna@example.org";

/// A small file system; ends with this value.
struct Disk(PathBuf);

impl Disk {
    /// Makes one; `None`, with a word about it, where this user may not.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn new(path: PathBuf, mib: u32) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(&path).stderr(Stdio::null()).status();
        let mounted = mounted.is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: this user cannot make a file system");
        }
        mounted.then_some(Self(path))
    }

    /// Fills it until so many bytes are left.
    fn fill(&self, left: u64) {
        let mut file = File::create(self.0.join("others")).unwrap();
        while free(&self.0) > left {
            let bytes = (free(&self.0) - left).min(1 << 20);
            if file.write_all(&vec![7; usize::try_from(bytes).unwrap()]).is_err() {
                return;
            }
        }
    }

    /// Fills what came free since.
    fn fill_more(&self) {
        let mut file = File::create(self.0.join("more")).unwrap();
        while file.write_all(&[7; 512]).is_ok() {}
    }

    /// Takes away what filled it.
    fn empty(&self) {
        std::fs::remove_file(self.0.join("others")).unwrap();
        let _ = std::fs::remove_file(self.0.join("more"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn free(path: &Path) -> u64 {
    let found = nix::sys::statvfs::statvfs(path).unwrap();
    found.blocks_available() * found.fragment_size()
}

/// A continuous job into a storage on a small disk, and the disk.
fn bench() -> Option<(Bench, Disk)> {
    let bench = Bench::organisation(|org| (0..10).for_each(|n| letter(org, ANNA, n, 1, 100_000)), &[]);
    let disk = Disk::new(bench.path("small"), 100)?;
    let ctl = bench.ctl();
    ctl.ok(&["storage", "create", "disk", &bench.text("small/storage")]);
    let job = ["job", "create", "all", "--connection", "lab", "--storage", "disk", "--all-except", "nobody@example.org", "--continuous", "--idle", "00:00:01"];
    ctl.ok(&job);
    Some((bench, disk))
}

fn detail(bench: &Bench) -> String {
    bench.ctl().json(&["job", "show", "all"])["detail"].as_str().unwrap_or_default().to_owned()
}

/// Whether a storage says that it has no room to be opened for writing, and what to do.
fn says_why(storage: &Value) -> bool {
    storage["problem"].as_str().is_some_and(|problem| problem.contains("free some space"))
}

/// Writes more letters, and has the lab serve them.
fn more(bench: &mut Bench, from: u64, to: u64) {
    for n in from..to {
        letter(&bench.lab.org, ANNA, n, 1, 100_000);
    }
    bench.lab.restart();
}

#[test]
fn below_the_reserve_backups_pause_and_go_on_by_themselves() {
    let Some((mut bench, disk)) = bench() else { return };
    let ctl = bench.ctl();
    let items = |bench: &Bench| bench.ctl().json(&["storage", "show", "disk"])["items"].clone();
    ctl.ok(&["job", "start", "all"]);
    until("the first cycle is done", || (items(&bench) == json!(10)).then_some(()));
    // 2 % of 100 MiB are kept in reserve.
    disk.fill(1 << 20);
    more(&mut bench, 10, 20);
    until("the job pauses", || detail(&bench).contains("paused: low space").then_some(()));
    let status = ctl.ok(&["status"]);
    assert!(status.contains("paused: low space") && status.contains("bad "), "{status}");
    assert!(ctl.ok(&["storage", "show", "disk"]).contains("low space: backups pause"));
    ctl.ok(&["storage", "check", "disk", "--read-data"]);
    if fuse_usable() {
        let mount = Mount::new(&bench.path("small/storage"), &bench.path("mnt"));
        assert_eq!(files(&mount.latest(ANNA)).len(), 10);
    }
    let pid = ctl.json(&["status"])["pid"].clone();
    disk.empty();
    until("the job goes on by itself", || (items(&bench) == json!(20)).then_some(()));
    assert_eq!(ctl.json(&["status"])["pid"], pid);
    ctl.ok(&["job", "stop", "all"]);
    ctl.ok(&["storage", "check", "disk", "--read-data"]);
}

#[test]
fn at_zero_bytes_free_nothing_is_lost_and_space_can_be_made() {
    let Some((mut bench, disk)) = bench() else { return };
    let ctl = bench.ctl();
    let show = |bench: &Bench| bench.ctl().json(&["storage", "show", "disk"]);
    ctl.ok(&["job", "start", "all"]);
    until("the first cycle is done", || (show(&bench)["items"] == json!(10)).then_some(()));
    // No reserve: the disk fills up in the middle of a commit. Past versions, so that there is something to free.
    ctl.ok(&["job", "stop", "all"]);
    let definition = bench.path("etc/storages/disk.toml");
    let text = std::fs::read_to_string(&definition).unwrap();
    std::fs::write(&definition, format!("reserve = \"0\"\n{text}")).unwrap();
    bench.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    until("the reserve is gone", || (show(&bench)["reserve-bytes"] == 0).then_some(()));
    for n in 0..10 {
        letter(&bench.lab.org, ANNA, n, 2, 100_000);
    }
    more(&mut bench, 10, 12);
    ctl.ok(&["job", "start", "all"]);
    until("the second cycle is done", || (show(&bench)["items"] == json!(12)).then_some(()));
    disk.fill(300_000);
    more(&mut bench, 12, 30);
    until("the job pauses", || detail(&bench).contains("paused: low space").then_some(()));
    // Whatever is left is taken, too.
    std::fs::write(disk.0.join("rest"), vec![7; 4 << 20]).ok();
    let held = show(&bench);
    assert!(held["items"].as_u64() >= Some(12) && (held["problem"].is_null() || says_why(&held)), "{held}");
    ctl.ok(&["storage", "check", "disk", "--read-data"]);
    ctl.ok(&["storage", "retention", "set", "disk", "--versions-max", "1", "--yes"]);
    std::fs::remove_file(disk.0.join("rest")).ok();
    disk.empty();
    until("the job goes on by itself", || (show(&bench)["items"] == json!(30)).then_some(()));
    ctl.ok(&["job", "stop", "all"]);
    ctl.ok(&["storage", "prune", "disk"]);
    ctl.ok(&["storage", "free", "disk"]);
    ctl.ok(&["storage", "check", "disk", "--read-data"]);
}

#[test]
fn a_disk_that_is_full_after_a_crash_is_read_all_the_same() {
    let Some((mut bench, disk)) = bench() else { return };
    let show = |bench: &Bench| bench.ctl().json(&["storage", "show", "disk"]);
    bench.ctl().ok(&["job", "start", "all"]);
    until("the first cycle is done", || (show(&bench)["items"] == json!(10)).then_some(()));
    // The index has rows only in its log, and opening it for writing writes them elsewhere.
    bench.daemon.kill();
    disk.fill(0);
    bench.restart_daemon();
    let held = show(&bench);
    assert!(held["items"] == json!(10) && says_why(&held), "{held}");
    bench.ctl().ok(&["storage", "check", "disk", "--read-data"]);
    disk.empty();
    more(&mut bench, 10, 20);
    until("the job goes on by itself", || (show(&bench)["items"] == json!(20)).then_some(()));
}

#[test]
fn who_makes_room_on_a_full_state_disk_can_be_recorded() {
    let mut bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 100), &[]);
    assert!(bench.daemon.stop());
    std::fs::remove_dir_all(bench.path("var")).unwrap();
    let Some(disk) = Disk::new(bench.path("var"), 80) else { return };
    bench.restart_daemon();
    let ctl = bench.ctl();
    ctl.ok(&["storage", "retention", "set", "main", "--versions-max", "5", "--yes"]);
    disk.fill(0);
    ctl.ok(&["storage", "prune", "main"]);
    ctl.ok(&["storage", "free", "main"]);
    // Until there is really nothing left: then it is refused, and what only shows states goes on.
    disk.fill_more();
    let refused = until("it is refused", || Some(ctl.run(&["storage", "unprune", "main"])).filter(|refused| refused.code != 0));
    assert!(refused.code == 7 && refused.stderr.contains("cannot be recorded"), "{refused:?}");
    ctl.ok(&["status"]);
    disk.empty();
    ctl.ok(&["storage", "unprune", "main"]);
    assert!(ctl.ok(&["audit", "verify"]).contains("as it was written"));
}
