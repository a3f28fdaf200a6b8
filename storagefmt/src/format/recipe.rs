//! Recipes: how a content is put together from chunks.
//!
//! A recipe is a CBOR array of definite length; a reader skips elements that follow these:
//!
//! 0. id: byte string of 32.
//! 1. length: unsigned.
//! 2. references: one array of integers, four for each reference; those of the skeleton come first, then those of
//!    the parts in order. `seq` and `n` are written as the difference to the reference before (at first: to 0).
//!    `offset` is written as the difference to the end of the reference before where `seq` and `n` are its, else as it is. `len` as it is.
//! 3. steps: an array. An unsigned number is [`Op::Skeleton`]. An array is [`Op::Part`]: coding, how many references, and what the coding needs:
//!    `[1, count]` not encoded; `[2, count, line, newline]` base64, `true` behind it where padding is missing;
//!    `[3, count, length, line, flags, differences]` quoted-printable. What no part takes of the references is the skeleton's.
//! 4. frames: one array of integers: `opcode, len, count` for each run. Empty for everything but export streams.
//!
//! Quoted-printable `flags`: 1 for CR LF, 2 for lower case, 4 for full lines. `differences`: a byte string of the bytes, ascending, whose
//! escaping differs from the usual; usually escaped are `=`, bytes from 127, and control characters but TAB, LF and CR.

use crate::{CommitSeq, FrameKey};
use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

/// Longest line break of base64 lines, in bytes.
pub(crate) const NEWLINE_BYTES_MAX: usize = 8;

/// See [`super::record::Record::Recipe`].
///
/// The bytes are those that `ops` give, one after the other; when `frames` are present, these are
/// cut and each piece put behind a header of two 32-bit numbers, its opcode and its length.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeRecord {
    /// BLAKE3 of all bytes.
    pub id: [u8; 32],
    /// Number of all bytes.
    pub len: u64,
    /// The skeleton: chunks that hold everything between the parts.
    pub skeleton: Vec<ChunkRef>,
    /// How to put skeleton and parts together.
    pub ops: Vec<Op>,
    /// Frames of an export stream; empty for everything else.
    pub frames: Vec<Frame>,
}

/// A stretch of a block's raw bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChunkRef {
    /// The commit that wrote the block.
    pub seq: u64,
    /// Which of that commit's frames.
    pub n: u32,
    /// Where the chunk begins in the block's raw bytes.
    pub offset: u32,
    /// Its length in bytes.
    pub len: u32,
}

/// A step of a recipe.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The next `n` bytes of the skeleton.
    Skeleton(u64),
    /// A part.
    Part(Part),
}

/// A part: chunks, encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// How its bytes are encoded.
    pub coding: Coding,
    /// Length when encoded, in bytes.
    pub len: u64,
    /// Its decoded bytes.
    pub chunks: Vec<ChunkRef>,
}

/// How a part's bytes are encoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Coding {
    /// Not at all.
    Raw,
    /// Base64 (RFC 4648 section 4), without a line break at the end.
    Base64 {
        /// Characters of each line; 0 for one line without end.
        line: u32,
        /// What stands between two lines.
        newline: Newline,
        /// Whether the padding at the end is missing.
        unpadded: bool,
    },
    /// Quoted-printable (RFC 2045 section 6.7) as `doc/format.md` describes.
    Quoted {
        /// Longest line, soft break included.
        line: u32,
        /// Whether lines end with CR LF; else LF.
        crlf: bool,
        /// Whether hexadecimal digits are lower case.
        lower: bool,
        /// Bit `b % 8` of byte `b / 8`: byte `b` is escaped wherever it stands.
        escaped: [u8; 32],
        /// Whether a line that ends with a hard break may use the last column, too.
        full: bool,
    },
}

/// A line break: one to eight spaces, tabs, CR and LF.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Newline {
    bytes: [u8; NEWLINE_BYTES_MAX],
    len: u8,
}

/// Frames of an export stream that have the same header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// First number of the header.
    pub opcode: u32,
    /// Second number of the header: length of the data.
    pub len: u32,
    /// How many such frames follow each other.
    pub count: u32,
}

impl Newline {
    /// LF.
    pub const LF: Self = Self { bytes: *b"\n\0\0\0\0\0\0\0", len: 1 };

