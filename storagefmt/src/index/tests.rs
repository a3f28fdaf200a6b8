//! Rows from records: the same in a commit as in a rebuild, and without a word of a mailbox.

mod inside;
mod model;

use super::apply::apply;
use super::commit::{PackFacts, commit, replace_packs};
use super::staged::Staged;
use super::{Index, Row};
use crate::format::pack::{CommitEntry, Directory, FrameEntry, FrameKind, PackName};
use crate::format::record::{ContentRef, CursorRecord, FailureRecord, FolderRecord, ItemRecord, MailboxRecord, MetaRecord, Record};
use crate::format::row::Table;
use crate::pack::frame::{FrameDraft, FrameMaker, split_frame};
use crate::pack::records::{decode_records, encode_record};
use crate::seal::{KeyFile, Keys, NewKeys};
use crate::{CommitSeq, FrameKey, MailboxKey, Place};
use chrono::DateTime;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Records of a frame: small, so that a commit has several.
const FRAME_RECORDS: usize = 3;

/// A pack as far as the index is concerned.
#[derive(Clone)]
struct Pack {
    name: PackName,
    directory: Directory,
    records: Vec<(FrameKey, Vec<u8>)>,
}

impl Pack {
    fn facts(&self) -> PackFacts<'_> {
        PackFacts { name: self.name, bytes: 1000, directory: &self.directory, records: &self.records }
    }

    /// Joins neighbours as freeing does, without the frames that are to be dropped.
    fn join(packs: &[Self], dropped: &[FrameKey]) -> Self {
        let (first, last) = (packs[0].name.first, packs[packs.len() - 1].name.last);
        let keep = |frame: &FrameKey| !dropped.contains(frame);
        Self {
            name: PackName { first, last, generation: 1, check: [9; 4] },
            directory: Directory {
                commits: packs.iter().flat_map(|pack| pack.directory.commits.clone()).collect(),
                frames: packs.iter().flat_map(|pack| pack.directory.frames.clone()).filter(|entry| keep(&entry.header.key)).collect(),
            },
            records: packs.iter().flat_map(|pack| pack.records.clone()).filter(|(frame, _)| keep(frame)).collect(),
        }
    }
}

/// An index, and the packs that it was made from.
struct Archive {
    dir: TempDir,
    keys: Keys,
    rows: Staged,
    packs: Vec<Pack>,
}

impl Archive {
    fn new(keys: Keys) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let index = Arc::new(Index::create(&dir.path().join("index"), &keys).unwrap());
        Self { dir, keys, rows: Staged::new(index), packs: Vec::new() }
    }

    fn index(&self) -> &Arc<Index> {
        self.rows.index()
    }

    /// Commits records as a writer does: applied as they come, then packed.
    fn commit(&mut self, records: &[(u32, Record)]) -> CommitSeq {
        let seq = CommitSeq(self.packs.len() as u64 + 1);
        let mut frames: Vec<(u32, Vec<&Record>)> = Vec::new();
        for (mailbox, record) in records {
            let n = match frames.iter().rposition(|(owner, held)| owner == mailbox && held.len() < FRAME_RECORDS) {
                Some(n) => n,
                None => {
                    frames.push((*mailbox, Vec::new()));
                    frames.len() - 1
                }
            };
            let place = Place { frame: FrameKey::new(seq, small(n)), index: small(frames[n].1.len()) };
            frames[n].1.push(record);
            apply(&mut self.rows, place, owner(*mailbox), record).unwrap();
        }
        let pack = self.pack(seq, &frames);
        commit(&mut self.rows, &pack.facts()).unwrap();
        self.rows.write().unwrap();
        self.packs.push(pack);
        seq
    }

    fn pack(&self, seq: CommitSeq, frames: &[(u32, Vec<&Record>)]) -> Pack {
        let mut pack = Pack {
            name: PackName { first: seq, last: seq, generation: 0, check: [1; 4] },
            directory: Directory {
                commits: vec![CommitEntry { seq, time: 1_000_000 * i64::from(small(self.packs.len() + 1)), frames: small(frames.len()) }],
                frames: Vec::new(),
            },
            records: Vec::new(),
        };
        for (n, (mailbox, records)) in frames.iter().enumerate() {
            self.keys.ensure_mailbox(*mailbox);
            let mut raw = Vec::new();
            records.iter().for_each(|record| encode_record(Some(record), &mut raw));
            let key = FrameKey::new(seq, small(n));
            let draft = FrameDraft { kind: FrameKind::Records, mailbox: *mailbox, key, hash: None, raw, compress: false };
            let frame = FrameMaker::default().make(draft, &self.keys).unwrap();
            pack.directory.frames.push(FrameEntry { offset: 64 * n as u64, header: frame.header });
            pack.records.push((key, frame.bytes));
        }
        pack
    }

    /// Makes the index anew from packs.
    fn rebuild(&self, packs: &[Pack]) -> Self {
        let mut new = Self::new(self.keys.clone());
        for pack in packs {
            commit(&mut new.rows, &pack.facts()).unwrap();
            for (frame, bytes) in &pack.records {
                let (header, stored) = split_frame(bytes.clone()).unwrap();
                let raw = crate::pack::frame::decode_frame(&header, stored, &new.keys, None, None).unwrap();
                for (index, record) in decode_records(&raw).unwrap().into_iter().enumerate() {
                    let place = Place { frame: *frame, index: small(index) };
                    apply(&mut new.rows, place, owner(header.mailbox), &record.unwrap()).unwrap();
                }
            }
            new.rows.write().unwrap();
        }
        new.packs = packs.to_vec();
        new
    }

    fn all_rows(&self) -> BTreeMap<&'static str, Vec<Row>> {
        Table::ALL.iter().map(|table| (table.name(), self.index().scan_all(*table, b"").unwrap())).collect()
    }

    fn count(&self, table: Table) -> usize {
        self.index().scan_all(table, b"").unwrap().len()
    }
}

