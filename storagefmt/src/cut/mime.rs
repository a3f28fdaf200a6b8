//! Where the parts of an internet message begin and end.
//!
//! A scan for boundaries, header ends and the two headers that matter, nothing more: it decides only
//! where to cut, so it may misread a broken message without harm. Nested multiparts and messages
//! within messages are followed.

use super::{CutError, Hint, PART_BYTES_MIN, Stretch};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

/// What is kept of a line, in bytes: boundaries have 70 characters at most, headers matter only at their beginning.
const LINE_BYTES_MAX: usize = 2048;
/// What is kept of one part's headers, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// How deep multiparts are followed.
const DEPTH_MAX: usize = 64;
/// How many parts get chunks of their own.
const PARTS_MAX: usize = 10_000;

/// Finds the parts' bodies, in order.
pub(crate) fn stretches<R: Read + Seek>(source: &mut R) -> Result<Vec<Stretch>, CutError> {
    source.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(super::BUFFER_BYTES, source);
    let mut scan = Scan { boundaries: Vec::new(), state: State::Header(Vec::new()), stretches: Vec::new() };
    let mut offset = 0;
    let mut line = Line::default();
    while line.read(&mut reader)? {
        scan.line(offset, &line);
        offset += line.len;
    }
    scan.end_part();
    Ok(scan.stretches)
}

/// One line: how it begins, how long it is, and how long its line break is.
#[derive(Default)]
struct Line {
    head: Vec<u8>,
    len: u64,
    break_len: u64,
}

struct Scan {
    boundaries: Vec<Vec<u8>>,
    state: State,
    stretches: Vec<Stretch>,
}

enum State {
    /// In the headers, of which these are read.
    Header(Vec<u8>),
    /// In a body: where its text begins (once it has) and where it ends so far.
    Body { coding: Hint, text: Option<(u64, u64)> },
    /// Before the first part or after the last.
    Between,
}

impl Scan {
    fn line(&mut self, offset: u64, line: &Line) {
        if let Some((depth, closes)) = self.boundary(line) {
            self.end_part();
            self.boundaries.truncate(if closes { depth } else { depth + 1 });
            self.state = if closes { State::Between } else { State::Header(Vec::new()) };
            return;
        }
        match &mut self.state {
            State::Between => {}
            State::Header(header) if line.is_blank() => {
                let header = std::mem::take(header);
                self.begin_body(&header);
            }
            State::Header(header) => {
                if header.len() < HEADER_BYTES_MAX {
                    header.extend_from_slice(&line.head);
                }
            }
            State::Body { .. } if line.is_blank() => {}
            State::Body { text, .. } => {
                let end = offset + line.len - line.break_len;
                *text = Some((text.map_or(offset, |(start, _)| start), end));
            }
        }
    }

    /// Returns which boundary a line is, and whether it closes its multipart.
    fn boundary(&self, line: &Line) -> Option<(usize, bool)> {
        let rest = line.head.strip_prefix(b"--")?;
        self.boundaries.iter().enumerate().rev().find_map(|(depth, boundary)| {
            let rest = rest.strip_prefix(boundary.as_slice())?;
            if rest.starts_with(b"--") {
                return Some((depth, true));
            }
            rest.iter().all(u8::is_ascii_whitespace).then_some((depth, false))
        })
    }

    fn begin_body(&mut self, header: &[u8]) {
        let value = |name| field(header, name).unwrap_or_default();
        let (kind, coding) = (value("content-type"), value("content-transfer-encoding").trim().to_ascii_lowercase());
        let coding = match coding.as_str() {
            "base64" => Hint::Base64,
            "quoted-printable" => Hint::Quoted,
            _ => Hint::Raw,
        };
        let lower = kind.trim_start().to_ascii_lowercase();
        self.state = match parameter(&kind, "boundary").filter(|_| lower.starts_with("multipart/") && self.boundaries.len() < DEPTH_MAX) {
            Some(boundary) => {
                self.boundaries.push(boundary.into_bytes());
                State::Between
            }
            None if coding == Hint::Raw && ["message/rfc822", "message/global", "message/news"].iter().any(|kind| lower.starts_with(kind)) => {
                State::Header(Vec::new())
            }
            None => State::Body { coding, text: None },
        };
    }

