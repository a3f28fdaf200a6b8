//! Public folders of a connection: where Autodiscover says that they are, and a list of them to choose from.

use c2b_api::connection::{FoundServer, PublicFolderInfo};
use c2b_ews::PublicFolderPlace;
use c2b_mailbox::public::join_path;
use c2b_mailbox::{Address, FolderId, PublicTree};
use std::collections::HashMap;

/// Returns where they are.
pub(super) fn place(found: &FoundServer) -> PublicFolderPlace {
    PublicFolderPlace {
        hierarchy: found.public_folders.as_deref().and_then(|address| Address::parse(address).ok()),
        server: found.public_folder_server.clone(),
        endpoint: found.told_by.parse().ok(),
    }
}

/// Returns the folders with their paths, by path.
pub(super) fn infos(tree: &PublicTree) -> Vec<PublicFolderInfo> {
    let mut paths: HashMap<&FolderId, String> = HashMap::new();
    let mut infos = Vec::with_capacity(tree.folders.len());
    // Parents come first.
    for folder in &tree.folders {
        let above = folder.parent.as_ref().and_then(|parent| paths.get(parent)).cloned().unwrap_or_default();
        let path = join_path(&above, &folder.name);
        let closed = tree.missing.iter().find(|missing| missing.path == path).map(|missing| missing.reason.clone()).unwrap_or_default();
        infos.push(PublicFolderInfo { path: path.clone(), class: folder.class.clone(), closed });
        paths.insert(&folder.id, path);
    }
    infos.sort_by(|one, other| one.path.cmp(&other.path));
    infos
}
