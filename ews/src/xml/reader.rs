//! A pull reader over one XML document: elements, short texts, and texts of any length as a stream.
//!
//! After [`XmlReader::child`] returned an element, the caller reads it whole by one of `child` until
//! `None`, `text`, `stream` or `skip`; the next `child` then is its sibling.

use super::lossy::Lossy;
use quick_xml::events::{BytesStart, Event};
use std::io::{self, BufRead, Read};

/// Longest tag, comment or CDATA section, in bytes: ids have at most 512, sync states some 10,000.
const MARKUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest text that is kept in memory unless the caller says otherwise, in bytes; sync states of Exchange
/// stay far below.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting: answers of EWS have about 15 levels.
const DEPTH_MAX: usize = 200;
/// Longest character or entity reference, in bytes.
const REFERENCE_BYTES_MAX: usize = 32;

/// Why a document could not be read further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlError {
    /// The bytes end inside an element.
    #[error("the answer ends in the middle")]
    Cut,
    /// It is not well-formed.
    #[error("the answer is not well-formed XML")]
    Syntax(#[source] quick_xml::Error),
    /// Elements are nested deeper than any answer is.
    #[error("the answer nests elements deeper than {DEPTH_MAX} levels")]
    Depth,
    /// The bytes stopped coming.
    #[error("the answer broke off")]
    Receive(#[source] io::Error),
    /// What was received could not be kept.
    #[error("failed to write a temporary file")]
    Keep(#[source] io::Error),
}

/// An element's start tag.
#[derive(Debug)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// Returns the name without its prefix.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns an attribute's value.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A pull reader.
pub(crate) struct XmlReader {
    reader: quick_xml::Reader<Lossy<Box<dyn Read + Send>>>,
    buffer: Vec<u8>,
    depth: usize,
    /// The element just opened was `<a/>`: it is open for the caller, closed in the document.
    empty: bool,
    overlong: bool,
}

enum Markup {
    Open(Element, bool),
    Close,
    Literal(String),
    Other,
    End,
}

impl XmlReader {
    pub(crate) fn new(source: Box<dyn Read + Send>) -> Self {
        let mut reader = quick_xml::Reader::from_reader(Lossy::new(source));
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.check_comments = false;
        Self { reader, buffer: Vec::new(), depth: 0, empty: false, overlong: false }
    }

    /// Opens the next child of the element that is open; `None` closes that element.
    ///
    /// At the top, `None` is the end of the document.
    pub(crate) fn child(&mut self) -> Result<Option<Element>, XmlError> {
        if self.close_empty() {
            return Ok(None);
        }
        loop {
            self.pass_text(&mut |_| Ok(()))?;
            match self.markup()? {
                Markup::Open(element, empty) => {
                    self.open(empty)?;
                    return Ok(Some(element));
                }
                Markup::Close => {
                    self.depth -= 1;
                    return Ok(None);
                }
                Markup::End if self.depth == 0 => return Ok(None),
                Markup::End => return Err(XmlError::Cut),
                Markup::Literal(_) | Markup::Other => {}
            }
        }
    }

    /// Reads the open element's text, and closes it. Text beyond 4 MiB is cut; see [`XmlReader::take_overlong`].
    pub(crate) fn text(&mut self) -> Result<String, XmlError> {
        self.text_up_to(TEXT_BYTES_MAX)
    }

    /// As [`XmlReader::text`], with another bound.
    pub(crate) fn text_up_to(&mut self, bytes_max: usize) -> Result<String, XmlError> {
        let mut bytes = Vec::new();
        let mut overlong = false;
        self.stream(&mut |piece| {
            let space = bytes_max - bytes.len();
            overlong |= piece.len() > space;
            bytes.extend_from_slice(&piece[..piece.len().min(space)]);
            Ok(())
        })?;
        self.overlong |= overlong;
        Ok(String::from_utf8(bytes).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()))
    }

    /// Gives the open element's text to `sink` piece by piece, and closes it.
    pub(crate) fn stream(&mut self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), XmlError> {
        if self.close_empty() {
            return Ok(());
        }
        loop {
            self.pass_text(sink)?;
            match self.markup()? {
                Markup::Open(_, empty) => {
                    self.open(empty)?;
                    self.skip()?;
                }
                Markup::Close => {
                    self.depth -= 1;
                    return Ok(());
                }
                Markup::Literal(text) => sink(text.as_bytes()).map_err(XmlError::Keep)?,
                Markup::Other => {}
                Markup::End => return Err(XmlError::Cut),
            }
        }
    }

    /// Passes over the rest of the open element, and closes it.
    pub(crate) fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.child()?;
        }
        Ok(())
    }

    /// Returns how deep the reader is; for [`XmlReader::close_to`].
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Passes over whatever is open below `depth`.
    pub(crate) fn close_to(&mut self, depth: usize) -> Result<(), XmlError> {
        while self.depth > depth {
            self.child()?;
        }
        Ok(())
    }

    /// Returns whether a text had to be cut since the last call.
    pub(crate) fn take_overlong(&mut self) -> bool {
        std::mem::take(&mut self.overlong)
    }

    fn open(&mut self, empty: bool) -> Result<(), XmlError> {
        if self.depth >= DEPTH_MAX {
            return Err(XmlError::Depth);
        }
        self.depth += 1;
        self.empty = empty;
        Ok(())
    }

    fn close_empty(&mut self) -> bool {
        let closed = std::mem::take(&mut self.empty);
        if closed {
            self.depth -= 1;
        }
        closed
    }

    /// Gives the text up to the next markup to `sink`, references resolved.
    ///
    /// All text passes here and none through `quick-xml`, whose state would otherwise expect a reference.
    fn pass_text(&mut self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), XmlError> {
        let mut stream = self.reader.stream();
        stream.get_mut().allow(usize::MAX);
        loop {
            let available = stream.fill_buf().map_err(XmlError::Receive)?;
            let Some(first) = available.first() else { return Ok(()) };
            if *first == b'<' {
                return Ok(());
            }
            if *first == b'&' {
                stream.consume(1);
                let text = reference(&mut stream)?;
                sink(text.as_bytes()).map_err(XmlError::Keep)?;
                continue;
            }
            let end = memchr::memchr2(b'<', b'&', available).unwrap_or(available.len());
            sink(&available[..end]).map_err(XmlError::Keep)?;
            stream.consume(end);
        }
    }

    fn markup(&mut self) -> Result<Markup, XmlError> {
        self.buffer.clear();
        self.reader.stream().get_mut().allow(MARKUP_BYTES_MAX);
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|err| match err {
            quick_xml::Error::Io(err) if err.kind() != io::ErrorKind::InvalidData => XmlError::Receive(io::Error::new(err.kind(), err)),
            err => XmlError::Syntax(err),
        })?;
        Ok(match event {
            Event::Start(tag) => Markup::Open(element(&tag), false),
            Event::Empty(tag) => Markup::Open(element(&tag), true),
            Event::End(_) if self.depth == 0 => Markup::Other,
            Event::End(_) => Markup::Close,
            Event::CData(data) => Markup::Literal(data.into_inner().into_owned()),
            Event::Eof => Markup::End,
            _ => Markup::Other,
        })
    }
}

