//! As much of DER (X.690) as certificates and SPNEGO ask of us: elements with one-byte tags.

/// Tag of a SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// Tag of an OBJECT IDENTIFIER.
pub(super) const OID: u8 = 0x06;
/// Tag of an OCTET STRING.
pub(super) const OCTETS: u8 = 0x04;
/// Tag of an INTEGER.
pub(super) const INTEGER: u8 = 0x02;

/// Returns the tag of context-specific, constructed element `number`.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Writes an element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            // The highest byte first, as DER has it.
            let bytes: Vec<u8> = content.len().to_le_bytes().into_iter().rev().skip_while(|byte| *byte == 0).collect();
            der.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            der.extend_from_slice(&bytes);
        }
    }
    der.extend_from_slice(content);
    der
}

/// The elements within an element.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// Returns the next element's tag and content; `None` at the end, or where it is no DER.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let length = if *first < 0x80 {
            usize::from(*first)
        } else {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| (1..=4).contains(&bytes.len()))?;
            rest = after;
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        };
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((*tag, content))
    }

    /// Returns the content of the next element when it has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Returns the content of the first element with this tag.
    pub(super) fn find(mut self, tag: u8) -> Option<&'a [u8]> {
        while let Some((found, content)) = self.next() {
            if found == tag {
                return Some(content);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_all_lengths_come_back() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let der = [element(SEQUENCE, &content), element(OCTETS, b"x")].concat();
            let mut elements = Elements(&der);
            assert_eq!(elements.next(), Some((SEQUENCE, content.as_slice())));
            assert_eq!(elements.find(OCTETS), Some(b"x".as_slice()));
        }
    }

    #[test]
    fn what_is_cut_or_no_der_is_nothing() {
        for der in [&b"\x30"[..], b"\x30\x05abc", b"\x30\x80", b"\x30\x85\x01\x01\x01\x01\x01", b"\x30\x82\x01"] {
            assert_eq!(Elements(der).next(), None, "{der:?}");
        }
    }
}
