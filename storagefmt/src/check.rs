//! Is everything there, and whole?
//!
//! Without `read_data`, everything but the blocks of contents is read and proven: headers, directories, records,
//! and that each version's contents lead to blocks that are where they should be. With it, every block is read,
//! unsealed and compared with its hash, and every content is put together and compared with its id.

mod blame;

use crate::catalog::Shared;
use crate::cut::BUFFER_BYTES;
use crate::format::pack::{FrameEntry, FrameKind};
use crate::format::recipe::{ChunkRef, RecipeRecord};
use crate::format::record::Record;
use crate::format::row::{FrameRow, Key, KeyTake, PackRow, Table, grant_key};
use crate::index::{decode, successor};
use crate::pack::frame::{decode_frame, split_frame};
use crate::pack::list::PackList;
use crate::pack::reader::{PackDamage, PackReader};
use crate::pack::records::decode_records;
use crate::seal::{SealError, Unlock};
use crate::store::{DirStore, Store};
use crate::writer::recover::known;
use crate::{Catalog, CommitSeq, ContentFile, ContentId, Contents, Error, FrameKey, ItemKey, MailboxKey, Place};
use blame::Blame;
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

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
pub fn check(dir: &Path, scratch: &Path, unlock: &Unlock, read_data: bool, progress: &mut dyn FnMut(CheckProgress)) -> Result<CheckReport, Error> {
    let (catalog, contents) = Catalog::open_reader(dir, scratch, unlock)?;
    let store = DirStore::new(dir);
    let mut check = Check { store: &store, catalog: &catalog, contents, read_data, blame: Blame::default(), report: CheckReport::default(), progress };
    match check.run() {
        Ok(()) => {}
        Err(err @ (Error::Index { .. } | Error::IndexRow { .. })) => drop(check.blame.note(format!("{err}{}", cause(&err)))),
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
        let packs = known(&self.shared().index())?;
        let list = PackList::read(self.store)?;
        for (first, row) in &packs {
            let name = row.name(*first);
            match list.of_commit(*first).filter(|pack| pack.file.name == name) {
                Some(pack) => self.pack(*first, row, &name, pack.file.bytes)?,
                None => self.blame.pack(*first, CommitSeq(row.last), format!("{name} is missing")),
            }
            self.report.packs += 1;
            (self.progress)(CheckProgress {
                packs: self.report.packs,
                packs_total: packs.len() as u64,
                bytes_read: self.report.bytes_read,
                damages: self.blame.damages.len() as u64,
            });
        }
        self.recipes()?;
        let (items, versions) = self.blame.items(self.catalog)?;
        (self.report.items, self.report.versions) = (items, versions);
        self.report.chunks = self.shared().index().state()?.chunks;
        Ok(())
    }

    fn shared(&self) -> Arc<Shared> {
        Arc::clone(self.catalog.shared())
    }

    /// Proves a pack's frames; notes the blocks that are lost.
    fn pack(&mut self, first: CommitSeq, row: &PackRow, name: &str, bytes: u64) -> Result<(), Error> {
        let mut pack = PackReader::open(self.store, name, bytes, self.shared().info().uuid)?;
        let mut whole = HashSet::new();
        for frame in pack.frames().to_vec() {
            let is_whole = match frame.header.kind {
                FrameKind::Block if self.read_data => self.block(&mut pack, &frame, name)?,
                FrameKind::Records => self.records(&mut pack, &frame)?,
                FrameKind::Block | FrameKind::Directory => true,
            };
            if is_whole {
                whole.insert(frame.header.key);
            }
        }
        let is_foreign = pack.is_foreign();
        let damages = pack.take_damages();
        for PackDamage { offset, reason } in &damages {
            self.blame.place(first, *offset, format!("{name} at byte {offset}: {reason}"));
        }
        if is_foreign {
            self.blame.pack(first, CommitSeq(row.last), format!("{name} is the pack of another storage or of other commits"));
        }
        self.lost(first, row, name, &whole)
    }

    /// Notes the blocks of a pack that are not whole.
    fn lost(&mut self, first: CommitSeq, row: &PackRow, name: &str, whole: &HashSet<FrameKey>) -> Result<(), Error> {
        let index = self.shared().index();
        let mut start = Key::number(first.0).0;
        loop {
            let rows = index.scan(Table::Frames, b"", &start, PAGE_ROWS)?;
            for (key, value) in &rows {
                let frame = KeyTake::new(key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
                if frame.seq.0 > row.last {
                    return Ok(());
                }
                let row: FrameRow = decode(Table::Frames, value)?;
                if row.is_block() && !whole.contains(&frame) {
                    self.blame.block(frame, first, row.offset, || format!("{name} at byte {}: a block of contents is lost", row.offset));
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE_ROWS => start = successor(key),
                _ => return Ok(()),
            }
        }
    }

    /// Reads a block, and compares it with its hash as far as its owner tells.
    fn block(&mut self, pack: &mut PackReader<'_>, frame: &FrameEntry, name: &str) -> Result<bool, Error> {
        let header = frame.header;
        self.report.bytes_read += u64::from(header.stored);
        let Some(stored) = pack.raw(frame)? else { return Ok(false) };
        let index = self.shared().index();
        let place: Option<Place> = index.row(Table::Grants, &grant_key(MailboxKey(header.mailbox), header.key))?;
        let record = place.map_or(Ok(None), |place| index.record(place))?;
        let hash = match record.as_deref() {
            Some(Record::Block(record)) => record.hash,
            // Its owner was erased, or never recorded it: nobody but those with a grant can tell.
            _ => return Ok(true),
        };
        let reason = match decode_frame(&header, stored, &self.shared().keys(), Some(&hash), None) {
            Ok(raw) if *blake3::hash(&raw).as_bytes() == hash => return Ok(true),
            Ok(_) => "its bytes are not those of its hash".to_owned(),
            Err(err) => format!("{err}{}", cause(&err)),
        };
        self.blame.block(header.key, header.key.seq, frame.offset, || format!("{name} at byte {}: {reason}", frame.offset));
        Ok(false)
    }

    /// Reads a frame of records. One whose mailbox was erased says nothing, which is no damage.
    fn records(&mut self, pack: &mut PackReader<'_>, frame: &FrameEntry) -> Result<bool, Error> {
        self.report.bytes_read += u64::from(frame.header.stored);
        match pack.records(frame, &self.shared().keys()) {
            Ok(records) => Ok(records.is_some()),
            Err(Error::Seal { err: SealError::KeyDestroyed { .. } }) => Ok(true),
            Err(err @ Error::Seal { .. }) => {
                self.blame.place(frame.header.key.seq, frame.offset, format!("records of frame {}: {err}{}", frame.header.key, cause(&err)));
                Ok(false)
            }
            Err(err) => Err(err),
        }
    }

    /// Follows every recipe to where its blocks should be; when data are read, puts each content together.
    fn recipes(&mut self) -> Result<(), Error> {
        let index = self.shared().index();
        let (mut start, mut buffer) = (Vec::new(), vec![0; BUFFER_BYTES * 4]);
        loop {
            // In the order in which contents were written, which is that in which they lie.
            let rows = index.scan(Table::Records, b"", &start, RECORDS_PAGE)?;
            for (_, value) in &rows {
                let (header, stored) = split_frame(value.clone()).map_err(|_| Error::IndexRow { table: Table::Records.name() })?;
                let raw = match decode_frame(&header, stored, &self.shared().keys(), None, None) {
                    Err(Error::Seal { err: SealError::KeyDestroyed { .. } }) => continue,
                    other => other?,
                };
                let records = decode_records(&raw).map_err(|_| Error::IndexRow { table: Table::Records.name() })?;
                for (number, record) in (0..).zip(records) {
                    if let Some(Record::Recipe(recipe)) = record {
                        self.content(MailboxKey(header.mailbox), Place { frame: header.key, index: number }, &recipe, &mut buffer)?;
                    }
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == RECORDS_PAGE => start = successor(key),
                _ => return Ok(()),
            }
        }
    }

    /// Looks at one content, unless a later recipe took the place of this one.
    fn content(&mut self, mailbox: MailboxKey, place: Place, recipe: &RecipeRecord, buffer: &mut [u8]) -> Result<(), Error> {
        let (index, id) = (self.shared().index(), ContentId(recipe.id));
        if index.row::<Place>(Table::Recipes, &index.content_key(mailbox, &id))? != Some(place) {
            return Ok(());
        }
        let blocks: BTreeSet<FrameKey> = recipe.chunks().map(ChunkRef::frame).collect();
        let keys: Vec<Vec<u8>> = blocks.iter().map(|block| Key::frame(*block).0).collect();
        for (block, row) in blocks.iter().zip(index.get_many(Table::Frames, &keys)?) {
            match row {
                Some(_) => self.blame.content_at(mailbox, id, *block),
                None => self.blame.content(mailbox, id, &format!("block {block} is not in the archive")),
            }
        }
        if self.blame.knows(mailbox, &id) {
            return Ok(());
        }
        match self.contents.open_recipe(mailbox, recipe).and_then(|file| if self.read_data { identify(&file, buffer) } else { Ok(id) }) {
            Ok(found) if found == id => {}
            Ok(found) => self.blame.content(mailbox, id, &format!("its bytes give {found}")),
            Err(err) => self.blame.content(mailbox, id, &format!("{err}{}", cause(&err))),
        }
        Ok(())
    }
}

/// Rows looked at at once.
const PAGE_ROWS: usize = 4096;
/// Frames of records looked at at once: two megabytes at most.
const RECORDS_PAGE: usize = 32;

fn identify(file: &ContentFile, buffer: &mut [u8]) -> Result<ContentId, Error> {
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
