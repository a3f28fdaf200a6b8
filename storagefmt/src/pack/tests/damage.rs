//! Damage of every kind: nothing panics, no wrong byte is handed out, and what is not hit stays readable.

use super::*;
use crate::format::pack::{Codec, FRAME_BYTES, HEADER_BYTES, TRAILER_BYTES};

/// Writes a small pack of all kinds of frames.
fn sample(place: &Place) -> PackSealed {
    let mut writer = place.writer(3);
    for n in 0..6 {
        put(&mut writer, ALICE, &noise(5_000, n));
        put(&mut writer, BOB, &text(700, n));
        writer.record(Some(ALICE), &gone(n)).unwrap();
    }
    writer.finish(99).unwrap()
}

/// Reads every frame of a pack; whatever is given out must be as it was written. Returns what is.
fn readable(place: &Place, sealed: &PackSealed, whole: &[u8]) -> (Vec<FrameKey>, usize) {
    let mut reader = place.open(sealed);
    let mut found = Vec::new();
    for frame in reader.frames().to_vec() {
        let Some(stored) = reader.raw(&frame).unwrap() else { continue };
        let start = usize::try_from(frame.offset).unwrap() + FRAME_BYTES;
        assert_eq!(stored, whole[start..][..stored.len()]);
        found.push(frame.header.key);
    }
    records(&mut reader, &place.keys);
    reader.commits(&place.keys).unwrap();
    (found, reader.take_damages().len())
}

#[test]
fn what_is_not_hit_is_found() {
    let place = unsealed();
    let sealed = sample(&place);
    let path = place.path(&sealed.name);
    let whole = fs::read(&path).unwrap();
    let frames = &sealed.directory.frames;
    let all: Vec<_> = frames.iter().map(|frame| frame.header.key).collect();
    let directory = frames.iter().map(|frame| frame.offset + frame.header.bytes()).max().unwrap();
    let mut spots = vec![(8, None), (HEADER_BYTES - 1, None), (whole.len() - 1, None), (whole.len() - TRAILER_BYTES + 9, None)];
    spots.extend([1, 30, 70].map(|at| (usize::try_from(directory).unwrap() + at, None)));
    for frame in frames {
        let start = usize::try_from(frame.offset).unwrap();
        let last = usize::try_from(frame.header.bytes()).unwrap() - 1;
        spots.extend([1, 13, 25, 50, last].map(|at| (start + at, Some(frame.header.key))));
    }
    for ending in [false, true] {
        for (at, hit) in &spots {
            let mut bytes = whole.clone();
            bytes[*at] ^= 0x10;
            if ending {
                // The directory is lost, too.
                let end = bytes.len() - TRAILER_BYTES;
                bytes[end] ^= 1;
            }
            fs::write(&path, bytes).unwrap();
            let (found, damages) = readable(&place, &sealed, &whole);
            let expected: Vec<_> = all.iter().copied().filter(|key| Some(*key) != *hit).collect();
            assert_eq!(found, expected, "byte {at}, directory lost: {ending}");
            assert!(damages > 0, "damage at byte {at} was not reported");
        }
    }
}

#[test]
fn times_of_commits_survive_the_directory() {
    let place = unsealed();
    let sealed = sample(&place);
    let path = place.path(&sealed.name);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    let mut reader = place.open(&sealed);
    assert!(reader.is_salvaged());
    assert_eq!(reader.commits(&place.keys).unwrap(), sealed.directory.commits);
    assert_eq!(reader.frames(), sealed.directory.frames);
    assert!(!reader.take_damages().is_empty());
}

#[test]
fn a_pack_inside_a_mail_is_not_taken_for_frames() {
    let inner = unsealed();
    let attached = fs::read(inner.path(&sample(&inner).name)).unwrap();
    let place = unsealed();
    let mut writer = place.writer(3);
    let mut attachment = noise(20_000, 1);
    attachment.extend(&attached);
    attachment.extend(noise(20_000, 2));
    put(&mut writer, ALICE, &attachment);
    writer.end_content(ALICE);
    put(&mut writer, ALICE, &noise(10_000, 3));
    let sealed = writer.finish(0).unwrap();
    let entry = sealed.directory.frames.iter().find(|frame| frame.header.raw as usize == attachment.len()).unwrap();
    assert_eq!(entry.header.codec, Codec::Raw);
    let path = place.path(&sealed.name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(entry.offset).unwrap() + FRAME_BYTES] ^= 1;
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    fs::write(&path, bytes).unwrap();
    let expected: Vec<_> = sealed.directory.frames.iter().copied().filter(|frame| frame != entry).collect();
    assert_eq!(place.open(&sealed).frames(), expected);
}

#[test]
fn a_pack_that_belongs_elsewhere_is_foreign() {
    let (place, other) = (unsealed(), unsealed());
    let sealed = sample(&place);
    let bytes = place.store.len(&sealed.name).unwrap().unwrap();
    assert!(PackReader::open(place.store.as_ref(), &sealed.name, bytes, Uuid::from_u128(1)).unwrap().is_foreign());
    let mut moved = sample(&other);
    moved.name = moved.name.replace("0000003-", "0000004-");
    fs::create_dir_all(other.path(&moved.name).parent().unwrap()).unwrap();
    fs::copy(place.path(&sealed.name), other.path(&moved.name)).unwrap();
    let mut reader = other.open(&moved);
    assert!(reader.is_foreign());
    assert!(!reader.take_damages().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_damage_is_noticed_and_none_panics(flips in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..6), cut in proptest::option::of(any::<prop::sample::Index>())) {
        let place = unsealed();
        let sealed = sample(&place);
        let path = place.path(&sealed.name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        bytes.truncate(cut.map_or(whole.len(), |cut| cut.index(whole.len())));
        fs::write(&path, &bytes).unwrap();
        let (found, damages) = readable(&place, &sealed, &whole);
        prop_assert_eq!(damages == 0, bytes == whole);
        prop_assert!(bytes != whole || found.len() == sealed.directory.frames.len());
    }

    #[test]
    fn arbitrary_bytes_never_panic_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..2000), magic in proptest::collection::vec(any::<prop::sample::Index>(), 0..3)) {
        let place = unsealed();
        let mut bytes = bytes;
        for at in magic {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, *b"c2bf\x01\x01\0\0");
        }
        let name = crate::format::pack::name(CommitSeq(1), CommitSeq(1), 0, [0; 4]);
        crate::store::put(place.store.as_ref(), &name, &bytes).unwrap();
        let mut reader = PackReader::open(place.store.as_ref(), &name, bytes.len() as u64, STORAGE).unwrap();
        prop_assert_eq!(reader.frames(), &[]);
        prop_assert!(reader.commits(&place.keys).unwrap().is_empty() && !reader.take_damages().is_empty());
    }
}
