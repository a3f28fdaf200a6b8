//! A pack on its way to the store: header, frames in any order, directory, trailer; then durable, then visible.
//!
//! No file is made before something must be written.

use super::frame::{Frame, FrameDraft, FrameMaker};
use crate::format::pack::{
    CommitEntry, DIRECTORY_N, Directory, FRAME_BYTES, FrameEntry, FrameHeader, FrameKind, HEADER_BYTES, PackHeader, encode_trailer, name,
};
use crate::format::record::Record;
use crate::seal::Keys;
use crate::store::{Store, StoreFile};
use crate::{Error, FrameKey, MailboxKey, Place};
use std::io;
use std::sync::Arc;

/// A pack that is being written.
pub(super) struct PackFile {
    store: Arc<dyn Store>,
    header: PackHeader,
    file: Option<Box<dyn StoreFile>>,
    bytes: u64,
    frames: Vec<FrameEntry>,
    records: Vec<(FrameKey, Vec<u8>)>,
}

/// A pack that is durable and visible.
pub(crate) struct PackSealed {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    #[cfg_attr(not(test), expect(dead_code, reason = "freeing, erasing and resealing rewrite packs"))]
    pub(crate) header: PackHeader,
    pub(crate) directory: Directory,
    /// The frames of records as they lie in the pack, header included, in the order of their names.
    pub(crate) records: Vec<(FrameKey, Vec<u8>)>,
    /// Records that the pack got when it was sealed: blocks and grants, and the commit as the last.
    pub(crate) added: Vec<(Place, Option<MailboxKey>, Record)>,
}

impl PackFile {
    pub(super) fn new(store: Arc<dyn Store>, header: PackHeader) -> Self {
        Self { store, header, file: None, bytes: 0, frames: Vec::new(), records: Vec::new() }
    }

    /// Returns how many bytes were written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a frame: its header and, behind it, its stored bytes.
    pub(super) fn append(&mut self, header: &FrameHeader, bytes: Vec<u8>) -> Result<(), Error> {
        debug_assert_eq!(bytes.len(), FRAME_BYTES + header.stored as usize);
        let offset = self.bytes.max(HEADER_BYTES as u64);
        self.write(&bytes)?;
        self.frames.push(FrameEntry { offset, header: *header });
        if header.kind == FrameKind::Records {
            self.records.push((header.key, bytes));
        }
        Ok(())
    }

    /// Ends the pack, makes it durable and publishes it.
    pub(super) fn finish(mut self, commits: Vec<CommitEntry>, keys: &Keys) -> Result<PackSealed, Error> {
        let directory = Directory { commits, frames: std::mem::take(&mut self.frames) };
        let too_long = || Error::file("encode", "a directory")(io::Error::from(io::ErrorKind::FileTooLarge));
        let raw = directory.encode().ok_or_else(too_long)?;
        let key = FrameKey::new(self.header.last, DIRECTORY_N);
        let draft = FrameDraft { kind: FrameKind::Directory, mailbox: 0, key, hash: None, raw, compress: true };
        let Frame { header, mut bytes } = FrameMaker::default().make(draft, keys)?;
        bytes.extend(encode_trailer(self.bytes.max(HEADER_BYTES as u64)));
        self.write(&bytes)?;
        let [a, b, c, d, ..] = header.checksum;
        let name = name(self.header.first, self.header.last, self.header.generation, [a, b, c, d]);
        let mut file = self.file.take().ok_or(Error::BatchBroken)?;
        file.sync().map_err(Error::file("sync", &name))?;
        file.publish(&name).map_err(Error::file("publish", &name))?;
        self.store.sync(&name).map_err(Error::file("sync the folder of", &name))?;
        self.records.sort_unstable_by_key(|(key, _)| *key);
        Ok(PackSealed { name, bytes: self.bytes, header: self.header, directory, records: self.records, added: Vec::new() })
    }

    /// Appends bytes; the header comes first by itself.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = none.insert(self.store.begin().map_err(Error::file("begin", "a pack"))?);
                file.write(&self.header.encode()).map_err(Error::file("write", "a pack"))?;
                self.bytes = HEADER_BYTES as u64;
                file
            }
        };
        file.write(bytes).map_err(Error::file("write", "a pack"))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
