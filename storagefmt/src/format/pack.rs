//! Bytes of a pack file: the frames of a range of commits.
//!
//! ```text
//! header     64 bytes
//! frame      64 bytes of frame header, then its stored bytes     repeated
//! directory  a frame that lists commits and frames
//! trailer    32 bytes
//! ```
//!
//! A frame proves itself and says whose it is, so it can be copied into another pack as it stands, and a
//! damaged one hides no other: without a directory, frames are found by looking for headers whose checksum holds.

use super::Take;
use crate::{CommitSeq, FrameKey};
use uuid::Uuid;

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 64;
/// Length of a frame header in bytes.
pub const FRAME_BYTES: usize = 64;
/// Length of the trailer in bytes.
pub const TRAILER_BYTES: usize = 32;
/// Length of the authentication tag at the end of a sealed frame's stored bytes.
pub const TAG_BYTES: usize = 16;
/// First bytes of a pack.
pub const PACK_MAGIC: [u8; 8] = *b"c2bpack\0";
/// First bytes of a frame.
pub const FRAME_MAGIC: [u8; 4] = *b"c2bf";
/// First bytes of a trailer.
pub const TRAILER_MAGIC: [u8; 8] = *b"c2btail\0";
/// Longest frame that a reader accepts, in bytes; writers stay far below.
pub const FRAME_RAW_BYTES_MAX: u32 = 1 << 28;
/// Version of the pack layout.
pub const PACK_VERSION: u16 = 2;
/// Number of the directory's frame.
pub const DIRECTORY_N: u32 = u32::MAX;

/// How many bytes of a header its checksum covers; the checksum is the rest.
const SUMMED_BYTES: usize = 48;

/// First half of a BLAKE3 hash.
pub type Checksum = [u8; 16];

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// Chunks of contents, one after the other.
    Block,
    /// Records, one after the other.
    Records,
    /// Which commits and frames the pack has.
    Directory,
}

/// How a frame's bytes are stored, before they are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// As they are.
    Raw,
    /// One zstd frame.
    Zstd,
}

/// The header of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackHeader {
    /// The storage that the pack belongs to.
    pub storage: Uuid,
    /// The first commit of its range.
    pub first: CommitSeq,
    /// The last commit of its range, itself included.
    pub last: CommitSeq,
    /// 0 as committed; one more than the packs that it replaces.
    pub generation: u32,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What it holds.
    pub kind: FrameKind,
    /// How it is stored.
    pub codec: Codec,
    /// Generation of the key that seals it; 0 when it is not sealed.
    pub keygen: u16,
    /// The mailbox that it belongs to; 0 for the storage itself.
    pub mailbox: u32,
    /// Its name, in whatever pack it lies.
    pub key: FrameKey,
    /// Length as stored, tag included, in bytes.
    pub stored: u32,
    /// Length when decoded, in bytes.
    pub raw: u32,
    /// Nonce of the seal; zeros when it is not sealed.
    pub nonce: [u8; 12],
    /// Over the rest of this header and the stored bytes.
    pub checksum: Checksum,
}

/// A frame as the directory lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameEntry {
    /// Where its header begins, in bytes from the beginning of the pack.
    pub offset: u64,
    /// Its header.
    pub header: FrameHeader,
}

/// A commit as the directory lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitEntry {
    /// Which.
    pub seq: CommitSeq,
    /// When, in microseconds since 1970.
    pub time: i64,
    /// How many numbers of frames it gave out; some of these frames may have been dropped since.
    pub frames: u32,
}

/// What a pack says about itself at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Its commits, in order.
    pub commits: Vec<CommitEntry>,
    /// Its frames, in the order in which they lie.
    pub frames: Vec<FrameEntry>,
}

/// What the name of a pack says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackName {
    /// The first commit of its range.
    pub first: CommitSeq,
    /// The last commit of its range, itself included.
    pub last: CommitSeq,
    /// See [`PackHeader::generation`].
    pub generation: u32,
    /// The first bytes of the directory frame's checksum.
    pub check: [u8; 4],
}

