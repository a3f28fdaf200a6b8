//! What an inode number stands for: every number is computed from what it names, and leads back to it.
//!
//! Promises: a thing has the same number in every mount of its storage, two things never share one,
//! and nothing has to be remembered for it, so memory does not grow with what was walked.
//! The exceptions are things whose keys are too large for the layout (beyond 2^24 commits or 2^36 items):
//! [`Nodes`] gives those a hashed number and remembers it for the life of the mount.
//!
//! An item's number in `latest/` names one *version* of it: a file never changes under its number, and a
//! changed item is another file that took its name, as if by `rename`. A typed time, which no listing
//! shows, has these same files. Two folders never share a number: the kernel would move one to the other.
//!
//! | bits 63-60 | what | bits 59-0 |
//! |---|---|---|
//! | 0 | root, README.txt, … | a small number |
//! | 1 | a generated file of `storage/` | kind 4, commit 56 |
//! | 2 | a mailbox's folder, its `at/` | which 4, mailbox 56 |
//! | 3 | a year, month or day in `at/` | year 14, month 4, day 5, mailbox 37 |
//! | 4 | top of `latest/` | mailbox 60 |
//! | 5 | top of a point in time | commit 28, mailbox 32 |
//! | 6 | top of a typed time | seconds 32, mailbox 28 |
//! | 7 | folder, latest | folder 60 |
//! | 8 | folder at a point | commit 24, folder 36 |
//! | 9 | folder at a typed time | seconds 32, folder 28 |
//! | 10 | item version | commit 24, item 36 |
//! | 11 | item at a point | commit 24, item 36 |
//! | 12 | associated items of a folder, latest | folder 60 |
//! | 13 | of a folder at a point | commit 24, folder 36 |
//! | 14 | of a folder at a typed time | seconds 32, folder 28 |
//! | 15 | what does not fit above | hash 60 |

use c2b_storagefmt::{CommitSeq, FolderKey, ItemKey, MailboxKey};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{PoisonError, RwLock};

/// Seconds since 1970 of a typed time; 32 bits reach to the year 2106.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Second(pub u32);

/// A state that is not the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Past {
    /// A listed point in time.
    Point(CommitSeq),
    /// A time that somebody typed: the last commit at or before it.
    Typed(Second),
}

/// Which state of a mailbox a folder shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// The newest.
    Latest,
    /// A fixed one.
    Past(Past),
}

/// A directory of the date tree, by how much of a date it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    /// The year, four digits.
    pub year: u16,
    /// The month from 1; 0 for the year's directory.
    pub month: u8,
    /// The day from 1; 0 for a year's or month's directory.
    pub day: u8,
}

/// A generated file of `storage/`; its text belongs to one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// `status.json`.
    Status,
    /// `mailboxes.json`.
    Mailboxes,
}

/// Anything that the mount shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The top of the mount.
    Root,
    /// `README.txt`.
    Readme,
    /// `mailboxes/`.
    Mailboxes,
    /// `storage/`.
    Storage,
    /// A file in `storage/`, as of a commit.
    Report(Report, CommitSeq),
    /// `mailboxes/ADDRESS/`.
    Mailbox(MailboxKey),
    /// `mailboxes/ADDRESS/at/`.
    At(MailboxKey),
    /// A year, month or day below `at/`.
    Date(MailboxKey, Date),
    /// The top of a mailbox in one state.
    Top(View, MailboxKey),
    /// A mailbox folder in one state.
    Folder(View, FolderKey),
    /// The folder of the items that are associated with a mailbox folder, in one state.
    Associated(View, FolderKey),
    /// A version of an item: the one that begins with this commit, in `latest/` and at typed times.
    Item(CommitSeq, ItemKey),
    /// An item at a listed point in time.
    PointItem(CommitSeq, ItemKey),
}

/// The two directions between nodes and inode numbers.
#[derive(Debug, Default)]
pub struct Nodes {
    large: RwLock<HashMap<u64, Node>>,
}

impl Nodes {
    /// Returns the inode number of a node.
    pub fn number(&self, node: Node) -> u64 {
        pack(node).unwrap_or_else(|| self.remember(node))
    }

