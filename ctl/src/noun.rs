//! The kinds of objects that the daemon keeps by name, and the nearest name when one is mistyped.

use c2b_api::path;
use serde_json::Value;

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be offered for the other: `nigthly` and `nightly` are 0.97, `main` and `mail` 0.88.
const LIKENESS_MIN: f64 = 0.8;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    /// Where mail comes from.
    Connection,
    /// Where backups are kept.
    Storage,
    /// What is backed up.
    Job,
}

impl Noun {
    /// Returns the noun as a person and the command line say it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Storage => "storage",
            Self::Job => "job",
        }
    }

    /// Returns where all objects of the kind are on the socket.
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::Connection => path::CONNECTIONS,
            Self::Storage => path::STORAGES,
            Self::Job => path::JOBS,
        }
    }

    /// Returns where an object of the kind, or something below it, is on the socket.
    pub(crate) fn path(self, name: &str, below: &str) -> String {
        path::object(self.collection(), name, below)
    }

    /// Returns the name of an object of the kind.
    pub(crate) fn name_in(self, object: &Value) -> Option<&str> {
        match self {
            Self::Connection | Self::Storage => object.get("name"),
            Self::Job => object.get("definition")?.get("name"),
        }?
        .as_str()
    }

    /// Returns what to do when there is no object of this name.
    pub(crate) fn hint_not_found(self, name: &str, names: &[String]) -> String {
        let word = self.word();
        match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`? `c2bctl {word} list` shows all"),
            None if names.is_empty() => format!("there is no {word} yet: make one with `c2bctl {word} create`"),
            None => format!("`c2bctl {word} list` shows all"),
        }
    }
}

/// Accepts a name that can be one segment of a path; what else a name must be is the daemon's to say.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    let usable = !text.is_empty() && text != "." && text != ".." && !text.chars().any(|c| c == '/' || c.is_control());
    if usable { Ok(text.to_owned()) } else { Err("a name is not empty, has no `/` and is neither `.` nor `..`".to_owned()) }
}

fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let near = names.iter().map(|other| (likeness(other), other.as_str())).filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let names = ["nightly".to_owned(), "weekly".to_owned(), "archive".to_owned()];
        for (typed, expected) in [("nigthly", Some("nightly")), ("Weekly", Some("weekly")), ("arch", Some("archive")), ("xyz", None)] {
            assert_eq!(nearest(typed, &names), expected, "{typed}");
        }
    }

    #[test]
    fn names_that_are_steps_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\nb"] {
            assert!(parse_name(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(parse_name("Büro 2.1"), Ok("Büro 2.1".to_owned()));
    }
}
