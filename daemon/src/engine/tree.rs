//! A mailbox's folder tree: brought up to date at the beginning of each of its cycles.
//!
//! All pages are collected before anything is handed over, and then everything goes as one order:
//! new and moved folders first, deletions after them, the cursor last. So a folder that was moved out
//! of a deleted one keeps its items whatever order the server reports that in. Folders count as
//! deleted only when the server says so or leaves them out of a complete listing.

use super::cycle::{Cycle, Halt, Suspect};
use c2b_mailbox::{Address, Cursor, Folder, FolderChange, FolderId, FolderMark, Trouble};
use c2b_storagefmt::{CursorScope, FolderKey, FolderRow, MailboxKey, Moment};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A mailbox's living folders.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) mailbox: MailboxKey,
    /// In the order of their keys: the oldest first.
    pub(crate) folders: Vec<Place>,
    /// Where the enumeration of folders stands.
    pub(crate) cursor: Cursor,
}

/// A living folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: FolderKey,
    pub(crate) id: FolderId,
    pub(crate) name: String,
    /// How its items stood when the tree was listed, as the source marks it.
    pub(crate) mark: Option<FolderMark>,
}

/// What the storage knows.
#[derive(Debug, Default)]
struct Stored {
    key: Option<MailboxKey>,
    cursor: Option<Cursor>,
    rows: Vec<FolderRow>,
}

/// What the source reports.
#[derive(Debug)]
struct Report {
    /// The last word on each folder, in the order of the first words.
    upserts: Vec<Folder>,
    deletes: Vec<FolderId>,
    marks: HashMap<FolderId, FolderMark>,
    cursor: Cursor,
    /// Whether this is the whole tree and not what changed.
    complete: bool,
}

/// Brings the folder tree of `address` up to date.
pub(crate) async fn update(cycle: &Cycle, address: &Address) -> Result<Tree, Halt> {
    let stored = load(cycle, address).await?;
    let mut report = collect(cycle, address, stored.cursor.as_ref()).await?;
    if report.complete {
        let listed: HashSet<&FolderId> = report.upserts.iter().map(|folder| &folder.id).collect();
        report.deletes = stored.rows.iter().filter(|row| !listed.contains(&row.id)).map(|row| row.id.clone()).collect();
        stored.drop_known(&mut report.upserts);
        if !report.upserts.is_empty() || !report.deletes.is_empty() {
            tracing::debug!(job = %cycle.job, mailbox = %address, changed = report.upserts.len(), deleted = report.deletes.len(), "compared the folder tree");
        }
    }
    let key = match stored.key {
        Some(key) => key,
        None => {
            let address = address.clone();
            cycle.ask(move |writer| writer.mailbox(&address)).await?
        }
    };
    apply(cycle, key, stored, report).await
}

impl Stored {
    /// Takes out folders that the storage has as they are.
    fn drop_known(&self, folders: &mut Vec<Folder>) {
        let ids: HashMap<FolderKey, &FolderId> = self.rows.iter().map(|row| (row.key, &row.id)).collect();
        let rows: HashMap<&FolderId, &FolderRow> = self.rows.iter().map(|row| (&row.id, row)).collect();
        folders.retain(|folder| {
            rows.get(&folder.id).is_none_or(|row| {
                let parent = row.parent.and_then(|parent| ids.get(&parent).copied());
                (parent, &row.name, &row.class, &row.role) != (folder.parent.as_ref(), &folder.name, &folder.class, &folder.role)
            })
        });
    }
}

async fn load(cycle: &Cycle, address: &Address) -> Result<Stored, Halt> {
    let address = address.clone();
    cycle
        .read(move |catalog| {
            let Some(row) = catalog.mailbox(&address)? else { return Ok(Stored::default()) };
            let cursor = catalog.cursor(row.key, CursorScope::Hierarchy)?;
            Ok(Stored { key: Some(row.key), cursor, rows: catalog.folders(row.key, Moment::Latest)? })
        })
        .await
}

async fn collect(cycle: &Cycle, address: &Address, stored: Option<&Cursor>) -> Result<Report, Halt> {
    let mut cursor = stored.cloned();
    let mut complete = cursor.is_none();
    let mut words: HashMap<FolderId, usize> = HashMap::new();
    let mut marks = HashMap::new();
    let mut last: Vec<FolderChange> = Vec::new();
    loop {
        let asked = cursor.clone();
        let page = match cycle.request(Some(address), Suspect::Mailbox, || cycle.source.folder_changes(address, asked.as_ref())).await {
            Err(Halt::Source(error)) if error.trouble == Trouble::CursorInvalid && cursor.is_some() => {
                tracing::info!(job = %cycle.job, mailbox = %address, code = %error.code, "folder cursor is invalid");
                (cursor, complete) = (None, true);
                words.clear();
                last.clear();
                marks.clear();
                continue;
            }
            page => page?,
        };
        // A server that goes round in circles would keep us for ever; what it said so far is sound.
        let stuck = page.changes.is_empty() && Some(&page.cursor) == cursor.as_ref();
        for change in page.changes {
            let id = match &change {
                FolderChange::Upsert(folder) => &folder.id,
                FolderChange::Delete(id) => id,
            };
            match words.get(id) {
                Some(place) => last[*place] = change,
                None => {
                    words.insert(id.clone(), last.len());
                    last.push(change);
                }
            }
        }
        marks.extend(page.marks);
        complete |= page.whole;
        cursor = Some(page.cursor.clone());
        if page.last || stuck {
            let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
            for change in last {
                match change {
                    FolderChange::Upsert(folder) => upserts.push(folder),
                    FolderChange::Delete(id) => deletes.push(id),
                }
            }
            return Ok(Report { upserts: parents_first(upserts), deletes, marks, cursor: page.cursor, complete });
        }
    }
}

