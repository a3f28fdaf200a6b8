//! What is done to a storage that is there, at scale: one operation in a process, so that its memory can be told.
//!
//! The storage is one that `scale` made. Operations change it; in the order of [`Op`] each finds what it needs.

use crate::measure::{Stopwatch, as_map, evict, files, round, timed};
use crate::{Care, storage};
use c2b_storagefmt::{Catalog, CheckOptions, EraseStep, FreeStep, Moment, RetentionPolicy, Writer, check, copy, rebuild};
use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to do.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Op {
    /// Open for writing, nothing of the storage in the page cache
    Open,
    /// Open beside the writer, nothing in the page cache; list everything, read a thousand items
    Reader,
    /// Compare packs and index
    Check,
    /// Copy into another folder
    Copy,
    /// Delete every second item, at the source
    Delete,
    /// Mark what was deleted
    Mark,
    /// Free what is marked
    Free,
    /// Erase a mailbox
    Erase,
    /// Make the index anew
    Rebuild,
}

/// Items read by a reader.
const READS: usize = 1000;

/// Does one operation.
pub(crate) fn run(args: &Care) -> Map<String, Value> {
    let watch = Stopwatch::start();
    let did = match args.op {
        Op::Open => open(args),
        Op::Reader => reader(args),
        Op::Check => checked(args),
        Op::Copy => copied(args),
        Op::Delete => delete(args),
        Op::Mark => mark(args),
        Op::Free => free(args),
        Op::Erase => erase(args),
        Op::Rebuild => rebuilt(args),
    };
    let mut figures = watch.figures();
    figures.extend(as_map(did));
    figures
}

fn open(args: &Care) -> Value {
    forget(&args.storage);
    let (writer, took) = timed(|| storage::open(&args.storage, args.sealed));
    drop(writer);
    let (_, warm) = timed(|| storage::open(&args.storage, args.sealed));
    json!({ "open_ms": millis(took), "warm_ms": millis(warm) })
}

fn reader(args: &Care) -> Value {
    let scratch = beside(args, "scratch");
    forget(&args.storage);
    let ((catalog, contents), took) = timed(|| Catalog::open_reader(&args.storage, &scratch, &storage::key(args.sealed)).unwrap());
    let (mut items, mut rows) = (0, Vec::new());
    crate::read::rows(&catalog, |row| {
        if items % 997 == 0 && rows.len() < READS {
            rows.push(row.clone());
        }
        items += 1;
    });
    let mut content = Vec::new();
    for row in &rows {
        crate::read::whole(&contents, row, &mut content);
    }
    fs::remove_dir_all(&scratch).unwrap();
    json!({ "open_ms": millis(took), "listed": items, "read": rows.len() })
}

fn checked(args: &Care) -> Value {
    let scratch = beside(args, "scratch");
    let report = check(&args.storage, &scratch, &storage::key(args.sealed), CheckOptions::default(), &mut |_| ()).unwrap();
    let _ = fs::remove_dir_all(&scratch);
    assert!(report.damages.is_empty(), "{:?}", report.damages);
    json!({ "items": report.items, "chunks": report.chunks })
}

fn copied(args: &Care) -> Value {
    let dest = beside(args, "copy");
    let report = copy(&args.storage, &dest, &storage::key(args.sealed), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(report.complete && report.damages.is_empty(), "{report:?}");
    fs::remove_dir_all(&dest).unwrap();
    json!({ "copied_packs": report.packs, "copied_bytes": report.bytes })
}

fn delete(args: &Care) -> Value {
    let mut writer = storage::open(&args.storage, args.sealed);
    let catalog = writer.catalog();
    let mut deleted = 0;
    for mailbox in catalog.mailboxes().unwrap() {
        for folder in catalog.folders(mailbox.key, Moment::Latest).unwrap() {
            for (id, _) in catalog.live_ids(mailbox.key, folder.key, true).unwrap().into_iter().step_by(2) {
                deleted += u64::from(writer.delete_item(mailbox.key, &id).unwrap());
            }
        }
        let now = later(&writer, 1);
        writer.commit(now).unwrap();
    }
    json!({ "deleted": deleted })
}

fn mark(args: &Care) -> Value {
    let mut writer = storage::open(&args.storage, args.sealed);
    let now = later(&writer, 24 * 3600);
    let policy = RetentionPolicy { deleted_after: Some(TimeDelta::hours(1)), ..RetentionPolicy::default() };
    let plan = writer.catalog().retention_plan(&policy, now, false, &mut |_| ()).unwrap();
    json!({ "marked": writer.retention_mark(&plan, now).unwrap() })
}

/// Frees; if told so, ends as by a kill while packs are being made anew.
fn free(args: &Care) -> Value {
    let mut writer = storage::open(&args.storage, args.sealed);
    let now = later(&writer, 1);
    let mut run = writer.free_begin().unwrap();
    let (mut steps, mut longest) = (0, Duration::ZERO);
    loop {
        let (step, took) = timed(|| writer.free_step(&mut run, now).unwrap());
        steps += 1;
        longest = longest.max(took);
        if args.abort_after.is_some_and(|packs| run.report().packs_replaced >= packs) {
            std::process::abort();
        }
        if step == FreeStep::Done {
            break;
        }
    }
    let report = run.report();
    json!({
        "steps": steps, "longest_step_ms": millis(longest), "freed_versions": report.versions,
        "packs_replaced": report.packs_replaced, "packs_made": report.packs_made, "physical_freed": report.physical_freed,
    })
}

fn erase(args: &Care) -> Value {
    let mut writer = storage::open(&args.storage, args.sealed);
    let mailbox = writer.catalog().mailboxes().unwrap().remove(0).key;
    let now = later(&writer, 1);
    let mut run = writer.erase_begin(mailbox, "bench", now).unwrap();
    while writer.erase_step(&mut run, now).unwrap() == EraseStep::More {}
    json!({ "erased_packs": run.report().packs, "freed_bytes": run.report().freed_bytes })
}

fn rebuilt(args: &Care) -> Value {
    let report = rebuild(&args.storage, &storage::key(args.sealed), &mut |_| ()).unwrap();
    assert!(report.damages.is_empty(), "{:?}", report.damages);
    json!({ "records": report.records, "chunks": report.chunks })
}

/// Takes a storage out of the page cache.
fn forget(dir: &Path) {
    let files = files(dir);
    for file in &files {
        fs::File::open(file).unwrap().sync_data().unwrap();
    }
    evict(&files);
}

/// Returns a folder of the same file system.
fn beside(args: &Care, name: &str) -> PathBuf {
    let dir = args.storage.with_extension(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    dir
}

/// Returns a time after the last commit.
fn later(writer: &Writer, secs: i64) -> DateTime<Utc> {
    let catalog = writer.catalog();
    catalog.commit_time(catalog.head().unwrap()).unwrap().unwrap() + TimeDelta::seconds(secs)
}

fn millis(took: Duration) -> f64 {
    round(took.as_secs_f64() * 1e3)
}
