//! Opening a pack, whole or damaged.
//!
//! Nothing that a reader returns is unproven: every frame's checksum holds, or the frame is reported
//! as damaged and left out. What one frame lost hides no other.

use super::frame::{decode_frame, split_frame};
use super::records::decode_records;
use crate::format::pack::{
    CommitEntry, Directory, FRAME_BYTES, FRAME_MAGIC, FrameEntry, FrameHeader, FrameKind, HEADER_BYTES, PackHeader, PackName, TRAILER_BYTES, TRAILER_MAGIC,
    decode_trailer, parse_name,
};
use crate::format::record::Record;
use crate::seal::Keys;
use crate::store::Store;
use crate::{CommitSeq, Error};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// A pack that is being read.
pub(crate) struct PackReader<'a> {
    store: &'a dyn Store,
    name: String,
    bytes: u64,
    header: Option<PackHeader>,
    commits: Option<Vec<CommitEntry>>,
    frames: Vec<FrameEntry>,
    damages: Vec<PackDamage>,
    foreign: bool,
}

/// A damaged place in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackDamage {
    /// Where, in bytes from the pack's beginning.
    pub(crate) offset: u64,
    /// What is wrong.
    pub(crate) reason: String,
}

/// How many bytes are looked through at a time for the next frame.
const SEARCH_BYTES: usize = 1 << 20;

impl<'a> PackReader<'a> {
    /// Opens a pack that belongs to `storage`, and finds its frames.
    pub(crate) fn open(store: &'a dyn Store, name: &str, bytes: u64, storage: Uuid) -> Result<Self, Error> {
        let mut pack = Self { store, name: name.to_owned(), bytes, header: None, commits: None, frames: Vec::new(), damages: Vec::new(), foreign: false };
        let named = parse_name(name);
        match PackHeader::decode(&pack.read(0, HEADER_BYTES)?) {
            Ok(header) => {
                pack.header = Some(header);
                if header.storage != storage {
                    pack.foreign(format!("it is of storage {}", header.storage));
                } else if named.is_none_or(|name| (header.first, header.last, header.generation) != (name.first, name.last, name.generation)) {
                    pack.foreign(format!("it holds commits {} to {} in generation {}, not what its name says", header.first, header.last, header.generation));
                }
            }
            Err(reason) => pack.damage(0, reason),
        }
        match pack.directory(named)? {
            Ok(directory) => (pack.commits, pack.frames) = (Some(directory.commits), directory.frames),
            Err(reason) => {
                let offset = pack.bytes.saturating_sub(TRAILER_BYTES as u64);
                pack.damage(offset, reason);
                let range = named.map(|name| name.first..=name.last).or_else(|| pack.header.map(|header| header.first..=header.last));
                pack.frames = pack.search()?;
                pack.frames.retain(|frame| range.as_ref().is_none_or(|range| range.contains(&frame.header.key.seq)));
            }
        }
        Ok(pack)
    }

    /// Returns the header, if it is whole.
    #[cfg_attr(not(test), expect(dead_code, reason = "freeing, erasing and resealing rewrite packs"))]
    pub(crate) fn header(&self) -> Option<PackHeader> {
        self.header
    }

    /// Returns whether the pack is whole as such, but of another storage or other commits than its name says.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Returns whether the directory was lost, so that frames were looked for.
    pub(crate) fn is_salvaged(&self) -> bool {
        self.commits.is_none()
    }

    /// Returns the frames of contents and records, in the order in which they lie.
    pub(crate) fn frames(&self) -> &[FrameEntry] {
        &self.frames
    }

    /// Returns what was found damaged so far, and forgets it.
    pub(crate) fn take_damages(&mut self) -> Vec<PackDamage> {
        std::mem::take(&mut self.damages)
    }

    /// Returns the commits as the directory lists them; none when it is lost.
    pub(crate) fn listed_commits(&self) -> &[CommitEntry] {
        self.commits.as_deref().unwrap_or_default()
    }

    /// Returns the commits; without a directory as far as frames tell: a commit's time is in a record of the storage,
    /// and one that cannot be read is damage, the time of the commit before it (or 1970) in its place.
    pub(crate) fn commits(&mut self, keys: &Keys) -> Result<Vec<CommitEntry>, Error> {
        if let Some(commits) = &self.commits {
            return Ok(commits.clone());
        }
        let (mut counts, mut times) = (BTreeMap::<CommitSeq, u32>::new(), BTreeMap::new());
        for frame in self.frames.clone() {
            let key = frame.header.key;
            let count = counts.entry(key.seq).or_default();
            *count = (*count).max(key.n.saturating_add(1));
            if frame.header.kind == FrameKind::Records && frame.header.mailbox == 0 {
                for record in self.records(&frame, keys)?.into_iter().flatten().flatten() {
                    if let Record::Commit(commit) = record {
                        times.insert(key.seq, commit.time);
                    }
                }
            }
        }
        let (mut commits, mut last) = (Vec::with_capacity(counts.len()), 0);
        for (seq, frames) in counts {
            match times.get(&seq) {
                Some(time) => last = *time,
                None => self.damage(0, format!("the time of commit {seq} is lost")),
            }
            commits.push(CommitEntry { seq, time: last, frames });
        }
        Ok(commits)
    }

    /// Reads the stored bytes of a frame; a damaged one is noted and `None`.
    pub(crate) fn raw(&mut self, frame: &FrameEntry) -> Result<Option<Vec<u8>>, Error> {
        match split_frame(self.read(frame.offset, FRAME_BYTES + frame.header.stored as usize)?) {
            Ok((header, stored)) if header == frame.header => Ok(Some(stored)),
            Ok(_) => {
                self.damage(frame.offset, "its frame header is not the one that the directory lists".to_owned());
                Ok(None)
            }
            Err(reason) => {
                self.damage(frame.offset, reason);
                Ok(None)
            }
        }
    }

