//! Measures the slots' controller on simulated servers and writes the table and the plot of `doc/slots.md`.
//!
//! `slots DOC_DIR` rewrites them; without an argument it prints the table.

mod judge;
mod plot;
mod servers;
mod simulator;

use judge::{Effort, Halved, Shared, Solo};
use simulator::Server;
use std::io::Write;
use std::path::Path;

/// Runs of each server, each with its own seed.
const SEEDS: u64 = 3;

/// How much is measured.
const FULL: Effort = Effort { levels: &[1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32], steady: 4000, after: 300.0, shared: (300.0, 900.0) };

/// Where the table is in the document.
const MARKS: (&str, &str) = ("<!-- table -->\n", "<!-- end of table -->");

/// What came of a server, the worst of all runs.
struct Row {
    server: Server,
    solo: Vec<Solo>,
    halved: Vec<Halved>,
    shared: Vec<Shared>,
}

fn main() -> std::io::Result<()> {
    // `cargo bench` passes an argument of its own.
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let (tuned, held_out) = (measure(servers::tuned()), measure(servers::held_out()));
    let text = format!("Looked at while the controller was made:\n\n{}\nNot looked at before it was done:\n\n{}", table(&tuned), table(&held_out));
    let Some(folder) = folder else { return std::io::stdout().write_all(text.as_bytes()) };
    let folder = Path::new(&folder);
    std::fs::write(folder.join("slots.svg"), plot::draw(&servers::tuned(), 1))?;
    let document = folder.join("slots.md");
    let before = std::fs::read_to_string(&document)?;
    let parts = before.split_once(MARKS.0).and_then(|(head, rest)| Some((head, rest.split_once(MARKS.1)?.1)));
    let (head, tail) = parts.ok_or_else(|| std::io::Error::other("doc/slots.md has no place for the table"))?;
    std::fs::write(document, format!("{head}{}{text}{}{tail}", MARKS.0, MARKS.1))
}

fn measure(servers: Vec<Server>) -> Vec<Row> {
    let measure = |server: Server| Row {
        solo: (0..SEEDS).map(|seed| judge::solo(&server, seed, FULL)).collect(),
        halved: (0..SEEDS).map(|seed| judge::halved(&server, seed, FULL)).collect(),
        shared: (0..SEEDS).map(|seed| judge::shared(&server, seed, FULL)).collect(),
        server,
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = servers.into_iter().map(|server| scope.spawn(move || measure(server))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a measurement does not panic")).collect()
    })
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| server | what it is like | best | work/s | slots | throughput | reached | refused | best then | after a loss | smaller share | Jain | together |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    for Row { server, solo, halved, shared } in rows {
        let least = |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(f64::INFINITY, f64::min);
        let most = |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(0.0, f64::max);
        let mean = solo.iter().map(|one| one.slots).sum::<f64>() / solo.len() as f64;
        text += &format!(
            "| {} | {} | {} | {:.1} | {mean:.1} | {} | {:.0} | {:.1} % | {} | {} | {} | {:.2} | {} |\n",
            server.name,
            server.words,
            solo.first().map_or(0, |one| one.best),
            solo.first().map_or(0.0, |one| one.best_rate),
            percent(least(&mut solo.iter().map(|one| one.rate))),
            most(&mut solo.iter().map(|one| one.reached)),
            100.0 * most(&mut solo.iter().map(|one| one.refused)),
            halved.first().map_or(0, |one| one.best),
            percent(least(&mut halved.iter().map(|one| one.rate))),
            percent(least(&mut shared.iter().map(|one| one.least))),
            least(&mut shared.iter().map(|one| one.jain)),
            percent(least(&mut shared.iter().map(|one| one.rate))),
        );
    }
    text
}
