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
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_records(&bytes);
        }
    }
}
