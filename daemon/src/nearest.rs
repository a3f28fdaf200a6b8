//! The word that was probably meant.

/// How far apart two words may be to be offered for each other: one typing mistake in three letters.
const LETTERS_PER_MISTAKE: usize = 3;

/// Returns the known word that is nearest to `word`, when one is near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = word.chars().count() / LETTERS_PER_MISTAKE + 1;
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= near_enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the hint for serde's message about an unknown field or variant; empty when no known one is near, since the
/// message lists them.
///
/// serde's messages read ``unknown field `idel`, expected one of `idle`, `source` ``: words in
/// backquotes, the wrong one first. Inside variants toml's own read `unexpected keys in table: idel,
/// available keys: idle`.
pub fn hint(message: &str) -> String {
    let (wrong, known): (&str, Vec<&str>) = if message.contains("unknown field") || message.contains("unknown variant") {
        let mut words = message.split('`').skip(1).step_by(2);
        let Some(wrong) = words.next() else { return String::new() };
        (wrong, words.collect())
    } else if let Some((wrong, known)) = message.strip_prefix("unexpected keys in table: ").and_then(|rest| rest.split_once(", available keys: ")) {
        (wrong.split(", ").next().unwrap_or(wrong), known.split(", ").collect())
    } else {
        return String::new();
    };
    nearest(wrong, known.iter().copied()).map(|word| format!("did you mean `{word}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_recognised_and_a_strange_one_is_not() {
        assert_eq!(hint("unknown field `idel`, expected one of `idle`, `source`"), "did you mean `idle`?");
        assert_eq!(hint("unknown field `passwort`, expected `password`"), "did you mean `password`?");
        assert_eq!(hint("unknown field `zzz`, expected one of `url`, `user`"), "");
        assert_eq!(hint("unexpected keys in table: idel, available keys: idle"), "did you mean `idle`?");
        assert_eq!(hint("missing field `url`"), "");
    }
}
