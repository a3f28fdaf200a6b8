//! Putting a pack in place of another: what stays of it, written anew, then known, then the old file deleted.
//!
//! A crash or an error at any step leaves the old pack, or both, which is the same as the new one. A damaged frame does not
//! come along, except for one of records, of which the index has a copy.

use crate::format::pack::{FrameHeader, FrameKind, PackHeader};
use crate::format::row::{Key, PackRow, Table};
use crate::pack::frame::split_frame;
use crate::pack::reader::PackReader;
use crate::pack::rewrite::PackRewriter;
use crate::writer::Writer;
use crate::{CommitSeq, Error, FrameKey};
use std::sync::Arc;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is copied as it stands.
    Keep,
    /// It is sealed with the current keys; a block needs its hash.
    Reseal(Option<[u8; 32]>),
    /// It is left out.
    Drop,
}

/// What to do when a frame that is to stay is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damaged {
    /// It does not come along.
    Leave,
    /// The pack is left as it is.
    Refuse,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// Length of the old pack in bytes.
    pub(crate) bytes_before: u64,
    /// Length of the new pack in bytes.
    pub(crate) bytes_after: u64,
    /// Frames that were to stay and are damaged.
    pub(crate) damaged: Vec<FrameKey>,
}

/// Writes the pack that begins with commit `first` anew. There must be no open batch.
pub(crate) fn replace_pack(
    writer: &mut Writer,
    first: CommitSeq,
    row: &PackRow,
    on_damage: Damaged,
    fate: &mut dyn FnMut(&FrameHeader) -> Result<Fate, Error>,
) -> Result<Replaced, Error> {
    writer.between_batches()?;
    let (index, storage, keys) = (writer.shared().index(), writer.shared().info().uuid, writer.shared().keys());
    let (store, old) = (Arc::clone(writer.store()), row.name(first));
    let mut pack = PackReader::open(store.as_ref(), &old, row.bytes, storage)?;
    if pack.is_foreign() {
        let reason = pack.take_damages().into_iter().next().map_or_else(String::new, |damage| damage.reason);
        return Err(Error::PackDamaged { path: old, offset: 0, reason });
    }
    if pack.is_salvaged() {
        let reason = "its directory is damaged: run `storage repair` first".to_owned();
        return Err(Error::PackDamaged { path: old, offset: row.bytes, reason });
    }
    let header = PackHeader { storage, first, last: CommitSeq(row.last), generation: row.generation };
    let mut new = PackRewriter::new(Arc::clone(&store), storage, &[(header, pack.commits(&keys)?)], keys)?;
    let mut damaged = Vec::new();
    for entry in pack.frames().to_vec() {
        let fate = fate(&entry.header)?;
        if fate == Fate::Drop {
            continue;
        }
        let copy = || copy_of(&index, &entry.header);
        let found = match pack.raw(&entry)? {
            Some(stored) => Some((entry.header, stored)),
            None => copy()?,
        };
        match (found, fate) {
            (Some((header, stored)), Fate::Keep) => new.copy(&header, &stored)?,
            (Some((header, stored)), Fate::Reseal(hash)) => new.reseal(&header, stored, hash.as_ref())?,
            (Some(_), Fate::Drop) => {}
            (None, _) if on_damage == Damaged::Refuse => {
                return Err(Error::FrameDamaged { frame: entry.header.key, reason: "its checksum does not hold".to_owned() });
            }
            (None, _) => damaged.push(entry.header.key),
        }
    }
    // The index must never be behind what the new pack was made of: what it drops could not be told from what is missing.
    index.sync()?;
    let published = writer.replacing(|| new.finish())?;
    let records = published.records.iter().map(|(frame, _)| *frame).collect();
    writer.replace_packs(&published, &records, &[(first, &old)])?;
    tracing::debug!(%old, new = %published.name, bytes = published.bytes, "pack replaced");
    Ok(Replaced { bytes_before: row.bytes, bytes_after: published.bytes, damaged })
}

/// Returns the index's copy of a frame of records, if it is that frame.
fn copy_of(index: &crate::index::Index, header: &FrameHeader) -> Result<Option<(FrameHeader, Vec<u8>)>, Error> {
    if header.kind != FrameKind::Records {
        return Ok(None);
    }
    let copy = index.get(Table::Records, &Key::frame(header.key).0)?;
    Ok(copy.and_then(|bytes| split_frame(bytes).ok()).filter(|(copy, _)| copy.key == header.key))
}
