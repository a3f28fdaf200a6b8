//! Where a chunk goes: into its mailbox's group, into the run of its content, or into a block of its own.
//!
//! Text, headers and all other bytes that compress gain from neighbours; a picture or an archive gains nothing,
//! and with nothing but its own content it can be read and referred to without anything else. Its chunks share blocks all the
//! same: 100 mailboxes that refer to an attachment of 10 MiB need 20 hashes each, not 160.

/// A chunk of this many bytes gains nothing from neighbours.
pub(super) const ALONE_BYTES_MIN: usize = 256 << 10;
/// Below this, a block's own cost (header, records, rows: about 200 bytes) would weigh more than what it is good for.
const HARD_BYTES_MIN: usize = 4 << 10;
/// Bytes that are looked at, in four stretches of the same length.
const SAMPLE_BYTES: usize = 4 << 10;

/// Where a chunk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Into the group.
    Group,
    /// Into the run of its content, which is not compressed.
    Run,
    /// Into a block of its own.
    Alone,
}

/// Decides.
pub(super) fn placement(bytes: &[u8]) -> Placement {
    if bytes.len() < HARD_BYTES_MIN {
        return Placement::Group;
    }
    match compresses(bytes) {
        true if bytes.len() < ALONE_BYTES_MIN => Placement::Group,
        true => Placement::Alone,
        false => Placement::Run,
    }
}

/// Guesses from how often each byte comes in a sample whether zstd would gain something.
///
/// The sum of the squares is `n²/256 + n` for noise; collision entropy below 7 bits a byte, `n²/128`, is taken for
/// compressible. Text has 4 to 6 bits, base64 less than 6, compressed files more than 7.8.
fn compresses(bytes: &[u8]) -> bool {
    let (mut counts, mut n) = ([0u64; 256], 0u64);
    let stretch = (SAMPLE_BYTES / 4).min(bytes.len());
    for part in 0..4 {
        let start = (bytes.len() - stretch) / 3 * part;
        for byte in bytes.iter().skip(start).take(stretch) {
            counts[usize::from(*byte)] += 1;
            n += 1;
        }
    }
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    squares * 128 > n * n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn text(len: usize) -> Vec<u8> {
        b"Dear all, the meeting is at 10:30 in room 4. <br>\r\n".iter().copied().cycle().take(len).collect()
    }

    #[test]
    fn text_goes_to_groups_and_noise_does_not() {
        for len in [0, 1, 511, 4095] {
            assert_eq!((placement(&text(len)), placement(&noise(len))), (Placement::Group, Placement::Group), "{len} bytes");
        }
        for len in [4096, 100_000, ALONE_BYTES_MIN - 1] {
            assert_eq!((placement(&text(len)), placement(&noise(len))), (Placement::Group, Placement::Run), "{len} bytes");
        }
        assert_eq!(placement(&text(ALONE_BYTES_MIN)), Placement::Alone);
        assert_eq!(placement(&noise(ALONE_BYTES_MIN)), Placement::Run);
    }

    #[test]
    fn what_noise_was_encoded_to_is_text() {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(noise(20_000));
        assert_eq!(placement(encoded.as_bytes()), Placement::Group);
    }
}
