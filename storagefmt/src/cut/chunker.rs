//! Content-defined chunking of bytes as they come.
//!
//! FastCDC (2020, normalisation level 1) cuts where the content says so, hence equal stretches in
//! different places give equal chunks. A chunk begins exactly where a part begins. Text that fits into
//! one chunk is one: it is stored in groups with its neighbours, and many names would cost more than
//! what two versions of it share. Readers need none of this; changing a number below costs
//! deduplication with older chunks and nothing else.

use fastcdc::v2020::{MASKS, cut};

/// Shortest chunk that is cut off, in bytes.
const CHUNK_BYTES_MIN: usize = 16 << 10;
/// Length aimed at, in bytes: small enough that an edited document shares most of itself.
const CHUNK_BYTES_AVG: usize = 1 << AVG_BITS;
const AVG_BITS: usize = 16;
/// Longest chunk, in bytes: what a random read must decode at most.
pub(crate) const CHUNK_BYTES_MAX: usize = 256 << 10;
/// How much of a stretch is looked at to see whether it is text, in bytes.
const TEXT_BYTES: usize = 4 << 10;

/// Cuts one stretch of bytes.
#[derive(Default)]
pub(crate) struct Chunker {
    buffer: Vec<u8>,
    began: bool,
}

impl Chunker {
    /// Takes bytes and gives out the chunks that are complete.
    pub(crate) fn push<E>(&mut self, bytes: &[u8], chunk: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        // In steps, so that the buffer stays within three chunks however much comes at once.
        for piece in bytes.chunks(CHUNK_BYTES_MAX) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= 2 * CHUNK_BYTES_MAX {
                let left = Self::cut(&self.buffer, CHUNK_BYTES_MAX, chunk)?;
                self.began = true;
                self.buffer.drain(..self.buffer.len() - left);
            }
        }
        Ok(())
    }

    /// Gives out what is left and is ready for the next stretch.
    pub(crate) fn finish<E>(&mut self, chunk: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if std::mem::take(&mut self.began) {
            Self::cut(&self.buffer, 1, chunk)?;
        } else {
            Self::whole(&self.buffer, chunk)?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Cuts a stretch that is there as a whole.
    pub(crate) fn whole<E>(bytes: &[u8], chunk: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if bytes.is_empty() {
            Ok(())
        } else if bytes.len() <= CHUNK_BYTES_MIN || bytes.len() <= CHUNK_BYTES_MAX && is_text(&bytes[..bytes.len().min(TEXT_BYTES)]) {
            chunk(bytes)
        } else {
            Self::cut(bytes, 1, chunk).map(|_| ())
        }
    }

    /// Cuts while at least `least` bytes are left; returns how many that are. With a whole longest chunk ahead, a cut does not depend on what comes later.
    fn cut<E>(bytes: &[u8], least: usize, chunk: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<usize, E> {
        let (early, late) = (MASKS[AVG_BITS + 1], MASKS[AVG_BITS - 1]);
        let mut rest = bytes;
        while rest.len() >= least {
            let (_, len) = cut(rest, CHUNK_BYTES_MIN, CHUNK_BYTES_AVG, CHUNK_BYTES_MAX, early, late, early << 1, late << 1);
            let (head, tail) = rest.split_at(len.clamp(1, rest.len()));
            chunk(head)?;
            rest = tail;
        }
        Ok(rest.len())
    }
}

/// Returns whether this looks like text in an encoding that extends ASCII.
fn is_text(head: &[u8]) -> bool {
    !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut chunker, mut chunks) = (Chunker::default(), Vec::new());
        let mut take = |bytes: &[u8]| {
            chunks.push(bytes.to_vec());
            Ok::<(), ()>(())
        };
        for piece in pieces {
            chunker.push(piece, &mut take).unwrap();
        }
        chunker.finish(&mut take).unwrap();
        chunks
    }

    fn noise(len: usize, seed: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(seed).finalize_xof().fill(&mut bytes);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn how_bytes_come_does_not_change_where_they_are_cut(len in 0usize..2_000_000, at in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let bytes = noise(len, b"a");
            let mut at: Vec<usize> = at.iter().map(|index| index.index(len + 1)).collect();
            at.extend([0, len]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let chunks = cut(&pieces);
            prop_assert_eq!(&chunks, &cut(&[&bytes]));
            prop_assert_eq!(chunks.concat(), bytes);
        }
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let bytes = noise(4_000_000, b"b");
        let edited = [&bytes[..1_000_000], b"something new", &bytes[1_000_000..]].concat();
        let before: std::collections::HashSet<_> = cut(&[&bytes]).into_iter().collect();
        let new = cut(&[&edited]).into_iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(new <= 3, "{new} of {} chunks are new", before.len());
    }
}