    fn end_part(&mut self) {
        if let State::Body { coding, text: Some((start, end)) } = self.state
            && end - start >= PART_BYTES_MIN
            && self.stretches.len() < PARTS_MAX
        {
            self.stretches.push(Stretch { start, end, coding });
        }
        self.state = State::Between;
    }
}

impl Line {
    /// Reads the next line; `false` at the end.
    fn read(&mut self, reader: &mut impl BufRead) -> Result<bool, CutError> {
        *self = Self { head: std::mem::take(&mut self.head), ..Self::default() };
        self.head.clear();
        let mut last = 0;
        loop {
            let buffer = reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(self.len > 0);
            }
            let newline = memchr::memchr(b'\n', buffer);
            let piece = &buffer[..newline.map_or(buffer.len(), |newline| newline + 1)];
            self.head.extend_from_slice(&piece[..piece.len().min(LINE_BYTES_MAX - self.head.len())]);
            self.len += piece.len() as u64;
            if newline.is_some() {
                let before = if piece.len() > 1 { piece[piece.len() - 2] } else { last };
                self.break_len = if before == b'\r' { 2 } else { 1 };
            }
            last = piece[piece.len() - 1];
            let used = piece.len();
            reader.consume(used);
            if newline.is_some() {
                return Ok(true);
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.len == self.break_len
    }
}

/// Returns the value of a header field, unfolded.
fn field(header: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(header);
    let mut lines = text.lines().skip_while(|line| !line.split_once(':').is_some_and(|(field, _)| field.trim_end().eq_ignore_ascii_case(name)));
    let mut value = lines.next()?.split_once(':')?.1.to_owned();
    value.extend(lines.take_while(|line| line.starts_with([' ', '\t'])));
    Some(value)
}

/// Returns a parameter of a header value.
fn parameter(value: &str, name: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let mut from = 0;
    while let Some(place) = lower[from..].find(name).map(|place| from + place) {
        from = place + name.len();
        let begins = lower[..place].ends_with([';', ' ', '\t']);
        let Some(rest) = value[from..].trim_start().strip_prefix('=').filter(|_| begins) else { continue };
        let rest = rest.trim_start();
        let text = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?.to_owned(),
            None => rest.split([';', ' ', '\t']).next()?.to_owned(),
        };
        return Some(text.trim_end().to_owned()).filter(|text| !text.is_empty());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn bodies(message: &str) -> Vec<(String, Hint)> {
        let found = stretches(&mut Cursor::new(message.as_bytes())).unwrap();
        let at = |offset| usize::try_from(offset).unwrap();
        found.into_iter().map(|part| (message[at(part.start)..at(part.end)].to_owned(), part.coding)).collect()
    }

    #[test]
    fn parts_are_found_at_any_depth() {
        let long = |letter: &str| letter.repeat(300);
        let (text, image, inner) = (long("t"), long("QUJD"), long("i"));
        let message = format!(
            "Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=\"=_a b\"\r\n\r\npreamble\r\n--=_a b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n{text}\r\n\r\n--a--\r\n\
             --=_a b\r\nContent-Transfer-Encoding:\r\n base64\r\n\r\n\r\n{image}\r\n--=_a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n{inner}\r\n--=_a b--\r\nepilogue\r\n"
        );
        assert_eq!(bodies(&message), [(text, Hint::Quoted), (image, Hint::Base64), (inner, Hint::Raw)]);
    }

    #[test]
    fn small_bodies_stay_with_the_headers() {
        assert_eq!(bodies("Subject: x\n\nhello\n"), []);
        assert_eq!(bodies(""), []);
        assert_eq!(bodies(&format!("\n{}", "x\n".repeat(200))).len(), 1);
    }

    #[test]
    fn a_message_without_its_last_boundary_has_its_last_part() {
        let text = "t".repeat(300);
        assert_eq!(bodies(&format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{text}")), [(text, Hint::Raw)]);
    }
}
