//! How much an answer brought: requests differ in size, and their times can be compared only with it.

/// What a request asked for. Requests of a kind take alike, but for their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The folders of a mailbox.
    Folders,
    /// A page of changes.
    Changes,
    /// What items are like, without their contents.
    Looks,
    /// Items.
    Items,
    /// Anything else.
    Other,
}

/// What an answer brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// What was asked for.
    pub kind: Kind,
    /// Things in the answer: items, changes, folders.
    pub items: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

impl Kind {
    pub(super) const COUNT: usize = 5;

    pub(super) fn index(self) -> usize {
        match self {
            Self::Folders => 0,
            Self::Changes => 1,
            Self::Items => 2,
            Self::Other => 3,
            Self::Looks => 4,
        }
    }
}
