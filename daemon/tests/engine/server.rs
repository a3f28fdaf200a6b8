//! A mail server in memory, for tests of the engine: scripted, particular, and counting.
//!
//! Each folder has a log of what happened to its items; a cursor is a place in it. Ids change on a move
//! or not, as told. Faults are scripted by request number, by item, or by mailbox.

use async_trait::async_trait;
use c2b_mailbox::public::{MissingFolder, Naming, Whereabouts, join_path, naming};
use c2b_mailbox::{
    Address, Bounds, Change, ChangeKey, CheckReport, Content, Cursor, Facts, Fetched, Fidelity, FlagStatus, Folder, FolderChange, FolderId, FolderMark,
    FolderPage, Format, Item, ItemId, ItemMeta, ItemRef, Looked, Mailbox, MailboxKind, Page, Part, Presence, PublicFolder, PublicTree, Readable, Retry, Role,
    Scope, Sight, Source, SourceError, Told, Trouble, Wishes,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// What a request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) mailbox: Option<Address>,
    pub(crate) kind: &'static str,
    pub(crate) number: u64,
}

/// An item on the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mail {
    pub(crate) change_key: String,
    pub(crate) body: String,
    pub(crate) read: bool,
    pub(crate) flagged: bool,
    /// What it is about: the id that it was given first.
    pub(crate) subject: String,
    /// Whether it is associated with its folder.
    pub(crate) associated: bool,
}

/// Everything in a mailbox: folder id -> (name, parent, mails).
pub(crate) type Picture = BTreeMap<String, PictureOfFolder>;
pub(crate) type PictureOfFolder = (String, Option<String>, BTreeMap<String, Mail>);

/// How an item misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poison {
    /// It cannot be read, for good.
    Corrupt,
    /// It fails so many times and works then.
    Flaky(u32),
    /// A part of it is missing.
    Partial,
    /// Whoever asks for it loses the connection.
    Crash,
}

#[derive(Clone, Debug, Default)]
struct Fold {
    name: String,
    parent: Option<String>,
    role: Option<Role>,
    mails: BTreeMap<String, Mail>,
    log: Vec<Event>,
    epoch: u64,
    /// What the folder's mark was when it went blind.
    mark: usize,
}

#[derive(Clone, Debug)]
enum Event {
    Upsert(String),
    Read(String),
    Delete(String),
}

#[derive(Clone, Debug, Default)]
struct Account {
    folders: BTreeMap<String, Fold>,
    log: Vec<(String, bool)>,
    epoch: u64,
}

impl Account {
    /// Returns whether a folder is, or is below, one whose name is such.
    fn is_below(&self, id: &str, is_such: &dyn Fn(&str) -> bool) -> bool {
        let mut at = self.folders.get(id);
        while let Some(fold) = at {
            if is_such(&fold.name) {
                return true;
            }
            at = fold.parent.as_ref().and_then(|parent| self.folders.get(parent));
        }
        false
    }
}

#[derive(Default)]
pub(crate) struct State {
    boxes: BTreeMap<Address, Account>,
    next: u64,
    pub(crate) page_items: usize,
    pub(crate) stable_ids: bool,
    /// Whether an item keeps its change key when only its read state changes, as on Exchange.
    pub(crate) keeps_keys: bool,
    /// Whether listings tell nothing but ids and change keys, whatever is wished for.
    pub(crate) tells_little: bool,
    /// How old items are, by what they are about; others have no date.
    pub(crate) ages: HashMap<String, Facts>,
    /// Items whose age a look alone tells, by what they are about.
    pub(crate) series: HashSet<String>,
    /// Items that are, or were, associated with a folder.
    hidden: HashSet<String>,
    /// Whether it lists associated items to nobody.
    pub(crate) lacks_associated: bool,
    /// Whether folders have marks, and the tree comes whole each time.
    pub(crate) marks: bool,
    /// How the parts of mailboxes stand, where the tree comes whole. A folder of the name of a part's role is its root.
    pub(crate) parts: BTreeMap<Part, Presence>,
    /// The account with the public folders.
    pub(crate) public: Option<Address>,
    /// Public folders that cannot be seen, with what is below them.
    pub(crate) unseen: HashSet<String>,
    /// Who may do what, by folder.
    pub(crate) permissions: HashMap<String, String>,
    /// Folders whose mark stays though their items change.
    pub(crate) blind: HashSet<String>,
    pub(crate) poisons: HashMap<String, Poison>,
    pub(crate) faults: HashMap<u64, SourceError>,
    pub(crate) mailbox_faults: HashMap<Address, SourceError>,
    pub(crate) folder_faults: HashSet<String>,
    pub(crate) throttles: HashMap<Address, Vec<Retry>>,
    pub(crate) hangs: bool,
    /// How long each answer takes.
    pub(crate) delay: Duration,
    pub(crate) log: Vec<Request>,
    pub(crate) fetched: Vec<(String, String)>,
}

