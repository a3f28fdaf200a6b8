//! Contents that move to blocks of another mailbox, and helpers that the tests of erasing share.

use super::{Rehomed, rehome};
use crate::format::recipe::ChunkRef;
use crate::seal::{Argon2Params, Unlock};
use crate::writer::Sealing;
use crate::{CommitSeq, ContentId, Error, FolderKey, FrameKey, MailboxKey, Writer, check};
use c2b_mailbox::{Address, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use tempfile::TempDir;
use zeroize::Zeroizing;

pub(crate) fn time(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

pub(crate) fn password() -> Unlock {
    Unlock::Password(Zeroizing::new("correct horse".to_owned()))
}

pub(crate) fn create(dir: &TempDir, sealed: bool) -> Writer {
    let params = Argon2Params { memory_kib: 64, passes: 1, lanes: 1 };
    let sealing = if sealed { Sealing::Sealed { password: Some(Zeroizing::new("correct horse".to_owned())), machine: None, params } } else { Sealing::None };
    Writer::create(&dir.path().join("storage"), time(0), sealing).unwrap().0
}

pub(crate) fn mailbox(writer: &mut Writer, name: &str) -> (MailboxKey, FolderKey) {
    let mailbox = writer.mailbox(&Address::parse(&format!("{name}@example.org")).unwrap()).unwrap();
    let folder = Folder { id: FolderId::new("F"), parent: None, name: "Inbox".to_owned(), class: "IPF.Note".to_owned(), role: None };
    (mailbox, writer.put_folder(mailbox, &folder).unwrap())
}

pub(crate) fn put(writer: &mut Writer, at: (MailboxKey, FolderKey), id: &str, bytes: &[u8]) -> ContentId {
    let readable = Readable { format: Format::Txt, rendered: false, content: Content::from_bytes(bytes).unwrap() };
    let item = Item { meta: ItemMeta::new(ItemId::new(id), "IPM.Note"), readable: Some(readable), export: None, fidelity: Fidelity::Mime };
    writer.put_item(at.0, at.1, item).unwrap();
    ContentId::of(bytes)
}

pub(crate) fn read(writer: &Writer, mailbox: MailboxKey, id: &ContentId) -> ContentId {
    let file = writer.contents().open(mailbox, id).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len());
    ContentId::of(&bytes)
}

pub(crate) fn blocks(writer: &Writer, mailbox: MailboxKey, id: &ContentId) -> BTreeSet<FrameKey> {
    writer.shared().recipe(mailbox, id).unwrap().unwrap().chunks().map(ChunkRef::frame).collect()
}

/// Texts, some of them in both mailboxes; returns those of the second.
pub(crate) fn fill(writer: &mut Writer) -> (MailboxKey, Vec<ContentId>) {
    let text = |n: usize| format!("Letter {n}. {}", "All is well here. ".repeat(n * 40)).into_bytes();
    let one = mailbox(writer, "one");
    for n in 0..40 {
        put(writer, one, &format!("I-{n}"), &text(n));
    }
    writer.commit(time(1)).unwrap();
    let two = mailbox(writer, "two");
    let contents = (30..50).map(|n| put(writer, two, &format!("I-{n}"), &text(n))).collect();
    writer.commit(time(2)).unwrap();
    (two.0, contents)
}

#[test]
fn contents_move_to_blocks_of_their_own_and_stay_the_same() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = create(&dir, sealed);
        let (two, contents) = fill(&mut writer);
        let old: BTreeSet<FrameKey> = contents.iter().flat_map(|id| blocks(&writer, two, id)).filter(|block| block.seq == CommitSeq(1)).collect();
        assert!(!old.is_empty(), "nothing was shared");
        let wanted: Vec<_> = contents.iter().map(|id| (two, *id)).collect();
        // Two commits: the second refers to what the first one stored.
        let first = rehome(&mut writer, &old, &wanted[..8], time(3)).unwrap();
        let rest = rehome(&mut writer, &old, &wanted, time(4)).unwrap();
        assert_eq!((first.contents, rest.contents, first.seq, rest.seq), (8, 2, Some(CommitSeq(3)), Some(CommitSeq(4))));
        assert_eq!(rehome(&mut writer, &old, &wanted, time(5)).unwrap(), Rehomed::default());
        for id in &contents {
            assert!(blocks(&writer, two, id).is_disjoint(&old));
            assert_eq!(read(&writer, two, id), *id);
        }
        drop(writer);
        let unlock = if sealed { password() } else { Unlock::Open };
        let report = check(&dir.path().join("storage"), &dir.path().join("scratch"), &unlock, true, &mut |_| {}).unwrap();
        assert_eq!(report.damages, []);
    }
}

#[test]
fn a_damaged_block_is_named_and_nothing_is_taken_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = create(&dir, false);
    let (two, contents) = fill(&mut writer);
    let old: BTreeSet<FrameKey> = contents.iter().flat_map(|id| blocks(&writer, two, id)).filter(|block| block.seq == CommitSeq(1)).collect();
    let damaged = *old.first().unwrap();
    let (row, pack) = writer.shared().locate(damaged).unwrap().unwrap();
    let path = dir.path().join("storage").join(pack);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[usize::try_from(row.offset).unwrap() + 80] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let unreadable: Vec<ContentId> = contents.iter().copied().filter(|id| blocks(&writer, two, id).contains(&damaged)).collect();
    let before: Vec<_> = unreadable.iter().map(|id| blocks(&writer, two, id)).collect();
    let wanted: Vec<_> = contents.iter().map(|id| (two, *id)).collect();
    let report = rehome(&mut writer, &old, &wanted, time(3)).unwrap();
    assert_eq!(report.unreadable, unreadable.iter().map(|id| (two, *id, damaged)).collect::<Vec<_>>());
    assert_eq!(before, unreadable.iter().map(|id| blocks(&writer, two, id)).collect::<Vec<_>>());
    contents.iter().filter(|id| !unreadable.contains(id)).for_each(|id| assert_eq!(read(&writer, two, id), *id));
}

#[test]
fn an_open_batch_is_not_mixed_with_other_work() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = create(&dir, false);
    mailbox(&mut writer, "one");
    assert!(matches!(rehome(&mut writer, &BTreeSet::new(), &[], time(1)), Err(Error::BatchOpen)));
}
