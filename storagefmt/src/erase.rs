//! Erasing a mailbox: from the record on nobody is shown anything of it, and in the end no file holds it.
//!
//! An [`EraseRun`] goes through these stages, a second or so at a time, and other work may be done between its steps:
//!
//! 1. Which blocks did the mailbox have a part in, and what of them do others have?
//! 2. What others have of blocks that must go is stored anew for them.
//! 3. The record of the erasure is committed. In a sealed storage the mailbox's keys are destroyed with it.
//! 4. Packs with frames of the mailbox, or with blocks that must go, are written anew without them.
//! 5. What the index still has of it in its files is overwritten, and what a repair set aside is deleted.
//!
//! Before the record a run that is dropped has changed nothing that anybody sees; after it, any writer finishes the
//! erasure: [`Writer::pending_erasures`], [`Writer::erase_continue`].
//!
//! Blocks of other mailboxes that hold what nobody but the erased one had any more go, too; the record names them. Not
//! touched: copies of the storage, and what file systems and disks keep of deleted files.

mod coverage;
mod purge;
mod sharing;

pub(crate) use purge::note_absent;

use crate::format::record::{AllowedRecord, ErasedRecord, Record};
use crate::format::row::{Key, KeyTake, MailboxRowValue, Table};
use crate::format::{micros, time_of};
use crate::index::decode;
use crate::{ContentId, Error, FrameKey, MailboxKey, Place, Writer};
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use coverage::Coverage;
use purge::Purge;
use sharing::{Scan, Sharing};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What erasing a mailbox would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasePlan {
    /// The mailbox.
    pub mailbox: MailboxKey,
    /// Its address.
    pub address: Address,
    /// Items that it has, deleted ones not counted.
    pub items: u64,
    /// Versions that it has.
    pub versions: u64,
    /// Bytes that its versions brought.
    pub logical_bytes: u64,
    /// Raw bytes of the blocks that others have whole and that therefore stay.
    pub shared_bytes: u64,
    /// Raw bytes of blocks of which others have a part, which is stored anew.
    pub moved_bytes: u64,
    /// Raw bytes of blocks that go.
    pub removed_bytes: u64,
}

/// A plan that is being made.
pub struct ErasePlanning {
    mailbox: MailboxKey,
    coverage: Coverage,
    scan: Scan,
}

/// What an erasure did. Counts are those of this run; one that continues another's work counts only its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseReport {
    /// The mailbox.
    pub mailbox: MailboxKey,
    /// Contents of others that were stored anew.
    pub moved: u64,
    /// Contents of others that were damaged already and are noted as lost.
    pub lost: Vec<(MailboxKey, ContentId)>,
    /// Packs written anew.
    pub packs: u64,
    /// Bytes by which packs became smaller.
    pub freed_bytes: u64,
    /// Frames of others that were damaged already and did not come along.
    pub damaged_frames: u64,
    /// Files deleted that a repair had set aside.
    pub quarantined: u64,
}

/// How far an erasure has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseStep {
    /// There is more to do.
    More,
    /// No file of the storage holds anything of the mailbox.
    Done,
}

/// What an erasure is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseStage {
    /// What the mailbox has, and what others have of it, is being found out.
    Looking,
    /// What others have of what goes is stored anew for them, and the erasure recorded.
    Moving,
    /// Packs are written anew without it.
    Rewriting {
        /// Commits whose packs were looked at.
        commits: u64,
    },
    /// What the index has of it in its files is overwritten.
    Index,
}

/// An erasure under way: one at a time, of the writer that began it.
pub struct EraseRun {
    mailbox: MailboxKey,
    who: String,
    stage: Stage,
    coverage: Coverage,
    barred: Arc<Barred>,
    report: EraseReport,
}

enum Stage {
    /// Looking for blocks that the mailbox had a part in, and then for who else has.
    Scan(Scan),
    /// Storing anew what others have of blocks that go.
    Move(Sharing),
    /// Recording it.
    Record,
    /// Taking it out of packs and index.
    Purge(Purge),
    Done,
}

