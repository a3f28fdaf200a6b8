//! From contents to chunks: where to cut, so that what is equal becomes equal chunks.
//!
//! MIME is cut at its part boundaries and base64 and quoted-printable parts are kept decoded, where
//! encoding them again gives the same bytes. Export streams lose their frames and are cut around the
//! large values inside. Everything else is one stretch. The recipe that comes out gives back exactly
//! the bytes that went in: [`cut`] checks that before it answers, and falls back to one stretch.
//! Nothing found inside a content is trusted; a hint that was wrong costs only deduplication.
//!
//! Memory is bounded whatever a content's size: it is read twice, a few buffers at a time.

mod base64;
mod chunker;
pub(crate) mod export;
mod mime;
pub(crate) mod quoted;

use crate::format::recipe::{ChunkRef, Coding, Frame, Op, Part, RecipeRecord};
use crate::{ChunkId, ContentId, Error};
use c2b_mailbox::Content;
use chunker::Chunker;
use std::io::{self, Read, Seek, SeekFrom};

pub(crate) use self::base64::{Encoder, Lines};

/// Shortest part that gets chunks of its own, in bytes; shorter ones stay with the headers.
const PART_BYTES_MIN: u64 = 256;
/// Buffer for reading contents, in bytes.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// What a content is, as far as that helps to cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An internet message.
    Mime,
    /// An export stream.
    Export,
    /// Anything else.
    Plain,
}

/// Identifies and cuts contents, one after the other.
#[derive(Default)]
pub(crate) struct Cutter {}

/// Takes chunks as they are cut.
pub(crate) trait Sink {
    /// Takes a chunk and says where it is; the same may come again.
    fn chunk(&mut self, id: ChunkId, bytes: &[u8]) -> Result<ChunkRef, Error>;
}

/// Why a content could not be cut.
#[derive(Debug)]
pub(crate) enum CutError {
    /// It could not be read.
    Read(io::Error),
    /// A chunk could not be stored.
    Sink(Error),
}

/// A stretch of a content that becomes a part, in bytes of the content without frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) coding: Hint,
}

/// How a stretch claims to be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Raw,
    Base64,
    Quoted,
}

impl Cutter {
    /// Returns the id of a content.
    pub(crate) fn identify(&mut self, content: &mut Content) -> io::Result<ContentId> {
        content.seek(SeekFrom::Start(0))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(ContentId(*hasher.finalize().as_bytes())),
                Ok(n) => hasher.update(&buffer[..n]),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(err),
            };
        }
    }

    /// Cuts a content whose id is known.
    pub(crate) fn cut(&mut self, content: &mut Content, id: ContentId, kind: Kind, sink: &mut dyn Sink) -> Result<RecipeRecord, CutError> {
        let frames = if kind == Kind::Export { export::frames(content)? } else { Vec::new() };
        let stretches = match kind {
            Kind::Mime => mime::stretches(content)?,
            Kind::Export if !frames.is_empty() => export::stretches(&mut export::Unframed::new(content, &frames)?)?,
            Kind::Export | Kind::Plain => Vec::new(),
        };
        if !frames.is_empty() {
            let (ops, skeleton, proof) = Cutting::new(sink, &frames).run(&mut export::Unframed::new(content, &frames)?, &stretches)?;
            if proof == id {
                return Ok(RecipeRecord { id: id.0, len: content.len(), skeleton, ops, frames });
            }
        } else if !stretches.is_empty() {
            let (ops, skeleton, proof) = Cutting::new(sink, &[]).run(content, &stretches)?;
            if proof == id {
                return Ok(RecipeRecord { id: id.0, len: content.len(), skeleton, ops, frames: Vec::new() });
            }
        }
        let (ops, skeleton, proof) = Cutting::new(sink, &[]).run(content, &[])?;
        if proof != id {
            return Err(CutError::Read(io::Error::new(io::ErrorKind::InvalidData, "the bytes changed while they were read")));
        }
        Ok(RecipeRecord { id: id.0, len: content.len(), skeleton, ops, frames: Vec::new() })
    }
}

