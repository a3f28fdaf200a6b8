//! What the source's answers weigh, for the slots.

use crate::slots::{Kind, Outcome, Weight};
use c2b_mailbox::public::Whereabouts;
use c2b_mailbox::{Change, Content, Fetched, FolderId, FolderPage, Looked, Mailbox, Page, PublicTree, Retry, SourceError, Trouble};

/// An answer of a source.
pub(crate) trait Weigh {
    /// Returns how the request ended that brought this.
    fn outcome(&self) -> Outcome;
}

impl Weigh for Vec<Mailbox> {
    fn outcome(&self) -> Outcome {
        answered(Kind::Other, self.len(), 0)
    }
}

impl Weigh for FolderPage {
    fn outcome(&self) -> Outcome {
        answered(Kind::Folders, self.changes.len(), 0)
    }
}

impl Weigh for PublicTree {
    fn outcome(&self) -> Outcome {
        answered(Kind::Folders, self.seen.len(), 0)
    }
}

impl Weigh for Vec<Whereabouts> {
    fn outcome(&self) -> Outcome {
        answered(Kind::Folders, self.len(), 0)
    }
}

impl Weigh for Vec<(FolderId, String)> {
    fn outcome(&self) -> Outcome {
        answered(Kind::Folders, self.len(), 0)
    }
}

impl Weigh for Page<Change> {
    fn outcome(&self) -> Outcome {
        answered(Kind::Changes, self.changes.len(), 0)
    }
}

impl Weigh for Vec<Looked> {
    fn outcome(&self) -> Outcome {
        of_errors(self.iter().filter_map(|one| one.result.as_ref().err())).unwrap_or_else(|| answered(Kind::Looks, self.len(), 0))
    }
}

impl Weigh for Vec<Fetched> {
    fn outcome(&self) -> Outcome {
        if let Some(outcome) = of_errors(self.iter().filter_map(|one| one.result.as_ref().err())) {
            return outcome;
        }
        let items = self.iter().filter_map(|one| one.result.as_ref().ok());
        let bytes = items.map(|item| {
            let readable = item.readable.as_ref().map_or(0, |readable| readable.content.len());
            readable + item.export.as_ref().map_or(0, Content::len)
        });
        answered(Kind::Items, self.len(), bytes.sum())
    }
}

/// Returns how a request ended of which parts failed; `None` when none did.
fn of_errors<'a>(errors: impl Iterator<Item = &'a SourceError>) -> Option<Outcome> {
    let mut outcome = None;
    for error in errors {
        if error.trouble == Trouble::Throttled {
            return Some(of_error(error));
        }
        outcome = Some(Outcome::Neutral);
    }
    outcome
}

/// Returns how a request ended that failed.
pub(crate) fn of_error(error: &SourceError) -> Outcome {
    match (error.trouble, error.retry) {
        (Trouble::Throttled, Retry::After(pause)) => Outcome::Refused(Some(pause)),
        (Trouble::Throttled, _) => Outcome::Refused(None),
        (Trouble::Unreachable, _) => Outcome::Lost,
        // A server that is too busy breaks connections, or says so in passing.
        (Trouble::Busy | Trouble::Malformed, _) if error.is_transient() && error.scope == c2b_mailbox::Scope::Connection => Outcome::Lost,
        _ => Outcome::Neutral,
    }
}

fn answered(kind: Kind, items: usize, bytes: u64) -> Outcome {
    Outcome::Answered(Weight { kind, items: u64::try_from(items).unwrap_or(u64::MAX), bytes })
}
