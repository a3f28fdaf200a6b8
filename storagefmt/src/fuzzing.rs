//! What fuzzing runs, and the tests run over the kept seeds: each function takes any bytes and panics when a promise is broken.
//!
//! Only compiled for tests and by `cargo fuzz` (`make fuzz`), which finds new bytes; those that are worth it are kept in
//! `fuzz/seeds/<function>/`. Checksums would stop nearly everything that a fuzzer makes at the door, so the first byte of most
//! inputs says whether they are made true before reading, as somebody who wants to harm a reader would do.

#![expect(clippy::unwrap_used, reason = "a promise that is broken panics")]

mod pack;

use crate::cut::proof::check;
use crate::cut::quoted::{self, Quoted};
use crate::cut::{Encoder, Kind, Lines};
use crate::format::recipe::{ChunkRef, Op, RecipeRecord};
use crate::format::record::Record;
use crate::pack::records::{decode_records, encode_record};
use crate::{Contents, MailboxKey};

pub use crate::seal::fuzzing::keys;
pub use pack::pack;

/// Longest content that is read as a whole; recipes can promise more than there is memory.
const READ_BYTES_MAX: u64 = 1 << 20;

/// Decodes records, and encodes them again.
pub fn records(input: &[u8]) {
    let Ok(records) = decode_records(input) else { return };
    let mut bytes = Vec::new();
    records.iter().for_each(|record| encode_record(record.as_ref(), &mut bytes));
    assert_eq!(decode_records(&bytes).unwrap(), records);
    for record in records.into_iter().flatten() {
        match record {
            Record::Item(record) => {
                let _ = c2b_mailbox::ItemMeta::from(&record.meta);
            }
            Record::Failure(record) => {
                let _ = crate::Failure::from(record);
            }
            Record::Waiting(record) => {
                let _ = record.waiting();
            }
            _ => {}
        }
    }
}

/// Reads a content by any recipe: `contents` has one block, of frame (1, 0), that the mailbox was granted.
pub fn recipe(contents: &Contents, mailbox: MailboxKey, input: &[u8]) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let Ok(mut recipe) = minicbor::decode::<RecipeRecord>(bytes) else { return };
    if mode & 1 != 0 {
        let lead = |chunk: &mut ChunkRef| (chunk.seq, chunk.n, chunk.offset, chunk.len) = (1, 0, chunk.offset % 4096, chunk.len % 4096);
        recipe.skeleton.iter_mut().for_each(lead);
        for op in &mut recipe.ops {
            if let Op::Part(part) = op {
                part.chunks.iter_mut().for_each(lead);
            }
        }
        // Measures the parts anew.
        recipe = minicbor::decode(&minicbor::to_vec(&recipe).unwrap()).unwrap();
        let framing = recipe.frames.iter().map(|frame| u64::from(frame.count) * 8).sum::<u64>();
        let steps = recipe.ops.iter().map(|op| match op {
            Op::Skeleton(len) => *len,
            Op::Part(part) => part.len,
        });
        recipe.len = steps.fold(framing, u64::saturating_add);
    }
    let Ok(file) = contents.open_recipe(mailbox, &recipe) else { return };
    assert_eq!(file.len(), recipe.len);
    let mut whole = vec![0; usize::try_from(file.len().min(READ_BYTES_MAX)).unwrap()];
    let read = file.read_at(0, &mut whole);
    if let Ok(n) = read {
        assert_eq!(n, whole.len(), "fewer bytes than it says");
    }
    // The beginnings of stretches, as far as they can be told from the input.
    for (at, len) in [(0, 1), (1, 77), (u64::from(*mode), 4000), (recipe.len.saturating_sub(5), 10), (recipe.len / 2, 3), (recipe.len, 1), (u64::MAX - 1, 1)] {
        let mut piece = vec![0; len];
        let Ok(n) = file.read_at(at, &mut piece) else { continue };
        assert_eq!(n as u64, recipe.len.saturating_sub(at).min(len as u64));
        if let (Ok(_), Ok(at)) = (&read, usize::try_from(at))
            && at + n <= whole.len()
        {
            assert_eq!(piece[..n], whole[at..at + n], "a stretch differs from the whole");
        }
    }
}

/// Cuts a content; it must come back, from memory and through windows.
pub fn cut(input: &[u8]) {
    let Some((kind, content)) = input.split_first() else { return };
    check(content, [Kind::Mime, Kind::Export, Kind::Plain][usize::from(kind % 3)]);
}

/// Learns the habits of a quoted-printable body, and writes with any habits whatever.
pub fn quoted(input: &[u8]) {
    let mut scratch = quoted::Scratch::default();
    if let Some(habits) = quoted::find(input, &mut scratch) {
        assert_eq!(habits.encode(&scratch.decoded), input);
    }
    if let Some(([line, flags], rest)) = input.split_first_chunk()
        && let Some((escaped, bytes)) = rest.split_first_chunk::<32>()
    {
        let habits = Quoted { line: u32::from(*line), crlf: flags & 1 != 0, lower: flags & 2 != 0, escaped: *escaped, full: flags & 4 != 0 };
        let encoded = habits.encode(bytes);
        assert!(encoded.len() <= 6 * bytes.len());
    }
}

/// Reads base64 as far as it is regular, and writes it again.
pub fn base64(input: &[u8]) {
    let Some(mut lines) = Lines::guess(input) else { return };
    let mut decoded = Vec::new();
    let whole = lines.whole(input, &mut decoded);
    lines.last(&input[whole..], &mut decoded);
    let mut encoder = Encoder::new(lines);
    let encoded = [encoder.push(&decoded), encoder.finish()].concat();
    assert!(input.starts_with(&encoded));
    assert_eq!(lines.encoded_len(decoded.len() as u64), encoded.len() as u64);
}

#[cfg(test)]
mod tests;
