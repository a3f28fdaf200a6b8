//! Reading a pack, whole or damaged.
//!
//! Nothing that a reader returns is unproven: every frame's checksum holds, or the frame is reported
//! as damaged and left out. What one frame lost hides no other.

use crate::format::pack::{
    BlockEntry, ChunkSpan, Codec, FRAME_BYTES, FRAME_MAGIC, FrameEntry, FrameHeader, FrameKind, HEADER_BYTES, PackHeader, TRAILER_BYTES, decode_block,
    decode_chunks, decode_footer, decode_trailer,
};
use crate::format::record::Record;
use crate::store::Store;
use crate::{CommitSeq, Error};
use std::io;
use uuid::Uuid;

/// A pack that is being read.
pub(crate) struct PackReader<'a> {
    store: &'a dyn Store,
    name: String,
    bytes: u64,
    frames: Vec<FrameEntry>,
    damages: Vec<PackDamage>,
    foreign: bool,
}

/// A damaged place in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackDamage {
    /// Where, in bytes from the pack's beginning.
    pub(crate) offset: u64,
    /// What is wrong.
    pub(crate) reason: String,
}

/// How many bytes are looked through at a time for the next frame.
const SEARCH_BYTES: usize = 1 << 20;

impl<'a> PackReader<'a> {
    /// Opens a pack that belongs to `storage` and `seq`, and finds its frames.
    pub(crate) fn open(store: &'a dyn Store, name: &str, bytes: u64, storage: Uuid, seq: CommitSeq) -> Result<Self, Error> {
        let mut pack = Self { store, name: name.to_owned(), bytes, frames: Vec::new(), damages: Vec::new(), foreign: false };
        match PackHeader::decode(&pack.read(0, HEADER_BYTES)?) {
            Ok(header) if (header.storage, header.seq) != (storage, seq) => {
                pack.foreign = true;
                pack.damage(0, format!("it is commit {} of storage {}", header.seq, header.storage));
            }
            Ok(_) => {}
            Err(reason) => pack.damage(0, reason),
        }
        pack.frames = match pack.footer()? {
            Ok(frames) => frames,
            Err(reason) => {
                let offset = pack.bytes.saturating_sub(TRAILER_BYTES as u64);
                pack.damage(offset, reason);
                pack.search()?
            }
        };
        Ok(pack)
    }

    /// Returns the pack's length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    /// Returns whether the pack is whole as such, but of another storage or commit than its name says.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Returns what was found damaged so far, and forgets it.
    pub(crate) fn take_damages(&mut self) -> Vec<PackDamage> {
        std::mem::take(&mut self.damages)
    }

