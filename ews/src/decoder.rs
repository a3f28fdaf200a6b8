//! Base64 text of any length, as it streams in, to bytes in a [`ContentWriter`].
//!
//! White space and missing padding are accepted, as servers send both. Anything else that is not
//! base64 is remembered and told at the end, so that a bad item does not stop its batch. Exchange's mark
//! of a truncated export is recognised, written plainly behind the base64 or encoded at its end.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, Simd};
use c2b_mailbox::{Content, ContentWriter};
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;

/// Accepts what servers send: any padding, and bits behind the last byte.
static BASE64: LazyLock<Simd> = LazyLock::new(|| {
    Simd::standard(GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true))
});

/// How much text is decoded at once, in bytes: a multiple of four.
const STEP_BYTES: usize = 32 * 1024;
/// How much text without a break is decoded where it stands, in bytes.
const LONG_RUN_BYTES: usize = 4 * 1024;
/// How much text is looked through at once for a break, in bytes: about a line, since some servers break lines.
const GLANCE_BYTES: usize = 64;
/// What Exchange puts at the end of an export that it could not finish.
const TRUNCATED_MARK: &[u8] = b"=== Truncated Data ===";
/// As much of the mark as stands behind the first padding character.
const TRUNCATED_MARK_REST: &[u8] = b"== Truncated Data ===";
/// How much of what follows the base64 is looked at, in bytes.
const REST_BYTES_MAX: usize = 256;

/// Bytes in the making.
pub(crate) struct Decoder {
    out: ContentWriter,
    text: Vec<u8>,
    bytes: Vec<u8>,
    /// What came after the first padding character.
    rest: Vec<u8>,
    padded: bool,
    bad: bool,
    /// The last decoded bytes, to find the mark.
    tail: Vec<u8>,
}

/// What came of decoding.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// All of it.
    Whole(Content),
    /// The server cut it short and said so.
    Truncated,
    /// It is not base64.
    Bad,
}

impl Decoder {
    /// Starts a content that spills to `spool_dir`.
    pub(crate) fn new(spool_dir: &Path) -> Self {
        Self { out: ContentWriter::new_in(spool_dir), text: Vec::new(), bytes: Vec::new(), rest: Vec::new(), padded: false, bad: false, tail: Vec::new() }
    }

    /// Takes the next piece of text.
    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut left = piece;
        while !left.is_empty() {
            if self.padded {
                self.push_rest(left);
                break;
            }
            let (run, behind) = left.split_at(run_len(left));
            self.push_run(run)?;
            if behind.first() == Some(&b'=') {
                self.padded = true;
            }
            left = behind.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    fn push_run(&mut self, mut run: &[u8]) -> io::Result<()> {
        if run.len() >= LONG_RUN_BYTES {
            let (head, body) = run.split_at((4 - self.text.len() % 4) % 4);
            self.text.extend_from_slice(head);
            self.step()?;
            let (whole, left) = body.split_at(body.len() - body.len() % 4);
            whole.chunks(STEP_BYTES).try_for_each(|text| self.decode(text))?;
            run = left;
        }
        while !run.is_empty() {
            let (taken, left) = run.split_at(run.len().min(STEP_BYTES - self.text.len()));
            self.text.extend_from_slice(taken);
            if self.text.len() == STEP_BYTES {
                self.step()?;
            }
            run = left;
        }
        Ok(())
    }

    fn push_rest(&mut self, rest: &[u8]) {
        let space = REST_BYTES_MAX - self.rest.len();
        self.bad |= rest.len() > space;
        self.rest.extend_from_slice(rest.get(..space).unwrap_or(rest));
    }

    /// Ends the text.
    pub(crate) fn finish(mut self) -> io::Result<Decoded> {
        self.step()?;
        if contains(&self.rest, TRUNCATED_MARK_REST) || self.tail.ends_with(TRUNCATED_MARK) {
            return Ok(Decoded::Truncated);
        }
        let padding_only = self.rest.iter().all(|byte| matches!(byte, b'=' | b' ' | b'\r' | b'\n' | b'\t'));
        if self.bad || !padding_only {
            return Ok(Decoded::Bad);
        }
        Ok(Decoded::Whole(self.out.finish()?))
    }

    fn step(&mut self) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.text);
        self.decode(&text)?;
        text.clear();
        self.text = text;
        Ok(())
    }

    fn decode(&mut self, text: &[u8]) -> io::Result<()> {
        if self.bad || text.is_empty() {
            return Ok(());
        }
        self.bytes.clear();
        if BASE64.decode_vec(text, &mut self.bytes).is_err() {
            self.bad = true;
            return Ok(());
        }
        self.out.write_all(&self.bytes)?;
        let keep = TRUNCATED_MARK.len();
        self.tail.extend_from_slice(self.bytes.get(self.bytes.len().saturating_sub(keep)..).unwrap_or_default());
        let surplus = self.tail.len().saturating_sub(keep);
        self.tail.drain(..surplus);
        Ok(())
    }
}

/// Returns how many bytes come before the first white space or padding character.
fn run_len(text: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b'=' | b' ' | b'\r' | b'\n' | b'\t');
    let (blocks, _) = text.as_chunks::<GLANCE_BYTES>();
    let plain = blocks.iter().take_while(|block| !block.iter().fold(false, |found, byte| found | ends(byte))).count() * GLANCE_BYTES;
    text[plain..].iter().position(ends).map_or(text.len(), |at| plain + at)
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn decode(text: &[u8], piece: usize) -> Decoded {
        let dir = tempfile::tempdir().unwrap();
        let mut decoder = Decoder::new(dir.path());
        for piece in text.chunks(piece) {
            decoder.push(piece).unwrap();
        }
        decoder.finish().unwrap()
    }

    fn whole(text: &str) -> Vec<u8> {
        match decode(text.as_bytes(), 3) {
            Decoded::Whole(mut content) => content.to_vec().unwrap(),
            other => panic!("{text:?} is {other:?}"),
        }
    }

    #[test]
    fn white_space_and_missing_padding_are_accepted() {
        for text in ["aGVsbG8=", "aGVsbG8", " aGV\r\nsb\tG8= \n", "aGVsbG8==="] {
            assert_eq!(whole(text), b"hello", "{text:?}");
        }
        assert_eq!(whole(""), b"");
    }

    #[test]
    fn what_is_not_base64_is_bad() {
        for text in ["aGV*bG8=", "aGVsbG8=aGVsbG8=", "a", "aGVsbG8\u{fffd}"] {
            assert!(matches!(decode(text.as_bytes(), 5), Decoded::Bad), "{text:?}");
        }
    }

    #[test]
    fn the_mark_of_truncation_is_seen_plain_and_encoded() {
        assert!(matches!(decode(b"aGVsbG8h=== Truncated Data ===", 7), Decoded::Truncated));
        assert!(matches!(decode(b"aGVsbG8=\n=== Truncated Data ===\n", 7), Decoded::Truncated));
        let encoded = STANDARD.encode([vec![7; 40_000], TRUNCATED_MARK.to_vec()].concat());
        assert!(matches!(decode(encoded.as_bytes(), 1000), Decoded::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_whatever_the_pieces(len in 0usize..100_000, seed: u8, piece in 1usize..5000) {
            let bytes: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap() ^ seed).collect();
            let Decoded::Whole(mut content) = decode(STANDARD.encode(&bytes).as_bytes(), piece) else { panic!("not whole") };
            prop_assert_eq!(content.to_vec().unwrap(), bytes);
        }
    }
}
