//! Measures the slots' controller on simulated servers and against the lab, and writes the tables and the plot of `doc/slots.md`.
//!
//! `slots DOC_DIR` rewrites them; without an argument it prints the tables.

mod judge;
mod lab;
mod plot;
mod random;
mod servers;
mod simulator;

use judge::{LEVELS, Verdict};
use simulator::Server;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs of each server, each with its own seed.
const SEEDS: u64 = 3;

/// Random servers: none of these seeds was looked at while the controller was made.
const HELD_OUT: std::ops::Range<u64> = 30_000..30_200;

/// What the lab can do, in words and for it, and the requests that it bears at a time.
const CAPACITIES: [(&str, &str); 4] = [
    ("works on 6 requests at a time, 60 ms each", "service_ms = 60.0\nparallel = 6.0\n"),
    ("works on 16 at a time, 120 ms each", "service_ms = 120.0\nparallel = 16.0\n"),
    ("refuses the 11th request, says 0.3 s; 100 ms each", "service_ms = 100.0\nin_flight_max = 10\nbackoff_ms = 300\n"),
    ("a budget for each mailbox: 0.25 s of work a second after 0.5 s at once; 100 ms each", "service_ms = 100.0\nburst_ms = 500.0\nrecharge_ms = 900000.0\n"),
];

/// Seconds of each run against the lab: until it is measured, and measured.
const WARM: f64 = 5.0;
const WARM_FIXED: f64 = 1.5;
const MEASURED: f64 = 3.0;

/// Where the tables are in the document.
const MARKS: (&str, &str) = ("<!-- table -->\n", "<!-- end of table -->");

fn main() -> std::io::Result<()> {
    // `cargo bench` passes an argument of its own.
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let beside_lab = tokio::runtime::Runtime::new()?.block_on(beside_lab());
    let named: Vec<(Server, u64)> = servers::all().into_iter().flat_map(|server| (0..SEEDS).map(move |seed| (server.clone(), seed))).collect();
    let random: Vec<(Server, u64)> = HELD_OUT.map(|seed| (random::server(seed), seed)).collect();
    let text = format!("{}\n{}\n{beside_lab}", table(&measure(named)), summary(&measure(random)));
    let Some(folder) = folder else { return std::io::stdout().write_all(text.as_bytes()) };
    let folder = Path::new(&folder);
    std::fs::write(folder.join("slots.svg"), plot::draw(1))?;
    let document = folder.join("slots.md");
    let before = std::fs::read_to_string(&document)?;
    let parts = before.split_once(MARKS.0).and_then(|(head, rest)| Some((head, rest.split_once(MARKS.1)?.1)));
    let (head, tail) = parts.ok_or_else(|| std::io::Error::other("doc/slots.md has no place for the tables"))?;
    std::fs::write(document, format!("{head}{}{text}{}{tail}", MARKS.0, MARKS.1))
}

/// Judges each server, on all cores.
fn measure(servers: Vec<(Server, u64)>) -> Vec<(Server, Verdict)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let n = next.fetch_add(1, Ordering::Relaxed)
                    && let Some((server, seed)) = servers.get(n)
                {
                    let verdict = judge::judge(server, *seed, LEVELS);
                    done.lock().expect("a measurement does not panic").insert(n, verdict);
                }
            });
        }
    });
    let done = done.into_inner().expect("a measurement does not panic");
    servers.into_iter().map(|(server, _)| server).zip(done.into_values()).collect()
}

/// Returns the worst of all runs of each server.
fn table(rows: &[(Server, Verdict)]) -> String {
    let mut text = String::from(
        "| server | what it is like | best | work/s | slots | throughput | reached | refused | after a loss | Jain | together |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for runs in rows.chunk_by(|a, b| a.0.name == b.0.name) {
        let least = |of: fn(&Verdict) -> f64| runs.iter().map(|(_, verdict)| of(verdict)).fold(f64::INFINITY, f64::min);
        let most = |of: fn(&Verdict) -> f64| runs.iter().map(|(_, verdict)| of(verdict)).fold(0.0, f64::max);
        let mean = runs.iter().map(|(_, verdict)| verdict.slots).sum::<f64>() / runs.len() as f64;
        let mark = |text: String, is_missed: bool| if is_missed { format!("**{text}**") } else { text };
        let (rate, reached, refused) = (least(|one| one.rate), most(|one| one.reached), most(|one| one.refused));
        let (then, jain) = (least(|one| one.rate_then), least(|one| one.jain));
        let Some((server, first)) = runs.first() else { continue };
        text += &format!(
            "| {} | {} | {}, then {} | {:.1} | {mean:.0} | {} | {} | {} | {} | {} | {} |\n",
            server.name,
            server.words,
            first.best,
            first.best_then,
            first.best_rate,
            mark(percent(rate), rate < judge::RATE_MIN),
            mark(format!("{reached:.0}"), reached > judge::ROUNDS as f64),
            mark(format!("{:.1} %", 100.0 * refused), refused > judge::REFUSED_MAX),
            mark(percent(then), then < judge::RATE_MIN),
            mark(format!("{jain:.2}"), jain < judge::JAIN_MIN),
            percent(least(|one| one.together)),
        );
    }
    text
}

/// Returns how many of random servers meet each aim.
fn summary(rows: &[(Server, Verdict)]) -> String {
    let met = |name: &str| rows.iter().filter(|(_, verdict)| !verdict.misses().contains(&name)).count();
    let all = rows.iter().filter(|(_, verdict)| verdict.misses().is_empty()).count();
    let mut text = format!("| {} random servers | aims met |\n|---|---|\n| all aims | {all} |\n", rows.len());
    for name in judge::AIMS {
        text += &format!("| {name} | {} |\n", met(name));
    }
    text
}

/// Returns how the real client did against the lab over sockets.
async fn beside_lab() -> String {
    let mut text = String::from("| the lab | best | answers/s | slots | throughput | refused | latency |\n|---|---|---|---|---|---|---|\n");
    for (words, capacity) in CAPACITIES {
        let mut tried = Vec::new();
        for slots in [2, 4, 6, 8, 10, 12, 16, 24, 32] {
            // A new one each time: budgets remember.
            let Some(lab) = lab::Lab::start(capacity).await else { return "The lab is not built.\n".into() };
            tried.push((slots, lab.run(&lab::limits(Some(slots)), WARM_FIXED, MEASURED).await));
        }
        let Some(lab) = lab::Lab::start(capacity).await else { return "The lab is not built.\n".into() };
        let found = lab.run(&lab::limits(None), WARM, MEASURED).await;
        // What is refused too much is no choice, as in the simulator.
        let allowed = tried.iter().map(|(_, run)| run.refused).fold(1.0, f64::min).max(judge::REFUSED_MAX);
        let best = tried.iter().filter(|(_, run)| run.refused <= allowed).max_by(|a, b| a.1.rate.total_cmp(&b.1.rate));
        let Some((slots, best)) = best else { continue };
        text += &format!(
            "| {words} | {slots} | {:.0} | {:.1} | {} | {:.1} % | {} ms |\n",
            best.rate,
            found.slots,
            percent(found.rate / best.rate),
            100.0 * found.refused,
            found.latency_ms
        );
    }
    text
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}
