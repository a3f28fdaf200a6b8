//! The mailboxes that the address list shows.
//!
//! `ResolveNames` answers which names, aliases and addresses begin with a text, 100 at most; so we ask
//! for each letter, and where the answer is cut, for each letter behind it. A listing that is interrupted goes on where it
//! was when it is asked for again. Mailboxes hidden from the address list do not appear; whether one is a
//! person's, shared, or a room, the answer does not tell.

use super::EwsSource;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::resolve_names::{Resolution, Resolutions, ResolveNames};
use c2b_mailbox::{Address, Mailbox, MailboxKind, Trouble};
use std::collections::BTreeMap;

/// What names, aliases and addresses are made of; the first 36 can begin one. ASCII.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789.-_ '+&@";
const FIRST_LETTERS: usize = 36;
/// Letters that are asked for to find some mailboxes.
const SAMPLE_LETTERS: usize = 5;
/// Longest beginning that is asked for. Only a beginning that more than 100 entries share goes deeper, as in `meeting room 1`.
const BEGINNING_LETTERS_MAX: usize = 64;
/// Entries at which the server cuts an answer.
const ANSWER_ENTRIES_MAX: usize = 100;

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    found: BTreeMap<Address, Mailbox>,
    /// Beginnings that are still to be asked for; the next one last.
    beginnings: Vec<String>,
}

impl Default for Listing {
    fn default() -> Self {
        Self { found: BTreeMap::new(), beginnings: LETTERS[..FIRST_LETTERS].chars().rev().map(String::from).collect() }
    }
}

impl EwsSource {
    /// Lists all mailboxes that names lead to.
    pub(super) async fn list_by_names(&self) -> Result<Vec<Mailbox>, Failure> {
        let mut listing = self.listing.lock().await;
        while let Some(beginning) = listing.beginnings.last().cloned() {
            let answer = self.resolve(&beginning).await?;
            listing.beginnings.pop();
            let cut = answer.whole == Some(false) || (answer.whole.is_none() && answer.entries.len() >= ANSWER_ENTRIES_MAX);
            listing.found.extend(answer.entries.into_iter().filter_map(to_mailbox).map(|mailbox| (mailbox.address.clone(), mailbox)));
            if cut && beginning.len() < BEGINNING_LETTERS_MAX {
                let longer = LETTERS.chars().rev().map(|letter| format!("{beginning}{letter}"));
                listing.beginnings.extend(longer.filter(|text| !text.ends_with("  ")));
            } else if cut {
                *listing = Listing::default();
                return Err(Failure::new(Trouble::Refused, "address-list", "more entries share one name than the server lists: name the mailboxes instead"));
            }
        }
        Ok(std::mem::take(&mut *listing).found.into_values().collect())
    }

    /// Returns some of the mailboxes that names lead to, with few requests.
    pub(super) async fn some_by_names(&self, wanted: usize) -> Result<Vec<Mailbox>, Failure> {
        let mut found = BTreeMap::new();
        for letter in LETTERS.chars().take(SAMPLE_LETTERS) {
            let answer = self.resolve(&letter.to_string()).await?;
            found.extend(answer.entries.into_iter().filter_map(to_mailbox).map(|mailbox| (mailbox.address.clone(), mailbox)));
            if found.len() >= wanted {
                break;
            }
        }
        Ok(found.into_values().take(wanted).collect())
    }

    /// Asks who begins so; 100 at most.
    pub(super) async fn resolve(&self, beginning: &str) -> Result<Resolutions, Failure> {
        let answer = self.transport.call(ResolveNames { beginning: beginning.to_owned() }, &Target::default()).await?.single();
        match answer {
            Err(failure) if failure.code == "ErrorNameResolutionNoResults" || failure.code == "ErrorNameResolutionNoMailbox" => Ok(Resolutions::default()),
            other => other,
        }
    }
}

/// Takes mailboxes only: no lists, no contacts of the organisation, no X.500 names.
fn to_mailbox(resolution: Resolution) -> Option<Mailbox> {
    let is_mailbox = matches!(resolution.kind.trim(), "Mailbox" | "");
    let is_internet = matches!(resolution.routing.trim(), "SMTP" | "");
    let address = Address::parse(&resolution.address).ok().filter(|_| is_mailbox && is_internet)?;
    let name = resolution.name.trim();
    let display_name = if name.is_empty() { address.as_str() } else { name }.to_owned();
    Some(Mailbox::new(address, display_name, MailboxKind::Unknown))
}
