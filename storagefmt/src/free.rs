//! Freeing: the space of what nobody can see any more comes back.
//!
//! First, what retention marked is freed for good; then everything that is still wanted is found out; then packs of which
//! enough is dead, and small neighbours, are made anew with what is wanted of them. Groups of which enough is dead are
//! put together anew before. It goes in steps of a second at
//! most, each of which leaves the storage whole. Batches are committed between them: what they refer to is
//! claimed and stays. A run may be dropped at any time; the next one does the rest.
//!
//! Memory for ten million blocks and two million contents: 160 MB for blocks, 17 MB for contents, 40 bytes for each pack.
//! Room: that of one new pack, which the ballast gives where the disk is full.

mod blocks;
pub(crate) mod claims;
mod contents;
mod packs;
mod records;
mod regroup;
mod rewrite;
mod scan;

use crate::ballast;
use crate::catalog::Shared;
use crate::format::pack::FRAME_BYTES;
use crate::format::record::{Record, VersionRecord};
use crate::format::row::{FrameRow, KeyTake, MailboxRowValue, PackRow, Table};
use crate::index::{decode, successor};
use crate::rehome::rehome;
use crate::writer::recover::known;
use crate::{Catalog, CommitSeq, Error, Writer};
use chrono::{DateTime, Utc};
use claims::Claims;
use packs::{PackUse, choose};
use regroup::{Next, Regroup};
use rewrite::Rewrite;
use scan::Scan;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Frames counted in a step.
const STEP_FRAMES: usize = 1 << 16;

/// What freeing would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreePlan {
    /// Marked versions that would be freed.
    pub versions: u64,
    /// Bytes that these versions brought.
    pub logical_removed: u64,
    /// Bytes of packs of which nothing is wanted then.
    pub dead_bytes: u64,
    /// Packs that would be made anew.
    pub packs: u64,
    /// Dead bytes that would stay, and why.
    pub pending: Vec<PendingSpace>,
}

/// What freeing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreeReport {
    /// Versions freed.
    pub versions: u64,
    /// Bytes that these versions brought.
    pub logical_removed: u64,
    /// Packs that were replaced.
    pub packs_replaced: u64,
    /// Packs that were made in their place.
    pub packs_made: u64,
    /// Bytes by which the packs are smaller than before.
    pub physical_freed: u64,
    /// Dead bytes that are still there, and why.
    pub pending: Vec<PendingSpace>,
}

/// Dead bytes that are still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingSpace {
    /// How many, as far as that is known.
    pub bytes: u64,
    /// Why.
    pub why: PendingReason,
}

/// Why dead bytes are still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingReason {
    /// Too little of their packs is dead.
    LittleDead,
    /// There is no room to write what is wanted of their packs.
    NoRoom,
    /// A pack is damaged.
    Damaged {
        /// What and where.
        what: String,
    },
    /// Their packs were replaced by something else meanwhile.
    Replaced,
}

/// What a freeing is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeStage {
    /// Marked versions are freed for good.
    Versions,
    /// What is wanted is being found out.
    Looking,
    /// Groups of which enough is dead are being put together anew.
    Regrouping,
    /// Packs are made anew.
    Rewriting {
        /// Packs that are still to be replaced.
        packs_left: u64,
    },
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeStep {
    /// Call again.
    More,
    /// Everything is done that can be done.
    Done,
}

/// A freeing that is under way.
pub struct FreeRun {
    claims: Arc<Claims>,
    stage: Stage,
    report: FreeReport,
}

enum Stage {
    /// Versions are freed for good, from this marked one on.
    Versions(Vec<u8>),
    /// What is wanted is being found out.
    Scanning(Box<Scan>),
    /// Groups of which enough is dead are being put together anew.
    Regrouping(Box<Scan>, Box<Regroup>),
    /// What is dead of each pack is being counted.
    Counting(Box<Scan>, Counting),
    /// Packs are made anew.
    Rewriting(Box<Scan>, Box<Rewriting>),
    /// Nothing is left to do, or the run came to an end by an error.
    Over,
}

struct Counting {
    packs: Vec<Candidate>,
    erased: HashSet<u32>,
    start: Vec<u8>,
}

/// A pack, and what of it is dead.
struct Candidate {
    first: CommitSeq,
    last: CommitSeq,
    used: PackUse,
}

#[derive(Default)]
struct Rewriting {
    jobs: VecDeque<Job>,
    /// Those for which there was no room.
    waiting: Vec<Job>,
    /// Whether anything came free since there was no room.
    freed: bool,
    under_way: Option<(Job, Rewrite)>,
}

/// Neighbours that become one pack.
#[derive(Clone, Copy, Debug)]
struct Job {
    first: CommitSeq,
    last: CommitSeq,
    packs: usize,
    dead: u64,
}