/// A content on its way through the knife.
struct Cutting<'a> {
    sink: &'a mut dyn Sink,
    skeleton: Chunker,
    skeleton_chunks: Vec<ChunkRef>,
    ops: Vec<Op>,
    proof: export::Framing,
}

impl<'a> Cutting<'a> {
    fn new(sink: &'a mut dyn Sink, frames: &[Frame]) -> Self {
        Self { sink, skeleton: Chunker::default(), skeleton_chunks: Vec::new(), ops: Vec::new(), proof: export::Framing::new(frames) }
    }

    /// Cuts `source` at `stretches`; returns the recipe and the id of what the recipe gives.
    fn run<R: Read + Seek>(mut self, source: &mut R, stretches: &[Stretch]) -> Result<(Vec<Op>, Vec<ChunkRef>, ContentId), CutError> {
        let mut offset = 0;
        for stretch in stretches {
            self.skeleton(source, offset, Some(stretch.start))?;
            self.part(source, stretch)?;
            offset = stretch.end;
        }
        self.skeleton(source, offset, None)?;
        let Self { sink, mut skeleton, mut skeleton_chunks, ops, proof } = self;
        skeleton.finish(&mut |bytes: &[u8]| store(sink, &mut skeleton_chunks, bytes))?;
        Ok((ops, skeleton_chunks, proof.finish()))
    }

    fn skeleton<R: Read + Seek>(&mut self, source: &mut R, start: u64, end: Option<u64>) -> Result<(), CutError> {
        let Self { sink, skeleton, skeleton_chunks, ops, proof } = self;
        let len = pump(source, start, end, &mut |bytes| {
            proof.push(bytes);
            skeleton.push(bytes, &mut |chunk: &[u8]| store(*sink, skeleton_chunks, chunk))
        })?;
        if len > 0 {
            ops.push(Op::Skeleton(len));
        }
        Ok(())
    }

    fn part<R: Read + Seek>(&mut self, source: &mut R, stretch: &Stretch) -> Result<(), CutError> {
        let (start, end) = (stretch.start, stretch.end);
        let part = match stretch.coding {
            Hint::Raw => None,
            Hint::Base64 => match Lines::find(source, start, end)? {
                Some(lines) => Some(self.base64(source, start, end, lines)?),
                None => None,
            },
            Hint::Quoted => match quoted::find(source, start, end)? {
                Some((quoted, decoded)) => Some(self.quoted(start, end, quoted, &decoded)?),
                None => None,
            },
        };
        let part = match part {
            Some(part) => part,
            None => self.raw(source, start, end)?,
        };
        self.ops.push(Op::Part(part));
        Ok(())
    }

    fn raw<R: Read + Seek>(&mut self, source: &mut R, start: u64, end: u64) -> Result<Part, CutError> {
        let Self { sink, proof, .. } = self;
        let (mut chunker, mut chunks) = (Chunker::default(), Vec::new());
        let len = pump(source, start, Some(end), &mut |bytes| {
            proof.push(bytes);
            chunker.push(bytes, &mut |chunk: &[u8]| store(*sink, &mut chunks, chunk))
        })?;
        chunker.finish(&mut |chunk: &[u8]| store(*sink, &mut chunks, chunk))?;
        Ok(Part { coding: Coding::Raw, len, chunks })
    }

    fn base64<R: Read + Seek>(&mut self, source: &mut R, start: u64, end: u64, lines: Lines) -> Result<Part, CutError> {
        let Self { sink, proof, .. } = self;
        let (mut chunker, mut chunks) = (Chunker::default(), Vec::new());
        let (mut decoder, mut encoder) = (base64::Decoder::default(), Encoder::new(lines));
        pump(source, start, Some(end), &mut |bytes| {
            let decoded = decoder.push(bytes);
            proof.push(&encoder.push(&decoded));
            chunker.push(&decoded, &mut |chunk: &[u8]| store(*sink, &mut chunks, chunk))
        })?;
        proof.push(&encoder.finish());
        chunker.finish(&mut |chunk: &[u8]| store(*sink, &mut chunks, chunk))?;
        Ok(Part { coding: Coding::Base64 { line: lines.line, crlf: lines.crlf }, len: end - start, chunks })
    }

