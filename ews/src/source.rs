//! [`EwsSource`]: the promises of a source, kept with EWS.
//!
//! Each of its files answers one question of [`Source`]: `tree` (folders), `changes` (items of a folder), `fetch`
//! (the items themselves), `mailbox` (with which right a mailbox is opened).

mod batch;
mod changes;
mod check;
mod cursor;
mod directory;
mod fetch;
mod group;
mod mailbox;
mod names;
mod tree;

use crate::capability::Capabilities;
use crate::http::Transport;
use crate::{EwsConfig, EwsError};
use async_trait::async_trait;
use c2b_mailbox::{Address, Change, CheckReport, Cursor, Fetched, FolderChange, FolderId, ItemRef, Mailbox, Page, Source, SourceError};
use mailbox::OpenMailboxes;

/// Items that one request asks for: Microsoft's advice to stay below throttling.
const FETCH_BATCH_ITEMS: usize = 10;

/// An EWS server as a mail source, for one user.
///
/// Cheap to share; holds no lock across a request except the first of each mailbox.
pub struct EwsSource {
    config: EwsConfig,
    transport: Transport,
    capabilities: Capabilities,
    mailboxes: OpenMailboxes,
    listing: tokio::sync::Mutex<names::Listing>,
}

impl EwsSource {
    /// Sets the client up; speaks with nobody yet.
    ///
    /// # Errors
    /// [`EwsError`] when the configuration cannot work or would give the password away.
    pub fn new(config: EwsConfig) -> Result<Self, EwsError> {
        config.validate()?;
        let transport = Transport::new(&config)?;
        Ok(Self { config, transport, capabilities: Capabilities::default(), mailboxes: OpenMailboxes::default(), listing: tokio::sync::Mutex::default() })
    }
}

#[async_trait]
impl Source for EwsSource {
    async fn check(&self, mailboxes: &[Address]) -> CheckReport {
        self.look(mailboxes).await
    }

    async fn mailboxes(&self) -> Result<Vec<Mailbox>, SourceError> {
        self.list_mailboxes().await
    }

    async fn folder_changes(&self, mailbox: &Address, cursor: Option<&Cursor>) -> Result<Page<FolderChange>, SourceError> {
        self.next_folders(mailbox, cursor).await
    }

    async fn changes(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>) -> Result<Page<Change>, SourceError> {
        self.next_items(mailbox, folder, cursor).await
    }

    async fn fetch(&self, mailbox: &Address, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError> {
        self.fetch_items(mailbox, items).await
    }

    fn fetch_batch_items(&self) -> usize {
        FETCH_BATCH_ITEMS
    }
}