fn owner(mailbox: u32) -> Option<MailboxKey> {
    (mailbox != 0).then_some(MailboxKey(mailbox))
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap()
}

fn open_keys() -> Keys {
    Keys::unsealed(Uuid::from_u128(1))
}

fn sealed_keys() -> Keys {
    let machine = Zeroizing::new([7; 32]);
    let new = NewKeys { password: None, machine: Some(("machine", &machine)) };
    KeyFile::create(Uuid::from_u128(1), &new, DateTime::UNIX_EPOCH).unwrap().1
}

fn mailbox(key: u32) -> Record {
    Record::Mailbox(MailboxRecord { key, address: format!("zebra{key}@example.org"), first: 1 })
}

fn folder(mailbox: u32, key: u64, name: &str) -> Record {
    Record::Folder(FolderRecord {
        mailbox,
        key,
        id: format!("folder-id-{key}"),
        parent_id: None,
        parent: None,
        name: name.to_owned(),
        file_name: name.to_owned(),
        class: "IPF.Note".to_owned(),
        role: None,
        created: 1,
        permissions: None,
    })
}

fn item(mailbox: u32, folder: u64, key: u64, version: u32, content: u8) -> Record {
    let shown = ContentRef { id: [content; 32], len: u64::from(content) };
    Record::Item(Box::new(ItemRecord {
        mailbox,
        folder,
        key,
        version,
        file_name: format!("zebra {key}.eml"),
        time: 1,
        fidelity: 0,
        shown: Some(shown),
        format: Some(0),
        rendered: false,
        export: None,
        meta: MetaRecord {
            id: format!("item-id-{key}"),
            change_key: Some(format!("change-{key}-{version}")),
            class: "IPM.Note".to_owned(),
            subject: "zebra crossing".to_owned(),
            from: "zebra@example.org".to_owned(),
            recipients: Vec::new(),
            message_id: None,
            received: None,
            sent: None,
            created: None,
            modified: None,
            start: None,
            end: None,
            size: None,
            read: None,
            flag: None,
            importance: None,
            categories: Vec::new(),
            has_attachments: false,
            search_key: None,
            associated: None,
        },
    }))
}

fn cursor(mailbox: u32, folder: Option<u64>, cursor: Option<&str>) -> Record {
    Record::Cursor(CursorRecord { mailbox, folder, cursor: cursor.map(str::to_owned) })
}

fn failure(mailbox: u32, id: &str, folder: u64) -> Record {
    Record::Failure(FailureRecord {
        mailbox,
        id: id.to_owned(),
        folder,
        job: "zebra-job".to_owned(),
        change_key: None,
        subject: "zebra failed".to_owned(),
        date: None,
        size: None,
        code: "ErrorX".to_owned(),
        message: "zebra".to_owned(),
        attempts: 1,
        first_seen: 1,
        last_seen: 1,
        next_try: None,
    })
}

/// Returns a commit that has a text in each of its records.
fn wordy() -> Vec<(u32, Record)> {
    vec![
        (1, mailbox(1)),
        (1, folder(1, 1, "zebra folder")),
        (1, item(1, 1, 1, 1, 5)),
        (1, cursor(1, Some(1), Some("zebra-cursor"))),
        (1, failure(1, "item-id-9", 1)),
    ]
}

/// Returns the tables in which a word stands, in keys or values.
fn tables_with(archive: &Archive, word: &str) -> Vec<&'static str> {
    let has = |bytes: &[u8]| memchr::memmem::find(bytes, word.as_bytes()).is_some();
    let rows = archive.all_rows();
    rows.into_iter().filter(|(_, rows)| rows.iter().any(|(key, value)| has(key) || has(value))).map(|(table, _)| table).collect()
}

