//! Any bytes as a pack.

use crate::format::pack::{
    CommitEntry, DIRECTORY_N, Directory, FRAME_BYTES, FRAME_MAGIC, FrameEntry, FrameHeader, FrameKind, HEADER_BYTES, PackHeader, TRAILER_BYTES, decode_trailer,
    encode_trailer, name, parse_name,
};
use crate::pack::frame::decode_frame;
use crate::pack::reader::PackReader;
use crate::seal::Keys;
use crate::store::{Store, StoreEntry, StoreFile};
use crate::{CommitSeq, FrameKey};
use std::io;
use uuid::Uuid;

/// One file in memory.
struct One<'a>(&'a [u8]);

/// Reads a pack, whole or damaged.
///
/// The first byte says what is made true before: 1 the header's checksum, 2 those of the frames, 4 directory and trailer, 8 the name is another.
pub fn pack(input: &[u8]) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let mut bytes = bytes.to_vec();
    let frames = make_true(&mut bytes, *mode);
    if mode & 4 != 0 {
        close(&mut bytes, frames);
    }
    let _ = Directory::decode(&bytes);
    let header = PackHeader::decode(&bytes).ok();
    let directory = bytes.len().checked_sub(TRAILER_BYTES).and_then(|end| decode_trailer(&bytes[end..])).and_then(|at| usize::try_from(at).ok());
    let listed = directory.and_then(|at| FrameHeader::decode(bytes.get(at..)?));
    let mut check = listed.map_or([0; 4], |header| *header.checksum.first_chunk().unwrap());
    check[0] ^= mode & 8;
    let (first, last, generation) = header.map_or((CommitSeq(1), CommitSeq(1), 0), |header| (header.first, header.last, header.generation));
    let name = name(first, last, generation, check);
    assert!(parse_name(&name).is_some());
    let storage = header.map_or(Uuid::nil(), |header| header.storage);
    let (whole, frames) = read(&bytes, &name, storage);
    if let Some(directory) = directory.filter(|_| whole) {
        without_its_end(&bytes[..directory], &name, storage, &frames, first..=last);
    }
}

/// Reads all that a pack gives; returns whether nothing was wrong, and its frames.
fn read(bytes: &[u8], name: &str, storage: Uuid) -> (bool, Vec<FrameEntry>) {
    let (store, keys) = (One(bytes), Keys::unsealed(storage));
    let mut pack = PackReader::open(&store, name, bytes.len() as u64, storage).unwrap();
    let frames = pack.frames().to_vec();
    // Each of many frames may say that it is large.
    for frame in frames.iter().take(64) {
        let Some(stored) = pack.raw(frame).unwrap() else { continue };
        assert!(frame.header.holds(&stored));
        let raw = decode_frame(&frame.header, stored.clone(), &keys, None, None);
        let half = decode_frame(&frame.header, stored, &keys, None, Some(frame.header.raw / 2));
        if let (Ok(raw), Ok(half)) = (raw, half) {
            assert_eq!(raw.len(), frame.header.raw as usize);
            assert_eq!(half.len(), raw.len() / 2);
            assert!(raw.starts_with(&half));
        }
        let _ = pack.records(frame, &keys);
    }
    let whole = !pack.is_salvaged() && !pack.is_foreign() && frames.len() <= 64;
    let commits = pack.commits(&keys);
    if whole {
        assert_eq!(commits.unwrap(), pack.listed_commits());
    }
    (whole && pack.take_damages().is_empty(), frames)
}

/// Where frames lie one behind the other, they are all found without their directory.
fn without_its_end(bytes: &[u8], name: &str, storage: Uuid, frames: &[FrameEntry], range: std::ops::RangeInclusive<CommitSeq>) {
    let mut at = HEADER_BYTES as u64;
    for frame in frames {
        if frame.offset != at || !range.contains(&frame.header.key.seq) {
            return;
        }
        at += frame.header.bytes();
    }
    if at != bytes.len() as u64 {
        return;
    }
    let store = One(bytes);
    let pack = PackReader::open(&store, name, bytes.len() as u64, storage).unwrap();
    // Bytes of a frame may end as a pack does.
    if pack.is_salvaged() {
        assert_eq!(pack.frames(), frames);
    }
}

/// Makes checksums true where frames can be told; returns the frames that hold then.
fn make_true(bytes: &mut [u8], mode: u8) -> Vec<FrameEntry> {
    if mode & 1 != 0 && bytes.len() >= HEADER_BYTES {
        let sum = *blake3::hash(&bytes[..48]).as_bytes();
        bytes[48..64].copy_from_slice(&sum[..16]);
    }
    let (mut frames, mut at) = (Vec::new(), HEADER_BYTES);
    while at + FRAME_BYTES <= bytes.len() {
        let header = FrameHeader::decode(&bytes[at..]);
        let end = header.map_or(usize::MAX, |header| at + FRAME_BYTES + header.stored as usize);
        let (Some(header), Some(stored)) = (header, bytes.get(at + FRAME_BYTES..end)) else {
            let next = memchr::memmem::find(&bytes[at + 1..], &FRAME_MAGIC);
            at = next.map_or(bytes.len(), |next| at + 1 + next);
            continue;
        };
        let header = if mode & 2 != 0 { header.proving(stored) } else { header };
        if header.holds(stored) && header.kind != FrameKind::Directory {
            frames.push(FrameEntry { offset: at as u64, header });
        }
        bytes[at..at + FRAME_BYTES].copy_from_slice(&header.encode());
        at = end;
    }
    frames
}

/// Puts a directory of these frames in place of what is behind the last.
fn close(bytes: &mut Vec<u8>, frames: Vec<FrameEntry>) {
    let Some(last) = frames.last() else { return };
    let end = last.offset + last.header.bytes();
    bytes.truncate(usize::try_from(end).unwrap());
    let seq = last.header.key.seq;
    let commits = vec![CommitEntry { seq, time: 1, frames: last.header.key.n }];
    let model = last.header;
    let raw = Directory { commits, frames }.encode().unwrap();
    let len = u32::try_from(raw.len()).unwrap();
    let codec = crate::format::pack::Codec::Raw;
    let header = FrameHeader {
        kind: FrameKind::Directory,
        codec,
        keygen: 0,
        mailbox: 0,
        key: FrameKey::new(seq, DIRECTORY_N),
        stored: len,
        raw: len,
        nonce: [0; 12],
        ..model
    };
    bytes.extend(header.proving(&raw).encode());
    bytes.extend(raw);
    bytes.extend(encode_trailer(end));
}

impl Store for One<'_> {
    fn begin(&self) -> io::Result<Box<dyn StoreFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_at(&self, _: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn len(&self, _: &str) -> io::Result<Option<u64>> {
        Ok(Some(self.0.len() as u64))
    }

    fn list(&self, _: &str) -> io::Result<Vec<StoreEntry>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn delete(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sweep(&self) -> io::Result<()> {
        Ok(())
    }
}
