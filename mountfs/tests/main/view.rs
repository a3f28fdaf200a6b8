//! The tree over the maps: what is listed is found, past states stay, typed times mean the commit before.

use crate::fake::{ADDRESS, Fake, start};
use c2b_mountfs::errno::ViewError;
use c2b_mountfs::node::{Node, View};
use c2b_mountfs::tree::{Attr, Kind, Tree};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// Every path below a node with its attributes.
pub(crate) fn walk(tree: &Tree<Fake>, top: Node) -> BTreeMap<String, Attr> {
    let head = tree.head();
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), top)];
    while let Some((path, node)) = open.pop() {
        let mut listing = tree.list(&head, node).unwrap();
        let mut place = 0;
        while let Some((name, attr)) = listing.entry(tree, place).unwrap() {
            place += 1;
            let path = format!("{path}/{name}");
            if attr.kind == Kind::Folder {
                open.push((path.clone(), attr.node));
            }
            assert!(found.insert(path, attr).is_none(), "a name is listed twice");
        }
    }
    found
}

/// Finds a path, one name after the other.
pub(crate) fn find(tree: &Tree<Fake>, path: &str) -> Result<Attr, ViewError> {
    let head = tree.head();
    let root = tree.attr(&head, Node::Root)?;
    path.split('/').try_fold(root, |attr, name| tree.lookup(&head, attr.node, name))
}

fn xattrs(tree: &Tree<Fake>, node: Node) -> Vec<(&'static str, String)> {
    tree.xattrs(&tree.head(), node).unwrap()
}

fn missing(found: Result<Attr, ViewError>) -> bool {
    matches!(found, Err(ViewError::Missing))
}

/// Two folders and a few items in three commits, of which the first and the last are points.
fn small() -> Fake {
    let fake = Fake::new();
    {
        let mut state = fake.state();
        let inbox = state.put_folder(None, None, "Inbox");
        let sub = state.put_folder(None, Some(inbox), "Sub");
        state.put_item(None, inbox, "one", b"first body");
        let two = state.put_item(None, sub, "two", b"");
        state.commit(true);
        state.put_item(Some(two), sub, "two", b"now with a body");
        state.commit(false);
        state.put_item(None, sub, "three", b"3");
        state.commit(true);
    }
    fake
}

#[test]
fn what_is_listed_is_found_and_has_the_same_attributes() {
    let tree = Tree::new(small()).unwrap();
    let all = walk(&tree, Node::Root);
    let mut numbers = BTreeSet::new();
    for (path, listed) in &all {
        let found = find(&tree, &path[1..]).unwrap();
        assert_eq!(&found, listed, "{path}");
        assert_eq!(tree.attr(&tree.head(), listed.node).unwrap(), found, "{path}");
        assert!(numbers.insert(tree.nodes.number(listed.node)), "{path} shares its inode");
        assert!(listed.modified.timestamp() > 0, "{path} is of 1970");
        if listed.kind == Kind::File {
            assert_eq!(tree.read(listed.node, 0, 1 << 20).unwrap().len() as u64, listed.size, "{path}");
        }
    }
    let expected = |path: &str| all.keys().any(|found| found.starts_with(&format!("/mailboxes/{ADDRESS}/{path}")));
    for path in ["latest/Inbox", "at/2024/11/21/10-00-00Z/Inbox", "at/2024/11/21/10-02-00Z/Inbox"] {
        assert!(expected(path), "{path} is not listed");
    }
    assert!(!expected("at/2024/11/21/10-01-00Z"), "a commit that is no point is listed");
}

#[test]
fn any_typed_time_is_the_last_commit_at_or_before_it() {
    let tree = Tree::new(small()).unwrap();
    let texts = |time: &str| -> Vec<String> {
        let top = find(&tree, &format!("mailboxes/{ADDRESS}/at/2024/11/{time}")).unwrap().node;
        let files: Vec<Attr> = walk(&tree, top).into_values().filter(|attr| attr.kind == Kind::File).collect();
        let mut texts: Vec<String> = files.iter().map(|attr| String::from_utf8(tree.read(attr.node, 0, 100).unwrap()).unwrap()).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts("21/10-00-00Z"), ["", "first body"]);
    assert_eq!(texts("21/10-00-59Z"), ["", "first body"]);
    assert_eq!(texts("21/10-01-00Z"), ["first body", "now with a body"]);
    assert_eq!(texts("21/23-00-00Z"), ["3", "first body", "now with a body"]);
    assert_eq!(texts("22/00-00-00Z"), ["3", "first body", "now with a body"]);
    for wrong in ["2024/11/21/09-59-59Z", "2024/11/20", "2023", "2999", "2024/13", "2024/11/21/10-00Z", "2024/11/21/10-00-00", "2024/11/21/10-00-00.000Z"] {
        assert!(missing(find(&tree, &format!("mailboxes/{ADDRESS}/at/{wrong}"))), "{wrong} was found");
    }
}

#[test]
fn a_point_has_the_time_of_its_commit_and_a_folder_that_of_its_newest_item() {
    let tree = Tree::new(small()).unwrap();
    let point = find(&tree, &format!("mailboxes/{ADDRESS}/at/2024/11/21/10-02-00Z")).unwrap();
    assert_eq!(point.modified, start() + TimeDelta::minutes(2));
    let folders: Vec<Attr> = walk(&tree, point.node).into_values().filter(|attr| attr.kind == Kind::Folder).collect();
    for folder in folders {
        let newest = walk(&tree, folder.node)
            .into_iter()
            .filter(|(path, attr)| attr.kind == Kind::File && path.rfind('/') == Some(0))
            .map(|(_, attr)| attr.modified)
            .max();
        assert_eq!(Some(folder.modified), newest);
    }
}

