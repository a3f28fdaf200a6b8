//! A mailbox's folder tree: brought up to date at the beginning of each of its cycles.
//!
//! All pages are collected before anything is handed over, and then everything goes as one order:
//! new and moved folders first, deletions after them, the cursor last. So a folder that was moved out
//! of a deleted one keeps its items whatever order the server reports that in. Folders count as
//! deleted only when the server says so or leaves them out of a complete listing. A part of the mailbox that could not
//! be listed (an archive that is away, recoverable items without rights) stays as it was, with everything in it.

use super::cycle::{Cycle, Halt, Suspect};
use super::filter::FolderFacts;
use super::public::PublicJob;
use c2b_mailbox::public::{MissingFolder, Whereabouts, join_path};
use c2b_mailbox::{Address, Cursor, Folder, FolderChange, FolderId, FolderMark, Part, Presence, PublicTree, Role, Trouble};
use c2b_storagefmt::{CursorScope, FolderKey, FolderRow, MailboxKey, Moment};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A mailbox's living folders.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) mailbox: MailboxKey,
    /// Those that the job takes, in the order of their keys: the oldest first.
    pub(crate) folders: Vec<Place>,
    /// Those that it leaves out.
    pub(crate) left_out: Vec<Place>,
    /// Where the enumeration of folders stands.
    pub(crate) cursor: Cursor,
    /// How its parts beside the primary folders stand, as far as the source looked for them.
    pub(crate) parts: BTreeMap<Part, Presence>,
    /// Parts that are held from before and could not be listed.
    pub(crate) kept: Vec<Part>,
    /// Parts that the job leaves out.
    pub(crate) parts_left_out: Vec<Part>,
    /// Public folders that were named, or taken before, and cannot be had.
    pub(crate) missing: Vec<MissingFolder>,
    /// Paths of public folders that are gone or hidden, nobody can say which.
    pub(crate) lost: Vec<String>,
}

/// A living folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: FolderKey,
    pub(crate) id: FolderId,
    pub(crate) name: String,
    /// The folder that holds it.
    pub(crate) parent: Option<FolderId>,
    /// Its class; empty when it has none.
    pub(crate) class: String,
    /// Its well-known role.
    pub(crate) role: Option<Role>,
    /// How its items stood when the tree was listed, as the source marks it.
    pub(crate) mark: Option<FolderMark>,
    /// Whether it is in a part that could not be listed: nothing is asked about its items.
    pub(crate) is_away: bool,
}

/// The cursor of public folders, which are walked anew in each cycle.
const WALKED: &str = "walked";

/// Folders by their ids.
type Places = HashMap<FolderId, Place>;

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
    parts: BTreeMap<Part, Presence>,
    /// What was seen of public folders.
    census: Option<Census>,
}

/// What was seen of public folders, of which only some are listed. A folder is gone when all that is in the folder
/// above it was seen, and it was not among that.
#[derive(Debug)]
struct Census {
    /// Those that the job takes, whether they changed or not.
    listed: HashSet<FolderId>,
    seen: HashSet<FolderId>,
    opened: HashSet<FolderId>,
    /// Folders that are listed because of what is in them.
    bare: HashSet<FolderId>,
    missing: Vec<MissingFolder>,
    /// Folders that are not where they were, and that nobody can say to be gone.
    hidden: HashSet<FolderId>,
    /// The paths of those that may be gone.
    lost: Vec<String>,
}

