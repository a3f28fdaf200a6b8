//! Lists the item changes of a mailbox, folder by folder, ahead of the fetching.
//!
//! A folder whose mark is that of its last complete listing is passed over, but for a full look now and then.
//! The mark was read with the folder tree, hence before the items are listed: what happens meanwhile shows in the next one.
//!
//! One listing at a time for a mailbox: what is applied last was listed last, so an item that
//! moves while a cycle runs ends up where the server saw it last. Pages wait in a bounded channel.
//!
//! A folder without a usable cursor is listed to its end. When the storage has items of it, this is a
//! resync: the pages' cursors are not kept, and only at the end [`Listed::Complete`] says what was
//! seen, so that the rest counts as deleted; a listing that breaks off deletes nothing.

use super::cycle::{Cycle, Halt, Suspect};
use super::plan::{Action, Planned, plan};
use super::position::{Position, Positions};
use super::problem;
use super::progress::MailboxIndex;
use super::tree::{Place, Tree};
use c2b_mailbox::{Address, Cursor, ItemId, Scope, SourceError, Trouble, Wishes};
use c2b_storagefmt::{CursorScope, FolderKey, Moment};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use tokio::sync::mpsc::Sender;

/// Pages that may wait to be applied: a few thousand ids of some hundred bytes.
pub(crate) const PAGES_AHEAD: usize = 8;

/// A step of the listing.
#[derive(Debug)]
pub(crate) enum Listed {
    /// A page of changes.
    Page {
        folder: FolderKey,
        planned: Vec<Planned>,
        /// To be stored once the page is applied.
        position: Option<Position>,
        /// Whether the folder has no further page for now.
        last: bool,
    },
    /// The end of a resync.
    Complete {
        folder: FolderKey,
        seen: Seen,
        /// Whether associated items were among what was listed.
        associated: bool,
        /// To be stored once what was not seen is deleted.
        position: Position,
    },
}

/// The ids that a listing reported, as 128-bit hashes: a folder of a million items takes some 40 MB less than its ids.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    hashes: HashSet<(u64, u64)>,
    keys: (RandomState, RandomState),
}

/// What the storage knows of a folder's listing.
#[derive(Debug)]
enum Known {
    /// Nothing, and it has no items of it.
    Nothing,
    /// Nothing, though it has items of it; or something by another filter.
    Items,
    /// Where the listing stands.
    Position(Position),
}

/// Lists those folders of a mailbox into `pages` whose items changed, as far as the source can tell that.
/// Returns those that could not be listed.
pub(crate) async fn list(cycle: &Cycle, mailbox: &Address, index: MailboxIndex, tree: &Tree, pages: Sender<Listed>) -> Result<Vec<FolderKey>, Halt> {
    let mut unlisted = Vec::new();
    let is_full = cycle.full.is_due(mailbox);
    for (folder, known) in tree.folders.iter().zip(known(cycle, tree).await?) {
        if folder.is_away || (!is_full && is_same(folder, &known)) {
            continue;
        }
        let mut listing = Listing { cycle, mailbox, index, tree: &tree.cursor, folder, pages: &pages };
        match listing.run(known).await {
            Ok(()) => {}
            Err(Halt::Source(error)) if error.scope == Scope::Mailbox && !error.is_transient() => return Err(Halt::Source(error)),
            Err(Halt::Source(error)) => {
                listing.report(&error);
                unlisted.push(folder.key);
            }
            Err(Halt::Cycle) => return Err(Halt::Cycle),
        }
    }
    cycle.progress.listed(index);
    Ok(unlisted)
}

/// Returns what is known of each folder, in their order.
async fn known(cycle: &Cycle, tree: &Tree) -> Result<Vec<Known>, Halt> {
    let (mailbox, folders) = (tree.mailbox, tree.folders.iter().map(|folder| folder.key).collect::<Vec<_>>());
    let filter = cycle.sieve.text();
    cycle
        .read(move |catalog| {
            let known = |folder| {
                let positions = Positions::of(catalog.cursor(mailbox, CursorScope::Folder(folder))?);
                let is_new = positions.is_empty();
                Ok(match positions.by(&filter) {
                    Some(position) => Known::Position(position),
                    None if !is_new => Known::Items,
                    None if catalog.items(mailbox, folder, Moment::Latest)?.next().transpose()?.is_some() => Known::Items,
                    None => Known::Nothing,
                })
            };
            folders.into_iter().map(known).collect()
        })
        .await
}

/// Returns whether a folder was listed to its end since its items last changed.
fn is_same(folder: &Place, known: &Known) -> bool {
    matches!(known, Known::Position(position) if position.mark.is_some() && position.mark == folder.mark)
}

struct Listing<'a> {
    cycle: &'a Cycle,
    mailbox: &'a Address,
    index: MailboxIndex,
    tree: &'a Cursor,
    folder: &'a Place,
    pages: &'a Sender<Listed>,
}

