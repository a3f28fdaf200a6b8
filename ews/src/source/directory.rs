//! Lists the mailboxes: asks the places that the configuration names, in their order, and joins what they say.
//!
//! The first place that names a mailbox describes it, unless it cannot tell what kind it is and a later one can. A place that fails, fails the list.

use super::EwsSource;
use crate::directory::{MailboxList, file, ldap};
use crate::error::Failure;
use crate::http::Target;
use crate::operation::get_searchable_mailboxes::{GetSearchableMailboxes, SearchableMailbox};
use c2b_mailbox::{Address, Mailbox, MailboxKind, Scope, SourceError, Trouble};
use std::collections::BTreeMap;
use std::path::Path;

impl EwsSource {
    /// Lists all mailboxes that the places name.
    pub(super) async fn list_mailboxes(&self) -> Result<Vec<Mailbox>, SourceError> {
        self.list_all(None).await.map_err(|failure| failure.about(Scope::Connection, "list mailboxes"))
    }

    /// Lists the mailboxes; a place that takes many requests is asked for `some` only, when that is given.
    pub(super) async fn list_all(&self, some: Option<usize>) -> Result<Vec<Mailbox>, Failure> {
        let mut found = BTreeMap::new();
        for list in &self.config.lists {
            for mailbox in self.list(list, some).await? {
                merge(&mut found, mailbox);
            }
        }
        Ok(found.into_values().collect())
    }

    async fn list(&self, list: &MailboxList, some: Option<usize>) -> Result<Vec<Mailbox>, Failure> {
        match (list, some) {
            (MailboxList::Ldap, _) => self.list_directory().await,
            (MailboxList::Searchable, _) => self.list_searchable().await,
            (MailboxList::Group(address), _) => self.list_group(address).await,
            (MailboxList::File(path), _) => read_file(path).await,
            (MailboxList::Named(addresses), _) => Ok(addresses.iter().map(named).collect()),
            (MailboxList::Names, None) => self.list_by_names().await,
            (MailboxList::Names, Some(wanted)) => self.some_by_names(wanted).await,
        }
    }

    async fn list_directory(&self) -> Result<Vec<Mailbox>, Failure> {
        let config = self.config.ldap.as_ref().ok_or_else(|| Failure::new(Trouble::Local, "directory", "no directory is configured"))?;
        ldap::mailboxes(config).await.map_err(|err| Failure::new(ldap::trouble(&err), "LDAP", ldap::words(&err)).caused_by(err))
    }

    async fn list_searchable(&self) -> Result<Vec<Mailbox>, Failure> {
        let answer = self.transport.call(GetSearchableMailboxes, &Target::default()).await?.single()?;
        if let Some(failed) = answer.failed.first() {
            let message = format!("the server could not look at {} mailboxes, among them {failed}", answer.failed.len());
            return Err(Failure::new(Trouble::Busy, "searchable-mailboxes", message));
        }
        Ok(answer.mailboxes.iter().filter_map(searchable).collect())
    }
}

/// Reads the list in a file, on a thread that may block.
async fn read_file(path: &Path) -> Result<Vec<Mailbox>, Failure> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || file::read(&owned)).await;
    let read = read.map_err(|err| Failure::new(Trouble::Local, "file", "reading the list of mailboxes was interrupted").caused_by(err))?;
    read.map_err(|err| {
        let reason = std::error::Error::source(&err).map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::new(Trouble::Refused, "mailbox-file", format!("{err}{reason}"))
    })
}

fn named(address: &Address) -> Mailbox {
    Mailbox::new(address.clone(), address.as_str(), MailboxKind::Unknown)
}

fn searchable(found: &SearchableMailbox) -> Option<Mailbox> {
    let Ok(address) = Address::parse(&found.address) else {
        tracing::warn!(name = found.name, "searchable mailbox has no address, left out");
        return None;
    };
    let kind = match (found.group, found.external) {
        (true, _) => MailboxKind::Group,
        (false, true) => MailboxKind::Unsupported,
        (false, false) => MailboxKind::Unknown,
    };
    let name = if found.name.trim().is_empty() { address.as_str().to_owned() } else { found.name.trim().to_owned() };
    Some(Mailbox::new(address, name, kind))
}

fn merge(found: &mut BTreeMap<Address, Mailbox>, mailbox: Mailbox) {
    let known = found.entry(mailbox.address.clone()).or_insert_with(|| mailbox.clone());
    if known.kind == MailboxKind::Unknown && mailbox.kind != MailboxKind::Unknown {
        let (name, archive) = (std::mem::take(&mut known.display_name), known.archive);
        *known = mailbox;
        if name != known.address.as_str() {
            known.display_name = name;
        }
        known.archive = known.archive.or(archive);
    }
}
