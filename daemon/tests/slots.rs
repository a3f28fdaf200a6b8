//! The slots' controller on the simulated servers of `benches/slots`, and against the lab: each aim of `doc/slots.md`, on each server.
//!
//! `C2B_SLOTS_SEEDS` runs more seeds than the usual one.

#[path = "../benches/slots"]
mod bench {
    pub(crate) mod judge;
    pub(crate) mod lab;
    pub(crate) mod random;
    pub(crate) mod servers;
    pub(crate) mod simulator;
}

use bench::judge::{AIMS, JAIN_MIN, LEVELS, RATE_MIN, REFUSED_MAX, ROUNDS, Verdict};
use bench::lab::{Lab, limits};
use bench::simulator::{Curve, Plan, Run, Server, World};
use bench::{judge, random, servers};
use proptest::prelude::*;
use std::time::Duration;

/// Aims that are missed, with what is reached instead; `doc/slots.md` says why.
const MISSED: &[(&str, &str, f64)] = &[("counted-account", "after a loss", 0.85), ("hard-27", "shares", 0.9), ("collapsing-busy", "after a loss", 0.8)];

/// Random servers, and how many of them must meet all aims.
const RANDOM: std::ops::Range<u64> = 500..512;
const RANDOM_MET: usize = 6;

fn check(server: &Server, seed: u64) {
    let verdict = judge::judge(server, seed, LEVELS);
    let Verdict { rate, reached, refused, rate_then, jain, .. } = verdict;
    assert!((1..=32).contains(&verdict.best) && (1..=32).contains(&verdict.best_then) && verdict.slots <= 32.0 && verdict.best_rate > 0.0, "{verdict:?}");
    let bound = |aim: &str, usual: f64| MISSED.iter().find(|(name, of, _)| *name == server.name && *of == aim).map_or(usual, |(.., bound)| *bound);
    let [is_quick, is_soon, is_let, is_back, is_fair] = [
        rate >= bound(AIMS[0], RATE_MIN),
        reached <= bound(AIMS[1], ROUNDS as f64),
        refused <= bound(AIMS[2], REFUSED_MAX),
        rate_then >= bound(AIMS[3], RATE_MIN),
        jain >= bound(AIMS[4], JAIN_MIN),
    ];
    assert!(is_quick && is_soon && is_let && is_back && is_fair, "{} {seed}: {verdict:?}", server.name);
    assert!(verdict.together >= 0.5, "{} {seed}: {verdict:?}", server.name);
}

macro_rules! on {
    ($($test:ident: $name:expr;)*) => {
        $(#[test]
        fn $test() {
            let seeds: u64 = std::env::var("C2B_SLOTS_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
            let all = servers::all();
            let server = all.iter().find(|server| server.name == $name).unwrap();
            assert!(!server.words.is_empty());
            (0..seeds).for_each(|seed| check(server, 100 + seed));
        })*
        const NAMES: &[&str] = &[$($name),*];
    };
}

on! {
    eight_cores: "eight-cores";
    one_thread: "one-thread";
    small_queue: "small-queue";
    thrashing: "thrashing";
    collapsing: "collapsing";
    serial_tenth: "serial-tenth";
    far_away: "far-away";
    thin_line: "thin-line";
    hard_ten: "hard-ten";
    hard_four: "hard-four";
    exchange_each: "exchange-each";
    account_budget: "account-budget";
    counted: "counted";
    busy_office: "busy-office";
    tide: "tide";
    balanced: "balanced";
    jittery: "jittery";
    twenty_cores: "twenty-cores";
    far_queue: "far-queue";
    thrashing_late: "thrashing-late";
    thrashing_early: "thrashing-early";
    serial_third: "serial-third";
    hard_27: "hard-27";
    breaking: "breaking";
    counted_account: "counted-account";
    line_and_cores: "line-and-cores";
    collapsing_busy: "collapsing-busy";
}

#[test]
fn each_server_is_measured() {
    for server in servers::all() {
        assert!(NAMES.contains(&server.name.as_str()), "{} is in no test", server.name);
    }
    assert!(MISSED.iter().all(|(name, aim, _)| NAMES.contains(name) && AIMS.contains(aim)));
}

#[test]
fn most_random_servers_meet_all_aims() {
    let met = RANDOM.filter(|seed| judge::judge(&random::server(*seed), *seed, LEVELS).misses().is_empty()).count();
    assert!(met >= RANDOM_MET, "{met}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any plain server: cores, distance, size of requests, and how much they vary.
    #[test]
    fn any_plain_server_is_used_well(cores in 1.0f64..24.0, way in 0.002f64..0.2, work in 0.02f64..0.4, varies in 0.1f64..0.8, seed in 0u64..1000) {
        let server = Server { curve: Curve::Cores(cores), way, work, work_varies: varies, ..Server::new("any", "any") };
        let answers = 3000;
        let found = World::new(&server, &[Plan::found()], seed).run(answers, 1e6);
        let rate = |run: &Run| {
            let from = run.done[answers / 3].time;
            run.done.iter().filter(|done| done.time > from).map(|done| done.worth).sum::<f64>() / (run.end - from)
        };
        let best = [2, 4, 8, 12, 16, 24, 32].map(|slots| rate(&World::new(&server, &[Plan::fixed(slots)], seed).run(answers, 1e6)));
        let best = best.into_iter().fold(0.0, f64::max);
        prop_assert!(rate(&found) >= 0.85 * best, "{} of {best}", rate(&found));
        prop_assert!(found.done.iter().all(|done| !done.refused));
    }
}

/// The real client over sockets: beside two slots in the same run, since machines differ.
#[tokio::test(flavor = "multi_thread")]
async fn the_lab_is_used_well() {
    let capacity = "service_ms = 60.0\nparallel = 6.0\n";
    let (Some(lab), Some(other)) = (Lab::start(capacity).await, Lab::start(capacity).await) else {
        return println!("skipped: c2b-lab is not built");
    };
    let (connection, two) = (limits(None), limits(Some(2)));
    let (found, fixed) = tokio::join!(lab.run(&connection, 3.0, 1.5), other.run(&two, 3.0, 1.5));
    assert!(found.rate > 1.5 * fixed.rate, "{found:?} {fixed:?}");
    assert!(found.refused == 0.0 && found.slots >= 4.0 && found.latency_ms >= 60, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_lab_is_found_and_followed() {
    let capacity = |limit: u32| format!("service_ms = 60.0\nin_flight_max = {limit}\nbackoff_ms = 200\n");
    let Some(lab) = Lab::start(&capacity(10)).await else {
        return println!("skipped: c2b-lab is not built");
    };
    let connection = limits(None);
    let before = lab.run(&connection, 2.0, 1.5).await;
    assert!((7.0..=13.0).contains(&before.slots) && before.refused < 0.15, "{before:?}");
    lab.set(&capacity(5));
    let fewer = async {
        while connection.slots() > 6 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (after, ()) = tokio::join!(lab.run(&connection, 2.0, 1.5), fewer);
    assert!((3.0..=7.0).contains(&after.slots) && after.refused < 0.2, "{after:?}");
    let info = connection.info();
    assert!(info.refused > 0 && info.throttled_secs > 0, "{info:?}");
}
