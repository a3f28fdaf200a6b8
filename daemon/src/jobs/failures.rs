//! What is done about the failure ledger: tried again, acknowledged, taken to another name.

use super::Jobs;
use crate::definition::Job;
use crate::failure;
use crate::name::Name;
use crate::storages::Storages;
use c2b_api::ApiError;
use c2b_api::job::{FailureChoice, FailureCount};
use c2b_storagefmt::{Error, Failure, MailboxKey, Writer};
use std::collections::HashMap;
use std::sync::Arc;
use tracing::info;

impl Jobs {
    /// Has items tried again with the job's next cycle, also those that would not be any more.
    ///
    /// # Errors
    /// When there is no such job, none of its failures is chosen, or its storage cannot be written.
    pub async fn retry_failures(&self, name: &Name, choice: FailureChoice, user: &str) -> Result<FailureCount, ApiError> {
        let (job, now) = (self.get(name)?, self.clock.now());
        let items = self.each_failure(&job, choice, move |writer, mailbox, failure| writer.put_failure(mailbox, Failure { next_try: Some(now), ..failure }));
        let items = items.await?;
        info!(job = %name, %user, items, "failures are tried again");
        Ok(FailureCount { items })
    }

    /// Takes items out of the ledger though they are not stored. They come back when they change and fail again.
    ///
    /// # Errors
    /// As [`Jobs::retry_failures`].
    pub async fn acknowledge_failures(&self, name: &Name, choice: FailureChoice, user: &str) -> Result<FailureCount, ApiError> {
        let job = self.get(name)?;
        let items = self.each_failure(&job, choice, |writer, mailbox, failure| writer.clear_failure(mailbox, &failure.id)).await?;
        info!(job = %name, %user, items, "failures acknowledged");
        Ok(FailureCount { items })
    }

    /// Gives the failures of a job to the one that it is from now on.
    pub(super) async fn rename_failures(&self, job: &Job, new: &Name) -> Result<(), ApiError> {
        let new = new.to_string();
        let change = move |writer: &mut Writer, mailbox, failure| writer.put_failure(mailbox, Failure { job: new.clone(), ..failure });
        change_failures(&self.storages, job, FailureChoice::default(), change).await.map(drop)
    }

    async fn each_failure(
        &self,
        job: &Job,
        choice: FailureChoice,
        change: impl Fn(&mut Writer, MailboxKey, Failure) -> Result<(), Error> + Send + 'static,
    ) -> Result<u64, ApiError> {
        let items = change_failures(&self.storages, job, choice, change).await?;
        if items == 0 {
            let hint = format!("`c2bctl job failures {}` lists what failed", job.name);
            return Err(failure::state("none of the job's failures is chosen".to_owned(), hint));
        }
        Ok(items)
    }
}

/// Changes failures of a job in one commit; returns how many.
async fn change_failures(
    storages: &Arc<Storages>,
    job: &Job,
    choice: FailureChoice,
    change: impl Fn(&mut Writer, MailboxKey, Failure) -> Result<(), Error> + Send + 'static,
) -> Result<u64, ApiError> {
    let name = job.name.to_string();
    storages
        .between(&job.storage, move |writer| {
            let catalog = writer.catalog();
            let addresses: HashMap<MailboxKey, String> = catalog.mailboxes()?.into_iter().map(|row| (row.key, row.address.to_string())).collect();
            let mut items = 0;
            for (mailbox, failure) in catalog.failures(None)? {
                let is_there = choice.mailbox.as_ref().is_none_or(|wanted| addresses.get(&mailbox).is_some_and(|address| address.eq_ignore_ascii_case(wanted)));
                let is_meant = choice.items.is_empty() || choice.items.iter().any(|item| item == failure.id.as_str());
                if failure.job == name && is_there && is_meant {
                    change(writer, mailbox, failure)?;
                    items += 1;
                }
            }
            Ok(items)
        })
        .await
}
