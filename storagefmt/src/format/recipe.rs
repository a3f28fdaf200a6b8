//! Recipes: how a content is put together from chunks.

use crate::{CommitSeq, FrameKey};
use minicbor::{Decode, Encode};

/// See [`super::record::Record::Recipe`].
///
/// The bytes are those that `ops` give, one after the other; when `frames` are present, these are
/// cut and each piece put behind a header of two 32-bit numbers, its opcode and its length.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct RecipeRecord {
    /// BLAKE3 of all bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 32],
    /// Number of all bytes.
    #[n(1)]
    pub len: u64,
    /// The skeleton: chunks that hold everything between the parts.
    #[n(2)]
    pub skeleton: Vec<ChunkRef>,
    /// How to put skeleton and parts together.
    #[n(3)]
    pub ops: Vec<Op>,
    /// Frames of an export stream; empty for everything else.
    #[n(4)]
    pub frames: Vec<Frame>,
}

/// A stretch of a block's raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ChunkRef {
    /// The commit that wrote the block.
    #[n(0)]
    pub seq: u64,
    /// Which of that commit's frames.
    #[n(1)]
    pub n: u32,
    /// Where the chunk begins in the block's raw bytes.
    #[n(2)]
    pub offset: u32,
    /// Its length in bytes.
    #[n(3)]
    pub len: u32,
}

/// A step of a recipe.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Op {
    /// The next `n` bytes of the skeleton.
    #[n(1)]
    Skeleton(#[n(0)] u64),
    /// A part.
    #[n(2)]
    Part(#[n(0)] Part),
}

/// A part: chunks, encoded.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Part {
    /// How its bytes are encoded.
    #[n(0)]
    pub coding: Coding,
    /// Length when encoded, in bytes.
    #[n(1)]
    pub len: u64,
    /// Its decoded bytes.
    #[n(2)]
    pub chunks: Vec<ChunkRef>,
}

/// How a part's bytes are encoded.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Coding {
    /// Not at all.
    #[n(1)]
    Raw,
    /// Base64 (RFC 4648 section 4) with padding, without a line break at the end.
    #[n(2)]
    Base64 {
        /// Characters of each line; 0 for one line without end.
        #[n(0)]
        line: u32,
        /// Whether lines end with CR LF; else LF.
        #[n(1)]
        crlf: bool,
    },
    /// Quoted-printable (RFC 2045 section 6.7) as `doc/format.md` describes.
    #[n(3)]
    Quoted {
        /// Longest line, soft break included.
        #[n(0)]
        line: u32,
        /// Whether lines end with CR LF; else LF.
        #[n(1)]
        crlf: bool,
        /// Whether hexadecimal digits are lower case.
        #[n(2)]
        lower: bool,
        /// Bit `b` of byte `b / 8`: byte `b` is escaped wherever it stands.
        #[cbor(n(3), with = "minicbor::bytes")]
        escaped: [u8; 32],
        /// Whether a line that ends with a hard break may use the last column, too.
        #[n(4)]
        full: bool,
    },
}

/// Frames of an export stream that have the same header.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct Frame {
    /// First number of the header.
    #[n(0)]
    pub opcode: u32,
    /// Second number of the header: length of the data.
    #[n(1)]
    pub len: u32,
    /// How many such frames follow each other.
    #[n(2)]
    pub count: u32,
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
}
