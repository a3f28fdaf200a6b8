//! `c2bctl storage list` and `show`: what a storage holds, what it takes, how it stands.

use super::free::why;
use super::{items, mailboxes};
use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::human;
use crate::human::count::nouns;
use crate::human::size::size;
use crate::human::time::{time, time_or_dash};
use crate::output::Paint;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::route;
use c2b_api::storage::{KeyInfo, KeyKind, ResealInfo, StorageInfo};

/// Makes the table of storages.
pub(crate) fn table(storages: &[StorageInfo]) -> Table {
    let headings = &["STORAGE", "PATH", "STATE", "SEAL", ">MAILBOXES", ">ITEMS", ">MAIL", ">ON DISK", ">FREE", "LAST COMMIT", "JOBS"];
    let mut table = Table::new(headings).missable(&["JOBS", "MAILBOXES", "MAIL", "LAST COMMIT"]);
    for storage in storages {
        table.row(vec![
            (&storage.name).into(),
            storage.path.to_string_lossy().into(),
            state(storage),
            match storage.sealed {
                Some(true) => "sealed".into(),
                Some(false) => "not sealed".into(),
                None => "".into(),
            },
            human::count::count(storage.mailboxes).into(),
            human::count::count(storage.items).into(),
            size(storage.logical_bytes).into(),
            size(storage.stored_bytes).into(),
            size(storage.free_bytes).into(),
            time_or_dash(storage.last_commit).into(),
            storage.jobs.join(", ").into(),
        ]);
    }
    table
}

/// Shows one storage.
pub(super) async fn show(session: &Session, name: &str) -> Result<Exit, Error> {
    let info: StorageInfo = session.ask_of(&route::storage::SHOW, name).await?;
    if session.output.is_json() {
        session.output.value(&info)?;
        return Ok(Exit::OK);
    }
    session.output.line(&format!("storage {}", session.output.paint(Paint::Strong, &human::text::line(&info.name))))?;
    facts(&info).show(&session.output)?;
    Ok(Exit::OK)
}

fn facts(info: &StorageInfo) -> Facts {
    let mut facts = Facts::default();
    facts.add("path", info.path.to_string_lossy());
    match &info.problem {
        Some(problem) => facts.add_painted("state", Paint::Bad, problem),
        None if info.low_space => facts.add_painted("state", Paint::Warning, "low space: backups pause until there is more free space than the reserve"),
        None => facts.add_painted("state", Paint::Good, "ok"),
    }
    if let Some(what) = &info.busy {
        facts.add("busy", format!("with {what}"));
    }
    match info.sealed {
        Some(true) => facts.add("seal", "sealed"),
        Some(false) => facts.add("seal", "not sealed: who can read the folder can read the mail"),
        None => {}
    }
    if !info.keys.is_empty() {
        facts.add("opened by", info.keys.iter().map(key).collect::<Vec<_>>().join(", "));
    }
    if let Some(reseal) = &info.resealing {
        facts.add("resealing", resealing(reseal));
    }
    for suspicion in &info.frozen {
        facts.add_painted("retention frozen", Paint::Bad, format!("since {}: {suspicion}", time(suspicion.since)));
    }
    for stuck in &info.reseal_stuck {
        facts.add_painted("not resealed", Paint::Warning, stuck);
    }
    if info.problem.is_none() {
        facts.add("holds", format!("{}, {}, {}", mailboxes(info), items(info), nouns(info.versions, "version", "versions")));
        facts.add("mail", format!("{} when every version is counted whole", size(info.logical_bytes)));
        facts.add("on disk", format!("{}{}", size(info.stored_bytes), savings(info)));
        if info.lost_contents > 0 {
            let lost = nouns(info.lost_contents, "content is", "contents are");
            facts.add_painted("lost", Paint::Bad, format!("{lost} lost to damage until a cycle finds them at the source again"));
        }
        if info.marked.versions > 0 {
            facts.add("marked", marked(info));
        }
        for pending in &info.pending {
            let since = info.freed.map(|at| format!(", as of {}", time(at))).unwrap_or_default();
            facts.add("pending", format!("{} that nothing needs{since}: {}", size(pending.bytes), why(pending)));
        }
        if info.pinned_bytes > 0 {
            facts.add("pinned", format!("{} that programs which read the storage hold open", size(info.pinned_bytes)));
        }
        if info.erased_mailboxes > 0 {
            facts.add("erased", erased(info));
        }
        facts.add("last commit", time_or_dash(info.last_commit));
        facts.add(
            "verified",
            info.oldest_verification.map_or_else(|| "not every byte yet".to_owned(), |at| format!("every byte; the oldest part at {}", time(at))),
        );
        facts.add("retention", retention(info));
    }
    let reserve = if info.reserve_bytes > 0 { format!(", {} of it in reserve", size(info.reserve_bytes)) } else { String::new() };
    facts.add("free space", size(info.free_bytes) + &reserve);
    facts.add("jobs", if info.jobs.is_empty() { "none".to_owned() } else { info.jobs.join(", ") });
    if let Some(uuid) = &info.uuid {
        facts.add("identity", format!("{uuid}, format {}", info.format));
    }
    facts
}

