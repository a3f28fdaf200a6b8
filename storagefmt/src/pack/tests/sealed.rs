//! Sealed packs, and frames decoded in part.

use super::*;
use crate::format::pack::Codec;
use crate::seal::{KeyFile, NewKeys, SealError};
use chrono::DateTime;

pub(super) fn sealed_place() -> (Place, KeyFile, crate::RecoveryKey) {
    let (file, keys, recovery) = KeyFile::create(STORAGE, &NewKeys { password: None, machine: None }, DateTime::UNIX_EPOCH).unwrap();
    for mailbox in [ALICE, BOB] {
        assert!(keys.ensure_mailbox(mailbox.0));
    }
    (Place::new(keys), file, recovery)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

#[test]
fn a_sealed_pack_shows_nothing_of_what_is_in_it() {
    let (place, ..) = sealed_place();
    let mut writer = place.writer(1);
    let (raw, many, few) = (noise(50_000, 1), text(300_000, 2), text(300, 3));
    let places = [&raw, &many, &few].map(|bytes| (put(&mut writer, ALICE, bytes), bytes.clone()));
    let record = Record::Mailbox(crate::format::record::MailboxRecord { key: 1, address: "alice@example.org".to_owned(), first: 1 });
    let at = writer.record(Some(ALICE), &record).unwrap();
    let sealed = writer.finish(0).unwrap();
    let bytes = fs::read(place.path(&sealed.name)).unwrap();
    assert!(!contains(&bytes, &raw[1000..1016]) && !contains(&bytes, b"as people write it") && !contains(&bytes, b"example"));
    for (n, (_, chunk)) in places.iter().enumerate() {
        let id = ChunkId::of(chunk);
        assert!(!contains(&bytes, &id.0[..8]), "the id of chunk {n} shows");
    }
    assert!(sealed.directory.frames.iter().all(|frame| frame.header.keygen == 1));
    for (at, chunk) in &places {
        assert_eq!(place.chunk(&sealed, *at), *chunk);
    }
    let mut reader = place.open(&sealed);
    assert_eq!(records(&mut reader, &place.keys)[&at.frame][at.index as usize], Some(record));
    assert_eq!(reader.take_damages(), []);
}

#[test]
fn nothing_opens_without_its_key() {
    let (place, ..) = sealed_place();
    let mut writer = place.writer(1);
    put(&mut writer, ALICE, &noise(5_000, 1));
    writer.record(Some(ALICE), &gone(1)).unwrap();
    writer.record(Some(BOB), &gone(2)).unwrap();
    let sealed = writer.finish(0).unwrap();
    let mut reader = place.open(&sealed);
    let frames = reader.frames().to_vec();
    let unsealed = Keys::unsealed(STORAGE);
    for frame in &frames {
        let stored = reader.raw(frame).unwrap().unwrap();
        let result = decode_frame(&frame.header, stored.clone(), &unsealed, Some(&[0; 32]), None);
        assert!(matches!(result, Err(Error::Seal { err: SealError::Locked })));
        let mut other = frame.header;
        other.key.seq = CommitSeq(2);
        assert!(decode_frame(&other, stored.clone(), &place.keys, Some(&[0; 32]), None).is_err(), "a frame opened under another name");
        if frame.header.kind == FrameKind::Block {
            assert!(matches!(
                decode_frame(&frame.header, stored.clone(), &place.keys, Some(&[0; 32]), None),
                Err(Error::Seal { err: SealError::NotAuthentic })
            ));
            assert!(matches!(decode_frame(&frame.header, stored, &place.keys, None, None), Err(Error::FrameDamaged { .. })));
        }
    }
    place.keys.destroy_mailbox(ALICE.0, DateTime::UNIX_EPOCH);
    for frame in frames.iter().filter(|frame| frame.header.kind == FrameKind::Records) {
        let result = reader.records(frame, &place.keys);
        match frame.header.mailbox {
            1 => assert!(matches!(result, Err(Error::Seal { err: SealError::KeyDestroyed { mailbox: 1 } }))),
            _ => assert!(result.unwrap().is_some()),
        }
    }
}

#[test]
fn a_frame_that_claims_not_to_be_sealed_is_refused_in_a_sealed_storage() {
    let (sealed, ..) = sealed_place();
    let place = unsealed();
    let mut writer = place.writer(1);
    writer.record(None, &gone(1)).unwrap();
    let pack = writer.finish(0).unwrap();
    let mut reader = place.open(&pack);
    let frame = reader.frames()[0];
    assert!(matches!(reader.records(&frame, &sealed.keys), Err(Error::Seal { err: SealError::NotAuthentic })));
}

#[test]
fn the_beginning_of_a_block_costs_what_the_beginning_costs() {
    let place = unsealed();
    let mut writer = place.writer(1);
    let (many, raw) = (text(400_000, 1), noise(50_000, 1));
    let blocks = [&many, &raw].map(|bytes| put(&mut writer, ALICE, bytes).n);
    let sealed = writer.finish(0).unwrap();
    let mut reader = place.open(&sealed);
    for (n, bytes) in blocks.into_iter().zip([&many, &raw]) {
        let frame = *reader.frames().iter().find(|frame| frame.header.key.n == n).unwrap();
        let stored = reader.raw(&frame).unwrap().unwrap();
        for upto in [0, 1, 1000, 49_999, 50_000, 1_000_000] {
            let decoded = decode_frame(&frame.header, stored.clone(), &place.keys, None, Some(upto)).unwrap();
            assert_eq!(decoded, bytes[..bytes.len().min(upto as usize)]);
        }
        if frame.header.codec == Codec::Zstd {
            // Half of the stored bytes is enough for the first bytes, and not for all.
            let half = stored[..stored.len() / 2].to_vec();
            assert_eq!(decode_frame(&frame.header, half.clone(), &place.keys, None, Some(1000)).unwrap(), bytes[..1000]);
            assert!(decode_frame(&frame.header, half.clone(), &place.keys, None, None).is_err());
            assert!(decode_frame(&frame.header, half, &place.keys, None, Some(399_000)).is_err());
        }
    }
}
