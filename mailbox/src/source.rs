//! The promises of a mail source.
//!
//! * Changes come as pages with a cursor; the caller commits a page before it asks for the next.
//! * A cursor that cannot be used is [`Trouble::CursorInvalid`]: ask again with no cursor, compare
//!   ids and change keys with the catalogue, and fetch only what differs.
//! * Bodies stream through [`crate::Content`]: bounded memory whatever an item's size.
//! * Errors say what they are about ([`Scope`]) and whether and when to try again ([`Retry`]).
//!   A source makes each request once; repeating is the caller's one retry policy.

use crate::public::Whereabouts;
use crate::{
    Address, Change, ChangeKey, Cursor, Facts, FolderId, FolderPage, Item, ItemId, ItemMeta, Listener, Mailbox, Page, PublicFolder, PublicTree, Wishes,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;

/// Where mail comes from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Finds out how far one gets: reachable, version, sign-in, rights, certificate.
    ///
    /// `mailboxes` are opened to prove rights; with none, only the connection is looked at.
    async fn check(&self, mailboxes: &[Address]) -> CheckReport;

    /// Lists the mailboxes that the source can enumerate.
    async fn mailboxes(&self) -> Result<Vec<Mailbox>, SourceError>;

    /// Returns the next page of folder changes: all folders when `cursor` is `None`, and marks of their items' states
    /// where the source has such.
    ///
    /// A parent comes before its children within one enumeration without cursor where the server
    /// keeps that order; callers must accept any order.
    async fn folder_changes(&self, mailbox: &Address, cursor: Option<&Cursor>) -> Result<FolderPage, SourceError>;

    /// Returns who may do what in folders, as text with a line for each; of those alone that tell it.
    async fn permissions(&self, mailbox: &Address, folders: &[FolderId]) -> Result<Vec<(FolderId, String)>, SourceError>;

    /// Walks the public folders that are named, and tells of the tree what those who keep it must know. Their items are
    /// asked for as those of a mailbox, under the address of the organisation's public folders.
    ///
    /// `reader` is a mailbox in whose name they may be read where the account cannot in its own.
    async fn public_folders(&self, reader: Option<&Address>, wanted: &[PublicFolder]) -> Result<PublicTree, SourceError>;

    /// Asks where public folders are that were taken before and are not seen any more, one answer for each, in their order.
    async fn seek_public_folders(&self, folders: &[FolderId]) -> Result<Vec<Whereabouts>, SourceError>;

    /// Returns the domain that names the organisation whose public folders these are, where the source knows it.
    fn organisation(&self) -> Option<String>;

    /// Returns the next page of item changes of a folder: all items when `cursor` is `None`.
    async fn changes(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>, wishes: Wishes) -> Result<Page<Change>, SourceError>;

    /// Returns why the associated items of this mailbox's folders are not told though they are wished for, as far as it
    /// is known by now.
    fn lacks_associated(&self, mailbox: &Address) -> Option<String> {
        let _ = mailbox;
        None
    }

    /// Returns what items are like without their contents, one result for each, in any order.
    ///
    /// `Err` means that nothing is known about any of them.
    async fn look(&self, mailbox: &Address, items: &[ItemId]) -> Result<Vec<Looked>, SourceError>;

    /// Fetches items, one result for each, in any order.
    ///
    /// `Err` means that nothing is known about any of them; a failure of one item is in its own [`Fetched`].
    async fn fetch(&self, mailbox: &Address, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError>;

    /// Returns from when to when the certificate is good that the server showed last; none where none was seen, or looked at.
    fn certificate(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        None
    }

    /// How much one request takes best.
    fn bounds(&self) -> Bounds;

    /// Tells `listener` of mailboxes in which something happened, until it wants to hear no more.
    ///
    /// A hint only: see [`crate::watch`]. What passes by itself is waited out here; `Err` means that there is nothing to
    /// hear as things stand, which is the rule for a source that says nothing else.
    async fn watch(&self, mailboxes: &[Address], listener: &dyn Listener) -> Result<(), SourceError> {
        let _ = (mailboxes, listener);
        Err(SourceError {
            operation: "watch mailboxes".to_owned(),
            scope: Scope::Connection,
            trouble: Trouble::Unsupported,
            code: "no notifications".to_owned(),
            message: "the source tells of nothing by itself".to_owned(),
            retry: Retry::No,
            source: None,
        })
    }
}

/// How much one request takes best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Items for [`Source::fetch`].
    pub fetch_items: usize,
    /// Their bytes, one larger item excepted.
    pub fetch_bytes: u64,
    /// Items for [`Source::fetch`] of which the size is not known.
    pub fetch_items_unsized: usize,
    /// Items for [`Source::look`].
    pub look_items: usize,
}