impl PackHeader {
    /// Encodes the header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&PACK_MAGIC);
        bytes[8..10].copy_from_slice(&PACK_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..32].copy_from_slice(self.storage.as_bytes());
        bytes[32..40].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.last.0.to_le_bytes());
        let sum = checksum(&[&bytes[..SUMMED_BYTES]]);
        bytes[SUMMED_BYTES..].copy_from_slice(&sum);
        bytes
    }

    /// Decodes a header; says what is wrong with it.
    ///
    /// # Errors
    /// When it is not the header of a pack that we can read.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let Some((head, sum)) = bytes.get(..HEADER_BYTES).map(|bytes| bytes.split_at(SUMMED_BYTES)) else {
            return Err("the pack is shorter than its header".to_owned());
        };
        if sum != checksum(&[head]) {
            return Err("the checksum of the header does not hold".to_owned());
        }
        let mut take = Take(head);
        let fields = (|| {
            let (magic, version, _) = (take.array::<8>()?, take.u16()?, take.u16()?);
            let (generation, storage) = (take.u32()?, Uuid::from_bytes(take.array()?));
            Some((magic, version, Self { generation, storage, first: CommitSeq(take.u64()?), last: CommitSeq(take.u64()?) }))
        })();
        match fields {
            Some((PACK_MAGIC, PACK_VERSION, header)) if header.first <= header.last => Ok(header),
            Some((PACK_MAGIC, PACK_VERSION, _)) => Err("its range of commits ends before it begins".to_owned()),
            Some((PACK_MAGIC, version, _)) => Err(format!("pack version {version} is unknown")),
            _ => Err("it does not begin like a pack".to_owned()),
        }
    }
}

impl FrameHeader {
    /// Returns the header with the checksum that these stored bytes give it.
    #[must_use]
    pub fn proving(mut self, stored: &[u8]) -> Self {
        self.checksum = checksum(&[&self.encode()[..SUMMED_BYTES], stored]);
        self
    }

    /// Encodes the header.
    pub fn encode(&self) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4] = self.kind.code();
        bytes[5] = self.codec.code();
        bytes[6..8].copy_from_slice(&self.keygen.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.mailbox.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.key.n.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.key.seq.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.stored.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.raw.to_le_bytes());
        bytes[32..44].copy_from_slice(&self.nonce);
        bytes[SUMMED_BYTES..].copy_from_slice(&self.checksum);
        bytes
    }

    /// Decodes a header; `None` when this is not one. Bytes behind it are not looked at.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut take = Take(bytes);
        if take.array()? != FRAME_MAGIC {
            return None;
        }
        let (kind, codec) = (FrameKind::of(take.bytes(1)?[0])?, Codec::of(take.bytes(1)?[0])?);
        let (keygen, mailbox, n, seq) = (take.u16()?, take.u32()?, take.u32()?, take.u64()?);
        let (stored, raw, nonce) = (take.u32()?, take.u32()?, take.array()?);
        let (reserved, checksum) = (take.u32()?, take.array()?);
        let whole = reserved == 0 && raw <= FRAME_RAW_BYTES_MAX && stored <= FRAME_RAW_BYTES_MAX;
        whole.then_some(Self { kind, codec, keygen, mailbox, key: FrameKey::new(CommitSeq(seq), n), stored, raw, nonce, checksum })
    }

    /// Returns whether these stored bytes are the frame's.
    pub fn holds(&self, stored: &[u8]) -> bool {
        stored.len() == self.stored as usize && checksum(&[&self.encode()[..SUMMED_BYTES], stored]) == self.checksum
    }

    /// Returns what the seal authenticates beside the bytes, behind the storage's UUID: the header up to
    /// its checksum, the nonce as zeros (the seal proves that one anyway, and may choose it last).
    pub fn aad(&self) -> [u8; SUMMED_BYTES] {
        let mut aad = [0; SUMMED_BYTES];
        aad.copy_from_slice(&Self { nonce: [0; 12], ..*self }.encode()[..SUMMED_BYTES]);
        aad
    }

    /// Returns how many bytes the frame takes in a pack, its header included.
    pub fn bytes(&self) -> u64 {
        FRAME_BYTES as u64 + u64::from(self.stored)
    }
}

