//! The public folders of a job: under which address they are kept, and what is told of those that cannot be had.
//!
//! They are kept as one tree for an organisation, beside the mailboxes. What identifies the organisation is the
//! domain of the mailbox that holds the tree, as Autodiscover tells it, else that of the job's first mailbox. A storage
//! takes the public folders of one organisation only (spec.md section 2, setting 6).

use super::coverage::{Associated, associated_items};
use super::cycle::{Cycle, Halt};
use super::problem;
use super::tree::Tree;
use c2b_api::coverage::{CoveredPart, PartCoverage};
use c2b_api::job::Problem;
use c2b_mailbox::public::MissingFolder;
use c2b_mailbox::{Address, PublicFolder};

/// What a job takes of the public folders.
#[derive(Clone, Debug)]
pub(crate) struct PublicJob {
    /// Which ones.
    pub(crate) wanted: Vec<PublicFolder>,
    /// A mailbox in whose name they may be read.
    pub(crate) reader: Option<Address>,
    /// The address under which they are kept.
    pub(crate) address: Address,
}

/// Returns what the job takes; the inner error is why it cannot.
pub(crate) async fn job(cycle: &Cycle, wanted: &[PublicFolder], mailboxes: &[Address]) -> Result<Option<Result<PublicJob, Problem>>, Halt> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let reader = mailboxes.first().cloned();
    let domain = cycle.source.organisation().or_else(|| reader.as_ref().map(|reader| reader.domain().to_owned())).unwrap_or_default();
    let address = match Address::of_public_folders(&domain) {
        Ok(address) => address,
        Err(error) => {
            let hint = "give the connection an address to find its server by (--autodiscover), or name a mailbox in the job";
            return Ok(Some(Err(problem::whole("public-folders", format!("the organisation of the public folders is not known: {error}"), hint))));
        }
    };
    let held = cycle.read(|catalog| catalog.mailboxes()).await?;
    if let Some(other) = held.iter().map(|row| &row.address).find(|held| held.is_of_public_folders() && **held != address) {
        let message = format!("the storage holds public folders of {} already, and takes none of {domain} beside them", other.domain());
        return Ok(Some(Err(problem::whole("other-organisation", message, "back up the public folders of another organisation into another storage"))));
    }
    Ok(Some(Ok(PublicJob { wanted: wanted.to_vec(), reader, address })))
}

/// Reports the public folders that cannot be had.
pub(crate) fn report(cycle: &Cycle, address: &Address, tree: &Tree) {
    for MissingFolder { path, reason } in &tree.missing {
        tracing::warn!(job = %cycle.job, cycle = cycle.progress.cycle(), folder = %path, %reason, "public folder is not covered");
        cycle.progress.problem(Problem {
            mailbox: address.to_string(),
            folder: path.clone(),
            code: "not-covered".to_owned(),
            message: format!("the public folder cannot be read: {reason}; what was backed up of it stays as it is"),
            hint: "give the connection's account at least the permission Reviewer on it, or take it out of the job".to_owned(),
        });
    }
}

/// Returns what is covered of the public folders.
pub(crate) fn coverage(tree: &Tree, associated: &Associated) -> Vec<PartCoverage> {
    let reasons: Vec<String> = tree.missing.iter().map(|missing| format!("{}: {}", missing.path, missing.reason)).collect();
    let folders = if reasons.is_empty() && !tree.lost.is_empty() {
        let paths = tree.lost.join(", ");
        PartCoverage::included_as(CoveredPart::PublicFolders, format!("deleted, or hidden from the account, and kept as they were: {paths}"))
    } else if reasons.is_empty() {
        PartCoverage::included(CoveredPart::PublicFolders)
    } else {
        PartCoverage::missing(CoveredPart::PublicFolders, reasons.join("; "))
    };
    vec![folders, associated_items(associated)]
}
