//! Quoted-printable bodies: what they hold, and how to write them again.
//!
//! Programs differ in what they escape and where they break lines. The writer here knows four
//! habits: how long a line may be, which bytes are escaped wherever they stand, the case of hexadecimal
//! digits, and whether a hard break may follow the last column. They are learned from a body; where
//! that does not give the same bytes again, the body is kept as it is.

use crate::format::recipe::{Coding, usually_escaped};
use memchr::{memchr, memchr_iter};

/// Longest body that is decoded, in bytes: a stretch of it cannot be encoded alone, so reading any holds it all in memory.
const BODY_BYTES_MAX: usize = 1 << 20;

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

/// Buffers that are used again for each body.
#[derive(Default)]
pub(crate) struct Scratch {
    /// What the last body held.
    pub(crate) decoded: Vec<u8>,
    encoded: Vec<u8>,
}

/// Learns the habits of a body and leaves in `scratch` what it holds; `None` when they do not give the same bytes again.
pub(crate) fn find(body: &[u8], scratch: &mut Scratch) -> Option<Quoted> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    scratch.decoded.clear();
    let mut quoted = learn(body, &mut scratch.decoded)?;
    let seen = quoted.escaped;
    // What does not occur is taken for what programs usually do: then most bodies have the same habits, and these cost nothing.
    quoted.escaped.iter_mut().zip(usually_escaped()).for_each(|(bits, usually)| *bits |= usually);
    if quoted.writes(body, scratch) {
        return Some(quoted);
    }
    let plain = plain_bytes(body, quoted.crlf);
    quoted.escaped.iter_mut().zip(seen).zip(plain).for_each(|((bits, seen), plain)| *bits = seen | *bits & !plain);
    quoted.writes(body, scratch).then_some(quoted)
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
        let mut encoded = Vec::with_capacity(bytes.len() + bytes.len() / 8);
        self.encode_into(bytes, &mut encoded);
        encoded
    }

    fn writes(&self, body: &[u8], scratch: &mut Scratch) -> bool {
        scratch.encoded.clear();
        self.encode_into(&scratch.decoded, &mut scratch.encoded);
        scratch.encoded == body
    }

    fn encode_into(&self, bytes: &[u8], encoded: &mut Vec<u8>) {
        let newline: &[u8] = if self.crlf { b"\r\n" } else { b"\n" };
        let escapes: [bool; 256] = std::array::from_fn(|byte| self.escaped[byte / 8] >> (byte % 8) & 1 == 1);
        let (mut rest, mut newlines) = (bytes, memchr_iter(b'\n', bytes));
        while !rest.is_empty() {
            let begin = bytes.len() - rest.len();
            // The next line break of the kind that this program writes; another is a byte like any other.
            let end = newlines.by_ref().find_map(|place| match self.crlf {
                false => Some(place),
                true => place.checked_sub(1).filter(|cr| *cr >= begin && bytes[*cr] == b'\r'),
            });
            self.encode_line(&rest[..end.map_or(rest.len(), |end| end - begin)], &escapes, newline, encoded);
            let Some(end) = end else { break };
            encoded.extend_from_slice(newline);
            rest = &bytes[end + newline.len()..];
        }
    }

    /// Writes what stands before a hard break.
    fn encode_line(&self, line: &[u8], escapes: &[bool; 256], newline: &[u8], encoded: &mut Vec<u8>) {
        let Some((last, mut rest)) = line.split_last() else { return };
        let limit = if self.line == 0 { usize::MAX } else { self.line as usize };
        let mut column = 0;
        while !rest.is_empty() {
            let room = rest.len().min((limit - 1).saturating_sub(column));
            let plain = rest[..room].iter().position(|byte| escapes[usize::from(*byte)]).unwrap_or(room);
            encoded.extend_from_slice(&rest[..plain]);
            (column, rest) = (column + plain, &rest[plain..]);
            let Some((byte, tail)) = rest.split_first() else { break };
            let width = if escapes[usize::from(*byte)] { 3 } else { 1 };
            if column + width > limit - 1 && column > 0 {
                soft_break(newline, encoded);
                column = 0;
            }
            // A lone byte may be wider than a line: it is written all the same.
            self.put(*byte, width == 3, encoded);
            (column, rest) = (column + width, tail);
        }
        let escape = escapes[usize::from(*last)] || matches!(last, b' ' | b'\t');
        let room = if self.full { limit } else { limit - 1 };
        if column + if escape { 3 } else { 1 } > room && column > 0 {
            soft_break(newline, encoded);
        }
        self.put(*last, escape, encoded);
    }

    fn put(&self, byte: u8, escape: bool, encoded: &mut Vec<u8>) {
        if escape {
            encoded.extend([b'=', self.digit(byte >> 4), self.digit(byte & 15)]);
        } else {
            encoded.push(byte);
        }
    }

    fn digit(&self, nibble: u8) -> u8 {
        match nibble {
            0..=9 => b'0' + nibble,
            _ if self.lower => b'a' + nibble - 10,
            _ => b'A' + nibble - 10,
        }
    }
}

