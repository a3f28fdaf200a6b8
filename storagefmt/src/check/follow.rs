//! The scratch index: a replay of the packs that follows the storage's own while a writer works.
//!
//! What a damaged or missing pack does not say any more is taken from the storage's index, so that one damage is not found
//! again in everything that was built on it.

use super::{Check, is_gone};
use crate::erase::note_absent;
use crate::format::pack::{Codec, CommitEntry, Directory, FrameEntry, FrameHeader, FrameKind, PackName, parse_name};
use crate::format::row::{CommitRow, FrameRow, Key, KeyTake, Table};
use crate::index::commit::{PackFacts, commit, replace_packs};
use crate::index::{Index, decode};
use crate::pack::list::PackList;
use crate::pack::reader::PackReader;
use crate::rebuild::make_up_folders;
use crate::writer::recover::{RecordFrame, known, record_frames};
use crate::{CommitSeq, Error, FrameKey, SealError};
use std::collections::{BTreeMap, BTreeSet};

/// Rows looked at at once.
const PAGE_ROWS: usize = 4096;

/// What a pack says: from its file, or where that is damaged from the storage's index.
pub(crate) struct Said {
    pub(crate) directory: Directory,
    pub(crate) frames: Vec<RecordFrame>,
}

impl Check<'_> {
    /// Brings the scratch index to what the storage's own says that there is; without one, to what is there.
    pub(super) fn follow(&mut self) -> Result<(), Error> {
        let mut looked = false;
        'again: loop {
            let wanted = self.wanted(looked)?;
            let held = known(self.rows.index())?;
            let news: Vec<PackName> = wanted.into_iter().filter(|name| held.get(&name.first).is_none_or(|row| row.name(name.first) != text(name))).collect();
            self.tell(0, news.len() as u64);
            for (number, name) in (0..).zip(&news) {
                if !self.take_in(name)? {
                    // It was rewritten, or the index was made anew.
                    self.look_again()?;
                    self.tell(0, 0u64.wrapping_sub(news.len() as u64 - number));
                    continue 'again;
                }
                self.tell(1, 0);
            }
            if news.is_empty() {
                break;
            }
            looked = true;
        }
        make_up_folders(&mut self.rows)?;
        // As a rebuild does, which this is compared with.
        note_absent(&mut self.rows, None)
    }

    /// Returns the packs that there should be, by their first commits.
    fn wanted(&mut self, looked: bool) -> Result<Vec<PackName>, Error> {
        if let Some(known) = self.ask(known)? {
            let name = |(first, row): (CommitSeq, crate::format::row::PackRow)| PackName {
                first,
                last: CommitSeq(row.last),
                generation: row.generation,
                check: row.check,
            };
            let wanted: Vec<PackName> = known.into_iter().map(name).collect();
            if !looked {
                self.unlisted(&wanted)?;
            }
            return Ok(wanted);
        }
        let (list, twice, _) = PackList::read_all(self.store, &|_| false)?;
        for pack in twice.iter().filter(|_| !looked) {
            self.blame.note(format!("{} claims commits of another pack", pack.file.name));
        }
        Ok(list.live.into_values().map(|pack| pack.name).collect())
    }

    /// Names files among the packs that the index does not know.
    fn unlisted(&mut self, wanted: &[PackName]) -> Result<(), Error> {
        let names: BTreeSet<String> = wanted.iter().map(text).collect();
        let (list, twice, strangers) = PackList::read_all(self.store, &|pack| names.contains(&pack.file.name))?;
        for pack in twice {
            self.blame.note(format!("{} claims commits of another pack", pack.file.name));
        }
        let head = wanted.last().map_or(0, |name| name.last.0);
        for pack in list.live.values().filter(|pack| !names.contains(&pack.file.name)) {
            let replaces = wanted.iter().any(|name| pack.name.generation > name.generation && pack.name.first <= name.first && name.last <= pack.name.last);
            if pack.name.first.0 > head || replaces {
                // A moment ago, or before a crash.
                self.report.notes.push(format!("{} is not in the index yet: the writer takes it in", pack.file.name));
            } else {
                self.blame.note(format!("{} is not in the index: run `storage rebuild`", pack.file.name));
            }
        }
        self.report.notes.extend(strangers.into_iter().map(|name| format!("{name} is no pack of ours")));
        Ok(())
    }

    /// Proves a pack and takes it into the scratch index; `false` when it is there no more, and not wanted any more either.
    fn take_in(&mut self, name: &PackName) -> Result<bool, Error> {
        let path = text(name);
        let said = match self.read_pack(name, &path) {
            Err(err) if is_gone(&err) => {
                if !self.is_wanted_still(name)? {
                    return Ok(false);
                }
                self.damaged.insert(name.first);
                self.blame.pack(name.first, name.last, format!("{path} is missing: put it back, or run `storage repair` to go on without it"));
                self.said_of(name)?
            }
            other => other?,
        };
        let Said { directory, frames } = said;
        let state = self.rows.state()?;
        if name.first.0 > state.head + 1 {
            self.blame.note(format!("commits {} to {} are missing", state.head + 1, name.first.0 - 1));
        }
        let records: Vec<(FrameKey, Vec<u8>)> = frames.iter().map(RecordFrame::bytes).collect();
        let bytes = self.store.len(&path).map_err(Error::file("read", &path))?.unwrap_or(0);
        let listed = self.ask(|live| live.pack_of(name.first))?.flatten();
        let bytes = listed.map_or(bytes, |(_, row)| row.bytes);
        let facts = PackFacts { name: *name, bytes, directory: &directory, records: &records };
        let old: Vec<CommitSeq> = known_between(self.rows.index(), name.first, name.last)?;
        if !old.is_empty() {
            replace_packs(&mut self.rows, &old, &facts)?;
        }
        if name.last.0 > state.head {
            commit(&mut self.rows, &facts)?;
            for frame in frames.into_iter().filter(|frame| frame.entry.header.key.seq.0 > state.head) {
                let (offset, key) = (frame.entry.offset, frame.entry.header.key);
                if let Err(reason) = frame.apply(&mut self.rows, self.keys)? {
                    self.damaged.insert(name.first);
                    self.blame.place(name.first, offset, format!("{path} at byte {offset}: records of frame {key}: {reason}"));
                }
            }
        }
        self.rows.write()?;
        Ok(true)
    }

    /// Looks again whether the storage still has a pack that is not there.
    fn is_wanted_still(&mut self, name: &PackName) -> Result<bool, Error> {
        self.look_again()?;
        let row = self.ask(|live| live.pack_of(name.first))?;
        Ok(row.flatten().is_some_and(|(first, row)| row.name(first) == text(name)))
    }

    /// Proves all of a pack but its blocks, and returns what it says.
    fn read_pack(&mut self, name: &PackName, path: &str) -> Result<Said, Error> {
        let gone = || Error::file("read", path)(std::io::ErrorKind::NotFound.into());
        let bytes = self.store.len(path).map_err(Error::file("read", path))?.ok_or_else(gone)?;
        let mut pack = PackReader::open(self.store, path, bytes, self.info.uuid)?;
        let foreign = pack.is_foreign();
        let frames = record_frames(&mut pack)?;
        self.report.bytes_read += frames.iter().map(|frame| u64::from(frame.entry.header.stored)).sum::<u64>();
        let commits = match pack.commits(self.keys) {
            Err(Error::Seal { err: SealError::NotAuthentic }) => Vec::new(),
            other => other?,
        };
        let damages = pack.take_damages();
        let directory = Directory { commits, frames: pack.frames().to_vec() };
        let listed = self.ask(|live| live.pack_of(name.first))?.flatten().map(|(_, row)| row.bytes);
        let other_length = listed.is_some_and(|listed| listed != bytes);
        if damages.is_empty() && !other_length {
            return Ok(Said { directory, frames });
        }
        self.damaged.insert(name.first);
        for damage in &damages {
            self.blame.place(name.first, damage.offset, format!("{path} at byte {}: {}", damage.offset, damage.reason));
        }
        if damages.is_empty() {
            self.blame.note(format!("{path} has {bytes} bytes, not those of the index"));
        }
        let whole: BTreeSet<FrameKey> = if foreign { BTreeSet::new() } else { directory.frames.iter().map(|frame| frame.header.key).collect() };
        let said = if self.live.is_some() { self.said_of(name)? } else { Said { directory: if foreign { Directory::default() } else { directory }, frames } };
        for frame in said.directory.frames.iter().filter(|frame| frame.header.kind == FrameKind::Block && !whole.contains(&frame.header.key)) {
            let what = || format!("{path} at byte {}: a block of contents is lost", frame.offset);
            self.blame.block(frame.header.key, name.first, frame.offset, what);
        }
        Ok(said)
    }

    /// Returns what the storage's index says of a pack.
    fn said_of(&mut self, name: &PackName) -> Result<Said, Error> {
        let said = self.ask(|live| said_of(live, name.first, name.last))?;
        Ok(said.unwrap_or_else(|| Said { directory: Directory::default(), frames: Vec::new() }))
    }
}

