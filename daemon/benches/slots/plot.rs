//! The plot: how slots and throughput follow some servers, beside the best fixed number, as SVG.

#![expect(clippy::cast_possible_truncation, reason = "a drawing is small")]

use super::judge::{self, LOSS, Search};
use super::servers;
use super::simulator::{Plan, Run, Server, World};

/// Of each chart, in pixels.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 90.0;
const MARGIN: f64 = 44.0;
const COLUMNS: usize = 2;

/// Seconds that are drawn, and that throughput is measured over.
const SECONDS: f64 = 300.0;
const WINDOW: f64 = 10.0;

/// When the second of two clients comes.
const SECOND_COMES: f64 = 60.0;

/// Clients' colours.
const COLOURS: [&str; 2] = ["#1659a8", "#d9730d"];

/// What loses half of its capacity, and what two clients share.
const HALVED: [&str; 4] = ["eight-cores", "thrashing", "serial-tenth", "hard-ten"];
const SHARED: [&str; 4] = ["eight-cores", "thrashing", "hard-ten", "counted-account"];

/// Draws slots and throughput over time.
pub(super) fn draw(seed: u64) -> String {
    let all = servers::all();
    let find = |name: &&str| all.iter().find(|server| server.name == **name).expect("a server that is drawn");
    let halved = HALVED.iter().map(find).map(|server| {
        let after = judge::halved(server);
        let run = World::new(&after, &[Plan::found()], seed).run(usize::MAX, SECONDS);
        panel(&format!("{}: half of it is lost", server.name), &run, 1, &best(&after, seed, &[(30.0, LOSS), (LOSS + 30.0, SECONDS)]), LOSS)
    });
    let shared = SHARED.iter().map(find).map(|server| {
        let run = World::new(server, &[Plan::found(), Plan { start: SECOND_COMES, ..Plan::found() }], seed).run(usize::MAX, SECONDS);
        panel(&format!("{}: a second client comes", server.name), &run, 2, &best(server, seed, &[(30.0, SECONDS)]), SECOND_COMES)
    });
    let panels: Vec<String> = halved.chain(shared).collect();
    let high = 2.0 * HEIGHT + 2.0 * MARGIN;
    let (width, height) = (COLUMNS as f64 * (WIDTH + MARGIN) + MARGIN, panels.len().div_ceil(COLUMNS) as f64 * high + MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    // Columns first: what is halved on the left, what is shared on the right.
    let rows = panels.len().div_ceil(COLUMNS);
    for (n, panel) in panels.iter().enumerate() {
        let (x, y) = (MARGIN + (n / rows) as f64 * (WIDTH + MARGIN), MARGIN + (n % rows) as f64 * high);
        svg += &format!("<g transform=\"translate({x} {y})\">\n{panel}</g>\n");
    }
    svg + "</svg>\n"
}

/// Returns the throughput of the best fixed number, between such seconds.
fn best(server: &Server, seed: u64, windows: &[(f64, f64)]) -> Vec<(f64, f64, f64)> {
    let search: Search = judge::search(server, seed, SECONDS, judge::LEVELS);
    windows.iter().map(|(from, until)| (*from, *until, search.best(*from, *until).1)).collect()
}

fn panel(title: &str, run: &Run, clients: usize, best: &[(f64, f64, f64)], event: f64) -> String {
    let x = |seconds: f64| seconds / SECONDS * WIDTH;
    let rates: Vec<Vec<f64>> = (0..clients).map(|client| rates(run, client)).collect();
    let top = rates.iter().flatten().chain(best.iter().map(|(.., rate)| rate)).fold(0.0f64, |most, rate| most.max(*rate)) * 1.1;
    let most = run.slots.iter().map(|(.., slots)| f64::from(*slots)).fold(8.0, f64::max);
    let (up, rate_up) = (|slots: f64| HEIGHT - slots / most * HEIGHT, |rate: f64| HEIGHT - rate / top * HEIGHT);
    let mut svg = format!("<text y=\"-8\" font-weight=\"bold\">{title}</text>\n{}", frame("slots", &[(most / 2.0).round(), most], &up, x(event), false));
    for (client, colour) in COLOURS.iter().enumerate().take(clients) {
        let mut path = String::new();
        for (time, _, slots) in run.slots.iter().filter(|(_, other, _)| *other == client) {
            let (x, y) = (x(*time), up((*slots).into()));
            path += &if path.is_empty() { format!("M{x:.1} {y:.1}") } else { format!("H{x:.1}V{y:.1}") };
        }
        svg += &format!("<path d=\"{path}H{WIDTH}\" fill=\"none\" stroke=\"{colour}\"/>\n");
    }
    svg += &format!("<g transform=\"translate(0 {})\">\n{}", HEIGHT + 12.0, frame("work/s", &[round(top / 2.2), round(top / 1.1)], &rate_up, x(event), true));
    for (from, until, rate) in best {
        let y = rate_up(*rate);
        svg += &format!("<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#2a8a4a\" stroke-dasharray=\"5 3\"/>\n", x(*from), x(*until));
    }
    for (rates, colour) in rates.iter().zip(COLOURS) {
        let points: Vec<String> = rates.iter().enumerate().map(|(n, rate)| format!("{:.1},{:.1}", x((n as f64 + 0.5) * WINDOW), rate_up(*rate))).collect();
        svg += &format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>\n", points.join(" "));
    }
    svg + "</g>\n"
}

fn frame(name: &str, marks: &[f64], up: &dyn Fn(f64) -> f64, event: f64, has_time: bool) -> String {
    let mut svg = format!(
        "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#bbb\"/>\n<text x=\"{WIDTH}\" y=\"-4\" text-anchor=\"end\" fill=\"#777\">{name}</text>\n"
    );
    for mark in marks {
        let y = up(*mark);
        svg += &format!(
            "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#eee\"/><text x=\"-4\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#777\">{mark}</text>\n",
            y + 4.0
        );
    }
    svg += &format!("<line x1=\"{event:.1}\" x2=\"{event:.1}\" y1=\"0\" y2=\"{HEIGHT}\" stroke=\"#c33\" stroke-dasharray=\"3 3\"/>\n");
    if has_time {
        for seconds in [0.0, 60.0, 120.0, 180.0, 240.0, 300.0] {
            svg += &format!("<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#777\">{seconds} s</text>\n", seconds / SECONDS * WIDTH, HEIGHT + 14.0);
        }
    }
    svg
}

fn rates(run: &Run, client: usize) -> Vec<f64> {
    let mut rates = vec![0.0; (SECONDS / WINDOW) as usize];
    for done in run.done.iter().filter(|done| done.client == client) {
        if let Some(rate) = rates.get_mut((done.time / WINDOW) as usize) {
            *rate += done.worth / WINDOW;
        }
    }
    rates
}

fn round(rate: f64) -> f64 {
    if rate >= 3.0 { rate.round() } else { (rate * 10.0).round() / 10.0 }
}
