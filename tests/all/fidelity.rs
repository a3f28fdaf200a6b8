//! What is in the archive is enough to make each item again, as it was.

use c2b_ews::{EwsConfig, EwsSource, Secret, source::Upload};
use c2b_mailbox::{Address, Content, Fidelity, FolderId, Item, ItemId, ItemMeta, ItemRef, Source};
use c2b_storagefmt::{Catalog, ContentId, Contents, ItemRow, MailboxKey, Moment, Unlock};
use c2b_tests::{Bench, Ews};
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

fn source(bench: &Bench) -> EwsSource {
    EwsSource::new(EwsConfig::new(Url::parse(&bench.lab.url).unwrap(), "admin", Secret::new("secret"), bench.path("."))).unwrap()
}

/// Everything that the archive holds now, by mailbox.
fn archived(bench: &Bench) -> (BTreeMap<Address, Vec<ItemRow>>, Contents) {
    let (catalog, contents) = Catalog::open_reader(&bench.storage(), &bench.path("reader"), &Unlock::Open).unwrap();
    let mut all = BTreeMap::new();
    for mailbox in catalog.mailboxes().unwrap() {
        let folders = catalog.folders(mailbox.key, Moment::Latest).unwrap();
        let items = folders.iter().flat_map(|folder| catalog.items(mailbox.key, folder.key, Moment::Latest).unwrap().map(Result::unwrap));
        all.insert(mailbox.address, items.collect());
    }
    (all, contents)
}

fn bytes(contents: &Contents, mailbox: MailboxKey, id: &ContentId) -> Vec<u8> {
    let file = contents.open(mailbox, id).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
    let mut read = 0;
    while read < bytes.len() {
        let n = file.read_at(read as u64, &mut bytes[read..]).unwrap();
        assert!(n > 0, "the content ends at {read}");
        read += n;
    }
    bytes
}

async fn fetch(source: &EwsSource, mailbox: &Address, id: &ItemId) -> Item {
    source.fetch(mailbox, &[ItemRef { id: id.clone(), change_key: None, settle: false }]).await.unwrap().remove(0).result.unwrap()
}

/// What of an item's properties is its own, whichever mailbox it is in.
fn own(mut meta: ItemMeta) -> ItemMeta {
    (meta.id, meta.change_key) = (ItemId::new(""), None);
    meta
}

fn is_of(meta: &ItemMeta, owner: &Address) -> bool {
    meta.from.ends_with(&format!("<{owner}>"))
}

/// Returns an item's mailbox, and another one in which to make it again.
fn pairs(all: &BTreeMap<Address, Vec<ItemRow>>) -> Vec<(Address, Address)> {
    let addresses: Vec<&Address> = all.keys().collect();
    addresses.iter().zip(addresses.iter().cycle().skip(1)).map(|(one, other)| ((*one).clone(), (*other).clone())).collect()
}

#[test]
fn an_uploaded_export_is_the_same_item() {
    let bench = Bench::everything(3, 60, &[]);
    bench.job_all("all");
    bench.ctl().ok(&["job", "edit", "all", "--associated"]);
    bench.run("all");
    let (all, contents) = archived(&bench);
    let source = source(&bench);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut associated = 0;
    let mut classes = BTreeSet::new();
    bench.lab.reset_counters();
    for (from, to) in pairs(&all) {
        let folder = Ews::new(&bench.lab.url, to.as_str()).create_folder("msgfolderroot", "Restored");
        for item in &all[&from] {
            let Some(export) = &item.export else { panic!("{} of {from} has no export stream", item.meta.class) };
            let stream = bytes(&contents, item.mailbox, export);
            let upload = Upload { folder: FolderId::new(&folder), data: Content::from_bytes(&stream).unwrap(), associated: item.meta.associated };
            let mut made = runtime.block_on(async {
                let id = source.upload(&to, upload).await.unwrap();
                fetch(&source, &to, &id).await
            });
            assert!(made.export.as_mut().unwrap().to_vec().unwrap() == stream, "{} of {from} is exported otherwise", item.meta.class);
            if item.meta.class == "IPM.Appointment" && is_of(&item.meta, &from) && is_of(&made.meta, &to) {
                // Where the lab's file names no organizer, the lab tells the owner.
                made.meta.from.clone_from(&item.meta.from);
            }
            assert_eq!(own(made.meta), own(item.meta.clone()));
            if let (Some(shown), Some(mut readable), false) = (&item.shown, made.readable, item.rendered) {
                assert!(readable.content.to_vec().unwrap() == bytes(&contents, item.mailbox, shown), "{} of {from} reads otherwise", item.meta.class);
            }
            classes.insert(item.meta.class.clone());
            associated += usize::from(item.meta.associated);
        }
    }
    assert!(classes.len() >= 14, "{classes:?}");
    assert_eq!(associated, 4);
    let made = bench.lab.mailboxes().iter().flat_map(|mailbox| bench.lab.items(mailbox)).filter(|item| item.is_associated && item.folder == "Restored").count();
    assert_eq!(made, associated, "some were made as what people see");
    assert_eq!(bench.lab.counters()["sends"], 0, "making items anew sent something");
}

#[test]
fn mime_alone_makes_the_same_message() {
    let bench = Bench::everything(3, 60, &["--quirks", "no-export"]);
    bench.job_all("all");
    bench.run("all");
    let (all, contents) = archived(&bench);
    let source = source(&bench);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut made_again = 0;
    for (from, to) in pairs(&all) {
        for item in &all[&from] {
            assert!(item.export.is_none());
            let (Some(shown), Fidelity::Mime, "IPM.Note") = (&item.shown, item.fidelity, item.meta.class.as_str()) else { continue };
            let mime = bytes(&contents, item.mailbox, shown);
            let id = Ews::new(&bench.lab.url, to.as_str()).create("inbox", &mime);
            let mut made = runtime.block_on(fetch(&source, &to, &ItemId::new(&id)));
            assert!(made.readable.as_mut().unwrap().content.to_vec().unwrap() == mime, "a message of {from} reads otherwise");
            let (is, was) = (&made.meta, &item.meta);
            assert_eq!((&is.subject, &is.from, &is.recipients), (&was.subject, &was.from, &was.recipients));
            assert_eq!((&is.message_id, is.sent, is.importance, is.has_attachments), (&was.message_id, was.sent, was.importance, was.has_attachments));
            made_again += 1;
        }
    }
    assert!(made_again >= 40, "{made_again}");
}
