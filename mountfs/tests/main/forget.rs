//! A kernel that keeps everything it is told, except what it is told to forget: after any changes, what it
//! still keeps is true. And past states never change.

use crate::fake::{ADDRESS, Fake};
use crate::view::{find, walk};
use c2b_mountfs::invalidate::{Notice, notices};
use c2b_mountfs::node::Node;
use c2b_mountfs::tree::{Attr, Hold, Kind, Tree};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug)]
enum Edit {
    NewFolder(Index),
    RenameFolder(Index),
    MoveFolder(Index, Index),
    EndFolder(Index),
    NewItem(Index),
    ChangeItem(Index),
    RenameItem(Index),
    MoveItem(Index, Index),
    EndItem(Index),
    Commit(bool),
}

fn changes() -> impl Strategy<Value = Vec<Edit>> {
    let index = any::<Index>;
    let change = prop_oneof![
        2 => index().prop_map(Edit::NewFolder),
        1 => index().prop_map(Edit::RenameFolder),
        1 => (index(), index()).prop_map(|(one, other)| Edit::MoveFolder(one, other)),
        1 => index().prop_map(Edit::EndFolder),
        4 => index().prop_map(Edit::NewItem),
        2 => index().prop_map(Edit::ChangeItem),
        2 => index().prop_map(Edit::RenameItem),
        2 => (index(), index()).prop_map(|(one, other)| Edit::MoveItem(one, other)),
        2 => index().prop_map(Edit::EndItem),
        4 => any::<bool>().prop_map(Edit::Commit),
    ];
    prop::collection::vec(change, 1..60)
}

/// Makes a change; `serial` keeps names and bodies distinct.
fn make(fake: &Fake, change: &Edit, serial: usize) {
    let mut state = fake.state();
    let (folders, items) = (state.living_folders(), state.living_items());
    let folder = |index: &Index| (!folders.is_empty()).then(|| index.get(&folders).clone());
    let item = |index: &Index| (!items.is_empty()).then(|| index.get(&items).clone());
    let body = format!("body {serial}").repeat(serial % 3).into_bytes();
    match change {
        Edit::NewFolder(parent) => {
            state.put_folder(None, folder(parent).map(|row| row.key), "folder");
        }
        Edit::RenameFolder(one) => {
            let _key = folder(one).map(|row| state.put_folder(Some(row.key), row.parent, &format!("folder {serial}")));
        }
        Edit::MoveFolder(one, other) => {
            let _key = folder(one).zip(folder(other)).map(|(row, parent)| state.put_folder(Some(row.key), Some(parent.key), &row.name));
        }
        Edit::EndFolder(one) => {
            let Some(row) = folder(one) else { return };
            items.iter().filter(|item| item.folder == row.key).for_each(|item| state.end_item(item.key));
            state.end_folder(row.key);
        }
        Edit::NewItem(parent) => {
            let _key = folder(parent).map(|row| state.put_item(None, row.key, if serial.is_multiple_of(3) { "hidden" } else { "mail" }, &body));
        }
        Edit::ChangeItem(one) => {
            let _key = item(one).map(|row| state.put_item(Some(row.key), row.folder, &row.meta.subject, &body));
        }
        Edit::RenameItem(one) => {
            let _key = item(one)
                .map(|row| state.put_item(Some(row.key), row.folder, &format!("{} {serial}", if serial.is_multiple_of(5) { "hidden" } else { "mail" }), &body));
        }
        Edit::MoveItem(one, other) => {
            let _key = item(one).zip(folder(other)).map(|(row, to)| state.put_item(Some(row.key), to.key, &row.meta.subject, &body));
        }
        Edit::EndItem(one) => {
            let _done = item(one).map(|row| state.end_item(row.key));
        }
        Edit::Commit(point) => {
            state.commit(*point);
        }
    }
}

/// What a kernel keeps.
#[derive(Default)]
struct Kernel {
    names: HashMap<(Node, String), Attr>,
    attributes: HashMap<Node, Attr>,
    listings: HashMap<Node, Vec<String>>,
}

