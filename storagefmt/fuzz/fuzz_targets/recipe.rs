//! Any recipe, over a storage with one block.

#![no_main]

use c2b_mailbox::{Address, ChangeKey, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{Contents, MailboxKey, Sealing, Writer};
use std::sync::LazyLock;
use tempfile::TempDir;

static ARCHIVE: LazyLock<(TempDir, Contents, MailboxKey)> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let now = chrono::DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
    let (mut writer, _) = Writer::create(&place.path().join("storage"), now, Sealing::None).unwrap();
    let mailbox = writer.mailbox(&Address::parse("a@example.org").unwrap()).unwrap();
    let folder = Folder { id: FolderId::new("F"), parent: None, name: "F".to_owned(), class: "IPF.Note".to_owned(), role: None };
    let folder = writer.put_folder(mailbox, &folder).unwrap();
    let bytes: Vec<u8> = (0..8192u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
    let mut meta = ItemMeta::new(ItemId::new("I"), "IPM.Note");
    meta.change_key = Some(ChangeKey::new("1"));
    let readable = Some(Readable { format: Format::Txt, rendered: false, content: Content::from_bytes(&bytes).unwrap() });
    writer.put_item(mailbox, folder, Item { meta, readable, export: None, fidelity: Fidelity::Mime }).unwrap();
    writer.commit(now).unwrap();
    (place, writer.contents(), mailbox)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (_, contents, mailbox) = &*ARCHIVE;
    c2b_storagefmt::fuzzing::recipe(contents, *mailbox, input);
});
