//! Documents that follow each other in one stream of bytes, each given out as soon as it is whole.
//!
//! It finds where elements begin and end, wherever the bytes are cut; what they mean is the reader's business. White
//! space, comments, declarations and processing instructions between documents are dropped.

use std::collections::VecDeque;

/// Longest document, in bytes: an answer with 50 events for each of 200 subscriptions takes some 6 MiB.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting, as the reader has it.
const DEPTH_MAX: usize = 200;

/// Why bytes are no row of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    /// There is text where a document should begin.
    #[error("the answer is not a row of XML documents")]
    Stray,
    /// An element ends that did not begin.
    #[error("the answer closes an element that is not open")]
    Unopened,
    /// A document does not end.
    #[error("a document of the answer is longer than {DOCUMENT_BYTES_MAX} bytes")]
    Long,
    /// Elements are nested deeper than in any answer.
    #[error("the answer nests elements deeper than {DEPTH_MAX} levels")]
    Deep,
}

/// Where in the markup the last byte stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Text,
    /// After `<`.
    Open,
    /// In a start tag: the quote that is open, and whether the last byte was a slash.
    Start(Option<u8>, bool),
    End,
    /// In `<?…?>`: whether the last byte was `?`.
    Instruction(bool),
    /// After `<!` and so many bytes of `--` or `[CDATA[`.
    Bang(&'static [u8], usize),
    /// In what ends with this byte twice and `>`: how often it came last.
    Until(u8, u8),
    Declaration,
}

/// Cuts a stream into its documents.
#[derive(Debug)]
pub(crate) struct Splitter {
    at: At,
    depth: usize,
    /// The document in the making, from its first `<`.
    document: Vec<u8>,
    ready: VecDeque<Vec<u8>>,
    error: Option<SplitError>,
}

impl Splitter {
    pub(crate) fn new() -> Self {
        Self { at: At::Text, depth: 0, document: Vec::new(), ready: VecDeque::new(), error: None }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.error.is_some() {
                return;
            }
            self.error = self.take(*byte).err();
        }
    }

    /// Returns the next whole document; an error once there are no more before it.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, SplitError> {
        match (self.ready.pop_front(), self.error) {
            (Some(document), _) => Ok(Some(document)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// Returns whether a document has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.depth > 0 || self.at != At::Text
    }

    fn take(&mut self, byte: u8) -> Result<(), SplitError> {
        // The mark of byte order may stand before a document.
        let is_between = byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf);
        if self.depth == 0 && self.at == At::Text && byte != b'<' {
            return if is_between { Ok(()) } else { Err(SplitError::Stray) };
        }
        if self.document.len() >= DOCUMENT_BYTES_MAX {
            return Err(SplitError::Long);
        }
        self.document.push(byte);
        self.at = match (self.at, byte) {
            (At::Text, b'<') => At::Open,
            (At::Text, _) => At::Text,
            (At::Open, b'?') => At::Instruction(false),
            (At::Open, b'!') => At::Bang(b"", 0),
            (At::Open, b'/') => At::End,
            (At::Open, _) => At::Start(None, false),
            (At::Start(None, true), b'>') => self.close(self.depth)?,
            (At::Start(None, false), b'>') => self.open()?,
            (At::Start(None, _), b'"' | b'\'') => At::Start(Some(byte), false),
            (At::Start(None, _), _) => At::Start(None, byte == b'/'),
            (At::Start(Some(quote), _), _) => At::Start(Some(quote).filter(|quote| *quote != byte), false),
            (At::End, b'>') => self.close(self.depth.checked_sub(1).ok_or(SplitError::Unopened)?)?,
            (At::End, _) => At::End,
            (At::Instruction(true), b'>') | (At::Declaration, b'>') => self.pass(),
            (At::Instruction(_), _) => At::Instruction(byte == b'?'),
            (At::Declaration, _) => At::Declaration,
            (At::Bang(b"", 0), b'-') => At::Bang(b"--", 1),
            (At::Bang(b"", 0), b'[') => At::Bang(b"[CDATA[", 1),
            (At::Bang(word, n), _) if word.get(n) == Some(&byte) => match n + 1 {
                whole if whole < word.len() => At::Bang(word, whole),
                _ => At::Until(if word == b"--" { b'-' } else { b']' }, 0),
            },
            (At::Bang(..), b'>') => self.pass(),
            (At::Bang(..), _) => At::Declaration,
            (At::Until(_, 2), b'>') => self.pass(),
            (At::Until(end, n), _) => At::Until(end, if byte == end { (n + 1).min(2) } else { 0 }),
        };
        Ok(())
    }

    fn open(&mut self) -> Result<At, SplitError> {
        if self.depth >= DEPTH_MAX {
            return Err(SplitError::Deep);
        }
        self.depth += 1;
        Ok(At::Text)
    }

    /// Notes that an element ended and how deep that leaves us.
    fn close(&mut self, depth: usize) -> Result<At, SplitError> {
        self.depth = depth;
        if depth == 0 {
            self.ready.push_back(std::mem::take(&mut self.document));
        }
        Ok(At::Text)
    }

    /// Ends what is no element; outside of documents it is dropped.
    fn pass(&mut self) -> At {
        if self.depth == 0 {
            self.document.clear();
        }
        At::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(bytes: &[u8], piece: usize) -> (Vec<String>, Option<SplitError>, bool) {
        let mut splitter = Splitter::new();
        let mut documents = Vec::new();
        for piece in bytes.chunks(piece) {
            splitter.push(piece);
            while let Ok(Some(document)) = splitter.next() {
                documents.push(String::from_utf8_lossy(&document).into_owned());
            }
        }
        (documents, splitter.next().err(), splitter.is_inside())
    }

    const ROW: &str =
        "\u{feff}<?xml version=\"1.0\"?>\r\n<a><b k='>' l=\"/>\"/><!-- </a> -- > --><![CDATA[</a>]]]]><c>x > y</c></a><?p <a>?><!DOCTYPE z>\n<d/><e></e>";

    #[test]
    fn documents_are_found_wherever_the_bytes_are_cut() {
        for piece in 1..=ROW.len() {
            let (documents, error, inside) = split(ROW.as_bytes(), piece);
            assert_eq!(documents.len(), 3, "{documents:?}");
            assert!(documents[0].starts_with("<a><b") && documents[0].ends_with("</c></a>"), "{documents:?}");
            assert_eq!((documents[1].as_str(), documents[2].as_str(), error, inside), ("<d/>", "<e></e>", None, false));
        }
    }

    #[test]
    fn what_is_no_row_of_documents_is_told() {
        assert_eq!(split(b"<a></a> HTTP/1.1 200", 3), (vec!["<a></a>".to_owned()], Some(SplitError::Stray), false));
        assert_eq!(split(b"</a>", 1).1, Some(SplitError::Unopened));
        assert_eq!(split("<a>".repeat(300).as_bytes(), 100).1, Some(SplitError::Deep));
        assert_eq!(split(&[b"<a>".as_slice(), &vec![b'x'; DOCUMENT_BYTES_MAX]].concat(), 1 << 20).1, Some(SplitError::Long));
        assert!(split(b"<a><b></b>", 4).2, "half a document is no end");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_cutting_changes_nothing(
            bytes in proptest::collection::vec(prop_oneof![Just(b'<'), Just(b'>'), Just(b'/'), Just(b'a'), Just(b'!'), Just(b'-'), Just(b'['), Just(b'"'), any::<u8>()], 0..200),
            piece in 1usize..50,
        ) {
            prop_assert_eq!(split(&bytes, piece), split(&bytes, 1000));
        }
    }
}
