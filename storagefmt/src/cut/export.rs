//! Export streams: frames of `u32 opcode, u32 length, data`, and the large values inside.
//!
//! Frame headers fall at different places inside the same attachment of two items, so they are kept
//! apart. Inside, an attachment is a property value (tag, length, bytes) whose bytes are those of the
//! decoded MIME part; where one seems to begin, the stream is cut. Microsoft asks clients not to
//! interpret these streams: this is a guess about where to cut, and never more.

use super::source::Source;
use super::{CutError, Hint, PART_BYTES_MIN, Stretch};
use crate::ContentId;
use crate::format::Take;
use crate::format::recipe::Frame;
use memchr::memmem::Finder;
use std::io::{self, Read, Seek, SeekFrom};

/// Length of a frame header in bytes.
pub(crate) const HEADER_BYTES: u64 = 8;
/// How many runs of equal frame headers are remembered; beyond that the stream is not what we think.
const FRAMES_MAX: usize = 1 << 16;
/// How many values get chunks of their own.
const VALUES_MAX: usize = 10_000;
/// Property tags whose values are worth chunks of their own, since all recipients of a message have them alike: attachment
/// data, HTML body, compressed RTF body, and the text body in the two types that UTF-16 travels in.
const TAGS: [u32; 5] = [0x3701_0102, 0x1013_0102, 0x1009_0102, 0x1000_84b0, 0x1000_001f];

/// Reads the frame headers; empty when the stream does not consist of frames to its last byte.
pub(crate) fn frames<S: Source>(source: &mut S) -> io::Result<Vec<Frame>> {
    let total = source.len();
    let (mut frames, mut offset) = (Vec::<Frame>::new(), 0);
    while offset < total {
        if total - offset < HEADER_BYTES || frames.len() > FRAMES_MAX {
            return Ok(Vec::new());
        }
        let mut take = Take(source.window(offset, offset + HEADER_BYTES)?);
        let (Some(opcode), Some(len)) = (take.u32(), take.u32()) else { return Ok(Vec::new()) };
        offset += HEADER_BYTES + u64::from(len);
        match frames.last_mut() {
            Some(last) if last.opcode == opcode && last.len == len && last.count < u32::MAX => last.count += 1,
            _ => frames.push(Frame { opcode, len, count: 1 }),
        }
    }
    Ok(if offset == total { frames } else { Vec::new() })
}

/// Appends the data of all frames, whose headers are known, to `data`.
pub(crate) fn unframe(stream: &[u8], frames: &[Frame], data: &mut Vec<u8>) {
    let mut take = Take(stream);
    for frame in frames {
        for _ in 0..frame.count {
            let piece = take.array::<8>().and_then(|_| take.bytes(frame.len as usize));
            data.extend_from_slice(piece.unwrap_or_default());
        }
    }
}

/// Finds the large values.
pub(crate) fn stretches<S: Source>(source: &mut S) -> Result<Vec<Stretch>, CutError> {
    let total = source.len();
    let finders = TAGS.map(|tag| Finder::new(&tag.to_le_bytes()).into_owned());
    let (mut stretches, mut offset) = (Vec::new(), 0);
    while offset + HEADER_BYTES < total && stretches.len() < VALUES_MAX {
        let window = source.window(offset, total)?;
        // Where each tag comes next: each is looked for once in every byte, however many values there are.
        let (mut next, mut done) = ([Some(0); TAGS.len()], 0);
        loop {
            for (place, finder) in next.iter_mut().zip(&finders) {
                if place.is_some_and(|place| place <= done) {
                    *place = next_value(window, finder, done, total - offset).map(|(start, _)| start);
                }
            }
            let Some(start) = next.iter().flatten().copied().min() else { break };
            let Some(len) = value_len(window, start, total - offset) else { break };
            stretches.push(Stretch { start: offset + start as u64, end: offset + start as u64 + len, coding: Hint::Raw });
            done = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            if done >= window.len() || stretches.len() == VALUES_MAX {
                break;
            }
        }
        // A tag and its length may straddle two windows.
        let kept = HEADER_BYTES - 1;
        offset += (done as u64).max((window.len() as u64).saturating_sub(kept)).max(1);
    }
    Ok(stretches)
}

/// Returns where the first value with this tag from `from` on begins, if it is worth a cut and fits into what is `left`.
fn next_value(window: &[u8], tag: &Finder<'_>, from: usize, left: u64) -> Option<(usize, u64)> {
    // A value begins behind its tag and its length.
    tag.find_iter(window.get(from..)?).map(|place| from + place + 8).find_map(|start| value_len(window, start, left).map(|len| (start, len)))
}

/// Returns how long the value is that begins at `start`.
fn value_len(window: &[u8], start: usize, left: u64) -> Option<u64> {
    let len = u64::from(Take(window.get(start.checked_sub(4)?..)?).u32()?);
    (len >= PART_BYTES_MIN && start as u64 + len <= left).then_some(len)
}

