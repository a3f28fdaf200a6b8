//! Base64 bodies: how far are they regular, what do they hold, and how to write them again.
//!
//! Regular means: every line has the same number of characters but the last, which may be shorter;
//! the same bytes stand between all lines; the characters are the canonical encoding (no stray bits),
//! and the padding at the end is whole or missing. Then the line length, the bytes between lines and whether there is padding are all
//! that must be remembered, and any stretch can be encoded again without the bytes before it.
//!
//! What [`Lines::whole`] and [`Lines::last`] accept needs no other proof: they compare every break with the
//! form, and a decoder that accepts only canonical characters accepts exactly one text for any bytes.

use crate::format::recipe::{Coding, NEWLINE_BYTES_MAX, Newline, base64_len};
use ::base64::Engine as _;
use ::base64::engine::Simd;
use ::base64::engine::general_purpose::{NO_PAD, PAD};
use memchr::memchr;
use std::sync::LazyLock;

/// The canonical encoding, with padding.
pub(crate) static STANDARD: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));
/// The canonical encoding, without padding.
pub(crate) static STANDARD_NO_PAD: LazyLock<Simd> = LazyLock::new(|| Simd::standard(NO_PAD));

/// How many characters are decoded at once, at least one group of lines: they stay in the processor's nearest memory.
const BATCH_CHARS: usize = 12 << 10;
/// How many lines may follow those that come in groups: three, the last, and one for padding.
const LAST_LINES_MAX: usize = 5;
/// Shortest first line of a body that is taken for base64 though it does not say so, in characters.
const UNDECLARED_CHARS_MIN: usize = 60;

/// The form of a regular body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Characters of each line; 0 for one line without end.
    pub(crate) line: u32,
    /// What stands between two lines.
    pub(crate) newline: Newline,
    /// Whether the padding at the end is missing.
    pub(crate) unpadded: bool,
}

/// Takes decoded bytes, gives encoded ones in lines.
pub(crate) struct Encoder {
    pub(crate) lines: Lines,
    rest: Vec<u8>,
    column: usize,
}

/// Returns whether a body that does not say so begins as base64 does.
pub(crate) fn looks_encoded(body: &[u8]) -> bool {
    let line = alphabetic(body);
    line >= UNDECLARED_CHARS_MIN && line.is_multiple_of(4) && body.get(line).is_none_or(u8::is_ascii_whitespace)
}

/// Returns how many characters of base64 these bytes begin with.
fn alphabetic(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is_character(*byte)).unwrap_or(bytes.len())
}

fn is_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

impl Lines {
    /// Returns the form that a recipe holds; `None` for other codings.
    pub(crate) fn of(coding: &Coding) -> Option<Self> {
        match *coding {
            Coding::Base64 { line, newline, unpadded } => Some(Self { line, newline, unpadded }),
            Coding::Raw | Coding::Quoted { .. } => None,
        }
    }

    /// Returns the form as a recipe holds it.
    pub(crate) fn coding(self) -> Coding {
        let Self { line, newline, unpadded } = self;
        Coding::Base64 { line, newline, unpadded }
    }

    /// Reads the form off the first line of a body that begins here, as far as it shows there.
    pub(crate) fn guess(body: &[u8]) -> Option<Self> {
        let line = alphabetic(body);
        let rest = &body[line..];
        let breaks = rest.iter().take(NEWLINE_BYTES_MAX + 1).take_while(|byte| byte.is_ascii_whitespace()).count();
        let one = Self { line: 0, newline: Newline::LF, unpadded: false };
        match Newline::new(&rest[..breaks]) {
            _ if line == 0 => None,
            Some(newline) if breaks < rest.len() && rest[..breaks].contains(&b'\n') => Some(Self { line: u32::try_from(line).ok()?, newline, unpadded: false }),
            _ => Some(one),
        }
    }

