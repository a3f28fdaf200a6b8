//! What a job takes of a mailbox (spec.md section 2, settings 7 and 8): decided of each item by its dates, and of each
//! folder by its role. Pure.
//!
//! An item without any date is taken: when in doubt, nothing is lost. An item that is too young for the job is to be
//! looked at again in each cycle, since it grows old without any change that a server would report.

use c2b_api::filter::{Age, Filter, SpecialFolder};
use c2b_mailbox::{Facts, FolderId, Occurs, Part, Role};
use chrono::{DateTime, Utc};
use std::collections::{HashMap, HashSet};

/// What was decided about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is backed up.
    Take,
    /// It is left out until it changes.
    Leave,
    /// It is left out for now, and its age counts from this time.
    NotYet(DateTime<Utc>),
}

/// What decides about a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderFacts<'a> {
    pub(crate) id: &'a FolderId,
    pub(crate) parent: Option<&'a FolderId>,
    pub(crate) role: Option<&'a Role>,
    pub(crate) class: &'a str,
}

/// The filter of one cycle.
#[derive(Debug)]
pub(crate) struct Sieve {
    filter: Filter,
    now: DateTime<Utc>,
}

impl Sieve {
    /// Returns the filter of a cycle that began `now`.
    pub(crate) fn new(filter: Filter, now: DateTime<Utc>) -> Self {
        Self { filter, now }
    }

    /// Returns whether it matters how old items are.
    pub(crate) fn is_of_age(&self) -> bool {
        !self.filter.age.is_any()
    }

    /// Decides about an item; `None` when more must be known of it.
    pub(crate) fn decide(&self, facts: Option<&Facts>, is_associated: bool) -> Option<Decision> {
        if self.is_of_age() && !is_associated { facts.map(|facts| decide(&self.filter, facts, self.now)) } else { Some(Decision::Take) }
    }

    /// Returns the time from which, at the latest, the age of an item must count that was too young until now; `None` when
    /// items do not become old enough.
    pub(crate) fn ripe_until(&self) -> Option<DateTime<Utc>> {
        match self.filter.age {
            Age::OlderThan(span) => Some(span.before(self.now)),
            Age::Any | Age::NotOlderThan(_) => None,
        }
    }

    /// Returns what decides about items, as a text that is another one for each other filter; empty when all are taken but
    /// the associated ones.
    pub(crate) fn text(&self) -> String {
        let Filter { age, contacts_always, associated, .. } = self.filter;
        let contacts = if contacts_always { ", contacts always" } else { "" };
        let age = self.is_of_age().then(|| format!("{age}{contacts}"));
        let associated = associated.then(|| "associated".to_owned());
        age.into_iter().chain(associated).collect::<Vec<_>>().join(", ")
    }

    /// Returns whether the job takes associated items, whatever their age.
    pub(crate) fn takes_associated(&self) -> bool {
        self.filter.associated
    }

    /// Returns whether the job leaves a part of each mailbox out.
    pub(crate) fn leaves_out(&self, part: Part) -> bool {
        let names = |special| self.filter.leave_out.contains(&special);
        match part {
            Part::Archive => names(SpecialFolder::ArchiveMailbox),
            Part::RecoverableItems => names(SpecialFolder::RecoverableItems),
            Part::ArchiveRecoverableItems => names(SpecialFolder::RecoverableItems) || names(SpecialFolder::ArchiveMailbox),
        }
    }

