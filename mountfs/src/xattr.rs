//! Extended attributes `user.c2b.*`: the originals that file names cannot hold, for `getfattr -d` and scripts.
//!
//! Values are UTF-8 text. An attribute that has no value is absent. Times are RFC 3339 in UTC.

use crate::errno::ViewError;
use c2b_mailbox::{Address, Fidelity, FlagStatus, Importance};
use c2b_storagefmt::{FolderRow, ItemRow};
use chrono::{DateTime, SecondsFormat, Utc};
use std::ffi::OsStr;

/// What all our names begin with.
pub const PREFIX: &str = "user.c2b.";

/// Largest value that Linux lets through (`XATTR_SIZE_MAX`), in bytes.
const VALUE_BYTES_MAX: usize = 65_536;

/// An attribute: name without [`PREFIX`], value.
pub type Pair = (&'static str, String);

/// Returns the attributes of a mailbox's own folders.
pub fn of_mailbox(address: &Address) -> Vec<Pair> {
    vec![("mailbox", address.to_string())]
}

/// Returns the attributes of a mailbox folder.
pub fn of_folder(address: &Address, path: &str, row: &FolderRow) -> Vec<Pair> {
    let pairs = [
        ("mailbox", Some(address.to_string())),
        ("folder", Some(path.to_owned())),
        ("name", Some(row.name.clone())),
        ("class", Some(row.class.clone())),
        ("role", row.role.as_ref().map(|role| role.as_str().to_owned())),
        ("key", Some(row.key.to_string())),
        ("permissions", row.permissions.clone()),
        ("source-id", Some(row.id.to_string())),
    ];
    present(pairs)
}

/// Returns the attributes of an item; `path` has the original names of its folders.
pub fn of_item(address: &Address, path: &str, row: &ItemRow) -> Vec<Pair> {
    let meta = &row.meta;
    let pairs = [
        ("mailbox", Some(address.to_string())),
        ("folder", Some(path.to_owned())),
        ("name", Some(meta.subject.clone())),
        ("subject", Some(meta.subject.clone())),
        ("from", Some(meta.from.clone())),
        ("to", Some(list(&meta.recipients, ", "))),
        ("class", Some(meta.class.clone())),
        ("received", meta.received.map(iso)),
        ("sent", meta.sent.map(iso)),
        ("start", meta.start.map(iso)),
        ("end", meta.end.map(iso)),
        ("modified", meta.modified.map(iso)),
        ("message-id", meta.message_id.clone()),
        ("read", meta.read.map(|read| read.to_string())),
        ("flag", meta.flag.map(|flag| flag_word(flag).to_owned())),
        ("importance", meta.importance.map(|importance| importance_word(importance).to_owned())),
        ("categories", Some(list(&meta.categories, "; "))),
        ("associated", meta.associated.then(|| "true".to_owned())),
        ("attachments", Some(meta.has_attachments.to_string())),
        ("fidelity", Some(fidelity_word(row.fidelity).to_owned())),
        ("rendered", Some(row.rendered.to_string())),
        ("key", Some(row.key.to_string())),
        ("version", Some(row.version.to_string())),
        ("source-id", Some(meta.id.to_string())),
    ];
    present(pairs)
}

/// Returns all names, each ended by a zero byte, as `listxattr` wants them.
pub fn names(pairs: &[Pair]) -> Vec<u8> {
    pairs.iter().flat_map(|(name, _)| [PREFIX.as_bytes(), name.as_bytes(), &[0]].concat()).collect()
}

/// Returns a name that can be one of ours.
///
/// # Errors
/// [`ViewError::NoAttribute`]; [`ViewError::NoAttributes`] for `system.`, `security.`, `trusted.`.
pub fn ours(name: &OsStr) -> Result<&str, ViewError> {
    match name.to_str() {
        Some(name) if name.starts_with(PREFIX) => Ok(name),
        _ if name.as_encoded_bytes().starts_with(b"user.") => Err(ViewError::NoAttribute),
        _ => Err(ViewError::NoAttributes),
    }
}

/// Returns the value of an attribute by its full name.
///
/// # Errors
/// [`ViewError::NoAttribute`].
pub fn value<'a>(pairs: &'a [Pair], name: &str) -> Result<&'a [u8], ViewError> {
    let wanted = name.strip_prefix(PREFIX).ok_or(ViewError::NoAttribute)?;
    pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_bytes()).ok_or(ViewError::NoAttribute)
}

fn present<const N: usize>(pairs: [(&'static str, Option<String>); N]) -> Vec<Pair> {
    let with_value = |(name, value): (&'static str, Option<String>)| value.filter(|value| !value.is_empty()).map(|value| (name, cut(value)));
    pairs.into_iter().filter_map(with_value).collect()
}

/// Joins words; as many whole ones as fit into an attribute.
fn list(words: &[String], separator: &str) -> String {
    let mut text = String::new();
    for word in words {
        if text.len() + separator.len() + word.len() > VALUE_BYTES_MAX {
            break;
        }
        if !text.is_empty() {
            text.push_str(separator);
        }
        text.push_str(word);
    }
    text
}

fn cut(mut value: String) -> String {
    value.truncate(value.floor_char_boundary(VALUE_BYTES_MAX));
    value
}

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn flag_word(flag: FlagStatus) -> &'static str {
    match flag {
        FlagStatus::Flagged => "flagged",
        FlagStatus::Complete => "complete",
    }
}

fn importance_word(importance: Importance) -> &'static str {
    match importance {
        Importance::Low => "low",
        Importance::Normal => "normal",
        Importance::High => "high",
    }
}

fn fidelity_word(fidelity: Fidelity) -> &'static str {
    match fidelity {
        Fidelity::Full => "full",
        Fidelity::ExportOnly => "export-only",
        Fidelity::Mime => "mime",
        Fidelity::Properties => "properties",
        Fidelity::Partial => "partial",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_too_long_for_an_attribute_is_cut_between_words() {
        let words: Vec<String> = (0..10_000).map(|n| format!("Person {n} <p{n}@example.org>")).collect();
        let text = list(&words, ", ");
        assert!(text.len() <= VALUE_BYTES_MAX && text.len() > VALUE_BYTES_MAX - 100);
        assert!(text.ends_with('>'), "cut inside a word");
        assert_eq!(cut("é".repeat(40_000)).len(), VALUE_BYTES_MAX);
    }

    #[test]
    fn names_and_values_agree() {
        let pairs = vec![("name", "Inbox".to_owned()), ("class", "IPF.Note".to_owned())];
        assert_eq!(names(&pairs), b"user.c2b.name\0user.c2b.class\0");
        assert_eq!(value(&pairs, "user.c2b.class").unwrap(), b"IPF.Note");
        for name in ["user.c2b.role", "class"] {
            assert!(matches!(value(&pairs, name), Err(ViewError::NoAttribute)), "{name} has a value");
        }
        assert!(ours(OsStr::new("user.c2b.role")).is_ok());
        assert!(matches!(ours(OsStr::new("user.comment")), Err(ViewError::NoAttribute)));
        assert!(matches!(ours(OsStr::new("system.posix_acl_access")), Err(ViewError::NoAttributes)));
    }
}
