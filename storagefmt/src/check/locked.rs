//! What can be proven of a sealed storage without its keys: that every frame is as it was written.

use super::{CheckOptions, CheckProgress, CheckReport, Damage, is_gone};
use crate::format::pack::FrameKind;
use crate::pack::list::{Found, PackList};
use crate::pack::reader::PackReader;
use crate::store::Store;
use crate::{CommitSeq, Error, StorageInfo};

/// Proves the checksums of all packs.
pub(super) fn check(
    store: &dyn Store,
    info: &StorageInfo,
    options: CheckOptions,
    mut report: CheckReport,
    progress: &mut dyn FnMut(CheckProgress),
) -> Result<CheckReport, Error> {
    report.locked = true;
    report.notes.push("the storage is sealed and was checked without a key: checksums are proven, what they cover was not looked at".to_owned());
    let (mut list, twice, _) = PackList::read_all(store, &|_| false)?;
    for pack in twice {
        damage(&mut report, format!("{} claims commits of another pack", pack.file.name));
    }
    let (mut at, mut missing) = (CommitSeq(1), None);
    while let Some(pack) = list.live.range(at..).next().map(|(_, pack)| pack.clone()) {
        if pack.name.first > at && missing != Some(at) {
            // The list may be older than a rewriting.
            missing = Some(at);
            list = PackList::read_all(store, &|_| false)?.0;
            continue;
        }
        match frames(store, info, options, &pack, &mut report) {
            Err(err) if is_gone(&err) => {
                list = PackList::read_all(store, &|_| false)?.0;
                continue;
            }
            other => other?,
        }
        if pack.name.first > at {
            damage(&mut report, format!("commits {at} to {} are missing", pack.name.first.0 - 1));
        }
        at = CommitSeq(pack.name.last.0 + 1);
        report.packs += 1;
        let (packs_total, damages) = (list.live.len() as u64, report.damages.len() as u64);
        progress(CheckProgress { packs: report.packs, packs_total, bytes_read: report.bytes_read, damages });
    }
    Ok(report)
}

fn frames(store: &dyn Store, info: &StorageInfo, options: CheckOptions, pack: &Found, report: &mut CheckReport) -> Result<(), Error> {
    let name = &pack.file.name;
    let mut reader = PackReader::open(store, name, pack.file.bytes, info.uuid)?;
    for frame in reader.frames().to_vec() {
        if frame.header.kind == FrameKind::Records || options.reads(pack.name.first) {
            reader.raw(&frame)?;
            report.bytes_read += u64::from(frame.header.stored);
        }
    }
    for found in reader.take_damages() {
        damage(report, format!("{name} at byte {}: {}", found.offset, found.reason));
    }
    Ok(())
}

fn damage(report: &mut CheckReport, what: String) {
    report.damages.push(Damage { what, items: Vec::new() });
}
