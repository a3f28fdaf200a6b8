//! Erasing a mailbox from all history, the records of it, and letting it come back.

use super::long::{Events, Teller, as_task};
use super::{Storages, between_error, writer_error};
use crate::engine::{MailboxQueue, StorageWriter};
use crate::failure;
use crate::name::Name;
use c2b_api::storage::{ErasedInfo, ProgressUnit, StorageErase, StorageEraseReport, WorkStage};
use c2b_api::{ApiError, ErrorCode};
use c2b_mailbox::Address;
use c2b_storagefmt::{Catalog, ErasePlan, EraseReport, EraseRun, EraseStage, EraseStep, MailboxKey, Moment};
use std::sync::Arc;
use tracing::info;

impl Storages {
    /// Erases a mailbox, or says what would be lost. Waits for jobs that work on it; ends also when nobody listens any more.
    ///
    /// # Errors
    /// When there is no such storage, the address is none, or other work of this kind goes on there.
    pub async fn erase(
        self: &Arc<Self>,
        name: &Name,
        wish: StorageErase,
        queue: Arc<MailboxQueue>,
        user: &str,
    ) -> Result<Events<StorageEraseReport>, ApiError> {
        self.get(name)?;
        let address = parse(&wish.mailbox)?;
        let chore = self.chore(name, "an erasure").await?;
        let (storages, name, user) = (self.clone(), name.clone(), user.to_owned());
        Ok(as_task("erase", &name.clone(), move |teller: Teller<StorageEraseReport>| async move {
            let _chore = chore;
            let writer = storages.writer(&name).await?;
            let (mailbox, folders) = storages.find(&name, &address).await?;
            let claim = if wish.dry_run {
                None
            } else {
                teller.stage(WorkStage::Waiting, 0, 0, ProgressUnit::Packs, 0);
                Some(queue.claim_of(&writer.catalog(), &address, &format!("erasure by {user}")).await)
            };
            let plan = plan_erasure(&writer, mailbox, &teller).await?;
            let mut report = planned(&plan, folders, wish.dry_run);
            if wish.dry_run {
                return Ok(report);
            }
            info!(storage = %name, %user, mailbox = %address, "erasure begins");
            let now = storages.clock.now();
            let who = user.clone();
            let run = writer.between(move |writer| writer.erase_begin(mailbox, &who, now)).await.map_err(|error| between_error(&error))?;
            let done = storages.erase_on(&writer, run, &mut |run| tell(&teller, run, &writer.catalog())).await?;
            drop(claim);
            report.freed_bytes = done.freed_bytes;
            info!(storage = %name, %user, mailbox = %address, items = report.items, versions = report.versions, "mailbox erased");
            Ok(report)
        }))
    }

    /// Returns the records of erasures.
    ///
    /// # Errors
    /// When there is no such storage, or its catalogue does not answer.
    pub async fn erased(&self, name: &Name) -> Result<Vec<ErasedInfo>, ApiError> {
        self.ask(name, |catalog| {
            let mut infos = Vec::new();
            for erasure in catalog.erasures()? {
                let barred = catalog.erasure(&erasure.address)?;
                infos.push(ErasedInfo {
                    allowed: barred.is_none_or(|barred| barred.key != erasure.key),
                    mailbox: erasure.address.to_string(),
                    time: erasure.time,
                    who: erasure.who,
                    items: erasure.items,
                    versions: erasure.versions,
                });
            }
            Ok(infos)
        })
        .await
    }

    /// Lets an erased mailbox be backed up again.
    ///
    /// # Errors
    /// When there is no such storage, or the mailbox was not erased from it.
    pub async fn allow(&self, name: &Name, mailbox: &str, user: &str) -> Result<Vec<ErasedInfo>, ApiError> {
        let address = parse(mailbox)?;
        let (writer, now, asked) = (self.writer(name).await?, self.clock.now(), address.clone());
        if !writer.between(move |writer| writer.with_room(|writer| writer.allow(&asked, now))).await.map_err(|error| between_error(&error))? {
            let hint = format!("see `c2bctl storage erased {name}`");
            return Err(ApiError::new(ErrorCode::NotFound, format!("{address} is not erased from storage {name}"), hint));
        }
        info!(storage = %name, %user, mailbox = %address, "erased mailbox allowed again");
        self.erased(name).await
    }

