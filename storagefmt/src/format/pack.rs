//! Bytes of a pack file.
//!
//! ```text
//! header   64 bytes
//! frame    32 bytes of frame header, then its stored bytes     repeated
//! footer   a frame that lists all frames before it
//! trailer  32 bytes
//! ```
//!
//! Every frame proves itself, so a damaged one hides no other: after damage, the next frame is found
//! by the footer, or without a footer by looking for the next frame header whose checksum holds.

use super::Take;
use crate::{ChunkId, CommitSeq};
use uuid::Uuid;

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 64;
/// Length of a frame header in bytes.
pub const FRAME_BYTES: usize = 32;
/// Length of the trailer in bytes.
pub const TRAILER_BYTES: usize = 32;
/// First bytes of a pack.
pub const PACK_MAGIC: [u8; 8] = *b"c2bpack\0";
/// First bytes of a frame.
pub const FRAME_MAGIC: [u8; 4] = *b"c2bf";
/// First bytes of a trailer.
pub const TRAILER_MAGIC: [u8; 8] = *b"c2btail\0";
/// Longest frame that a reader accepts, in bytes; writers stay far below.
pub const FRAME_RAW_BYTES_MAX: u32 = 1 << 30;
/// Version of the pack layout.
pub const PACK_VERSION: u16 = 1;

/// First half of a BLAKE3 hash.
pub type Checksum = [u8; 16];

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Chunks of contents, behind their lengths.
    Block,
    /// Records, one after the other.
    Records,
    /// Which chunks are where.
    Chunks,
    /// Which frames are where.
    Footer,
}

/// How a frame's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    Raw,
    /// One zstd frame.
    Zstd,
}

/// The header of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackHeader {
    /// The storage that the pack belongs to.
    pub storage: Uuid,
    /// The commit that the pack is.
    pub seq: CommitSeq,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What it holds.
    pub kind: FrameKind,
    /// How it is stored.
    pub codec: Codec,
    /// Length as stored, in bytes.
    pub stored: u32,
    /// Length when decoded, in bytes.
    pub raw: u32,
    /// Over the first 16 bytes of this header and the stored bytes.
    pub checksum: Checksum,
}

/// A frame as the footer lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameEntry {
    /// Where its header begins, in bytes from the beginning of the pack.
    pub offset: u64,
    /// Its header.
    pub header: FrameHeader,
}

/// The chunks of one block, as the chunk table lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// Where the block's frame header begins.
    pub offset: u64,
    /// Length as stored, in bytes.
    pub stored: u32,
    /// Length when decoded, in bytes.
    pub raw: u32,
    /// Its chunks.
    pub chunks: Vec<ChunkSpan>,
}

/// A chunk inside a decoded block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSpan {
    /// Its id.
    pub id: ChunkId,
    /// Where it begins in the decoded block.
    pub offset: u32,
    /// Its length in bytes.
    pub len: u32,
}

impl PackHeader {
    /// Encodes the header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&PACK_MAGIC);
        bytes[8..10].copy_from_slice(&PACK_VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(self.storage.as_bytes());
        bytes[32..40].copy_from_slice(&self.seq.0.to_le_bytes());
        let sum = checksum(&[&bytes[..48]]);
        bytes[48..].copy_from_slice(&sum);
        bytes
    }

    /// Decodes a header; says what is wrong with it.
    ///
    /// # Errors
    /// When it is not the header of a pack that we can read.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let Some((head, sum)) = bytes.get(..HEADER_BYTES).map(|bytes| bytes.split_at(48)) else {
            return Err("the pack is shorter than its header".to_owned());
        };
        if sum != checksum(&[head]) {
            return Err("the checksum of the header does not hold".to_owned());
        }
        let mut take = Take(head);
        let fields = (|| {
            let (magic, version, _) = (take.array::<8>()?, take.u16()?, take.bytes(6)?);
            Some((magic, version, Uuid::from_bytes(take.array()?), take.u64()?))
        })();
        match fields {
            Some((PACK_MAGIC, PACK_VERSION, storage, seq)) => Ok(Self { storage, seq: CommitSeq(seq) }),
            Some((PACK_MAGIC, version, ..)) => Err(format!("pack version {version} is unknown")),
            _ => Err("it does not begin like a pack".to_owned()),
        }
    }
}

