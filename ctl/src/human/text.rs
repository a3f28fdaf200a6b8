//! Text from outside (subjects, names, messages of servers) made safe for a terminal.
//!
//! A subject may hold escape sequences, line breaks and marks that turn the direction of writing:
//! each becomes one `�`, a line break or tab becomes a space. What is printable stays as it is.

/// Returns the text in one line, with nothing in it that a terminal would obey.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(shown).collect()
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\t' | '\r' => ' ',
        // Bidirectional embeddings, overrides, isolates and marks; line and paragraph separators.
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(line("Re: \u{1b}[2Jbudget\r\n2027\t\u{202e}fdp"), "Re: \u{fffd}[2Jbudget  2027 \u{fffd}fdp");
        assert_eq!(line("zażółć 日本 👍"), "zażółć 日本 👍");
        assert_eq!(line("a\nb\u{9b}1m"), "a b\u{fffd}1m");
    }
}
