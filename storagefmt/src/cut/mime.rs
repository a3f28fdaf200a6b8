//! Where the parts of an internet message begin and end.
//!
//! A scan for boundaries, header ends and the two headers that matter, nothing more: it decides only
//! where to cut, so it may misread a broken message without harm. Nested multiparts and messages
//! within messages are followed. A body is what RFC 2046 says, without the line break that belongs to
//! the boundary: an attachment that is not encoded is then the same bytes as in an export stream.

use super::source::Source;
use super::{CutError, Hint, PART_BYTES_MIN, Stretch};
use memchr::{memchr, memmem};

/// Longest line that can be a boundary, in bytes: boundaries have 70 characters at most.
const BOUNDARY_LINE_BYTES_MAX: usize = 2048;
/// How the fields begin that matter.
const CONTENT: &[u8] = b"content-";
/// What is kept of these fields of one part, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// How deep multiparts are followed.
const DEPTH_MAX: usize = 64;
/// How many parts get chunks of their own.
const PARTS_MAX: usize = 10_000;

/// Finds the parts' bodies, in order.
pub(crate) fn stretches<S: Source>(source: &mut S) -> Result<Vec<Stretch>, CutError> {
    let mut scan = Scan { boundaries: Vec::new(), state: State::Header(Vec::new()), stretches: Vec::new(), break_len: 0, fresh: true, kept: false };
    let (mut offset, end) = (0, source.len());
    while offset < end {
        let window = source.window(offset, end)?;
        let last = offset + window.len() as u64 == end;
        offset += scan.window(offset, window, last) as u64;
    }
    scan.end_part(end);
    Ok(scan.stretches)
}

struct Scan {
    boundaries: Vec<Vec<u8>>,
    state: State,
    stretches: Vec<Stretch>,
    /// Length of the line break before the present line.
    break_len: u64,
    /// Whether a line begins here.
    fresh: bool,
    /// Whether the last line of the header was kept.
    kept: bool,
}

enum State {
    /// In the headers: the fields that matter.
    Header(Vec<u8>),
    /// In a body, and where it began.
    Body { coding: Hint, start: u64 },
    /// Before the first part or after the last.
    Between,
}

impl Scan {
    /// Reads lines and returns how many bytes those were: at least one, and all of the last window. Begins at the beginning of a line,
    /// in a body wherever.
    fn window(&mut self, offset: u64, window: &[u8], last: bool) -> usize {
        let mut done = 0;
        while done < window.len() {
            let rest = &window[done..];
            let counts = matches!(self.state, State::Header(_)) || self.fresh && rest.starts_with(b"--");
            if !counts {
                let Some(place) = memmem::find(rest, b"\n--") else {
                    // The beginning of the next boundary, and the break before it, may be the end of this window.
                    let keep = if last { 0 } else { 3 };
                    self.fresh = false;
                    return (window.len().saturating_sub(keep)).max(done + 1);
                };
                self.break_len = if place > 0 && rest[place - 1] == b'\r' { 2 } else { 1 };
                self.fresh = true;
                done += place + 1;
                continue;
            }
            let len = match memchr(b'\n', rest) {
                Some(newline) => newline + 1,
                None if last || done == 0 => rest.len(),
                // The rest of it comes with the next window.
                None => return done,
            };
            self.line(offset + done as u64, &rest[..len]);
            done += len;
        }
        done
    }

    fn line(&mut self, offset: u64, line: &[u8]) {
        let break_len = match line {
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            _ => 0,
        };
        if let Some((depth, closes)) = self.boundary(line) {
            self.end_part(offset - self.break_len);
            self.boundaries.truncate(if closes { depth } else { depth + 1 });
            self.state = if closes { State::Between } else { State::Header(Vec::new()) };
        } else if let State::Header(header) = &mut self.state {
            if line.len() == break_len {
                let header = std::mem::take(header);
                self.begin_body(&header, offset + line.len() as u64);
                self.kept = false;
            } else {
                let begins = line.get(..CONTENT.len()).is_some_and(|name| name.eq_ignore_ascii_case(CONTENT));
                self.kept = (begins || self.kept && matches!(line, [b' ' | b'\t', ..])) && header.len() + line.len() <= HEADER_BYTES_MAX;
                if self.kept {
                    header.extend_from_slice(line);
                }
            }
        }
        self.break_len = break_len as u64;
        self.fresh = break_len > 0;
    }