/// Brings the folder tree of `address` up to date.
pub(crate) async fn update(cycle: &Cycle, address: &Address) -> Result<Tree, Halt> {
    let stored = load(cycle, address).await?;
    let mut report = match cycle.public.get().filter(|public| public.address == *address) {
        Some(public) => walk(cycle, public).await?,
        None => collect(cycle, address, stored.cursor.as_ref()).await?,
    };
    if report.complete {
        let listed: HashSet<&FolderId> = report.upserts.iter().map(|folder| &folder.id).collect();
        let away = stored.away(&report);
        report.deletes = stored.rows.iter().filter(|row| !listed.contains(&row.id) && !away.contains(&row.key)).map(|row| row.id.clone()).collect();
        if let Some(census) = report.census.as_mut().filter(|_| !report.deletes.is_empty()) {
            seek(cycle, address, &stored, census, &mut report.deletes).await?;
        }
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
    /// Returns the folders of parts that could not be listed; none when the report is not of the whole tree.
    fn away(&self, report: &Report) -> HashSet<FolderKey> {
        if let Some(census) = &report.census {
            let ids: HashMap<FolderKey, &FolderId> = self.rows.iter().map(|row| (row.key, &row.id)).collect();
            let is_gone = |row: &FolderRow| {
                let parent = row.parent.and_then(|parent| ids.get(&parent));
                !census.seen.contains(&row.id) && !census.hidden.contains(&row.id) && parent.is_none_or(|parent| census.opened.contains(*parent))
            };
            return self.rows.iter().filter(|row| !census.listed.contains(&row.id) && !is_gone(row)).map(|row| row.key).collect();
        }
        let is_away = |row: &&FolderRow| row.role.as_ref().and_then(Part::of_role).is_some_and(|part| !report.has(part));
        let mut away: HashSet<FolderKey> = self.rows.iter().filter(|_| report.complete).filter(is_away).map(|row| row.key).collect();
        // Folders may be in any order: each round finds those a level deeper.
        loop {
            let below = |row: &&FolderRow| !away.contains(&row.key) && row.parent.is_some_and(|parent| away.contains(&parent));
            let next: Vec<FolderKey> = self.rows.iter().filter(below).map(|row| row.key).collect();
            if next.is_empty() {
                return away;
            }
            away.extend(next);
        }
    }

    /// Returns the path of a public folder that the storage has.
    fn path(&self, id: &FolderId) -> String {
        let rows: HashMap<FolderKey, &FolderRow> = self.rows.iter().map(|row| (row.key, row)).collect();
        let mut names = Vec::new();
        let mut next = self.rows.iter().find(|row| row.id == *id);
        while let Some(row) = next.filter(|_| names.len() <= rows.len()) {
            names.push(row.name.as_str());
            next = row.parent.and_then(|parent| rows.get(&parent).copied());
        }
        names.iter().rev().fold(String::new(), |path, name| join_path(&path, name))
    }

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

impl Report {
    fn has(&self, part: Part) -> bool {
        self.parts.get(&part) == Some(&Presence::Listed)
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
    let mut parts = BTreeMap::new();
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
                parts.clear();
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
        parts.extend(page.parts);
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
            return Ok(Report { upserts: parents_first(upserts), deletes, marks, cursor: page.cursor, complete, parts, census: None });
        }
    }
}

/// Walks the public folders of the job.
async fn walk(cycle: &Cycle, public: &PublicJob) -> Result<Report, Halt> {
    let PublicJob { wanted, reader, address } = public;
    let tree = cycle.request(Some(address), Suspect::Mailbox, || cycle.source.public_folders(reader.as_ref(), wanted)).await?;
    let PublicTree { folders, bare, marks, seen, opened, missing } = tree;
    let listed = folders.iter().map(|folder| folder.id.clone()).collect();
    Ok(Report {
        upserts: parents_first(folders),
        deletes: Vec::new(),
        marks,
        cursor: Cursor::new(WALKED),
        complete: true,
        parts: BTreeMap::new(),
        census: Some(Census { listed, seen, opened, bare, missing, hidden: HashSet::new(), lost: Vec::new() }),
    })
}

/// Asks where public folders are that were held and are not there any more. Only of those that are somewhere else it is
/// known that no lack of rights hides them: the others are no deletions.
async fn seek(cycle: &Cycle, address: &Address, stored: &Stored, census: &mut Census, gone: &mut Vec<FolderId>) -> Result<(), Halt> {
    let asked = gone.clone();
    let found = cycle.request(Some(address), Suspect::Mailbox, || cycle.source.seek_public_folders(&asked)).await?;
    gone.clear();
    for (id, place) in asked.into_iter().zip(found) {
        let path = stored.path(&id);
        // One that the job names is told already.
        let is_told = census.missing.iter().any(|missing| missing.path.to_lowercase() == path.to_lowercase());
        match place {
            Whereabouts::Elsewhere => {
                gone.push(id);
                continue;
            }
            Whereabouts::Closed(_) | Whereabouts::Unknown(_) if is_told => {}
            Whereabouts::Closed(reason) => census.missing.push(MissingFolder { path, reason }),
            Whereabouts::Unknown(reason) => {
                tracing::debug!(job = %cycle.job, folder = %path, %reason, "public folder is gone or hidden");
                census.lost.push(path);
            }
        }
        census.hidden.insert(id);
    }
    Ok(())
}

async fn apply(cycle: &Cycle, mailbox: MailboxKey, stored: Stored, report: Report) -> Result<Tree, Halt> {
    let away = stored.away(&report);
    let held = stored.rows.iter().filter(|row| away.contains(&row.key));
    let kept: Vec<Part> = held.filter_map(|row| row.role.as_ref().and_then(Part::of_role)).filter(|part| !report.has(*part)).collect();
    let ids: HashMap<FolderKey, FolderId> = stored.rows.iter().map(|row| (row.key, row.id.clone())).collect();
    let place = |row: FolderRow| {
        let parent = row.parent.and_then(|parent| ids.get(&parent).cloned());
        let is_away = away.contains(&row.key);
        Place { key: row.key, id: row.id, name: row.name, parent, class: row.class, role: row.role, mark: None, is_away }
    };
    // Keys of new folders are known once they are put.
    let mut places: Places = stored.rows.into_iter().map(|row| (row.id.clone(), place(row))).collect();
    let Report { upserts, deletes, marks, cursor, complete, parts, census } = report;
    let (bare, missing, lost) = census.map_or_else(Default::default, |census| (census.bare, census.missing, census.lost));
    // A page that reports nothing leaves the stored cursor as it is, though the source may give a new one each time.
    let is_stored = stored.cursor.is_some() && (!complete || stored.cursor.as_ref() == Some(&cursor));
    if upserts.is_empty() && deletes.is_empty() && is_stored {
        return Ok(tree(
            cycle,
            Tree { mailbox, folders: sorted(places, marks, &bare), left_out: Vec::new(), cursor, parts, kept, parts_left_out: Vec::new(), missing, lost },
        ));
    }
    let next = cursor.clone();
    let is_committed_first = !deletes.is_empty() && cycle.sieve.is_of_age();
    let places = cycle
        .ask(move |writer| {
            for folder in upserts {
                let key = writer.put_folder(mailbox, &folder)?;
                let Folder { id, parent, name, class, role } = folder;
                places.insert(id.clone(), Place { key, id, name, parent, class, role, mark: None, is_away: false });
            }
            for id in subtrees(&deletes, &places) {
                if let Some(place) = places.remove(&id) {
                    // Should the folder ever come back, its items must be listed from the beginning.
                    writer.set_cursor(mailbox, CursorScope::Folder(place.key), None)?;
                }
            }
            for id in &deletes {
                writer.delete_folder(mailbox, id)?;
            }
            writer.set_cursor(mailbox, CursorScope::Hierarchy, Some(&cursor))?;
            Ok(places)
        })
        .await?;
    if is_committed_first {
        // What moved out of them before is known again by what the catalogue says of them.
        cycle.flush().await?;
    }
    Ok(tree(
        cycle,
        Tree { mailbox, folders: sorted(places, marks, &bare), left_out: Vec::new(), cursor: next, parts, kept, parts_left_out: Vec::new(), missing, lost },
    ))
}

/// Sets apart what the job leaves out.
fn tree(cycle: &Cycle, whole: Tree) -> Tree {
    let facts: Vec<FolderFacts<'_>> = whole
        .folders
        .iter()
        .map(|place| FolderFacts { id: &place.id, parent: place.parent.as_ref(), role: place.role.as_ref(), class: &place.class })
        .collect();
    let out = cycle.sieve.left_out(&facts);
    let (left_out, folders): (Vec<Place>, Vec<Place>) = whole.folders.into_iter().partition(|place| out.contains(&place.id));
    let parts_left_out = Part::ALL.into_iter().filter(|part| cycle.sieve.leaves_out(*part)).collect();
    Tree { folders, left_out, parts_left_out, ..whole }
}

/// Returns the folders and everything below them.
fn subtrees(roots: &[FolderId], places: &Places) -> Vec<FolderId> {
    let mut children: HashMap<&FolderId, Vec<&FolderId>> = HashMap::new();
    for (id, place) in places {
        if let Some(parent) = &place.parent {
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

fn sorted(places: Places, mut marks: HashMap<FolderId, FolderMark>, bare: &HashSet<FolderId>) -> Vec<Place> {
    let place = |place: Place| Place { mark: marks.remove(&place.id), is_away: place.is_away || bare.contains(&place.id), ..place };
    let mut folders: Vec<Place> = places.into_values().map(place).collect();
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
