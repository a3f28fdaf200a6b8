//! Lists the mailboxes that the address list shows.
//!
//! EWS has no such list. `ResolveNames` answers which names, aliases and addresses begin with a text, 100 at most; so we ask
//! for each letter, and where the answer is cut, for each letter behind it. Mailboxes hidden from the address
//! list do not appear; whether one is a person's, shared, or a room, the answer does not tell.

use super::EwsSource;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::resolve_names::{Resolution, Resolutions, ResolveNames};
use c2b_mailbox::{Address, Mailbox, MailboxKind, Scope, SourceError};
use std::collections::BTreeMap;

/// What names, aliases and addresses are made of; the first 36 can begin one.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789.-_ ";
const FIRST_LETTERS: usize = 36;
/// Longest beginning that is asked for: beyond it, 100 mailboxes share so many letters that they are found by other ones.
const BEGINNING_LETTERS_MAX: usize = 6;
/// Entries at which the server cuts an answer.
const ANSWER_ENTRIES_MAX: usize = 100;

impl EwsSource {
    /// Lists all mailboxes that can be found.
    pub(super) async fn list_mailboxes(&self) -> Result<Vec<Mailbox>, SourceError> {
        self.resolve_all().await.map_err(|failure| failure.about(Scope::Connection, "list mailboxes"))
    }

    async fn resolve_all(&self) -> Result<Vec<Mailbox>, Failure> {
        let mut found = BTreeMap::new();
        let mut beginnings: Vec<String> = LETTERS.chars().take(FIRST_LETTERS).map(String::from).collect();
        beginnings.reverse();
        while let Some(beginning) = beginnings.pop() {
            let answer = self.resolve(&beginning).await?;
            let cut = answer.whole == Some(false) || (answer.whole.is_none() && answer.entries.len() >= ANSWER_ENTRIES_MAX);
            found.extend(answer.entries.into_iter().filter_map(to_mailbox).map(|mailbox| (mailbox.address.clone(), mailbox)));
            if cut && beginning.len() < BEGINNING_LETTERS_MAX {
                beginnings.extend(LETTERS.chars().rev().map(|letter| format!("{beginning}{letter}")).filter(|text| !text.ends_with("  ")));
            } else if cut {
                tracing::warn!(letters = beginning.len(), "address list has more entries of one beginning than can be listed");
            }
        }
        Ok(found.into_values().collect())
    }

    async fn resolve(&self, beginning: &str) -> Result<Resolutions, Failure> {
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
    Some(Mailbox { address, display_name, kind: MailboxKind::Unknown })
}
