//! The test stand: a server, a storage in a temporary folder, and cycles between them.

use super::server::{Mail, Picture, PictureOfFolder, Server};
use c2b_api::filter::Filter;
use c2b_api::job::{RunInfo, Selection};
use c2b_mailbox::{Address, PublicFolder};
use c2b_storagefmt::{Catalog, CommitSeq, Error, Failure, ItemKey, Moment, Sealing, Unlock, Writer};
use c2bd::clock::Clock;
use c2bd::engine::{ConnectionLimits, CycleContext, CycleEnd, MailboxQueue, Progress, StorageWriter, run_cycle};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A server and a storage.
pub(crate) struct Stand {
    pub(crate) server: Arc<Server>,
    pub(crate) clock: Clock,
    pub(crate) limits: Arc<ConnectionLimits>,
    pub(crate) queue: Arc<MailboxQueue>,
    pub(crate) previous: Option<Vec<Address>>,
    pub(crate) filter: Mutex<Filter>,
    pub(crate) one_time: bool,
    pub(crate) public_folders: Vec<PublicFolder>,
    /// When the last cycle began, so that marks count.
    pub(crate) previous_start: Mutex<Option<DateTime<Utc>>>,
    _dir: TempDir,
    path: PathBuf,
}

/// What is in the storage.
pub(crate) struct Archive {
    pub(crate) mailboxes: BTreeMap<Address, Picture>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) head: CommitSeq,
}

impl Stand {
    pub(crate) fn new(page_items: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("storage");
        let clock = Clock::manual(DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap());
        drop(Writer::create(&path, clock.now(), Sealing::None).unwrap());
        Self {
            server: Arc::new(Server::new(page_items)),
            limits: ConnectionLimits::new(clock.clone()),
            queue: MailboxQueue::new(),
            clock,
            previous: None,
            filter: Mutex::default(),
            one_time: false,
            public_folders: Vec::new(),
            previous_start: Mutex::new(None),
            _dir: dir,
            path,
        }
    }

    pub(crate) fn open(&self) -> StorageWriter {
        StorageWriter::open(&self.path, &Unlock::Open, self.clock.clone()).unwrap()
    }

    pub(crate) fn context(&self, storage: &StorageWriter) -> CycleContext {
        let progress = Progress::new(self.clock.clone());
        progress.begin_cycle(1);
        CycleContext {
            job: "job".into(),
            connection: "lab".into(),
            selection: Selection::AllExcept(vec![]),
            filter: self.filter.lock().unwrap().clone(),
            public_folders: self.public_folders.clone(),
            previous_mailboxes: self.previous.clone(),
            one_time: self.one_time,
            previous_start: *self.previous_start.lock().unwrap(),
            start: self.clock.now(),
            source: self.server.clone(),
            storage: storage.clone(),
            limits: self.limits.clone(),
            queue: self.queue.clone(),
            clock: self.clock.clone(),
            progress,
            cancel: CancellationToken::new(),
        }
    }

    /// Gives the job another filter, as an edit does.
    pub(crate) fn edit(&self, filter: Filter) {
        *self.filter.lock().unwrap() = filter;
        *self.previous_start.lock().unwrap() = None;
    }

    /// Takes all that is due in full looks for done.
    pub(crate) fn begin_looks(&self) {
        *self.previous_start.lock().unwrap() = Some(self.clock.now());
    }

    /// Opens the storage, runs a cycle, closes it.
    pub(crate) async fn cycle(&self) -> (CycleEnd, RunInfo) {
        let storage = self.open();
        let context = self.context(&storage);
        let progress = context.progress.clone();
        let mut changes = progress.subscribe();
        let watched = async {
            while changes.changed().await.is_ok() {
                check(&progress.snapshot());
            }
        };
        let end = tokio::select! {
            end = run_cycle(&context) => end,
            () = watched => unreachable!("the progress lives"),
        };
        let info = context.progress.snapshot();
        check(&info);
        if matches!(end, CycleEnd::Finished | CycleEnd::Warnings) {
            *self.previous_start.lock().unwrap() = Some(context.start);
        }
        drop(context);
        storage.close().await.unwrap();
        self.until_free().await;
        (end, info)
    }

    /// Runs a cycle until `until` is done, and ends it as `kill -9` would; returns how it ended when it was quicker.
    pub(crate) async fn killed(&self, until: impl Future) -> Option<CycleEnd> {
        let storage = self.open();
        let context = self.context(&storage);
        let end = tokio::select! {
            biased;
            _ = until => None,
            end = run_cycle(&context) => Some(end),
        };
        drop(context);
        storage.abandon().await;
        self.until_free().await;
        end
    }

    /// Waits until what was under way is dropped by the runtime, and with it the last handles of the index.
    pub(crate) async fn until_free(&self) {
        while matches!(Writer::open(&self.path, &Unlock::Open), Err(Error::Index { .. })) {
            tokio::task::yield_now().await;
        }
    }

    /// Returns the catalogue, once the storage is closed.
    pub(crate) fn catalog(&self) -> Catalog {
        Writer::open(&self.path, &Unlock::Open).unwrap().catalog()
    }

