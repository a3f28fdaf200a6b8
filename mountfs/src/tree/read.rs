//! Reading bytes: exactly as many as the catalogue promised, or an error; never zeros.

use super::{Tree, report};
use crate::archive::{Archive, Blob};
use crate::errno::ViewError;
use crate::node::Node;
use c2b_storagefmt::{ItemKey, MailboxKey};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Open contents kept; each has the list of its parts, a few KB for most.
const READERS_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A content in use.
pub(super) struct Reader {
    blob: Option<Box<dyn Blob>>,
    mailbox: MailboxKey,
    item: ItemKey,
    size: u64,
}

/// The contents that were read last.
pub(super) struct Readers(Mutex<LruCache<Node, Arc<Reader>>>);

impl Readers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(READERS_MAX)))
    }
}

impl<A: Archive> Tree<A> {
    /// Reads up to `size` bytes from `offset`; fewer only at the file's end.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] or [`ViewError::Short`] when the bytes cannot be had; [`ViewError::NotFile`]; [`ViewError::Stale`].
    pub fn read(&self, node: Node, offset: u64, size: usize) -> Result<Vec<u8>, ViewError> {
        match node {
            Node::Readme => Ok(range(report::README.as_bytes(), offset, size)),
            Node::Report(kind, seq) => Ok(range(&self.report(&self.head(), kind, seq)?.bytes, offset, size)),
            Node::Item(..) | Node::PointItem(..) => self.reader(node)?.read(offset, size),
            _ => Err(ViewError::NotFile),
        }
    }

    fn reader(&self, node: Node) -> Result<Arc<Reader>, ViewError> {
        if let Some(reader) = self.lock_readers().get(&node) {
            return Ok(reader.clone());
        }
        let row = self.item(node)?;
        let damaged = |source| ViewError::Damaged { item: row.key, mailbox: row.mailbox, offset: 0, source };
        let blob = row.shown.map(|id| self.archive.open(row.mailbox, &id).map_err(damaged)).transpose()?;
        let reader = Arc::new(Reader { blob, mailbox: row.mailbox, item: row.key, size: row.size });
        self.lock_readers().put(node, reader.clone());
        Ok(reader)
    }

    fn lock_readers(&self) -> std::sync::MutexGuard<'_, LruCache<Node, Arc<Reader>>> {
        self.readers.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn read(&self, offset: u64, size: usize) -> Result<Vec<u8>, ViewError> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; size.min(left)];
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            let read = match &self.blob {
                Some(blob) => blob.read_at(at, &mut buffer[filled..]),
                None => Ok(0),
            };
            match read.map_err(|source| ViewError::Damaged { item: self.item, mailbox: self.mailbox, offset: at, source })? {
                0 => return Err(ViewError::Short { item: self.item, mailbox: self.mailbox, end: at, size: self.size }),
                n => filled += n,
            }
        }
        Ok(buffer)
    }
}

fn range(bytes: &[u8], offset: u64, size: usize) -> Vec<u8> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes[start..start.saturating_add(size).min(bytes.len())].to_vec()
}
