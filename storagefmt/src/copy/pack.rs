//! Moving one pack, and proving its frames on the way.

use super::incoming::staged;
use crate::Error;
use crate::format::pack::{FRAME_BYTES, FrameHeader, FrameKind, TRAILER_BYTES};
use crate::pack::list::Found;
use crate::pack::reader::{PackDamage, PackReader};
use crate::store::Store;
use std::io;
use std::ops::ControlFlow;
use uuid::Uuid;

/// Bytes read at a time, unless a frame is longer.
const READ_BYTES: u64 = 4 << 20;

/// What became of a pack.
pub(super) enum Moved {
    /// It lies beside the copy, so many bytes of it.
    Whole(u64),
    /// It lies beside the copy as it is, damage and all.
    Damaged(u64, Vec<PackDamage>),
    /// It could not be read to its end.
    Unreadable(String),
    /// The source does not have it any more.
    Gone,
    /// `progress` said so.
    Stopped,
}

/// A stretch of the file.
struct Piece {
    start: u64,
    end: u64,
    /// The frame that must be there; nothing can be proven between frames.
    frame: Option<Expected>,
}

enum Expected {
    Listed(FrameHeader),
    Directory,
}

/// Moves a pack of the source to the copy's incoming ones.
pub(super) fn move_pack(
    source: &dyn Store,
    dest: &dyn Store,
    pack: &Found,
    storage: Uuid,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Moved, Error> {
    let (name, bytes) = (&pack.file.name, pack.file.bytes);
    let mut reader = match PackReader::open(source, name, bytes, storage) {
        Ok(reader) => reader,
        Err(err) => return lost(err),
    };
    let mut damages = reader.take_damages();
    let pieces = pieces(&reader, bytes, &mut damages);
    let mut file = dest.begin().map_err(Error::file("begin", "a pack"))?;
    let mut rest = pieces.as_slice();
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|piece| piece.end - first.start <= READ_BYTES).count().max(1);
        let (window, next) = rest.split_at(count);
        rest = next;
        let end = window.last().map_or(first.end, |piece| piece.end);
        let mut buffer = vec![0; usize::try_from(end - first.start).unwrap_or(usize::MAX)];
        match source.read_at(name, first.start, &mut buffer) {
            Ok(n) if n == buffer.len() => {}
            Ok(_) => return Ok(Moved::Unreadable("it is shorter than it was".to_owned())),
            Err(err) => return lost(Error::file("read", name)(err)),
        }
        for piece in window {
            let at = |offset: u64| usize::try_from(offset - first.start).unwrap_or(usize::MAX);
            if let Some(reason) = piece.disproof(&buffer[at(piece.start)..at(piece.end)]) {
                damages.push(PackDamage { offset: piece.start, reason });
            }
        }
        file.write(&buffer).map_err(Error::file("write", "a pack"))?;
        if progress(buffer.len() as u64).is_break() {
            return Ok(Moved::Stopped);
        }
    }
    let staged = staged(name, damages.is_empty());
    file.sync().map_err(Error::file("sync", &staged))?;
    // That the name is durable is made sure of once, before all is said to be there.
    file.publish(&staged).map_err(Error::file("publish", &staged))?;
    Ok(if damages.is_empty() { Moved::Whole(bytes) } else { Moved::Damaged(bytes, damages) })
}

/// Divides a pack into frames and what is between them.
fn pieces(reader: &PackReader<'_>, bytes: u64, damages: &mut Vec<PackDamage>) -> Vec<Piece> {
    let mut frames = reader.frames().to_vec();
    frames.sort_unstable_by_key(|frame| frame.offset);
    let (mut pieces, mut at) = (Vec::new(), 0);
    for frame in frames {
        let end = frame.offset.saturating_add(frame.header.bytes());
        if frame.offset < at || end > bytes {
            damages.push(PackDamage { offset: frame.offset, reason: "its frames overlap or lie outside".to_owned() });
            continue;
        }
        gap(&mut pieces, at, frame.offset);
        pieces.push(Piece { start: frame.offset, end, frame: Some(Expected::Listed(frame.header)) });
        at = end;
    }
    let tail = bytes.saturating_sub(TRAILER_BYTES as u64).max(at);
    if !reader.is_salvaged() && tail > at && at > 0 {
        pieces.push(Piece { start: at, end: tail, frame: Some(Expected::Directory) });
        at = tail;
    }
    gap(&mut pieces, at, bytes);
    pieces
}

fn gap(pieces: &mut Vec<Piece>, mut start: u64, end: u64) {
    while start < end {
        let stop = end.min(start + READ_BYTES);
        pieces.push(Piece { start, end: stop, frame: None });
        start = stop;
    }
}

impl Piece {
    /// Says why these bytes are not what they should be.
    fn disproof(&self, bytes: &[u8]) -> Option<String> {
        let expected = self.frame.as_ref()?;
        let Some(header) = FrameHeader::decode(bytes) else { return Some("no frame header".to_owned()) };
        let is_expected = match expected {
            Expected::Listed(listed) => header == *listed,
            Expected::Directory => header.kind == FrameKind::Directory,
        };
        let holds = bytes.get(FRAME_BYTES..).is_some_and(|stored| header.holds(stored));
        match (is_expected, holds) {
            (true, true) => None,
            (false, _) => Some("its frame header is not the one that the directory lists".to_owned()),
            (true, false) => Some("its checksum does not hold".to_owned()),
        }
    }
}

/// Tells a pack that was replaced from one that cannot be read.
fn lost(err: Error) -> Result<Moved, Error> {
    match err {
        Error::File { err, .. } if err.kind() == io::ErrorKind::NotFound => Ok(Moved::Gone),
        Error::File { err, .. } => Ok(Moved::Unreadable(err.to_string())),
        err => Err(err),
    }
}
