//! Sealing anew what was written before the keys were rotated.
//!
//! An [`ResealRun`] goes through the packs, a step each, and other work may be done between its steps. What is left to
//! do can be told from the index alone, so a run that is dropped, or a crash, costs nothing: the next one goes on. When
//! nothing is sealed with older keys any more, these are dropped from the key file. Frames that nobody can open are left
//! out: records of mailboxes whose keys were destroyed, and blocks that no mailbox has the hash of.
//!
//! The index goes on to key its hashes with what it was made with, until it is rebuilt; nothing can be opened with that.

use crate::format::pack::{FrameHeader, FrameKind};
use crate::format::row::{FrameRow, Key, KeyTake, PackRow, Table};
use crate::index::{Index, decode, successor};
use crate::layout::QUARANTINE;
use crate::replace::{Damaged, Fate, replace_pack};
use crate::seal::SealError;
use crate::{Catalog, CommitSeq, Error, FrameKey, MailboxKey, Writer};

/// Rows looked at in a step: about a tenth of a second.
const STEP_ROWS: usize = 50_000;
/// Rows read at once.
const PAGE_ROWS: usize = 4096;

/// What is sealed with older keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResealPending {
    /// Older generations of keys that the key file holds.
    pub generations: Vec<u16>,
    /// Frames that are sealed with one of them.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
}

/// What sealing anew did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResealReport {
    /// Packs written anew.
    pub packs: u64,
    /// Bytes of these packs.
    pub bytes: u64,
    /// Frames left out because nobody can open them.
    pub dropped_frames: u64,
    /// Generations of keys that are not needed any more and were dropped.
    pub dropped_generations: Vec<u16>,
    /// What could not be sealed anew, and why. As long as there is something, older keys stay.
    pub stuck: Vec<String>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResealStep {
    /// There is more to do.
    More,
    /// Everything is sealed with the present keys, but for what the report says is stuck.
    Done,
}

/// Sealing anew, under way.
pub struct ResealRun {
    stage: Stage,
    report: ResealReport,
}

enum Stage {
    /// Packs from the one on that has this commit.
    Packs(CommitSeq),
    /// The index's copies of records.
    Index,
    Done,
}

impl Catalog {
    /// Returns what is sealed with older keys. Reads a row for each frame, unless there are no older keys.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn reseal_pending(&self) -> Result<ResealPending, Error> {
        let keys = self.shared().keys();
        let current = keys.generation();
        let generations: Vec<u16> = keys.generations().into_iter().map(|(generation, _)| generation).filter(|generation| *generation != current).collect();
        let mut pending = ResealPending { generations, ..ResealPending::default() };
        if pending.generations.is_empty() {
            return Ok(pending);
        }
        for row in self.shared().walk(Table::Frames) {
            let row: FrameRow = decode(Table::Frames, &row?.1)?;
            if row.keygen != current {
                pending.frames += 1;
                pending.bytes += u64::from(row.stored);
            }
        }
        Ok(pending)
    }
}

