//! Records of the index's frames: a bounded memory of the frames asked for last, decompressed.
//!
//! Whoever asks for one record pays for finding it, not for decoding its neighbours.

use crate::format::record::Record;
use crate::format::row::Table;
use crate::pack::frame::{decode_frame, split_frame};
use crate::pack::records::RecordsView;
use crate::seal::{Keys, SealError};
use crate::{Error, FrameKey, Place};
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of frames in bytes: some 250 full ones.
const MEMORY_BYTES_MAX: usize = 16 << 20;

type Frame = Arc<Mutex<RecordsView>>;

pub(super) struct Records {
    keys: Keys,
    memory: Mutex<Memory>,
}

struct Memory {
    frames: LruCache<FrameKey, (Frame, usize)>,
    bytes: usize,
}

impl Records {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, memory: Mutex::new(Memory { frames: LruCache::unbounded(), bytes: 0 }) }
    }

    /// Returns the keys that frames are opened with.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns a record; `fetch` gives the frame with its header if it is not remembered.
    pub(super) fn record(&self, place: Place, fetch: impl FnOnce() -> Result<Option<Vec<u8>>, Error>) -> Result<Option<Arc<Record>>, Error> {
        let remembered = self.memory.lock().unwrap_or_else(PoisonError::into_inner).frames.get(&place.frame).map(|(frame, _)| Arc::clone(frame));
        let frame = match remembered {
            Some(frame) => frame,
            None => {
                let Some(bytes) = fetch()? else { return Ok(None) };
                let Some((frame, weight)) = self.decode(place.frame, bytes)? else { return Ok(None) };
                self.remember(place.frame, &frame, weight);
                frame
            }
        };
        let mut frame = frame.lock().unwrap_or_else(PoisonError::into_inner);
        let record = frame.get(place.index).map_err(|_| damaged())?;
        Ok(record.map(Arc::new))
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.frames.clear();
        memory.bytes = 0;
    }

    fn remember(&self, key: FrameKey, frame: &Frame, weight: usize) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, before)) = memory.frames.put(key, (Arc::clone(frame), weight)) {
            memory.bytes -= before;
        }
        memory.bytes += weight;
        while memory.bytes > MEMORY_BYTES_MAX
            && let Some((_, (_, weight))) = memory.frames.pop_lru()
        {
            memory.bytes -= weight;
        }
    }

    /// Opens a frame; `None` when its mailbox's key was destroyed.
    fn decode(&self, key: FrameKey, bytes: Vec<u8>) -> Result<Option<(Frame, usize)>, Error> {
        let (header, stored) = split_frame(bytes).map_err(|_| damaged())?;
        if header.key != key {
            return Err(damaged());
        }
        let raw = match decode_frame(&header, stored, &self.keys, None, None) {
            Err(Error::Seal { err: SealError::KeyDestroyed { .. } }) => return Ok(None),
            other => other?,
        };
        let weight = raw.len();
        Ok(Some((Arc::new(Mutex::new(RecordsView::new(raw))), weight)))
    }
}

fn damaged() -> Error {
    Error::IndexRow { table: Table::Records.name() }
}