/// What came of a look at one item.
#[derive(Debug)]
pub struct Looked {
    /// The id that was asked for.
    pub id: ItemId,
    /// What it is like, or why that is not known. `NotFound` means that it is gone since it was listed.
    pub result: Result<Sight, SourceError>,
}

/// An item without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its properties, as [`Source::fetch`] would give them.
    pub meta: ItemMeta,
    /// How old it is.
    pub facts: Facts,
    /// Whether its author still works on it; `None` when the source does not tell.
    pub draft: Option<bool>,
}

/// An item to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRef {
    /// Its id.
    pub id: ItemId,
    /// The state that the change feed reported.
    pub change_key: Option<ChangeKey>,
    /// Take what can be had: a form whose own trouble does not pass may be missing when another form is there.
    /// Otherwise the whole item fails with it, to be tried again.
    pub settle: bool,
}

/// What came of fetching one item.
#[derive(Debug)]
pub struct Fetched {
    /// The id that was asked for.
    pub id: ItemId,
    /// The item, or why not. `NotFound` means that it is gone since it was listed.
    pub result: Result<Item, SourceError>,
    /// Why a form of the item is missing that may be had another time; only where [`ItemRef::settle`] allows it.
    pub lacks: Option<SourceError>,
}

/// What an error is about: how far its consequences reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// One item.
    Item,
    /// One folder.
    Folder,
    /// One mailbox.
    Mailbox,
    /// The whole connection.
    Connection,
}

/// What went wrong, in the words that decide what an administrator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// No connection: name, route, port, or time-out.
    Unreachable,
    /// The server's certificate is not trusted.
    Certificate,
    /// The URL answers, but not as a mail server of this kind.
    WrongUrl,
    /// User name or password refused.
    SignIn,
    /// Signed in, but not allowed to do this.
    Forbidden,
    /// There is no such mailbox.
    NoSuchMailbox,
    /// The cursor cannot be used any more.
    CursorInvalid,
    /// The object does not exist (any more).
    NotFound,
    /// The server cannot read the object itself.
    Corrupt,
    /// The server does not know the operation.
    Unsupported,
    /// The server asks to slow down.
    Throttled,
    /// The server is in passing trouble: moving, failing over, restarting.
    Busy,
    /// The answer was cut short or cannot be understood.
    Malformed,
    /// Something of ours failed, for instance a temporary file.
    Local,
    /// The server refused the request for another reason.
    Refused,
}

/// Whether and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not in this cycle: nothing will change by itself soon.
    No,
    /// With the caller's own back-off.
    Backoff,
    /// Not before this time has passed: the server said so.
    After(Duration),
}

/// A source's error.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}: {message} ({code})")]
pub struct SourceError {
    /// What was tried, for instance `sync items of folder AAMk…`.
    pub operation: String,
    /// How far the consequences reach.
    pub scope: Scope,
    /// What went wrong.
    pub trouble: Trouble,
    /// The protocol's code, for instance `ErrorItemNotFound` or `HTTP 503`.
    pub code: String,
    /// Plain words; the server's own where it gives any.
    pub message: String,
    /// Whether and when to try again.
    pub retry: Retry,
    /// The cause below.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl SourceError {
    /// Returns whether the same request may succeed later by itself.
    pub fn is_transient(&self) -> bool {
        self.retry != Retry::No
    }
}

/// What a look at a connection found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The findings, in the order in which they were made.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Returns the worst level among the findings.
    pub fn worst(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }
}

/// One fact that a look at a connection established.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: `reachable`, `certificate`, `server`, `sign-in`, `rights`, `mailbox a@b`, `export`, ….
    pub subject: String,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What to do about it; empty when there is nothing to do.
    pub hint: String,
}

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, with a limit that one should know.
    Warning,
    /// Does not work.
    Error,
}
