//! Erasing a mailbox from all history, the records of it, and letting it come back.

use super::long::{Events, Teller, as_task};
use super::{Storages, between_error};
use crate::engine::{MailboxQueue, StorageWriter};
use crate::failure;
use crate::name::Name;
use c2b_api::storage::{ErasedInfo, StorageErase, StorageEraseReport};
use c2b_api::{ApiError, ErrorCode};
use c2b_mailbox::Address;
use c2b_storagefmt::{ErasePlan, EraseReport, EraseRun, EraseStep, MailboxKey, Moment};
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
        let chore = self.chore(name, "erase")?;
        let (storages, name, user) = (self.clone(), name.clone(), user.to_owned());
        Ok(as_task("erase", &name.clone(), move |_: Teller<StorageEraseReport>| async move {
            let _chore = chore;
            let writer = storages.writer(&name).await?;
            let claim = queue.claim_of(&writer.catalog(), &address, &format!("erasure by {user}")).await;
            let (mailbox, folders) = storages.find(&name, &address).await?;
            let plan = writer.between(move |writer| writer.erase_plan(mailbox)).await.map_err(|error| between_error(&error))?;
            let mut report = planned(&plan, folders, wish.dry_run);
            if wish.dry_run {
                return Ok(report);
            }
            info!(storage = %name, %user, mailbox = %address, "erasure begins");
            let now = storages.clock.now();
            let who = user.clone();
            let run = writer.between(move |writer| writer.erase_begin(mailbox, &who, now)).await.map_err(|error| between_error(&error))?;
            let done = storages.erase_on(&writer, run).await?;
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
        if !writer.between(move |writer| writer.allow(&asked, now)).await.map_err(|error| between_error(&error))? {
            let hint = format!("see `c2bctl storage erased {name}`");
            return Err(ApiError::new(ErrorCode::NotFound, format!("{address} is not erased from storage {name}"), hint));
        }
        info!(storage = %name, %user, mailbox = %address, "erased mailbox allowed again");
        self.erased(name).await
    }

    /// Goes through an erasure to its end.
    pub(super) async fn erase_on(&self, writer: &StorageWriter, mut run: EraseRun) -> Result<EraseReport, ApiError> {
        loop {
            let now = self.clock.now();
            let step = writer.between(move |writer| {
                let step = writer.erase_step(&mut run, now)?;
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
