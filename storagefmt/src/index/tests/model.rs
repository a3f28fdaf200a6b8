//! Any records whatever: the rows are those of a rebuild, and counters count rows.

use super::{Archive, Pack, cursor, failure, folder, item, mailbox, open_keys, small};
use crate::format::recipe::RecipeRecord;
use crate::format::record::{
    AllowedRecord, BlockChunk, BlockRecord, ErasedRecord, FailureGoneRecord, FolderGoneRecord, GrantRecord, ItemGoneRecord, ItemMarkRecord, LostRecord,
    PointRecord, Record, VersionGoneRecord, VersionRecord, WaitingRecord,
};
use crate::format::row::{HistoryRow, ItemRowValue, KeyTake, MailboxRowValue, Table};
use crate::index::decode;
use crate::index::staged::Staged;
use crate::{ChunkId, CommitSeq, FrameKey, MailboxKey, Place};
use proptest::prelude::*;
use std::sync::Arc;

/// Mailboxes of the model.
const MAILBOXES: u32 = 3;

/// Something that a commit says of a mailbox; `usize` numbers choose among what there may be.
#[derive(Clone, Debug)]
enum Op {
    Mailbox,
    Folder(u64),
    FolderGone(u64),
    Item { folder: u64, item: u64, content: u8 },
    ItemGone(u64),
    ItemMark(u64),
    Cursor(u64, bool),
    Failure(u64),
    FailureGone(u64),
    Waiting(u64, u64, Option<i64>),
    Point,
    Recipe(u8),
    Lost(u8),
    Block(u8),
    Grant(u64),
    VersionGone(u64, u64),
    VersionBack(u64, u64),
    VersionFreed(u64, u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (folder, key, from) = (0..3u64, 0..4u64, 1..8u64);
    prop_oneof![
        2 => Just(Op::Mailbox),
        3 => folder.clone().prop_map(Op::Folder),
        1 => folder.clone().prop_map(Op::FolderGone),
        9 => (folder.clone(), key.clone(), 0..3u8).prop_map(|(folder, item, content)| Op::Item { folder, item, content }),
        3 => key.clone().prop_map(Op::ItemGone),
        2 => key.clone().prop_map(Op::ItemMark),
        1 => (folder.clone(), any::<bool>()).prop_map(|(folder, set)| Op::Cursor(folder, set)),
        1 => key.clone().prop_map(Op::Failure),
        1 => key.clone().prop_map(Op::FailureGone),
        2 => (key.clone(), folder.clone(), proptest::option::of(-3..3i64)).prop_map(|(item, folder, since)| Op::Waiting(item, folder, since)),
        1 => Just(Op::Point),
        1 => (0..3u8).prop_map(Op::Recipe),
        1 => (0..3u8).prop_map(Op::Lost),
        1 => any::<u8>().prop_map(Op::Block),
        1 => from.clone().prop_map(Op::Grant),
        4 => (key.clone(), from.clone()).prop_map(|(item, from)| Op::VersionGone(item, from)),
        2 => (key.clone(), from.clone()).prop_map(|(item, from)| Op::VersionBack(item, from)),
        3 => (key, from).prop_map(|(item, from)| Op::VersionFreed(item, from)),
    ]
}

/// What a commit says: of mailboxes, or that one was erased, or is allowed again.
#[derive(Clone, Debug)]
enum Step {
    Says(Vec<(u32, Op)>),
    Erased(u32),
    Allowed(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let says = proptest::collection::vec((1..=MAILBOXES, op()), 1..24).prop_map(Step::Says);
    let step = prop_oneof![12 => says, 1 => (1..=MAILBOXES).prop_map(Step::Erased), 1 => (1..=MAILBOXES).prop_map(Step::Allowed)];
    proptest::collection::vec(step, 1..14)
}

/// Turns a step into records; keys of different mailboxes never meet.
fn records(step: &Step, version: u32) -> Vec<(u32, Record)> {
    match step {
        Step::Says(ops) => ops.iter().map(|(mailbox, op)| (*mailbox, record(*mailbox, op, version))).collect(),
        Step::Erased(mailbox) => {
            let address = format!("zebra{mailbox}@example.org");
            vec![(
                0,
                Record::Erased(ErasedRecord {
                    mailbox: *mailbox,
                    address,
                    time: 5,
                    who: "admin".to_owned(),
                    items: 1,
                    versions: 1,
                    folders_last: 7,
                    items_last: 7,
                    blocks: Vec::new(),
                }),
            )]
        }
        Step::Allowed(mailbox) => vec![(0, Record::Allowed(AllowedRecord { mailbox: *mailbox, address: format!("zebra{mailbox}@example.org") }))],
    }
}

fn record(m: u32, op: &Op, version: u32) -> Record {
    let key = |n: u64| u64::from(m) * 100 + n;
    match *op {
        Op::Mailbox => mailbox(m),
        Op::Folder(n) => folder(m, key(n), &format!("name {version}")),
        Op::FolderGone(n) => Record::FolderGone(FolderGoneRecord { mailbox: m, key: key(n) }),
        Op::Item { folder, item: n, content } => item(m, key(folder), key(n), version, content),
        Op::ItemGone(n) => Record::ItemGone(ItemGoneRecord { key: key(n) }),
        Op::ItemMark(n) => Record::ItemMark(ItemMarkRecord { key: key(n), change_key: Some(format!("mark {version}")) }),
        Op::Cursor(n, set) => cursor(m, Some(key(n)), set.then_some("cursor")),
        Op::Failure(n) => failure(m, &format!("item-id-{n}"), key(0)),
        Op::FailureGone(n) => Record::FailureGone(FailureGoneRecord { mailbox: m, id: format!("item-id-{n}") }),
        Op::Waiting(n, folder, since) => {
            let folder = since.map(|_| key(folder));
            Record::Waiting(WaitingRecord { mailbox: m, id: format!("item-id-{n}"), since, folder, change_key: None, size: None })
        }
        Op::Point => Record::Point(PointRecord { mailbox: m }),
        Op::Recipe(n) => Record::Recipe(RecipeRecord { id: [n; 32], len: 1, skeleton: Vec::new(), ops: Vec::new(), frames: Vec::new() }),
        Op::Lost(n) => Record::Lost(LostRecord { id: [n; 32], reason: "a test".to_owned(), time: 1 }),
        // Within a commit no chunk is stored twice.
        Op::Block(n) => Record::Block(BlockRecord { n: m, hash: [n; 32], chunks: vec![BlockChunk { id: [m.to_le_bytes()[0]; 20], len: 7 }] }),
        Op::Grant(seq) => Record::Grant(GrantRecord { seq, n: 0, hash: [1; 32] }),
        Op::VersionGone(n, from) => Record::VersionGone(VersionGoneRecord { item: key(n), from, rule: 1 }),
        Op::VersionBack(n, from) => Record::VersionBack(VersionRecord { item: key(n), from }),
        Op::VersionFreed(n, from) => Record::VersionFreed(VersionRecord { item: key(n), from }),
    }
}

/// Compares a mailbox's counters with its rows.
fn counters_count(archive: &Archive, key: MailboxKey) -> Result<(), TestCaseError> {
    let prefix = crate::format::row::Key::mailbox(key);
    let row: MailboxRowValue = archive.rows.row(Table::Mailboxes, &prefix).unwrap().unwrap_or_default();
    if row.erased {
        return Ok(());
    }
    let rows =
        |table: Table| -> Vec<ItemRowValue> { archive.rows.scan(table, &prefix).unwrap().iter().map(|(_, value)| decode(table, value).unwrap()).collect() };
    let (live, past, marked) = (rows(Table::ItemsLive), rows(Table::ItemsPast), rows(Table::ItemsMarked));
    prop_assert_eq!(row.items, live.len() as u64);
    prop_assert_eq!(row.versions, (live.len() + past.len() + marked.len()) as u64);
    prop_assert_eq!(row.marked_versions, marked.len() as u64);
    let bytes = |rows: &[ItemRowValue]| rows.iter().map(|row| row.brought).sum::<u64>();
    prop_assert_eq!(row.marked_bytes, bytes(&marked));
    prop_assert_eq!(row.logical_bytes, bytes(&live) + bytes(&past) + bytes(&marked));
    Ok(())
}

/// Looks up every version that the history lists where it says that it is.
fn history_leads_to_rows(archive: &Archive) -> Result<(), TestCaseError> {
    for (key, value) in archive.index().scan_all(Table::History, b"").unwrap() {
        let mut take = KeyTake::new(&key);
        let (item, from) = (crate::ItemKey(take.u64().unwrap()), take.u64().unwrap());
        let row: HistoryRow = decode(Table::History, &value).unwrap();
        let (mailbox, folder) = (MailboxKey(row.mailbox), crate::FolderKey(row.folder));
        let (table, key) = match (row.until, row.marked) {
            (0, _) => (Table::ItemsLive, crate::format::row::live_key(mailbox, folder, from, item)),
            (until, marked) => (if marked { Table::ItemsMarked } else { Table::ItemsPast }, crate::format::row::past_key(mailbox, folder, until, from, item)),
        };
        let found: Option<ItemRowValue> = archive.rows.row(table, &key).unwrap();
        prop_assert!(found.is_some(), "{:?} of item {} from {} is nowhere", table, item, from);
    }
    Ok(())
}

proptest! {
    // Each case makes three databases, which takes its time.
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rebuild_gives_the_rows_of_the_commits(steps in steps()) {
        let mut archive = Archive::new(open_keys());
        for (version, step) in steps.iter().enumerate() {
            archive.commit(&records(step, small(version) + 1));
        }
        for key in 1..=MAILBOXES {
            counters_count(&archive, MailboxKey(key))?;
        }
        history_leads_to_rows(&archive)?;
        let rebuilt = archive.rebuild(&archive.packs);
        prop_assert_eq!(archive.all_rows(), rebuilt.all_rows());
        // One pack over all commits gives the same rows, but for what says where frames lie.
        let joined = archive.rebuild(&[Pack::join(&archive.packs, &[])]);
        let (mut one, mut other) = (archive.all_rows(), joined.all_rows());
        for table in ["packs", "state", "records"] {
            one.remove(table);
            other.remove(table);
        }
        prop_assert_eq!(one, other);
    }

    #[test]
    fn pages_give_what_a_scan_gives(
        below in proptest::collection::btree_map(any::<[u8; 2]>(), any::<u8>(), 0..40),
        above in proptest::collection::btree_map(any::<[u8; 2]>(), any::<Option<u8>>(), 0..40),
        emptied in proptest::option::of(any::<u8>()),
        limit in 1usize..8,
    ) {
        let mut rows = Staged::new(Arc::clone(Archive::new(open_keys()).index()));
        let key = |key: &[u8; 2]| crate::format::row::Key(vec![1, key[0] % 4, key[1]]);
        let mut expected = std::collections::BTreeMap::new();
        for (id, value) in &below {
            rows.put_bytes(Table::Times, key(id), vec![*value]);
            expected.insert(key(id).0, vec![*value]);
        }
        rows.write().unwrap();
        if let Some(emptied) = emptied {
            let prefix = vec![1, emptied % 4];
            expected.retain(|key, _| !key.starts_with(&prefix));
            rows.empty(Table::Times, crate::format::row::Key(prefix));
        }
        for (id, value) in &above {
            match value {
                Some(value) => {
                    rows.put_bytes(Table::Times, key(id), vec![*value]);
                    expected.insert(key(id).0, vec![*value]);
                }
                None => {
                    rows.delete(Table::Times, key(id));
                    expected.remove(&key(id).0);
                }
            }
        }
        let expected: Vec<_> = expected.into_iter().collect();
        let (mut paged, mut start) = (Vec::new(), Some(Vec::new()));
        while let Some(from) = start {
            let page = rows.page(Table::Times, &crate::format::row::Key(vec![1]), &from, limit).unwrap();
            prop_assert!(page.rows.len() <= limit);
            paged.extend(page.rows);
            start = page.next;
        }
        prop_assert_eq!(&paged, &expected);
        rows.write().unwrap();
        prop_assert_eq!(rows.scan(Table::Times, &crate::format::row::Key(vec![1])).unwrap(), expected);
    }
}

#[test]
fn a_chunk_counts_while_its_block_is_there() {
    let mut archive = Archive::new(open_keys());
    let chunk = ChunkId([5; 32]);
    let block = |n| Record::Block(BlockRecord { n, hash: [1; 32], chunks: vec![BlockChunk { id: [9; 20], len: 7 }, BlockChunk { id: [5; 20], len: 8 }] });
    // Frames of records stand in for blocks: the index does not look into them.
    archive.commit(&[(1, block(0))]);
    let row = archive.rows.chunk(&chunk).unwrap().unwrap();
    assert_eq!((row.frame(), row.offset, row.len), (FrameKey::new(CommitSeq(1), 0), 7, 8));
    assert_eq!(archive.rows.chunk(&ChunkId([8; 32])).unwrap(), None);
    archive.commit(&[(1, block(77))]);
    assert_eq!(archive.rows.chunk(&chunk).unwrap(), None, "the chunk of a block that is not there");
    assert_eq!(archive.index().state().unwrap().chunks, 2);
}

#[test]
fn an_erased_mailbox_leaves_its_tombstone_alone() {
    let mut archive = Archive::new(open_keys());
    archive.commit(&[(1, mailbox(1)), (1, folder(1, 100, "a")), (1, item(1, 100, 100, 1, 5)), (2, mailbox(2)), (2, item(2, 200, 200, 1, 5))]);
    archive.commit(&[(1, item(1, 100, 100, 2, 6))]);
    let before = archive.rows.record(Place { frame: FrameKey::new(CommitSeq(2), 0), index: 0 }).unwrap();
    assert!(before.is_some());
    archive.commit(&records(&Step::Erased(1), 1));
    for table in Table::ALL.iter().filter(|table| table.is_of_mailboxes()) {
        assert!(archive.rows.scan(*table, &crate::format::row::Key::mailbox(MailboxKey(1))).unwrap().is_empty(), "{table:?}");
    }
    assert_eq!((archive.count(Table::History), archive.count(Table::Places), archive.count(Table::Addresses), archive.count(Table::Erased)), (1, 1, 1, 1));
    assert!(archive.rows.record(Place { frame: FrameKey::new(CommitSeq(2), 0), index: 0 }).unwrap().is_none(), "its records are readable");
    archive.commit(&records(&Step::Allowed(1), 1));
    assert_eq!(archive.count(Table::Erased), 0);
}
