//! Is everything there, and whole?
//!
//! Without `read_data`, everything but the blocks of contents is read and proven: headers, records,
//! tables, footers, and that each version's contents lead to chunks that are where they should be. With
//! it, every block is read and every content is put together and compared with its id.

mod blame;

use crate::catalog::Shared;
use crate::cut::BUFFER_BYTES;
use crate::format::pack::ChunkSpan;
use crate::format::recipe::RecipeRecord;
use crate::format::record::Record;
use crate::format::row::{ChunkPlace, CommitRow, KeyTake, Table};
use crate::index::decode;
use crate::pack::reader::{PackDamage, PackReader};
use crate::store::{DirStore, Store};
use crate::{Catalog, CommitSeq, ContentId, Contents, Error, ItemKey};
use blame::Blame;
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// How far a check has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckProgress {
    /// Packs looked at.
    pub packs: u64,
    /// Packs in all.
    pub packs_total: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// Damages found so far.
    pub damages: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Packs looked at.
    pub packs: u64,
    /// Items, deleted ones included.
    pub items: u64,
    /// Versions of items.
    pub versions: u64,
    /// Distinct chunks.
    pub chunks: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// What is not as it should be.
    pub damages: Vec<Damage>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File, offset and why.
    pub what: String,
    /// The items that it concerns.
    pub items: Vec<DamagedItem>,
}

/// An item that cannot be read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedItem {
    /// Its mailbox.
    pub mailbox: Address,
    /// The path of its folder, names as the source gave them, joined by `/`.
    pub folder: String,
    /// Its subject.
    pub subject: String,
    /// Its date, as the mount shows it.
    pub date: DateTime<Utc>,
    /// Its key.
    pub key: ItemKey,
}

/// Checks the storage at `dir` beside its writer, reading only. RocksDB's log file goes to `scratch`.
///
/// # Errors
/// When the storage cannot be opened at all; damage inside is in the report.
pub fn check(dir: &Path, scratch: &Path, read_data: bool, progress: &mut dyn FnMut(CheckProgress)) -> Result<CheckReport, Error> {
    let (catalog, contents) = Catalog::open_reader(dir, scratch)?;
    let mut check =
        Check { store: &DirStore::new(dir), catalog: &catalog, contents, read_data, blame: Blame::default(), report: CheckReport::default(), progress };
    match check.run() {
        Ok(()) => {}
        Err(err @ (Error::Index { .. } | Error::IndexRow { .. })) => check.blame.whole(format!("{err}{}", cause(&err))),
        Err(err) => return Err(err),
    }
    let Check { blame, mut report, .. } = check;
    report.damages = blame.damages;
    Ok(report)
}