    /// Returns what an inode number stands for; `None` when this mount never gave it out.
    pub fn node(&self, number: u64) -> Option<Node> {
        if number >> KEY_BITS == LARGE {
            return self.large.read().unwrap_or_else(PoisonError::into_inner).get(&number).copied();
        }
        unpack(number)
    }

    /// Gives a hashed number to a node whose keys are too large, and the next free one on collision.
    fn remember(&self, node: Node) -> u64 {
        let mut hasher = DefaultHasher::new();
        node.hash(&mut hasher);
        let mut hash = hasher.finish();
        let mut large = self.large.write().unwrap_or_else(PoisonError::into_inner);
        loop {
            let number = LARGE << KEY_BITS | hash & low(KEY_BITS);
            if *large.entry(number).or_insert(node) == node {
                return number;
            }
            hash = hash.wrapping_add(1);
        }
    }
}

/// Bits below the tag.
const KEY_BITS: u32 = 60;

/// Tag of hashed numbers.
const LARGE: u64 = 15;

fn low(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// Joins a tag and fields (value, bits) that fill 60 bits; `None` when a value is too large for its bits.
fn join(tag: u64, fields: &[(u64, u32)]) -> Option<u64> {
    fields.iter().try_fold(tag, |number, (value, bits)| (*value <= low(*bits)).then_some(number << bits | value))
}

fn pack(node: Node) -> Option<u64> {
    let mailbox = |key: MailboxKey| u64::from(key.0);
    let seconds = |second: Second| (u64::from(second.0), 32);
    match node {
        Node::Root => Some(1),
        Node::Readme => Some(2),
        Node::Mailboxes => Some(3),
        Node::Storage => Some(4),
        Node::Report(Report::Status, seq) => join(1, &[(0, 4), (seq.0, 56)]),
        Node::Report(Report::Mailboxes, seq) => join(1, &[(1, 4), (seq.0, 56)]),
        Node::Mailbox(key) => join(2, &[(0, 4), (mailbox(key), 56)]),
        Node::At(key) => join(2, &[(1, 4), (mailbox(key), 56)]),
        Node::Date(key, Date { year, month, day }) => join(3, &[(year.into(), 14), (month.into(), 4), (day.into(), 5), (mailbox(key), 37)]),
        Node::Top(View::Latest, key) => join(4, &[(mailbox(key), 60)]),
        Node::Top(View::Past(Past::Point(seq)), key) => join(5, &[(seq.0, 28), (mailbox(key), 32)]),
        Node::Top(View::Past(Past::Typed(second)), key) => join(6, &[seconds(second), (mailbox(key), 28)]),
        Node::Folder(View::Latest, key) => join(7, &[(key.0, 60)]),
        Node::Folder(View::Past(Past::Point(seq)), key) => join(8, &[(seq.0, 24), (key.0, 36)]),
        Node::Folder(View::Past(Past::Typed(second)), key) => join(9, &[seconds(second), (key.0, 28)]),
        Node::Associated(View::Latest, key) => join(12, &[(key.0, 60)]),
        Node::Associated(View::Past(Past::Point(seq)), key) => join(13, &[(seq.0, 24), (key.0, 36)]),
        Node::Associated(View::Past(Past::Typed(second)), key) => join(14, &[seconds(second), (key.0, 28)]),
        Node::Item(seq, key) => join(10, &[(seq.0, 24), (key.0, 36)]),
        Node::PointItem(seq, key) => join(11, &[(seq.0, 24), (key.0, 36)]),
    }
}

fn unpack(number: u64) -> Option<Node> {
    let key = number & low(KEY_BITS);
    let mailbox = |bits: u32| u32::try_from(key & low(bits)).ok().map(MailboxKey);
    let point = |bits: u32| Past::Point(CommitSeq(key >> bits));
    let typed = |bits: u32| u32::try_from(key >> bits).ok().map(|seconds| Past::Typed(Second(seconds)));
    Some(match number >> KEY_BITS {
        0 => match key {
            1 => Node::Root,
            2 => Node::Readme,
            3 => Node::Mailboxes,
            4 => Node::Storage,
            _ => return None,
        },
        1 => match key >> 56 {
            0 => Node::Report(Report::Status, CommitSeq(key & low(56))),
            1 => Node::Report(Report::Mailboxes, CommitSeq(key & low(56))),
            _ => return None,
        },
        2 => match key >> 56 {
            0 => Node::Mailbox(mailbox(56)?),
            1 => Node::At(mailbox(56)?),
            _ => return None,
        },
        3 => {
            let date =
                Date { year: u16::try_from(key >> 46).ok()?, month: u8::try_from(key >> 42 & low(4)).ok()?, day: u8::try_from(key >> 37 & low(5)).ok()? };
            Node::Date(mailbox(37)?, date)
        }
        4 => Node::Top(View::Latest, mailbox(60)?),
        5 => Node::Top(View::Past(point(32)), mailbox(32)?),
        6 => Node::Top(View::Past(typed(28)?), mailbox(28)?),
        7 => Node::Folder(View::Latest, FolderKey(key)),
        8 => Node::Folder(View::Past(point(36)), FolderKey(key & low(36))),
        9 => Node::Folder(View::Past(typed(28)?), FolderKey(key & low(28))),
        10 => Node::Item(CommitSeq(key >> 36), ItemKey(key & low(36))),
        11 => Node::PointItem(CommitSeq(key >> 36), ItemKey(key & low(36))),
        12 => Node::Associated(View::Latest, FolderKey(key)),
        13 => Node::Associated(View::Past(point(36)), FolderKey(key & low(36))),
        14 => Node::Associated(View::Past(typed(28)?), FolderKey(key & low(28))),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn past() -> impl Strategy<Value = Past> {
        prop_oneof![number().prop_map(|n| Past::Point(CommitSeq(n))), any::<u32>().prop_map(|s| Past::Typed(Second(s)))]
    }

    fn view() -> impl Strategy<Value = View> {
        prop_oneof![Just(View::Latest), past().prop_map(View::Past)]
    }

    /// Numbers of every magnitude, so that all widths of the layout and the large ones are met.
    fn number() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(n, shift)| n >> shift)
    }

    fn mailbox() -> impl Strategy<Value = MailboxKey> {
        (any::<u32>(), 0u32..32).prop_map(|(n, shift)| MailboxKey(n >> shift))
    }

    fn node() -> impl Strategy<Value = Node> {
        prop_oneof![
            Just(Node::Root),
            Just(Node::Readme),
            Just(Node::Mailboxes),
            Just(Node::Storage),
            number().prop_map(|n| Node::Report(Report::Status, CommitSeq(n))),
            number().prop_map(|n| Node::Report(Report::Mailboxes, CommitSeq(n))),
            mailbox().prop_map(Node::Mailbox),
            mailbox().prop_map(Node::At),
            (mailbox(), 0u16..10_000, 0u8..=12, 0u8..=31).prop_map(|(key, year, month, day)| Node::Date(key, Date { year, month, day })),
            (view(), mailbox()).prop_map(|(view, key)| Node::Top(view, key)),
            (view(), number()).prop_map(|(view, n)| Node::Folder(view, FolderKey(n))),
            (view(), number()).prop_map(|(view, n)| Node::Associated(view, FolderKey(n))),
            (number(), number()).prop_map(|(seq, n)| Node::Item(CommitSeq(seq), ItemKey(n))),
            (number(), number()).prop_map(|(seq, n)| Node::PointItem(CommitSeq(seq), ItemKey(n))),
        ]
    }

    proptest! {
        #[test]
        fn a_number_leads_back_to_its_node_and_only_to_it(one in node(), other in node()) {
            let nodes = Nodes::default();
            let (first, second) = (nodes.number(one), nodes.number(other));
            prop_assert_eq!(nodes.node(first), Some(one));
            prop_assert_eq!(nodes.node(second), Some(other));
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(nodes.number(one), Nodes::default().number(one), "another mount gives another number");
        }
    }

    #[test]
    fn ordinary_nodes_are_not_remembered() {
        let nodes = Nodes::default();
        nodes.number(Node::Item(CommitSeq((1 << 24) - 1), ItemKey((1 << 36) - 1)));
        assert!(nodes.large.read().unwrap().is_empty());
        nodes.number(Node::Item(CommitSeq(1 << 24), ItemKey(1)));
        assert_eq!(nodes.large.read().unwrap().len(), 1);
    }

    #[test]
    fn the_root_has_the_number_that_fuse_gives_it() {
        assert_eq!(Nodes::default().number(Node::Root), 1);
        assert_eq!(Nodes::default().node(0), None);
    }
}
