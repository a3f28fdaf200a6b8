//! What an administrator is told about parts of a mailbox that are not backed up: an archive or recoverable items that
//! cannot be read, or that were there and are not any more. That a mailbox has none is no problem.

use super::cycle::Cycle;
use super::tree::Tree;
use c2b_api::job::Problem;
use c2b_mailbox::{Address, Part, Presence};

/// Reports the parts that cannot be read.
pub(crate) fn report(cycle: &Cycle, address: &Address, tree: &Tree) {
    for part in Part::ALL {
        if let Some(reason) = closed(tree, part) {
            tracing::warn!(job = %cycle.job, cycle = cycle.progress.cycle(), mailbox = %address, %part, %reason, "part of a mailbox is not covered");
            cycle.progress.problem(problem(address, part, &reason));
        }
    }
}

/// Returns why a part is not backed up though one would expect it.
pub(crate) fn closed(tree: &Tree, part: Part) -> Option<String> {
    if tree.parts_left_out.contains(&part) {
        return None;
    }
    let is_kept = tree.kept.contains(&part);
    match tree.parts.get(&part) {
        Some(Presence::Closed(reason)) => Some(reason.clone()),
        Some(Presence::Absent) if is_kept => Some("it was there before, and is not there any more".to_owned()),
        None if is_kept => Some("it was there before, and the server does not show it any more".to_owned()),
        Some(Presence::Absent | Presence::Listed) | None => None,
    }
}

fn problem(address: &Address, part: Part, reason: &str) -> Problem {
    Problem {
        mailbox: address.to_string(),
        folder: part.folder_name().to_owned(),
        code: "not-covered".to_owned(),
        message: format!("the {part} cannot be read: {reason}; what was backed up of it stays as it is"),
        hint: "give the connection's account full access to the mailbox, or the right to impersonate".to_owned(),
    }
}