impl Writer {
    /// Returns what is sealed with older keys: [`Catalog::reseal_pending`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn reseal_pending(&self) -> Result<ResealPending, Error> {
        self.catalog().reseal_pending()
    }

    /// Begins, or goes on, to seal anew what is sealed with older keys. There must be no open batch.
    ///
    /// # Errors
    /// When the storage is not sealed, or there is an open batch.
    pub fn reseal_begin(&mut self) -> Result<ResealRun, Error> {
        self.keys()?;
        Ok(ResealRun { stage: Stage::Packs(CommitSeq(1)), report: ResealReport::default() })
    }

    /// Seals the next pack anew. There must be no open batch.
    ///
    /// # Errors
    /// When files cannot be read or written; the same step can be tried again, and the storage is whole.
    pub fn reseal_step(&mut self, run: &mut ResealRun) -> Result<ResealStep, Error> {
        self.between_batches()?;
        match run.stage {
            Stage::Packs(from) => {
                run.stage = match self.reseal_pack(from, &mut run.report)? {
                    Some(from) => Stage::Packs(from),
                    None => Stage::Index,
                };
            }
            Stage::Index => {
                // The files of the index still have frames as they were sealed before.
                let index = self.shared().index();
                index.compact(Table::Records)?;
                index.flush()?;
                if !self.store().list(QUARANTINE).map_err(Error::file("list", QUARANTINE))?.is_empty() {
                    run.report.stuck.push("quarantine/ holds packs that are sealed with older keys: delete what is not needed".to_owned());
                }
                if run.report.stuck.is_empty() && self.reseal_pending()?.frames == 0 {
                    run.report.dropped_generations = self.drop_generations()?;
                }
                run.stage = Stage::Done;
                tracing::info!(packs = run.report.packs, bytes = run.report.bytes, stuck = run.report.stuck.len(), "sealed anew");
            }
            Stage::Done => {}
        }
        Ok(if matches!(run.stage, Stage::Done) { ResealStep::Done } else { ResealStep::More })
    }

    /// Seals the next pack anew that needs it; returns where to go on.
    fn reseal_pack(&mut self, mut from: CommitSeq, report: &mut ResealReport) -> Result<Option<CommitSeq>, Error> {
        let (index, current) = (self.shared().index(), self.key_ring().generation());
        let mut rows = 0;
        while rows < STEP_ROWS {
            // The pack that has the commit, which may have been joined with others since the last step.
            let Some((first, row)) = index.pack_of(from)? else {
                if from.0 > index.state()?.head {
                    return Ok(None);
                }
                return Err(Error::PackMissing { seq: from });
            };
            from = CommitSeq(row.last + 1);
            let (looked, is_old) = is_old(&index, first, &row, current)?;
            rows += looked;
            if is_old {
                match self.reseal_frames(first, &row, report) {
                    Err(
                        err @ (Error::PackDamaged { .. }
                        | Error::FrameDamaged { .. }
                        | Error::Seal { err: SealError::NotAuthentic | SealError::UnknownGeneration { .. } }),
                    ) => {
                        tracing::warn!(pack = %row.name(first), error = &err as &dyn std::error::Error, "a pack cannot be sealed anew");
                        report.stuck.push(format!("{}: {err}", row.name(first)));
                    }
                    other => other?,
                }
                break;
            }
        }
        Ok(Some(from))
    }

    fn reseal_frames(&mut self, first: CommitSeq, row: &PackRow, report: &mut ResealReport) -> Result<(), Error> {
        let (shared, keys) = (std::sync::Arc::clone(self.shared()), self.key_ring().clone());
        let mailboxes: Vec<MailboxKey> = self.catalog().mailboxes()?.into_iter().map(|mailbox| mailbox.key).collect();
        for mailbox in &mailboxes {
            keys.ensure_mailbox(mailbox.0);
        }
        self.save_keys()?;
        let mut dropped = 0;
        let mut fate = |header: &FrameHeader| {
            let fate = match header.kind {
                FrameKind::Directory => Fate::Drop,
                FrameKind::Records if header.mailbox != 0 && keys.is_destroyed(header.mailbox) => Fate::Drop,
                FrameKind::Records => Fate::Reseal(None),
                FrameKind::Block => {
                    let owner = MailboxKey(header.mailbox);
                    let mut hash = shared.grant(owner, header.key)?;
                    for mailbox in mailboxes.iter().filter(|mailbox| **mailbox != owner) {
                        if hash.is_some() {
                            break;
                        }
                        hash = shared.grant(*mailbox, header.key)?;
                    }
                    hash.map_or(Fate::Drop, |hash| Fate::Reseal(Some(hash)))
                }
            };
            dropped += u64::from(fate == Fate::Drop);
            Ok(fate)
        };
        let replaced = replace_pack(self, first, row, Damaged::Refuse, &mut fate)?;
        report.packs += 1;
        report.bytes += replaced.bytes_after;
        report.dropped_frames += dropped;
        Ok(())
    }
}

impl ResealRun {
    /// Returns what was done so far.
    pub fn report(&self) -> &ResealReport {
        &self.report
    }
}

/// Returns how many rows had to be looked at, and whether a pack has frames that are sealed with older keys.
fn is_old(index: &Index, first: CommitSeq, pack: &PackRow, current: u16) -> Result<(usize, bool), Error> {
    let (mut start, mut looked) = (Key::number(first.0).0, 0);
    loop {
        let rows = index.scan(Table::Frames, b"", &start, PAGE_ROWS)?;
        for (key, value) in &rows {
            looked += 1;
            let frame: FrameKey = KeyTake::new(key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
            if frame.seq.0 > pack.last {
                return Ok((looked, false));
            }
            if decode::<FrameRow>(Table::Frames, value)?.keygen != current {
                return Ok((looked, true));
            }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == PAGE_ROWS => start = successor(key),
            _ => return Ok((looked, false)),
        }
    }
}

#[cfg(test)]
mod tests;
