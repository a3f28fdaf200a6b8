//! What may be read in a mailbox: archive, recoverable items, the folders that a delegate may not see though the mailbox
//! opens (calendar, contacts, tasks), public folders.

use super::add;
use crate::error::Failure;
use crate::operation::FolderName;
use crate::operation::get_rights::{GetRights, RawRights};
use crate::source::EwsSource;
use crate::source::mailbox::{OpenMailbox, Right};
use c2b_mailbox::{Address, CheckReport, Level, Trouble};

/// The folders that are asked for, in this order.
const FOLDERS: [(&str, &str); 6] = [
    ("archivemsgfolderroot", "archive"),
    ("recoverableitemsroot", "recoverable items"),
    ("calendar", "calendar"),
    ("contacts", "contacts"),
    ("tasks", "tasks"),
    ("publicfoldersroot", "public folders"),
];

/// How a part of a mailbox stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// It can be read; so many folders are right below it, if that is told.
    Readable(Option<u32>),
    /// There is none.
    Absent,
    /// It is there, or nobody can say, and cannot be read.
    Closed(String),
}

/// What was seen in all mailboxes that were opened.
#[derive(Default)]
pub(super) struct Seen {
    mailboxes: Vec<(Address, Right, [Option<Part>; FOLDERS.len()])>,
    /// Mailboxes that nobody lets us into.
    pub(super) denied: Vec<Address>,
    /// Mailboxes that failed for another reason.
    pub(super) failed: usize,
}

impl Seen {
    /// Looks into a mailbox that is open.
    pub(super) async fn look_into(&mut self, source: &EwsSource, mailbox: &Address, open: &OpenMailbox) -> Result<(), Failure> {
        let owner = match &open.root {
            FolderName::WellKnown(_, owner) => owner.clone(),
            FolderName::Id(_) => None,
        };
        // Public folders belong to the organisation, not to the mailbox.
        let name = |word: &'static str| FolderName::WellKnown(word, owner.clone().filter(|_| word != "publicfoldersroot"));
        let request = GetRights { folders: FOLDERS.iter().map(|(word, _)| name(word)).collect() };
        let answer = source.transport.call(request, &open.target).await;
        let mut parts = [const { None }; FOLDERS.len()];
        let result = match answer {
            Ok(batch) => {
                for (part, answer) in parts.iter_mut().zip(batch.answers) {
                    *part = Some(judge(answer));
                }
                batch.broken.map_or(Ok(()), Err)
            }
            Err(failure) => Err(failure),
        };
        self.mailboxes.push((mailbox.clone(), open.right, parts));
        result
    }

    /// Says what was seen.
    pub(super) fn tell(&self, report: &mut CheckReport, is_application: bool) {
        let tried = self.mailboxes.len() + self.denied.len() + self.failed;
        if tried == 0 {
            return;
        }
        self.tell_rights(report, tried, is_application);
        for (place, (_, subject)) in FOLDERS.iter().enumerate() {
            let parts: Vec<(&Address, &Part)> = self.mailboxes.iter().filter_map(|(mailbox, _, parts)| Some((mailbox, parts.get(place)?.as_ref()?))).collect();
            if *subject == "public folders" { tell_public_folders(report, &parts) } else { tell_part(report, subject, &parts) }
        }
    }

    fn tell_rights(&self, report: &mut CheckReport, tried: usize, is_application: bool) {
        let by = |right: Right| self.mailboxes.iter().filter(|(_, found, _)| *found == right).count();
        let counts = [
            (by(Right::Own), "as its owner"),
            (by(Right::Impersonation), if is_application { "by application access" } else { "by impersonation" }),
            (by(Right::Delegate), "as a delegate with full access"),
        ];
        let mut words: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, how)| format!("{count} {how}")).collect();
        if !self.denied.is_empty() {
            let names: Vec<&str> = self.denied.iter().map(Address::as_str).collect();
            words.push(format!("{} denied ({})", names.len(), names.join(", ")));
        }
        if self.failed > 0 {
            words.push(format!("{} not opened for another reason", self.failed));
        }
        let level = if self.mailboxes.len() == tried { Level::Ok } else { Level::Warning };
        add(report, "rights", level, format!("of {tried} mailboxes tried: {}", words.join(", ")), "");
    }
}

fn judge(answer: Result<RawRights, Failure>) -> Part {
    match answer {
        Ok(RawRights { read: Some(false), .. }) => Part::Closed("the user may not read it".to_owned()),
        Ok(rights) => Part::Readable(rights.children),
        Err(failure)
            if failure.trouble == Trouble::NotFound
                || matches!(
                    failure.code.as_str(),
                    "ErrorArchiveMailboxNotEnabled" | "ErrorNoPublicFolderServerAvailable" | "ErrorPublicFolderServerNotFound"
                ) =>
        {
            Part::Absent
        }
        Err(failure) => Part::Closed(format!("{} ({})", failure.message, failure.code)),
    }
}

fn tell_part(report: &mut CheckReport, subject: &str, parts: &[(&Address, &Part)]) {
    let readable = parts.iter().filter(|(_, part)| matches!(part, Part::Readable(_))).count();
    for (mailbox, part) in parts {
        if let Part::Closed(reason) = part {
            add(
                report,
                subject,
                Level::Warning,
                format!("not readable in {mailbox}, so not covered there: {reason}"),
                "give the user full access, or the right to impersonate",
            );
        }
    }
    if readable > 0 {
        add(report, subject, Level::Ok, format!("readable in {readable} of {} mailboxes tried", parts.len()), "");
    } else if parts.iter().all(|(_, part)| **part == Part::Absent) && !parts.is_empty() {
        add(report, subject, Level::Ok, format!("none in the {} mailboxes tried", parts.len()), "");
    }
}

fn tell_public_folders(report: &mut CheckReport, parts: &[(&Address, &Part)]) {
    let best = parts.iter().map(|(_, part)| *part).min_by_key(|part| match part {
        Part::Readable(_) => 0,
        Part::Closed(_) => 1,
        Part::Absent => 2,
    });
    match best {
        None => {}
        Some(Part::Readable(Some(0))) => {
            let hint = "an empty tree can also mean that the user may see no folder: they need at least Reviewer on each";
            add(report, "public folders", Level::Warning, "reachable, and the user sees none".to_owned(), hint);
        }
        Some(Part::Readable(children)) => {
            let text = children.map_or_else(|| "reachable".to_owned(), |children| format!("reachable, {children} at the top"));
            add(report, "public folders", Level::Ok, text, "");
        }
        Some(Part::Absent) => add(report, "public folders", Level::Ok, "the server knows none".to_owned(), ""),
        Some(Part::Closed(reason)) => {
            let hint = "give the user at least the permission Reviewer on the public folders";
            add(report, "public folders", Level::Warning, format!("not readable, so not covered: {reason}"), hint);
        }
    }
}
