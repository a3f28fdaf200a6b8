//! Erasing a mailbox: a rebuild gives the same rows, and what only it had goes from blocks of others.

use super::EraseStep;
use crate::format::record::{LostRecord, Record};
use crate::format::row::{Key, StateRow, Table};
use crate::index::{Row, decode};
use crate::rehome::tests::{blocks, create, fill, mailbox, password, put, read, time};
use crate::{ContentId, EraseReport, FrameKey, ItemKey, MailboxKey, Unlock, Writer, check, rebuild};
use std::collections::BTreeSet;

fn erase(writer: &mut Writer, mailbox: MailboxKey) -> EraseReport {
    let mut run = writer.erase_begin(mailbox, "root", time(10)).unwrap();
    while writer.erase_step(&mut run, time(10)).unwrap() == EraseStep::More {}
    run.report().clone()
}

/// All rows but those that count how often something was done.
fn rows(writer: &Writer) -> Vec<(Table, Vec<Row>)> {
    let index = writer.shared().index();
    let mut tables: Vec<_> = Table::ALL.iter().filter(|table| **table != Table::State).map(|table| (*table, index.scan_all(*table, b"").unwrap())).collect();
    let state: StateRow = decode(Table::State, &index.get(Table::State, b"").unwrap().unwrap()).unwrap();
    tables.push((Table::State, vec![(Vec::new(), crate::index::encode(&StateRow { rewrites: 0, ..state }))]));
    tables
}

#[test]
fn a_rebuild_gives_the_same_rows() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (path, unlock) = (dir.path().join("storage"), if sealed { password() } else { Unlock::Open });
        let mut writer = create(&dir, sealed);
        let (two, contents) = fill(&mut writer);
        let one = mailbox(&mut writer, "one");
        put(&mut writer, one, "I-late", b"a late letter");
        writer.commit(time(3)).unwrap();
        erase(&mut writer, one.0);
        contents.iter().for_each(|id| assert_eq!(read(&writer, two, id), *id));
        let before = rows(&writer);
        drop(writer);
        assert_eq!(rebuild(&path, &unlock, &mut |_| {}).unwrap().damages, []);
        let writer = Writer::open(&path, &unlock).unwrap();
        for ((table, before), (_, after)) in before.iter().zip(rows(&writer)) {
            assert_eq!(*before, after, "{table:?}");
        }
    }
}

#[test]
fn what_only_the_erased_mailbox_had_in_blocks_of_others_goes() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = create(&dir, sealed);
        let one = mailbox(&mut writer, "one");
        let text = |name: &str| format!("Letter of {name}. {}", name.repeat(200)).into_bytes();
        let kept = put(&mut writer, one, "I-1", &text("kept"));
        let left = put(&mut writer, one, "I-2", &text("left"));
        writer.commit(time(1)).unwrap();
        let two = mailbox(&mut writer, "two");
        put(&mut writer, two, "I-1", &text("left"));
        writer.commit(time(2)).unwrap();
        let block: BTreeSet<FrameKey> = blocks(&writer, two.0, &left);
        assert_eq!(block, blocks(&writer, one.0, &kept), "the second mailbox does not use the group of the first");
        // The first mailbox does not have it any more.
        writer.introduce(one.0).unwrap();
        writer.record(one.0, &Record::Lost(LostRecord { id: left.0, reason: "a test".to_owned(), time: 0 })).unwrap();
        writer.commit(time(3)).unwrap();

        let report = erase(&mut writer, two.0);
        assert_eq!((report.moved, report.packs), (1, 2));
        assert_eq!(read(&writer, one.0, &kept), ContentId::of(&text("kept")));
        let index = writer.shared().index();
        for block in &block {
            assert!(index.frame(*block).unwrap().is_none(), "the group is there still");
            assert!(index.get(Table::Frames, &Key::frame(*block).0).unwrap().is_none());
        }
        drop((writer, index));
        let unlock = if sealed { password() } else { Unlock::Open };
        let report = check(&dir.path().join("storage"), &dir.path().join("scratch"), &unlock, true, &mut |_| {}).unwrap();
        // The lost content of the first mailbox is all that is missed.
        assert!(report.damages.iter().flat_map(|damage| &damage.items).all(|item| item.key == ItemKey(2)), "{:?}", report.damages);
    }
}