/// Returns how far the sealing of old data is.
pub(super) fn resealing(reseal: &ResealInfo) -> String {
    format!("{} of {} are sealed with the newest key; the rest follows in the background", size(reseal.done_bytes), size(reseal.total_bytes))
}

fn state(info: &StorageInfo) -> Cell {
    match &info.problem {
        Some(problem) => Cell::painted(Paint::Bad, problem),
        None if info.low_space => Cell::painted(Paint::Warning, "low space"),
        None => Cell::painted(Paint::Good, "ok"),
    }
}

fn key(key: &KeyInfo) -> String {
    match key.kind {
        KeyKind::Password => format!("password \"{}\"", key.label),
        KeyKind::RecoveryKey => "the recovery key".to_owned(),
        KeyKind::MachineKey => key.label.clone(),
    }
}

fn erased(info: &StorageInfo) -> String {
    let mailboxes = nouns(info.erased_mailboxes, "mailbox", "mailboxes");
    match info.erasing_mailboxes {
        0 => format!("{mailboxes}: see `c2bctl storage erased {}`", info.name),
        left => format!("{mailboxes}; {left} of them {} not out of every file yet, which goes on by itself", if left == 1 { "is" } else { "are" }),
    }
}

fn marked(info: &StorageInfo) -> String {
    let versions = nouns(info.marked.versions, "version", "versions");
    let when = match info.marked.freed_from {
        Some(at) => format!("freed from {} on", time(at)),
        None => format!("`c2bctl storage free {}` frees them", info.name),
    };
    format!("{versions}, {} when counted whole; {when}, `storage unprune` undoes the marks", size(info.marked.bytes))
}

fn retention(info: &StorageInfo) -> String {
    match info.retention.every {
        Some(every) => format!("{}; looked at every {every}", info.retention),
        None if info.retention.keeps_all() => info.retention.to_string(),
        None => format!("{}; only by `storage prune`", info.retention),
    }
}

/// Returns how much is index, and what deduplication and compression made of the mail, as far as there is something to tell.
fn savings(info: &StorageInfo) -> String {
    let packs = info.stored_bytes.saturating_sub(info.index_bytes);
    let index = if info.index_bytes > 0 { format!(", {} of it index", size(info.index_bytes)) } else { String::new() };
    let Some(whole) = ratio(info.logical_bytes, packs) else { return index };
    match (ratio(info.logical_bytes, info.unique_bytes), ratio(info.unique_bytes, packs)) {
        (Some(dedup), Some(compression)) => format!("{index}; mail {whole} (deduplication {dedup}, compression {compression})"),
        _ => format!("{index}; mail {whole}"),
    }
}

/// Returns how many times greater one size is than the other: `2.7 : 1`.
fn ratio(before: u64, after: u64) -> Option<String> {
    let tenths = (u128::from(before) * 10).checked_div(after.into()).filter(|_| before > 0)?;
    Some(format!("{}.{} : 1", tenths / 10, tenths % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn savings_are_told_as_far_as_they_are_known() {
        let info = |logical, unique, stored, index| StorageInfo {
            logical_bytes: logical,
            unique_bytes: unique,
            stored_bytes: stored,
            index_bytes: index,
            ..StorageInfo::default()
        };
        for (info, text) in [
            (info(0, 0, 0, 0), ""),
            (info(0, 0, 1024, 1024), ", 1.0 KiB of it index"),
            (info(1000, 0, 200, 0), "; mail 5.0 : 1"),
            (info(1000, 500, 1224, 1024), ", 1.0 KiB of it index; mail 5.0 : 1 (deduplication 2.0 : 1, compression 2.5 : 1)"),
            (info(u64::MAX, u64::MAX, u64::MAX, 0), "; mail 1.0 : 1 (deduplication 1.0 : 1, compression 1.0 : 1)"),
        ] {
            assert_eq!(savings(&info), text);
        }
    }
}
