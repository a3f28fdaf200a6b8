//! Content-defined chunking of bytes as they come.
//!
//! FastCDC (2020, normalisation level 1) cuts where the content says so, hence equal stretches in
//! different places give equal chunks. A chunk begins exactly where a part begins. Readers need none
//! of this; changing a number below costs deduplication with older chunks and nothing else.

use fastcdc::v2020::FastCDC;

/// Shortest chunk that is cut off, in bytes.
const CHUNK_BYTES_MIN: u32 = 16 << 10;
/// Length aimed at, in bytes: small enough that an edited document shares most of itself.
const CHUNK_BYTES_AVG: u32 = 64 << 10;
/// Longest chunk, in bytes: what a random read must decode at most.
pub(crate) const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Cuts one stretch of bytes.
#[derive(Default)]
pub(crate) struct Chunker {
    buffer: Vec<u8>,
}

impl Chunker {
    /// Takes bytes and gives out the chunks that are complete.
    pub(crate) fn push<E>(&mut self, bytes: &[u8], chunk: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        // In steps, so that the buffer stays within three chunks however much comes at once.
        for piece in bytes.chunks(CHUNK_BYTES_MAX) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= 2 * CHUNK_BYTES_MAX {
                self.cut(CHUNK_BYTES_MAX, chunk)?;
            }
        }
        Ok(())
    }

    /// Gives out what is left and is ready for the next stretch.
    pub(crate) fn finish<E>(&mut self, chunk: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.cut(1, chunk)
    }

    /// Cuts while at least `least` bytes are left. With a whole longest chunk ahead, a cut does not depend on what comes later.
    fn cut<E>(&mut self, least: usize, chunk: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut rest = self.buffer.as_slice();
        while rest.len() >= least {
            #[expect(clippy::cast_possible_truncation, reason = "256 KiB fit 32 bits")]
            let len = FastCDC::new(rest, CHUNK_BYTES_MIN, CHUNK_BYTES_AVG, CHUNK_BYTES_MAX as u32).next().map_or(rest.len(), |cut| cut.length);
            let (head, tail) = rest.split_at(len.clamp(1, rest.len()));
            chunk(head)?;
            rest = tail;
        }
        let left = rest.len();
        self.buffer.drain(..self.buffer.len() - left);
        Ok(())
    }
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