impl Catalog {
    /// Says what freeing would do, marked versions included. Works beside the writer: what is committed meanwhile is wanted.
    ///
    /// # Errors
    /// [`Error::ScanFailed`] when anything that decides cannot be read.
    pub fn free_plan(&self) -> Result<FreePlan, Error> {
        let shared = self.shared();
        let mut plan = FreePlan::default();
        for row in shared.walk(Table::Mailboxes) {
            let row: MailboxRowValue = decode(Table::Mailboxes, &row?.1)?;
            plan.versions += row.marked_versions;
            plan.logical_removed += row.marked_bytes;
        }
        let mut scan = Scan::new(self.head()?, true);
        while !scan.step(shared)? {}
        let mut counting = Counting::begin(shared)?;
        while !counting.step(shared, &scan)? {}
        let (jobs, pending) = counting.choose(&scan);
        plan.dead_bytes = counting.packs.iter().map(|pack| pack.used.dead).sum();
        plan.packs = jobs.iter().map(|job| job.packs as u64).sum();
        plan.pending.extend(pending);
        Ok(plan)
    }
}

impl Writer {
    /// Says what freeing would do: [`Catalog::free_plan`].
    ///
    /// # Errors
    /// As there.
    pub fn free_plan(&self) -> Result<FreePlan, Error> {
        self.catalog().free_plan()
    }

    /// Begins to free; one that was begun before is given up.
    ///
    /// # Errors
    /// When there is an open batch.
    pub fn free_begin(&mut self) -> Result<FreeRun, Error> {
        self.between_batches()?;
        let claims = Arc::new(Claims::default());
        self.set_claims(&claims);
        Ok(FreeRun { claims, stage: Stage::Versions(Vec::new()), report: FreeReport::default() })
    }

    /// Goes on for about a second. Needs that no batch is open; between two calls, anything may be committed.
    ///
    /// # Errors
    /// When anything that decides cannot be read ([`Error::ScanFailed`]), or something cannot be written. The run is over
    /// then; what it freed so far stays freed, everything else is as it was.
    pub fn free_step(&mut self, run: &mut FreeRun, now: DateTime<Utc>) -> Result<FreeStep, Error> {
        self.between_batches()?;
        if !self.has_claims(&run.claims) {
            return Err(Error::FreeingReplaced);
        }
        // An error leaves it over: what was claimed and not taken in must not be forgotten.
        run.stage = match std::mem::replace(&mut run.stage, Stage::Over) {
            Stage::Versions(start) => self.free_versions(&start, now, &mut run.report)?,
            Stage::Scanning(mut scan) => {
                scan.claim(self.shared(), run.claims.take())?;
                if scan.step(self.shared())? { Stage::Regrouping(scan, Box::default()) } else { Stage::Scanning(scan) }
            }
            Stage::Regrouping(mut scan, regroup) => {
                scan.claim(self.shared(), run.claims.take())?;
                self.regroup(scan, regroup, now, &mut run.report)?
            }
            Stage::Counting(mut scan, mut counting) => {
                scan.claim(self.shared(), run.claims.take())?;
                if counting.step(self.shared(), &scan)? {
                    let (jobs, pending) = counting.choose(&scan);
                    run.report.pending.extend(pending);
                    Stage::Rewriting(scan, Box::new(Rewriting { jobs, ..Rewriting::default() }))
                } else {
                    Stage::Counting(scan, counting)
                }
            }
            Stage::Rewriting(mut scan, mut work) => {
                scan.claim(self.shared(), run.claims.take())?;
                if self.rewrite(&scan, &mut work, &mut run.report)? { Stage::Over } else { Stage::Rewriting(scan, work) }
            }
            Stage::Over => Stage::Over,
        };
        Ok(if matches!(run.stage, Stage::Over) { FreeStep::Done } else { FreeStep::More })
    }

    /// Frees a page of marked versions for good.
    fn free_versions(&mut self, start: &[u8], now: DateTime<Utc>, report: &mut FreeReport) -> Result<Stage, Error> {
        let Some((versions, next)) = self.marked(start)? else {
            let head = self.catalog().head()?;
            return Ok(Stage::Scanning(Box::new(Scan::new(head, false))));
        };
        let before = logical_bytes(self.shared())?;
        self.with_room(|writer| {
            for (mailbox, item, from) in &versions {
                writer.introduce(*mailbox)?;
                writer.record(*mailbox, &Record::VersionFreed(VersionRecord { item: item.0, from: *from }))?;
            }
            writer.commit(now)
        })?;
        report.versions += versions.len() as u64;
        report.logical_removed += before.saturating_sub(logical_bytes(self.shared())?);
        Ok(Stage::Versions(next))
    }

