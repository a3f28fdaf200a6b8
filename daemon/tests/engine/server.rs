//! A mail server in memory, for tests of the engine: scripted, particular, and counting.
//!
//! Each folder has a log of what happened to its items; a cursor is a place in it. Ids change on a move
//! or not, as told. Faults are scripted by request number, by item, or by mailbox.

use async_trait::async_trait;
use c2b_mailbox::{
    Address, Bounds, Change, ChangeKey, CheckReport, Content, Cursor, Fetched, Fidelity, FlagStatus, Folder, FolderChange, FolderId, FolderMark, FolderPage,
    Format, Item, ItemId, ItemMeta, ItemRef, Looked, Mailbox, MailboxKind, Page, Readable, Retry, Scope, Sight, Source, SourceError, Trouble,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
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

#[derive(Default)]
pub(crate) struct State {
    boxes: BTreeMap<Address, Account>,
    next: u64,
    pub(crate) page_items: usize,
    pub(crate) stable_ids: bool,
    /// Whether an item keeps its change key when only its read state changes, as on Exchange.
    pub(crate) keeps_keys: bool,
    /// Whether folders have marks, and the tree comes whole each time.
    pub(crate) marks: bool,
    /// Folders whose mark stays though their items change.
    pub(crate) blind: HashSet<String>,
    pub(crate) poisons: HashMap<String, Poison>,
    pub(crate) faults: HashMap<u64, SourceError>,
    pub(crate) mailbox_faults: HashMap<Address, SourceError>,
    pub(crate) folder_faults: HashSet<String>,
    pub(crate) throttles: HashMap<Address, Vec<Retry>>,
    pub(crate) hangs: bool,
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
        let hangs = self.with(|state| {
            state.log.push(request);
            state.hangs
        });
        if hangs {
            std::future::pending::<()>().await;
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
        let mail = Mail { change_key: self.next.to_string(), body: body.into(), read: false, flagged: false, subject: id.clone() };
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
        Ok(self.with(|state| state.mailboxes()).into_iter().map(list).collect())
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
                    role: None,
                })
            };
            if state.marks {
                let mark = |id: &String, fold: &Fold| if state.blind.contains(id) { fold.mark } else { fold.log.len() };
                let marks = one.folders.iter().map(|(id, fold)| (FolderId::new(id.clone()), FolderMark::new(mark(id, fold).to_string())));
                let (changes, marks) = (one.folders.iter().map(|(id, fold)| upsert(id, fold)).collect(), marks.collect());
                return Ok(FolderPage { changes, marks, cursor: Cursor::new("0.0"), last: true, whole: true });
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
            Ok(FolderPage { changes, marks: HashMap::new(), cursor, last: end == one.log.len(), whole: false })
        })
    }

    async fn changes(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>) -> Result<Page<Change>, SourceError> {
        self.receive(Some(mailbox), "changes").await?;
        self.with(|state| {
            if state.folder_faults.contains(folder.as_str()) {
                return Err(error(Scope::Folder, Trouble::Refused, Retry::No));
            }
            let Some(fold) = state.boxes[mailbox].folders.get(folder.as_str()) else {
                return Err(error(Scope::Folder, Trouble::NotFound, Retry::No));
            };
            let start = place(cursor, fold.epoch)?;
            let end = fold.log.len().min(start + state.page_items);
            let mut changes = Vec::new();
            for event in &fold.log[start..end] {
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
                    Some(mail) => changes.push(Change::Upsert { id, change_key, size: Some(size(&mail.body)) }),
                    None if end % 2 == 0 && !state.stable_ids => changes.push(Change::Upsert { id, change_key: Some(ChangeKey::new("gone")), size: None }),
                    None => {}
                }
            }
            Ok(Page { changes, cursor: Cursor::new(format!("{}.{end}", fold.epoch)), last: end == fold.log.len() })
        })
    }

    async fn fetch(&self, mailbox: &Address, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError> {
        self.receive(Some(mailbox), "fetch").await?;
        self.with(|state| {
            if items.iter().any(|item| state.poisons.get(item.id.as_str()) == Some(&Poison::Crash)) {
                return Err(error(Scope::Connection, Trouble::Unreachable, Retry::Backoff));
            }
            Ok(items.iter().map(|item| Fetched { id: item.id.clone(), result: state.deliver(mailbox, item.id.as_str()) }).collect())
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
                    (_, Some(mail)) => Ok(Sight { meta: meta(id, mail), draft: Some(mail.body.starts_with("draft")) }),
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
        let meta = meta(&ItemId::new(id), &mail);
        let content = Content::from_bytes(mail.body.as_bytes()).unwrap();
        Ok(Item { meta, readable: Some(Readable { format: Format::Eml, rendered: false, content }), export: None, fidelity })
    }
}

/// Returns the size of a mail: another one for each body that tests use.
fn size(body: &str) -> u64 {
    body.bytes().map(u64::from).sum::<u64>() * 4096 + body.len() as u64
}

/// Returns the properties of a mail. They survive moves, but for the id.
fn meta(id: &ItemId, mail: &Mail) -> ItemMeta {
    let mut meta = ItemMeta::new(id.clone(), "IPM.Note");
    meta.change_key = Some(ChangeKey::new(mail.change_key.clone()));
    meta.subject = format!("about {}", mail.subject);
    meta.read = Some(mail.read);
    meta.flag = mail.flagged.then_some(FlagStatus::Flagged);
    meta.size = Some(size(&mail.body));
    meta.search_key = Some(mail.subject.clone().into_bytes());
    meta
}
