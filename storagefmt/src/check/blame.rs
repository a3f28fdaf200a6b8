//! From damaged places to the items that a person misses.

use super::{Damage, DamagedItem};
use crate::catalog::item_row;
use crate::format::row::{FolderRowValue, ItemRowValue, Table};
use crate::index::decode;
use crate::{Catalog, CommitSeq, ContentId, Error, FolderKey, ItemRow, MailboxKey};
use c2b_mailbox::Address;
use std::collections::{HashMap, HashSet};

/// Damages, and what each of them takes with it.
#[derive(Default)]
pub(super) struct Blame {
    pub(super) damages: Vec<Damage>,
    packs: HashMap<CommitSeq, usize>,
    blocks: HashMap<(CommitSeq, u64), usize>,
    /// Of packs that are damaged: the blocks that are whole, and the damage that took the others.
    partial: HashMap<CommitSeq, (HashSet<u64>, usize)>,
    contents: HashMap<ContentId, usize>,
}

impl Blame {
    /// Notes damage that belongs to no pack or content.
    pub(super) fn whole(&mut self, what: String) {
        self.damages.push(Damage { what, items: Vec::new() });
    }

    /// Notes that a pack is lost with everything in it.
    pub(super) fn pack(&mut self, seq: CommitSeq, what: String) {
        self.whole(what);
        self.packs.insert(seq, self.damages.len() - 1);
    }

    /// Notes damage at a place of a pack; a place is noted once.
    pub(super) fn block(&mut self, seq: CommitSeq, offset: u64, what: String) {
        if !self.blocks.contains_key(&(seq, offset)) {
            self.whole(what);
            self.blocks.insert((seq, offset), self.damages.len() - 1);
        }
    }

    /// Notes which blocks of a damaged pack are whole; the others are lost to the damage noted last.
    pub(super) fn only(&mut self, seq: CommitSeq, whole: HashSet<u64>) {
        if let Some(last) = self.damages.len().checked_sub(1) {
            self.partial.insert(seq, (whole, last));
        }
    }

    /// Notes that a content needs a block, in case that is lost.
    pub(super) fn content_at(&mut self, id: ContentId, seq: CommitSeq, block: u64) {
        let rest = || self.partial.get(&seq).filter(|(whole, _)| !whole.contains(&block)).map(|(_, damage)| damage);
        if let Some(damage) = self.packs.get(&seq).or_else(|| self.blocks.get(&(seq, block))).or_else(rest) {
            self.contents.entry(id).or_insert(*damage);
        }
    }

    /// Notes that a content is damaged for a reason of its own.
    pub(super) fn content(&mut self, id: ContentId, reason: &str) {
        if !self.contents.contains_key(&id) {
            self.whole(format!("content {id}: {reason}"));
            self.contents.insert(id, self.damages.len() - 1);
        }
    }

    /// Returns whether a content is known to be damaged.
    pub(super) fn knows(&self, id: &ContentId) -> bool {
        self.contents.contains_key(id)
    }

    /// Goes through all versions of all items, and names those that damage concerns. Returns how many items and versions there are.
    pub(super) fn items(&mut self, catalog: &Catalog) -> Result<(u64, u64), Error> {
        let (mut keys, mut versions) = (HashSet::new(), 0);
        let mut named = HashSet::new();
        let mut names = None;
        for table in [Table::ItemsLive, Table::ItemsPast] {
            let mut start = Vec::new();
            loop {
                let rows = catalog.shared().index().scan(table, b"", &start, ROWS_PAGE)?;
                for (_, value) in &rows {
                    let row = item_row(decode::<ItemRowValue>(table, value)?, 0, 0);
                    keys.insert(row.key);
                    versions += 1;
                    for id in [row.shown, row.export].into_iter().flatten() {
                        if !self.contents.contains_key(&id) && catalog.shared().index().get(Table::Recipes, &id.0)?.is_none() {
                            self.content(id, "its recipe is not in the archive");
                        }
                        let Some(damage) = self.contents.get(&id).copied() else { continue };
                        if named.insert((damage, row.key)) {
                            let names = match &mut names {
                                Some(names) => names,
                                none => none.insert(Names::read(catalog)?),
                            };
                            self.damages[damage].items.push(names.item(&row));
                        }
                    }
                }
                match rows.last() {
                    Some((key, _)) if rows.len() == ROWS_PAGE => start = [key.as_slice(), &[0]].concat(),
                    _ => break,
                }
            }
        }
        Ok((keys.len() as u64, versions))
    }
}

/// Rows read at once.
const ROWS_PAGE: usize = 1024;

/// What mailboxes and folders are called.
struct Names {
    mailboxes: HashMap<MailboxKey, Address>,
    folders: HashMap<FolderKey, (String, Option<FolderKey>)>,
}

impl Names {
    fn read(catalog: &Catalog) -> Result<Self, Error> {
        let mailboxes = catalog.mailboxes()?.into_iter().map(|row| (row.key, row.address)).collect();
        let mut folders = HashMap::new();
        // In the order of versions: the last name is the one that people know.
        for (_, value) in catalog.shared().index().scan_all(Table::Folders, b"")? {
            let record = decode::<FolderRowValue>(Table::Folders, &value)?.record;
            folders.insert(FolderKey(record.key), (record.name, record.parent.map(FolderKey)));
        }
        Ok(Self { mailboxes, folders })
    }

    fn item(&self, row: &ItemRow) -> DamagedItem {
        let unknown = || Address::parse("unknown@unknown").unwrap_or_else(|_| unreachable!("a constant address"));
        DamagedItem {
            mailbox: self.mailboxes.get(&row.mailbox).cloned().unwrap_or_else(unknown),
            folder: self.path(row.folder),
            subject: row.meta.subject.clone(),
            date: row.time,
            key: row.key,
        }
    }

    fn path(&self, folder: FolderKey) -> String {
        let mut names = Vec::new();
        let mut at = Some(folder);
        while let Some((name, parent)) = at.and_then(|key| self.folders.get(&key)).filter(|_| names.len() <= self.folders.len()) {
            names.push(name.as_str());
            at = *parent;
        }
        names.reverse();
        names.join("/")
    }
}
