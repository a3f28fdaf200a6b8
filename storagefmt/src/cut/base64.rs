//! Base64 bodies: are they regular, what do they hold, and how to write them again.
//!
//! Regular means: every line has the same number of characters but the last, which may be shorter;
//! lines end all with CR LF or all with LF; the characters are the canonical encoding (padding, no
//! stray bits). Then the line length and the line ending are all that must be remembered, and any
//! stretch can be encoded again without the bytes before it.

use crate::format::recipe::Coding;
use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use memchr::memchr2;
use std::io::{self, Read, Seek};

/// Longest line that is kept as lines, in characters; a body without any line break is one line of any length.
const LINE_CHARS_MAX: usize = 1000;

/// Bytes that decoder and encoder may hold back: seven characters and the breaks of seven lines.
const LAG_BYTES_MAX: usize = 21;

/// The form of a regular body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Characters of each line; 0 for one line without end.
    pub(crate) line: u32,
    /// Whether lines end with CR LF; else LF.
    pub(crate) crlf: bool,
}

/// Takes encoded bytes, gives decoded ones. Knows only regular bodies: what comes of others is caught by comparing.
#[derive(Default)]
pub(crate) struct Decoder {
    quantum: Vec<u8>,
}

/// Takes decoded bytes, gives encoded ones in lines.
pub(crate) struct Encoder {
    lines: Lines,
    rest: Vec<u8>,
    column: usize,
}

impl Lines {
    /// Returns the form that a recipe holds; `None` for other codings.
    pub(crate) fn of(coding: &Coding) -> Option<Self> {
        match *coding {
            Coding::Base64 { line, crlf } => Some(Self { line, crlf }),
            Coding::Raw | Coding::Quoted { .. } => None,
        }
    }

    /// Looks at a body from `start` to `end`, which neither begins nor ends with a line break, and says whether it may be regular.
    ///
    /// Only the first line is looked at: whether the rest follows shows when the body is encoded again.
    pub(crate) fn find<R: Read + Seek>(source: &mut R, start: u64, end: u64) -> io::Result<Option<Self>> {
        let mut head = vec![0; (LINE_CHARS_MAX + 2).min(usize::try_from(end - start).unwrap_or(usize::MAX))];
        source.seek(io::SeekFrom::Start(start))?;
        source.read_exact(&mut head)?;
        let Some(lines) = Self::guess(&head, head.len() as u64 == end - start) else { return Ok(None) };
        let mut proof = Proof { decoder: Decoder::default(), encoder: Encoder::new(lines) };
        source.seek(io::SeekFrom::Start(start))?;
        let mut left = end - start;
        let mut expected: Vec<u8> = Vec::new();
        let mut buffer = vec![0; super::BUFFER_BYTES];
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &mut buffer[..want];
            source.read_exact(piece)?;
            left -= want as u64;
            expected.extend_from_slice(piece);
            let written = proof.push(piece, left == 0);
            let same = written.len().min(expected.len());
            if written.len() > expected.len() || written[..same] != expected[..same] {
                return Ok(None);
            }
            expected.drain(..same);
            // Written and expected differ by what waits for a whole quantum, never by more.
            if expected.len() > LAG_BYTES_MAX {
                return Ok(None);
            }
        }
        Ok(expected.is_empty().then_some(lines))
    }

    fn guess(head: &[u8], whole: bool) -> Option<Self> {
        match head.iter().position(|byte| *byte == b'\n') {
            Some(newline) => {
                let crlf = newline > 0 && head[newline - 1] == b'\r';
                let line = newline - usize::from(crlf);
                (line > 0).then(|| u32::try_from(line).ok().map(|line| Self { line, crlf }))?
            }
            None if whole || head.len() > LINE_CHARS_MAX => Some(Self { line: 0, crlf: false }),
            None => None,
        }
    }

    /// Returns a quantum that begins at or before the encoded byte at `offset`: how many decoded bytes come before it, and where its first character is.
    pub(crate) fn quantum_at(self, offset: u64) -> (u64, u64) {
        // One character back: the byte may be a line break, which is written after the character before it.
        let quantum = self.characters_before(offset).saturating_sub(1) / 4;
        (quantum * 3, self.offset_of(quantum * 4))
    }

    /// Returns how many characters come before the encoded byte at `offset`.
    fn characters_before(self, offset: u64) -> u64 {
        if self.line == 0 {
            return offset;
        }
        let (line, with_break) = (u64::from(self.line), u64::from(self.line) + self.break_bytes().len() as u64);
        offset / with_break * line + (offset % with_break).min(line)
    }

    /// Returns where a character is.
    fn offset_of(self, character: u64) -> u64 {
        if self.line == 0 { character } else { character + character / u64::from(self.line) * self.break_bytes().len() as u64 }
    }

    fn break_bytes(self) -> &'static [u8] {
        if self.crlf { b"\r\n" } else { b"\n" }
    }
}

