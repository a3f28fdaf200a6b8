//! Single small items in random order, read from the disk.

use crate::measure::{as_map, evict, files, round, timed, timed_cpu};
use crate::{Cold, read, storage};
use c2b_storagefmt::ItemRow;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Opens and reads items whole; the packs are evicted from the page cache before each.
pub(crate) fn reads(args: &Cold) -> Map<String, Value> {
    let writer = storage::open(&args.storage, args.sealed);
    let mut small = Vec::new();
    read::rows(&writer.catalog(), |row| {
        if row.size > 0 && row.size <= args.bytes_max {
            small.push(row.clone());
        }
    });
    // A fixed order that looks random: by the hash of the content.
    small.sort_by_key(|row| row.shown.map(|id| *blake3::hash(&id.0).as_bytes()));
    drop(writer);
    let packs = files(&args.storage.join("packs"));
    evict(&files(&args.storage));
    let (writer, opened) = timed(|| storage::open(&args.storage, args.sealed));
    let (contents, mut content) = (writer.contents(), Vec::new());
    let mut read = |row: &ItemRow| {
        evict(&packs);
        timed_cpu(|| read::whole(&contents, row, &mut content))
    };
    let (mut took, mut cpu): (Vec<Duration>, Vec<Duration>) = small.iter().take(args.reads).map(&mut read).unzip();
    took.sort();
    cpu.sort();
    let millis = |of: &[Duration], part: usize| round(of[(of.len() * part / 1000).min(of.len() - 1)].as_secs_f64() * 1e3);
    as_map(json!({
        "open_ms": round(opened.as_secs_f64() * 1e3), "candidates": small.len(), "reads": took.len(),
        "p50_ms": millis(&took, 500), "p90_ms": millis(&took, 900), "p99_ms": millis(&took, 990), "max_ms": millis(&took, 1000),
        "cpu_p50_ms": millis(&cpu, 500), "cpu_p99_ms": millis(&cpu, 990),
    }))
}
