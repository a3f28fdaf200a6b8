//! With which right a mailbox is opened, and what is learned about it once: its root folder and the well-known ones.
//!
//! The user's own mailbox needs no right. Others are opened by impersonation; where that is denied, as a delegate.
//! What worked is remembered for the process, and in the cursor of the folder tree for the next one.

use super::EwsSource;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::FolderName;
use crate::operation::get_folder::{GetFolder, RawFolder};
use crate::soap::Batch;
use c2b_mailbox::{Address, Part, Role, Scope, SourceError, Trouble};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::OnceCell;

/// The folder below which a person's folders are; always asked first.
const ROOT: &str = "msgfolderroot";
/// Well-known folders below it, of schemas up to Exchange 2013.
const WELL_KNOWN: [&str; 18] = [
    "inbox",
    "sentitems",
    "deleteditems",
    "drafts",
    "outbox",
    "junkemail",
    "calendar",
    "contacts",
    "tasks",
    "notes",
    "journal",
    "conversationhistory",
    "syncissues",
    "conflicts",
    "localfailures",
    "serverfailures",
    "recipientcache",
    "quickcontacts",
];

/// By which right a mailbox is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Right {
    /// It is the user's own.
    Own,
    /// The user may act in everybody's name.
    Impersonation,
    /// The mailbox's owner has given the user access.
    Delegate,
}

/// A mailbox that could be opened.
#[derive(Debug)]
pub(super) struct OpenMailbox {
    pub(super) right: Right,
    pub(super) target: Target,
    /// The root, as it must be named in every request of one enumeration.
    pub(super) root: FolderName,
    /// What was learned when it was opened.
    pub(super) opening: Opening,
    /// Whether that is from another process, and no request has proved it yet.
    pub(super) is_presumed: bool,
    /// Whether it has an archive or recoverable items, once that was asked.
    pub(super) has_parts: OnceLock<bool>,
}

/// What is learned when a mailbox is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Opening {
    pub(super) right: Right,
    pub(super) root: String,
    /// Role of a folder by its id.
    pub(super) roles: BTreeMap<String, Role>,
}

/// The mailboxes opened so far.
#[derive(Default)]
pub(super) struct OpenMailboxes {
    cells: Mutex<HashMap<Address, Arc<OnceCell<Arc<OpenMailbox>>>>>,
}

impl OpenMailboxes {
    fn cell(&self, mailbox: &Address) -> Arc<OnceCell<Arc<OpenMailbox>>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(mailbox.clone()).or_default())
    }

    fn forget(&self, mailbox: &Address) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
    }
}

impl OpenMailbox {
    /// Returns the root of a part as it is named in requests.
    pub(super) fn root_of(&self, part: Part) -> FolderName {
        let owner = match &self.root {
            FolderName::WellKnown(_, owner) => owner.clone(),
            FolderName::Id(_) => None,
        };
        FolderName::WellKnown(part.role_word(), owner)
    }
}

impl EwsSource {
    /// Opens a mailbox, or returns it when it is open.
    pub(super) async fn open(&self, mailbox: &Address) -> Result<Arc<OpenMailbox>, SourceError> {
        let cell = self.mailboxes.cell(mailbox);
        let open = cell.get_or_try_init(|| async { self.open_by_any_right(mailbox).await.map(Arc::new) }).await;
        open.map(Arc::clone).map_err(|failure: Failure| failure.about(Scope::Mailbox, format!("open mailbox {mailbox}")))
    }

    /// Opens a mailbox as it was opened before, without a request, unless it is open.
    pub(super) async fn open_as_before(&self, mailbox: &Address, before: &Opening) -> Result<Arc<OpenMailbox>, SourceError> {
        if self.is_own(mailbox) != (before.right == Right::Own) {
            return self.open(mailbox).await;
        }
        let cell = self.mailboxes.cell(mailbox);
        Ok(Arc::clone(cell.get_or_init(async || Arc::new(opened(mailbox, before.clone(), true))).await))
    }

    /// Opens a mailbox anew.
    pub(super) async fn reopen(&self, mailbox: &Address) -> Result<Arc<OpenMailbox>, SourceError> {
        self.mailboxes.forget(mailbox);
        self.open(mailbox).await
    }

    async fn open_by_any_right(&self, mailbox: &Address) -> Result<OpenMailbox, Failure> {
        if self.is_own(mailbox) {
            return self.open_by(Right::Own, mailbox).await;
        }
        let denied = match self.open_by(Right::Impersonation, mailbox).await {
            Err(failure) if failure.code.starts_with("ErrorImpersonat") => failure,
            other => return other,
        };
        match self.open_by(Right::Delegate, mailbox).await {
            Err(failure) if matches!(failure.trouble, Trouble::Forbidden | Trouble::NotFound) => Err(Failure::new(
                Trouble::Forbidden,
                denied.code,
                format!("{} may neither impersonate {mailbox} nor open it as a delegate: {}", self.config.sign_in.user(), failure.message),
            )
            .reaching(Scope::Mailbox)),
            other => other,
        }
    }

    fn is_own(&self, mailbox: &Address) -> bool {
        self.config.sign_in.user().trim().eq_ignore_ascii_case(mailbox.as_str())
    }

    async fn open_by(&self, right: Right, mailbox: &Address) -> Result<OpenMailbox, Failure> {
        let target = target(right, mailbox);
        let name = |word| root(word, right, mailbox);
        let all: Vec<FolderName> = std::iter::once(ROOT).chain(WELL_KNOWN).map(name).collect();
        let batch = match self.transport.call(GetFolder { folders: all, with_counters: false }, &target).await {
            // Some server does not know all of the words.
            Err(failure) if matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused) => {
                self.transport.call(GetFolder { folders: vec![name(ROOT)], with_counters: false }, &target).await?
            }
            answer => answer?,
        };
        let (root, roles) = learn(batch)?;
        tracing::debug!(%mailbox, ?right, roles = roles.len(), "mailbox opened");
        Ok(opened(mailbox, Opening { right, root, roles }, false))
    }
}

fn opened(mailbox: &Address, opening: Opening, is_presumed: bool) -> OpenMailbox {
    let right = opening.right;
    OpenMailbox { right, target: target(right, mailbox), root: root(ROOT, right, mailbox), opening, is_presumed, has_parts: OnceLock::new() }
}

fn target(right: Right, mailbox: &Address) -> Target {
    Target { anchor: Some(mailbox.clone()), impersonate: (right == Right::Impersonation).then(|| mailbox.clone()), public_folder: None }
}

fn root(word: &'static str, right: Right, mailbox: &Address) -> FolderName {
    FolderName::WellKnown(word, (right == Right::Delegate).then(|| mailbox.clone()))
}

/// Takes the root's id, which must be there, and the roles, of which any may be absent.
fn learn(batch: Batch<RawFolder>) -> Result<(String, BTreeMap<String, Role>), Failure> {
    if let Some(broken) = batch.broken {
        return Err(broken);
    }
    let mut answers = batch.answers.into_iter();
    let root = answers.next().unwrap_or_else(|| Err(Failure::new(Trouble::Malformed, "answer", "the answer holds no folder")))?;
    let known = WELL_KNOWN.iter().zip(answers).filter_map(|(word, folder)| Some((folder.ok()?.id, Role::new(word))));
    Ok((root.id.clone(), known.filter(|(id, _)| !id.is_empty() && *id != root.id).collect()))
}
