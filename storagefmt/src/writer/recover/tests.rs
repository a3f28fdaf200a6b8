//! Packs that were rewritten, and an index that does not know it.

use super::*;
use crate::format::pack::PackHeader;
use crate::pack::rewrite::PackRewriter;
use crate::store::DirStore;
use crate::store::temporary::{copy_folder, temporary};
use crate::{FolderKey, Moment, Writer};
use c2b_mailbox::{Address, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use std::path::PathBuf;
use tempfile::TempDir;

struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: temporary() }
    }

    /// A copy of the storage, with the copies of its index.
    fn twin(&self) -> Self {
        let twin = Self::new();
        copy_folder(self.root.path(), twin.root.path());
        twin
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("storage")
    }

    fn index(&self, number: u64) -> PathBuf {
        self.root.path().join(format!("index-{number}"))
    }

    fn open(&self) -> Result<Writer, Error> {
        Writer::open(&self.dir(), &Unlock::Open)
    }

    /// Commits `number` mails, one each, and keeps a copy of the index as it is after each commit.
    fn fill(&self, number: u64) {
        drop(Writer::create(&self.dir(), time(0), Sealing::None).unwrap());
        for seq in 1..=number {
            let mut writer = self.open().unwrap();
            let (mailbox, folder) = inbox(&mut writer);
            let mime = format!("Subject: {seq}\r\n\r\nmail {seq}\r\n");
            let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(mime.as_bytes()).unwrap() };
            let meta = ItemMeta::new(ItemId::new(format!("I-{seq}")), "IPM.Note");
            writer.put_item(mailbox, folder, Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }).unwrap();
            writer.commit(time(seq)).unwrap();
            drop(writer);
            copy_folder(&self.dir().join(INDEX), &self.index(seq));
        }
    }

    /// Puts the index back to what it was after a commit.
    fn lose(&self, seq: u64) {
        std::fs::remove_dir_all(self.dir().join(INDEX)).unwrap();
        copy_folder(&self.index(seq), &self.dir().join(INDEX));
    }

    /// Joins the packs of some commits into one, as freeing does before it tells the index.
    fn join(&self, first: u64, last: u64) {
        let store: Arc<dyn Store> = Arc::new(DirStore::new(&self.dir()));
        let info = layout::read_description(&self.dir(), store.as_ref(), Access::Write).unwrap();
        let keys = Keys::unsealed(info.uuid);
        let list = PackList::read(store.as_ref()).unwrap();
        let mut sources = Vec::new();
        let packs: Vec<&Found> = list.live.range(CommitSeq(first)..=CommitSeq(last)).map(|(_, pack)| pack).collect();
        for pack in &packs {
            let mut reader = PackReader::open(store.as_ref(), &pack.file.name, pack.file.bytes, info.uuid).unwrap();
            let PackName { first, last, generation, .. } = pack.name;
            sources.push((PackHeader { storage: info.uuid, first, last, generation }, reader.commits(&keys).unwrap()));
        }
        let mut rewriter = PackRewriter::new(Arc::clone(&store), info.uuid, &sources, keys).unwrap();
        for pack in packs {
            let mut reader = PackReader::open(store.as_ref(), &pack.file.name, pack.file.bytes, info.uuid).unwrap();
            for frame in reader.frames().to_vec() {
                let stored = reader.raw(&frame).unwrap().unwrap();
                rewriter.copy(&frame.header, &stored).unwrap();
            }
        }
        rewriter.finish().unwrap();
    }

    fn packs(&self) -> Vec<(u64, u64, u32)> {
        let list = PackList::read(&DirStore::new(&self.dir())).unwrap();
        assert!(list.replaced.is_empty(), "a replaced pack is still there");
        list.live.values().map(|pack| (pack.name.first.0, pack.name.last.0, pack.name.generation)).collect()
    }
}

fn time(minute: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + 60 * i64::try_from(minute).unwrap(), 0).unwrap()
}

fn inbox(writer: &mut Writer) -> (MailboxKey, FolderKey) {
    let mailbox = writer.mailbox(&Address::parse("a@example.org").unwrap()).unwrap();
    let folder = Folder { id: FolderId::new("F"), parent: None, name: "Inbox".to_owned(), class: String::new(), role: None };
    (mailbox, writer.put_folder(mailbox, &folder).unwrap())
}