    /// Decodes whole lines at the beginning of these bytes, their breaks included, and returns how many bytes that were.
    ///
    /// It stops where what is left may begin with the last line, and always before a quantum of four characters.
    pub(crate) fn whole(self, bytes: &[u8], decoded: &mut Vec<u8>) -> usize {
        if self.line == 0 {
            return decode_batches(bytes.chunks(BATCH_CHARS), decoded);
        }
        let (line, newline) = (self.line as usize, self.newline.as_bytes());
        let step = line + newline.len();
        // As few lines as have whole quanta.
        let group = [1, 4, 2, 4][line % 4];
        let batch = (BATCH_CHARS / line / group).max(1) * group;
        let (mut characters, mut done) = (Vec::with_capacity(BATCH_CHARS), 0);
        loop {
            characters.clear();
            let lines = bytes[done..].chunks_exact(step).take(batch).take_while(|piece| piece.ends_with(newline));
            lines.for_each(|piece| characters.extend_from_slice(&piece[..line]));
            let whole = characters.len() / (line * group) * (line * group);
            let taken = decode_batches(characters[..whole].chunks(whole.max(1)), decoded);
            // Of a batch that holds something else, the groups before it.
            let groups = taken / (line * group);
            decoded.truncate(decoded.len() - (taken - groups * line * group) / 4 * 3);
            done += groups * group * step;
            if groups * group < batch {
                return done;
            }
        }
    }

    /// Decodes what may follow whole lines, up to where the body ends or stops to be regular.
    pub(crate) fn last(&mut self, bytes: &[u8], decoded: &mut Vec<u8>) {
        let (line, newline) = (if self.line == 0 { usize::MAX } else { self.line as usize }, self.newline.as_bytes());
        let (mut characters, mut rest) = (Vec::new(), bytes);
        let characters_of = |bytes: &[u8]| bytes.iter().take(line).take_while(|byte| is_character(**byte) || **byte == b'=').count();
        // Fewer lines than a group are left, unless what follows does not decode.
        for _ in 0..LAST_LINES_MAX {
            let column = characters_of(rest);
            characters.extend_from_slice(&rest[..column]);
            match rest[column..].strip_prefix(newline) {
                Some(next) if column == line => rest = next,
                _ => break,
            }
        }
        let padding = memchr(b'=', &characters);
        let whole = padding.unwrap_or(characters.len()) / 4 * 4;
        let taken = decode_batches(characters[..whole].chunks(4), decoded);
        if taken < whole {
            return;
        }
        let quantum = &characters[whole..];
        if padding.is_none() {
            if let Ok(bytes) = STANDARD_NO_PAD.decode(quantum) {
                decoded.extend(bytes);
                self.unpadded = !quantum.is_empty();
            }
        } else if let Some(Ok(bytes)) = quantum.get(..4).map(|quantum| STANDARD.decode(quantum)) {
            decoded.extend(bytes);
        }
    }

    /// Returns how long bytes are when encoded.
    pub(crate) fn encoded_len(self, decoded: u64) -> u64 {
        base64_len(decoded, self.line, self.newline, self.unpadded).unwrap_or(u64::MAX)
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
        let (line, with_break) = (u64::from(self.line), u64::from(self.line) + self.newline.as_bytes().len() as u64);
        offset / with_break * line + (offset % with_break).min(line)
    }

    /// Returns where a character is.
    fn offset_of(self, character: u64) -> u64 {
        character + character.checked_div(u64::from(self.line)).unwrap_or(0) * self.newline.as_bytes().len() as u64
    }
}