    /// Goes on putting groups together.
    fn regroup(&mut self, mut scan: Box<Scan>, mut regroup: Box<Regroup>, now: DateTime<Utc>, report: &mut FreeReport) -> Result<Stage, Error> {
        match regroup.step(self.shared(), &scan)? {
            Next::More => Ok(Stage::Regrouping(scan, regroup)),
            Next::Store(contents) => match self.with_room(|writer| rehome(writer, &regroup.groups, &contents, now)) {
                Ok(stored) => {
                    // What cannot be read stays where it is, for a repair to find.
                    scan.renewed.extend(stored.unreadable.iter().map(|(.., block)| *block));
                    if stored.unreadable.is_empty() { Ok(Stage::Regrouping(scan, regroup)) } else { Ok(Stage::Counting(scan, Counting::begin(self.shared())?)) }
                }
                // The packs of which enough is dead give room; the next run puts the groups together.
                Err(err) if err.is_no_space() => {
                    report.pending.push(PendingSpace { bytes: 0, why: PendingReason::NoRoom });
                    Ok(Stage::Counting(scan, Counting::begin(self.shared())?))
                }
                Err(err) => Err(err),
            },
            Next::Done(true) => {
                for group in regroup.groups.iter().filter(|group| !scan.renewed.contains(group)) {
                    scan.blocks.forget(*group);
                    scan.shadowed.insert(group.seq);
                }
                scan.renewed.clear();
                Ok(Stage::Regrouping(scan, Box::default()))
            }
            Next::Done(false) => Ok(Stage::Counting(scan, Counting::begin(self.shared())?)),
        }
    }

    /// Goes on making packs anew; `true` when no more can be.
    fn rewrite(&mut self, scan: &Scan, work: &mut Rewriting, report: &mut FreeReport) -> Result<bool, Error> {
        let Some(job) = work.next() else {
            for job in work.waiting.drain(..) {
                report.pending.push(PendingSpace { bytes: job.dead, why: PendingReason::NoRoom });
            }
            return Ok(true);
        };
        let why = match self.rewrite_job(scan, job, work, report) {
            Ok(()) => return Ok(false),
            Err(err) if err.is_no_space() => {
                work.under_way = None;
                // With the ballast there is room for one pack, which gives room for the next.
                if ballast::release(self.store().as_ref())? {
                    work.jobs.push_front(job);
                } else {
                    work.waiting.push(job);
                }
                return Ok(false);
            }
            Err(err @ (Error::PackDamaged { .. } | Error::FrameDamaged { .. })) => PendingReason::Damaged { what: err.to_string() },
            Err(Error::PacksApart { .. }) => PendingReason::Replaced,
            Err(Error::File { err, .. }) if err.kind() == io::ErrorKind::NotFound => PendingReason::Replaced,
            Err(err) => return Err(err),
        };
        work.under_way = None;
        tracing::warn!(first = job.first.0, last = job.last.0, reason = %why, "packs are not made anew");
        report.pending.push(PendingSpace { bytes: job.dead, why });
        Ok(false)
    }

    fn rewrite_job(&mut self, scan: &Scan, job: Job, work: &mut Rewriting, report: &mut FreeReport) -> Result<(), Error> {
        let store = Arc::clone(self.store());
        let mut rewrite = match work.under_way.take() {
            // An erasure may have replaced the packs since the last step.
            Some((_, rewrite)) if rewrite.is_present(self.shared())? => rewrite,
            Some(_) => return Err(Error::PacksApart { packs: job.packs }),
            None => {
                let packs: BTreeMap<CommitSeq, PackRow> =
                    known(&self.shared().index())?.into_iter().filter(|(first, row)| job.first <= *first && row.last <= job.last.0).collect();
                let (first, last) = (packs.first_key_value().map(|(first, _)| *first), packs.last_key_value().map(|(_, row)| row.last));
                if packs.len() != job.packs || first != Some(job.first) || last != Some(job.last.0) {
                    return Err(Error::PacksApart { packs: job.packs });
                }
                self.renew_keys()?;
                Rewrite::begin(&store, self.shared(), scan, &packs)?
            }
        };
        if !rewrite.copy(store.as_ref())? {
            work.under_way = Some((job, rewrite));
            return Ok(());
        }
        let shared = Arc::clone(self.shared());
        let (new, old) = self.replacing(|| rewrite.finish(store.as_ref(), &shared, scan))?;
        let (before, after) = (old.iter().map(|pack| pack.bytes).sum::<u64>(), new.sealed.bytes);
        self.replace_packs(&new.sealed, &new.changed, &old.iter().map(|pack| (pack.first, pack.name.as_str())).collect::<Vec<_>>())?;
        report.packs_replaced += old.len() as u64;
        report.packs_made += 1;
        report.physical_freed += before.saturating_sub(after);
        work.freed |= after < before;
        tracing::info!(first = job.first.0, last = job.last.0, packs = old.len(), before, after, "packs made anew");
        Ok(())
    }
}

