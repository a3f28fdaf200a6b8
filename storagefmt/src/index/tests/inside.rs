//! What the crate itself asks: recipes, capabilities, walks over tables.

use super::{Archive, folder, item, mailbox, sealed_keys};
use crate::catalog::Shared;
use crate::format::recipe::RecipeRecord;
use crate::format::record::{BlockChunk, BlockRecord, GrantRecord, ItemGoneRecord, LostRecord, Record, VersionGoneRecord};
use crate::format::row::Table;
use crate::{Catalog, CommitSeq, ContentId, FolderKey, FrameKey, ItemKey, MailboxKey, Moment, StorageInfo};
use chrono::DateTime;
use std::sync::Arc;
use uuid::Uuid;

fn shared(archive: &Archive) -> Arc<Shared> {
    let info = StorageInfo { uuid: Uuid::from_u128(1), version: 2, created: DateTime::UNIX_EPOCH, sealed: true };
    Shared::new(archive.dir.path(), info, Arc::clone(archive.index()))
}

fn recipe(id: u8) -> Record {
    Record::Recipe(RecipeRecord { id: [id; 32], len: 1, skeleton: Vec::new(), ops: Vec::new(), frames: Vec::new() })
}

#[test]
fn a_recipe_and_a_capability_are_of_one_mailbox() {
    let mut archive = Archive::new(sealed_keys());
    let block = FrameKey::new(CommitSeq(1), 0);
    archive.commit(&[(1, recipe(5)), (1, Record::Block(BlockRecord { n: 0, hash: [3; 32], chunks: vec![BlockChunk { id: [9; 20], len: 7 }] }))]);
    archive.commit(&[(2, Record::Grant(GrantRecord { seq: 1, n: 0, hash: [3; 32] }))]);
    let shared = shared(&archive);
    let (id, one, two, three) = (ContentId([5; 32]), MailboxKey(1), MailboxKey(2), MailboxKey(3));
    assert_eq!(shared.recipe(one, &id).unwrap().map(|recipe| recipe.id), Some([5; 32]));
    assert!(shared.recipe(two, &id).unwrap().is_none());
    assert_eq!([one, two, three].map(|mailbox| shared.grant(mailbox, block).unwrap()), [Some([3; 32]), Some([3; 32]), None]);
    let grants = |from, to| shared.grants(CommitSeq(from)..=CommitSeq(to)).map(|grant| grant.unwrap().0).collect::<Vec<_>>();
    assert_eq!((grants(1, 1), grants(2, 9)), (vec![one, two], vec![]));
    let chunks: Vec<_> = shared.chunks().map(Result::unwrap).collect();
    assert_eq!(chunks.len(), 1);
    assert_ne!(chunks[0].0, [9; 20], "the id of a chunk stands in a sealed storage's index");

    archive.commit(&[(1, Record::Lost(LostRecord { id: [5; 32], reason: "a test".to_owned(), time: 1 }))]);
    assert!(shared.recipe(one, &id).unwrap().is_none());
    assert_eq!(archive.count(Table::Lost), 1);
    archive.commit(&[(1, recipe(5))]);
    assert!(shared.recipe(one, &id).unwrap().is_some() && archive.count(Table::Lost) == 0);
}

#[test]
fn a_marked_version_is_walked_over_and_not_shown() {
    let mut archive = Archive::new(sealed_keys());
    let (one, inbox, key) = (MailboxKey(1), FolderKey(100), ItemKey(100));
    archive.commit(&[(1, mailbox(1)), (1, folder(1, 100, "a")), (1, item(1, 100, 100, 1, 5))]);
    archive.commit(&[(1, item(1, 100, 100, 2, 6))]);
    archive.commit(&[(1, Record::ItemGone(ItemGoneRecord { key: 100 }))]);
    let catalog = Catalog::new(shared(&archive));
    let at = Moment::At(CommitSeq(1));
    assert_eq!(catalog.item(key, at).unwrap().unwrap().version, 1);
    archive.commit(&[(1, Record::VersionGone(VersionGoneRecord { item: 100, from: 1, rule: 2 }))]);
    assert!(catalog.item(key, at).unwrap().is_none());
    assert_eq!(catalog.items(one, inbox, at).unwrap().count(), 0);
    assert_eq!(catalog.item(key, Moment::At(CommitSeq(2))).unwrap().unwrap().version, 2);
    let counts = catalog.counts(one).unwrap();
    assert_eq!((counts.items, counts.versions, counts.logical_bytes, counts.marked_versions, counts.marked_bytes), (0, 2, 11, 1, 5));
    for mailbox in [None, Some(one)] {
        let versions: Vec<_> = shared(&archive).versions(mailbox).map(Result::unwrap).collect();
        let places: Vec<_> = versions.iter().map(|version| (version.table, version.from, version.until, version.row.rule)).collect();
        assert_eq!(places, [(Table::ItemsPast, 2, 3, None), (Table::ItemsMarked, 1, 2, Some(2))]);
        assert!(versions.iter().all(|version| (version.mailbox, version.folder, version.item) == (one, inbox, key)));
    }
    assert_eq!(shared(&archive).versions(Some(MailboxKey(2))).count(), 0);
}
