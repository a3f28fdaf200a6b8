//! The kinds of objects that the daemon keeps by name, and the nearest name when one is mistyped.

use c2b_api::route::{self, Route};
use clap::Args;
use serde_json::Value;

/// How far apart two names may be for one to be offered for the other: one typing mistake in three letters.
const LETTERS_PER_MISTAKE: usize = 3;

/// Which object.
#[derive(Args, Debug)]
pub(crate) struct NameArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    pub(crate) name: String,
}

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

    /// Returns the kind that a route is about.
    pub(crate) fn of(route: &Route) -> Option<Self> {
        [Self::Connection, Self::Storage, Self::Job].into_iter().find(|noun| noun.list().noun() == route.noun())
    }

    /// Returns the route that lists all objects of the kind.
    pub(crate) fn list(self) -> &'static Route {
        match self {
            Self::Connection => &route::connection::LIST,
            Self::Storage => &route::storage::LIST,
            Self::Job => &route::job::LIST,
        }
    }

    /// Returns the route that shows one.
    pub(crate) fn show(self) -> &'static Route {
        match self {
            Self::Connection => &route::connection::SHOW,
            Self::Storage => &route::storage::SHOW,
            Self::Job => &route::job::SHOW,
        }
    }

    /// Returns the route that deletes one.
    pub(crate) fn delete(self) -> &'static Route {
        match self {
            Self::Connection => &route::connection::DELETE,
            Self::Storage => &route::storage::DELETE,
            Self::Job => &route::job::DELETE,
        }
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

/// Returns the name that was probably meant: with few mistakes (two letters exchanged are one), or of which the beginning was typed.
fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let letters = name.chars().count();
    let mistakes = |other: &str| if letters >= LETTERS_PER_MISTAKE && other.starts_with(&name) { 0 } else { strsim::osa_distance(&name, other) };
    let near = names.iter().map(|other| (mistakes(&other.to_lowercase()), other.as_str())).filter(|(mistakes, _)| *mistakes <= letters / LETTERS_PER_MISTAKE);
    near.min_by_key(|(mistakes, _)| *mistakes).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let names = ["nightly", "weekly", "archive", "lab"].map(str::to_owned);
        for (typed, expected) in
            [("nigthly", Some("nightly")), ("Weekly", Some("weekly")), ("arch", Some("archive")), ("lba", Some("lab")), ("x", None), ("xyz", None)]
        {
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