async fn apply(cycle: &Cycle, mailbox: MailboxKey, stored: Stored, report: Report) -> Result<Tree, Halt> {
    let ids: HashMap<FolderKey, FolderId> = stored.rows.iter().map(|row| (row.key, row.id.clone())).collect();
    // By id: key, parent and name. Keys of new folders are known once they are put.
    let mut places: HashMap<FolderId, (FolderKey, Option<FolderId>, String)> =
        stored.rows.into_iter().map(|row| (row.id, (row.key, row.parent.and_then(|parent| ids.get(&parent).cloned()), row.name))).collect();
    let Report { upserts, deletes, marks, cursor, complete } = report;
    // A page that reports nothing leaves the stored cursor as it is, though the source may give a new one each time.
    let is_stored = stored.cursor.is_some() && (!complete || stored.cursor.as_ref() == Some(&cursor));
    if upserts.is_empty() && deletes.is_empty() && is_stored {
        return Ok(Tree { mailbox, folders: sorted(places, marks), cursor });
    }
    let kept = cursor.clone();
    let places = cycle
        .ask(move |writer| {
            for folder in upserts {
                let key = writer.put_folder(mailbox, &folder)?;
                places.insert(folder.id, (key, folder.parent, folder.name));
            }
            for id in subtrees(&deletes, &places) {
                if let Some((key, ..)) = places.remove(&id) {
                    // Should the folder ever come back, its items must be listed from the beginning.
                    writer.set_cursor(mailbox, CursorScope::Folder(key), None)?;
                }
            }
            for id in &deletes {
                writer.delete_folder(mailbox, id)?;
            }
            writer.set_cursor(mailbox, CursorScope::Hierarchy, Some(&cursor))?;
            Ok(places)
        })
        .await?;
    Ok(Tree { mailbox, folders: sorted(places, marks), cursor: kept })
}

/// Returns the folders and everything below them.
fn subtrees(roots: &[FolderId], places: &HashMap<FolderId, (FolderKey, Option<FolderId>, String)>) -> Vec<FolderId> {
    let mut children: HashMap<&FolderId, Vec<&FolderId>> = HashMap::new();
    for (id, (_, parent, _)) in places {
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found: HashSet<&FolderId> = HashSet::new();
    let mut next: Vec<&FolderId> = roots.iter().collect();
    while let Some(id) = next.pop() {
        if found.insert(id) {
            next.extend(children.get(id).into_iter().flatten());
        }
    }
    found.into_iter().cloned().collect()
}

/// Orders folders so that each comes after its parent, as far as the parent is among them.
fn parents_first(folders: Vec<Folder>) -> Vec<Folder> {
    let parents: HashMap<FolderId, Option<FolderId>> = folders.iter().map(|folder| (folder.id.clone(), folder.parent.clone())).collect();
    let depth = |folder: &Folder| {
        let (mut depth, mut parent) = (0usize, folder.parent.as_ref());
        // Bounded, since a confused server may report a circle.
        while let Some(up) = parent.and_then(|id| parents.get(id)).filter(|_| depth <= parents.len()) {
            depth += 1;
            parent = up.as_ref();
        }
        depth
    };
    let mut by_depth: BTreeMap<usize, Vec<Folder>> = BTreeMap::new();
    for folder in folders {
        by_depth.entry(depth(&folder)).or_default().push(folder);
    }
    by_depth.into_values().flatten().collect()
}

fn sorted(places: HashMap<FolderId, (FolderKey, Option<FolderId>, String)>, mut marks: HashMap<FolderId, FolderMark>) -> Vec<Place> {
    let mut folders: Vec<Place> = places.into_iter().map(|(id, (key, _, name))| Place { key, mark: marks.remove(&id), id, name }).collect();
    folders.sort_by_key(|folder| folder.key);
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: &str, parent: Option<&str>) -> Folder {
        Folder { id: FolderId::new(id), parent: parent.map(FolderId::new), name: id.into(), class: String::new(), role: None }
    }

    #[test]
    fn parents_come_first_and_circles_end() {
        let mixed = vec![folder("c", Some("b")), folder("b", Some("a")), folder("a", Some("root")), folder("x", Some("y")), folder("y", Some("x"))];
        let order: Vec<String> = parents_first(mixed).into_iter().map(|folder| folder.name).collect();
        assert_eq!(order.len(), 5);
        let place = |name: &str| order.iter().position(|one| one == name).unwrap();
        assert!(place("a") < place("b") && place("b") < place("c"));
    }
}
