//! The failure ledger of a job, as its storage keeps it.

use c2b_api::job::FailureInfo;
use c2b_storagefmt::{Catalog, CommitSeq, Error, Failure, FolderKey, MailboxKey, Moment};
use std::collections::HashMap;

/// How many items failed, as of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    head: CommitSeq,
    pub(super) failures: u64,
}

/// Counts a job's failures, unless nothing was committed since they were counted last.
pub(super) fn count(catalog: &Catalog, job: &str, known: Option<Count>) -> Result<Count, Error> {
    let head = catalog.head()?;
    match known.filter(|known| known.head == head) {
        Some(known) => Ok(known),
        None => Ok(Count { head, failures: catalog.failures(None)?.iter().filter(|(_, failure)| failure.job == job).count() as u64 }),
    }
}

/// Returns a job's failures with the paths of their folders.
pub(super) fn failures(catalog: &Catalog, job: &str) -> Result<Vec<FailureInfo>, Error> {
    let addresses: HashMap<MailboxKey, String> = catalog.mailboxes()?.into_iter().map(|row| (row.key, row.address.to_string())).collect();
    let mut infos = Vec::new();
    for (mailbox, failure) in catalog.failures(None)? {
        if failure.job == job {
            let folder = folder_path(catalog, mailbox, failure.folder)?;
            infos.push(shown(addresses.get(&mailbox).cloned().unwrap_or_default(), folder, failure));
        }
    }
    Ok(infos)
}

/// Returns the names from the top down to a folder. A tree that loops ends after as many names as any real one has.
fn folder_path(catalog: &Catalog, mailbox: MailboxKey, folder: FolderKey) -> Result<String, Error> {
    const DEPTH_MAX: usize = 300;
    let mut names = Vec::new();
    let mut next = Some(folder);
    while let Some(key) = next.filter(|_| names.len() < DEPTH_MAX) {
        let Some(row) = catalog.folder(mailbox, key, Moment::Latest)? else { break };
        names.push(row.name);
        next = row.parent;
    }
    names.reverse();
    Ok(names.join("/"))
}

fn shown(mailbox: String, folder: String, failure: Failure) -> FailureInfo {
    let Failure { id, subject, date, size, code, message, attempts, first_seen, last_seen, next_try, .. } = failure;
    FailureInfo { mailbox, folder, item: id.to_string(), subject, date, size, code, message, attempts, first_seen, last_seen, next_try }
}