impl FreeRun {
    /// Returns what was done so far.
    pub fn report(&self) -> &FreeReport {
        &self.report
    }

    /// Returns what is being done.
    pub fn stage(&self) -> FreeStage {
        match &self.stage {
            Stage::Versions(_) => FreeStage::Versions,
            Stage::Scanning(_) | Stage::Counting(..) => FreeStage::Looking,
            Stage::Regrouping(..) => FreeStage::Regrouping,
            Stage::Rewriting(_, work) => FreeStage::Rewriting { packs_left: work.packs_left() },
            Stage::Over => FreeStage::Rewriting { packs_left: 0 },
        }
    }
}

impl Counting {
    fn begin(shared: &Shared) -> Result<Self, Error> {
        let index = shared.index();
        let candidate = |(first, row): (CommitSeq, PackRow)| {
            let used = PackUse { bytes: row.bytes, dead: 0, must: false };
            Candidate { first, last: CommitSeq(row.last), used }
        };
        let packs = known(&index)?.into_iter().map(candidate).collect();
        let mut erased = HashSet::new();
        for row in shared.walk(Table::Mailboxes) {
            let (key, value) = row?;
            if decode::<MailboxRowValue>(Table::Mailboxes, &value)?.erased {
                erased.extend(KeyTake::new(&key).u32());
            }
        }
        Ok(Self { packs, erased, start: Vec::new() })
    }

    /// Counts for a while; `true` at the end.
    fn step(&mut self, shared: &Shared, scan: &Scan) -> Result<bool, Error> {
        let rows = shared.index().scan(Table::Frames, b"", &self.start, STEP_FRAMES)?;
        for (key, value) in &rows {
            let frame = KeyTake::new(key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
            let row: FrameRow = decode(Table::Frames, value)?;
            let dead = if row.is_block() { !scan.blocks.is_wanted(frame) } else { self.erased.contains(&row.mailbox) };
            if dead && let Some(pack) = self.pack(frame.seq) {
                pack.used.dead += FRAME_BYTES as u64 + u64::from(row.stored);
            }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == STEP_FRAMES => {
                self.start = successor(key);
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Returns which packs become one, and what stays dead because they do not.
    fn choose(&mut self, scan: &Scan) -> (VecDeque<Job>, Option<PendingSpace>) {
        for seq in &scan.shadowed {
            if let Some(pack) = self.pack(*seq) {
                pack.used.must = true;
            }
        }
        let uses: Vec<PackUse> = self.packs.iter().map(|pack| pack.used).collect();
        let mut left: u64 = uses.iter().map(|used| used.dead).sum();
        let mut jobs = VecDeque::new();
        for range in choose(&uses) {
            let packs = &self.packs[range];
            let (Some(first), Some(last)) = (packs.first(), packs.last()) else { continue };
            let dead = packs.iter().map(|pack| pack.used.dead).sum();
            left -= dead;
            jobs.push_back(Job { first: first.first, last: last.last, packs: packs.len(), dead });
        }
        (jobs, (left > 0).then_some(PendingSpace { bytes: left, why: PendingReason::LittleDead }))
    }

    fn pack(&mut self, seq: CommitSeq) -> Option<&mut Candidate> {
        let at = self.packs.partition_point(|pack| pack.first <= seq).checked_sub(1)?;
        self.packs.get_mut(at).filter(|pack| seq <= pack.last)
    }
}

impl Rewriting {
    fn packs_left(&self) -> u64 {
        let jobs = self.jobs.iter().chain(&self.waiting).chain(self.under_way.as_ref().map(|(job, _)| job));
        jobs.map(|job| job.packs as u64).sum()
    }

    fn next(&mut self) -> Option<Job> {
        if let Some((job, _)) = &self.under_way {
            return Some(*job);
        }
        if self.jobs.is_empty() && std::mem::take(&mut self.freed) {
            self.jobs.extend(self.waiting.drain(..));
        }
        self.jobs.pop_front()
    }
}

impl fmt::Display for PendingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LittleDead => f.write_str("too little of their packs is dead"),
            Self::NoRoom => f.write_str("there is no room to write what stays of their packs"),
            Self::Damaged { what } => write!(f, "{what}"),
            Self::Replaced => f.write_str("their packs were replaced meanwhile"),
        }
    }
}

/// Returns what all versions brought.
fn logical_bytes(shared: &Shared) -> Result<u64, Error> {
    let mut bytes = 0;
    for row in shared.walk(Table::Mailboxes) {
        bytes += decode::<MailboxRowValue>(Table::Mailboxes, &row?.1)?.logical_bytes;
    }
    Ok(bytes)
}
