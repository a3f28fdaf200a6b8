//! [`EwsSource`]: the promises of a source, kept with EWS.
//!
//! Each of its files answers one question of [`Source`]: `tree` (folders), `changes` (items of a folder), `fetch`
//! (the items themselves), `look` (their properties alone), `mailbox` (with which right a mailbox is opened).

mod batch;
mod changes;
mod check;
mod cursor;
mod directory;
mod fetch;
mod group;
mod look;
mod mailbox;
mod names;
mod tree;

use crate::capability::Capabilities;
use crate::http::Transport;
use crate::{EwsConfig, EwsError};
use async_trait::async_trait;
use c2b_mailbox::{Address, Bounds, Change, CheckReport, Cursor, Fetched, FolderId, FolderPage, ItemId, ItemRef, Looked, Mailbox, Page, Source, SourceError};
use mailbox::OpenMailboxes;

/// How much one request asks for. 100 items are the most that Microsoft recommends for `ExportItems`, and are small ones:
/// so many bytes of each of some requests in flight are in memory at a time. Of items whose sizes are not known, 10 is
/// Microsoft's advice to stay below throttling.
const BOUNDS: Bounds = Bounds { fetch_items: 100, fetch_bytes: 4 * 1024 * 1024, fetch_items_unsized: 10, look_items: 100 };

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

    async fn folder_changes(&self, mailbox: &Address, cursor: Option<&Cursor>) -> Result<FolderPage, SourceError> {
        self.next_folders(mailbox, cursor).await
    }

    async fn changes(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>) -> Result<Page<Change>, SourceError> {
        self.next_items(mailbox, folder, cursor).await
    }

    async fn fetch(&self, mailbox: &Address, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError> {
        self.fetch_items(mailbox, items).await
    }

    async fn look(&self, mailbox: &Address, items: &[ItemId]) -> Result<Vec<Looked>, SourceError> {
        self.look_at_items(mailbox, items).await
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }
}
