//! The bytes of packs: each block read, unsealed, and compared with what its owner says of it.

use super::follow::named;
use super::{Check, cause, is_gone};
use crate::format::pack::{FrameEntry, FrameKind, PackName};
use crate::format::record::Record;
use crate::format::row::{KeyTake, PackRow, Table, grant_key};
use crate::index::{Index, decode};
use crate::pack::frame::decode_frame;
use crate::pack::reader::PackReader;
use crate::seal::Keys;
use crate::{CommitSeq, Error, MailboxKey, Place};

impl Check<'_> {
    /// Reads the blocks of the packs that are wanted; notes which packs are whole.
    pub(super) fn packs(&mut self) -> Result<(), Error> {
        let mut at = CommitSeq(1);
        let mut looked = None;
        while let Some((first, row)) = next_pack(self.rows.index(), at)? {
            let path = row.name(first);
            if self.options.reads(first) {
                self.tell(0, 1);
                match self.blocks(&named(&path)?, &path) {
                    Err(err) if is_gone(&err) && looked.as_ref() != Some(&path) => {
                        self.look_again()?;
                        self.follow()?;
                        looked = Some(path);
                        continue;
                    }
                    Err(err) if is_gone(&err) => {
                        if self.damaged.insert(first) {
                            self.blame.pack(first, CommitSeq(row.last), format!("{path} is missing: put it back, or run `storage repair` to go on without it"));
                        }
                    }
                    other => other?,
                }
                self.tell(1, 0);
                if !self.damaged.contains(&first) {
                    self.report.verified.push(path);
                }
            }
            at = CommitSeq(row.last.saturating_add(1));
        }
        Ok(())
    }

    fn blocks(&mut self, name: &PackName, path: &str) -> Result<(), Error> {
        let Some(bytes) = self.store.len(path).map_err(Error::file("read", path))? else {
            return Err(Error::file("read", path)(std::io::ErrorKind::NotFound.into()));
        };
        let mut pack = PackReader::open(self.store, path, bytes, self.info.uuid)?;
        if pack.is_foreign() {
            return Ok(());
        }
        pack.take_damages();
        for frame in pack.frames().to_vec() {
            if frame.header.kind != FrameKind::Block {
                continue;
            }
            self.report.bytes_read += u64::from(frame.header.stored);
            if let Some(reason) = block_flaw(self.rows.index(), self.keys, &mut pack, &frame)? {
                self.damaged.insert(name.first);
                self.blame.block(frame.header.key, CommitSeq(0), frame.offset, || format!("{path} at byte {}: {reason}", frame.offset));
            }
        }
        Ok(())
    }
}

/// Reads a block; says what is wrong with it.
pub(crate) fn block_flaw(index: &Index, keys: &Keys, pack: &mut PackReader<'_>, frame: &FrameEntry) -> Result<Option<String>, Error> {
    let header = frame.header;
    let Some(stored) = pack.raw(frame)? else {
        let reasons: Vec<String> = pack.take_damages().into_iter().map(|damage| damage.reason).collect();
        return Ok(Some(reasons.join(", ")));
    };
    let place: Option<Place> = index.row(Table::Grants, &grant_key(MailboxKey(header.mailbox), header.key))?;
    let record = place.map_or(Ok(None), |place| index.record(place))?;
    let Some(Record::Block(record)) = record.as_deref() else {
        // Its owner was erased, or its record is lost: nobody but those with a grant can tell.
        return Ok(None);
    };
    let raw = match decode_frame(&header, stored, keys, Some(&record.hash), None) {
        Ok(raw) => raw,
        Err(err) => return Ok(Some(format!("{err}{}", cause(&err)))),
    };
    let mut rest = raw.as_slice();
    for chunk in &record.chunks {
        let Some((bytes, behind)) = rest.split_at_checked(chunk.len as usize) else { return Ok(Some("it is shorter than its chunks".to_owned())) };
        if !blake3::hash(bytes).as_bytes().starts_with(&chunk.id) {
            return Ok(Some("a chunk in it is not the one that is listed".to_owned()));
        }
        rest = behind;
    }
    Ok((*blake3::hash(&raw).as_bytes() != record.hash).then(|| "its bytes are not those of its hash".to_owned()))
}

fn next_pack(index: &Index, at: CommitSeq) -> Result<Option<(CommitSeq, PackRow)>, Error> {
    if let Some(found) = index.pack_of(at)? {
        return Ok(Some(found));
    }
    let rows = index.scan(Table::Packs, b"", &crate::format::row::Key::number(at.0).0, 1)?;
    let Some((key, value)) = rows.first() else { return Ok(None) };
    let first = KeyTake::new(key).u64().map(CommitSeq).ok_or(Error::IndexRow { table: Table::Packs.name() })?;
    Ok(Some((first, decode(Table::Packs, value)?)))
}