struct Check<'a> {
    store: &'a dyn Store,
    catalog: &'a Catalog,
    contents: Contents,
    read_data: bool,
    blame: Blame,
    report: CheckReport,
    progress: &'a mut dyn FnMut(CheckProgress),
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let commits = self.commits()?;
        let packs = crate::writer::packs(Path::new("packs"), self.store)?;
        for (seq, row) in &commits {
            match packs.get(seq).filter(|entry| entry.name == row.pack) {
                None => self.blame.pack(*seq, format!("{} is missing", row.pack)),
                Some(entry) => self.pack(*seq, &entry.name, entry.bytes)?,
            }
            self.report.packs += 1;
            (self.progress)(CheckProgress {
                packs: self.report.packs,
                packs_total: commits.len() as u64,
                bytes_read: self.report.bytes_read,
                damages: self.blame.damages.len() as u64,
            });
        }
        self.recipes()?;
        if self.read_data {
            for (seq, row) in &commits {
                self.assemble(*seq, &row.pack, row.bytes)?;
            }
        }
        let (items, versions) = self.blame.items(self.catalog)?;
        (self.report.items, self.report.versions) = (items, versions);
        self.report.chunks = self.shared().index().state()?.chunks;
        Ok(())
    }

    fn shared(&self) -> &Shared {
        self.catalog.shared()
    }

    fn commits(&self) -> Result<BTreeMap<CommitSeq, CommitRow>, Error> {
        let rows = self.shared().index().scan_all(Table::Commits, b"")?;
        let row = |(key, value): &(Vec<u8>, Vec<u8>)| {
            let seq = KeyTake::new(key).u64().ok_or(Error::IndexRow { table: Table::Commits.name() })?;
            Ok((CommitSeq(seq), decode(Table::Commits, value)?))
        };
        rows.iter().map(row).collect()
    }

    /// Proves a pack's frames; notes the blocks that are lost.
    fn pack(&mut self, seq: CommitSeq, name: &str, bytes: u64) -> Result<(), Error> {
        let mut pack = PackReader::open(self.store, name, bytes, self.shared().info().uuid, seq)?;
        pack.records()?;
        let listed = pack.chunks()?;
        let tables: HashMap<u64, &[ChunkSpan]> = listed.iter().map(|block| (block.offset, block.chunks.as_slice())).collect();
        let mut found = HashSet::new();
        for frame in pack.blocks() {
            if !self.read_data || pack.block(frame)?.is_some_and(|chunks| tables.get(&frame.offset) == Some(&chunks.as_slice())) {
                found.insert(frame.offset);
            }
            self.report.bytes_read += if self.read_data { u64::from(frame.header.stored) } else { 0 };
        }
        let damages = pack.take_damages();
        let lost: Vec<u64> = listed.iter().map(|block| block.offset).filter(|offset| !found.contains(offset)).collect();
        let text = |damage: &PackDamage| format!("{name} at byte {}: {}", damage.offset, damage.reason);
        for damage in &damages {
            self.blame.block(seq, damage.offset, text(damage));
        }
        for offset in lost {
            self.blame.block(seq, offset, format!("{name} at byte {offset}: a block of contents is lost"));
        }
        if !damages.is_empty() {
            self.blame.only(seq, found);
        }
        if pack.is_foreign() {
            self.blame.pack(seq, format!("{name} is the pack of another storage or commit"));
        }
        Ok(())
    }

    /// Follows every recipe to where its chunks should be.
    fn recipes(&mut self) -> Result<(), Error> {
        let shared = std::sync::Arc::clone(self.catalog.shared());
        let mut start = Vec::new();
        loop {
            let rows = shared.index().scan(Table::Recipes, b"", &start, RECIPES_PAGE)?;
            for (_, value) in &rows {
                let recipe: RecipeRecord = decode(Table::Recipes, value)?;
                let id = ContentId(recipe.id);
                let recipe = match self.contents.expand(recipe.clone()) {
                    Ok(recipe) => recipe,
                    // The list is lost: which of its places is to blame shows below.
                    Err(Error::PackDamaged { .. }) => recipe,
                    Err(err) => {
                        self.blame.content(id, &err.to_string());
                        continue;
                    }
                };
                let keys: Vec<Vec<u8>> = recipe.chunks().map(|chunk| chunk.id.to_vec()).collect();
                for (chunk, place) in recipe.chunks().zip(shared.index().get_many(Table::Chunks, &keys)?) {
                    match place.as_deref().and_then(ChunkPlace::decode) {
                        Some(place) => self.blame.content_at(id, place.seq, place.block),
                        None => self.blame.content(id, &format!("chunk {} is not in the archive", chunk.chunk())),
                    }
                }
                if let Err(err) = self.contents.open_recipe(recipe)
                    && !self.blame.knows(&id)
                {
                    self.blame.content(id, &err.to_string());
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == RECIPES_PAGE => start = [key.as_slice(), &[0]].concat(),
                _ => return Ok(()),
            }
        }
    }

    /// Puts together every content that a pack brought, and compares it with its id.
    fn assemble(&mut self, seq: CommitSeq, name: &str, bytes: u64) -> Result<(), Error> {
        let Ok(mut pack) = PackReader::open(self.store, name, bytes, self.shared().info().uuid, seq) else { return Ok(()) };
        let mut buffer = vec![0; BUFFER_BYTES * 4];
        for record in pack.records()? {
            let Record::Recipe(recipe) = record else { continue };
            let id = ContentId(recipe.id);
            if self.blame.knows(&id) {
                continue;
            }
            match self.contents.open_recipe(recipe).and_then(|file| identify(&file, &mut buffer)) {
                Ok(found) if found == id => {}
                Ok(found) => self.blame.content(id, &format!("its bytes give {found}")),
                Err(err) => self.blame.content(id, &format!("{err}{}", cause(&err))),
            }
        }
        Ok(())
    }
}

/// Recipes read at once.
const RECIPES_PAGE: usize = 1024;

fn identify(file: &crate::ContentFile, buffer: &mut [u8]) -> Result<ContentId, Error> {
    let (mut hasher, mut offset) = (blake3::Hasher::new(), 0);
    while offset < file.len() {
        let n = file.read_at(offset, buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        offset += n as u64;
    }
    Ok(ContentId(*hasher.finalize().as_bytes()))
}

/// Returns the causes below an error, for a report that is only text.
fn cause(err: &dyn std::error::Error) -> String {
    std::iter::successors(err.source(), |err| err.source()).map(|err| format!(": {err}")).collect()
}