/// The data of all frames, one after the other.
pub(crate) struct Unframed<'a, R> {
    content: &'a mut R,
    map: FrameMap,
    offset: u64,
}

/// Where the data of frames is in the stream.
pub(crate) struct FrameMap {
    runs: Vec<Run>,
    len: u64,
}

/// Frames with the same header: where the first's data begins without and with frame headers.
struct Run {
    inner: u64,
    outer: u64,
    frame: Frame,
}

impl FrameMap {
    /// Maps frames.
    pub(crate) fn new(frames: &[Frame]) -> Self {
        let (mut inner, mut outer) = (0, 0);
        let runs = frames.iter().map(|frame| {
            let run = Run { inner, outer: outer + HEADER_BYTES, frame: *frame };
            inner += u64::from(frame.len) * u64::from(frame.count);
            outer += (u64::from(frame.len) + HEADER_BYTES) * u64::from(frame.count);
            run
        });
        Self { runs: runs.collect(), len: inner }
    }

    /// Returns where a byte of data is in the stream, and how many bytes follow it in the same frame.
    fn outer(&self, inner: u64) -> Option<(u64, u64)> {
        let run = &self.runs[self.runs.partition_point(|run| run.inner <= inner).checked_sub(1)?];
        let len = u64::from(run.frame.len);
        let (number, within) = ((inner - run.inner).checked_div(len)?, (inner - run.inner).checked_rem(len)?);
        (number < u64::from(run.frame.count)).then(|| (run.outer + number * (len + HEADER_BYTES) + within, len - within))
    }

    /// Says what a byte of the stream is: `Ok` a byte of data and how many follow, `Err` a byte of a header.
    pub(crate) fn inner(&self, outer: u64) -> Option<Result<(u64, u64), (Frame, u64)>> {
        let run = &self.runs[self.runs.partition_point(|run| run.outer - HEADER_BYTES <= outer).checked_sub(1)?];
        let step = u64::from(run.frame.len) + HEADER_BYTES;
        let (number, within) = ((outer + HEADER_BYTES - run.outer) / step, (outer + HEADER_BYTES - run.outer) % step);
        if number >= u64::from(run.frame.count) {
            return None;
        }
        Some(match within.checked_sub(HEADER_BYTES) {
            Some(data) => Ok((run.inner + number * u64::from(run.frame.len) + data, u64::from(run.frame.len) - data)),
            None => Err((run.frame, within)),
        })
    }
}

impl<'a, R> Unframed<'a, R> {
    /// Looks at a content whose frames are known.
    pub(crate) fn new(content: &'a mut R, frames: &[Frame]) -> Self {
        Self { content, map: FrameMap::new(frames), offset: 0 }
    }

    /// Returns how much data there is.
    pub(crate) fn len(&self) -> u64 {
        self.map.len
    }
}

impl<R: Read + Seek> Read for Unframed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() && self.offset < self.map.len {
            let Some((outer, left)) = self.map.outer(self.offset) else { break };
            let want = (buffer.len() - done).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.content.seek(SeekFrom::Start(outer))?;
            self.content.read_exact(&mut buffer[done..done + want])?;
            done += want;
            self.offset += want as u64;
        }
        Ok(done)
    }
}

impl<R> Seek for Unframed<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(offset) => self.offset = offset,
            SeekFrom::End(_) | SeekFrom::Current(_) => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(self.offset)
    }
}

/// Encodes a frame header.
pub(crate) fn header(frame: Frame) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&frame.opcode.to_le_bytes());
    bytes[4..].copy_from_slice(&frame.len.to_le_bytes());
    bytes
}

/// Hashes data with the frame headers put back: what a recipe will give.
pub(crate) struct Framing {
    hasher: blake3::Hasher,
    frames: Vec<Frame>,
    left: u64,
    framed: bool,
}

impl Framing {
    /// Begins; without frames, data is hashed as it comes.
    pub(crate) fn new(frames: &[Frame]) -> Self {
        Self { hasher: blake3::Hasher::new(), frames: frames.iter().rev().copied().collect(), left: 0, framed: !frames.is_empty() }
    }

    /// Takes data.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while self.framed && !bytes.is_empty() {
            if self.left == 0 && !self.next_header() {
                break;
            }
            let (head, tail) = bytes.split_at(bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
            self.hasher.update(head);
            self.left -= head.len() as u64;
            bytes = tail;
        }
        self.hasher.update(bytes);
    }

    /// Returns the id of everything.
    pub(crate) fn finish(mut self) -> ContentId {
        while self.next_header() {}
        ContentId(*self.hasher.finalize().as_bytes())
    }

    fn next_header(&mut self) -> bool {
        let Some(frame) = self.frames.last_mut() else { return false };
        self.left = u64::from(frame.len);
        self.hasher.update(&header(*frame));
        frame.count -= 1;
        if frame.count == 0 {
            self.frames.pop();
        }
        true
    }
}
