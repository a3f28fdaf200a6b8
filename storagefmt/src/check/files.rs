//! What lies beside packs and index: the description, the copies of the keys, the text for people, and what is not ours.

use super::{CheckReport, Damage, cause};
use crate::layout::{self, Access};
use crate::seal::{CopyState, KeyFile, SealError};
use crate::store::Store;
use crate::unlock::KeysIn;
use crate::{Error, StorageInfo};
use std::path::Path;

/// Returns the description; where it is lost, what the packs say.
pub(super) fn describe(dir: &Path, store: &dyn Store, report: &mut CheckReport) -> Result<StorageInfo, Error> {
    let read = layout::read_description(dir, store, Access::Read).and_then(|info| layout::prove_packs(dir, store, &info).map(|()| info));
    match read {
        Err(err @ (Error::NotAStorage { .. } | Error::Description { .. })) => {
            let Some(info) = layout::describe_from_packs(store)? else { return Err(err) };
            report.damages.push(Damage { what: format!("{err}{}", cause(&err)), items: Vec::new() });
            Ok(info)
        }
        other => other,
    }
}

/// Looks at everything that no key is needed for.
pub(super) fn look(dir: &Path, store: &dyn Store, info: &StorageInfo, report: &mut CheckReport) -> Result<(), Error> {
    let mut damage = |what: String| report.damages.push(Damage { what, items: Vec::new() });
    if info.sealed {
        match KeyFile::load(&KeysIn(store), info.uuid) {
            Ok(file) => {
                for (name, copy) in file.copies().filter(|(_, copy)| **copy != CopyState::Good) {
                    damage(format!("{name} {copy}: the other copy is whole, and `storage repair` writes this one anew"));
                }
            }
            Err(err @ (SealError::KeyFileMissing | SealError::KeyFileDamaged { .. })) => damage(format!("{err}{}", cause(&err))),
            Err(err) => return Err(err.into()),
        }
    }
    report.notes.extend(layout::readme_flaw(store)?.map(|flaw| format!("{flaw}: `storage repair` writes it anew")));
    report.notes.extend(layout::strangers(dir)?.into_iter().map(|name| format!("{name} does not belong into a storage")));
    Ok(())
}