#[test]
fn a_version_that_was_replaced_can_still_be_read_under_its_inode() {
    let fake = small();
    let tree = Tree::new(fake.clone()).unwrap();
    let latest = find(&tree, &format!("mailboxes/{ADDRESS}/latest")).unwrap().node;
    let files: Vec<Attr> = walk(&tree, latest).into_values().filter(|attr| attr.kind == Kind::File).collect();
    let rows = fake.state().living_items();
    for row in rows {
        fake.state().put_item(Some(row.key), row.folder, "changed", b"changed");
    }
    fake.state().commit(true);
    tree.advance().unwrap();
    let head = tree.head();
    for file in files {
        assert_eq!(tree.attr(&head, file.node).unwrap().size, file.size);
        assert_ne!(tree.read(file.node, 0, 100).unwrap(), b"changed");
    }
}

#[test]
fn a_listing_can_be_read_from_any_place_and_is_not_moved_by_commits() {
    let fake = Fake::new();
    let inbox = {
        let mut state = fake.state();
        let inbox = state.put_folder(None, None, "Inbox");
        for n in 0..50 {
            state.put_item(None, inbox, &format!("mail {n}"), b"x");
        }
        state.commit(true);
        inbox
    };
    let tree = Tree::new(fake.clone()).unwrap();
    let mut listing = tree.list(&tree.head(), Node::Folder(View::Latest, inbox)).unwrap();
    let names: Vec<String> = (0..50).map(|place| listing.entry(&tree, place).unwrap().unwrap().0).collect();
    let first = fake.state().living_items()[0].key;
    fake.state().end_item(first);
    fake.state().commit(true);
    tree.advance().unwrap();
    for place in [49, 3, 4, 0, 20, 20] {
        assert_eq!(listing.entry(&tree, place).unwrap().unwrap().0, names[place]);
    }
    let kept = listing.entry(&tree, 21).unwrap().unwrap();
    listing.keep(21, kept.clone());
    assert_eq!(listing.entry(&tree, 21).unwrap().unwrap(), kept);
    assert_eq!(listing.entry(&tree, 22).unwrap().unwrap().0, names[22]);
    assert!(listing.entry(&tree, 50).unwrap().is_none());
}

#[test]
fn associated_items_are_in_a_hidden_folder_of_their_own() {
    let fake = small();
    let (inbox, newest) = {
        let mut state = fake.state();
        let inbox = state.living_folders()[0].key;
        let newest = state.living_items().iter().filter(|row| row.folder == inbox).map(|row| row.time).max();
        state.put_item(None, inbox, "hidden view", b"a view");
        state.put_item(None, inbox, "hidden rule", b"a rule");
        state.commit(true);
        (inbox, newest.unwrap())
    };
    let tree = Tree::new(fake.clone()).unwrap();
    let (head, folder) = (tree.head(), Node::Folder(View::Latest, inbox));
    let hidden = tree.lookup(&head, folder, ".associated").unwrap();
    let names: Vec<String> = walk(&tree, hidden.node).into_keys().collect();
    assert_eq!((hidden.kind, hidden.links, names.len()), (Kind::Folder, 2, 2), "{names:?}");
    let row = fake.state().living_items().into_iter().find(|row| row.meta.subject == "hidden rule").unwrap();
    assert!(missing(tree.lookup(&head, folder, &row.file_name)), "what is associated is found among the mail");
    assert_eq!(tree.read(tree.lookup(&head, hidden.node, &row.file_name).unwrap().node, 0, 100).unwrap(), b"a rule");
    let shown = tree.attr(&head, folder).unwrap();
    assert_eq!((shown.modified, shown.links, tree.parent(&head, hidden.node)), (newest, 4, folder));
    assert!(xattrs(&tree, tree.lookup(&head, hidden.node, &row.file_name).unwrap().node).contains(&("associated", "true".to_owned())));
    let sub = fake.state().living_folders()[1].key;
    assert!(missing(tree.lookup(&head, Node::Folder(View::Latest, sub), ".associated")));
    let before = find(&tree, &format!("mailboxes/{ADDRESS}/at/2024/11/21/10-02-00Z/{}", fake.state().living_folders()[0].file_name)).unwrap();
    assert!(missing(tree.lookup(&head, before.node, ".associated")), "it was not there then");
}

#[test]
fn a_file_is_no_folder_and_an_unknown_inode_is_stale() {
    let fake = small();
    let tree = Tree::new(fake.clone()).unwrap();
    let head = tree.head();
    assert!(matches!(tree.lookup(&head, Node::Readme, "x"), Err(ViewError::NotFolder)));
    assert!(matches!(tree.list(&head, Node::Readme), Err(ViewError::NotFolder)));
    assert!(matches!(tree.read(Node::Root, 0, 1), Err(ViewError::NotFile)));
    let row = fake.state().living_items()[0].clone();
    let never = Node::PointItem(c2b_storagefmt::CommitSeq(1), c2b_storagefmt::ItemKey(999));
    assert!(matches!(tree.attr(&head, never), Err(ViewError::Stale)));
    let elsewhere = Node::Top(View::Latest, crate::fake::MAILBOX);
    assert!(missing(tree.lookup(&head, elsewhere, &row.file_name)), "an item is found outside its folder");
}