impl Decoder {
    /// Decodes what is complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut rest = bytes;
        while let Some(place) = memchr2(b'\r', b'\n', rest) {
            self.quantum.extend_from_slice(&rest[..place]);
            rest = &rest[place + 1..];
        }
        self.quantum.extend_from_slice(rest);
        let whole = self.quantum.len() / 4 * 4;
        let characters: Vec<u8> = self.quantum.drain(..whole).collect();
        STANDARD.decode(&characters).unwrap_or_default()
    }
}

impl Encoder {
    /// Begins at the beginning of a body.
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, rest: Vec::new(), column: 0 }
    }

    /// Begins at a character of a body, on which a quantum begins.
    pub(crate) fn at(lines: Lines, offset: u64) -> Self {
        let characters = lines.characters_before(offset);
        let column = if lines.line == 0 { 0 } else { characters % u64::from(lines.line) };
        Self { lines, rest: Vec::new(), column: usize::try_from(column).unwrap_or(0) }
    }

    /// Encodes what is complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() / 3 * 3;
        let characters = STANDARD.encode(&self.rest[..whole]);
        self.rest.drain(..whole);
        self.wrap(characters.as_bytes())
    }

    /// Encodes the rest, with padding.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let characters = STANDARD.encode(std::mem::take(&mut self.rest));
        self.wrap(characters.as_bytes())
    }

    fn wrap(&mut self, mut characters: &[u8]) -> Vec<u8> {
        let line = self.lines.line as usize;
        if line == 0 {
            return characters.to_vec();
        }
        let mut bytes = Vec::with_capacity(characters.len() + characters.len() / line * 2 + 2);
        while !characters.is_empty() {
            if self.column == line {
                bytes.extend_from_slice(self.lines.break_bytes());
                self.column = 0;
            }
            let (head, tail) = characters.split_at((line - self.column).min(characters.len()));
            bytes.extend_from_slice(head);
            self.column += head.len();
            characters = tail;
        }
        bytes
    }
}

/// Decodes and encodes again.
struct Proof {
    decoder: Decoder,
    encoder: Encoder,
}

impl Proof {
    fn push(&mut self, bytes: &[u8], last: bool) -> Vec<u8> {
        let decoded = self.decoder.push(bytes);
        let mut written = self.encoder.push(&decoded);
        if last {
            written.extend(self.encoder.finish());
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn encode(bytes: &[u8], lines: Lines) -> Vec<u8> {
        let mut encoder = Encoder::new(lines);
        let mut encoded = encoder.push(bytes);
        encoded.extend(encoder.finish());
        encoded
    }

    fn find(body: &[u8]) -> Option<Lines> {
        Lines::find(&mut Cursor::new(body), 0, body.len() as u64).unwrap()
    }

    proptest! {
        #[test]
        fn what_we_write_is_regular(bytes in prop::collection::vec(any::<u8>(), 1..4000), line in prop::sample::select(vec![0u32, 1, 3, 57, 60, 64, 72, 73, 76, 78, 998]), crlf: bool) {
            let lines = Lines { line, crlf: crlf && line > 0 };
            let body = encode(&bytes, lines);
            let found = find(&body);
            prop_assert!(found.is_some());
            prop_assert_eq!(encode(&bytes, found.unwrap()), body);
        }

        #[test]
        fn any_stretch_can_be_encoded_alone(bytes in prop::collection::vec(any::<u8>(), 1..600), line in 0u32..80, crlf: bool, at in any::<prop::sample::Index>()) {
            let lines = Lines { line, crlf: crlf && line > 0 };
            let body = encode(&bytes, lines);
            let offset = at.index(body.len()) as u64;
            let (decoded, begins) = lines.quantum_at(offset);
            let (decoded, from) = (usize::try_from(decoded).unwrap(), usize::try_from(begins).unwrap());
            let mut encoder = Encoder::at(lines, begins);
            let mut rest = encoder.push(&bytes[decoded..]);
            rest.extend(encoder.finish());
            prop_assert_eq!(&rest[..], &body[from..]);
            prop_assert!(begins <= offset && offset - begins <= 16);
        }

        #[test]
        fn what_is_called_regular_reads_back(body in "([A-Za-z0-9+/]{8}\r?\n){0,4}[A-Za-z0-9+/]{0,8}={0,2}") {
            let trimmed = body.trim_end();
            if let Some(lines) = find(trimmed.as_bytes()).filter(|_| !trimmed.is_empty()) {
                let mut decoder = Decoder::default();
                prop_assert_eq!(encode(&decoder.push(trimmed.as_bytes()), lines), trimmed.as_bytes());
            }
        }
    }

    #[test]
    fn irregular_bodies_are_told_apart() {
        for body in ["QUJD\nQUJDREVG\nQUJD", "QUJD\nQUI=\nQUJD", "QUJ", "QUJ=", "QUI", "QU-D", "QUJD\r\nQUJD\nQUJD", "QUJD\n\nQUJD", " QUJD"] {
            assert_eq!(find(body.as_bytes()), None, "{body:?}");
        }
        assert_eq!(find(b"QUJDREVG\r\nQUI="), Some(Lines { line: 8, crlf: true }));
        assert_eq!(find(b"QUI="), Some(Lines { line: 0, crlf: false }));
    }
}