impl Kernel {
    /// Looks at everything, and keeps what may be kept.
    fn look(&mut self, tree: &Tree<Fake>) {
        let head = tree.head();
        let mut open = vec![Node::Root];
        while let Some(node) = open.pop() {
            let mut listing = tree.list(&head, node).unwrap();
            let mut names = Vec::new();
            while let Some((name, attr)) = listing.entry(tree, names.len()).unwrap() {
                names.push(name.clone());
                if attr.kind == Kind::Folder {
                    open.push(attr.node);
                }
                if attr.hold == Hold::Long {
                    self.attributes.insert(attr.node, attr);
                    self.names.insert((node, name), attr);
                }
            }
            if tree.attr(&head, node).unwrap().hold == Hold::Long {
                self.listings.insert(node, names);
            }
        }
    }

    fn forget(&mut self, notice: &Notice) {
        match notice {
            Notice::Folder(node) => {
                self.attributes.remove(node);
                self.listings.remove(node);
            }
            Notice::Name(parent, name) => drop(self.names.remove(&(*parent, name.clone()))),
        }
    }

    /// A folder that is gone is reached by no name, so nobody asks for what it held.
    fn check(&self, tree: &Tree<Fake>) {
        let head = tree.head();
        let reachable = walk(tree, Node::Root);
        let there = |node: &Node| *node == Node::Root || reachable.values().any(|attr| attr.node == *node);
        for ((parent, name), kept) in self.names.iter().filter(|((parent, _), _)| there(parent)) {
            let found = tree.lookup(&head, *parent, name).map(|attr| attr.node).ok();
            assert_eq!(found, Some(kept.node), "the kernel keeps {name:?} of {parent:?}");
        }
        for (node, kept) in self.attributes.iter().filter(|(node, _)| there(node)) {
            assert_eq!(tree.attr(&head, *node).unwrap(), *kept, "the kernel keeps other attributes");
        }
        for (node, kept) in self.listings.iter().filter(|(node, _)| there(node)) {
            let mut listing = tree.list(&head, *node).unwrap();
            let names: Vec<String> = std::iter::from_fn(|| Some(()))
                .scan(0, |place, ()| {
                    *place += 1;
                    listing.entry(tree, *place - 1).unwrap()
                })
                .map(|(name, _)| name)
                .collect();
            assert_eq!(&names, kept, "the kernel keeps another listing of {node:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_kernel_keeps_is_true_after_every_step(changes in changes()) {
        let fake = Fake::new();
        fake.state().commit(true);
        let tree = Tree::new(fake.clone()).unwrap();
        let mut kernel = Kernel::default();
        for (serial, change) in changes.iter().enumerate() {
            make(&fake, change, serial);
            if matches!(change, Edit::Commit(_)) && serial % 3 != 0 {
                kernel.look(&tree);
                let mut step = tree.advance().unwrap().unwrap();
                if serial % 2 == 0 {
                    // The kernel is told of two steps at once.
                    fake.state().commit(false);
                    step = step.then(tree.advance().unwrap().unwrap());
                }
                notices(&tree, &step).unwrap().iter().for_each(|notice| kernel.forget(notice));
                kernel.check(&tree);
            }
        }
    }

    #[test]
    fn a_point_in_time_is_what_latest_was_then(changes in changes()) {
        let fake = Fake::new();
        let tree = Tree::new(fake.clone()).unwrap();
        let shape = |tree: &Tree<Fake>, path: &str| -> BTreeMap<String, (u64, Vec<u8>)> {
            let top = find(tree, &format!("mailboxes/{ADDRESS}/{path}")).unwrap().node;
            let read = |attr: &Attr| if attr.kind == Kind::File { tree.read(attr.node, 0, 1 << 16).unwrap() } else { Vec::new() };
            walk(tree, top).iter().map(|(path, attr)| (path.clone(), (attr.size, read(attr)))).collect()
        };
        let mut seen = Vec::new();
        for (serial, change) in changes.iter().enumerate() {
            make(&fake, change, serial);
            if matches!(change, Edit::Commit(_)) {
                let step = tree.advance().unwrap().unwrap();
                seen.push((c2b_mountfs::archive::Archive::commit_time(&fake, step.after).unwrap().unwrap(), shape(&tree, "latest")));
            }
        }
        for (time, then) in seen {
            prop_assert_eq!(shape(&tree, &time.format("at/%Y/%m/%d/%H-%M-%SZ").to_string()), then);
        }
    }
}
