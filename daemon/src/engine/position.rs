//! Where the listing of a folder stands, as the storage keeps it in the place of a cursor: the source's cursor, the
//! mark that the folder had before its last complete listing, and by which filter its items were taken. Pure.
//!
//! The mark is part of the cursor's record, so both hold or neither does: a listing that broke off, whatever the
//! reason, has a position without a mark, and is listed again. As text: `mark:<bytes of the mark>:<mark><cursor>`,
//! `mark:-:<cursor>`, or a cursor alone, when it cannot be taken for one of these; before that `for:<bytes of the
//! filter>:<filter>`, when there is one. A position of another filter is of no use: what that left out must be listed again.
//!
//! Jobs with different filters that share a mailbox and a storage have a position each: before the one that was kept
//! last stand the others, each as `also:<times that others were kept since>:<bytes>:<position>`. One that nobody used
//! for long is forgotten; so is every other one when something that it passed must be met again.

use c2b_mailbox::{Cursor, FolderMark};

const PREFIX: &str = "mark:";
const FILTER_PREFIX: &str = "for:";
const OTHER_PREFIX: &str = "also:";

/// Positions of so many other filters are kept: each makes the record longer that is written with each change.
const OTHERS_MAX: usize = 3;

/// So often the position of another filter may be kept before one is forgotten: an edit leaves one behind that nobody uses.
const UNUSED_MAX: u32 = 100;

/// The positions that a folder has, by filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    /// The one that was kept last is the last. With each, how often others were kept since.
    list: Vec<(u32, Position)>,
}

/// Where the listing of a folder stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) cursor: Cursor,
    /// What the folder was marked with before it was listed to the end; `None` when it was not, or has no mark.
    pub(crate) mark: Option<FolderMark>,
    /// The filter by which items were taken; empty when all were.
    pub(crate) filter: String,
}

impl Position {
    /// Reads what the storage keeps.
    pub(crate) fn of(stored: Cursor) -> Self {
        let filtered = stored.as_str().strip_prefix(FILTER_PREFIX).and_then(|rest| rest.split_once(':'));
        let filtered = filtered.and_then(|(bytes, rest)| rest.split_at_checked(bytes.parse().ok()?));
        let (filter, stored) = match filtered {
            Some((filter, rest)) => (filter.to_owned(), Cursor::new(rest)),
            None => (String::new(), stored),
        };
        let parts = stored.as_str().strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).and_then(|(bytes, rest)| {
            if bytes == "-" {
                return Some((None, rest));
            }
            let (mark, cursor) = rest.split_at_checked(bytes.parse().ok()?)?;
            Some((Some(FolderMark::new(mark)), cursor))
        });
        match parts {
            Some((mark, cursor)) => Self { cursor: Cursor::new(cursor), mark, filter },
            None => Self { cursor: stored, mark: None, filter },
        }
    }

    /// Returns what the storage is to keep.
    pub(crate) fn into_stored(self) -> Cursor {
        let Self { cursor, mark, filter } = self;
        let stored = match mark {
            Some(mark) => Cursor::new(format!("{PREFIX}{}:{mark}{cursor}", mark.as_str().len())),
            None if cursor.as_str().starts_with(PREFIX) => Cursor::new(format!("{PREFIX}-:{cursor}")),
            None => cursor,
        };
        let is_plain = filter.is_empty() && ![FILTER_PREFIX, OTHER_PREFIX].iter().any(|prefix| stored.as_str().starts_with(prefix));
        if is_plain { stored } else { Cursor::new(format!("{FILTER_PREFIX}{}:{filter}{stored}", filter.len())) }
    }
}

impl Positions {
    /// Reads what the storage keeps; none when it keeps nothing.
    pub(crate) fn of(stored: Option<Cursor>) -> Self {
        let Some(stored) = stored else { return Self::default() };
        let mut list = Vec::new();
        let mut rest = stored.as_str();
        while let Some((unused, other, after)) = rest.strip_prefix(OTHER_PREFIX).and_then(split_other) {
            list.push((unused, Position::of(Cursor::new(other))));
            rest = after;
        }
        list.push((0, Position::of(Cursor::new(rest))));
        Self { list }
    }

    /// Returns the position of a filter.
    pub(crate) fn by(self, filter: &str) -> Option<Position> {
        self.list.into_iter().map(|(_, position)| position).rfind(|position| position.filter == filter)
    }