/// Returns what an index says of a range of commits. Nonces and checksums are not among it.
pub(crate) fn said_of(index: &Index, first: CommitSeq, last: CommitSeq) -> Result<Said, Error> {
    let mut commits = BTreeMap::new();
    for (key, value) in rows_between(index, Table::Commits, first, last)? {
        let seq = KeyTake::new(&key).u64().map(CommitSeq).ok_or(Error::IndexRow { table: Table::Commits.name() })?;
        let row: CommitRow = decode(Table::Commits, &value)?;
        commits.insert(seq, CommitEntry { seq, time: row.time, frames: 0 });
    }
    let (mut entries, mut frames) = (Vec::new(), Vec::new());
    for (key, value) in rows_between(index, Table::Frames, first, last)? {
        let key = KeyTake::new(&key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
        let row: FrameRow = decode(Table::Frames, &value)?;
        let kind = if row.is_block() { FrameKind::Block } else { FrameKind::Records };
        let (codec, nonce, checksum) = (Codec::Raw, [0; 12], [0; 16]);
        let header = FrameHeader { kind, codec, keygen: row.keygen, mailbox: row.mailbox, key, stored: row.stored, raw: row.raw, nonce, checksum };
        entries.push(FrameEntry { offset: row.offset, header });
        if let Some(commit) = commits.get_mut(&key.seq) {
            commit.frames = commit.frames.max(key.n + 1);
        }
        if kind == FrameKind::Records
            && let Some(bytes) = index.get(Table::Records, &Key::frame(key).0)?
        {
            frames.extend(RecordFrame::kept(bytes).ok().filter(|frame| frame.entry.header.key == key));
        }
    }
    Ok(Said { directory: Directory { commits: commits.into_values().collect(), frames: entries }, frames })
}

/// Returns the rows of a table whose keys begin with a commit of a range.
fn rows_between(index: &Index, table: Table, first: CommitSeq, last: CommitSeq) -> Result<Vec<crate::index::Row>, Error> {
    let (mut rows, mut start) = (Vec::new(), Key::number(first.0).0);
    loop {
        let page = index.scan(table, b"", &start, PAGE_ROWS)?;
        let is_last = page.len() < PAGE_ROWS;
        for (key, value) in page {
            if KeyTake::new(&key).u64().is_none_or(|seq| seq > last.0) {
                return Ok(rows);
            }
            start = crate::index::successor(&key);
            rows.push((key, value));
        }
        if is_last {
            return Ok(rows);
        }
    }
}

fn known_between(index: &Index, first: CommitSeq, last: CommitSeq) -> Result<Vec<CommitSeq>, Error> {
    let rows = rows_between(index, Table::Packs, first, last)?;
    Ok(rows.iter().filter_map(|(key, _)| KeyTake::new(key).u64().map(CommitSeq)).collect())
}

/// Returns the name of a pack.
pub(super) fn text(name: &PackName) -> String {
    crate::format::pack::name(name.first, name.last, name.generation, name.check)
}

/// Returns what a pack's name says, for one that the index gave.
pub(super) fn named(path: &str) -> Result<PackName, Error> {
    parse_name(path).ok_or(Error::IndexRow { table: Table::Packs.name() })
}
