//! Bytes on disk. The only place that knows them; `doc/format.md` says the same in prose.
//!
//! * [`pack`]: header, frames, footer of a pack file.
//! * [`record`]: what packs say, as CBOR with numbered fields; [`recipe`]: how contents are put together.
//! * [`row`]: keys and values of the index, which is derived and may be remade at any time.
//!
//! Numbers in packs are little-endian. On-disk structs are not domain structs: conversions are here,
//! too, so that a change of the domain cannot silently change the format.

pub mod pack;
pub mod recipe;
pub mod record;
pub mod row;

use chrono::{DateTime, Utc};

/// Format version that this program writes and the newest that it reads.
pub const VERSION: u32 = 2;

/// Longest file name that we make, in bytes (Linux allows 255; Windows, Samba and tools want room).
pub const FILE_NAME_BYTES_MAX: usize = 200;

/// A take on bytes that ends in `None` instead of a panic.
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Returns microseconds since 1970, the precision of times on disk.
pub(crate) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// Returns the time of a number of microseconds; out-of-range numbers become the nearest time.
pub(crate) fn time_of(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(if micros < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC })
}
