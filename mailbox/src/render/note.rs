//! Sticky notes as plain text.

use super::Properties;
use super::plain::{clean, text_of};
use std::io::{self, Write};

/// Writes the note's text, or its subject when it has no text.
pub(super) fn write(properties: &Properties, out: &mut impl Write) -> io::Result<()> {
    let body = text_of(properties.body.as_ref());
    let text = if body.is_empty() { clean(&properties.subject) } else { body };
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}
