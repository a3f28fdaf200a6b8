//! What the index notes of packs: which there are, where their frames are, their records.

use super::apply::is_erased;
use super::decode;
use super::staged::Staged;
use super::unapply::unapply;
use crate::format::pack::{Directory, PackName};
use crate::format::row::{CommitRow, FrameRow, Key, KeyTake, PackRow, StateRow, Table};
use crate::{CommitSeq, Error, FrameKey, MailboxKey};
use std::collections::{HashMap, HashSet};

/// Rows looked at at once.
const PAGE_ROWS: usize = 4096;
/// Frames of records looked at at once: four megabytes at most.
const PAGE_FRAMES: usize = 64;

/// What the index notes of a pack.
pub(crate) struct PackFacts<'a> {
    /// Its name.
    pub(crate) name: PackName,
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// Its commits and frames.
    pub(crate) directory: &'a Directory,
    /// Header and stored bytes of its frames of records.
    pub(crate) records: &'a [(FrameKey, Vec<u8>)],
}

/// Notes a pack with new commits; they are visible once the batch is written.
///
/// The order of this and of [`apply`](super::apply::apply) does not matter. Where a whole pack is applied,
/// this comes first, so that records need not be held in memory besides.
pub(crate) fn commit(rows: &mut Staged, facts: &PackFacts) -> Result<(), Error> {
    for commit in &facts.directory.commits {
        rows.put(Table::Commits, Key::number(commit.seq.0), &CommitRow { time: commit.time });
        rows.put_bytes(Table::Times, Key::time(commit.time).u64(commit.seq.0), Vec::new());
    }
    put_pack(rows, facts)?;
    put_frames(rows, facts)?;
    let state = rows.state()?;
    rows.put(Table::State, Key::default(), &StateRow { head: state.head.max(facts.name.last.0), ..state });
    Ok(())
}

/// Notes a pack that took the place of others: `old` are the first commits of these.
///
/// Frames that the new pack does not have are forgotten with their records, and with them what they alone
/// said. Records that are not given stay as they were.
pub(crate) fn replace_packs(rows: &mut Staged, old: &[CommitSeq], facts: &PackFacts) -> Result<(), Error> {
    for first in old {
        forget_pack(rows, *first)?;
    }
    let state = rows.state()?;
    rows.put(Table::State, Key::default(), &StateRow { rewrites: state.rewrites + 1, ..state });
    put_pack(rows, facts)?;
    forget_records(rows, facts)?;
    drop_frames(rows, facts)?;
    put_frames(rows, facts)
}

/// Forgets what the records say that the new pack does not have.
fn forget_records(rows: &mut Staged, facts: &PackFacts) -> Result<(), Error> {
    let new: HashMap<FrameKey, &[u8]> = facts.records.iter().map(|(frame, bytes)| (*frame, bytes.as_slice())).collect();
    let kept: HashSet<FrameKey> = facts.directory.frames.iter().map(|entry| entry.header.key).collect();
    let mut start = Some(Key::number(facts.name.first.0).0);
    while let Some(from) = start {
        let page = rows.page(Table::Records, &Key::default(), &from, PAGE_FRAMES)?;
        start = page.next;
        for (key, old) in page.rows {
            let frame = KeyTake::new(&key).frame().ok_or(Error::IndexRow { table: Table::Records.name() })?;
            if frame.seq > facts.name.last {
                return Ok(());
            }
            let new = new.get(&frame).copied();
            // A frame that the pack has and that is not given stays as it was.
            if new.is_some() || !kept.contains(&frame) {
                unapply(rows, frame, old, new)?;
            }
        }
    }
    Ok(())
}

/// Notes a pack, or notes it again.
fn put_pack(rows: &mut Staged, facts: &PackFacts) -> Result<(), Error> {
    let PackName { first, last, generation, check } = facts.name;
    forget_pack(rows, first)?;
    rows.put(Table::Packs, Key::number(first.0), &PackRow { last: last.0, generation, check, bytes: facts.bytes, verified: None });
    let state = rows.state()?;
    rows.put(Table::State, Key::default(), &StateRow { packs: state.packs + 1, pack_bytes: state.pack_bytes + facts.bytes, ..state });
    Ok(())
}

fn forget_pack(rows: &mut Staged, first: CommitSeq) -> Result<(), Error> {
    let key = Key::number(first.0);
    let Some(row): Option<PackRow> = rows.row(Table::Packs, &key)? else { return Ok(()) };
    rows.delete(Table::Packs, key);
    let state = rows.state()?;
    let (packs, pack_bytes) = (state.packs.saturating_sub(1), state.pack_bytes.saturating_sub(row.bytes));
    rows.put(Table::State, Key::default(), &StateRow { packs, pack_bytes, ..state });
    Ok(())
}

fn put_frames(rows: &mut Staged, facts: &PackFacts) -> Result<(), Error> {
    let mut erased = HashMap::from([(0, false)]);
    let mut gone = HashSet::new();
    for entry in &facts.directory.frames {
        let (frame, mailbox) = (entry.header.key, entry.header.mailbox);
        let erased = match erased.get(&mailbox) {
            Some(erased) => *erased,
            None => *erased.entry(mailbox).or_insert(is_erased(rows, MailboxKey(mailbox))?),
        };
        if erased {
            gone.insert(frame);
        }
        rows.put(Table::Frames, Key::frame(frame), &FrameRow::from(entry));
    }
    for (frame, bytes) in facts.records.iter().filter(|(frame, _)| !gone.contains(frame)) {
        rows.put_bytes(Table::Records, Key::frame(*frame), bytes.clone());
    }
    Ok(())
}

/// Forgets the frames in the range of a pack that it does not have.
fn drop_frames(rows: &mut Staged, facts: &PackFacts) -> Result<(), Error> {
    let kept: HashSet<FrameKey> = facts.directory.frames.iter().map(|entry| entry.header.key).collect();
    let mut start = Some(Key::number(facts.name.first.0).0);
    while let Some(from) = start {
        let page = rows.page(Table::Frames, &Key::default(), &from, PAGE_ROWS)?;
        start = page.next;
        for (key, value) in page.rows {
            let frame = KeyTake::new(&key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
            if frame.seq > facts.name.last {
                return Ok(());
            }
            if !kept.contains(&frame) {
                rows.delete(Table::Frames, Key::frame(frame));
                if decode::<FrameRow>(Table::Frames, &value)?.is_records() {
                    rows.delete(Table::Records, Key::frame(frame));
                }
            }
        }
    }
    Ok(())
}