    /// Returns whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns what the storage is to keep with this position of a filter.
    pub(crate) fn with(self, position: Position) -> Cursor {
        let others = self.list.into_iter().filter(|(_, other)| other.filter != position.filter).map(|(unused, other)| (unused + 1, other));
        let others: Vec<_> = others.filter(|(unused, _)| *unused <= UNUSED_MAX).collect();
        let first = others.len().saturating_sub(OTHERS_MAX);
        let mut text = String::new();
        for (unused, other) in others.into_iter().skip(first) {
            let other = other.into_stored();
            text.push_str(&format!("{OTHER_PREFIX}{unused}:{}:{other}", other.as_str().len()));
        }
        text.push_str(position.into_stored().as_str());
        Cursor::new(text)
    }

    /// Returns what the storage is to keep when the others must meet again what they passed; `None` without a position of the filter.
    pub(crate) fn only(self, filter: &str) -> Option<Cursor> {
        self.by(filter).map(Position::into_stored)
    }
}

/// Splits what follows the prefix into the count, the position, and what is behind it.
fn split_other(text: &str) -> Option<(u32, &str, &str)> {
    let (unused, rest) = text.split_once(':')?;
    let (bytes, rest) = rest.split_once(':')?;
    let (other, after) = rest.split_at_checked(bytes.parse().ok()?)?;
    Some((unused.parse().ok()?, other, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_being_a_cursor() {
        for cursor in ["", "sync:H4s=", "mark:", "mark:3:abc", "mark:-:x", "for:3:abc", "for:0:mark:-:x", "also:1:2:ab"] {
            for mark in [None, Some(""), Some("t=1;d=2"), Some("mark:2:é:")] {
                for filter in ["", "older than 6mo", "for:2:é:"] {
                    let position = Position { cursor: Cursor::new(cursor), mark: mark.map(FolderMark::new), filter: filter.to_owned() };
                    assert_eq!(Position::of(position.clone().into_stored()), position);
                }
            }
        }
        let position = Position { cursor: Cursor::new("sync:x"), mark: None, filter: String::new() };
        assert_eq!((Position::of(Cursor::new("sync:x")), position.clone().into_stored()), (position, Cursor::new("sync:x")));
    }

    #[test]
    fn each_filter_has_its_position_until_it_is_long_unused() {
        let position = |filter: &str, cursor: &str| Position { cursor: Cursor::new(cursor), mark: Some(FolderMark::new("m:é")), filter: filter.to_owned() };
        let keep = |stored: Option<Cursor>, filter: &str, cursor: &str| Some(Positions::of(stored).with(position(filter, cursor)));
        let alone = keep(None, "", "sync:1");
        assert_eq!(alone, Some(position("", "sync:1").into_stored()), "one filter alone is kept as ever");
        let mut stored = keep(keep(alone, "older than 1y", "also:1:2:x"), "associated", "");
        for (filter, cursor) in [("", "sync:1"), ("older than 1y", "also:1:2:x"), ("associated", "")] {
            assert_eq!(Positions::of(stored.clone()).by(filter), Some(position(filter, cursor)));
        }
        assert_eq!(Positions::of(stored.clone()).by("older than 2y"), None);
        assert_eq!(Positions::of(stored.clone()).only("associated"), Some(position("associated", "").into_stored()));
        stored = keep(stored, "", "sync:2");
        for n in 0..UNUSED_MAX {
            assert!(Positions::of(stored.clone()).by("older than 1y").is_some_and(|one| one.cursor.as_str() == "also:1:2:x") || n >= UNUSED_MAX - 2, "{n}");
            stored = keep(stored, "", &format!("sync:{n}"));
        }
        assert_eq!(stored, Some(position("", &format!("sync:{}", UNUSED_MAX - 1)).into_stored()));
        for n in 0..9 {
            stored = keep(stored, &format!("filter {n}"), "x");
        }
        let kept = (0..9).filter(|n| Positions::of(stored.clone()).by(&format!("filter {n}")).is_some()).count();
        assert_eq!(kept, OTHERS_MAX + 1);
    }

    #[test]
    fn a_position_that_is_none_is_a_cursor() {
        for text in ["mark:9:short", "mark:x:y", "mark", "mark:1:é", "for:9:short", "for", "for:1:é"] {
            assert_eq!(Position::of(Cursor::new(text)).cursor.as_str(), text);
        }
    }
}