    fn quoted(&mut self, start: u64, end: u64, quoted: quoted::Quoted, decoded: &[u8]) -> Result<Part, CutError> {
        let Self { sink, proof, .. } = self;
        proof.push(&quoted.encode(decoded));
        let (mut chunker, mut chunks) = (Chunker::default(), Vec::new());
        chunker.push(decoded, &mut |chunk: &[u8]| store(*sink, &mut chunks, chunk))?;
        chunker.finish(&mut |chunk: &[u8]| store(*sink, &mut chunks, chunk))?;
        Ok(Part { coding: quoted.coding(), len: end - start, chunks })
    }
}

fn store(sink: &mut dyn Sink, chunks: &mut Vec<ChunkRef>, bytes: &[u8]) -> Result<(), CutError> {
    chunks.push(sink.chunk(ChunkId::of(bytes), bytes).map_err(CutError::Sink)?);
    Ok(())
}

/// Hands on the bytes from `start` to `end` (or to the end of `source`), a buffer at a time; returns how many.
fn pump<R: Read + Seek>(source: &mut R, start: u64, end: Option<u64>, take: &mut impl FnMut(&[u8]) -> Result<(), CutError>) -> Result<u64, CutError> {
    source.seek(SeekFrom::Start(start))?;
    let mut left = end.map_or(u64::MAX, |end| end - start);
    let mut done = 0;
    let mut buffer = vec![0; BUFFER_BYTES.min(usize::try_from(left).unwrap_or(BUFFER_BYTES))];
    while left > 0 {
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match source.read(&mut buffer[..want]) {
            Ok(0) if end.is_some() => return Err(CutError::Read(io::ErrorKind::UnexpectedEof.into())),
            Ok(0) => break,
            Ok(n) => {
                take(&buffer[..n])?;
                done += n as u64;
                left -= n as u64;
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(CutError::Read(err)),
        }
    }
    Ok(done)
}

impl From<io::Error> for CutError {
    fn from(err: io::Error) -> Self {
        Self::Read(err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Lengths(Vec<(usize, String)>);

    impl Sink for Lengths {
        fn chunk(&mut self, id: ChunkId, bytes: &[u8]) -> Result<ChunkRef, Error> {
            self.0.push((bytes.len(), id.to_string()[..8].to_owned()));
            Ok(ChunkRef { seq: 1, n: 0, offset: 0, len: u32::try_from(bytes.len()).unwrap() })
        }
    }

    /// Fails when a change would make new chunks out of old contents, and so store everything once more.
    #[test]
    fn contents_are_cut_where_they_always_were() {
        let mut noise = vec![0; 400_000];
        blake3::Hasher::new().update(b"stability").finalize_xof().fill(&mut noise);
        let encoded = ::base64::Engine::encode(&::base64::engine::general_purpose::STANDARD, &noise);
        let lines: String = encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect();
        let message = format!("Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}");
        let mut content = Content::from_bytes(message.as_bytes()).unwrap();
        let mut cutter = Cutter::default();
        let id = cutter.identify(&mut content).unwrap();
        let mut lengths = Lengths::default();
        let recipe = cutter.cut(&mut content, id, Kind::Mime, &mut lengths).unwrap();
        assert!(
            matches!(recipe.ops[..], [Op::Skeleton(49), Op::Part(Part { coding: Coding::Base64 { line: 76, crlf: true }, .. }), Op::Skeleton(2)]),
            "{:?}",
            recipe.ops
        );
        let expected = [(95_752, "832c8b19"), (135_375, "9ac6f833"), (21_719, "77314cb2"), (80_896, "ab86ac90"), (66_258, "c0eb0a17"), (51, "cb013d0f")];
        assert_eq!(lengths.0, expected.map(|(len, id)| (len, id.to_owned())));
    }
}
