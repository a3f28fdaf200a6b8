//! Bytes of an answer as valid UTF-8: what is not becomes U+FFFD.
//!
//! It also carries the allowance that bounds how much markup may be read at once.

use std::io::{self, BufRead, Read};

/// How much is read at once, in bytes: large enough that base64 of big items moves in large steps.
const CHUNK_BYTES: usize = 64 * 1024;

/// A reader whose bytes are valid UTF-8.
pub(super) struct Lossy<R> {
    inner: R,
    /// As read; the first `kept` bytes are the beginning of an unfinished character.
    raw: Vec<u8>,
    kept: usize,
    /// Its first `len` bytes are valid UTF-8, whole characters.
    clean: Vec<u8>,
    len: usize,
    at: usize,
    ended: bool,
    allowance: usize,
}

impl<R: Read> Lossy<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, raw: vec![0; CHUNK_BYTES], kept: 0, clean: vec![0; CHUNK_BYTES], len: 0, at: 0, ended: false, allowance: usize::MAX }
    }

    /// Limits how much can be consumed before the next call.
    pub(super) fn allow(&mut self, bytes_max: usize) {
        self.allowance = bytes_max;
    }

    fn refill(&mut self) -> io::Result<()> {
        self.len = 0;
        self.at = 0;
        while self.len == 0 && !self.ended {
            let space = self.raw.get_mut(self.kept..).unwrap_or_default();
            let read = self.inner.read(space)?;
            self.ended = read == 0;
            let len = (self.kept + read).min(self.raw.len());
            self.kept = self.clean_up(len);
        }
        Ok(())
    }

    /// Moves whole characters of `raw[..len]` to `clean`; returns how many bytes stay for later.
    fn clean_up(&mut self, len: usize) -> usize {
        let valid = match std::str::from_utf8(&self.raw[..len]) {
            Ok(_) => len,
            Err(err) if !self.ended && err.error_len().is_none() => err.valid_up_to(),
            Err(_) => return self.mend(len),
        };
        std::mem::swap(&mut self.raw, &mut self.clean);
        self.len = valid;
        self.raw[..len - valid].copy_from_slice(&self.clean[valid..len]);
        len - valid
    }

    /// As `clean_up`, of bytes that are not UTF-8.
    fn mend(&mut self, len: usize) -> usize {
        self.clean.clear();
        let mut left = 0;
        let mut taken = 0;
        for piece in self.raw[..len].utf8_chunks() {
            self.clean.extend_from_slice(piece.valid().as_bytes());
            taken += piece.valid().len() + piece.invalid().len();
            let unfinished = !self.ended && taken == len && std::str::from_utf8(piece.invalid()).is_err_and(|err| err.error_len().is_none());
            if unfinished {
                left = piece.invalid().len();
            } else if !piece.invalid().is_empty() {
                self.clean.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        self.len = self.clean.len();
        self.clean.resize(self.len.max(CHUNK_BYTES), 0);
        self.raw.copy_within(len - left..len, 0);
        left
    }
}

impl<R: Read> Read for Lossy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(buffer.len());
        buffer[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for Lossy<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.allowance == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a tag is longer than any tag should be"));
        }
        if self.at >= self.len {
            self.refill()?;
        }
        Ok(&self.clean[self.at..self.len])
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
        self.allowance = self.allowance.saturating_sub(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes in pieces of one size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_read_as_the_standard_library_reads_them(bytes: Vec<u8>, piece in 1usize..7) {
            let mut text = String::new();
            Lossy::new(Pieces(&bytes, piece)).read_to_string(&mut text).unwrap();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
