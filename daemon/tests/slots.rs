//! The slots' controller on the simulated servers of `benches/slots`: each promise of `doc/slots.md`, on each server.
//!
//! `C2B_SLOTS_SEEDS` runs more seeds than the usual one.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world fails")]

#[path = "../benches/slots"]
mod bench {
    pub(crate) mod judge;
    pub(crate) mod servers;
    pub(crate) mod simulator;
}

use bench::judge::Effort;
use bench::simulator::{Curve, Plan, Run, Server, World};
use bench::{judge, servers};
use proptest::prelude::*;

/// How much is measured.
const QUICK: Effort = Effort { levels: &[1, 2, 3, 4, 5, 6, 8, 10, 14, 18, 24, 32], steady: 2500, after: 150.0, shared: (300.0, 600.0) };

/// Servers on which a promise is not kept, with what is kept instead; `doc/slots.md` says why.
const REFUSED_MORE: &[(&str, f64)] = &[("counted-account", 0.06), ("counted", 0.02)];
const LESS_AFTER_A_LOSS: &[(&str, f64)] =
    &[("exchange-each", 0.85), ("hard-four", 0.85), ("counted", 0.8), ("serial-third", 0.7), ("collapsing-busy", 0.8), ("far-queue", 0.85)];
const LESS: &[(&str, f64)] = &[("counted", 0.75), ("account-budget", 0.85), ("collapsing-busy", 0.8), ("serial-third", 0.6), ("hard-27", 0.5)];
const NOT_SOON: &[(&str, f64)] = &[("serial-third", f64::INFINITY), ("hard-27", f64::INFINITY), ("breaking", f64::INFINITY)];
const UNFAIR: &[(&str, f64)] = &[
    ("one-thread", 0.3),
    ("small-queue", 0.33),
    ("thrashing-late", 0.33),
    ("hard-four", 0.2),
    ("hard-ten", 0.25),
    ("hard-27", 0.3),
    ("breaking", 0.15),
    ("counted", 0.25),
    ("account-budget", 0.3),
];

fn bound(exceptions: &[(&str, f64)], server: &Server, usual: f64) -> f64 {
    exceptions.iter().find(|(name, _)| *name == server.name).map_or(usual, |(_, bound)| *bound)
}

fn each(names: &[&str], check: impl Fn(&Server, u64)) {
    let seeds: u64 = std::env::var("C2B_SLOTS_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
    for server in servers::tuned().iter().chain(&servers::held_out()).filter(|server| names.contains(&server.name)) {
        (0..seeds).for_each(|seed| check(server, 100 + seed));
    }
}

fn solo(names: &[&str]) {
    each(names, |server, seed| {
        let solo = judge::solo(server, seed, QUICK);
        assert!((1..=32).contains(&solo.best) && solo.slots <= 32.0 && solo.best_rate > 0.0, "{} {seed}: {solo:?}", server.name);
        assert!(solo.rate >= bound(LESS, server, 0.9), "{} {seed}: {solo:?}", server.name);
        assert!(solo.reached <= bound(NOT_SOON, server, 60.0), "{} {seed}: {solo:?}", server.name);
        assert!(solo.refused <= bound(REFUSED_MORE, server, 0.01), "{} {seed}: {solo:?}", server.name);
    });
}

fn halved(names: &[&str]) {
    each(names, |server, seed| {
        let halved = judge::halved(server, seed, QUICK);
        assert!((1..=32).contains(&halved.best));
        assert!(halved.rate >= bound(LESS_AFTER_A_LOSS, server, 0.9), "{} {seed}: {halved:?}", server.name);
    });
}

fn shared(names: &[&str]) {
    each(names, |server, seed| {
        let shared = judge::shared(server, seed, QUICK);
        let least = bound(UNFAIR, server, 0.38);
        assert!(shared.jain >= 0.5 && shared.rate >= 0.6, "{} {seed}: {shared:?}", server.name);
        assert!(shared.least >= least, "{} {seed}: {shared:?}", server.name);
    });
}

macro_rules! on {
    ($($test:ident: $names:expr;)*) => {
        $(mod $test {
            const NAMES: &[&str] = &$names;
            #[test]
            fn throughput_is_found_soon_and_little_is_refused() {
                super::solo(NAMES);
            }
            #[test]
            fn a_loss_of_half_of_the_capacity_is_followed() {
                super::halved(NAMES);
            }
            #[test]
            fn two_share_fairly() {
                super::shared(NAMES);
            }
        })*
    };
}

on! {
    plain: ["eight-cores", "one-thread", "small-queue"];
    hindered: ["thrashing", "collapsing", "serial-tenth"];
    far: ["far-away", "thin-line"];
    limited: ["hard-ten", "hard-four"];
    budgeted: ["exchange-each"];
    accounted: ["account-budget", "counted"];
    changing: ["busy-office", "tide"];
    noisy: ["balanced", "jittery"];
    held_out_plain: ["twenty-cores", "far-queue", "line-and-cores"];
    held_out_hindered: ["thrashing-late", "thrashing-early", "serial-third"];
    held_out_limited: ["hard-27", "breaking"];
    held_out_odd: ["counted-account", "collapsing-busy"];
}

#[test]
fn each_server_is_measured_and_each_measurement_has_its_server() {
    let text = include_str!("slots.rs");
    for server in servers::tuned().iter().chain(&servers::held_out()) {
        assert!(text.contains(&format!("\"{}\"", server.name)), "{} is in no test", server.name);
        assert!(!server.words.is_empty());
    }
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
