//! What a cycle covers of a mailbox. Pure.
//!
//! Inbox rules and automatic replies are associated items of the inbox, and covered as far as those are.

use super::parts::closed;
use super::tree::{Place, Tree};
use c2b_api::coverage::{CoveredPart, PartCoverage};
use c2b_mailbox::{Part, Presence};

const LEFT_OUT: &str = "the job leaves it out";

/// How it stands with associated items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Associated {
    /// The job takes them.
    Taken,
    /// The job does not take them.
    NotWanted,
    /// The job would take them, and the source does not tell them, for this reason.
    Lacking(String),
}

/// Returns how it stands with each part of a mailbox whose folders are known.
pub(crate) fn coverage(tree: &Tree, associated: &Associated) -> Vec<PartCoverage> {
    CoveredPart::ALL.into_iter().map(|part| of_part(tree, part, associated)).collect()
}

/// Returns how it stands with associated items.
pub(crate) fn associated_items(associated: &Associated) -> PartCoverage {
    let part = CoveredPart::AssociatedItems;
    match associated {
        Associated::Taken => PartCoverage::included(part),
        Associated::NotWanted => PartCoverage::excluded(part, "the job does not take them"),
        Associated::Lacking(reason) => PartCoverage::missing(part, reason),
    }
}

fn rules(associated: &Associated) -> PartCoverage {
    let part = CoveredPart::Rules;
    match associated {
        Associated::Taken => PartCoverage::included_as(part, "as associated items"),
        Associated::NotWanted => PartCoverage::excluded(part, "they are associated items, which the job does not take"),
        Associated::Lacking(_) => PartCoverage::absent(part, "they are associated items, which the server does not list"),
    }
}

/// Returns how it stands with a mailbox that could not be backed up.
pub(crate) fn of_failed(reason: &str) -> Vec<PartCoverage> {
    vec![PartCoverage::missing(CoveredPart::Primary, reason)]
}

fn of_part(tree: &Tree, part: CoveredPart, associated: &Associated) -> PartCoverage {
    match part {
        CoveredPart::Primary => PartCoverage::included(part),
        CoveredPart::Archive => beside(tree, part, Part::Archive),
        CoveredPart::RecoverableItems => beside(tree, part, Part::RecoverableItems),
        CoveredPart::Calendar => folders(tree, part, "calendar", "IPF.Appointment"),
        CoveredPart::Contacts => folders(tree, part, "contacts", "IPF.Contact"),
        CoveredPart::Tasks => folders(tree, part, "tasks", "IPF.Task"),
        CoveredPart::AssociatedItems => associated_items(associated),
        CoveredPart::Rules => rules(associated),
        CoveredPart::PublicFolders => PartCoverage::absent(part, "public folders belong to no mailbox"),
    }
}

fn beside(tree: &Tree, covered: CoveredPart, part: Part) -> PartCoverage {
    if tree.parts_left_out.contains(&part) {
        return PartCoverage::excluded(covered, LEFT_OUT);
    }
    match (closed(tree, part), tree.parts.get(&part)) {
        (Some(reason), _) => PartCoverage::missing(covered, reason),
        (None, Some(Presence::Listed)) => PartCoverage::included(covered),
        (None, Some(_)) => PartCoverage::absent(covered, "the mailbox has none"),
        (None, None) => PartCoverage::absent(covered, "the server does not show any"),
    }
}

fn folders(tree: &Tree, covered: CoveredPart, role: &str, class: &str) -> PartCoverage {
    let is_one = |place: &&Place| place.role.as_ref().is_some_and(|own| own.as_str() == role) || place.class.eq_ignore_ascii_case(class);
    match tree.folders.iter().find(is_one) {
        Some(_) => PartCoverage::included(covered),
        None if tree.left_out.iter().any(|place| is_one(&place)) => PartCoverage::excluded(covered, LEFT_OUT),
        None => PartCoverage::absent(covered, "the mailbox has no such folder"),
    }
}