    /// Makes a line break; `None` for what is none.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || !bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            return None;
        }
        let mut newline = Self { bytes: [0; NEWLINE_BYTES_MAX], len: u8::try_from(bytes.len()).ok()? };
        newline.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(newline)
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Newline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<C> Encode<C> for RecipeRecord {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(5)?.bytes(&self.id)?.u64(self.len)?.array(4 * self.chunks().count() as u64)?;
        let mut before = ChunkRef::default();
        for chunk in self.chunks() {
            let from = if chunk.frame() == before.frame() { before.end() } else { 0 };
            e.i64(chunk.seq.wrapping_sub(before.seq).cast_signed())?.i64(i64::from(chunk.n) - i64::from(before.n))?;
            e.i64(i64::from(chunk.offset) - from)?.u32(chunk.len)?;
            before = *chunk;
        }
        e.array(self.ops.len() as u64)?;
        for op in &self.ops {
            match op {
                Op::Skeleton(len) => e.u64(*len)?.ok()?,
                Op::Part(part) => part.encode(e)?,
            }
        }
        e.array(3 * self.frames.len() as u64)?;
        for frame in &self.frames {
            e.u32(frame.opcode)?.u32(frame.len)?.u32(frame.count)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for RecipeRecord {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let fields = array(d)?;
        if fields < 5 {
            return Err(DecodeError::message("a recipe has five fields"));
        }
        let id = d.bytes()?.try_into().map_err(|_| DecodeError::message("an id has 32 bytes"))?;
        let len = d.u64()?;
        let mut chunks = decode_refs(d)?;
        // Nothing is reserved for a number that was only read: what is there grows with the bytes that are read.
        let (mut ops, mut counts) = (Vec::new(), Vec::new());
        for _ in 0..array(d)? {
            if d.datatype()? == minicbor::data::Type::Array {
                let (part, count) = Part::decode(d)?;
                ops.push(Op::Part(part));
                counts.push(count);
            } else {
                ops.push(Op::Skeleton(d.u64()?));
            }
        }
        let taken = counts.iter().try_fold(0usize, |sum, count| sum.checked_add(*count)).filter(|taken| *taken <= chunks.len());
        let rest = chunks.split_off(chunks.len() - taken.ok_or_else(|| DecodeError::message("parts have more references than there are"))?);
        let (mut rest, mut counts) = (rest.as_slice(), counts.into_iter());
        for op in &mut ops {
            if let Op::Part(part) = op
                && let Some((head, tail)) = counts.next().and_then(|count| rest.split_at_checked(count))
            {
                part.chunks = head.to_vec();
                part.measure()?;
                rest = tail;
            }
        }
        let frames = decode_frames(d)?;
        for _ in 5..fields {
            d.skip()?;
        }
        Ok(Self { id, len, skeleton: chunks, ops, frames })
    }
}

impl Part {
    fn encode<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>> {
        let count = self.chunks.len() as u64;
        match self.coding {
            Coding::Raw => e.array(2)?.u8(1)?.u64(count)?.ok(),
            Coding::Base64 { line, newline, unpadded } => {
                e.array(4 + u64::from(unpadded))?.u8(2)?.u64(count)?.u32(line)?.bytes(newline.as_bytes())?;
                if unpadded { e.bool(true)?.ok() } else { Ok(()) }
            }
            Coding::Quoted { line, crlf, lower, escaped, full } => {
                let (usual, mut differences) = (usually_escaped(), Vec::new());
                differences.extend((0..=u8::MAX).filter(|byte| (escaped[usize::from(byte / 8)] ^ usual[usize::from(byte / 8)]) >> (byte % 8) & 1 == 1));
                let flags = u8::from(crlf) | u8::from(lower) << 1 | u8::from(full) << 2;
                e.array(6)?.u8(3)?.u64(count)?.u64(self.len)?.u32(line)?.u8(flags)?.bytes(&differences)?.ok()
            }
        }
    }

    /// Decodes a part and how many references it has.
    fn decode(d: &mut Decoder<'_>) -> Result<(Self, usize), DecodeError> {
        let (fields, kind) = (array(d)?, d.u8()?);
        let count = usize::try_from(d.u64()?).map_err(DecodeError::custom)?;
        let (coding, len) = match (kind, fields) {
            (1, 2) => (Coding::Raw, 0),
            (2, 4 | 5) => {
                let (line, newline) = (d.u32()?, Newline::new(d.bytes()?).ok_or_else(|| DecodeError::message("not a line break"))?);
                (Coding::Base64 { line, newline, unpadded: fields == 5 && d.bool()? }, 0)
            }
            (3, 6) => {
                let (len, line, flags, mut escaped) = (d.u64()?, d.u32()?, d.u8()?, usually_escaped());
                for byte in d.bytes()? {
                    escaped[usize::from(byte / 8)] ^= 1 << (byte % 8);
                }
                if flags > 7 {
                    return Err(DecodeError::message("flags that this version does not know"));
                }
                (Coding::Quoted { line, crlf: flags & 1 != 0, lower: flags & 2 != 0, escaped, full: flags & 4 != 0 }, len)
            }
            _ => return Err(DecodeError::message("a coding that this version does not know")),
        };
        Ok((Self { coding, len, chunks: Vec::new() }, count))
    }

    /// Computes the encoded length where the decoded bytes give it.
    fn measure(&mut self) -> Result<(), DecodeError> {
        // No more than 2^32 references of less than 2^32 bytes.
        let decoded = self.chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
        self.len = match self.coding {
            Coding::Raw => decoded,
            Coding::Base64 { line, newline, unpadded } => {
                base64_len(decoded, line, newline, unpadded).ok_or_else(|| DecodeError::message("a part that is longer than anything"))?
            }
            Coding::Quoted { .. } => self.len,
        };
        Ok(())
    }
}

impl RecipeRecord {
    /// Returns all stretches that the recipe names, in order, repetitions included.
    pub fn chunks(&self) -> impl Iterator<Item = &ChunkRef> {
        let parts = self.ops.iter().filter_map(|op| match op {
            Op::Skeleton(_) => None,
            Op::Part(part) => Some(&part.chunks),
        });
        self.skeleton.iter().chain(parts.flatten())
    }
}

impl ChunkRef {
    /// Returns the block.
    pub fn frame(&self) -> FrameKey {
        FrameKey::new(CommitSeq(self.seq), self.n)
    }

    fn end(&self) -> i64 {
        i64::from(self.offset) + i64::from(self.len)
    }
}

fn decode_refs(d: &mut Decoder<'_>) -> Result<Vec<ChunkRef>, DecodeError> {
    let (numbers, mut chunks, mut before) = (array(d)?, Vec::new(), ChunkRef::default());
    if numbers % 4 != 0 {
        return Err(DecodeError::message("a reference has four numbers"));
    }
    for _ in 0..numbers / 4 {
        let mut chunk = ChunkRef { seq: before.seq.wrapping_add_signed(d.i64()?), ..before };
        chunk.n = number(i64::from(before.n), d.i64()?)?;
        let from = if chunk.frame() == before.frame() { before.end() } else { 0 };
        chunk.offset = number(from, d.i64()?)?;
        chunk.len = d.u32()?;
        chunks.push(chunk);
        before = chunk;
    }
    Ok(chunks)
}

fn decode_frames(d: &mut Decoder<'_>) -> Result<Vec<Frame>, DecodeError> {
    let (numbers, mut frames, mut bytes) = (array(d)?, Vec::new(), 0u64);
    if numbers % 3 != 0 {
        return Err(DecodeError::message("a frame has three numbers"));
    }
    for _ in 0..numbers / 3 {
        let frame = Frame { opcode: d.u32()?, len: d.u32()?, count: d.u32()? };
        let sum = (u64::from(frame.len) + 8).checked_mul(u64::from(frame.count)).and_then(|run| bytes.checked_add(run));
        bytes = sum.ok_or_else(|| DecodeError::message("frames that are longer than anything"))?;
        frames.push(frame);
    }
    Ok(frames)
}

/// Returns the length of an array; one of indefinite length is refused.
fn array(d: &mut Decoder<'_>) -> Result<u64, DecodeError> {
    d.array()?.ok_or_else(|| DecodeError::message("an array of indefinite length"))
}

fn number(from: i64, difference: i64) -> Result<u32, DecodeError> {
    let sum = from.checked_add(difference).and_then(|sum| u32::try_from(sum).ok());
    sum.ok_or_else(|| DecodeError::message("a number beyond 32 bits"))
}

/// Returns the bytes that are usually escaped, as in [`Coding::Quoted`].
pub(crate) fn usually_escaped() -> [u8; 32] {
    // Control characters but TAB, LF and CR; `=`; DEL and everything beyond ASCII.
    let mut escaped = [0xff; 32];
    escaped[1] = 0xd9;
    escaped[4..15].fill(0);
    escaped[7] = 0x20;
    escaped[15] = 0x80;
    escaped
}

/// Returns how long bytes are in base64; `None` when no content is that long.
pub(crate) fn base64_len(decoded: u64, line: u32, newline: Newline, unpadded: bool) -> Option<u64> {
    let last = match decoded % 3 {
        0 => 0,
        rest if unpadded => rest + 1,
        _ => 4,
    };
    let characters = (decoded / 3).checked_mul(4)?.checked_add(last)?;
    let breaks = characters.saturating_sub(1).checked_div(u64::from(line)).unwrap_or(0);
    characters.checked_add(breaks.checked_mul(u64::from(newline.len))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk() -> impl Strategy<Value = ChunkRef> {
        (prop_oneof![Just(7u64), any::<u64>()], prop_oneof![0u32..3, any::<u32>()], any::<u32>(), any::<u32>()).prop_map(|(seq, n, offset, len)| ChunkRef {
            seq,
            n,
            offset,
            len,
        })
    }

    fn coding() -> impl Strategy<Value = Coding> {
        let newline = "[ \t\r\n]{1,8}".prop_map(|text| Newline::new(text.as_bytes()).unwrap());
        prop_oneof![
            Just(Coding::Raw),
            (any::<u32>(), newline, any::<bool>()).prop_map(|(line, newline, unpadded)| Coding::Base64 { line, newline, unpadded }),
            (any::<u32>(), any::<[bool; 3]>(), any::<[u8; 32]>()).prop_map(|(line, [crlf, lower, full], escaped)| Coding::Quoted {
                line,
                crlf,
                lower,
                escaped,
                full
            }),
        ]
    }

    fn op() -> impl Strategy<Value = Op> {
        let part = (coding(), any::<u64>(), prop::collection::vec(chunk(), 0..4)).prop_map(|(coding, len, chunks)| {
            let mut part = Part { coding, len, chunks };
            part.measure().unwrap();
            Op::Part(part)
        });
        prop_oneof![any::<u64>().prop_map(Op::Skeleton), part]
    }

    fn recipe() -> impl Strategy<Value = RecipeRecord> {
        let frame = (any::<u32>(), any::<u32>(), 0u32..100).prop_map(|(opcode, len, count)| Frame { opcode, len, count });
        let lists = (prop::collection::vec(chunk(), 0..3), prop::collection::vec(op(), 0..5), prop::collection::vec(frame, 0..3));
        (any::<[u8; 32]>(), any::<u64>(), lists).prop_map(|(id, len, (skeleton, ops, frames))| RecipeRecord { id, len, skeleton, ops, frames })
    }

    proptest! {
        #[test]
        fn recipes_read_back_and_broken_ones_are_errors(recipe in recipe(), harm in any::<(prop::sample::Index, u8)>()) {
            let mut bytes = minicbor::to_vec(&recipe).unwrap();
            prop_assert_eq!(&minicbor::decode::<RecipeRecord>(&bytes).unwrap(), &recipe);
            let place = harm.0.index(bytes.len());
            prop_assert!(minicbor::decode::<RecipeRecord>(&bytes[..place]).is_err());
            bytes[place] = harm.1;
            let _ = minicbor::decode::<RecipeRecord>(&bytes);
        }
    }

    #[test]
    fn a_run_of_chunks_is_short() {
        let chunk = |offset| ChunkRef { seq: 70_000, n: 300, offset, len: 60_000 };
        let chunks: Vec<ChunkRef> = (0..10).map(|place| chunk(place * 60_000)).collect();
        let part = Part { coding: Coding::Base64 { line: 76, newline: Newline::new(b"\r\n").unwrap(), unpadded: false }, len: 821_052, chunks };
        let recipe = RecipeRecord { id: [1; 32], len: 821_052, skeleton: Vec::new(), ops: vec![Op::Part(part)], frames: Vec::new() };
        let bytes = minicbor::to_vec(&recipe).unwrap();
        assert_eq!(minicbor::decode::<RecipeRecord>(&bytes).unwrap(), recipe);
        assert!(bytes.len() < 130, "{} bytes", bytes.len());
    }
}
