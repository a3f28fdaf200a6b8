//! Many records in one frame.
//!
//! A record keeps its number for ever: one that was dropped leaves a hole, CBOR's null.

use crate::format::record::Record;
use minicbor::Decoder;

/// The null of CBOR (RFC 8949 section 3.3): where a record was.
const HOLE: u8 = 0xf6;

/// Appends the bytes of a record, or a hole.
pub(crate) fn encode_record(record: Option<&Record>, bytes: &mut Vec<u8>) {
    match record {
        // Writing to a vector cannot fail, and no record has an encoder that refuses.
        Some(record) => minicbor::encode(record, bytes).unwrap_or_else(|err| unreachable!("a record could not be encoded: {err}")),
        None => bytes.push(HOLE),
    }
}

/// Decodes the raw bytes of a frame of records; says what is wrong with them. Holes are `None`.
pub(crate) fn decode_records(raw: &[u8]) -> Result<Vec<Option<Record>>, String> {
    let (mut records, mut decoder) = (Vec::new(), Decoder::new(raw));
    while decoder.position() < raw.len() {
        records.push(decoder.decode().map_err(|err| format!("record {} cannot be decoded: {err}", records.len()))?);
    }
    Ok(records)
}

/// The raw bytes of a frame of records, of which single ones are decoded.
pub(crate) struct RecordsView {
    raw: Vec<u8>,
    /// Where the records begin that were passed so far, and the one behind them.
    begins: Vec<u32>,
}

impl RecordsView {
    /// Takes raw bytes as [`decode_records`] does.
    pub(crate) fn new(raw: Vec<u8>) -> Self {
        Self { raw, begins: vec![0] }
    }

    /// Returns a record, or says why it cannot be decoded; `None` for a hole, and behind the last.
    pub(crate) fn get(&mut self, index: u32) -> Result<Option<Record>, String> {
        let mut decoder = Decoder::new(&self.raw);
        while self.begins.len() <= index as usize {
            let last = self.begins.last().copied().unwrap_or_default();
            if last as usize >= self.raw.len() {
                return Ok(None);
            }
            decoder.set_position(last as usize);
            decoder.skip().map_err(|err| format!("record {} cannot be passed: {err}", self.begins.len() - 1))?;
            // A frame has at most 2^28 bytes.
            self.begins.push(u32::try_from(decoder.position()).map_err(|err| err.to_string())?);
        }
        match self.begins.get(index as usize) {
            Some(begin) if (*begin as usize) < self.raw.len() => {
                decoder.set_position(*begin as usize);
                decoder.decode().map_err(|err| format!("record {index} cannot be decoded: {err}"))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::CommitRecord;
    use proptest::prelude::*;

    #[test]
    fn records_keep_their_numbers_when_one_is_dropped() {
        let records = [Some(Record::Commit(CommitRecord { time: 1 })), None, Some(Record::Commit(CommitRecord { time: -1 }))];
        let mut bytes = Vec::new();
        records.iter().for_each(|record| encode_record(record.as_ref(), &mut bytes));
        assert_eq!(decode_records(&bytes).unwrap(), records);
        assert!(decode_records(&bytes[..bytes.len() - 1]).is_err());
        let mut view = RecordsView::new(bytes.clone());
        for index in [2, 0, 1, 3, 9] {
            assert_eq!(view.get(index).unwrap(), records.get(index as usize).cloned().flatten(), "record {index}");
        }
        bytes.truncate(bytes.len() - 1);
        let mut view = RecordsView::new(bytes);
        assert!(view.get(2).is_err());
        assert_eq!(view.get(0).unwrap(), records[0]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let records = decode_records(&bytes);
            let mut view = RecordsView::new(bytes);
            for index in (0..9).rev() {
                let record = view.get(index);
                if let Ok(records) = &records {
                    prop_assert_eq!(record.unwrap(), records.get(index as usize).cloned().flatten());
                }
            }
        }
    }
}
