//! Bytes of any size on their way from a source to the archive, in bounded memory.
//!
//! Small contents stay in memory; beyond [`MEMORY_BYTES_MAX`] they continue in an unlinked
//! temporary file. A content can be read again from its beginning as often as needed, since the
//! archive looks at it twice (first to see how it can be cut, then to store it).

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::SpooledTempFile;

/// How much of one content is held in memory before it spills to disk, in bytes.
///
/// 1 MiB holds nearly all mail without attachments; with tens of items in flight the total
/// stays below 64 MiB.
pub const MEMORY_BYTES_MAX: usize = 1024 * 1024;

/// Finished bytes, readable and seekable from the start.
pub struct Content {
    spool: SpooledTempFile,
    len: u64,
}

/// A content that is being received.
pub struct ContentWriter {
    spool: SpooledTempFile,
    len: u64,
}

impl ContentWriter {
    /// Starts a content that spills to the system's temporary folder.
    pub fn new() -> Self {
        Self { spool: SpooledTempFile::new(MEMORY_BYTES_MAX), len: 0 }
    }

    /// Starts a content that spills to `dir`.
    pub fn new_in(dir: &Path) -> Self {
        Self { spool: tempfile::spooled_tempfile_in(MEMORY_BYTES_MAX, dir), len: 0 }
    }

    /// Seals the content.
    ///
    /// # Errors
    /// When the temporary file cannot be rewound.
    pub fn finish(mut self) -> io::Result<Content> {
        self.spool.flush()?;
        self.spool.seek(SeekFrom::Start(0))?;
        Ok(Content { spool: self.spool, len: self.len })
    }
}

impl Default for ContentWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for ContentWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.spool.write(bytes)?;
        self.len += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.flush()
    }
}

impl Content {
    /// Wraps bytes that are in memory already.
    ///
    /// # Errors
    /// When they exceed the memory bound and cannot be spilled to the temporary folder.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        let mut writer = ContentWriter::new();
        writer.write_all(bytes)?;
        writer.finish()
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rewinds and returns all bytes.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn to_vec(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.seek(SeekFrom::Start(0))?;
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.spool.read(buffer)
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.spool.seek(to)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_reads_back_whether_it_spilled_or_not() {
        for len in [0, 1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1, 3 * MEMORY_BYTES_MAX] {
            let bytes: Vec<u8> = (0..=250u8).cycle().take(len).collect();
            let mut content = Content::from_bytes(&bytes).unwrap();
            assert_eq!(content.len(), len as u64);
            assert_eq!(content.to_vec().unwrap(), bytes);
            assert_eq!(content.to_vec().unwrap(), bytes, "a second read differs");
        }
    }
}
