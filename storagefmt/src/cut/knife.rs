//! One content on its way through the knife: stretches become parts, what is between them the skeleton.

use super::base64::{self, Encoder, Lines};
use super::chunker::Chunker;
use super::export::Framing;
use super::quoted;
use super::source::Source;
use super::{CutError, Hint, PART_BYTES_MIN, Sink, Stretch};
use crate::format::recipe::{ChunkRef, Coding, Op, Part};
use crate::{ChunkId, ContentId};

/// How often base64 in one body may end and begin anew.
const SEGMENTS_MAX: usize = 8;

/// Cuts one content.
pub(crate) struct Knife<'a> {
    sink: &'a mut dyn Sink,
    scratch: &'a mut quoted::Scratch,
    skeleton: Chunker,
    skeleton_chunks: Vec<ChunkRef>,
    ops: Vec<Op>,
    proof: Option<Framing>,
}

/// What came of a content.
pub(crate) struct Pieces {
    pub(crate) ops: Vec<Op>,
    pub(crate) skeleton: Vec<ChunkRef>,
    /// The id of what the recipe gives, where it was asked for.
    pub(crate) proof: Option<ContentId>,
}

impl<'a> Knife<'a> {
    /// Begins; with `proof`, what the recipe will give is hashed on the way.
    pub(crate) fn new(sink: &'a mut dyn Sink, scratch: &'a mut quoted::Scratch, proof: Option<Framing>) -> Self {
        Self { sink, scratch, skeleton: Chunker::default(), skeleton_chunks: Vec::new(), ops: Vec::new(), proof }
    }

    /// Cuts `source` at `stretches`.
    pub(crate) fn run<S: Source>(mut self, source: &mut S, stretches: &[Stretch]) -> Result<Pieces, CutError> {
        let mut offset = 0;
        for stretch in stretches {
            self.skeleton(source, offset, stretch.start)?;
            self.stretch(source, stretch)?;
            offset = stretch.end;
        }
        let end = source.len();
        if offset == 0 {
            // All in one: no need to copy it into the skeleton.
            self.skeleton_chunks = self.chunks(source, 0, end)?;
            self.count_skeleton(end);
        } else {
            self.skeleton(source, offset, end)?;
        }
        let Self { sink, mut skeleton, mut skeleton_chunks, ops, proof, .. } = self;
        skeleton.finish(&mut |bytes: &[u8]| store(sink, &mut skeleton_chunks, bytes))?;
        Ok(Pieces { ops, skeleton: skeleton_chunks, proof: proof.map(Framing::finish) })
    }

    fn skeleton<S: Source>(&mut self, source: &mut S, start: u64, end: u64) -> Result<(), CutError> {
        let mut at = start;
        while at < end {
            let window = source.window(at, end)?;
            let Self { sink, skeleton, skeleton_chunks, proof, .. } = self;
            prove(proof, window);
            skeleton.push(window, &mut |chunk: &[u8]| store(*sink, skeleton_chunks, chunk))?;
            at += window.len() as u64;
        }
        self.count_skeleton(end - start);
        Ok(())
    }

    fn count_skeleton(&mut self, len: u64) {
        match self.ops.last_mut() {
            _ if len == 0 => {}
            Some(Op::Skeleton(before)) => *before += len,
            _ => self.ops.push(Op::Skeleton(len)),
        }
    }

    fn stretch<S: Source>(&mut self, source: &mut S, stretch: &Stretch) -> Result<(), CutError> {
        let (mut start, end) = (stretch.start, stretch.end);
        let body = source.window(start, end)?;
        let encoded = stretch.coding == Hint::Base64 || base64::looks_encoded(body);
        if stretch.coding == Hint::Quoted && !encoded && body.len() as u64 == end - start && self.quoted(body)? {
            return Ok(());
        }
        for _ in 0..if encoded { SEGMENTS_MAX } else { 0 } {
            let blank = source.window(start, end)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count() as u64;
            let Some(after) = self.base64(source, start, start + blank, end)? else { break };
            start = after;
        }
        self.raw(source, start, end)
    }

