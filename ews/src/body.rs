//! The body of a request: text, and within it the bytes of contents as base64.
//!
//! A content is read while it is sent and may be sent again: no more than a piece of it is in memory at a time.

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use bytes::Bytes;
use c2b_mailbox::Content;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A content that requests may read again and again.
pub(crate) type SharedContent = Arc<Mutex<Content>>;

/// What a request sends; cheap to copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Bytes),
    /// The bytes that stand here as base64, and how many they are.
    Base64(SharedContent, u64),
}

impl Body {
    /// Adds text at the end.
    pub(crate) fn push_text(&mut self, text: impl Into<Bytes>) {
        self.parts.push(Part::Text(text.into()));
    }

    /// Adds a content at the end, as base64.
    pub(crate) fn push_base64(&mut self, content: SharedContent) {
        let len = content.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.parts.push(Part::Base64(content, len));
    }

    /// Returns how many bytes are sent.
    pub(crate) fn len(&self) -> u64 {
        let lens = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len() as u64,
            Part::Base64(_, len) => len.div_ceil(3) * 4,
        });
        lens.sum()
    }

    /// Returns all of it when it is but text, and so in memory.
    pub(crate) fn as_text(&self) -> Option<Bytes> {
        match self.parts.as_slice() {
            [] => Some(Bytes::new()),
            [Part::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// Writes all of it; blocks where a content is on disk.
    pub(crate) fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.write_all(text)?,
                Part::Base64(content, _) => {
                    let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
                    content.seek(SeekFrom::Start(0))?;
                    let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
                    io::copy(&mut *content, &mut encoder)?;
                    encoder.finish()?;
                }
            }
        }
        Ok(())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        let mut body = Self::default();
        body.push_text(text);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    #[test]
    fn a_body_is_as_long_as_it_says_and_the_same_each_time() {
        for len in [0usize, 1, 2, 3, 1000, 70_001] {
            let bytes: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let mut body = Body::from("<a>".to_owned());
            body.push_base64(Arc::new(Mutex::new(Content::from_bytes(&bytes).unwrap())));
            body.push_text("</a>");
            assert!(body.as_text().is_none());
            let expected = format!("<a>{}</a>", STANDARD.encode(&bytes));
            for _ in 0..2 {
                let mut written = Vec::new();
                body.write_to(&mut written).unwrap();
                assert_eq!(written, expected.as_bytes());
                assert_eq!(body.len(), written.len() as u64);
            }
        }
    }
}