impl Listing<'_> {
    async fn run(&mut self, known: Known) -> Result<(), Halt> {
        match known {
            Known::Items => self.resync().await,
            Known::Nothing => self.follow(None).await,
            Known::Position(position) => match self.follow(Some(position)).await {
                Err(Halt::Source(error)) if error.trouble == Trouble::CursorInvalid => self.resync().await,
                end => end,
            },
        }
    }

    /// Lists what changed since the cursor, keeping the cursor of each page that reports something and follows no mark.
    ///
    /// A page that reports nothing leaves the stored cursor as it is, though the server may give a new
    /// one each time: the old one stays valid, and a cycle without changes writes nothing. Only the last page
    /// takes over the folder's mark.
    async fn follow(&mut self, stored: Option<Position>) -> Result<(), Halt> {
        let mut is_first = stored.is_none();
        let mut has_marks = false;
        let (mut cursor, kept) = stored.map_or((None, None), |position| (Some(position.cursor), position.mark));
        loop {
            let (planned, next, last) = self.page(cursor.as_ref(), self.wishes(false)).await?;
            has_marks |= planned.iter().any(|one| matches!(one.action, Action::Mark(_)));
            // Marks wait for the folder's last page, and so do cursors that are past them: a listing that breaks off must meet them again.
            if is_first || !planned.is_empty() || (last && (has_marks || kept != self.folder.mark)) {
                is_first = false;
                let position = (last || !has_marks).then(|| self.position(next.clone(), last));
                self.send(Listed::Page { folder: self.folder.key, planned, position, last }).await?;
            }
            if last {
                return Ok(());
            }
            cursor = Some(next);
        }
    }

    /// Lists the whole folder, to be compared with what the storage has, read states included: on Exchange they change without the change key.
    async fn resync(&mut self) -> Result<(), Halt> {
        let mut seen = Seen::default();
        let mut cursor = None;
        loop {
            let (planned, next, last) = self.page(cursor.as_ref(), self.wishes(true)).await?;
            for one in &planned {
                if one.action == Action::Drop { seen.remove(&one.id) } else { seen.insert(&one.id) }
            }
            self.send(Listed::Page { folder: self.folder.key, planned, position: None, last }).await?;
            if last {
                let associated = self.cycle.sieve.takes_associated() && self.cycle.source.lacks_associated(self.mailbox).is_none();
                return self.send(Listed::Complete { folder: self.folder.key, seen, associated, position: self.position(next, true) }).await;
            }
            cursor = Some(next);
        }
    }

    async fn page(&mut self, cursor: Option<&Cursor>, wishes: Wishes) -> Result<(Vec<Planned>, Cursor, bool), Halt> {
        let ask = || self.cycle.source.changes(self.mailbox, &self.folder.id, cursor, wishes);
        let page = self.cycle.request(Some(self.mailbox), Suspect::Folder(Some(self.tree)), ask).await?;
        if page.changes.is_empty() && !page.last && Some(&page.cursor) == cursor {
            return Err(Halt::Source(circle(&self.folder.id.to_string())));
        }
        let planned = plan(page.changes);
        let items = planned.iter().filter(|one| one.action != Action::Drop).count();
        self.cycle.progress.known(self.index, items as u64);
        tracing::debug!(job = %self.cycle.job, mailbox = %self.mailbox, folder = %self.folder.id, changes = planned.len(), last = page.last, "listed a page");
        Ok((planned, page.cursor, page.last))
    }

    fn wishes(&self, read: bool) -> Wishes {
        Wishes { read, facts: self.cycle.sieve.is_of_age(), associated: self.cycle.sieve.takes_associated() }
    }

    /// Returns what is to be kept behind a page.
    fn position(&self, cursor: Cursor, last: bool) -> Position {
        Position { cursor, mark: self.folder.mark.clone().filter(|_| last), filter: self.cycle.sieve.text() }
    }

    async fn send(&self, listed: Listed) -> Result<(), Halt> {
        // Nobody receives any more when the mailbox failed or the cycle ends: no need to go on either way.
        self.pages.send(listed).await.map_err(|_| Halt::Cycle)
    }

    fn report(&self, error: &SourceError) {
        let Self { cycle, mailbox, folder, .. } = self;
        if error.trouble == Trouble::NotFound {
            // Gone since the tree was listed; the next cycle's tree says so.
            tracing::debug!(job = %cycle.job, mailbox = %mailbox, folder = %folder.id, code = %error.code, "folder is gone");
            return;
        }
        tracing::warn!(job = %cycle.job, cycle = cycle.progress.cycle(), mailbox = %mailbox, folder = %folder.id, code = %error.code, "folder could not be listed");
        cycle.progress.problem(problem::of_source(error, Some(mailbox), &folder.name));
    }
}

impl Seen {
    pub(crate) fn contains(&self, id: &ItemId) -> bool {
        self.hashes.contains(&self.hash(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    fn insert(&mut self, id: &ItemId) {
        self.hashes.insert(self.hash(id));
    }

    fn remove(&mut self, id: &ItemId) {
        self.hashes.remove(&self.hash(id));
    }

    fn hash(&self, id: &ItemId) -> (u64, u64) {
        (self.keys.0.hash_one(id), self.keys.1.hash_one(id))
    }
}

fn circle(folder: &str) -> SourceError {
    SourceError {
        operation: format!("list items of folder {folder}"),
        scope: Scope::Folder,
        trouble: Trouble::Malformed,
        code: "NoAdvance".to_owned(),
        message: "the server repeats an empty page for ever".to_owned(),
        retry: c2b_mailbox::Retry::No,
        source: None,
    }
}