impl FrameKind {
    /// Returns the number of a kind, as stored.
    pub fn code(self) -> u8 {
        match self {
            Self::Block => 1,
            Self::Records => 2,
            Self::Directory => 3,
        }
    }

    /// Returns the kind of a number.
    pub fn of(code: u8) -> Option<Self> {
        [Self::Block, Self::Records, Self::Directory].into_iter().find(|kind| kind.code() == code)
    }
}

impl Codec {
    /// Returns the number of a codec, as stored.
    pub fn code(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    /// Returns the codec of a number.
    pub fn of(code: u8) -> Option<Self> {
        [Self::Raw, Self::Zstd].into_iter().find(|codec| codec.code() == code)
    }
}

impl Directory {
    /// Encodes the directory; `None` when it has more entries than the format can count.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = u32::try_from(self.commits.len()).ok()?.to_le_bytes().to_vec();
        for commit in &self.commits {
            bytes.extend(commit.seq.0.to_le_bytes());
            bytes.extend(commit.time.to_le_bytes());
            bytes.extend(commit.frames.to_le_bytes());
        }
        bytes.extend(u32::try_from(self.frames.len()).ok()?.to_le_bytes());
        for frame in &self.frames {
            bytes.extend(frame.offset.to_le_bytes());
            bytes.extend(frame.header.encode());
        }
        Some(bytes)
    }

    /// Decodes a directory; `None` when it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut take, mut directory) = (Take(bytes), Self::default());
        for _ in 0..take.u32()? {
            directory.commits.push(CommitEntry { seq: CommitSeq(take.u64()?), time: i64::from_le_bytes(take.array()?), frames: take.u32()? });
        }
        for _ in 0..take.u32()? {
            directory.frames.push(FrameEntry { offset: take.u64()?, header: FrameHeader::decode(take.bytes(FRAME_BYTES)?)? });
        }
        take.0.is_empty().then_some(directory)
    }
}

/// Encodes the trailer: where the directory's frame begins.
pub fn encode_trailer(directory_offset: u64) -> [u8; TRAILER_BYTES] {
    let mut bytes = [0; TRAILER_BYTES];
    bytes[..8].copy_from_slice(&TRAILER_MAGIC);
    bytes[8..16].copy_from_slice(&directory_offset.to_le_bytes());
    let sum = checksum(&[&bytes[..16]]);
    bytes[16..].copy_from_slice(&sum);
    bytes
}

/// Decodes a trailer into the directory's place; `None` when it is none.
pub fn decode_trailer(bytes: &[u8]) -> Option<u64> {
    let (head, sum) = bytes.get(..TRAILER_BYTES)?.split_at(16);
    let mut take = Take(head);
    (sum == checksum(&[head]) && take.array()? == TRAILER_MAGIC).then(|| take.u64())?
}

/// Returns the name of a pack inside its storage.
///
/// The folder is the lowest byte of the first commit, so that packs spread; the last eight digits are the
/// beginning of the directory's checksum, so that the name says whether the file is the one meant.
pub fn name(first: CommitSeq, last: CommitSeq, generation: u32, check: [u8; 4]) -> String {
    let check = check.map(|byte| format!("{byte:02x}")).concat();
    format!("packs/{:02x}/{:016x}-{:016x}-{generation:04x}-{check}.pack", first.0 & 0xff, first.0, last.0)
}

/// Returns what a pack's name says, in whatever folder; `None` for other names.
pub fn parse_name(text: &str) -> Option<PackName> {
    let file = text.rsplit('/').next()?;
    let mut numbers = file.strip_suffix(".pack")?.split('-').map(|digits| u64::from_str_radix(digits, 16).ok());
    let (first, last) = (CommitSeq(numbers.next()??), CommitSeq(numbers.next()??));
    let generation = u32::try_from(numbers.next()??).ok()?;
    let check = u32::try_from(numbers.next()??).ok()?;
    // Digits are written highest byte first; the file name must be the one that we would give.
    let check = [24, 16, 8, 0].map(|shift| (check >> shift & 0xff) as u8);
    let same = first <= last && name(first, last, generation, check).ends_with(&format!("/{file}"));
    same.then_some(PackName { first, last, generation, check })
}