    /// Returns the readable records, in their order.
    pub(crate) fn records(&mut self) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for frame in self.frames_of(FrameKind::Records) {
            let Some(raw) = self.frame(frame)? else { continue };
            let mut decoder = minicbor::Decoder::new(&raw);
            while decoder.position() < raw.len() {
                match decoder.decode() {
                    Ok(record) => records.push(record),
                    Err(err) => {
                        self.damage(frame.offset, format!("a record cannot be decoded: {err}"));
                        break;
                    }
                }
            }
        }
        Ok(records)
    }

    /// Returns where the chunks are: from the table, or else from the readable blocks themselves.
    pub(crate) fn chunks(&mut self) -> Result<Vec<BlockEntry>, Error> {
        for frame in self.frames_of(FrameKind::Chunks) {
            let Some(raw) = self.frame(frame)? else { continue };
            match decode_chunks(&raw) {
                Some(blocks) => return Ok(blocks),
                None => self.damage(frame.offset, "the chunk table cannot be decoded".to_owned()),
            }
        }
        self.damage(0, "there is no chunk table: the blocks were read instead".to_owned());
        let mut blocks = Vec::new();
        for frame in self.blocks() {
            if let Some(chunks) = self.block(frame)? {
                blocks.push(BlockEntry { offset: frame.offset, stored: frame.header.stored, raw: frame.header.raw, chunks });
            }
        }
        Ok(blocks)
    }

    /// Returns the frames that hold contents.
    pub(crate) fn blocks(&self) -> Vec<FrameEntry> {
        self.frames_of(FrameKind::Block)
    }

    /// Reads a block and computes the ids of its chunks; `None` when it is damaged.
    pub(crate) fn block(&mut self, frame: FrameEntry) -> Result<Option<Vec<ChunkSpan>>, Error> {
        let Some(raw) = self.frame(frame)? else { return Ok(None) };
        let chunks = decode_block(&raw);
        if chunks.is_none() {
            self.damage(frame.offset, "the block's directory does not fit its bytes".to_owned());
        }
        Ok(chunks)
    }

    fn frames_of(&self, kind: FrameKind) -> Vec<FrameEntry> {
        self.frames.iter().filter(|frame| frame.header.kind == kind).copied().collect()
    }

    /// Reads and decodes a frame; a damaged one is noted and `None`.
    fn frame(&mut self, frame: FrameEntry) -> Result<Option<Vec<u8>>, Error> {
        let bytes = self.read(frame.offset, FRAME_BYTES + frame.header.stored as usize)?;
        match unframe(&bytes, Some(frame.header)) {
            Ok((_, raw)) => Ok(Some(raw)),
            Err(reason) => {
                self.damage(frame.offset, reason);
                Ok(None)
            }
        }
    }

    /// Reads the list of frames; says why not when the end of the pack is damaged.
    fn footer(&self) -> Result<Result<Vec<FrameEntry>, String>, Error> {
        let Some(end) = self.bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok(Err("the pack is cut off".to_owned())) };
        let Some(offset) = decode_trailer(&self.read(end, TRAILER_BYTES)?) else { return Ok(Err("its end is damaged or cut off".to_owned())) };
        let Some(len) = end.checked_sub(offset).and_then(|len| usize::try_from(len).ok()) else { return Ok(Err("its footer lies outside".to_owned())) };
        let raw = match unframe(&self.read(offset, len)?, None) {
            Ok((FrameHeader { kind: FrameKind::Footer, .. }, raw)) => raw,
            Ok(_) => return Ok(Err("its footer is another frame".to_owned())),
            Err(reason) => return Ok(Err(format!("its footer: {reason}"))),
        };
        Ok(decode_footer(&raw).ok_or_else(|| "its footer cannot be decoded".to_owned()))
    }

    /// Finds the frames without a footer: one after the other, and beyond damage by looking for the next that proves itself.
    fn search(&mut self) -> Result<Vec<FrameEntry>, Error> {
        let (mut frames, mut offset) = (Vec::new(), HEADER_BYTES as u64);
        let mut lost = false;
        while offset + FRAME_BYTES as u64 <= self.bytes {
            if let Some(header) = self.proven(offset)? {
                frames.push(FrameEntry { offset, header });
                offset += FRAME_BYTES as u64 + u64::from(header.stored);
                lost = false;
                continue;
            }
            if !lost {
                self.damage(offset, "no frame where one was expected".to_owned());
                lost = true;
            }
            offset = self.next_magic(offset + 1)?;
        }
        Ok(frames)
    }

    /// Returns the frame header at `offset` if its frame is there and whole.
    fn proven(&self, offset: u64) -> Result<Option<FrameHeader>, Error> {
        let Some(header) = FrameHeader::decode(&self.read(offset, FRAME_BYTES)?) else { return Ok(None) };
        if offset + FRAME_BYTES as u64 + u64::from(header.stored) > self.bytes {
            return Ok(None);
        }
        let stored = self.read(offset + FRAME_BYTES as u64, header.stored as usize)?;
        Ok(header.holds(&stored).then_some(header))
    }

    fn next_magic(&self, mut offset: u64) -> Result<u64, Error> {
        while offset < self.bytes {
            let bytes = self.read(offset, SEARCH_BYTES)?;
            if let Some(place) = bytes.windows(FRAME_MAGIC.len()).position(|window| window == FRAME_MAGIC) {
                return Ok(offset + place as u64);
            }
            // The magic may straddle two reads.
            offset += (bytes.len().saturating_sub(FRAME_MAGIC.len() - 1)).max(1) as u64;
        }
        Ok(self.bytes)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let len = len.min(usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX));
        let mut bytes = vec![0; len];
        let n = self.store.read_at(&self.name, offset, &mut bytes).map_err(Error::file("read", &self.name))?;
        bytes.truncate(n);
        Ok(bytes)
    }

    fn damage(&mut self, offset: u64, reason: String) {
        self.damages.push(PackDamage { offset, reason });
    }
}

/// Decodes one frame: its header as expected, its checksum, its bytes.
pub(crate) fn unframe(bytes: &[u8], expected: Option<FrameHeader>) -> Result<(FrameHeader, Vec<u8>), String> {
    let header = FrameHeader::decode(bytes).ok_or("no frame header")?;
    if expected.is_some_and(|expected| expected != header) {
        return Err("its frame header is not the one that the footer lists".to_owned());
    }
    let stored = bytes.get(FRAME_BYTES..).unwrap_or_default();
    if !header.holds(stored) {
        return Err("its checksum does not hold".to_owned());
    }
    let raw = match header.codec {
        Codec::Raw => Ok(stored.to_vec()),
        Codec::Zstd => zstd::bulk::decompress(stored, header.raw as usize),
    };
    match raw {
        Ok(raw) if raw.len() == header.raw as usize => Ok((header, raw)),
        Ok(_) => Err("it decodes to another length".to_owned()),
        Err(err) => Err(format!("it cannot be decoded: {err}")),
    }
}

/// Reads one block by its place, for contents.
pub(crate) fn read_block(store: &dyn Store, name: &str, offset: u64, stored: u32) -> Result<(Vec<u8>, Vec<ChunkSpan>), Error> {
    let damaged = |reason: String| Error::PackDamaged { path: name.to_owned(), offset, reason };
    let mut bytes = vec![0; FRAME_BYTES + stored as usize];
    let n = match store.read_at(name, offset, &mut bytes) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(damaged("the file is missing".to_owned())),
        other => other.map_err(Error::file("read", name))?,
    };
    let (header, raw) = unframe(bytes.get(..n).unwrap_or_default(), None).map_err(damaged)?;
    match decode_block(&raw) {
        Some(chunks) if header.kind == FrameKind::Block => Ok((raw, chunks)),
        _ => Err(damaged("it is no block".to_owned())),
    }
}
