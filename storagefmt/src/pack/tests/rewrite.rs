//! Packs that take the place of others.

use super::sealed::sealed_place;
use super::*;
use crate::format::pack::{CommitEntry, PackHeader, parse_name};
use crate::pack::rewrite::PackRewriter;
use crate::seal::{KeyStore, Unlock};
use chrono::DateTime;
use std::io;
use zeroize::Zeroizing;

/// Key files that nobody needs again.
struct Nowhere;

impl KeyStore for Nowhere {
    fn read(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn write(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Writes packs 1 to `count`, each with a block of its own bytes and records 0 to 3 of Alice.
fn write_packs(place: &Place, count: u64) -> (Vec<PackSealed>, Vec<BlockRef>) {
    let write = |seq| {
        let mut writer = place.writer(seq);
        let at = put(&mut writer, ALICE, &noise(5_000, seq));
        for n in 0..4 {
            writer.record(Some(ALICE), &gone(seq * 10 + n)).unwrap();
        }
        (writer.finish(i64::try_from(seq).unwrap()).unwrap(), at)
    };
    (1..=count).map(write).unzip()
}

fn sources(packs: &[PackSealed]) -> Vec<(PackHeader, Vec<CommitEntry>)> {
    packs.iter().map(|pack| (pack.header, pack.directory.commits.clone())).collect()
}

/// Gives every frame of these packs to `each`.
fn for_each(place: &Place, packs: &[PackSealed], mut each: impl FnMut(&mut PackReader<'_>, &FrameEntry)) {
    for pack in packs {
        let mut reader = place.open(pack);
        for frame in reader.frames().to_vec() {
            each(&mut reader, &frame);
        }
    }
}

#[test]
fn frames_keep_their_names_and_records_their_numbers() {
    let place = unsealed();
    let (packs, _) = write_packs(&place, 3);
    let mut rewriter = PackRewriter::new(Arc::clone(&place.store), STORAGE, &sources(&packs), place.keys.clone()).unwrap();
    let mut kept = BTreeMap::new();
    for_each(&place, &packs, |reader, frame| {
        let header = frame.header;
        match (header.kind, header.key.seq.0) {
            // The block of the second commit is dropped, and its record number 1.
            (FrameKind::Block, 2) => {}
            (FrameKind::Records, 2) if header.mailbox == ALICE.0 => {
                let mut records = reader.records(frame, &place.keys).unwrap().unwrap();
                records[1] = None;
                rewriter.records(&header, &records).unwrap();
                kept.insert(header.key, records);
            }
            (kind, _) => {
                rewriter.copy(&header, &reader.raw(frame).unwrap().unwrap()).unwrap();
                if kind == FrameKind::Records {
                    kept.insert(header.key, reader.records(frame, &place.keys).unwrap().unwrap());
                }
            }
        }
    });
    assert!(rewriter.bytes() > 10_000);
    let joined = rewriter.finish().unwrap();
    let name = parse_name(&joined.name).unwrap();
    assert_eq!((name.first, name.last, name.generation), (CommitSeq(1), CommitSeq(3), 1));
    let mut reader = place.open(&joined);
    assert_eq!(reader.frames(), joined.directory.frames);
    assert_eq!(reader.commits(&place.keys).unwrap().iter().map(|commit| (commit.seq.0, commit.time)).collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(records(&mut reader, &place.keys), kept);
    assert_eq!(joined.records.iter().map(|(key, _)| *key).collect::<Vec<_>>(), kept.keys().copied().collect::<Vec<_>>());
    assert_eq!(reader.frames().iter().filter(|frame| frame.header.kind == FrameKind::Block).count(), 2);
    assert_eq!(reader.take_damages(), []);
    // What is left of it can be rewritten again, together with a neighbour.
    let (more, _) = write_packs(&place, 4);
    let again = [sources(&[joined]), sources(&more[3..])].concat();
    let next = PackRewriter::new(Arc::clone(&place.store), STORAGE, &again, place.keys.clone()).unwrap().finish().unwrap();
    assert_eq!((next.header.first, next.header.last, next.header.generation, next.directory.commits.len()), (CommitSeq(1), CommitSeq(4), 2, 4));
}

#[test]
fn only_neighbours_are_joined_and_only_their_frames_are_taken() {
    let place = unsealed();
    let (packs, _) = write_packs(&place, 3);
    let all = sources(&packs);
    let begin = |sources: &[_]| PackRewriter::new(Arc::clone(&place.store), STORAGE, sources, place.keys.clone());
    for wrong in [vec![], vec![all[0].clone(), all[2].clone()], vec![all[1].clone(), all[0].clone()]] {
        assert!(matches!(begin(&wrong), Err(Error::PacksApart { .. })));
    }
    let mut rewriter = begin(&all[..2]).unwrap();
    for_each(&place, &packs, |reader, frame| {
        let stored = reader.raw(frame).unwrap().unwrap();
        assert_eq!(rewriter.copy(&frame.header, &stored).is_ok(), frame.header.key.seq.0 < 3);
        assert!(rewriter.copy(&frame.header, &stored).is_err(), "a frame was taken twice");
        assert!(rewriter.copy(&frame.header, &stored[1..]).is_err(), "a damaged frame was taken");
    });
    drop(rewriter);
    assert_eq!(place.store.list("packs/").unwrap().len(), 3, "a pack that is not finished shows");
}

#[test]
fn frames_are_sealed_anew_with_the_current_keys() {
    let (place, mut file, recovery) = sealed_place();
    let (packs, chunks) = write_packs(&place, 2);
    let text = Zeroizing::new(recovery.to_string());
    file.rotate(&Nowhere, &Unlock::Recovery(text), None, DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(place.keys.generation(), 2);
    let mut rewriter = PackRewriter::new(Arc::clone(&place.store), STORAGE, &sources(&packs), place.keys.clone()).unwrap();
    for_each(&place, &packs, |reader, frame| {
        let stored = reader.raw(frame).unwrap().unwrap();
        let hash = (frame.header.kind == FrameKind::Block).then(|| hash(&packs[usize::try_from(frame.header.key.seq.0).unwrap() - 1], frame.header.key.n));
        if let Some(mut wrong) = hash {
            wrong[0] ^= 1;
            assert!(rewriter.reseal(&frame.header, stored.clone(), Some(&wrong)).is_err());
        }
        rewriter.reseal(&frame.header, stored, hash.as_ref()).unwrap();
    });
    let mut joined = rewriter.finish().unwrap();
    assert!(joined.directory.frames.iter().all(|frame| frame.header.keygen == 2));
    file.drop_generation(1, 2).unwrap();
    let mut reader = place.open(&joined);
    assert_eq!(records(&mut reader, &place.keys).len(), 4);
    joined.added = packs.into_iter().next().unwrap().added;
    joined.directory.frames.retain(|frame| frame.header.key.seq.0 == 1);
    assert_eq!(place.chunk(&joined, chunks[0]), noise(5_000, 1));
}