/// Returns the first half of the BLAKE3 hash of these bytes, one after the other.
fn checksum(parts: &[&[u8]]) -> Checksum {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; 16];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(stored: &[u8]) -> FrameHeader {
        let len = u32::try_from(stored.len()).unwrap();
        let key = FrameKey::new(CommitSeq(9), 4);
        let header =
            FrameHeader { kind: FrameKind::Block, codec: Codec::Raw, keygen: 1, mailbox: 7, key, stored: len, raw: 3, nonce: [5; 12], checksum: [0; 16] };
        header.proving(stored)
    }

    #[test]
    fn a_name_leads_back_to_what_it_says() {
        let name = name(CommitSeq(0x1234), CommitSeq(0x1300), 2, [0xde, 0xad, 0, 1]);
        assert_eq!(name, "packs/34/0000000000001234-0000000000001300-0002-dead0001.pack");
        let parsed = PackName { first: CommitSeq(0x1234), last: CommitSeq(0x1300), generation: 2, check: [0xde, 0xad, 0, 1] };
        assert_eq!(parse_name(&name), Some(parsed));
        assert_eq!(parse_name(&name.replace("packs/34", "quarantine")), Some(parsed));
        for other in
            ["packs/34/x.pack", "0000000000001234-dead0001.pack", &name.replace("dead", "DEAD"), &name.replace("1300", "1200"), &name.replace("-0002", "-2")]
        {
            assert_eq!(parse_name(other), None, "{other} was taken for a pack");
        }
    }

    #[test]
    fn a_pack_header_reads_back_and_notices_every_flipped_bit() {
        let header = PackHeader { storage: Uuid::from_u128(7), first: CommitSeq(9), last: CommitSeq(11), generation: 3 };
        let bytes = header.encode();
        assert_eq!(PackHeader::decode(&bytes).unwrap(), header);
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(PackHeader::decode(&bytes).is_err(), "bit {bit} was not noticed");
        }
    }

    #[test]
    fn a_frame_header_reads_back_and_notices_every_flipped_bit() {
        let frame = frame(b"abc");
        let bytes = frame.encode();
        assert_eq!(FrameHeader::decode(&bytes), Some(frame));
        assert!(frame.holds(b"abc") && !frame.holds(b"abd") && !frame.holds(b"ab"));
        for bit in 0..FRAME_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::decode(&bytes).is_none_or(|header| !header.holds(b"abc")), "bit {bit} was not noticed");
        }
    }

    #[test]
    fn the_seal_covers_all_of_a_frame_header_but_nonce_and_checksum() {
        let frame = frame(b"abc");
        assert_eq!(frame.aad(), FrameHeader { nonce: [9; 12], checksum: [9; 16], ..frame }.aad());
        assert_ne!(frame.aad(), FrameHeader { mailbox: 8, ..frame }.aad());
        assert_ne!(frame.aad(), FrameHeader { codec: Codec::Zstd, ..frame }.aad());
    }

    #[test]
    fn directory_and_trailer_read_back_and_notice_what_is_missing() {
        let commit = CommitEntry { seq: CommitSeq(9), time: -5, frames: 5 };
        let directory =
            Directory { commits: vec![commit, CommitEntry { seq: CommitSeq(10), ..commit }], frames: vec![FrameEntry { offset: 64, header: frame(b"abc") }] };
        let bytes = directory.encode().unwrap();
        assert_eq!(Directory::decode(&bytes), Some(directory));
        for len in 0..bytes.len() {
            assert_eq!(Directory::decode(&bytes[..len]), None);
        }
        let trailer = encode_trailer(1234);
        assert_eq!(decode_trailer(&trailer), Some(1234));
        for bit in 0..TRAILER_BYTES * 8 {
            let mut trailer = trailer;
            trailer[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_trailer(&trailer), None, "bit {bit} was not noticed");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
            let _ = (PackHeader::decode(&bytes), FrameHeader::decode(&bytes), Directory::decode(&bytes), decode_trailer(&bytes), parse_name(&text));
        }
    }
}
