//! The archive on a whole organisation's mail, in one process for each measurement.
//!
//! `make bench` runs it beside other programs; alone: `organisation first --corpus DIR --storage DIR`.
//! Each run prints one line of JSON: wall clock and CPU of the work itself, peak memory of the process,
//! bytes on disk by kind. Files come from the page cache or the disk, as they are: whoever compares
//! reads them once before.
//!
//! Without arguments (as `cargo test --all-targets` runs it) it does nothing.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod care;
mod cold;
mod corpus;
mod feed;
mod large;
mod measure;
mod read;
mod scale;
mod shared;
mod source;
mod storage;

use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Measures the archive on an organisation's mail.
#[derive(Parser)]
struct Command {
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Subcommand)]
enum Mode {
    /// Store the corpus into a new storage
    First(Feed),
    /// Ask about every item of the corpus; store what is new or changed, delete what is gone
    Again(Feed),
    /// Read every item back, whole
    ReadAll(Read),
    /// Read small items one by one, nothing of the packs in the page cache
    Cold(Cold),
    /// Store one attachment in many mailboxes
    Shared(Shared),
    /// Store many tiny chunks, generated
    Scale(Scale),
    /// Open, list and look up in a storage that `scale` made
    ScaleOpen(Scale),
    /// Do to a storage what is done to one in its life
    Care(Care),
    /// Store one large message, and read it
    LargeItem(Large),
    /// Fill a folder, and delete it
    LargeFolder(Large),
}

/// What to store where.
#[derive(Args)]
struct Feed {
    /// Folder whose folders are mailboxes
    #[arg(long)]
    corpus: PathBuf,
    /// The storage
    #[arg(long)]
    storage: PathBuf,
    /// Seal the storage
    #[arg(long)]
    sealed: bool,
}

/// What to read.
#[derive(Args)]
struct Read {
    /// The storage
    #[arg(long)]
    storage: PathBuf,
    /// Compare every item with its file below this folder
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// The storage is sealed
    #[arg(long)]
    sealed: bool,
}

/// What to read in random order.
#[derive(Args)]
struct Cold {
    /// The storage
    #[arg(long)]
    storage: PathBuf,
    /// How many items
    #[arg(long, default_value_t = 1000)]
    reads: usize,
    /// Items of at most this many bytes
    #[arg(long, default_value_t = 64 << 10)]
    bytes_max: u64,
    /// The storage is sealed
    #[arg(long)]
    sealed: bool,
}

/// One attachment, many mailboxes.
#[derive(Args)]
struct Shared {
    /// The storage
    #[arg(long)]
    storage: PathBuf,
    /// How many mailboxes
    #[arg(long, default_value_t = 100)]
    mailboxes: u32,
    /// The attachment's size in bytes
    #[arg(long, default_value_t = 10 << 20)]
    bytes: usize,
    /// Seal the storage
    #[arg(long)]
    sealed: bool,
}

/// How much to generate.
#[derive(Args)]
struct Scale {
    /// The storage
    #[arg(long)]
    storage: PathBuf,
    /// How many items
    #[arg(long, default_value_t = 1_000_000)]
    items: u32,
    /// Chunks of each item
    #[arg(long, default_value_t = 10)]
    chunks: u32,
    /// Seal the storage
    #[arg(long)]
    sealed: bool,
}

/// What to do to which storage.
#[derive(Args)]
struct Care {
    /// The storage
    #[arg(long)]
    storage: PathBuf,
    /// What to do
    #[arg(long)]
    op: care::Op,
    /// End by a signal after so many packs were freed
    #[arg(long)]
    abort_after: Option<u64>,
    /// The storage is sealed
    #[arg(long)]
    sealed: bool,
}

/// How large.
#[derive(Args)]
struct Large {
    /// The storage
    #[arg(long)]
    storage: PathBuf,
    /// The attachment's size in bytes, encoded
    #[arg(long, default_value_t = 1 << 30)]
    bytes: usize,
    /// The folder's items
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// Seal the storage
    #[arg(long)]
    sealed: bool,
}

fn main() {
    // `cargo bench` adds an argument of its own.
    let Some(mode) = Command::parse_from(std::env::args().filter(|argument| argument != "--bench")).mode else { return };
    let (name, storage, figures) = match mode {
        Mode::First(args) => ("first", args.storage.clone(), feed::first(&args)),
        Mode::Again(args) => ("again", args.storage.clone(), feed::again(&args)),
        Mode::ReadAll(args) => ("read-all", args.storage.clone(), read::all(&args)),
        Mode::Cold(args) => ("cold", args.storage.clone(), cold::reads(&args)),
        Mode::Shared(args) => ("shared", args.storage.clone(), shared::attachment(&args)),
        Mode::Scale(args) => ("scale", args.storage.clone(), scale::fill(&args)),
        Mode::ScaleOpen(args) => ("scale-open", args.storage.clone(), scale::open(&args)),
        Mode::Care(args) => ("care", args.storage.clone(), care::run(&args)),
        Mode::LargeItem(args) => ("large-item", args.storage.clone(), large::item(&args)),
        Mode::LargeFolder(args) => ("large-folder", args.storage.clone(), large::folder(&args)),
    };
    let mut line = Map::from_iter([("mode".to_owned(), Value::from(name)), ("rss_mb".to_owned(), Value::from(measure::peak_mb()))]);
    line.extend(figures);
    line.extend(measure::on_disk(&storage));
    print(&Value::Object(line));
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn print(line: &Value) {
    println!("{line}");
}
