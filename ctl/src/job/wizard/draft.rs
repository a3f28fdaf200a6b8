//! A job that is being put together.

use super::Step;
use crate::job::continuity;
use c2b_api::activity::Activity;
use c2b_api::filter::Filter;
use c2b_api::idle::Idle;
use c2b_api::job::{Continuity, JobDefinition, PublicFolder, Selection};

/// Most addresses that the list of steps names.
const ADDRESSES_SHOWN_MAX: usize = 3;

/// What has been said so far.
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) connection: Option<String>,
    pub(super) storage: Option<String>,
    pub(super) source: Option<Selection>,
    pub(super) public_folders: Vec<PublicFolder>,
    pub(super) continuity: Continuity,
    pub(super) activity: Option<Activity>,
    pub(super) filter: Filter,
}

impl Draft {
    /// Begins with what needs no choice.
    pub(super) fn new(name: Option<String>, connections: &[String], storages: &[String]) -> Self {
        let only = |names: &[String]| if let [only] = names { Some(only.clone()) } else { None };
        Self {
            name,
            connection: only(connections),
            storage: only(storages),
            source: None,
            public_folders: Vec::new(),
            continuity: Continuity::Continuous { idle: Idle::default() },
            activity: None,
            filter: Filter::default(),
        }
    }

    /// Returns the first step that must be taken yet.
    pub(super) fn missing(&self) -> Option<Step> {
        let steps = [
            (self.name.is_none(), Step::Name),
            (self.connection.is_none(), Step::Connection),
            (self.source.is_none(), Step::Mailboxes),
            (self.storage.is_none(), Step::Storage),
        ];
        steps.into_iter().find_map(|(is_missing, step)| is_missing.then_some(step))
    }

    /// Returns what was said at a step, in words.
    pub(super) fn value(&self, step: Step) -> String {
        let or_ask = |value: Option<&String>| value.cloned().unwrap_or_else(|| "?".to_owned());
        match step {
            Step::Name => or_ask(self.name.as_ref()),
            Step::Connection => or_ask(self.connection.as_ref()),
            Step::Storage => or_ask(self.storage.as_ref()),
            Step::Mailboxes => match &self.source {
                None => "?".to_owned(),
                Some(Selection::Only(addresses)) => format!("only {}", some(addresses)),
                Some(Selection::AllExcept(addresses)) if addresses.is_empty() => "all".to_owned(),
                Some(Selection::AllExcept(addresses)) => format!("all except {}", some(addresses)),
            },
            Step::PublicFolders => match self.public_folders.as_slice() {
                [] => "none".to_owned(),
                folders => some(&folders.iter().map(|folder| folder.path.clone()).collect::<Vec<_>>()),
            },
            Step::Continuity => match &self.continuity {
                Continuity::Continuous { idle } => format!("continuous, {idle} from cycle to cycle"),
                one_time @ Continuity::OneTime => continuity(one_time).to_owned(),
            },
            Step::Activity => self.activity.as_ref().map_or_else(|| "whenever it is started".to_owned(), ToString::to_string),
            Step::Age => {
                let contacts = if self.filter.contacts_always { "; contacts of any age" } else { "" };
                let associated = if self.filter.associated { "; associated items, too" } else { "" };
                format!("{}{contacts}{associated}", self.filter.age)
            }
            Step::Folders if self.filter.leave_out.is_empty() => "none".to_owned(),
            Step::Folders => some(&self.filter.leave_out.iter().map(ToString::to_string).collect::<Vec<_>>()),
            Step::Save | Step::Leave => String::new(),
        }
    }

    /// Returns the definition; what is missing is empty.
    pub(super) fn definition(&self) -> JobDefinition {
        JobDefinition {
            name: self.name.clone().unwrap_or_default(),
            connection: self.connection.clone().unwrap_or_default(),
            storage: self.storage.clone().unwrap_or_default(),
            source: self.source.clone().unwrap_or(Selection::Only(Vec::new())),
            continuity: self.continuity.clone(),
            filter: self.filter.clone(),
            public_folders: self.public_folders.clone(),
            activity: self.activity.clone(),
            disabled: false,
        }
    }
}

fn some(words: &[String]) -> String {
    match words.len().checked_sub(ADDRESSES_SHOWN_MAX) {
        Some(more @ 1..) => format!("{} and {more} more", words.get(..ADDRESSES_SHOWN_MAX).unwrap_or(words).join(", ")),
        _ => words.join(", "),
    }
}
