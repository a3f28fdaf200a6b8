//! `kill -9` of the daemon at random moments: nothing is lost, nearly nothing is fetched twice.

use super::backup::assert_complete;
use c2b_tests::{Bench, Mount, fuse_usable, until};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often the daemon is killed; `C2B_KILLS=100 make test` for the long run.
fn kills() -> u32 {
    std::env::var("C2B_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8)
}

#[test]
fn a_killed_backup_goes_on_where_it_was() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut bench = Bench::company(4, 3000, &[]);
    bench.job_all("all");
    let total = bench.served_items();
    let stored = |bench: &Bench| bench.ctl().json(&["storage", "show", "main"])["items"].as_u64().unwrap_or(0);
    bench.ctl().ok(&["job", "start", "all"]);
    for _ in 0..kills() {
        let goal = (stored(&bench) + random.random_range(1..=total / 20)).min(total);
        until("the backup gets on", || (stored(&bench) >= goal).then_some(()));
        bench.daemon.kill();
        bench.restart_daemon();
    }
    // The job was running when the daemon died: the daemon goes on with it by itself.
    until("the last run is done", || {
        let job = bench.ctl().json(&["job", "show", "all"]);
        matches!(job["state"].as_str(), Some("finished" | "finished-with-warnings" | "error")).then_some(())
    });
    let job = bench.ctl().json(&["job", "show", "all"]);
    assert_eq!(job["state"], "finished", "{job}");
    assert_eq!(stored(&bench), total, "the storage has not as many items as the lab");

    let fetched = bench.lab.fetched();
    let exports: Vec<u64> = fetched.as_object().expect("by item").values().map(|row| row["export"].as_u64().unwrap_or(0)).collect();
    let twice: u64 = exports.iter().map(|n| n.saturating_sub(1)).sum();
    let allowed = u64::from(kills()) * total / 100;
    assert!(twice * 100 <= u64::from(kills()) * total, "{twice} of {total} items were fetched again after {} kills, {allowed} are allowed", kills());

    bench.ctl().ok(&["storage", "check", "main", "--read-data"]);
    if fuse_usable() {
        let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
        assert_complete(&bench, &mount);
    }
}