/// Returns the mails that read back.
fn mails(writer: &mut Writer) -> Vec<String> {
    let (mailbox, folder) = inbox(writer);
    let (catalog, contents) = (writer.catalog(), writer.contents());
    let mut mails = Vec::new();
    for row in catalog.items(mailbox, folder, Moment::Latest).unwrap() {
        let file = contents.open(mailbox, &row.unwrap().shown.unwrap()).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        mails.push(String::from_utf8(bytes).unwrap().lines().last().unwrap().to_owned());
    }
    mails.sort();
    mails
}

/// The rows of all tables but what counts rewritings.
fn rows(index: &Index) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let tables = Table::ALL.iter().filter(|table| **table != Table::State);
    tables.flat_map(|table| index.scan_all(*table, b"").unwrap().into_iter().map(|(key, value)| (*table, key, value))).collect()
}

#[test]
fn an_index_that_knows_neither_the_rewritten_pack_nor_its_commits_takes_both_in() {
    let origin = Place::new();
    origin.fill(5);
    for (first, last) in [(1, 2), (2, 4), (1, 5), (3, 3)] {
        for known in 1..=5 {
            let place = origin.twin();
            place.join(first, last);
            place.lose(known);
            let mut writer = place.open().unwrap();
            let expected: Vec<String> = (1..=5).map(|seq| format!("mail {seq}")).collect();
            assert_eq!(mails(&mut writer), expected, "{first} to {last}, of which {known} were known");
            let live = rows(&writer.shared.index());
            let state = writer.shared.index().state().unwrap();
            drop(writer);
            let packs = place.packs();
            assert!(packs.contains(&(first, last, 1)) && packs.len() as u64 == 5 - (last - first), "{packs:?}");
            assert_eq!((state.head, state.packs), (5, packs.len() as u64));
            assert_eq!(crate::rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap().damages, []);
            let writer = place.open().unwrap();
            assert!(rows(&writer.shared.index()) == live, "{first} to {last}, of which {known} were known: rebuilt otherwise");
            let rebuilt = writer.shared.index().state().unwrap();
            assert_eq!((rebuilt.packs, rebuilt.pack_bytes, rebuilt.items, rebuilt.chunks), (state.packs, state.pack_bytes, state.items, state.chunks));
        }
    }
}

#[test]
fn a_damaged_pack_replaces_nothing() {
    let place = Place::new();
    place.fill(2);
    place.join(1, 2);
    let list = PackList::read(&DirStore::new(&place.dir())).unwrap();
    let path = place.dir().join(&list.of_commit(CommitSeq(1)).unwrap().file.name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    bytes[70] ^= 1;
    assert!(matches!(place.open(), Err(Error::PackDamaged { .. })));
    assert_eq!(PackList::read(&DirStore::new(&place.dir())).unwrap().replaced.len(), 2, "something was deleted");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(mails(&mut place.open().unwrap()), ["mail 1", "mail 2"]);
}

#[test]
fn a_folder_whose_record_is_lost_does_not_hide_its_items() {
    let place = Place::new();
    place.fill(1);
    let mut writer = place.open().unwrap();
    let (mailbox, _) = inbox(&mut writer);
    let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(b"mail 2").unwrap() };
    let meta = ItemMeta::new(ItemId::new("I-2"), "IPM.Note");
    writer.put_item(mailbox, FolderKey(1), Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }).unwrap();
    writer.commit(time(2)).unwrap();
    drop(writer);
    let list = PackList::read(&DirStore::new(&place.dir())).unwrap();
    std::fs::remove_file(place.dir().join(&list.of_commit(CommitSeq(1)).unwrap().file.name)).unwrap();
    assert_eq!(crate::rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap().damages.len(), 1);
    let mut writer = place.open().unwrap();
    let catalog = writer.catalog();
    let folders = catalog.folders(mailbox, Moment::Latest).unwrap();
    assert_eq!(folders.iter().map(|folder| folder.key).collect::<Vec<_>>(), [FolderKey(1)]);
    assert!(folders[0].file_name.contains(&FolderKey(1).to_string()), "{:?}", folders[0]);
    assert_eq!(catalog.items(mailbox, FolderKey(1), Moment::Latest).unwrap().count(), 1);
    // The source's folder gets another key, and the item moves there with the next backup.
    assert_eq!(inbox(&mut writer).1, FolderKey(2));
}
