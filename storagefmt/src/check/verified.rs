//! When packs were last found whole.
//!
//! The times are in the index alone; a rebuild takes them over. A pack that takes the place of others has the oldest of theirs.

use crate::format::pack::{PackName, parse_name};
use crate::format::row::{Key, PackRow, Table};
use crate::format::{micros, time_of};
use crate::index::{Batch, decode, encode};
use crate::{Catalog, Error, Writer};
use chrono::{DateTime, Utc};

impl Writer {
    /// Notes that a check read these packs (of [`CheckReport::verified`](crate::CheckReport::verified)) and found them whole; those that were rewritten since are passed over. Returns how many were noted.
    ///
    /// The open batch is not concerned.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn note_verified(&mut self, packs: &[String], time: DateTime<Utc>) -> Result<usize, Error> {
        let (index, mut batch, mut noted) = (self.catalog().shared().index(), Batch::default(), 0);
        for PackName { first, last, generation, check } in packs.iter().filter_map(|name| parse_name(name)) {
            let key = Key::number(first.0);
            let Some(row): Option<PackRow> = index.row(Table::Packs, &key)? else { continue };
            if (row.last, row.generation, row.check) == (last.0, generation, check) {
                batch.set(Table::Packs, key.0, Some(encode(&PackRow { verified: Some(micros(time)), ..row })));
                noted += 1;
            }
        }
        index.write(batch)?;
        Ok(noted)
    }
}

impl Catalog {
    /// Returns when the part of the storage that was verified longest ago was; `None` when some part never was, or there is nothing yet.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn oldest_verification(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let mut oldest = None;
        for row in self.shared().walk(Table::Packs) {
            let row: PackRow = decode(Table::Packs, &row?.1)?;
            match row.verified {
                Some(time) => oldest = Some(oldest.map_or(time, |oldest: i64| oldest.min(time))),
                None => return Ok(None),
            }
        }
        Ok(oldest.map(time_of))
    }
}
