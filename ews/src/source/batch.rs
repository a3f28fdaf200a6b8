//! One request for many items, cut into smaller ones where something in it makes the whole fail.
//!
//! This is the only repeating that a source does: to find out which item is the poisoned one.

use super::EwsSource;
use crate::error::{Failure, TIMED_OUT};
use crate::http::Target;
use crate::soap::{Batch, Operation};
use c2b_mailbox::{ItemId, Trouble};

/// Time-outs after which a server is taken to hang whatever it is asked for.
const TIME_OUTS_MAX: usize = 3;

/// What an answer says about which item it is.
pub(super) trait Identified {
    /// Returns the item's id, when the server gave it.
    fn id(&self) -> Option<&ItemId>;
}

impl EwsSource {
    /// Asks for all items; returns one result for each, in order.
    pub(super) async fn ask_for_all<O>(&self, target: &Target, ids: &[ItemId], request: impl Fn(Vec<ItemId>) -> O) -> Vec<Result<O::Message, Failure>>
    where
        O: Operation,
        O::Message: Identified,
    {
        let mut results: Vec<Option<Result<O::Message, Failure>>> = ids.iter().map(|_| None).collect();
        let mut groups: Vec<Vec<usize>> = vec![(0..ids.len()).collect()];
        let mut time_outs = 0;
        while let Some(group) = groups.pop() {
            let asked: Vec<ItemId> = group.iter().filter_map(|n| ids.get(*n).cloned()).collect();
            if asked.is_empty() {
                continue;
            }
            match self.transport.call(request(asked), target).await {
                Ok(batch) => groups.extend(place(batch, ids, &group, &mut results)),
                Err(failure) => {
                    time_outs += usize::from(failure.code == TIMED_OUT);
                    if !failure.is_worth_splitting() || time_outs >= TIME_OUTS_MAX {
                        // No connection, no sign-in, or the server asks for a pause: the rest would fare no better.
                        give(&mut results, &group, &failure);
                        groups.drain(..).for_each(|rest| give(&mut results, &rest, &failure));
                    } else if group.len() > 1 {
                        groups.extend(halves(group));
                    } else {
                        give(&mut results, &group, &failure);
                    }
                }
            }
        }
        let unanswered = || Err(Failure::new(Trouble::Malformed, "answer", "the server did not answer for this item"));
        results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect()
    }
}

/// Puts answers where they belong; returns the groups that must be asked again.
fn place<T: Identified>(batch: Batch<T>, ids: &[ItemId], group: &[usize], results: &mut [Option<Result<T, Failure>>]) -> Vec<Vec<usize>> {
    let mut untried = Vec::new();
    for (answer, position) in batch.answers.into_iter().zip(group) {
        let named = answer.as_ref().ok().and_then(Identified::id).and_then(|id| group.iter().find(|n| ids.get(**n) == Some(id)));
        let position = *named.unwrap_or(position);
        match answer {
            Err(failure) if failure.code == "ErrorBatchProcessingStopped" && group.len() > 1 => untried.push(vec![position]),
            answer => {
                if let Some(slot) = results.get_mut(position) {
                    *slot = Some(answer);
                }
            }
        }
    }
    let open = |n: &usize| results.get(*n).is_some_and(Option::is_none) && !untried.iter().any(|single| single.contains(n));
    let unanswered: Vec<usize> = group.iter().copied().filter(open).collect();
    let is_ours = batch.broken.as_ref().is_some_and(|broken| broken.trouble == Trouble::Local);
    if let (Some(broken), true) = (&batch.broken, is_ours) {
        give(results, &unanswered, broken);
    } else if unanswered.len() == group.len() && group.len() > 1 {
        untried.extend(halves(unanswered));
    } else if group.len() > 1 {
        // The first without an answer is where the answer broke off; the others may be well.
        let (first, rest) = unanswered.split_at(unanswered.len().min(1));
        untried.extend([rest.to_vec(), first.to_vec()]);
    } else if let (Some(broken), false) = (batch.broken, unanswered.is_empty()) {
        give(results, &unanswered, &broken);
    }
    untried
}

fn halves(group: Vec<usize>) -> [Vec<usize>; 2] {
    let (one, other) = group.split_at(group.len() / 2);
    [other.to_vec(), one.to_vec()]
}

fn give<T>(results: &mut [Option<Result<T, Failure>>], group: &[usize], failure: &Failure) {
    for n in group {
        if let Some(slot) = results.get_mut(*n).filter(|slot| slot.is_none()) {
            *slot = Some(Err(failure.clone()));
        }
    }
}