impl FrameHeader {
    /// Makes the header for stored bytes.
    pub fn seal(kind: FrameKind, codec: Codec, raw: u32, stored: &[u8]) -> Option<Self> {
        let mut header = Self { kind, codec, stored: u32::try_from(stored.len()).ok()?, raw, checksum: [0; 16] };
        header.checksum = checksum(&[&header.encode()[..16], stored]);
        Some(header)
    }

    /// Encodes the header.
    pub fn encode(&self) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4] = self.kind.code();
        bytes[5] = self.codec.code();
        bytes[8..12].copy_from_slice(&self.stored.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.raw.to_le_bytes());
        bytes[16..].copy_from_slice(&self.checksum);
        bytes
    }

    /// Decodes a header; `None` when this is not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut take = Take(bytes);
        if take.array()? != FRAME_MAGIC {
            return None;
        }
        let (kind, codec, _) = (FrameKind::of(take.bytes(1)?[0])?, Codec::of(take.bytes(1)?[0])?, take.u16()?);
        let header = Self { kind, codec, stored: take.u32()?, raw: take.u32()?, checksum: take.array()? };
        (header.raw <= FRAME_RAW_BYTES_MAX && header.stored <= FRAME_RAW_BYTES_MAX).then_some(header)
    }

    /// Returns whether these stored bytes are the frame's.
    pub fn holds(&self, stored: &[u8]) -> bool {
        stored.len() == self.stored as usize && checksum(&[&self.encode()[..16], stored]) == self.checksum
    }
}

impl FrameKind {
    fn code(self) -> u8 {
        match self {
            Self::Block => 1,
            Self::Records => 2,
            Self::Chunks => 3,
            Self::Footer => 4,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Block, Self::Records, Self::Chunks, Self::Footer].into_iter().find(|kind| kind.code() == code)
    }
}

impl Codec {
    fn code(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Raw, Self::Zstd].into_iter().find(|codec| codec.code() == code)
    }
}

/// Encodes the beginning of a block: how many chunks there are, and the length of each.
pub fn encode_directory(lengths: &[u32]) -> Option<Vec<u8>> {
    let mut bytes = u32::try_from(lengths.len()).ok()?.to_le_bytes().to_vec();
    for len in lengths {
        bytes.extend(len.to_le_bytes());
    }
    Some(bytes)
}

/// Reads a decoded block: the place of each chunk, its id computed from its bytes. `None` when it is no block.
pub fn decode_block(raw: &[u8]) -> Option<Vec<ChunkSpan>> {
    let mut take = Take(raw);
    let count = take.u32()? as usize;
    let mut lengths = Take(take.bytes(count.checked_mul(4)?)?);
    let mut spans = Vec::with_capacity(count);
    for _ in 0..count {
        let (len, offset) = (lengths.u32()?, u32::try_from(raw.len() - take.0.len()).ok()?);
        spans.push(ChunkSpan { id: ChunkId::of(take.bytes(len as usize)?), offset, len });
    }
    take.0.is_empty().then_some(spans)
}