/// What an erasure under way keeps others from referring to.
pub(crate) struct Barred {
    pub(crate) mailbox: MailboxKey,
    since: DateTime<Utc>,
    blocks: Mutex<BTreeSet<FrameKey>>,
}

impl Writer {
    /// Returns what erasing a mailbox would do. Reads all recipes.
    ///
    /// # Errors
    /// When there is no such mailbox or the index cannot be read.
    pub fn erase_plan(&self, mailbox: MailboxKey) -> Result<ErasePlan, Error> {
        let mut planning = self.erase_plan_begin(mailbox)?;
        loop {
            if let Some(plan) = self.erase_plan_step(&mut planning)? {
                return Ok(plan);
            }
        }
    }

    /// Begins to plan, as [`Self::erase_plan`] in steps. Anything may be done between them; what is stored meanwhile may be left out.
    ///
    /// # Errors
    /// When there is no such mailbox or the index cannot be read.
    pub fn erase_plan_begin(&self, mailbox: MailboxKey) -> Result<ErasePlanning, Error> {
        self.mailbox_of(mailbox)?;
        Ok(ErasePlanning { mailbox, coverage: Coverage::default(), scan: Scan::new(self, mailbox, &[]) })
    }

    /// Does a part of planning; the plan comes with the last.
    ///
    /// # Errors
    /// When the mailbox was erased meanwhile or the index cannot be read.
    pub fn erase_plan_step(&self, planning: &mut ErasePlanning) -> Result<Option<ErasePlan>, Error> {
        let ErasePlanning { mailbox, coverage, scan } = planning;
        if !scan.step(self, coverage)? {
            return Ok(None);
        }
        let mailbox = *mailbox;
        let row = self.mailbox_of(mailbox)?;
        let address = self.address_of(mailbox, &row)?;
        let mut plan = ErasePlan {
            mailbox,
            address,
            items: row.items,
            versions: row.versions,
            logical_bytes: row.logical_bytes,
            shared_bytes: 0,
            moved_bytes: 0,
            removed_bytes: 0,
        };
        for (block, verdict) in coverage.verdicts() {
            let raw = self.shared().index().frame(block)?.map_or(0, |frame| u64::from(frame.raw));
            match verdict {
                coverage::Verdict::Stays => plan.shared_bytes += raw,
                coverage::Verdict::Moves => plan.moved_bytes += raw,
                coverage::Verdict::Goes => plan.removed_bytes += raw,
            }
        }
        Ok(Some(plan))
    }

    /// Begins to erase a mailbox; `who` asked for it, and the record says so. There must be no open batch.
    ///
    /// From now on the mailbox cannot be written to, unless the run is dropped before its record is committed.
    ///
    /// # Errors
    /// When there is no such mailbox, there is an open batch, another run is alive, or the index cannot be read.
    pub fn erase_begin(&mut self, mailbox: MailboxKey, who: &str, now: DateTime<Utc>) -> Result<EraseRun, Error> {
        self.between_batches()?;
        self.mailbox_of(mailbox)?;
        self.erase_run(mailbox, who, now)
    }

