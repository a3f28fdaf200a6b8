//! The members of a distribution group, and of the groups in it.
//!
//! `ExpandDL` goes one level deep; we go on ourselves, through each group once, so that groups which contain each other end.
//! A group that cannot be opened, or not wholly, fails the list: its members would otherwise look as if they had left.

use super::EwsSource;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::expand_dl::ExpandDl;
use crate::operation::resolve_names::Resolution;
use c2b_mailbox::{Address, Mailbox, MailboxKind, Trouble};
use std::collections::{BTreeMap, HashSet};

/// Groups in a group; beyond that somebody has made a mistake.
const GROUPS_MAX: usize = 5000;

impl EwsSource {
    /// Lists who is in a group.
    pub(super) async fn list_group(&self, group: &Address) -> Result<Vec<Mailbox>, Failure> {
        let mut found = BTreeMap::new();
        let mut seen = HashSet::from([group.clone()]);
        let mut open = vec![group.clone()];
        while let Some(group) = open.pop() {
            for member in self.members(&group).await? {
                let kind = member.kind.trim().to_owned();
                let Some(address) = self.address_of(&member).await? else {
                    let message = format!("the member {:?} of the group {group} has no address", member.name);
                    return Err(Failure::new(Trouble::Refused, "group-member", message));
                };
                if kind == "PublicDL" {
                    if seen.insert(address.clone()) {
                        open.push(address);
                    }
                    continue;
                }
                let name = if member.name.trim().is_empty() { address.as_str().to_owned() } else { member.name.trim().to_owned() };
                found.entry(address.clone()).or_insert_with(|| member_mailbox(address, name, &kind));
            }
            if seen.len() > GROUPS_MAX {
                return Err(Failure::new(Trouble::Refused, "group-size", format!("the group holds more than {GROUPS_MAX} groups")));
            }
        }
        Ok(found.into_values().collect())
    }

    async fn members(&self, group: &Address) -> Result<Vec<Resolution>, Failure> {
        let failed = |mut failure: Failure| {
            failure.message = format!("the group {group} cannot be opened: {}", failure.message);
            failure
        };
        let answer = self.transport.call(ExpandDl { group: group.clone() }, &Target::default()).await.and_then(|batch| batch.single()).map_err(failed)?;
        if answer.whole == Some(false) {
            return Err(Failure::new(Trouble::Refused, "group-size", format!("the server does not tell all members of the group {group}")));
        }
        Ok(answer.members)
    }

    /// Returns a member's address; one that has only an internal name is looked up by it.
    async fn address_of(&self, member: &Resolution) -> Result<Option<Address>, Failure> {
        if let Ok(address) = Address::parse(&member.address) {
            return Ok(Some(address));
        }
        let name = if member.address.trim().is_empty() { member.name.trim() } else { member.address.trim() };
        if name.is_empty() {
            return Ok(None);
        }
        let answer = self.resolve(name).await?;
        match answer.entries.as_slice() {
            [only] => Ok(Address::parse(&only.address).ok()),
            _ => Ok(None),
        }
    }
}

/// What `MailboxTypeType` says of a member.
fn member_mailbox(address: Address, name: String, kind: &str) -> Mailbox {
    let (kind, reason) = match kind {
        "Contact" | "ImplicitContact" => (MailboxKind::Unsupported, Some("a contact, whose mail is elsewhere")),
        "OneOff" => (MailboxKind::Unsupported, Some("an address that is not in the directory")),
        "PublicFolder" => (MailboxKind::PublicFolder, None),
        "GroupMailbox" => (MailboxKind::Group, None),
        "PrivateDL" => (MailboxKind::Group, Some("a personal list, which only its owner can open")),
        _ => (MailboxKind::Unknown, None),
    };
    let mut mailbox = Mailbox::new(address, name, kind);
    if let Some(reason) = reason {
        mailbox.skipped = Some(reason.to_owned());
    }
    mailbox
}