/// Decodes pieces of whole quanta up to the first that is not canonical or has padding; returns how many characters those were.
fn decode_batches<'a>(batches: impl Iterator<Item = &'a [u8]>, decoded: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    for batch in batches {
        let whole = &batch[..batch.len() / 4 * 4];
        let (held, want) = (decoded.len(), whole.len() / 4 * 3);
        decoded.resize(held + want, 0);
        if STANDARD.decode_slice(whole, &mut decoded[held..]).is_ok_and(|len| len == want) {
            taken += whole.len();
        } else {
            decoded.truncate(held);
            for quantum in whole.chunks_exact(4) {
                let mut bytes = [0; 3];
                if STANDARD.decode_slice(quantum, &mut bytes) != Ok(3) {
                    return taken;
                }
                decoded.extend(bytes);
                taken += 4;
            }
            return taken;
        }
        if whole.len() < batch.len() {
            break;
        }
    }
    taken
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

    /// Encodes the rest.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.rest);
        let characters = if self.lines.unpadded { STANDARD_NO_PAD.encode(rest) } else { STANDARD.encode(rest) };
        self.wrap(characters.as_bytes())
    }

    fn wrap(&mut self, mut characters: &[u8]) -> Vec<u8> {
        let line = self.lines.line as usize;
        if line == 0 {
            return characters.to_vec();
        }
        let newline = self.lines.newline.as_bytes();
        let mut bytes = Vec::with_capacity(characters.len() + (characters.len() / line + 1) * newline.len());
        while !characters.is_empty() {
            if self.column == line {
                bytes.extend_from_slice(newline);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(bytes: &[u8], lines: Lines) -> Vec<u8> {
        let mut encoder = Encoder::new(lines);
        let mut encoded = encoder.push(bytes);
        encoded.extend(encoder.finish());
        encoded
    }

    fn lines(line: u32, newline: &str, unpadded: bool) -> Lines {
        Lines { line, newline: Newline::new(newline.as_bytes()).unwrap(), unpadded }
    }

    /// Returns the regular beginning of a body: its form, what it holds, how long it is. Checks that encoding it again gives the same.
    fn find(body: &[u8]) -> Option<(Lines, Vec<u8>, usize)> {
        let (mut lines, mut decoded) = (Lines::guess(body)?, Vec::new());
        let whole = lines.whole(body, &mut decoded);
        lines.last(&body[whole..], &mut decoded);
        let encoded = encode(&decoded, lines);
        assert!(body.starts_with(&encoded), "{:?} of {:?} became {:?}", lines, String::from_utf8_lossy(body), String::from_utf8_lossy(&encoded));
        Some((lines, decoded, encoded.len()))
    }

    fn form() -> impl Strategy<Value = Lines> {
        let line = prop::sample::select(vec![0u32, 1, 2, 3, 4, 57, 60, 64, 72, 73, 76, 78, 998]);
        let newline = prop::sample::select(vec!["\n", "\r\n", " \r\n", "\n\n", "\r\r\n", "\t\n"]);
        (line, newline, any::<bool>()).prop_map(|(line, newline, unpadded)| lines(line, newline, unpadded))
    }

    proptest! {
        #[test]
        fn what_we_write_is_regular(bytes in prop::collection::vec(any::<u8>(), 1..20_000), lines in form()) {
            let body = encode(&bytes, lines);
            let (_, decoded, len) = find(&body).unwrap();
            prop_assert_eq!(len, body.len());
            prop_assert!(decoded == bytes);
        }

        #[test]
        fn what_is_regular_before_harm_reads_back(bytes in prop::collection::vec(any::<u8>(), 1..2000), lines in form(), place in any::<prop::sample::Index>(), harm in prop_oneof![Just(b'='), Just(b'\n'), any::<u8>()]) {
            let mut body = encode(&bytes, lines);
            let place = place.index(body.len());
            body[place] = harm;
            find(&body);
            body.remove(place);
            find(&body);
        }

        #[test]
        fn any_stretch_can_be_encoded_alone(bytes in prop::collection::vec(any::<u8>(), 1..600), lines in form(), at in any::<prop::sample::Index>()) {
            let body = encode(&bytes, lines);
            let offset = at.index(body.len()) as u64;
            let (decoded, begins) = lines.quantum_at(offset);
            let (decoded, from) = (usize::try_from(decoded).unwrap(), usize::try_from(begins).unwrap());
            let mut encoder = Encoder::at(lines, begins);
            let mut rest = encoder.push(&bytes[decoded..]);
            rest.extend(encoder.finish());
            prop_assert_eq!(&rest[..], &body[from..]);
        }

        #[test]
        fn any_text_is_found_regular_as_far_as_it_is(body in "([A-Za-z0-9+/]{8}\r?\n){0,4}[A-Za-z0-9+/]{0,8}={0,2}[ -~\r\n]{0,9}") {
            find(body.as_bytes());
        }
    }

    #[test]
    fn irregular_bodies_are_regular_up_to_where_they_are() {
        let len = |body: &str| find(body.as_bytes()).map(|(_, _, len)| len);
        for (body, expected) in [
            ("QUJD\nQUJDREVG\nQUJD", 9),
            ("QUJD\nQUI=\nQUJD", 9),
            ("QUJ", 0),
            ("QUJ=", 0),
            ("QUI", 3),
            ("QU-D", 0),
            ("QUJD\r\nQUJD\nQUJD", 10),
            ("QUJD\n\nQUJD", 10),
            ("QUJDREVG\r\nQUI=", 14),
            ("QUI=", 4),
            ("QUJDREVG\r\nQUJDR", 14),
            ("QUJDREVG \nQUJDREVG \n-- \nfooter", 18),
        ] {
            assert_eq!(len(body), Some(expected), "{body:?}");
        }
        assert_eq!(len(" QUJD"), None);
    }
}