type Watcher = Box<dyn FnMut(&Request, &mut State) + Send>;

/// The server.
pub(crate) struct Server {
    pub(crate) state: Mutex<State>,
    pub(crate) requests: watch::Sender<u64>,
    pub(crate) watcher: Mutex<Option<Watcher>>,
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(crate) fn error(scope: Scope, trouble: Trouble, retry: Retry) -> SourceError {
    SourceError { operation: "answer".into(), scope, trouble, code: format!("Error{trouble:?}"), message: "scripted".into(), retry, source: None }
}

impl Server {
    pub(crate) fn new(page_items: usize) -> Self {
        let state = State { page_items, ..State::default() };
        Self { state: Mutex::new(state), requests: watch::Sender::new(0), watcher: Mutex::new(None) }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// Counts a request and lets the script have its say.
    async fn receive(&self, mailbox: Option<&Address>, kind: &'static str) -> Result<(), SourceError> {
        let number = self.requests.borrow().wrapping_add(1);
        self.requests.send_replace(number);
        let request = Request { mailbox: mailbox.cloned(), kind, number };
        if let Some(watcher) = self.watcher.lock().unwrap().as_mut() {
            watcher(&request, &mut self.state.lock().unwrap());
        }
        let (hangs, delay) = self.with(|state| {
            state.log.push(request);
            (state.hangs, state.delay)
        });
        if hangs {
            std::future::pending::<()>().await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        tokio::task::yield_now().await;
        self.with(|state| {
            if let Some(fault) = state.faults.remove(&number) {
                return Err(fault);
            }
            let Some(mailbox) = mailbox else { return Ok(()) };
            if let Some(retry) = state.throttles.get_mut(mailbox).and_then(Vec::pop) {
                return Err(error(Scope::Mailbox, Trouble::Throttled, retry));
            }
            match state.mailbox_faults.get(mailbox) {
                Some(fault) => Err(error(fault.scope, fault.trouble, fault.retry)),
                None if !state.boxes.contains_key(mailbox) => Err(error(Scope::Mailbox, Trouble::NoSuchMailbox, Retry::No)),
                None => Ok(()),
            }
        })
    }
}

impl State {
    /// Makes the account with the public folders.
    pub(crate) fn add_public_folders(&mut self, domain: &str) -> Address {
        let address = Address::of_public_folders(domain).unwrap();
        self.boxes.entry(address.clone()).or_default();
        self.public = Some(address.clone());
        address
    }

    fn walk(&self, public: &Address, wanted: &[PublicFolder]) -> PublicTree {
        let folders = &self.boxes[public].folders;
        let mut tree = PublicTree::default();
        let mut next = vec![(None::<String>, String::new())];
        let mut paths = Vec::new();
        while let Some((parent, path)) = next.pop() {
            tree.opened.extend(parent.clone().map(FolderId::new));
            for (id, fold) in folders.iter().filter(|(id, fold)| fold.parent == parent && !self.unseen.contains(*id)) {
                let (folder, path) = (FolderId::new(id.clone()), join_path(&path, &fold.name));
                paths.push(path.clone());
                tree.seen.insert(folder.clone());
                match naming(wanted, &path) {
                    Naming::No => continue,
                    Naming::Leads => drop(tree.bare.insert(folder.clone())),
                    Naming::Whole | Naming::Alone => drop(tree.marks.insert(folder.clone(), FolderMark::new(fold.log.len().to_string()))),
                }
                if naming(wanted, &path) != Naming::Alone {
                    next.push((Some(id.clone()), path));
                }
                let parent = fold.parent.clone().map(FolderId::new);
                tree.folders.push(Folder { id: folder, parent, name: fold.name.clone(), class: String::new(), role: None });
            }
        }
        let missing = wanted.iter().filter(|one| !one.path.is_empty() && !paths.contains(&one.path));
        tree.missing = missing.map(|one| MissingFolder { path: one.path.clone(), reason: "unseen".into() }).collect();
        tree
    }

    pub(crate) fn add_mailbox(&mut self, mailbox: &str) -> Address {
        let address = address(mailbox);
        self.boxes.entry(address.clone()).or_default();
        address
    }

    pub(crate) fn remove_mailbox(&mut self, mailbox: &Address) {
        self.boxes.remove(mailbox);
    }

    pub(crate) fn add_folder(&mut self, mailbox: &Address, name: &str, parent: Option<&str>) -> String {
        self.next += 1;
        let id = format!("f{}", self.next);
        let one = self.boxes.get_mut(mailbox).unwrap();
        one.folders.insert(id.clone(), Fold { name: name.into(), parent: parent.map(Into::into), ..Fold::default() });
        one.log.push((id.clone(), true));
        id
    }

    pub(crate) fn rename_folder(&mut self, mailbox: &Address, id: &str, name: &str, parent: Option<&str>) {
        let one = self.boxes.get_mut(mailbox).unwrap();
        let fold = one.folders.get_mut(id).unwrap();
        (fold.name, fold.parent) = (name.into(), parent.map(Into::into));
        one.log.push((id.into(), true));
    }

    pub(crate) fn set_role(&mut self, mailbox: &Address, id: &str, role: &str) {
        let one = self.boxes.get_mut(mailbox).unwrap();
        one.folders.get_mut(id).unwrap().role = Some(Role::new(role));
        one.log.push((id.into(), true));
    }

    /// Deletes a folder and all below; the log tells of the top one only.
    pub(crate) fn delete_folder(&mut self, mailbox: &Address, id: &str) {
        let one = self.boxes.get_mut(mailbox).unwrap();
        let mut dead = vec![id.to_owned()];
        while let Some(next) = dead.pop() {
            one.folders.remove(&next);
            dead.extend(one.folders.iter().filter(|(_, fold)| fold.parent.as_deref() == Some(&next)).map(|(id, _)| id.clone()));
        }
        one.log.push((id.into(), false));
    }

    pub(crate) fn add_mail(&mut self, mailbox: &Address, folder: &str, body: &str) -> String {
        self.next += 1;
        let id = format!("i{}", self.next);
        let mail = Mail { change_key: self.next.to_string(), body: body.into(), read: false, flagged: false, subject: id.clone(), associated: false };
        self.put(mailbox, folder, &id, mail);
        id
    }

    /// Adds an item that is associated with a folder.
    pub(crate) fn add_associated(&mut self, mailbox: &Address, folder: &str, body: &str) -> String {
        self.next += 1;
        let id = format!("i{}", self.next);
        let mail = Mail { change_key: self.next.to_string(), body: body.into(), read: false, flagged: false, subject: id.clone(), associated: true };
        self.hidden.insert(id.clone());
        self.put(mailbox, folder, &id, mail);
        id
    }

    pub(crate) fn change_mail(&mut self, mailbox: &Address, folder: &str, id: &str, body: &str) {
        self.next += 1;
        let change_key = self.next.to_string();
        let mail = self.fold(mailbox, folder).mails[id].clone();
        self.put(mailbox, folder, id, Mail { change_key, body: body.into(), ..mail });
    }

    /// Changes the read state.
    pub(crate) fn mark_mail(&mut self, mailbox: &Address, folder: &str, id: &str, read: bool) {
        self.next += 1;
        let change_key = (!self.keeps_keys).then(|| self.next.to_string());
        let fold = self.fold(mailbox, folder);
        let mail = fold.mails.get_mut(id).unwrap();
        mail.read = read;
        mail.change_key = change_key.unwrap_or_else(|| mail.change_key.clone());
        fold.log.push(Event::Read(id.into()));
    }

    /// Sets a follow-up flag: a change that is not told apart from one of contents.
    pub(crate) fn flag_mail(&mut self, mailbox: &Address, folder: &str, id: &str, flagged: bool) {
        self.next += 1;
        let change_key = self.next.to_string();
        let mail = self.fold(mailbox, folder).mails[id].clone();
        self.put(mailbox, folder, id, Mail { change_key, flagged, ..mail });
    }

    pub(crate) fn delete_mail(&mut self, mailbox: &Address, folder: &str, id: &str) -> Mail {
        let fold = self.fold(mailbox, folder);
        fold.log.push(Event::Delete(id.into()));
        fold.mails.remove(id).unwrap()
    }

    pub(crate) fn move_mail(&mut self, mailbox: &Address, from: &str, to: &str, id: &str) {
        let mail = self.delete_mail(mailbox, from, id);
        self.next += 1;
        let id = if self.stable_ids { id.to_owned() } else { format!("i{}", self.next) };
        self.put(mailbox, to, &id, mail);
    }

    /// Copies a mail: only its id and change key are others.
    pub(crate) fn copy_mail(&mut self, mailbox: &Address, from: &str, to: &str, id: &str) -> String {
        let mail = self.fold(mailbox, from).mails[id].clone();
        self.next += 1;
        let copy = format!("i{}", self.next);
        self.put(mailbox, to, &copy, Mail { change_key: self.next.to_string(), ..mail });
        copy
    }

    /// Makes a folder's mark stay as it is.
    pub(crate) fn go_blind(&mut self, mailbox: &Address, folder: &str) {
        let fold = self.fold(mailbox, folder);
        fold.mark = fold.log.len();
        self.blind.insert(folder.into());
    }

    pub(crate) fn invalidate_folder(&mut self, mailbox: &Address, folder: &str) {
        self.fold(mailbox, folder).epoch += 1;
    }

    pub(crate) fn invalidate_tree(&mut self, mailbox: &Address) {
        self.boxes.get_mut(mailbox).unwrap().epoch += 1;
    }

    pub(crate) fn mailboxes(&self) -> Vec<Address> {
        self.boxes.keys().cloned().collect()
    }

    pub(crate) fn folders(&self, mailbox: &Address) -> Vec<String> {
        self.boxes[mailbox].folders.keys().cloned().collect()
    }

    pub(crate) fn mails(&self, mailbox: &Address, folder: &str) -> Vec<String> {
        self.boxes[mailbox].folders[folder].mails.keys().cloned().collect()
    }

    /// Poisons a mailbox's first mail; returns its id.
    pub(crate) fn poison_first(&mut self, mailbox: &Address, poison: Poison) -> String {
        let folder = self.folders(mailbox)[0].clone();
        let mail = self.mails(mailbox, &folder)[0].clone();
        self.poisons.insert(mail.clone(), poison);
        mail
    }

    pub(crate) fn picture(&self, mailbox: &Address) -> Picture {
        let folders = &self.boxes[mailbox].folders;
        folders.iter().map(|(id, fold)| (id.clone(), (fold.name.clone(), fold.parent.clone(), fold.mails.clone()))).collect()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.log.iter().filter(|request| request.kind == kind).count()
    }

    pub(crate) fn forget_log(&mut self) {
        self.log.clear();
        self.fetched.clear();
    }

    fn put(&mut self, mailbox: &Address, folder: &str, id: &str, mail: Mail) {
        let fold = self.fold(mailbox, folder);
        fold.mails.insert(id.into(), mail);
        fold.log.push(Event::Upsert(id.into()));
    }

    fn fold(&mut self, mailbox: &Address, folder: &str) -> &mut Fold {
        self.boxes.get_mut(mailbox).unwrap().folders.get_mut(folder).unwrap()
    }
}

/// Reads a cursor of the form `epoch.place`, if it is of this epoch.
fn place(cursor: Option<&Cursor>, epoch: u64) -> Result<usize, SourceError> {
    let Some(cursor) = cursor else { return Ok(0) };
    let (of, place) = cursor.as_str().split_once('.').unwrap();
    if of.parse() == Ok(epoch) { Ok(place.parse().unwrap()) } else { Err(error(Scope::Folder, Trouble::CursorInvalid, Retry::No)) }
}

#[async_trait]
impl Source for Server {
    async fn check(&self, _: &[Address]) -> CheckReport {
        CheckReport::default()
    }

    async fn mailboxes(&self) -> Result<Vec<Mailbox>, SourceError> {
        self.receive(None, "mailboxes").await?;
        let list = |address| Mailbox::new(address, "", MailboxKind::User);
        Ok(self.with(|state| state.mailboxes()).into_iter().filter(|address| !address.is_of_public_folders()).map(list).collect())
    }

    async fn folder_changes(&self, mailbox: &Address, cursor: Option<&Cursor>) -> Result<FolderPage, SourceError> {
        self.receive(Some(mailbox), "tree").await?;
        self.with(|state| {
            let one = &state.boxes[mailbox];
            let upsert = |id: &String, fold: &Fold| {
                FolderChange::Upsert(Folder {
                    id: FolderId::new(id.clone()),
                    parent: fold.parent.clone().map(FolderId::new),
                    name: fold.name.clone(),
                    class: "IPF.Note".into(),
                    role: fold.role.clone().or_else(|| Some(Role::new(&fold.name)).filter(|role| Part::of_role(role).is_some())),
                })
            };
            if state.marks {
                let is_away = |part: Part| state.parts.get(&part).is_some_and(|presence| *presence != Presence::Listed);
                let folders = one.folders.iter().filter(|(id, _)| !one.is_below(id, &|name| Part::of_role(&Role::new(name)).is_some_and(is_away)));
                let folders: BTreeMap<&String, &Fold> = folders.collect();
                let mark = |id: &String, fold: &Fold| if state.blind.contains(id) { fold.mark } else { fold.log.len() };
                let marks = folders.iter().map(|(id, fold)| (FolderId::new((*id).clone()), FolderMark::new(mark(id, fold).to_string())));
                let (changes, marks) = (folders.iter().map(|(id, fold)| upsert(id, fold)).collect(), marks.collect());
                return Ok(FolderPage { changes, marks, cursor: Cursor::new("0.0"), last: true, whole: true, parts: state.parts.clone() });
            }
            let start = place(cursor, one.epoch)?;
            let end = one.log.len().min(start + state.page_items);
            let mut changes = Vec::new();
            for (id, _) in &one.log[start..end] {
                changes.push(match one.folders.get(id) {
                    Some(fold) => upsert(id, fold),
                    None => FolderChange::Delete(FolderId::new(id.clone())),
                });
            }
            let cursor = Cursor::new(format!("{}.{end}", one.epoch));
            Ok(FolderPage { changes, marks: HashMap::new(), cursor, last: end == one.log.len(), whole: false, parts: BTreeMap::new() })
        })
    }

    async fn permissions(&self, mailbox: &Address, folders: &[FolderId]) -> Result<Vec<(FolderId, String)>, SourceError> {
        if self.with(|state| state.permissions.is_empty()) {
            return Ok(Vec::new());
        }
        self.receive(Some(mailbox), "permissions").await?;
        let told = |id: &FolderId| self.with(|state| state.permissions.get(id.as_str()).map(|text| (id.clone(), text.clone())));
        Ok(folders.iter().filter_map(told).collect())
    }

    async fn public_folders(&self, _: Option<&Address>, wanted: &[PublicFolder]) -> Result<PublicTree, SourceError> {
        let public = self.with(|state| state.public.clone()).ok_or_else(|| error(Scope::Mailbox, Trouble::Unsupported, Retry::No))?;
        self.receive(Some(&public), "tree").await?;
        Ok(self.with(|state| state.walk(&public, wanted)))
    }

    async fn seek_public_folders(&self, folders: &[FolderId]) -> Result<Vec<Whereabouts>, SourceError> {
        let public = self.with(|state| state.public.clone()).unwrap();
        self.receive(Some(&public), "seek").await?;
        let place = |id: &FolderId| {
            self.with(|state| match state.boxes[&public].folders.contains_key(id.as_str()) {
                true if state.unseen.contains(id.as_str()) => Whereabouts::Closed("no rights".into()),
                true => Whereabouts::Elsewhere,
                false => Whereabouts::Unknown("not found".into()),
            })
        };
        Ok(folders.iter().map(place).collect())
    }

    fn organisation(&self) -> Option<String> {
        self.with(|state| state.public.as_ref().map(|public| public.domain().to_owned()))
    }

    fn lacks_associated(&self, _: &Address) -> Option<String> {
        self.with(|state| state.lacks_associated.then(|| "nobody is told".to_owned()))
    }

    async fn changes(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>, wishes: Wishes) -> Result<Page<Change>, SourceError> {
        self.receive(Some(mailbox), "changes").await?;
        self.with(|state| {
            if state.folder_faults.contains(folder.as_str()) {
                return Err(error(Scope::Folder, Trouble::Refused, Retry::No));
            }
            let Some(fold) = state.boxes[mailbox].folders.get(folder.as_str()) else {
                return Err(error(Scope::Folder, Trouble::NotFound, Retry::No));
            };
            // Cursors of the two scopes are of epochs far apart.
            let takes_associated = wishes.associated && !state.lacks_associated;
            let epoch = fold.epoch + if takes_associated { 1000 } else { 0 };
            let start = place(cursor, epoch)?;
            let end = fold.log.len().min(start + state.page_items);
            let mut changes = Vec::new();
            for event in &fold.log[start..end] {
                let (Event::Delete(about) | Event::Upsert(about) | Event::Read(about)) = event;
                if !takes_associated && state.hidden.contains(about) {
                    continue;
                }
                let (id, read) = match event {
                    Event::Delete(id) => {
                        changes.push(Change::Delete(ItemId::new(id.clone())));
                        continue;
                    }
                    Event::Upsert(id) => (id, false),
                    Event::Read(id) => (id, true),
                };
                // A change of what is gone is left out, or reported all the same, as servers do whose ids do not survive moves.
                let mail = fold.mails.get(id);
                let change_key = mail.map(|mail| ChangeKey::new(mail.change_key.clone()));
                let id = ItemId::new(id.clone());
                match mail {
                    Some(mail) if read => changes.push(Change::Read { id, change_key, read: mail.read }),
                    Some(mail) => {
                        let facts = wishes.facts && !state.series.contains(&mail.subject);
                        let facts = facts.then(|| state.age_of(mail));
                        let told = Told {
                            size: Some(size(&mail.body)),
                            read: wishes.read.then_some(mail.read),
                            facts,
                            associated: wishes.associated.then_some(mail.associated),
                        };
                        let told = if state.tells_little { Told::default() } else { told };
                        changes.push(Change::Upsert { id, change_key, told });
                    }
                    None if end % 2 == 0 && !state.stable_ids => {
                        changes.push(Change::Upsert { id, change_key: Some(ChangeKey::new("gone")), told: Told::default() });
                    }
                    None => {}
                }
            }
            Ok(Page { changes, cursor: Cursor::new(format!("{epoch}.{end}")), last: end == fold.log.len() })
        })
    }

    async fn fetch(&self, mailbox: &Address, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError> {
        self.receive(Some(mailbox), "fetch").await?;
        self.with(|state| {
            if items.iter().any(|item| state.poisons.get(item.id.as_str()) == Some(&Poison::Crash)) {
                return Err(error(Scope::Connection, Trouble::Unreachable, Retry::Backoff));
            }
            Ok(items.iter().map(|item| Fetched { id: item.id.clone(), result: state.deliver(mailbox, item.id.as_str()), lacks: None }).collect())
        })
    }

    async fn look(&self, mailbox: &Address, items: &[ItemId]) -> Result<Vec<Looked>, SourceError> {
        self.receive(Some(mailbox), "look").await?;
        self.with(|state| {
            let look = |id: &ItemId| {
                let mail = state.boxes[mailbox].folders.values().find_map(|fold| fold.mails.get(id.as_str()));
                match (state.poisons.get(id.as_str()), mail) {
                    (_, None) => Err(error(Scope::Item, Trouble::NotFound, Retry::No)),
                    (Some(Poison::Corrupt), _) => Err(error(Scope::Item, Trouble::Corrupt, Retry::No)),
                    (_, Some(mail)) => Ok(Sight { meta: state.meta(id, mail), facts: state.age_of(mail), draft: Some(mail.body.starts_with("draft")) }),
                }
            };
            Ok(items.iter().map(|id| Looked { id: id.clone(), result: look(id) }).collect())
        })
    }

    fn bounds(&self) -> Bounds {
        Bounds { fetch_items: 10, fetch_bytes: 20 * 4096 * 1000, fetch_items_unsized: 10, look_items: 5 }
    }
}

impl State {
    /// Returns how old a mail is.
    pub(crate) fn age_of(&self, mail: &Mail) -> Facts {
        self.ages.get(&mail.subject).cloned().unwrap_or(Facts { class: "IPM.Note".into(), occurs: None, modified: None })
    }

    /// Returns the properties of a mail. They survive moves, but for the id.
    fn meta(&self, id: &ItemId, mail: &Mail) -> ItemMeta {
        let age = self.age_of(mail);
        let mut meta = ItemMeta::new(id.clone(), age.class);
        meta.change_key = Some(ChangeKey::new(mail.change_key.clone()));
        meta.subject = format!("about {}", mail.subject);
        meta.read = Some(mail.read);
        meta.flag = mail.flagged.then_some(FlagStatus::Flagged);
        meta.size = Some(size(&mail.body));
        meta.modified = age.modified;
        meta.search_key = Some(mail.subject.clone().into_bytes());
        meta.associated = mail.associated;
        meta
    }

    fn deliver(&mut self, mailbox: &Address, id: &str) -> Result<Item, SourceError> {
        let Some(mail) = self.boxes[mailbox].folders.values().find_map(|fold| fold.mails.get(id)).cloned() else {
            return Err(error(Scope::Item, Trouble::NotFound, Retry::No));
        };
        let mut fidelity = Fidelity::Mime;
        match self.poisons.get_mut(id) {
            Some(Poison::Corrupt) => return Err(error(Scope::Item, Trouble::Corrupt, Retry::No)),
            Some(Poison::Flaky(times)) if *times > 0 => {
                *times -= 1;
                return Err(error(Scope::Item, Trouble::Busy, Retry::Backoff));
            }
            Some(Poison::Partial) => fidelity = Fidelity::Partial,
            Some(Poison::Flaky(_) | Poison::Crash) | None => {}
        }
        self.fetched.push((id.to_owned(), mail.change_key.clone()));
        let meta = self.meta(&ItemId::new(id), &mail);
        let content = Content::from_bytes(mail.body.as_bytes()).unwrap();
        Ok(Item { meta, readable: Some(Readable { format: Format::Eml, rendered: false, content }), export: None, fidelity })
    }
}

/// Returns the size of a mail: another one for each body that tests use.
fn size(body: &str) -> u64 {
    body.bytes().map(u64::from).sum::<u64>() * 4096 + body.len() as u64
}