#[test]
fn rows_hold_no_text() {
    let mut archive = Archive::new(open_keys());
    archive.commit(&wordy());
    for word in ["zebra", "item-id", "folder-id", "change-", "IPM", "example.org"] {
        assert_eq!(tables_with(&archive, word), ["records"], "{word:?} is in the index");
    }
    let mut archive = Archive::new(sealed_keys());
    archive.commit(&wordy());
    for word in ["zebra", "item-id", "folder-id", "change-", "IPM", "example.org"] {
        assert_eq!(tables_with(&archive, word), [""; 0], "{word:?} is in the index of a sealed storage");
    }
}

#[test]
fn hashes_of_two_storages_differ() {
    let hashes = |keys: &Keys| {
        let archive = Archive::new(keys.clone());
        (archive.index().hash20("word"), archive.index().id20(&[1; 20]), archive.index().change_mark("word"))
    };
    let (one, other) = (sealed_keys(), sealed_keys());
    assert_eq!(hashes(&one), hashes(&one));
    let (a, b) = (hashes(&one), hashes(&other));
    assert!(a.0 != b.0 && a.1 != b.1 && a.2 != b.2);
    assert_eq!(hashes(&open_keys()).1, [1; 20], "an open storage need not hide ids");
}

#[test]
fn a_reader_sees_what_the_writer_commits() {
    let mut archive = Archive::new(sealed_keys());
    archive.commit(&wordy());
    let scratch = tempfile::tempdir().unwrap();
    let reader = Index::open_secondary(&archive.dir.path().join("index"), scratch.path(), &archive.keys).unwrap();
    assert_eq!(reader.state().unwrap().head, 1);
    let place = Place { frame: FrameKey::new(CommitSeq(2), 0), index: 0 };
    assert!(reader.record(place).unwrap().is_none());
    archive.commit(&[(1, item(1, 1, 2, 1, 6))]);
    reader.catch_up().unwrap();
    assert_eq!(reader.state().unwrap().head, 2);
    assert_eq!(reader.record(place).unwrap().as_deref(), Some(&item(1, 1, 2, 1, 6)));
    for table in Table::ALL {
        assert_eq!(reader.scan_all(*table, b"").unwrap(), archive.index().scan_all(*table, b"").unwrap(), "{table:?}");
    }
}

#[test]
fn an_index_of_another_version_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    assert!(matches!(Index::open(&path, &open_keys()), Err(crate::Error::IndexMissing { .. })));
    let index = Index::create(&path, &open_keys()).unwrap();
    let mut rows = Staged::new(Arc::new(index));
    let state = crate::format::row::StateRow { version: 1, ..rows.state().unwrap() };
    rows.put(Table::State, crate::format::row::Key::default(), &state);
    rows.write().unwrap();
    drop(rows);
    assert!(matches!(Index::open(&path, &open_keys()), Err(crate::Error::IndexMissing { .. })));
}

#[test]
fn joined_packs_hold_the_same_and_dropped_frames_are_forgotten() {
    let mut archive = Archive::new(open_keys());
    archive.commit(&wordy());
    archive.commit(&[(1, item(1, 1, 2, 1, 6))]);
    archive.commit(&[(1, item(1, 1, 3, 1, 7))]);
    let joined = Pack::join(&archive.packs[..2], &[]);
    replace_packs(&mut archive.rows, &[CommitSeq(1), CommitSeq(2)], &joined.facts()).unwrap();
    archive.rows.write().unwrap();
    let rebuilt = archive.rebuild(&[joined, archive.packs[2].clone()]);
    let (mut one, mut other) = (archive.all_rows(), rebuilt.all_rows());
    assert_ne!(one.remove("state"), other.remove("state"), "the writer counts rewritings");
    assert_eq!(one, other);
    assert_eq!(archive.index().state().unwrap().packs, 2);
    assert_eq!(archive.index().pack_of(CommitSeq(2)).unwrap().unwrap().0, CommitSeq(1));

    let place = Place { frame: FrameKey::new(CommitSeq(2), 0), index: 0 };
    assert!(archive.rows.record(place).unwrap().is_some());
    let smaller = Pack::join(&archive.packs[..2], &[place.frame]);
    replace_packs(&mut archive.rows, &[CommitSeq(1)], &smaller.facts()).unwrap();
    archive.rows.write().unwrap();
    assert!(archive.rows.record(place).unwrap().is_none(), "a dropped frame is remembered");
    assert!(!archive.rows.has_frame(place.frame).unwrap());
    assert!(archive.rows.has_frame(FrameKey::new(CommitSeq(3), 0)).unwrap(), "a frame of another pack is gone");
    assert!(archive.index().pack_of(CommitSeq(4)).unwrap().is_none());
}