    /// Decodes a whole body, if that can be undone.
    fn quoted(&mut self, body: &[u8]) -> Result<bool, CutError> {
        let Some(quoted) = quoted::find(body, self.scratch) else { return Ok(false) };
        prove(&mut self.proof, body);
        let (sink, mut chunks) = (&mut *self.sink, Vec::new());
        Chunker::whole(&self.scratch.decoded, &mut |chunk: &[u8]| store(sink, &mut chunks, chunk))?;
        self.ops.push(Op::Part(Part { coding: quoted.coding(), len: body.len() as u64, chunks }));
        Ok(true)
    }

    /// Decodes regular base64 that begins at `at`, behind blank lines from `start` on; returns where it ends, if it is worth a part.
    fn base64<S: Source>(&mut self, source: &mut S, start: u64, at: u64, end: u64) -> Result<Option<u64>, CutError> {
        let Some(mut lines) = Lines::guess(source.window(at, end)?) else { return Ok(None) };
        let mut decoded = std::mem::take(&mut self.scratch.decoded);
        decoded.clear();
        let (mut chunker, mut chunks, mut encoder) = (Chunker::default(), Vec::new(), Encoder::new(lines));
        let (mut given, mut offset) = (0, at);
        loop {
            let window = source.window(offset, end)?;
            let read = lines.whole(window, &mut decoded);
            if read == 0 {
                lines.last(window, &mut decoded);
                break;
            }
            let partly = (window.len() as u64) < end - offset;
            offset += read as u64;
            if partly && decoded.len() as u64 >= PART_BYTES_MIN {
                if given == 0 {
                    self.skeleton(source, start, at)?;
                }
                prove(&mut self.proof, &encoder.push(&decoded));
                let sink = &mut *self.sink;
                chunker.push(&decoded, &mut |chunk: &[u8]| store(sink, &mut chunks, chunk))?;
                given += decoded.len() as u64;
                decoded.clear();
            }
        }
        let len = lines.encoded_len(given + decoded.len() as u64);
        if len < PART_BYTES_MIN {
            self.scratch.decoded = decoded;
            return Ok(None);
        }
        if given == 0 {
            self.skeleton(source, start, at)?;
        }
        if self.proof.is_some() {
            encoder.lines = lines;
            prove(&mut self.proof, &encoder.push(&decoded));
            prove(&mut self.proof, &encoder.finish());
        }
        let sink = &mut *self.sink;
        let mut take = |chunk: &[u8]| store(sink, &mut chunks, chunk);
        if given == 0 {
            Chunker::whole(&decoded, &mut take)?;
        } else {
            chunker.push(&decoded, &mut take)?;
            chunker.finish(&mut take)?;
        }
        self.scratch.decoded = decoded;
        self.ops.push(Op::Part(Part { coding: lines.coding(), len, chunks }));
        Ok(Some(at + len))
    }

    /// Keeps what is left of a stretch as it is: as a part, or with the skeleton where it is too short for one.
    fn raw<S: Source>(&mut self, source: &mut S, start: u64, end: u64) -> Result<(), CutError> {
        if end - start < PART_BYTES_MIN {
            return self.skeleton(source, start, end);
        }
        let chunks = self.chunks(source, start, end)?;
        self.ops.push(Op::Part(Part { coding: Coding::Raw, len: end - start, chunks }));
        Ok(())
    }

    /// Cuts bytes as they are.
    fn chunks<S: Source>(&mut self, source: &mut S, start: u64, end: u64) -> Result<Vec<ChunkRef>, CutError> {
        let Self { sink, proof, .. } = self;
        let (mut chunker, mut chunks, mut at) = (Chunker::default(), Vec::new(), start);
        let mut take = |chunk: &[u8]| store(*sink, &mut chunks, chunk);
        while at < end {
            let window = source.window(at, end)?;
            prove(proof, window);
            if at == start && window.len() as u64 == end - start {
                Chunker::whole(window, &mut take)?;
            } else {
                chunker.push(window, &mut take)?;
            }
            at += window.len() as u64;
        }
        chunker.finish(&mut take)?;
        Ok(chunks)
    }
}

fn store(sink: &mut dyn Sink, chunks: &mut Vec<ChunkRef>, bytes: &[u8]) -> Result<(), CutError> {
    chunks.push(sink.chunk(ChunkId::of(bytes), bytes).map_err(CutError::Sink)?);
    Ok(())
}

fn prove(proof: &mut Option<Framing>, bytes: &[u8]) {
    if let Some(proof) = proof {
        proof.push(bytes);
    }
}
