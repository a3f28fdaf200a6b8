//! [`EwsSource`]: the promises of a source, kept with EWS.
//!
//! Each of its files answers one question of [`Source`]: `tree` (folders), `changes` (items of a folder), `fetch`
//! (the items themselves), `look` (their properties alone), `mailbox` (with which right a mailbox is opened), `watch`
//! (what the server tells by itself). `upload` is the way back: what was exported becomes an item again.

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
mod permissions;
mod public;
mod tree;
mod upload;
mod watch;

use crate::capability::{Ability, Capabilities};
use crate::http::Transport;
use crate::{EwsConfig, EwsError};
use async_trait::async_trait;
use c2b_mailbox::public::Whereabouts;
use c2b_mailbox::{
    Address, Bounds, Change, CheckReport, Cursor, Fetched, FolderId, FolderPage, ItemId, ItemRef, Listener, Looked, Mailbox, Page, PublicFolder, PublicTree,
    Source, SourceError, Wishes,
};
use chrono::{DateTime, Utc};
use mailbox::OpenMailboxes;
pub use upload::Upload;

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
    public: public::PublicFolders,
}

impl EwsSource {
    /// Sets the client up; speaks with nobody yet.
    ///
    /// # Errors
    /// [`EwsError`] when the configuration cannot work or would give the password away.
    pub fn new(config: EwsConfig) -> Result<Self, EwsError> {
        config.validate()?;
        let transport = Transport::new(&config)?;
        Ok(Self {
            config,
            transport,
            capabilities: Capabilities::default(),
            mailboxes: OpenMailboxes::default(),
            listing: tokio::sync::Mutex::default(),
            public: public::PublicFolders::default(),
        })
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
        if mailbox.is_of_public_folders() { self.knock_at_public_folders().await } else { self.next_folders(mailbox, cursor).await }
    }

    async fn permissions(&self, mailbox: &Address, folders: &[FolderId]) -> Result<Vec<(FolderId, String)>, SourceError> {
        self.read_permissions(mailbox, folders).await
    }

    async fn public_folders(&self, reader: Option<&Address>, wanted: &[PublicFolder]) -> Result<PublicTree, SourceError> {
        self.list_public_folders(reader, wanted).await
    }

    async fn seek_public_folders(&self, folders: &[FolderId]) -> Result<Vec<Whereabouts>, SourceError> {
        self.find_lost_public_folders(folders).await
    }

    fn organisation(&self) -> Option<String> {
        let place = self.config.public_folders.as_ref()?;
        place.hierarchy.as_ref().map(|hierarchy| hierarchy.domain().to_owned())
    }

    async fn changes(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>, wishes: Wishes) -> Result<Page<Change>, SourceError> {
        if mailbox.is_of_public_folders() {
            self.next_public_items(folder, cursor, wishes).await
        } else {
            self.next_items(mailbox, folder, cursor, wishes).await
        }
    }

    fn lacks_associated(&self, mailbox: &Address) -> Option<String> {
        let may_sync = !mailbox.is_of_public_folders() && !self.capabilities.lacks(Ability::SyncItems);
        let ability = if may_sync { Ability::AssociatedInSync } else { Ability::AssociatedInFind };
        self.capabilities.lacks(ability).then(|| "the server does not list them".to_owned())
    }

    async fn fetch(&self, mailbox: &Address, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError> {
        if mailbox.is_of_public_folders() { self.fetch_public_items(items).await } else { self.fetch_items(mailbox, items).await }
    }

    async fn look(&self, mailbox: &Address, items: &[ItemId]) -> Result<Vec<Looked>, SourceError> {
        if mailbox.is_of_public_folders() { self.look_at_public_items(items).await } else { self.look_at_items(mailbox, items).await }
    }

    async fn watch(&self, mailboxes: &[Address], listener: &dyn Listener) -> Result<(), SourceError> {
        self.listen(mailboxes, listener).await
    }

    fn certificate(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        // Whoever is not verified may say anything.
        if self.config.insecure { None } else { check::certificate::validity(&self.transport.certificate()?) }
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }
}
