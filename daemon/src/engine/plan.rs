//! What a page of item changes asks for: one action for each item. Pure.
//!
//! A server may report an item several times in a page. The last report wins, but a read mark
//! after a change does not hide the change.

use c2b_mailbox::{Change, ChangeKey, ItemId, Told};
use std::collections::HashMap;

/// What is to be done about one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) id: ItemId,
    /// The mark of the state that the server reported.
    pub(crate) change_key: Option<ChangeKey>,
    /// What the server told of it beside.
    pub(crate) told: Told,
    pub(crate) action: Action,
}

/// What a page says about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is new or changed.
    Look,
    /// Its read state is this.
    Mark(bool),
    /// It is not in the folder any more.
    Drop,
}

/// Returns the actions of a page, in the order in which the items were first reported.
pub(crate) fn plan(changes: Vec<Change>) -> Vec<Planned> {
    let mut places: HashMap<ItemId, usize> = HashMap::with_capacity(changes.len());
    let mut planned: Vec<Planned> = Vec::with_capacity(changes.len());
    for change in changes {
        let next = match change {
            Change::Upsert { id, change_key, told } => Planned { id, change_key, told, action: Action::Look },
            Change::Read { id, change_key, read } => Planned { id, change_key, told: Told::default(), action: Action::Mark(read) },
            Change::Delete(id) => Planned { id, change_key: None, told: Told::default(), action: Action::Drop },
        };
        match places.get(&next.id).and_then(|place| planned.get_mut(*place)) {
            Some(earlier) => *earlier = merge(earlier, next),
            None => {
                places.insert(next.id.clone(), planned.len());
                planned.push(next);
            }
        }
    }
    planned
}

fn merge(earlier: &Planned, next: Planned) -> Planned {
    match (earlier.action, next.action) {
        // A read mark says nothing about the contents: look at what was reported before it.
        (Action::Look | Action::Drop, Action::Mark(read)) => {
            let told = Told { read: Some(read), ..earlier.told.clone() };
            Planned { action: Action::Look, told, ..next }
        }
        _ => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upsert(id: &str, key: &str) -> Change {
        Change::Upsert { id: ItemId::new(id), change_key: Some(ChangeKey::new(key)), told: Told::default() }
    }

    fn read(id: &str, key: &str) -> Change {
        Change::Read { id: ItemId::new(id), change_key: Some(ChangeKey::new(key)), read: true }
    }

    #[test]
    fn the_last_report_of_an_item_wins_without_hiding_a_change() {
        let drop = |id: &str| Change::Delete(ItemId::new(id));
        let page = vec![
            upsert("new-then-read", "1"),
            read("new-then-read", "2"),
            read("read-then-new", "1"),
            upsert("read-then-new", "2"),
            upsert("new-then-gone", "1"),
            drop("new-then-gone"),
            drop("gone-then-back"),
            upsert("gone-then-back", "3"),
            read("read", "1"),
            read("read", "2"),
        ];
        let planned = plan(page);
        let actions: Vec<_> = planned.iter().map(|one| (one.id.as_str(), one.action, one.change_key.as_ref().map(ChangeKey::as_str))).collect();
        assert_eq!(
            actions,
            [
                ("new-then-read", Action::Look, Some("2")),
                ("read-then-new", Action::Look, Some("2")),
                ("new-then-gone", Action::Drop, None),
                ("gone-then-back", Action::Look, Some("3")),
                ("read", Action::Mark(true), Some("2")),
            ]
        );
    }
}