    /// Returns the names and permissions of those folders of a mailbox that have them.
    pub(crate) fn permissions(&self, mailbox: &Address) -> Vec<(String, String)> {
        let writer = Writer::open(&self.path, &Unlock::Open).unwrap();
        let catalog = writer.catalog();
        let key = catalog.mailbox(mailbox).unwrap().unwrap().key;
        let folders = catalog.folders(key, Moment::Latest).unwrap();
        folders.into_iter().filter_map(|folder| Some((folder.name, folder.permissions?))).collect()
    }

    /// Looks into the storage.
    pub(crate) fn archive(&self) -> Archive {
        let writer = Writer::open(&self.path, &Unlock::Open).unwrap();
        let (catalog, contents) = (writer.catalog(), writer.contents());
        let mut archive = Archive { mailboxes: BTreeMap::new(), failures: Vec::new(), head: catalog.head().unwrap() };
        for address in self.server.with(|state| state.mailboxes()) {
            let Some(row) = catalog.mailbox(&address).unwrap() else { continue };
            let folders = catalog.folders(row.key, Moment::Latest).unwrap();
            let mut picture = Picture::new();
            for folder in &folders {
                let parent = folder.parent.map(|key| folders.iter().find(|one| one.key == key).unwrap().id.to_string());
                let mut mails = BTreeMap::new();
                for item in catalog.items(row.key, folder.key, Moment::Latest).unwrap() {
                    let item = item.unwrap();
                    let file = contents.open(row.key, &item.shown.unwrap()).unwrap();
                    let mut body = vec![0; usize::try_from(file.len()).unwrap()];
                    assert_eq!(file.read_at(0, &mut body).unwrap(), body.len());
                    let mail = Mail {
                        change_key: item.meta.change_key.unwrap().as_str().to_owned(),
                        body: String::from_utf8(body).unwrap(),
                        read: item.meta.read.unwrap(),
                        flagged: item.meta.flag.is_some(),
                        subject: item.meta.subject.strip_prefix("about ").unwrap().to_owned(),
                        associated: item.meta.associated,
                    };
                    assert!(mails.insert(item.meta.id.to_string(), mail).is_none(), "{} is twice in {}", item.meta.id, folder.id);
                }
                picture.insert(folder.id.to_string(), (folder.name.clone(), parent, mails));
            }
            archive.mailboxes.insert(address, picture);
            archive.failures.extend(catalog.failures(Some(row.key)).unwrap().into_iter().map(|(_, failure)| failure));
        }
        archive
    }

    /// Returns our keys of the items that a mailbox has now.
    pub(crate) fn item_keys(&self, mailbox: &Address) -> Vec<ItemKey> {
        let writer = Writer::open(&self.path, &Unlock::Open).unwrap();
        let catalog = writer.catalog();
        let row = catalog.mailbox(mailbox).unwrap().unwrap();
        let folders = catalog.folders(row.key, Moment::Latest).unwrap();
        folders.iter().flat_map(|folder| catalog.items(row.key, folder.key, Moment::Latest).unwrap()).map(|item| item.unwrap().key).collect()
    }

    /// Fails unless the storage equals the server.
    pub(crate) fn assert_equal(&self) -> Archive {
        let archive = self.archive();
        for address in self.server.with(|state| state.mailboxes()) {
            let there = lines(&self.server.with(|state| state.picture(&address)));
            let here = lines(archive.mailboxes.get(&address).unwrap_or(&Picture::new()));
            let missing: Vec<_> = there.difference(&here).collect();
            let extra: Vec<_> = here.difference(&there).collect();
            assert!(missing.is_empty() && extra.is_empty(), "{address} differs: missing {missing:#?}, extra {extra:#?}");
        }
        archive
    }
}

/// Returns a line for each folder and mail.
fn lines(picture: &Picture) -> BTreeSet<String> {
    let folder = |(id, (name, parent, mails)): (&String, &PictureOfFolder)| {
        let mails = mails.iter().map(|(mail, state)| format!("{id}/{mail} {state:?}")).collect::<Vec<_>>();
        std::iter::once(format!("{id} {name} in {parent:?}")).chain(mails)
    };
    picture.iter().flat_map(folder).collect()
}

/// Fails when counters contradict each other.
fn check(info: &RunInfo) {
    for one in &info.mailboxes {
        assert_eq!(one.known, one.stored + one.unchanged + one.excluded + one.failed + one.left, "{one:?}");
    }
}

/// Gives the server two mailboxes with nested and empty folders and mail for several pages; returns the first.
pub(crate) fn company(stand: &Stand) -> Address {
    stand.server.with(|state| {
        let fill = |name: &str, state: &mut super::server::State| {
            let mailbox = state.add_mailbox(name);
            let inbox = state.add_folder(&mailbox, "Inbox", None);
            let sub = state.add_folder(&mailbox, "Sub", Some(&inbox));
            state.add_folder(&mailbox, "Empty", Some(&sub));
            (0..25).for_each(|n| drop(state.add_mail(&mailbox, &inbox, &format!("{name} inbox {n}"))));
            (0..7).for_each(|n| drop(state.add_mail(&mailbox, &sub, &format!("{name} sub {n}"))));
            mailbox
        };
        let alice = fill("alice@x", state);
        fill("bob@x", state);
        alice
    })
}
