//! Where the listing of a folder stands, as the storage keeps it in the place of a cursor: the source's cursor,
//! and the mark that the folder had before its last complete listing. Pure.
//!
//! The mark is part of the cursor's record, so both hold or neither does: a listing that broke off, whatever the
//! reason, has a position without a mark, and is listed again. As text: `mark:<bytes of the mark>:<mark><cursor>`,
//! `mark:-:<cursor>`, or a cursor alone, when it cannot be taken for one of these.

use c2b_mailbox::{Cursor, FolderMark};

const PREFIX: &str = "mark:";

/// Where the listing of a folder stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) cursor: Cursor,
    /// What the folder was marked with before it was listed to the end; `None` when it was not, or has no mark.
    pub(crate) mark: Option<FolderMark>,
}

impl Position {
    /// Reads what the storage keeps.
    pub(crate) fn of(stored: Cursor) -> Self {
        let parts = stored.as_str().strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).and_then(|(bytes, rest)| {
            if bytes == "-" {
                return Some((None, rest));
            }
            let (mark, cursor) = rest.split_at_checked(bytes.parse().ok()?)?;
            Some((Some(FolderMark::new(mark)), cursor))
        });
        match parts {
            Some((mark, cursor)) => Self { cursor: Cursor::new(cursor), mark },
            None => Self { cursor: stored, mark: None },
        }
    }

    /// Returns what the storage is to keep.
    pub(crate) fn into_stored(self) -> Cursor {
        let Self { cursor, mark } = self;
        match mark {
            Some(mark) => Cursor::new(format!("{PREFIX}{}:{mark}{cursor}", mark.as_str().len())),
            None if cursor.as_str().starts_with(PREFIX) => Cursor::new(format!("{PREFIX}-:{cursor}")),
            None => cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_being_a_cursor() {
        for cursor in ["", "sync:H4s=", "mark:", "mark:3:abc", "mark:-:x"] {
            for mark in [None, Some(""), Some("t=1;d=2"), Some("mark:2:é:")] {
                let position = Position { cursor: Cursor::new(cursor), mark: mark.map(FolderMark::new) };
                assert_eq!(Position::of(position.clone().into_stored()), position);
            }
        }
        assert_eq!(Position::of(Cursor::new("sync:x")), Position { cursor: Cursor::new("sync:x"), mark: None });
    }

    #[test]
    fn a_position_that_is_none_is_a_cursor() {
        for text in ["mark:9:short", "mark:x:y", "mark", "mark:1:é"] {
            assert_eq!(Position::of(Cursor::new(text)).cursor.as_str(), text);
        }
    }
}
