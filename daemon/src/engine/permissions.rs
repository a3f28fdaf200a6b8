//! Who may do what in the folders of a mailbox: read with the full look now and then, since no change counter tells
//! when it changes, and kept as a version of the folder when it did.

use super::cycle::{Cycle, Halt};
use super::tree::Tree;
use crate::engine::cycle::Suspect;
use c2b_mailbox::{Address, FolderId, Scope, Trouble};
use c2b_storagefmt::FolderKey;
use std::collections::HashMap;

/// Folders that one request asks for.
const FOLDERS_AT_ONCE: usize = 100;

/// Reads the permissions of all folders, when the mailbox is due for a full look. That they cannot be read costs nothing else.
pub(crate) async fn update(cycle: &Cycle, address: &Address, tree: &Tree) -> Result<(), Halt> {
    if !cycle.full.is_due(address) || address.is_of_public_folders() {
        return Ok(());
    }
    let keys: HashMap<&FolderId, FolderKey> = tree.folders.iter().map(|folder| (&folder.id, folder.key)).collect();
    let ids: Vec<FolderId> = tree.folders.iter().filter(|folder| !folder.is_away).map(|folder| folder.id.clone()).collect();
    for some in ids.chunks(FOLDERS_AT_ONCE) {
        let told = match cycle.request(Some(address), Suspect::Mailbox, || cycle.source.permissions(address, some)).await {
            Ok(told) => told,
            Err(Halt::Source(error)) if error.scope != Scope::Connection && error.trouble != Trouble::NoSuchMailbox => {
                tracing::debug!(job = %cycle.job, mailbox = %address, code = %error.code, "folder permissions are not told");
                return Ok(());
            }
            Err(halt) => return Err(halt),
        };
        let (mailbox, told) = (tree.mailbox, told.into_iter().filter_map(|(id, text)| Some((*keys.get(&id)?, text))).collect::<Vec<_>>());
        if !told.is_empty() {
            cycle.submit(move |writer| told.iter().try_for_each(|(folder, text)| writer.put_permissions(mailbox, *folder, text))).await?;
        }
    }
    Ok(())
}