    /// Returns which boundary a line is, and whether it closes its multipart.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--").filter(|rest| rest.len() <= BOUNDARY_LINE_BYTES_MAX)?;
        self.boundaries.iter().enumerate().rev().find_map(|(depth, boundary)| {
            let rest = rest.strip_prefix(boundary.as_slice())?;
            if rest.starts_with(b"--") {
                return Some((depth, true));
            }
            rest.iter().all(u8::is_ascii_whitespace).then_some((depth, false))
        })
    }

    fn begin_body(&mut self, header: &[u8], start: u64) {
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
            None => State::Body { coding, start },
        };
    }

    fn end_part(&mut self, end: u64) {
        if let State::Body { coding, start } = self.state
            && end >= start + PART_BYTES_MIN
            && self.stretches.len() < PARTS_MAX
        {
            self.stretches.push(Stretch { start, end, coding });
        }
        self.state = State::Between;
    }
}

/// Returns the value of a header field, unfolded.
fn field(header: &[u8], name: &str) -> Option<String> {
    let mut lines = header.split_inclusive(|byte| *byte == b'\n');
    let value = lines.by_ref().find_map(|line| {
        let (field, rest) = line.split_at_checked(name.len())?;
        let rest = rest.trim_ascii_start();
        field.eq_ignore_ascii_case(name.as_bytes()).then(|| rest.strip_prefix(b":"))?
    })?;
    let mut value = String::from_utf8_lossy(value.trim_ascii_end()).into_owned();
    for line in lines.take_while(|line| matches!(line, [b' ' | b'\t', ..])) {
        value += &String::from_utf8_lossy(line.trim_ascii_end());
    }
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
    use crate::cut::source::{Memory, Stream};

    fn bodies(message: &str) -> Vec<(String, Hint)> {
        let found = stretches(&mut Memory(message.as_bytes())).unwrap();
        assert_eq!(stretches(&mut Stream::new(std::io::Cursor::new(message.as_bytes()), message.len() as u64, 700)).unwrap(), found);
        let at = |offset| usize::try_from(offset).unwrap();
        found.into_iter().map(|part| (message[at(part.start)..at(part.end)].to_owned(), part.coding)).collect()
    }

    #[test]
    fn parts_are_found_at_any_depth() {
        let long = |letter: &str| letter.repeat(600);
        let (text, image, inner) = (long("t"), long("QUJD"), long("i"));
        let message = format!(
            "Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=\"=_a b\"\r\n\r\npreamble\r\n--=_a b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n{text}\r\n\r\n--a--\r\n\
             --=_a b\r\nContent-Transfer-Encoding:\r\n base64\r\n\r\n\r\n{image}\r\n--=_a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n{inner}\r\n--=_a b--\r\nepilogue\r\n"
        );
        assert_eq!(bodies(&message), [(text + "\r\n", Hint::Quoted), (format!("\r\n{image}"), Hint::Base64), (inner, Hint::Raw)]);
    }

    #[test]
    fn small_bodies_stay_with_the_headers() {
        assert_eq!(bodies("Subject: x\n\nhello\n"), []);
        assert_eq!(bodies(""), []);
        assert_eq!(bodies(&format!("\n{}", "x\n".repeat(400))).len(), 1);
    }

    #[test]
    fn a_message_without_its_last_boundary_has_its_last_part() {
        let text = "t".repeat(600);
        assert_eq!(bodies(&format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{text}")), [(text, Hint::Raw)]);
    }
}