    /// Returns the folders that the job leaves out: the special ones that it names, and all below them.
    pub(crate) fn left_out(&self, folders: &[FolderFacts<'_>]) -> HashSet<FolderId> {
        left_out(&self.filter, folders)
    }
}

/// Decides about an item in a cycle that began `now`.
fn decide(filter: &Filter, facts: &Facts, now: DateTime<Utc>) -> Decision {
    if filter.contacts_always && is_contact(&facts.class) {
        return Decision::Take;
    }
    let reference = match facts.occurs {
        Some(Occurs::Until(end)) => Some(end),
        Some(Occurs::Endless) => Some(now),
        None => facts.modified,
    };
    let Some(reference) = reference else { return Decision::Take };
    match filter.age {
        _ if is_of_age(filter, reference, now) => Decision::Take,
        // An endless series never grows old, unless it changes.
        Age::OlderThan(_) if facts.occurs != Some(Occurs::Endless) => Decision::NotYet(reference),
        Age::Any | Age::OlderThan(_) | Age::NotOlderThan(_) => Decision::Leave,
    }
}

/// Returns whether an item whose age counts from `reference` is of the age that the job takes.
fn is_of_age(filter: &Filter, reference: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    match filter.age {
        Age::Any => true,
        Age::OlderThan(span) => reference <= span.before(now),
        Age::NotOlderThan(span) => reference >= span.before(now),
    }
}

fn left_out(filter: &Filter, folders: &[FolderFacts<'_>]) -> HashSet<FolderId> {
    let mut children: HashMap<&FolderId, Vec<&FolderId>> = HashMap::new();
    for folder in folders {
        if let Some(parent) = folder.parent {
            children.entry(parent).or_default().push(folder.id);
        }
    }
    let named = folders.iter().filter(|folder| special(folder).is_some_and(|special| filter.leave_out.contains(&special)));
    let mut next: Vec<&FolderId> = named.map(|folder| folder.id).collect();
    let mut out: HashSet<FolderId> = HashSet::new();
    while let Some(id) = next.pop() {
        if out.insert(id.clone()) {
            next.extend(children.get(id).into_iter().flatten());
        }
    }
    out
}

fn is_contact(class: &str) -> bool {
    ["IPM.Contact", "IPM.DistList"].iter().any(|family| {
        let (head, tail) = class.split_at_checked(family.len()).unwrap_or((class, ""));
        head.eq_ignore_ascii_case(family) && (tail.is_empty() || tail.starts_with('.'))
    })
}

/// Returns which special folder this is, by its role; RSS feeds have none and are known by their class.
fn special(folder: &FolderFacts<'_>) -> Option<SpecialFolder> {
    let Some(role) = folder.role else {
        return folder.class.eq_ignore_ascii_case("IPF.Note.OutlookHomepage").then_some(SpecialFolder::RssFeeds);
    };
    Some(match role.as_str() {
        "deleteditems" | "archivedeleteditems" => SpecialFolder::DeletedItems,
        "junkemail" => SpecialFolder::Junk,
        "drafts" => SpecialFolder::Drafts,
        "outbox" => SpecialFolder::Outbox,
        "sentitems" => SpecialFolder::Sent,
        "syncissues" | "conflicts" | "localfailures" | "serverfailures" => SpecialFolder::SyncIssues,
        "conversationhistory" => SpecialFolder::ConversationHistory,
        "recoverableitemsroot" | "archiverecoverableitemsroot" => SpecialFolder::RecoverableItems,
        "archiveroot" | "archivemsgfolderroot" => SpecialFolder::ArchiveMailbox,
        "notes" => SpecialFolder::Notes,
        "journal" => SpecialFolder::Journal,
        "tasks" => SpecialFolder::Tasks,
        "contacts" => SpecialFolder::Contacts,
        "calendar" => SpecialFolder::Calendar,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time(text: &str) -> DateTime<Utc> {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    fn filter(age: Age) -> Filter {
        Filter { age, ..Filter::default() }
    }

    fn six_months() -> c2b_api::Span {
        "6mo".parse().unwrap()
    }

    /// The example of spec.md: on 2015-09-01, not older than six months.
    #[test]
    fn an_appointment_counts_by_when_it_occurs_and_a_mail_by_its_last_change() {
        let recent = filter(Age::NotOlderThan(six_months()));
        let (now, made) = (time("2015-09-01"), Some(time("2014-03-10")));
        let appointment = Facts { class: "IPM.Appointment".to_owned(), occurs: Some(Occurs::Until(time("2015-04-01"))), modified: made };
        assert_eq!(decide(&recent, &appointment, now), Decision::Take);
        assert_eq!(decide(&recent, &Facts { class: "IPM.Note".to_owned(), occurs: None, modified: made }, now), Decision::Leave);
        let endless = Facts { occurs: Some(Occurs::Endless), ..appointment.clone() };
        assert_eq!(decide(&recent, &endless, now), Decision::Take);
        assert_eq!(decide(&filter(Age::OlderThan(six_months())), &endless, now), Decision::Leave);
        assert_eq!(decide(&filter(Age::OlderThan(six_months())), &appointment, now), Decision::NotYet(time("2015-04-01")));
    }

    #[test]
    fn ages_are_counted_in_the_calendar() {
        let old = filter(Age::OlderThan(six_months()));
        let mail = |day: &str| Facts { class: "IPM.Note".to_owned(), occurs: None, modified: Some(time(day)) };
        // Six months before 31 August is the last day of February.
        assert_eq!(decide(&old, &mail("2015-02-28"), time("2015-08-31")), Decision::Take);
        assert_eq!(decide(&old, &mail("2015-03-01"), time("2015-08-31")), Decision::NotYet(time("2015-03-01")));
        assert_eq!(decide(&old, &mail("2015-03-01"), time("2015-09-01")), Decision::Take);
    }

    #[test]
    fn contacts_can_be_taken_always_and_what_has_no_date_is() {
        let recent = Filter { contacts_always: true, ..filter(Age::NotOlderThan(six_months())) };
        let of = |class: &str| Facts { class: class.to_owned(), occurs: None, modified: Some(time("2001-01-01")) };
        for class in ["IPM.Contact", "ipm.contact.Custom", "IPM.DistList"] {
            assert_eq!(decide(&recent, &of(class), time("2015-09-01")), Decision::Take, "{class}");
        }
        for class in ["IPM.ContactLog", "IPM.Note", "", "IPM.Kontaktä"] {
            assert_eq!(decide(&recent, &of(class), time("2015-09-01")), Decision::Leave, "{class}");
        }
        assert_eq!(decide(&recent, &Facts { modified: None, ..of("IPM.Note") }, time("2015-09-01")), Decision::Take);
    }

    proptest! {
        /// Whatever the age, each item is taken by one of the two rules, and what waits is taken in the end.
        #[test]
        fn nothing_falls_between_the_rules(days in 1u32..4000, reference in 0i64..2_000_000_000, now in 0i64..2_000_000_000) {
            let span: c2b_api::Span = format!("{}d", days.min(9999)).parse().unwrap();
            let (now, reference) = (DateTime::from_timestamp(now, 0).unwrap(), DateTime::from_timestamp(reference, 0).unwrap());
            let mail = Facts { class: "IPM.Note".to_owned(), occurs: None, modified: Some(reference) };
            let old = decide(&filter(Age::OlderThan(span)), &mail, now);
            let recent = decide(&filter(Age::NotOlderThan(span)), &mail, now);
            prop_assert!(old == Decision::Take || recent == Decision::Take);
            prop_assert_eq!(old == Decision::NotYet(reference), old != Decision::Take);
            prop_assert!(is_of_age(&filter(Age::OlderThan(span)), reference, span.after(reference.max(now))));
        }
    }

    #[test]
    fn special_folders_are_left_out_by_role_with_what_is_below() {
        let ids: Vec<FolderId> = ["geloescht", "projekt", "alt", "Deleted Items", "feeds", "ring"].iter().map(|id| FolderId::new(*id)).collect();
        let (role, other) = (Role::new("deleteditems"), Role::new("inbox"));
        let folder = |n: usize, parent: Option<usize>, role, class| FolderFacts { id: &ids[n], parent: parent.map(|n| &ids[n]), role, class };
        let folders = [
            folder(2, Some(1), None, ""),
            folder(1, Some(0), None, ""),
            folder(0, None, Some(&role), "IPF.Note"),
            // A user's own folder of that English name, and a folder that says it lies in itself.
            folder(3, None, Some(&other), "IPF.Note"),
            folder(4, None, None, "ipf.note.outlookhomepage"),
            folder(5, Some(5), None, ""),
        ];
        let out = |leave_out: &[SpecialFolder]| {
            let filter = Filter { leave_out: leave_out.iter().copied().collect(), ..Filter::default() };
            let mut out: Vec<String> = left_out(&filter, &folders).into_iter().map(|id| id.to_string()).collect();
            out.sort();
            out
        };
        assert_eq!(out(&[SpecialFolder::DeletedItems]), ["alt", "geloescht", "projekt"]);
        assert_eq!(out(&[SpecialFolder::RssFeeds, SpecialFolder::Junk]), ["feeds"]);
        assert!(out(&[]).is_empty());
    }
}
