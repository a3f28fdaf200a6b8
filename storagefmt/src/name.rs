//! File names that every system takes: Linux, Samba, Windows.
//!
//! A name is made once, at ingest, and kept in the record; originals stay in the catalogue. Items end
//! in their key, so two never meet; folders get their key where their name alone would not do.
//! Text is never normalised: what looks the same but is not, stays apart.

use crate::format::FILE_NAME_BYTES_MAX;
use crate::{FolderKey, ItemKey};
use chrono::{DateTime, Utc};
use unicode_normalization::UnicodeNormalization;

/// Names that Windows keeps for devices, with any extension.
const DEVICES: [&str; 28] = [
    "con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5",
    "lpt6", "lpt7", "lpt8", "lpt9", "conin$", "conout$", "com¹", "lpt¹",
];

/// Makes an item's file name: time in UTC, subject, key, extension.
pub(crate) fn item(time: DateTime<Utc>, subject: &str, key: ItemKey, extension: &str) -> String {
    let (head, tail) = (time.format("%Y-%m-%d %H.%M.%S").to_string(), format!("[{key}].{extension}"));
    // A year beyond four digits has a sign, and one before year 0, too: both are legal in names.
    let room = FILE_NAME_BYTES_MAX.saturating_sub(head.len() + tail.len() + 2);
    match cut(&legal(subject), room).trim_matches([' ', '.']) {
        "" => format!("{head} {tail}"),
        subject => format!("{head} {subject} {tail}"),
    }
}

/// Makes a folder's file name; `taken` says whether a living sibling has a name that file systems may take for the same.
pub(crate) fn folder(name: &str, key: FolderKey, taken: impl Fn(&str) -> bool) -> String {
    let safe = legal(name);
    let trimmed = safe.trim_end_matches([' ', '.']);
    let plain = trimmed == name
        && !name.is_empty()
        && name.len() <= FILE_NAME_BYTES_MAX
        && !is_device(name)
        && !name.starts_with([' ', '.'])
        && !looks_keyed(name)
        && !taken(&fold(name));
    if plain {
        return name.to_owned();
    }
    let tail = format!("[{key}]");
    match cut(trimmed, FILE_NAME_BYTES_MAX - tail.len() - 1).trim_matches([' ', '.']) {
        "" => tail,
        // Of a device name with an extension, Windows sees the part before the first dot only.
        safe if is_device(&format!("{safe} {tail}")) => format!("{} {tail}", safe.replace('.', "-")),
        safe => format!("{safe} {tail}"),
    }
}

/// Returns what file systems that ignore case and composition compare.
pub(crate) fn fold(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// Replaces what some system refuses, and what nobody can see: line ends, direction marks, zero widths.
fn legal(text: &str) -> String {
    let legal = |c: char| match c {
        '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => '-',
        c if c.is_control() => ' ',
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c => c,
    };
    let replaced: String = text.chars().map(legal).collect();
    replaced.trim_start_matches(' ').to_owned()
}

/// Cuts to at most `room` bytes at a character, and not between a character and what joins onto it.
fn cut(text: &str, room: usize) -> &str {
    if text.len() <= room {
        return text;
    }
    let joins = |c: char| matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{0300}'..='\u{036f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}');
    let mut end = 0;
    let mut before = ' ';
    for (place, c) in text.char_indices() {
        if place > room {
            break;
        }
        if !joins(c) && before != '\u{200d}' {
            end = place;
        }
        before = c;
    }
    &text[..end]
}

/// Returns whether Windows takes the name for a device.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_lowercase();
    DEVICES.contains(&stem.as_str()) || ["com²", "com³", "lpt²", "lpt³"].contains(&stem.as_str())
}

/// Returns whether a name could be one that we gave because of a key.
fn looks_keyed(name: &str) -> bool {
    name.rsplit_once('[').and_then(|(_, tail)| tail.split_once(']')).is_some_and(|(key, _)| key.parse::<ItemKey>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at() -> DateTime<Utc> {
        "2026-11-21T10:22:31Z".parse().unwrap()
    }

    #[test]
    fn names_are_legible() {
        let key = ItemKey(1);
        assert_eq!(item(at(), "Re: budget 2027", key, "eml"), format!("2026-11-21 10.22.31 Re- budget 2027 [{key}].eml"));
        assert_eq!(item(at(), " ...\u{0}", key, "eml"), format!("2026-11-21 10.22.31 [{key}].eml"));
        assert_eq!(folder("Inbox", FolderKey(1), |_| false), "Inbox");
        assert_eq!(folder("Größe", FolderKey(1), |_| false), "Größe");
        for name in ["..", "a/b", "CON", "con.txt", "", "a.", " a", "x [k3f9c2]", "a\u{0}b", "COM1 ", &"ß".repeat(300)] {
            let safe = folder(name, FolderKey(7), |_| false);
            assert!(safe.ends_with(&format!("[{}]", FolderKey(7))), "{name:?} became {safe:?}");
        }
        assert_eq!(folder("nul.txt", FolderKey(7), |_| false), format!("nul-txt [{}]", FolderKey(7)));
        assert_eq!(folder("Inbox", FolderKey(7), |name| name == "inbox"), format!("Inbox [{}]", FolderKey(7)));
    }

    #[test]
    fn a_thousand_emoji_are_cut_between_faces() {
        let name = item(at(), &"👩‍👩‍👧".repeat(1000), ItemKey(1), "eml");
        assert!(name.len() <= FILE_NAME_BYTES_MAX);
        assert!(!name.contains("\u{200d} "), "{name:?}");
    }

    proptest! {
        #[test]
        fn every_system_takes_every_name(subject in any::<String>(), key in 1u64.., seconds in -1_000_000_000_000i64..1_000_000_000_000) {
            let time = DateTime::from_timestamp(seconds, 0).unwrap();
            for name in [item(time, &subject, ItemKey(key), "eml"), folder(&subject, FolderKey(key), |_| false)] {
                prop_assert!(!name.is_empty() && name.len() <= FILE_NAME_BYTES_MAX, "{:?}", name);
                prop_assert!(!name.contains(|c: char| c.is_control() || "<>:\"/\\|?*".contains(c)), "{:?}", name);
                prop_assert!(!name.ends_with([' ', '.']) && name != "." && name != ".." && !is_device(&name), "{:?}", name);
            }
        }
    }
}
