//! Sealing anew, from inside: what keys of long ago open, and what they do not.

use super::ResealStep;
use crate::format::pack::{FRAME_MAGIC, FrameHeader, FrameKind};
use crate::pack::frame::decode_frame;
use crate::rehome::tests::{create, fill, mailbox, password, put, read, time};
use crate::seal::{KeyFile, Keys};
use crate::store::DirStore;
use crate::unlock::KeysIn;
use crate::{FrameKey, Unlock, Writer, rebuild};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use zeroize::Zeroizing;

/// Returns the frames that these keys open, of all that lie anywhere below a folder; every block's hash is given away.
fn opened(dir: &Path, keys: &Keys, hashes: &BTreeMap<FrameKey, [u8; 32]>) -> BTreeSet<FrameKey> {
    let mut opened = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            opened.extend(self::opened(&path, keys, hashes));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for at in memchr::memmem::find_iter(&bytes, &FRAME_MAGIC) {
            let Some(header) = FrameHeader::decode(&bytes[at..]).filter(|header| header.kind != FrameKind::Directory) else { continue };
            let Some(stored) = bytes.get(at + 64..at + 64 + header.stored as usize).filter(|stored| header.holds(stored)) else { continue };
            // Whatever generation it claims to be of.
            for keygen in [header.keygen, 1] {
                let header = FrameHeader { keygen, ..header };
                if decode_frame(&header, stored.to_vec(), keys, hashes.get(&header.key), None).is_ok() {
                    opened.insert(header.key);
                }
            }
        }
    }
    opened
}

fn hashes(writer: &Writer) -> BTreeMap<FrameKey, [u8; 32]> {
    let grants = writer.shared().grants(crate::CommitSeq(1)..=crate::CommitSeq(u64::MAX));
    grants.map(Result::unwrap).map(|(mailbox, block, _)| (block, writer.shared().grant(mailbox, block).unwrap().unwrap())).collect()
}

#[test]
fn old_keys_open_nothing_new_and_in_the_end_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("storage");
    let mut writer = create(&dir, true);
    let (two, contents) = fill(&mut writer);
    // Somebody keeps the key file and knows the password.
    let mut old = KeyFile::load(&KeysIn(&DirStore::new(&path)), writer.shared().info().uuid).unwrap();
    let old = old.unlock(&password()).unwrap();
    let head = writer.catalog().head().unwrap();
    assert!(opened(&path, &old, &hashes(&writer)).len() >= 6);

    let rotated = writer.keys().unwrap().rotate(&password(), None, time(3)).unwrap();
    assert_eq!((rotated.generation, rotated.dropped.len()), (2, 0));
    let one = mailbox(&mut writer, "one");
    let late = put(&mut writer, one, "I-late", "a late letter. ".repeat(100).as_bytes());
    writer.commit(time(4)).unwrap();
    assert!(opened(&path, &old, &hashes(&writer)).iter().all(|frame| frame.seq <= head), "something new is open to old keys");
    let pending = writer.reseal_pending().unwrap();
    assert!(pending.generations == [1] && pending.frames >= 6 && pending.bytes > 0, "{pending:?}");

    let mut run = writer.reseal_begin().unwrap();
    while writer.reseal_step(&mut run).unwrap() == ResealStep::More {}
    assert_eq!((run.report().dropped_generations.as_slice(), run.report().stuck.len(), run.report().dropped_frames), (&[1][..], 0, 0));
    assert_eq!(writer.reseal_pending().unwrap(), super::ResealPending::default());
    assert_eq!(opened(&path, &old, &hashes(&writer)), BTreeSet::new());
    contents.iter().for_each(|id| assert_eq!(read(&writer, two, id), *id));
    assert_eq!(read(&writer, one.0, &late), late);
    drop(writer);

    // The index is found again, and a rebuild keys it anew.
    for round in 0..2 {
        let mut writer = Writer::open(&path, &password()).unwrap();
        assert_eq!(writer.keys().unwrap().generations().len(), 1);
        assert_eq!(mailbox(&mut writer, "one").0, one.0);
        contents.iter().for_each(|id| assert_eq!(read(&writer, two, id), *id));
        assert_eq!(writer.shared().index().state().unwrap().keygen, 1 + round);
        drop(writer);
        assert_eq!(rebuild(&path, &password(), &mut |_| {}).unwrap().damages, []);
    }
    let unlock = Unlock::Recovery(Zeroizing::new(rotated.recovery.to_string()));
    drop(Writer::open(&path, &unlock).unwrap());
}