fn soft_break(newline: &[u8], encoded: &mut Vec<u8>) {
    encoded.push(b'=');
    encoded.extend_from_slice(newline);
}

/// Decodes a body and learns its habits, as far as they can be read off.
fn learn(body: &[u8], decoded: &mut Vec<u8>) -> Option<Quoted> {
    let crlf = memchr(b'\n', body).is_some_and(|newline| newline > 0 && body[newline - 1] == b'\r');
    let newline: &[u8] = if crlf { b"\r\n" } else { b"\n" };
    let (mut escaped, mut upper, mut lower) = ([0u8; 32], false, false);
    let mut rest = body;
    while let Some(place) = memchr(b'=', rest) {
        decoded.extend_from_slice(&rest[..place]);
        let tail = &rest[place + 1..];
        if let Some(after) = tail.strip_prefix(newline) {
            rest = after;
            continue;
        }
        let ([high, low], after) = tail.split_first_chunk::<2>()?;
        let value = hexadecimal(*high)? << 4 | hexadecimal(*low)?;
        upper |= high.is_ascii_uppercase() || low.is_ascii_uppercase();
        lower |= high.is_ascii_lowercase() || low.is_ascii_lowercase();
        let at_end = after.is_empty() || after.starts_with(newline);
        if !(at_end && matches!(value, b' ' | b'\t')) {
            escaped[usize::from(value / 8)] |= 1 << (value % 8);
        }
        decoded.push(value);
        rest = after;
    }
    decoded.extend_from_slice(rest);
    let (soft, hard) = longest_lines(body, newline);
    Some(Quoted { line: u32::try_from(soft).ok()?, crlf, lower: lower && !upper, escaped, full: soft > 0 && hard >= soft })
}

/// Returns the bytes that occur as they are, line breaks apart.
fn plain_bytes(body: &[u8], crlf: bool) -> [u8; 32] {
    let mut plain = [0; 32];
    let mut rest = body;
    while let Some((byte, tail)) = rest.split_first() {
        rest = match byte {
            b'\r' if crlf && tail.starts_with(b"\n") => &tail[1..],
            b'\n' if !crlf => tail,
            _ => {
                plain[usize::from(byte / 8)] |= 1 << (byte % 8);
                tail
            }
        };
    }
    plain[usize::from(b'=' / 8)] &= !(1 << (b'=' % 8));
    plain
}

/// Returns the longest line that ends with a soft break, its `=` included, and the longest other.
fn longest_lines(body: &[u8], newline: &[u8]) -> (usize, usize) {
    let (mut soft, mut hard, mut begin) = (0, 0, 0);
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        let Some(line) = body.get(begin..end.saturating_sub(if end < body.len() { newline.len() - 1 } else { 0 })) else { continue };
        if end < body.len() && line.ends_with(b"=") {
            soft = soft.max(line.len());
        } else {
            hard = hard.max(line.len());
        }
        begin = end + 1;
    }
    (soft, hard)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(body: &[u8]) -> Option<Vec<u8>> {
        let mut scratch = Scratch::default();
        find(body, &mut scratch).map(|quoted| {
            assert_eq!(quoted.encode(&scratch.decoded), body);
            scratch.decoded
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
