//! The plot: how the number of slots follows each server, as SVG.

use super::judge::LOSS;
use super::simulator::{Plan, Server, World};

/// Of each small plot, in pixels.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 120.0;
const MARGIN: f64 = 34.0;
const COLUMNS: usize = 3;

/// Seconds that are drawn.
const SECONDS: f64 = 240.0;

/// Draws slots over time, the server losing half of its capacity in the middle.
pub(super) fn draw(servers: &[Server], seed: u64) -> String {
    let rows = servers.len().div_ceil(COLUMNS);
    let (width, height) = (COLUMNS as f64 * (WIDTH + MARGIN) + MARGIN, rows as f64 * (HEIGHT + MARGIN) + MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (n, server) in servers.iter().enumerate() {
        let (x, y) = (MARGIN + (n % COLUMNS) as f64 * (WIDTH + MARGIN), MARGIN + (n / COLUMNS) as f64 * (HEIGHT + MARGIN));
        svg += &format!("<g transform=\"translate({x} {y})\">\n<text y=\"-6\" font-weight=\"bold\">{}</text>\n", server.name);
        svg += &format!("<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#bbb\"/>\n");
        let at = |seconds: f64| seconds / SECONDS * WIDTH;
        let up = |slots: f64| HEIGHT - slots / 34.0 * HEIGHT;
        for slots in [8.0, 16.0, 24.0, 32.0] {
            svg += &format!(
                "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#eee\"/><text x=\"-4\" y=\"{1:.1}\" text-anchor=\"end\" fill=\"#777\">{slots}</text>\n",
                up(slots),
                up(slots) + 4.0
            );
        }
        svg += &format!("<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{HEIGHT}\" stroke=\"#c33\" stroke-dasharray=\"3 3\"/>\n", at(LOSS));
        let run = World::new(&server.stepping(LOSS, 0.5), &[Plan::found()], seed).run(usize::MAX, SECONDS);
        let mut path = String::new();
        for (n, (time, _, slots)) in run.slots.iter().enumerate() {
            let step = if n == 0 { "M" } else { "H" };
            path += &if n == 0 {
                format!("{step}{:.1} {:.1}", at(*time), up((*slots).into()))
            } else {
                format!("{step}{:.1}V{:.1}", at(*time), up((*slots).into()))
            };
        }
        svg += &format!("<path d=\"{path}H{WIDTH}\" fill=\"none\" stroke=\"#159\" stroke-width=\"1.2\"/>\n</g>\n");
    }
    svg + "</svg>\n"
}