    /// Returns the erasures that are recorded and not complete: what they left must still be taken out of packs and index.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn pending_erasures(&self) -> Result<Vec<MailboxKey>, Error> {
        Ok(erased_mailboxes(self)?.into_iter().filter(|erased| !erased.purged).map(|erased| erased.mailbox).collect())
    }

    /// Goes on with an erasure that is not complete; `None` when there is none. There must be no open batch.
    ///
    /// # Errors
    /// When there is an open batch or the index cannot be read.
    pub fn erase_continue(&mut self, now: DateTime<Utc>) -> Result<Option<EraseRun>, Error> {
        self.between_batches()?;
        let Some(mailbox) = self.pending_erasures()?.first().copied() else { return Ok(None) };
        self.erase_run(mailbox, "", now).map(Some)
    }

    /// Does a part of an erasure. There must be no open batch.
    ///
    /// # Errors
    /// When files cannot be read or written; the same step can be tried again, and the storage is whole.
    pub fn erase_step(&mut self, run: &mut EraseRun, now: DateTime<Utc>) -> Result<EraseStep, Error> {
        self.between_batches()?;
        match &mut run.stage {
            Stage::Scan(scan) => {
                let was_collected = scan.is_collected();
                if scan.step(self, &mut run.coverage)? {
                    let sharing = Sharing::new(run.mailbox, &mut run.coverage);
                    run.barred.replace(sharing.doomed().clone());
                    run.stage = Stage::Move(sharing);
                } else if !was_collected {
                    run.barred.replace(run.coverage.blocks());
                }
            }
            Stage::Move(sharing) => {
                if sharing.step(self, now, &mut run.report)? {
                    run.stage = Stage::Record;
                }
            }
            Stage::Record => {
                let doomed = run.barred.doomed();
                self.record_erasure(run, &doomed, now)?;
                run.stage = Stage::Purge(Purge::new(run.mailbox, doomed));
            }
            Stage::Purge(purge) => {
                if purge.step(self, &mut run.report)? {
                    run.stage = Stage::Done;
                    tracing::info!(mailbox = run.mailbox.0, packs = run.report.packs, freed_bytes = run.report.freed_bytes, "mailbox erased");
                }
            }
            Stage::Done => {}
        }
        Ok(if matches!(run.stage, Stage::Done) { EraseStep::Done } else { EraseStep::More })
    }

    /// Lets the address of an erased mailbox be backed up again, as a new mailbox; `false` when it was not erased.
    ///
    /// # Errors
    /// When there is an open batch, or pack or index cannot be written.
    pub fn allow(&mut self, address: &Address, now: DateTime<Utc>) -> Result<bool, Error> {
        self.between_batches()?;
        let Some(erasure) = self.catalog().erasure(address)? else { return Ok(false) };
        let record = Record::Allowed(AllowedRecord { mailbox: erasure.key.0, address: address.as_str().to_owned() });
        self.storage_record(&record).and_then(|()| self.commit(now)).inspect_err(|_| self.abandon())?;
        Ok(true)
    }

    /// Destroys the keys of mailboxes whose erasure is recorded, if a crash came between.
    pub(crate) fn destroy_erased_keys(&mut self) -> Result<(), Error> {
        for Erased { mailbox, place, .. } in erased_mailboxes(self)? {
            if !self.key_ring().is_destroyed(mailbox.0) {
                let time = match self.shared().index().record(place)?.as_deref() {
                    Some(Record::Erased(record)) => time_of(record.time),
                    _ => self.shared().info().created,
                };
                self.key_ring().destroy_mailbox(mailbox.0, time);
                tracing::info!(mailbox = mailbox.0, "keys of an erased mailbox destroyed");
            }
        }
        self.save_keys()
    }

    fn erase_run(&mut self, mailbox: MailboxKey, who: &str, now: DateTime<Utc>) -> Result<EraseRun, Error> {
        if let Some(other) = self.barred() {
            return Err(Error::Erasing { mailbox: other.mailbox });
        }
        let named = match self.erasure_of(mailbox)? {
            Some(record) => record.blocks,
            None => Vec::new(),
        };
        let scan = Scan::new(self, mailbox, &named);
        let barred = Arc::new(Barred { mailbox, since: now, blocks: Mutex::default() });
        self.bar(&barred);
        let report = EraseReport { mailbox, moved: 0, lost: Vec::new(), packs: 0, freed_bytes: 0, damaged_frames: 0, quarantined: 0 };
        Ok(EraseRun { mailbox, who: who.to_owned(), stage: Stage::Scan(scan), coverage: Coverage::default(), barred, report })
    }

    /// Commits the record of an erasure unless that was done, and destroys the keys.
    fn record_erasure(&mut self, run: &EraseRun, doomed: &BTreeSet<FrameKey>, now: DateTime<Utc>) -> Result<(), Error> {
        if self.erasure_of(run.mailbox)?.is_none() {
            let row = self.mailbox_of(run.mailbox)?;
            let state = self.shared().index().state()?;
            let record = ErasedRecord {
                mailbox: run.mailbox.0,
                address: self.address_of(run.mailbox, &row)?.as_str().to_owned(),
                time: micros(now),
                who: run.who.clone(),
                items: row.items,
                versions: row.versions,
                folders_last: state.folders,
                items_last: state.items,
                blocks: run.coverage.of_others().intersection(doomed).map(|block| (block.seq.0, block.n)).collect(),
            };
            self.storage_record(&Record::Erased(record)).and_then(|()| self.commit(now)).inspect_err(|_| self.abandon())?;
            self.forget_mailbox(run.mailbox);
        }
        if !self.key_ring().is_destroyed(run.mailbox.0) {
            self.key_ring().destroy_mailbox(run.mailbox.0, now);
        }
        self.save_keys()
    }

    /// Returns the row of a mailbox that was not erased.
    fn mailbox_of(&self, mailbox: MailboxKey) -> Result<MailboxRowValue, Error> {
        let row: Option<MailboxRowValue> = self.shared().index().row(Table::Mailboxes, &Key::mailbox(mailbox))?;
        row.filter(|row| !row.erased).ok_or_else(|| Error::UnknownKey { what: "mailbox", key: mailbox.to_string() })
    }

    fn address_of(&self, mailbox: MailboxKey, row: &MailboxRowValue) -> Result<Address, Error> {
        let record = row.place.map_or(Ok(None), |place| self.shared().index().record(place))?;
        let text = match record.as_deref() {
            Some(Record::Mailbox(record)) => record.address.clone(),
            _ => format!("mailbox-{mailbox}@lost.invalid"),
        };
        Address::parse(&text).map_err(|_| Error::IndexRow { table: Table::Mailboxes.name() })
    }

    /// Returns the record of a mailbox's erasure.
    fn erasure_of(&self, mailbox: MailboxKey) -> Result<Option<ErasedRecord>, Error> {
        let index = self.shared().index();
        let row: Option<MailboxRowValue> = index.row(Table::Mailboxes, &Key::mailbox(mailbox))?;
        let Some(place) = row.filter(|row| row.erased).and_then(|row| row.place) else { return Ok(None) };
        match index.record(place)?.as_deref() {
            Some(Record::Erased(record)) => Ok(Some(record.clone())),
            _ => Err(Error::IndexRow { table: Table::Mailboxes.name() }),
        }
    }
}

