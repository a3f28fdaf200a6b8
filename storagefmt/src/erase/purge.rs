//! Taking a mailbox whose erasure is recorded out of every file.

use super::{EraseReport, Erased, erased_mailboxes};
use crate::format::pack::FrameKind;
use crate::format::record::Record;
use crate::format::row::{ChunkRow, FrameRow, Key, KeyTake, MailboxRowValue, StateRow, Table};
use crate::index::staged::Staged;
use crate::index::{decode, successor};
use crate::layout::{INDEX_NEW, INDEX_OLD, QUARANTINE};
use crate::replace::{Damaged, Fate, replace_pack};
use crate::{CommitSeq, Error, FrameKey, MailboxKey, Writer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::sync::Arc;

/// Rows looked at in a step: about a tenth of a second.
const STEP_ROWS: usize = 50_000;
/// Rows read at once.
const PAGE_ROWS: usize = 4096;

/// Taking it out.
pub(super) struct Purge {
    mailbox: MailboxKey,
    doomed: BTreeSet<FrameKey>,
    stage: Stage,
}

enum Stage {
    /// The packs from the one on that has this commit.
    Packs(CommitSeq),
    /// Rows of chunks from this key on.
    Chunks(Vec<u8>),
    /// What lies beside packs and index.
    Leftovers,
    /// Tables from this one on.
    Tables(usize),
    /// The note that it is done.
    Note,
}

impl Purge {
    /// Begins; `doomed` are the blocks that go.
    pub(super) fn new(mailbox: MailboxKey, doomed: BTreeSet<FrameKey>) -> Self {
        Self { mailbox, doomed, stage: Stage::Packs(CommitSeq(1)) }
    }

    /// Returns how many commits' packs were looked at; `None` once all were.
    pub(super) fn commits(&self) -> Option<u64> {
        match &self.stage {
            Stage::Packs(from) => Some(from.0.saturating_sub(1)),
            _ => None,
        }
    }

    /// Does a part; `true` when it was the last. A part that failed is done again.
    pub(super) fn step(&mut self, writer: &mut Writer, report: &mut EraseReport) -> Result<bool, Error> {
        self.stage = match &self.stage {
            Stage::Packs(from) => match self.packs(*from, writer, report)? {
                Some(from) => Stage::Packs(from),
                None => Stage::Chunks(Vec::new()),
            },
            Stage::Chunks(start) => match forget_chunks(writer, start)? {
                Some(start) => Stage::Chunks(start),
                None => Stage::Leftovers,
            },
            Stage::Leftovers => {
                report.quarantined += leftovers(writer)?;
                Stage::Tables(0)
            }
            Stage::Tables(number) => match Table::ALL.get(*number) {
                Some(table) => {
                    writer.shared().index().compact(*table)?;
                    Stage::Tables(number + 1)
                }
                None => Stage::Note,
            },
            Stage::Note => {
                note_purged(writer, self.mailbox)?;
                return Ok(true);
            }
        };
        Ok(false)
    }

    /// Writes the next pack anew that has something to go; returns where to go on.
    fn packs(&self, mut from: CommitSeq, writer: &mut Writer, report: &mut EraseReport) -> Result<Option<CommitSeq>, Error> {
        let index = writer.shared().index();
        let mut rows = 0;
        while rows < STEP_ROWS {
            // The pack that has the commit, which may have been joined with others since the last step.
            let Some((first, row)) = index.pack_of(from)? else {
                let head = index.state()?.head;
                if from.0 > head {
                    return Ok(None);
                }
                return Err(Error::PackMissing { seq: from });
            };
            from = CommitSeq(row.last + 1);
            let (looked, found) = self.is_in(&index, first, CommitSeq(row.last))?;
            rows += looked;
            if found {
                let replaced = replace_pack(writer, first, &row, Damaged::Leave, &mut |header| Ok(self.fate(header.kind, header.mailbox, header.key)))?;
                report.packs += 1;
                report.freed_bytes += replaced.bytes_before.saturating_sub(replaced.bytes_after);
                report.damaged_frames += replaced.damaged.len() as u64;
                break;
            }
        }
        Ok(Some(from))
    }

    /// Returns whether a pack has something to go, and how many rows had to be looked at.
    fn is_in(&self, index: &crate::index::Index, first: CommitSeq, last: CommitSeq) -> Result<(usize, bool), Error> {
        let (mut start, mut looked) = (Key::number(first.0).0, 0);
        loop {
            let rows = index.scan(Table::Frames, b"", &start, PAGE_ROWS)?;
            for (key, value) in &rows {
                looked += 1;
                let frame = KeyTake::new(key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
                if frame.seq > last {
                    return Ok((looked, false));
                }
                let row: FrameRow = decode(Table::Frames, value)?;
                let kind = if row.is_records() { FrameKind::Records } else { FrameKind::Block };
                if self.fate(kind, row.mailbox, frame) == Fate::Drop {
                    return Ok((looked, true));
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE_ROWS => start = successor(key),
                _ => return Ok((looked, false)),
            }
        }
    }

    fn fate(&self, kind: FrameKind, mailbox: u32, frame: FrameKey) -> Fate {
        let goes = match kind {
            FrameKind::Records => mailbox == self.mailbox.0,
            FrameKind::Block => self.doomed.contains(&frame),
            FrameKind::Directory => false,
        };
        if goes { Fate::Drop } else { Fate::Keep }
    }
}

/// Forgets chunks whose block is gone, or was an erased mailbox's, so that nobody can grant it any more; returns where to go on.
fn forget_chunks(writer: &mut Writer, start: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let index = writer.shared().index();
    let rows = index.scan(Table::Chunks, b"", start, STEP_ROWS)?;
    // The records of these blocks are there still, in the streams of their owners, and a rebuild gives the rows again.
    let (mut recorded, mut erased) = (BTreeSet::new(), BTreeSet::new());
    for Erased { mailbox, .. } in erased_mailboxes(writer)? {
        erased.insert(mailbox.0);
        let blocks = writer.erasure_of(mailbox)?.map_or_else(Vec::new, |record| record.blocks);
        recorded.extend(blocks.iter().map(|(seq, n)| FrameKey::new(CommitSeq(*seq), *n)));
    }
    let (mut staged, mut known, mut forgotten) = (Staged::new(Arc::clone(&index)), HashMap::new(), 0);
    for (key, value) in &rows {
        let block = decode::<ChunkRow>(Table::Chunks, value)?.frame();
        let is_there = match known.get(&block) {
            Some(is_there) => *is_there,
            None => *known.entry(block).or_insert(index.frame(block)?.is_some_and(|frame| !erased.contains(&frame.mailbox))),
        };
        if !is_there && !recorded.contains(&block) {
            staged.delete(Table::Chunks, Key(key.clone()));
            forgotten += 1;
        }
    }
    if forgotten > 0 {
        let state = index.state()?;
        staged.put(Table::State, Key::default(), &StateRow { chunks: state.chunks.saturating_sub(forgotten), ..state });
        staged.write()?;
    }
    Ok(rows.last().filter(|_| rows.len() == STEP_ROWS).map(|(key, _)| successor(key)))
}

/// Deletes what a repair or an interrupted rebuild set aside: nobody knows what of whom is in it.
fn leftovers(writer: &Writer) -> Result<u64, Error> {
    let store = writer.store();
    let files = store.list(QUARANTINE).map_err(Error::file("list", QUARANTINE))?;
    for file in &files {
        store.delete(&file.name).and_then(|()| store.sync(&file.name)).map_err(Error::file("delete", &file.name))?;
    }
    for folder in [INDEX_NEW, INDEX_OLD] {
        let path = writer.shared().dir().join(folder);
        match fs::remove_dir_all(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(Error::file("remove", path))?,
        }
    }
    Ok(files.len() as u64)
}

/// Notes that nothing of the mailbox is left in packs and index.
fn note_purged(writer: &Writer, mailbox: MailboxKey) -> Result<(), Error> {
    let index = writer.shared().index();
    let mut staged = Staged::new(Arc::clone(&index));
    note(&mut staged, mailbox)?;
    staged.write()?;
    index.flush()
}

fn note(rows: &mut Staged, mailbox: MailboxKey) -> Result<(), Error> {
    if let Some(row) = rows.row::<MailboxRowValue>(Table::Mailboxes, &Key::mailbox(mailbox))? {
        rows.put(Table::Mailboxes, Key::mailbox(mailbox), &MailboxRowValue { purged: true, ..row });
    }
    Ok(())
}

/// For an index that was made anew: notes which erased mailboxes packs hold nothing of, so that the index never did. Where only the
/// index knows which erasures came to their end, it is those of `done`.
pub(crate) fn note_absent(rows: &mut Staged, done: Option<&BTreeSet<MailboxKey>>) -> Result<(), Error> {
    let mut erased = BTreeMap::new();
    for (key, value) in rows.scan(Table::Mailboxes, &Key::default())? {
        let mailbox = KeyTake::new(&key).mailbox().ok_or(Error::IndexRow { table: Table::Mailboxes.name() })?;
        let row: MailboxRowValue = decode(Table::Mailboxes, &value)?;
        if let Some(place) = row.place.filter(|_| row.erased)
            && let Some(Record::Erased(record)) = rows.record(place)?.as_deref()
        {
            let mut is_left = false;
            for (seq, n) in &record.blocks {
                is_left |= rows.has_frame(FrameKey::new(CommitSeq(*seq), *n))?;
            }
            erased.insert(mailbox.0, is_left);
        }
    }
    if erased.is_empty() {
        return Ok(());
    }
    let mut start = Some(Vec::new());
    while let Some(from) = start {
        let page = rows.page(Table::Frames, &Key::default(), &from, PAGE_ROWS)?;
        for (_, value) in &page.rows {
            let row: FrameRow = decode(Table::Frames, value)?;
            if row.is_records()
                && let Some(is_left) = erased.get_mut(&row.mailbox)
            {
                *is_left = true;
            }
        }
        start = page.next;
    }
    let is_done = |mailbox| done.is_none_or(|done| done.contains(&mailbox));
    let absent = erased.into_iter().filter(|(_, is_left)| !is_left).map(|(mailbox, _)| MailboxKey(mailbox));
    absent.filter(|mailbox| is_done(*mailbox)).try_for_each(|mailbox| note(rows, mailbox))
}
