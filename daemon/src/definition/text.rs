//! From a definition file's text to its keys, with errors that name file, line and the key meant.

use crate::definition::Wrong;
use crate::nearest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::{Path, PathBuf};

/// A definition file that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadFile {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; none when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do; empty when the message says it.
    pub hint: String,
}

impl BadFile {
    /// Returns an error about the file as a whole.
    pub fn whole(path: &Path, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, message: message.into(), hint: String::new() }
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}

impl std::error::Error for BadFile {}

/// Parses a file's text.
///
/// # Errors
/// [`BadFile`] with the line, and the nearest known key for one that is unknown.
pub fn parse<F: DeserializeOwned>(path: &Path, text: &str) -> Result<F, BadFile> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        let message = error.message().trim().replace('\n', ", ");
        let hint = nearest::hint(&message);
        BadFile { path: path.to_owned(), line, message, hint }
    })
}

/// Says in which line of the file the wrong value is.
pub fn locate(path: &Path, text: &str, wrong: Wrong) -> BadFile {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let names_key = |line: &str| line.trim_start().trim_start_matches('[').strip_prefix(wrong.key).is_some_and(|rest| !rest.starts_with(goes_on));
    let line = text.lines().position(names_key).map(|index| index + 1);
    BadFile { path: path.to_owned(), line, message: wrong.message, hint: wrong.hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::file::{ConnectionFile, JobFile};

    const JOB: &str = "connection = \"lab\"\nstorage = \"main\"\n[continuity.continuous]\nidle = \"00:05:00\"\n[source]\nonly = [\"a@b\"]\n";

    #[test]
    fn unknown_keys_are_named_with_line_and_neighbour() {
        let path = Path::new("/etc/c2b/jobs/x.toml");
        assert!(parse::<JobFile>(path, JOB).is_ok());
        for (mistake, from, to, line, hint) in [
            ("top", "storage", "storrage", 2, "did you mean `storage`?"),
            ("nested", "idle", "idel", 4, "did you mean `idle`?"),
            ("variant", "only", "olny", 6, "did you mean `only`?"),
        ] {
            let error = parse::<JobFile>(path, &JOB.replace(from, to)).unwrap_err();
            assert_eq!((error.line, error.hint.as_str()), (Some(line), hint), "{mistake}: {error}");
            assert!(error.to_string().starts_with(&format!("/etc/c2b/jobs/x.toml:{line}: ")), "{error}");
        }
    }

    #[test]
    fn other_mistakes_have_a_line_too() {
        let path = Path::new("c.toml");
        let error = parse::<ConnectionFile>(path, "kind = \"ews\"\nurl = 3\nuser = \"u\"\n").unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
        let error = parse::<ConnectionFile>(path, "kind = \"ews\"\nurl \"x\"\n").unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
        let error = parse::<JobFile>(path, &JOB.replace("00:05:00", "5 minutes")).unwrap_err();
        assert_eq!(error.line, Some(4), "{error}");
    }

    #[test]
    fn a_wrong_value_is_found_by_its_key() {
        let text = "# url = old\nkind = \"ews\"\nurl-like = 1\nurl = \"x\"\n";
        assert_eq!(locate(Path::new("c.toml"), text, Wrong::new("url", "no URL", "")).line, Some(4));
    }
}
