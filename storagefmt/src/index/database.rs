//! How the index's database is opened: one column family for each table, each with its own options.

use crate::Error;
use crate::format::row::Table;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompactionStyle, DBCompressionType, Options};
use std::path::Path;

/// Cache of data blocks in bytes, shared by all tables.
const CACHE_BYTES: usize = 64 << 20;
/// Write buffer in bytes of a table whose rows are many or large; also bounds what a secondary replays.
const LARGE_BUFFER_BYTES: usize = 4 << 20;
/// Write buffer in bytes of any other table.
const SMALL_BUFFER_BYTES: usize = 1 << 20;
/// All write buffers together in bytes.
const BUFFERS_BYTES_MAX: usize = 32 << 20;
/// A write buffer grows by this many bytes: most tables have a handful of rows in it.
const ARENA_BYTES: usize = 64 << 10;
/// All write-ahead logs in bytes: beyond this, RocksDB flushes, so that readers open quickly.
const WAL_BYTES_MAX: u64 = 32 << 20;
/// Bytes reserved on disk for the list of table files: 4 MiB by default, at each opening.
const MANIFEST_BYTES: usize = 64 << 10;
/// Bits of bloom filter for each key: about 1 % false answers.
const BLOOM_BITS: f64 = 10.0;
/// Part of a write buffer that is its own bloom filter.
const BUFFER_BLOOM_RATIO: f64 = 0.05;

/// Makes a new database.
pub(super) fn create(path: &Path) -> Result<DB, Error> {
    let mut options = options();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_error_if_exists(true);
    DB::open_cf_descriptors(&options, path, descriptors(Filters::Held)).map_err(Error::index("create"))
}

/// Opens a database for writing.
pub(super) fn open(path: &Path) -> Result<DB, Error> {
    DB::open_cf_descriptors(&options(), path, descriptors(Filters::Held)).map_err(Error::index("open"))
}

/// Opens a database for reading when nobody writes; writes nothing.
pub(super) fn open_read_only(path: &Path) -> Result<DB, Error> {
    DB::open_cf_descriptors_read_only(&options(), path, descriptors(Filters::Held), false).map_err(Error::index("open"))
}

/// Opens a database beside its writer.
pub(super) fn open_secondary(path: &Path, scratch: &Path) -> Result<DB, Error> {
    DB::open_cf_descriptors_as_secondary(&options(), path, scratch, descriptors(Filters::Cached)).map_err(Error::index("open"))
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_db_write_buffer_size(BUFFERS_BYTES_MAX);
    // A reader needs all files open, since the writer may remove them at any time.
    options.set_max_open_files(-1);
    options.set_keep_log_file_num(2);
    options.set_manifest_preallocation_size(MANIFEST_BYTES);
    options.set_max_background_jobs(2);
    // A log that is gone or cut off must be noticed: without it, tables are of different moments.
    options.set_track_and_verify_wals_in_manifest(true);
    // Opening reads the end of every file. One by one, a disk that was not asked lately takes five times as long; sixteen, the
    // default, would be begun for each table and each catch-up of a reader.
    options.set_max_file_opening_threads(4);
    options
}

/// Where the filters of table files are, and the blocks that say where others begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filters {
    /// In memory from the beginning, beside the cache: 2.3 bytes for each chunk. Who stores asks for every chunk there is.
    Held,
    /// In the cache like anything else. Who reads asks for little, and has memory for no more, however large the archive.
    Cached,
}

/// One description for each table. The plain opening calls would silently use defaults, without filter and cache.
fn descriptors(filters: Filters) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let family = |name: &str, options: Options| {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_bloom_filter(BLOOM_BITS, false);
        blocks.set_block_cache(&cache);
        blocks.set_cache_index_and_filter_blocks(filters == Filters::Cached);
        let mut options = options;
        options.set_block_based_table_factory(&blocks);
        options.set_arena_block_size(ARENA_BYTES);
        ColumnFamilyDescriptor::new(name, options)
    };
    let tables = Table::ALL.iter().map(|table| family(table.name(), table_options(*table)));
    // The largest write buffer decides how much of the disk is reserved for a log, so that of the unused family must not be.
    let mut unused = Options::default();
    unused.set_write_buffer_size(SMALL_BUFFER_BYTES);
    tables.chain([family("default", unused)]).collect()
}

fn table_options(table: Table) -> Options {
    let mut options = Options::default();
    // Frames of records are compressed already, and in a sealed storage cannot be.
    options.set_compression_type(if table == Table::Records { DBCompressionType::None } else { DBCompressionType::Zstd });
    let is_large = matches!(table, Table::Records | Table::Chunks | Table::ItemsLive | Table::ItemsPast | Table::ItemIds | Table::Recipes | Table::Changes);
    options.set_write_buffer_size(if is_large { LARGE_BUFFER_BYTES } else { SMALL_BUFFER_BYTES });
    if !is_large {
        // Keys that only grow would by levels stay in the small files in which they were flushed, thousands in the end, each to be
        // opened. What this takes instead, room for a second copy of the table for a while, is little for these.
        options.set_compaction_style(DBCompactionStyle::Universal);
    }
    // Most of what is looked up while storing is not there.
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(BUFFER_BLOOM_RATIO);
    options
}
