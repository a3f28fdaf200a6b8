//! Bytes that are cut: in memory, or in a file that is seen through a window.

use std::io::{self, Read, Seek, SeekFrom};

/// What is seen of a file at once, in bytes: a quoted-printable part must fit, and four windows of memory are nothing.
pub(crate) const WINDOW_BYTES: usize = 1 << 20;

/// Bytes at known places.
pub(crate) trait Source {
    /// Returns how many there are.
    fn len(&self) -> u64;

    /// Returns the bytes from `start` on: all up to `end`, or as many as a window shows.
    fn window(&mut self, start: u64, end: u64) -> io::Result<&[u8]>;
}

/// All bytes in memory: every window shows all of it.
pub(crate) struct Memory<'a>(pub(crate) &'a [u8]);

/// Bytes of a file.
pub(crate) struct Stream<R> {
    inner: R,
    len: u64,
    window: usize,
    buffer: Vec<u8>,
}

impl Source for Memory<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn window(&mut self, start: u64, end: u64) -> io::Result<&[u8]> {
        let place = |offset| usize::try_from(offset).ok();
        place(start).zip(place(end)).and_then(|(start, end)| self.0.get(start..end)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl<R: Read + Seek> Stream<R> {
    /// Looks at a file of a known length through a window of so many bytes.
    pub(crate) fn new(inner: R, len: u64, window: usize) -> Self {
        Self { inner, len, window, buffer: Vec::new() }
    }
}

impl<R: Read + Seek> Source for Stream<R> {
    fn len(&self) -> u64 {
        self.len
    }

    fn window(&mut self, start: u64, end: u64) -> io::Result<&[u8]> {
        let want = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX).min(self.window);
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        let buffer = self.buffer.get_mut(..want).unwrap_or_default();
        self.inner.seek(SeekFrom::Start(start))?;
        self.inner.read_exact(buffer)?;
        Ok(buffer)
    }
}