    /// Goes through an erasure to its end; `each` is told how it stands before each step.
    pub(super) async fn erase_on(&self, writer: &StorageWriter, mut run: EraseRun, each: &mut (dyn FnMut(&EraseRun) + Send)) -> Result<EraseReport, ApiError> {
        loop {
            each(&run);
            let now = self.clock.now();
            let step = writer.between(move |writer| {
                let step = writer.with_room(|writer| writer.erase_step(&mut run, now))?;
                Ok((step, run))
            });
            let (step, next) = step.await.map_err(|error| between_error(&error))?;
            run = next;
            if step == EraseStep::Done {
                return Ok(run.report().clone());
            }
        }
    }

    async fn find(&self, name: &Name, address: &Address) -> Result<(MailboxKey, u64), ApiError> {
        let asked = address.clone();
        let found = self.ask(name, move |catalog| {
            let Some(row) = catalog.mailbox(&asked)? else { return Ok(None) };
            Ok(Some((row.key, catalog.folders(row.key, Moment::Latest)?.len() as u64)))
        });
        found.await?.ok_or_else(|| {
            let hint = format!("`c2bctl storage erased {name}` lists what was erased already");
            ApiError::new(ErrorCode::NotFound, format!("storage {name} has no mailbox {address}"), hint)
        })
    }
}

/// Finds out what erasing would do, a step at a time, without a commit between.
async fn plan_erasure(writer: &StorageWriter, mailbox: MailboxKey, teller: &Teller<StorageEraseReport>) -> Result<ErasePlan, ApiError> {
    let begun = writer.ask(move |writer| Ok(writer.erase_plan_begin(mailbox))).await.map_err(|error| writer_error(&error))?;
    let mut planning = begun.map_err(|error| failure::storage(&error))?;
    loop {
        teller.stage(WorkStage::Looking, 0, 0, ProgressUnit::Packs, 0);
        let step = writer.ask(move |writer| Ok(writer.erase_plan_step(&mut planning).map(|plan| (plan, planning))));
        let step = step.await.map_err(|error| writer_error(&error))?;
        let (plan, next) = step.map_err(|error| failure::storage(&error))?;
        match plan {
            Some(plan) => return Ok(plan),
            None => planning = next,
        }
    }
}

fn tell(teller: &Teller<StorageEraseReport>, run: &EraseRun, catalog: &Catalog) {
    let bytes = run.report().freed_bytes;
    match run.stage() {
        EraseStage::Looking => teller.stage(WorkStage::Looking, 0, 0, ProgressUnit::Packs, 0),
        EraseStage::Moving => teller.stage(WorkStage::Moving, 0, 0, ProgressUnit::Packs, 0),
        EraseStage::Rewriting { commits } => {
            let head = catalog.head().map_or(commits, |head| head.0);
            teller.stage(WorkStage::Rewriting, commits, head, ProgressUnit::Commits, bytes);
        }
        EraseStage::Index => teller.stage(WorkStage::Index, 0, 0, ProgressUnit::Packs, bytes),
    }
}

fn parse(text: &str) -> Result<Address, ApiError> {
    Address::parse(text).map_err(|error| failure::invalid(error.to_string(), ""))
}

fn planned(plan: &ErasePlan, folders: u64, dry_run: bool) -> StorageEraseReport {
    StorageEraseReport {
        dry_run,
        mailbox: plan.address.to_string(),
        folders,
        items: plan.items,
        versions: plan.versions,
        logical_bytes: plan.logical_bytes,
        shared_bytes: plan.shared_bytes + plan.moved_bytes,
        freed_bytes: 0,
    }
}
