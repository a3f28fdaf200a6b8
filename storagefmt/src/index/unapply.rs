//! What the index forgets when records are dropped from their pack.
//!
//! Only rows go that a rebuild would not make any more. What a record brought that something else decides (versions,
//! folders, cursors) has its own records to end it; a record may be dropped only when these say so.

use super::staged::Staged;
use crate::format::record::{BlockRecord, Record};
use crate::format::row::{ChunkRow, Hash20, Key, StateRow, Table, grant_key};
use crate::pack::frame::{decode_frame, split_frame};
use crate::pack::records::decode_records;
use crate::seal::SealError;
use crate::{CommitSeq, ContentId, Error, FrameKey, MailboxKey, Place};

/// Forgets what the records of a frame said that its new bytes, if there are any, do not have.
///
/// What cannot be read any more is passed over: the rows that it made are found out by a check.
pub(super) fn unapply(rows: &mut Staged, key: FrameKey, old: Vec<u8>, new: Option<&[u8]>) -> Result<(), Error> {
    if new == Some(old.as_slice()) {
        return Ok(());
    }
    let Some((mailbox, old)) = records(rows, old)? else { return Ok(()) };
    let new = match new {
        None => Vec::new(),
        Some(new) => match records(rows, new.to_vec())? {
            Some((_, new)) => new,
            None => return Ok(()),
        },
    };
    for (index, record) in old.into_iter().enumerate() {
        let kept = new.get(index).is_some_and(Option::is_some);
        if let Some(record) = record.filter(|_| !kept)
            && let Ok(index) = u32::try_from(index)
        {
            dropped(rows, Place { frame: key, index }, mailbox, &record)?;
        }
    }
    Ok(())
}

fn dropped(rows: &mut Staged, place: Place, mailbox: MailboxKey, record: &Record) -> Result<(), Error> {
    match record {
        Record::Recipe(recipe) => forget(rows, Table::Recipes, rows.content_key(mailbox, &ContentId(recipe.id)), place),
        Record::Lost(lost) => forget(rows, Table::Lost, rows.content_key(mailbox, &ContentId(lost.id)), place),
        Record::Grant(grant) => forget(rows, Table::Grants, grant_key(mailbox, FrameKey::new(CommitSeq(grant.seq), grant.n)), place),
        Record::Block(block) => {
            forget(rows, Table::Grants, grant_key(mailbox, FrameKey::new(place.frame.seq, block.n)), place)?;
            forget_chunks(rows, place.frame.seq, block)
        }
        _ => Ok(()),
    }
}

/// Removes a row that names the dropped record.
fn forget(rows: &mut Staged, table: Table, key: Key, place: Place) -> Result<(), Error> {
    if rows.row::<Place>(table, &key)? == Some(place) {
        rows.delete(table, key);
    }
    Ok(())
}

fn forget_chunks(rows: &mut Staged, seq: CommitSeq, block: &BlockRecord) -> Result<(), Error> {
    let ids: Vec<Hash20> = block.chunks.iter().map(|chunk| rows.index().id20(&chunk.id)).collect();
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| id.to_vec()).collect();
    let mut gone = 0;
    for (id, value) in ids.iter().zip(rows.get_many(Table::Chunks, &keys)?) {
        let row: Option<ChunkRow> = value.map(|value| super::decode(Table::Chunks, &value)).transpose()?;
        // The same bytes twice in one block have one row.
        if row.is_some_and(|row| row.frame() == FrameKey::new(seq, block.n)) && rows.get(Table::Chunks, id)?.is_some() {
            rows.delete(Table::Chunks, Key::hash(id));
            gone += 1;
        }
    }
    let state = rows.state()?;
    rows.put(Table::State, Key::default(), &StateRow { chunks: state.chunks.saturating_sub(gone), ..state });
    Ok(())
}

/// What a frame of records says, and of which mailbox.
type Said = (MailboxKey, Vec<Option<Record>>);

/// Decodes a frame of records; `None` when it says nothing any more, or cannot be read.
fn records(rows: &Staged, bytes: Vec<u8>) -> Result<Option<Said>, Error> {
    let Ok((header, stored)) = split_frame(bytes) else { return Ok(None) };
    match decode_frame(&header, stored, rows.index().keys(), None, None) {
        Ok(raw) => Ok(decode_records(&raw).ok().map(|records| (MailboxKey(header.mailbox), records))),
        Err(Error::Seal { err: SealError::KeyDestroyed { .. } | SealError::NotAuthentic } | Error::FrameDamaged { .. }) => Ok(None),
        Err(err) => Err(err),
    }
}
