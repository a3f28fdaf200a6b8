//! What a selection comes to: the mailboxes of one cycle. Pure.
//!
//! A selection that comes to nothing, or a listing that lacks more than a fifth of the mailboxes
//! of the cycle before, is a failure: it is more likely a fault of the directory than the truth.

use super::problem;
use c2b_api::job::{Problem, Selection};
use c2b_mailbox::{Address, Mailbox};
use std::collections::HashSet;

/// What a selection came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The mailboxes to back up, in a stable order, each once.
    pub(crate) mailboxes: Vec<Address>,
    /// Those of the cycle before that the source lists no more, or no more as something that can be backed up.
    pub(crate) gone: Vec<Address>,
    /// Those that are listed and cannot be backed up, with the reason.
    pub(crate) skipped: Vec<(Address, String)>,
}

/// Resolves a selection. `listed` is what the source lists; it is needed for `AllExcept` only.
pub(crate) fn resolve(selection: &Selection, listed: &[Mailbox], previous: Option<&[Address]>) -> Result<Resolved, Problem> {
    match selection {
        Selection::Only(given) => only(given),
        Selection::AllExcept(given) => all_except(given, listed, previous.unwrap_or_default()),
    }
}

/// Returns the problem that a vanished mailbox is.
pub(crate) fn gone(address: &Address) -> Problem {
    Problem {
        mailbox: address.to_string(),
        folder: String::new(),
        code: "gone".to_owned(),
        message: "the source does not list this mailbox any more; what was backed up stays".to_owned(),
        hint: "nothing to do if it was removed on purpose".to_owned(),
    }
}

fn only(given: &[String]) -> Result<Resolved, Problem> {
    let mut seen = HashSet::new();
    let mut mailboxes = parse(given)?;
    mailboxes.retain(|address| seen.insert(address.clone()));
    if mailboxes.is_empty() {
        return Err(problem::whole("selection-empty", "the job's selection names no mailbox", "name at least one mailbox"));
    }
    Ok(Resolved { mailboxes, gone: Vec::new(), skipped: Vec::new() })
}

fn all_except(given: &[String], listed: &[Mailbox], previous: &[Address]) -> Result<Resolved, Problem> {
    let except: HashSet<Address> = parse(given)?.into_iter().collect();
    let reason = |mailbox: &Mailbox| Some((mailbox.address.clone(), mailbox.skipped.clone()?));
    let mut skipped: Vec<(Address, String)> = listed.iter().filter(|mailbox| !except.contains(&mailbox.address)).filter_map(reason).collect();
    skipped.sort();
    let listed: HashSet<&Address> = listed.iter().filter(|mailbox| mailbox.skipped.is_none()).map(|mailbox| &mailbox.address).collect();
    let mut mailboxes: Vec<Address> = listed.iter().copied().filter(|address| !except.contains(*address)).cloned().collect();
    mailboxes.sort();
    if mailboxes.is_empty() {
        let hint = "see what the connection lists with `c2bctl mailbox list`; nothing counts as deleted";
        return Err(problem::whole("selection-empty", "the job's selection comes to no mailbox", hint));
    }
    let gone: Vec<Address> = previous.iter().filter(|address| !listed.contains(*address) && !except.contains(*address)).cloned().collect();
    if gone.len() * 5 > previous.len() {
        let message = format!("{} of {} mailboxes are not listed any more, among them {}", gone.len(), previous.len(), gone[0]);
        let hint = "if they were removed on purpose, edit the job to accept the present list; nothing counts as deleted";
        return Err(problem::whole("selection-shrank", message, hint));
    }
    Ok(Resolved { mailboxes, gone, skipped })
}

fn parse(given: &[String]) -> Result<Vec<Address>, Problem> {
    given.iter().map(|text| Address::parse(text).map_err(|error| problem::whole("selection", problem::chain(&error), "correct the job's mailboxes"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_mailbox::MailboxKind;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn listed(names: &[&str]) -> Vec<Mailbox> {
        names.iter().map(|name| Mailbox::new(address(name), "", MailboxKind::User)).collect()
    }

    #[test]
    fn a_new_mailbox_joins_and_an_excepted_one_stays_out() {
        let selection = Selection::AllExcept(vec!["C@x".into()]);
        let resolved = resolve(&selection, &listed(&["d@x", "c@x", "a@x"]), Some(&[address("a@x"), address("c@x")])).unwrap();
        assert_eq!(resolved, Resolved { mailboxes: vec![address("a@x"), address("d@x")], gone: vec![], skipped: vec![] });
    }

    #[test]
    fn what_cannot_be_backed_up_is_skipped_with_its_reason_and_not_taken_for_gone_in_silence() {
        let all = Selection::AllExcept(vec!["except@x".into()]);
        let mut mailboxes = listed(&["a@x", "b@x", "c@x", "d@x", "e@x"]);
        mailboxes.extend([address("z@x"), address("except@x")].map(|address| Mailbox::new(address, "", MailboxKind::System)));
        let resolved = resolve(&all, &mailboxes, None).unwrap();
        assert_eq!((resolved.mailboxes.len(), resolved.skipped.len()), (5, 1));
        assert_eq!(resolved.skipped[0].0, address("z@x"));
        // One that became something else is told; many at once are a failure of the directory.
        let before = resolved.mailboxes;
        mailboxes[0] = Mailbox::new(address("a@x"), "", MailboxKind::Unsupported);
        let resolved = resolve(&all, &mailboxes, Some(&before)).unwrap();
        assert_eq!((resolved.gone, resolved.skipped.len()), (vec![address("a@x")], 2));
        mailboxes[1] = Mailbox::new(address("b@x"), "", MailboxKind::Unsupported);
        assert_eq!(resolve(&all, &mailboxes, Some(&before)).unwrap_err().code, "selection-shrank");
        let none: Vec<Mailbox> = vec![Mailbox::new(address("a@x"), "", MailboxKind::System)];
        assert_eq!(resolve(&all, &none, None).unwrap_err().code, "selection-empty");
    }

    #[test]
    fn nothing_and_a_shrunken_listing_are_failures() {
        let all = Selection::AllExcept(vec![]);
        assert_eq!(resolve(&all, &[], None).unwrap_err().code, "selection-empty");
        let before: Vec<Address> = (0..10).map(|n| address(&format!("m{n}@x"))).collect();
        let names: Vec<String> = before.iter().map(ToString::to_string).collect();
        let now = |count: usize| listed(&names.iter().take(count).map(String::as_str).collect::<Vec<_>>());
        assert_eq!(resolve(&all, &now(8), Some(&before)).unwrap().gone.len(), 2);
        assert_eq!(resolve(&all, &now(7), Some(&before)).unwrap_err().code, "selection-shrank");
        assert_eq!(resolve(&Selection::Only(vec![]), &[], None).unwrap_err().code, "selection-empty");
        assert_eq!(resolve(&Selection::Only(vec!["nobody".into()]), &[], None).unwrap_err().code, "selection");
    }

    #[test]
    fn names_given_twice_count_once() {
        let resolved = resolve(&Selection::Only(vec!["b@x".into(), "a@x".into(), "B@X".into()]), &[], None).unwrap();
        assert_eq!(resolved.mailboxes, [address("b@x"), address("a@x")]);
    }
}