fn element(tag: &BytesStart<'_>) -> Element {
    let attributes = tag
        .attributes()
        .with_checks(false)
        .filter_map(Result::ok)
        .map(|attribute| (attribute.key.local_name().as_ref().to_owned(), resolve_all(&attribute.value)))
        .collect();
    Element { name: tag.local_name().as_ref().to_owned(), attributes }
}

/// Reads a reference whose `&` has been consumed; what is none stays as it is written.
fn reference(stream: &mut impl BufRead) -> Result<String, XmlError> {
    let mut name = String::new();
    while name.len() < REFERENCE_BYTES_MAX {
        let next = stream.fill_buf().map_err(XmlError::Receive)?.first().copied();
        match next {
            Some(b';') => {
                stream.consume(1);
                return Ok(resolve(&name).map_or_else(|| format!("&{name};"), String::from));
            }
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'#' => {
                name.push(char::from(byte));
                stream.consume(1);
            }
            _ => break,
        }
    }
    Ok(format!("&{name}"))
}

/// Returns the character that `&name;` stands for: U+FFFD for one that XML forbids, `None` for an unknown name.
fn resolve(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        return Some(code.ok().and_then(char::from_u32).filter(allowed).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn resolve_all(value: &str) -> String {
    let mut resolved = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        resolved.push_str(before);
        let named = after.split_once(';').and_then(|(name, behind)| Some((resolve(name)?, behind)));
        match named {
            Some((c, behind)) => {
                resolved.push(c);
                rest = behind;
            }
            None => {
                resolved.push('&');
                rest = after;
            }
        }
    }
    resolved.push_str(rest);
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reader(xml: impl Into<Vec<u8>>) -> XmlReader {
        XmlReader::new(Box::new(io::Cursor::new(xml.into())))
    }

    #[test]
    fn elements_texts_and_attributes_are_read_whatever_their_prefix() {
        let mut xml = reader("\u{feff}<?xml version=\"1.0\"?><a:r x:k='1 &amp; 2'><b/>t<q:c>x<!-- no -->y<![CDATA[<z>]]></q:c><d><e>1</e></d></a:r>\n");
        let root = xml.child().unwrap().unwrap();
        assert_eq!((root.name(), root.attribute("k")), ("r", Some("1 & 2")));
        assert_eq!(xml.child().unwrap().unwrap().name(), "b");
        assert_eq!(xml.text().unwrap(), "");
        assert_eq!(xml.child().unwrap().unwrap().name(), "c");
        assert_eq!(xml.text().unwrap(), "xy<z>");
        assert_eq!(xml.child().unwrap().unwrap().name(), "d");
        xml.skip().unwrap();
        assert!(xml.child().unwrap().is_none());
        assert!(xml.child().unwrap().is_none());
    }

    #[test]
    fn what_xml_forbids_becomes_text() {
        let mut bytes = b"<r><t>a&#x0;b&#xB;c&#xFFFE;d&#xD800;e & f &nbsp; g&amp;h&lt;&#65;".to_vec();
        bytes.extend_from_slice(&[0xff, b'z', 0x0b, 0xc3]);
        bytes.extend_from_slice(b"</t><u k='a & b &#x1F;'/></r>");
        let mut xml = reader(bytes);
        xml.child().unwrap();
        xml.child().unwrap();
        assert_eq!(xml.text().unwrap(), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e & f &nbsp; g&h<A\u{fffd}z\u{b}\u{fffd}");
        assert_eq!(xml.child().unwrap().unwrap().attribute("k"), Some("a & b \u{fffd}"));
    }

    #[test]
    fn a_text_beyond_the_bound_is_cut_and_told() {
        let mut xml = reader(format!("<r><t>{}</t><u>ok</u></r>", "x".repeat(100)));
        xml.child().unwrap();
        xml.child().unwrap();
        assert_eq!(xml.text_up_to(10).unwrap(), "xxxxxxxxxx");
        assert!(xml.take_overlong());
        xml.child().unwrap();
        assert_eq!(xml.text().unwrap(), "ok");
        assert!(!xml.take_overlong());
    }

    #[test]
    fn a_document_that_stops_is_cut() {
        for xml in ["<r>", "<r><a>", "<r><a>text", "<r><a>text</a"] {
            let mut reader = reader(xml);
            reader.child().unwrap();
            assert!(reader.skip().is_err(), "{xml} passed");
        }
    }

    #[test]
    fn endless_nesting_and_endless_tags_are_refused() {
        let mut deep = reader("<a>".repeat(100_000));
        deep.child().unwrap();
        assert!(matches!(deep.skip(), Err(XmlError::Depth)));
        let mut long = reader(format!("<a {}", "b".repeat(MARKUP_BYTES_MAX + 1)));
        assert!(long.child().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(prop_oneof![Just(b'<'), Just(b'>'), Just(b'/'), Just(b'a'), Just(b'&'), Just(b'!'), Just(b'"'), any::<u8>()], 0..200)) {
            let mut xml = reader(bytes);
            for _ in 0..400 {
                match xml.child() {
                    Ok(Some(_)) => {}
                    Ok(None) if xml.depth() == 0 => break,
                    Ok(None) => { let _ = xml.text(); }
                    Err(_) => break,
                }
            }
        }
    }
}
