//! Packs without what is damaged in them.

use super::{RepairProgress, RepairReport, quarantine};
use crate::check::{block_flaw, cause, said_of};
use crate::format::pack::{CommitEntry, FrameEntry, FrameHeader, FrameKind, PackHeader};
use crate::index::Index;
use crate::pack::frame::split_frame;
use crate::pack::list::{Found, PackList};
use crate::pack::reader::PackReader;
use crate::pack::rewrite::PackRewriter;
use crate::seal::{Keys, SealError};
use crate::store::Store;
use crate::writer::recover::{RecordFrame, known};
use crate::{CommitSeq, Error, FrameKey, MailboxKey, StorageInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whose records are lost.
#[derive(Default)]
pub(super) struct Lost {
    /// These mailboxes' (0: the storage's own).
    pub(super) mailboxes: BTreeSet<MailboxKey>,
    /// Nobody knows whose.
    pub(super) anybody: bool,
}

/// All packs of a storage, one after the other.
pub(super) struct Packs<'a> {
    store: &'a Arc<dyn Store>,
    info: &'a StorageInfo,
    keys: &'a Keys,
    index: &'a Index,
    report: &'a mut RepairReport,
    progress: &'a mut dyn FnMut(RepairProgress),
    lost: Lost,
}

/// A damaged pack: what is whole in its file.
#[derive(Default)]
struct Rest {
    generation: u32,
    commits: Vec<CommitEntry>,
    /// All frames that its directory lists, or the whole ones without a directory.
    listed: Vec<FrameEntry>,
    whole: Vec<FrameEntry>,
    reasons: Vec<String>,
}

impl<'a> Packs<'a> {
    pub(super) fn new(
        store: &'a Arc<dyn Store>,
        info: &'a StorageInfo,
        keys: &'a Keys,
        index: &'a Index,
        report: &'a mut RepairReport,
        progress: &'a mut dyn FnMut(RepairProgress),
    ) -> Self {
        Self { store, info, keys, index, report, progress, lost: Lost::default() }
    }

    /// Reads all packs, and writes those anew that are damaged or missing.
    pub(super) fn run(mut self) -> Result<Lost, Error> {
        let known = known(self.index)?;
        let is_known = |pack: &Found| known.get(&pack.name.first).is_some_and(|row| row.name(pack.name.first) == pack.file.name);
        let (list, losers, _) = PackList::read_all(self.store.as_ref(), &is_known)?;
        for pack in losers {
            quarantine(self.store.as_ref(), &pack.file.name, "it claims commits of another pack", self.report)?;
        }
        let generation = |first: CommitSeq, last: CommitSeq| known.range(first..=last).map(|(_, row)| row.generation).max().unwrap_or(0);
        let (mut at, total) = (CommitSeq(1), list.live.len() as u64);
        self.report.packs = 0;
        for pack in list.live.values() {
            if pack.name.first > at {
                let last = CommitSeq(pack.name.first.0 - 1);
                self.fill(at, last, generation(at, last))?;
            }
            self.pack(pack)?;
            at = CommitSeq(pack.name.last.0 + 1);
            self.report.packs += 1;
            (self.progress)(RepairProgress { packs: self.report.packs, packs_total: total, bytes_read: self.report.bytes_read });
        }
        let head = known.last_key_value().map_or(CommitSeq(0), |(_, row)| CommitSeq(row.last));
        if head >= at {
            self.fill(at, head, generation(at, head))?;
        }
        Ok(self.lost)
    }

    /// Makes a pack in place of those that are missing.
    fn fill(&mut self, first: CommitSeq, last: CommitSeq, generation: u32) -> Result<(), Error> {
        self.report.made.push(format!("a pack of commits {first} to {last}, from the index: it was missing"));
        self.rewrite(first, last, Rest { generation, ..Rest::default() }, None)
    }

    /// Reads a pack, and writes it anew if anything in it is damaged.
    fn pack(&mut self, pack: &Found) -> Result<(), Error> {
        let (name, path) = (pack.name, pack.file.name.as_str());
        let store = Arc::clone(self.store);
        let mut reader = PackReader::open(store.as_ref(), path, pack.file.bytes, self.info.uuid)?;
        let mut rest = Rest { generation: name.generation, commits: reader.listed_commits().to_vec(), listed: reader.frames().to_vec(), ..Rest::default() };
        let foreign = reader.is_foreign();
        rest.reasons.extend(reader.take_damages().into_iter().map(|damage| damage.reason));
        if foreign {
            (rest.commits, rest.listed) = (Vec::new(), Vec::new());
        }
        for frame in rest.listed.clone() {
            self.report.bytes_read += u64::from(frame.header.stored);
            match self.flaw(&mut reader, &frame)? {
                None => rest.whole.push(frame),
                Some(reason) => rest.reasons.push(format!("at byte {}: {reason}", frame.offset)),
            }
        }
        if rest.reasons.is_empty() {
            return Ok(());
        }
        if rest.commits.is_empty() && !foreign {
            rest.commits = reader.commits(self.keys).unwrap_or_default();
            reader.take_damages();
        }
        let reasons = rest.reasons.join("; ");
        self.rewrite(name.first, name.last, rest, Some(&mut reader))?;
        quarantine(store.as_ref(), path, &reasons, self.report)
    }