    /// Reads the records of a frame, holes included; a frame that cannot be decoded is noted and `None`.
    pub(crate) fn records(&mut self, frame: &FrameEntry, keys: &Keys) -> Result<Option<Vec<Option<Record>>>, Error> {
        let Some(stored) = self.raw(frame)? else { return Ok(None) };
        let reason = match decode_frame(&frame.header, stored, keys, None, None) {
            Ok(raw) => match decode_records(&raw) {
                Ok(records) => return Ok(Some(records)),
                Err(reason) => reason,
            },
            Err(Error::FrameDamaged { reason, .. }) => reason,
            Err(err) => return Err(err),
        };
        self.damage(frame.offset, reason);
        Ok(None)
    }

    /// Reads the directory; says why not when the end of the pack is damaged.
    fn directory(&self, named: Option<PackName>) -> Result<Result<Directory, String>, Error> {
        let Some(end) = self.bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok(Err("the pack is cut off".to_owned())) };
        let Some(offset) = decode_trailer(&self.read(end, TRAILER_BYTES)?) else { return Ok(Err("its end is damaged or cut off".to_owned())) };
        let Some(len) = end.checked_sub(offset).and_then(|len| usize::try_from(len).ok()) else { return Ok(Err("its directory lies outside".to_owned())) };
        let (header, stored) = match split_frame(self.read(offset, len)?) {
            Ok((header, stored)) if header.kind == FrameKind::Directory => (header, stored),
            Ok(_) => return Ok(Err("its directory is another frame".to_owned())),
            Err(reason) => return Ok(Err(format!("its directory: {reason}"))),
        };
        if named.is_some_and(|name| !header.checksum.starts_with(&name.check)) {
            return Ok(Err("its directory is not the one that its name tells of".to_owned()));
        }
        let unsealed = Keys::unsealed(Uuid::nil());
        let directory = decode_frame(&header, stored, &unsealed, None, None).ok().and_then(|raw| Directory::decode(&raw));
        let holds = |directory: &Directory| directory.frames.iter().all(|frame| frame.header.kind != FrameKind::Directory);
        Ok(directory.filter(holds).ok_or_else(|| "its directory cannot be decoded".to_owned()))
    }

    /// Finds the frames without a directory: one after the other, and beyond damage by looking for the next that proves itself.
    fn search(&mut self) -> Result<Vec<FrameEntry>, Error> {
        let (mut frames, mut keys, mut offset) = (Vec::new(), HashSet::new(), HEADER_BYTES as u64);
        let mut lost = false;
        while offset + FRAME_BYTES as u64 <= self.bytes {
            if let Some(header) = self.proven(offset)? {
                // Of a frame that is there twice, the first is meant.
                if header.kind != FrameKind::Directory && keys.insert(header.key) {
                    frames.push(FrameEntry { offset, header });
                }
                offset += header.bytes();
                lost = false;
                continue;
            }
            // The beginning of the directory's end is no frame.
            if !lost && self.read(offset, TRAILER_MAGIC.len())? != TRAILER_MAGIC {
                self.damage(offset, "no frame where one was expected".to_owned());
                lost = true;
            }
            offset = match self.behind(offset)? {
                Some(next) => next,
                None => self.next_magic(offset + 1)?,
            };
        }
        Ok(frames)
    }

    /// Returns where the frame after a damaged one begins, if the damaged one's header still says so. Its bytes need
    /// not be looked through then: a mail can have a pack attached.
    fn behind(&self, offset: u64) -> Result<Option<u64>, Error> {
        let Some(header) = FrameHeader::decode(&self.read(offset, FRAME_BYTES)?) else { return Ok(None) };
        let next = offset + header.bytes();
        Ok(self.proven(next)?.map(|_| next))
    }

    /// Returns the frame header at `offset` if its frame is there and whole.
    fn proven(&self, offset: u64) -> Result<Option<FrameHeader>, Error> {
        let Some(header) = FrameHeader::decode(&self.read(offset, FRAME_BYTES)?) else { return Ok(None) };
        if offset + header.bytes() > self.bytes {
            return Ok(None);
        }
        let stored = self.read(offset + FRAME_BYTES as u64, header.stored as usize)?;
        Ok(header.holds(&stored).then_some(header))
    }

    fn next_magic(&self, mut offset: u64) -> Result<u64, Error> {
        while offset < self.bytes {
            let bytes = self.read(offset, SEARCH_BYTES)?;
            if let Some(place) = memchr::memmem::find(&bytes, &FRAME_MAGIC) {
                return Ok(offset + place as u64);
            }
            if bytes.is_empty() {
                break;
            }
            // The magic may straddle two reads.
            offset += (bytes.len().saturating_sub(FRAME_MAGIC.len() - 1)).max(1) as u64;
        }
        Ok(self.bytes)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let len = len.min(usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX));
        let mut bytes = vec![0; len];
        let n = self.store.read_at(&self.name, offset, &mut bytes).map_err(Error::file("read", &self.name))?;
        bytes.truncate(n);
        Ok(bytes)
    }

    fn foreign(&mut self, reason: String) {
        self.foreign = true;
        self.damage(0, reason);
    }

    fn damage(&mut self, offset: u64, reason: String) {
        self.damages.push(PackDamage { offset, reason });
    }
}
