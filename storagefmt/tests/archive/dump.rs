//! Everything that a catalogue answers, as text: two archives that dump alike are alike.

use c2b_mailbox::ItemId;
use c2b_storagefmt::{Catalog, CommitSeq, Contents, CursorScope, MailboxKey, Moment};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Dumps the answers at every moment, and the hash of every content that can be read.
pub(crate) fn dump(catalog: &Catalog, contents: &Contents) -> String {
    let mut text = String::new();
    let head = catalog.head().unwrap();
    writeln!(text, "head {head} changes {:?}", catalog.changes_since(CommitSeq(0)).unwrap()).unwrap();
    writeln!(text, "times {:?}", (0..=head.0).map(|seq| catalog.commit_time(CommitSeq(seq)).unwrap()).collect::<Vec<_>>()).unwrap();
    for mailbox in catalog.mailboxes().unwrap() {
        let key = mailbox.key;
        assert_eq!(catalog.mailbox(&mailbox.address).unwrap().unwrap(), mailbox);
        writeln!(text, "{mailbox:?} {:?} {:?} {:?}", catalog.counts(key).unwrap(), catalog.points(key).unwrap(), catalog.failures(Some(key)).unwrap()).unwrap();
        writeln!(text, "hierarchy {:?}", catalog.cursor(key, CursorScope::Hierarchy).unwrap()).unwrap();
        let (mut ids, mut folders) = (BTreeSet::new(), BTreeSet::new());
        for seq in 0..=head.0 {
            for folder in catalog.folders(key, Moment::At(CommitSeq(seq))).unwrap() {
                folders.insert(folder.key);
                writeln!(text, "at {seq} {folder:?}").unwrap();
                assert_eq!(catalog.folder(key, folder.key, Moment::At(CommitSeq(seq))).unwrap().as_ref(), Some(&folder));
                let mut items: Vec<_> = catalog.items(key, folder.key, Moment::At(CommitSeq(seq))).unwrap().map(Result::unwrap).collect();
                items.sort_by_key(|item| item.key);
                for item in items {
                    assert_eq!(catalog.item(item.key, Moment::At(CommitSeq(seq))).unwrap().as_ref(), Some(&item));
                    ids.insert(item.meta.id.as_str().to_owned());
                    writeln!(text, "  {item:?} {:?} {:?}", item.shown.map(|id| hash(contents, key, &id)), item.export.map(|id| hash(contents, key, &id)))
                        .unwrap();
                }
            }
        }
        for folder in folders {
            writeln!(text, "{folder:?} {:?}", catalog.cursor(key, CursorScope::Folder(folder)).unwrap()).unwrap();
        }
        let ids: Vec<ItemId> = ids.into_iter().map(ItemId::new).collect();
        // Marks differ from storage to storage.
        let known =
            catalog.known(key, &ids).unwrap().into_iter().map(|known| known.map(|known| (known.key, known.folder, known.change.is_some(), known.fidelity)));
        writeln!(text, "known {:?}", ids.iter().zip(known).collect::<Vec<_>>()).unwrap();
    }
    text
}

fn hash(contents: &Contents, mailbox: MailboxKey, id: &c2b_storagefmt::ContentId) -> String {
    let mut hasher = blake3::Hasher::new();
    let (mut offset, mut buffer) = (0, vec![0; 1 << 16]);
    let file = match contents.open(mailbox, id) {
        Ok(file) => file,
        Err(err) => return format!("unreadable: {err}"),
    };
    while offset < file.len() {
        match file.read_at(offset, &mut buffer) {
            Ok(n) => {
                hasher.update(&buffer[..n]);
                offset += n as u64;
            }
            Err(err) => return format!("unreadable: {err}"),
        }
    }
    assert_eq!(hasher.finalize().as_bytes(), &id.0, "wrong bytes were handed out");
    "whole".to_owned()
}
