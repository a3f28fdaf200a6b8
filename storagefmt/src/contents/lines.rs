//! Base64 parts, written again: any stretch of one, straight into the reader's buffer.
//!
//! A line holds a whole number of quanta in practically every mail, so each line is encoded by itself, without
//! the lines before it. Other line lengths go the long way, through [`Encoder`].

use crate::Error;
use crate::cut::{Encoder, Lines, STANDARD, STANDARD_NO_PAD};
use base64::Engine as _;

/// Decoded bytes that are fetched at a time.
const DECODED_BYTES: usize = 48 << 10;

/// Characters that are encoded at once: they stay in the processor's nearest memory.
const BATCH_CHARS: usize = 12 << 10;

/// Reads decoded bytes from an offset on.
pub(super) type Read<'a> = dyn FnMut(u64, &mut [u8]) -> Result<usize, Error> + 'a;

/// Writes encoded bytes from `offset` on; `read` gives decoded bytes, of which there are `total`. Returns how many bytes were written; fewer only at the end.
pub(super) fn encode(lines: Lines, total: u64, offset: u64, buffer: &mut [u8], read: &mut Read<'_>) -> Result<usize, Error> {
    if !lines.line.is_multiple_of(4) {
        return encode_any(lines, offset, buffer, read);
    }
    // A body without lines is cut into stretches of the same kind, without breaks between them.
    let (chars, newline) = match lines.line {
        0 => (DECODED_BYTES / 3 * 4, &b""[..]),
        line => (line as usize, lines.newline.as_bytes()),
    };
    let (held, step) = (chars / 4 * 3, chars + newline.len());
    let mut decoded = vec![0; (DECODED_BYTES / held).max(1).min(buffer.len() / step + 2) * held];
    let mut edge = vec![0; step];
    let mut done = 0;
    while done < buffer.len() {
        let at = offset + done as u64;
        let (line, mut skip) = (at / step as u64, usize::try_from(at % step as u64).unwrap_or(0));
        let begins = line * held as u64;
        let n = read(begins, &mut decoded)?;
        let before = done;
        // Whole lines that have a break behind them, many at once.
        let many = if skip > 0 || lines.line == 0 || chars > BATCH_CHARS { 0 } else { (n.saturating_sub(1) / held).min((buffer.len() - done) / step) };
        done += fill_many(&decoded[..many * held], newline, held, &mut buffer[done..done + many * step]);
        for (number, piece) in decoded[..n].chunks(held).enumerate().skip(many) {
            let newline = if begins + (number * held + piece.len()) as u64 == total { &b""[..] } else { newline };
            let len = if lines.unpadded { (piece.len() * 4).div_ceil(3) } else { piece.len().div_ceil(3) * 4 } + newline.len();
            let room = &mut buffer[done..];
            if skip == 0 && room.len() >= len {
                fill(lines, piece, newline, &mut room[..len]);
                done += len;
            } else {
                fill(lines, piece, newline, &mut edge[..len]);
                done += super::copy(edge[..len].get(skip..).unwrap_or_default(), room);
                skip = 0;
            }
        }
        if done == before {
            break;
        }
    }
    Ok(done)
}

/// Encodes whole lines and their breaks; returns how many bytes these are.
fn fill_many(decoded: &[u8], newline: &[u8], held: usize, into: &mut [u8]) -> usize {
    let (chars, mut characters) = (held / 3 * 4, [0; BATCH_CHARS]);
    let mut lines = into.chunks_exact_mut(chars + newline.len());
    for batch in decoded.chunks((BATCH_CHARS / chars).max(1) * held) {
        // The only error is a lack of room, and no line is longer than a batch.
        let n = STANDARD.encode_slice(batch, &mut characters).unwrap_or(0);
        for (line, into) in characters[..n].chunks_exact(chars).zip(&mut lines) {
            let (text, end) = into.split_at_mut(chars);
            text.copy_from_slice(line);
            end.copy_from_slice(newline);
        }
    }
    into.len()
}

/// Encodes one line and its break into exactly the bytes that they need.
fn fill(lines: Lines, piece: &[u8], newline: &[u8], into: &mut [u8]) {
    let (line, end) = into.split_at_mut(into.len() - newline.len());
    // The only error is a lack of room, and the room was computed from the piece.
    let _ = if lines.unpadded { STANDARD_NO_PAD.encode_slice(piece, line) } else { STANDARD.encode_slice(piece, line) };
    end.copy_from_slice(newline);
}

/// Writes lines that end within a quantum.
fn encode_any(lines: Lines, offset: u64, buffer: &mut [u8], read: &mut Read<'_>) -> Result<usize, Error> {
    let (decoded_offset, begins) = lines.quantum_at(offset);
    let skip = usize::try_from(offset - begins).unwrap_or(0);
    // Three bytes for four characters; line breaks only make it less. One quantum more for what is skipped at each end.
    let mut decoded = vec![0; (buffer.len() + skip) / 4 * 3 + 6];
    let n = read(decoded_offset, &mut decoded)?;
    let mut encoder = Encoder::at(lines, begins);
    let mut encoded = encoder.push(&decoded[..n]);
    encoded.extend(encoder.finish());
    Ok(super::copy(encoded.get(skip..).unwrap_or_default(), buffer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::recipe::Newline;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_stretch_is_that_of_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..20_000), line in prop::sample::select(vec![0u32, 4, 57, 60, 64, 73, 76, 996, 12_292]), newline in prop::sample::select(vec!["\n", "\r\n", " \r\n"]), unpadded: bool, at in any::<prop::sample::Index>(), len in 0usize..25_000) {
            let lines = Lines { line, newline: Newline::new(newline.as_bytes()).unwrap(), unpadded };
            let mut encoder = Encoder::new(lines);
            let mut whole = encoder.push(&bytes);
            whole.extend(encoder.finish());
            let offset = at.index(whole.len() + 1);
            let mut buffer = vec![0; len];
            let mut read = |from: u64, into: &mut [u8]| Ok(super::super::copy(bytes.get(usize::try_from(from).unwrap()..).unwrap_or_default(), into));
            let n = encode(lines, bytes.len() as u64, offset as u64, &mut buffer, &mut read).unwrap();
            let expected = &whole[offset..whole.len().min(offset + len)];
            prop_assert_eq!(&buffer[..n], expected);
        }
    }
}
