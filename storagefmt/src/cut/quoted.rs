//! Quoted-printable bodies: what they hold, and how to write them again.
//!
//! Programs differ in what they escape and where they break lines. The writer here knows four
//! habits: how long a line may be, which bytes are escaped wherever they stand, the case of hexadecimal
//! digits, and whether a hard break may follow the last column. They are learned from a body; where
//! that does not give the same bytes again, the body is kept as it is.

use crate::format::recipe::Coding;
use std::io::{self, Read, Seek, SeekFrom};

/// Longest body that is decoded, in bytes: a stretch of it cannot be encoded alone, so reading any holds it all in memory.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// The habits of one program that wrote quoted-printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// Longest line, soft break included; 0 for no limit.
    pub(crate) line: u32,
    /// Whether lines end with CR LF; else LF.
    pub(crate) crlf: bool,
    /// Whether hexadecimal digits are lower case.
    pub(crate) lower: bool,
    /// Bit `b % 8` of byte `b / 8`: byte `b` is escaped wherever it stands.
    pub(crate) escaped: [u8; 32],
    /// Whether a line that ends with a hard break may use the last column, too.
    pub(crate) full: bool,
}

/// Reads a body from `start` to `end` and returns its habits and what it holds; `None` when they do not give the same bytes again.
pub(crate) fn find<R: Read + Seek>(source: &mut R, start: u64, end: u64) -> io::Result<Option<(Quoted, Vec<u8>)>> {
    if end - start > BODY_BYTES_MAX {
        return Ok(None);
    }
    let mut body = Vec::new();
    source.seek(SeekFrom::Start(start))?;
    source.take(end - start).read_to_end(&mut body)?;
    Ok(learn(&body).and_then(|(habits, decoded)| {
        let fits = |quoted: &Quoted| quoted.encode(&decoded) == body;
        let found = [false, true].map(|full| Quoted { full, ..habits.clone() }).into_iter().find(fits);
        found.map(|quoted| (quoted, decoded))
    }))
}

impl Quoted {
    /// Returns the habits that a recipe holds; `None` for other codings.
    pub(crate) fn of(coding: &Coding) -> Option<Self> {
        match *coding {
            Coding::Quoted { line, crlf, lower, escaped, full } => Some(Self { line, crlf, lower, escaped, full }),
            Coding::Raw | Coding::Base64 { .. } => None,
        }
    }

    /// Returns the habits as a recipe holds them.
    pub(crate) fn coding(&self) -> Coding {
        let Self { line, crlf, lower, escaped, full } = *self;
        Coding::Quoted { line, crlf, lower, escaped, full }
    }

    /// Writes bytes as this program would have.
    pub(crate) fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        let newline: &[u8] = if self.crlf { b"\r\n" } else { b"\n" };
        let limit = if self.line == 0 { usize::MAX } else { self.line as usize };
        let (mut encoded, mut column, mut rest) = (Vec::with_capacity(bytes.len() + bytes.len() / 8), 0, bytes);
        while let Some((byte, tail)) = rest.split_first() {
            if rest.starts_with(newline) {
                encoded.extend_from_slice(newline);
                (column, rest) = (0, &rest[newline.len()..]);
                continue;
            }
            let ends = tail.is_empty() || tail.starts_with(newline);
            let width = if self.escapes(*byte) || ends && matches!(byte, b' ' | b'\t') { 3 } else { 1 };
            let room = if ends && self.full { limit } else { limit - 1 };
            if column + width > room && column > 0 {
                encoded.push(b'=');
                encoded.extend_from_slice(newline);
                column = 0;
            }
            if width == 1 {
                encoded.push(*byte);
            } else {
                encoded.push(b'=');
                encoded.extend([byte >> 4, byte & 15].map(|nibble| self.digit(nibble)));
            }
            (column, rest) = (column + width, tail);
        }
        encoded
    }

    fn escapes(&self, byte: u8) -> bool {
        self.escaped[usize::from(byte / 8)] >> (byte % 8) & 1 == 1
    }

    fn digit(&self, nibble: u8) -> u8 {
        match nibble {
            0..=9 => b'0' + nibble,
            _ if self.lower => b'a' + nibble - 10,
            _ => b'A' + nibble - 10,
        }
    }
}

/// Decodes a body and learns its habits, as far as they can be read off.
fn learn(body: &[u8]) -> Option<(Quoted, Vec<u8>)> {
    let crlf = body.iter().position(|byte| *byte == b'\n').is_some_and(|newline| newline > 0 && body[newline - 1] == b'\r');
    let newline: &[u8] = if crlf { b"\r\n" } else { b"\n" };
    let (mut decoded, mut rest, mut column, mut line) = (Vec::with_capacity(body.len()), body, 0, 0);
    let (mut escaped, mut upper, mut lower) = ([0u8; 32], false, false);
    while let Some((byte, tail)) = rest.split_first() {
        if rest.starts_with(newline) {
            decoded.extend_from_slice(newline);
            (column, rest) = (0, &rest[newline.len()..]);
        } else if *byte != b'=' {
            decoded.push(*byte);
            (column, rest) = (column + 1, tail);
        } else if tail.starts_with(newline) {
            line = line.max(column + 1);
            (column, rest) = (0, &tail[newline.len()..]);
        } else {
            let (digits, after) = tail.split_at_checked(2)?;
            let value = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|_| digits[0] != b'+')?;
            upper |= digits.iter().any(u8::is_ascii_uppercase);
            lower |= digits.iter().any(u8::is_ascii_lowercase);
            let at_end = after.is_empty() || after.starts_with(newline);
            if !(at_end && matches!(value, b' ' | b'\t')) {
                escaped[usize::from(value / 8)] |= 1 << (value % 8);
            }
            decoded.push(value);
            (column, rest) = (column + 3, after);
        }
    }
    Some((Quoted { line, crlf, lower: lower && !upper, escaped, full: false }, decoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn found(body: &[u8]) -> Option<Vec<u8>> {
        let found = find(&mut Cursor::new(body), 0, body.len() as u64).unwrap();
        found.map(|(quoted, decoded)| {
            assert_eq!(quoted.encode(&decoded), body);
            decoded
        })
    }

    #[test]
    fn common_forms_are_decoded() {
        assert_eq!(found(b"caf=C3=A9 =\r\nau lait\r\n=20\r\nend=3D").unwrap(), "café au lait\r\n \r\nend=".as_bytes());
        assert_eq!(found(b"a=e4=\nb").unwrap(), b"a\xe4b");
        assert_eq!(found(b"plain").unwrap(), b"plain");
    }

    #[test]
    fn odd_forms_are_left_alone() {
        for body in [&b"=C3=c3"[..], b"=4", b"=zz", b"a=41 A", b"soft =\nbreaks=\nanywhere long line", b"=+1"] {
            assert_eq!(found(body), None, "{:?}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn what_this_program_writes_it_reads(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), Just(b'='), any::<u8>(), b'a'..=b'z'], 0..500), line in 20u32..78, full: bool) {
            let mut escaped = [0xff; 32];
            for byte in (b'!'..=b'~').filter(|byte| *byte != b'=').chain([b' ', b'\n']) {
                escaped[usize::from(byte / 8)] &= !(1 << (byte % 8));
            }
            let body = Quoted { line, crlf: false, lower: false, escaped, full }.encode(&bytes);
            if let Some(decoded) = found(&body) {
                prop_assert_eq!(decoded, bytes);
            }
        }

        #[test]
        fn nothing_panics(body in prop::collection::vec(prop_oneof![Just(b'='), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200)) {
            found(&body);
        }
    }
}
