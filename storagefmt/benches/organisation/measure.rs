//! What a measurement took: clocks, memory, bytes on disk; and the page cache.

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Wall clock and CPU time of this process since it was started.
pub(crate) struct Stopwatch {
    wall: Instant,
    user: f64,
    system: f64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let (user, system) = cpu_secs();
        Self { wall: now(), user, system }
    }

    /// Returns the figures so far, by name.
    pub(crate) fn figures(&self) -> Map<String, Value> {
        let (user, system) = cpu_secs();
        let (user, system) = (user - self.user, system - self.system);
        let figures = json!({
            "wall_secs": round(self.wall.elapsed().as_secs_f64()),
            "cpu_secs": round(user + system),
            "user_secs": round(user),
            "system_secs": round(system),
        });
        as_map(figures)
    }
}

/// Times one call.
pub(crate) fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let began = now();
    let result = call();
    (result, began.elapsed())
}

/// Times one call; returns the wall clock and the CPU time of this thread.
pub(crate) fn timed_cpu(call: impl FnOnce()) -> (Duration, Duration) {
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        Duration::from_secs_f64(secs(usage.user_time()) + secs(usage.system_time()))
    };
    let before = cpu();
    let ((), took) = timed(call);
    (took, cpu().saturating_sub(before))
}

/// Returns the largest resident set this process has had, in MiB.
pub(crate) fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Returns the bytes and numbers of files below a storage: of packs, of the index, of all.
pub(crate) fn on_disk(storage: &Path) -> Map<String, Value> {
    let (mut bytes, mut packs, mut pack_bytes, mut index_bytes) = (0, 0, 0, 0);
    for path in files(storage) {
        let len = path.metadata().unwrap().len();
        bytes += len;
        if path.starts_with(storage.join("packs")) {
            packs += 1;
            pack_bytes += len;
        } else if path.starts_with(storage.join("index")) {
            index_bytes += len;
        }
    }
    as_map(json!({ "bytes": bytes, "packs": packs, "pack_bytes": pack_bytes, "index_bytes": index_bytes }))
}

/// Drops the contents of these files from the page cache, as far as they are on disk.
pub(crate) fn evict(paths: &[PathBuf]) {
    for path in paths {
        let file = fs::File::open(path).unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    }
}

/// Returns every file below a folder.
pub(crate) fn files(top: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![top.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() { open.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found
}

/// Returns the fields of a JSON object.
pub(crate) fn as_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Rounds to a thousandth.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn cpu_secs() -> (f64, f64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    (secs(usage.user_time()), secs(usage.system_time()))
}

#[expect(clippy::cast_precision_loss, reason = "seconds and microseconds of a run are small")]
fn secs(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