    /// Says what is wrong with a frame.
    fn flaw(&self, reader: &mut PackReader<'_>, frame: &FrameEntry) -> Result<Option<String>, Error> {
        if frame.header.kind == FrameKind::Block {
            return block_flaw(self.index, self.keys, reader, frame);
        }
        Ok(match reader.records(frame, self.keys) {
            Ok(Some(_)) | Err(Error::Seal { err: SealError::KeyDestroyed { .. } }) => None,
            Ok(None) => Some(reader.take_damages().into_iter().map(|damage| damage.reason).collect::<Vec<_>>().join(", ")),
            Err(err @ Error::Seal { .. }) => Some(format!("{err}{}", cause(&err))),
            Err(err) => return Err(err),
        })
    }

    /// Writes what is whole as a pack of the next generation, with what the index has of the rest.
    fn rewrite(&mut self, first: CommitSeq, last: CommitSeq, rest: Rest, reader: Option<&mut PackReader<'_>>) -> Result<(), Error> {
        let said = said_of(self.index, first, last)?;
        let mut kept: BTreeMap<FrameKey, RecordFrame> = said.frames.into_iter().map(|frame| (frame.entry.header.key, frame)).collect();
        let whole: BTreeSet<FrameKey> = rest.whole.iter().map(|frame| frame.header.key).collect();
        let gone = rest.listed.iter().chain(&said.directory.frames).filter(|frame| {
            let key = frame.header.key;
            frame.header.kind == FrameKind::Records && !whole.contains(&key) && !kept.contains_key(&key)
        });
        self.lost.mailboxes.extend(gone.map(|frame| MailboxKey(frame.header.mailbox)));
        let commits = commits(first, last, &rest, &said.directory.commits, self.info);
        // Without a directory, only the index says what there was.
        if reader.as_ref().is_none_or(|reader| reader.is_salvaged()) {
            let listed = rest.listed.iter().chain(&said.directory.frames).map(|frame| frame.header.key);
            self.lost.anybody |= has_gaps(first, last, rest.generation, &said.directory.commits, listed);
        }
        let header = PackHeader { storage: self.info.uuid, first, last, generation: rest.generation };
        let mut pack = PackRewriter::new(Arc::clone(self.store), self.info.uuid, &[(header, commits)], self.keys.clone())?;
        if let Some(reader) = reader {
            for frame in &rest.whole {
                if let Some(stored) = reader.raw(frame)? {
                    pack.copy(&frame.header, &stored)?;
                }
            }
        }
        kept.retain(|key, _| !whole.contains(key));
        for frame in kept.into_values() {
            let (header, stored): (FrameHeader, Vec<u8>) =
                split_frame(frame.bytes().1).map_err(|reason| Error::FrameDamaged { frame: frame.entry.header.key, reason })?;
            pack.copy(&header, &stored)?;
        }
        pack.finish()?;
        Ok(())
    }
}

/// Returns whether there may have been frames in a range of commits that are not listed.
fn has_gaps(first: CommitSeq, last: CommitSeq, generation: u32, said: &[CommitEntry], listed: impl Iterator<Item = FrameKey>) -> bool {
    let mut numbers = BTreeMap::<CommitSeq, BTreeSet<u32>>::new();
    for frame in listed {
        numbers.entry(frame.seq).or_default().insert(frame.n);
    }
    // A pack as a commit wrote it has all numbers.
    let has_holes = |numbers: &BTreeSet<u32>| numbers.last().is_some_and(|last| *last as usize + 1 != numbers.len());
    let unsaid = (first.0..=last.0).any(|seq| !said.iter().any(|commit| commit.seq.0 == seq));
    unsaid || generation == 0 && numbers.values().any(has_holes)
}

/// Returns the commits of a range: a commit of which nothing tells has the time of the one before.
fn commits(first: CommitSeq, last: CommitSeq, rest: &Rest, said: &[CommitEntry], info: &StorageInfo) -> Vec<CommitEntry> {
    let mut commits = Vec::new();
    let mut time = crate::format::micros(info.created);
    for seq in first.0..=last.0 {
        let told = |commits: &[CommitEntry]| commits.iter().find(|commit| commit.seq.0 == seq).copied();
        let (one, other) = (told(said), told(&rest.commits));
        time = one.or(other).map_or(time, |commit| commit.time);
        let frames = one.map_or(0, |commit| commit.frames).max(other.map_or(0, |commit| commit.frames));
        commits.push(CommitEntry { seq: CommitSeq(seq), time, frames });
    }
    commits
}