/// Encodes the chunk table.
pub fn encode_chunks(blocks: &[BlockEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in blocks {
        bytes.extend(block.offset.to_le_bytes());
        bytes.extend(block.stored.to_le_bytes());
        bytes.extend(block.raw.to_le_bytes());
        bytes.extend((block.chunks.len() as u64).to_le_bytes());
        for chunk in &block.chunks {
            bytes.extend(chunk.id.0);
            bytes.extend(chunk.offset.to_le_bytes());
            bytes.extend(chunk.len.to_le_bytes());
        }
    }
    bytes
}

/// Decodes a chunk table; `None` when it is none.
pub fn decode_chunks(bytes: &[u8]) -> Option<Vec<BlockEntry>> {
    let mut take = Take(bytes);
    let mut blocks = Vec::new();
    while !take.0.is_empty() {
        let (offset, stored, raw, count) = (take.u64()?, take.u32()?, take.u32()?, take.u64()?);
        let mut chunks = Vec::new();
        for _ in 0..count {
            chunks.push(ChunkSpan { id: ChunkId(take.array()?), offset: take.u32()?, len: take.u32()? });
        }
        blocks.push(BlockEntry { offset, stored, raw, chunks });
    }
    Some(blocks)
}

/// Encodes the list of frames that a footer holds: offset and header of each.
pub fn encode_footer(frames: &[FrameEntry]) -> Vec<u8> {
    frames.iter().flat_map(|frame| [frame.offset.to_le_bytes().as_slice(), frame.header.encode().as_slice()].concat()).collect()
}

/// Decodes a footer; `None` when it is none.
pub fn decode_footer(bytes: &[u8]) -> Option<Vec<FrameEntry>> {
    let mut take = Take(bytes);
    let mut frames = Vec::new();
    while !take.0.is_empty() {
        frames.push(FrameEntry { offset: take.u64()?, header: FrameHeader::decode(take.bytes(FRAME_BYTES)?)? });
    }
    Some(frames)
}

/// Encodes the trailer: where the footer's frame begins.
pub fn encode_trailer(footer_offset: u64) -> [u8; TRAILER_BYTES] {
    let mut bytes = [0; TRAILER_BYTES];
    bytes[..8].copy_from_slice(&TRAILER_MAGIC);
    bytes[8..16].copy_from_slice(&footer_offset.to_le_bytes());
    let sum = checksum(&[&bytes[..16]]);
    bytes[16..].copy_from_slice(&sum);
    bytes
}

/// Decodes a trailer into the footer's place; `None` when it is none.
pub fn decode_trailer(bytes: &[u8]) -> Option<u64> {
    let (head, sum) = bytes.get(..TRAILER_BYTES)?.split_at(16);
    let mut take = Take(head);
    (sum == checksum(&[head]) && take.array()? == TRAILER_MAGIC).then(|| take.u64())?
}

/// Returns the name of a pack inside its storage.
///
/// The folder is the lowest byte of the commit, so that packs spread; the last eight digits are the
/// beginning of the footer's checksum, so that the name says whether the file is the one meant.
pub fn name(seq: CommitSeq, id: [u8; 4]) -> String {
    format!("packs/{:02x}/{:016x}-{}.pack", seq.0 & 0xff, seq.0, id.map(|byte| format!("{byte:02x}")).concat())
}

/// Returns the commit and id that a pack's name says; `None` for other names.
pub fn parse_name(name: &str) -> Option<(CommitSeq, [u8; 4])> {
    let (seq, id) = name.rsplit('/').next()?.strip_suffix(".pack")?.split_once('-')?;
    if seq.len() != 16 || id.len() != 8 {
        return None;
    }
    Some((CommitSeq(u64::from_str_radix(seq, 16).ok()?), u32::from_str_radix(id, 16).ok().map(swapped)?))
}

/// Turns the number that hex digits say into the bytes in the order of the digits.
fn swapped(number: u32) -> [u8; 4] {
    number.swap_bytes().to_le_bytes()
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

    #[test]
    fn a_name_leads_back_to_its_commit() {
        let name = name(CommitSeq(0x1234), [0xde, 0xad, 0, 1]);
        assert_eq!(name, "packs/34/0000000000001234-dead0001.pack");
        assert_eq!(parse_name(&name), Some((CommitSeq(0x1234), [0xde, 0xad, 0, 1])));
        assert_eq!(parse_name("packs/34/x.pack"), None);
    }

    #[test]
    fn headers_read_back_and_notice_every_flipped_bit() {
        let header = PackHeader { storage: Uuid::from_u128(7), seq: CommitSeq(9) };
        let bytes = header.encode();
        assert_eq!(PackHeader::decode(&bytes).unwrap(), header);
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(PackHeader::decode(&bytes).is_err(), "bit {bit} was not noticed");
        }
        let frame = FrameHeader::seal(FrameKind::Block, Codec::Raw, 3, b"abc").unwrap();
        assert_eq!(FrameHeader::decode(&frame.encode()), Some(frame));
        assert!(frame.holds(b"abc") && !frame.holds(b"abd") && !frame.holds(b"ab"));
    }
}