impl EraseRun {
    /// Returns which mailbox is erased.
    pub fn mailbox(&self) -> MailboxKey {
        self.mailbox
    }

    /// Returns what was done so far.
    pub fn report(&self) -> &EraseReport {
        &self.report
    }

    /// Returns what is being done.
    pub fn stage(&self) -> EraseStage {
        match &self.stage {
            Stage::Scan(_) => EraseStage::Looking,
            Stage::Move(_) | Stage::Record => EraseStage::Moving,
            Stage::Purge(purge) => purge.commits().map_or(EraseStage::Index, |commits| EraseStage::Rewriting { commits }),
            Stage::Done => EraseStage::Index,
        }
    }
}

impl Barred {
    /// Returns whether nobody may refer to a block any more.
    pub(crate) fn has(&self, block: FrameKey) -> bool {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).contains(&block)
    }

    /// Returns when the erasure began.
    pub(crate) fn since(&self) -> DateTime<Utc> {
        self.since
    }

    fn replace(&self, blocks: BTreeSet<FrameKey>) {
        *self.blocks.lock().unwrap_or_else(PoisonError::into_inner) = blocks;
    }

    fn doomed(&self) -> BTreeSet<FrameKey> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A mailbox whose erasure is recorded.
struct Erased {
    mailbox: MailboxKey,
    place: Place,
    purged: bool,
}

fn erased_mailboxes(writer: &Writer) -> Result<Vec<Erased>, Error> {
    let mut erased = Vec::new();
    for (key, value) in writer.shared().index().scan_all(Table::Mailboxes, b"")? {
        let key = KeyTake::new(&key).mailbox().ok_or(Error::IndexRow { table: Table::Mailboxes.name() })?;
        let row: MailboxRowValue = decode(Table::Mailboxes, &value)?;
        erased.extend(row.place.filter(|_| row.erased).map(|place| Erased { mailbox: key, place, purged: row.purged }));
    }
    Ok(erased)
}

#[cfg(test)]
mod tests;
