//! Cutting, and the proof by putting together again: for tests and fuzzing, which run the same.

#![expect(clippy::unwrap_used, reason = "a proof that fails panics")]

use super::quoted::Quoted;
use super::{Cutter, Encoder, Kind, Lines, Sink, cut_large, export, quoted};
use crate::format::recipe::{ChunkRef, Op, Part, RecipeRecord};
use crate::{ChunkId, ContentId, Error};
use c2b_mailbox::Content;

/// Chunks, one after the other, as if all were in one block.
#[derive(Default)]
pub(crate) struct Chunks {
    block: Vec<u8>,
    /// What was stored, in order.
    pub(crate) ids: Vec<ChunkId>,
}

impl Sink for Chunks {
    fn chunk(&mut self, id: ChunkId, bytes: &[u8]) -> Result<ChunkRef, Error> {
        assert_eq!(ChunkId::of(bytes), id);
        let offset = u32::try_from(self.block.len()).unwrap();
        self.block.extend_from_slice(bytes);
        self.ids.push(id);
        Ok(ChunkRef { seq: 1, n: 0, offset, len: u32::try_from(bytes.len()).unwrap() })
    }
}

impl Chunks {
    /// Returns the bytes that these references name, one after the other.
    pub(crate) fn bytes(&self, chunks: &[ChunkRef]) -> Vec<u8> {
        chunks.iter().flat_map(|chunk| &self.block[chunk.offset as usize..][..chunk.len as usize]).copied().collect()
    }

    /// Puts a content together as a reader does.
    pub(crate) fn put_together(&self, recipe: &RecipeRecord) -> Vec<u8> {
        let (skeleton, mut data) = (self.bytes(&recipe.skeleton), Vec::new());
        let mut skeleton = skeleton.as_slice();
        for op in &recipe.ops {
            match op {
                Op::Skeleton(len) => {
                    let (head, tail) = skeleton.split_at(usize::try_from(*len).unwrap());
                    data.extend_from_slice(head);
                    skeleton = tail;
                }
                Op::Part(part) => data.extend(self.part(part)),
            }
        }
        let (mut bytes, mut data) = (Vec::new(), data.as_slice());
        for frame in recipe.frames.iter().flat_map(|frame| std::iter::repeat_n(*frame, frame.count as usize)) {
            let (head, tail) = data.split_at(frame.len as usize);
            bytes.extend(export::header(frame));
            bytes.extend_from_slice(head);
            data = tail;
        }
        bytes.extend_from_slice(data);
        bytes
    }

    fn part(&self, part: &Part) -> Vec<u8> {
        let decoded = self.bytes(&part.chunks);
        let encoded = match (Lines::of(&part.coding), Quoted::of(&part.coding)) {
            (Some(lines), _) => {
                let mut encoder = Encoder::new(lines);
                [encoder.push(&decoded), encoder.finish()].concat()
            }
            (None, Some(quoted)) => quoted.encode(&decoded),
            (None, None) => decoded,
        };
        assert_eq!(encoded.len() as u64, part.len);
        encoded
    }
}

/// Cuts in memory and through small windows, checks that both give the bytes back, and returns what was cut in memory.
pub(crate) fn check(bytes: &[u8], kind: Kind) -> (RecipeRecord, Chunks) {
    let mut content = Content::from_bytes(bytes).unwrap();
    let (mut cutter, mut store, mut windowed) = (Cutter::default(), Chunks::default(), Chunks::default());
    let id = cutter.identify(&mut content).unwrap();
    assert_eq!(id, ContentId::of(bytes));
    let recipe = cutter.cut(&mut content, id, kind, &mut store).unwrap();
    assert!(store.put_together(&recipe) == bytes, "cut in memory, {recipe:?}");
    let read: RecipeRecord = minicbor::decode(&minicbor::to_vec(&recipe).unwrap()).unwrap();
    assert_eq!(read, recipe);
    for window in [600, 5000] {
        let recipe = cut_large(&mut content, id, kind, &mut windowed, &mut quoted::Scratch::default(), window).unwrap();
        assert!(windowed.put_together(&recipe) == bytes, "cut through a window, {recipe:?}");
    }
    (recipe, store)
}
