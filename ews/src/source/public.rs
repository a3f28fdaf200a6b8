//! Public folders: found by walking, listed by comparing, each folder's contents asked for where they are.
//!
//! * The tree is in the hierarchy mailbox. It is walked level by level, many folders in one `FindFolder`; there is no
//!   synchronisation of public folders, and no deep traversal.
//! * Each folder names the mailbox that holds its contents (`PR_REPLICA_LIST`). Requests about contents go there, by
//!   `X-AnchorMailbox` and `X-PublicFolderMailbox`. So that any item can be asked for without its folder, the id that
//!   the archive knows of it begins with the address of that mailbox.
//! * Everything is read in the account's own name; where it has no mailbox, in the name of the mailbox that is given.

mod contents;
mod walk;

use super::EwsSource;
use super::mailbox::{OpenMailbox, Opening, Right};
use crate::autodiscover;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::FolderName;
use crate::operation::get_folder::GetFolder;
use c2b_mailbox::public::Whereabouts;
use c2b_mailbox::{Address, Cursor, FolderId, FolderPage, PublicFolder, PublicTree, Scope, SourceError, Trouble};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The root of all public folders.
const ROOT: &str = "publicfoldersroot";

/// What is known of the public folders.
#[derive(Default)]
pub(super) struct PublicFolders {
    /// The mailbox of each folder's contents, as the walk found it.
    contents: Mutex<HashMap<FolderId, String>>,
    /// Addresses of content mailboxes by their GUIDs.
    addresses: Mutex<HashMap<String, String>>,
    /// In whose name they are read, once that worked; `None`: the account's own.
    reader: OnceLock<Option<Address>>,
}

impl EwsSource {
    /// Walks the public folders that are named. `reader` is a mailbox that may lend its name.
    pub(super) async fn list_public_folders(&self, reader: Option<&Address>, wanted: &[PublicFolder]) -> Result<PublicTree, SourceError> {
        let listed = self.walk(reader, wanted).await;
        listed.map_err(|failure| failure.about(Scope::Mailbox, "list public folders"))
    }

    /// Returns whether the public folders can be reached at all, as a tree that tells nothing.
    pub(super) async fn knock_at_public_folders(&self) -> Result<FolderPage, SourceError> {
        let request = GetFolder { folders: vec![FolderName::WellKnown(ROOT, None)], with_counters: false };
        let answer = self.transport.call(request, &self.hierarchy()).await.and_then(|batch| batch.single());
        let about = |failure: Failure| failure.about(Scope::Mailbox, "open public folders");
        answer.map_err(about)?;
        let (changes, marks, parts) = (Vec::new(), HashMap::new(), BTreeMap::new());
        Ok(FolderPage { changes, marks, cursor: Cursor::new("public"), last: true, whole: false, parts })
    }

    /// Asks for folders by their ids that the walk does not find any more.
    ///
    /// Exchange says of what one may not see mostly that there is no such folder, so only a folder that is there proves
    /// that it was not hidden: it must have gone elsewhere.
    pub(super) async fn find_lost_public_folders(&self, folders: &[FolderId]) -> Result<Vec<Whereabouts>, SourceError> {
        let about = |failure: Failure| failure.about(Scope::Mailbox, "look for public folders");
        let mut found = Vec::with_capacity(folders.len());
        for some in folders.chunks(walk::FOLDERS_AT_ONCE) {
            let request = GetFolder { folders: some.iter().cloned().map(FolderName::Id).collect(), with_counters: false };
            let batch = self.transport.call(request, &self.hierarchy()).await.map_err(about)?;
            if let Some(broken) = batch.broken {
                return Err(about(broken));
            }
            let lacking = || Err(Failure::new(Trouble::Malformed, "answer", "the answer does not mention the folder"));
            let answers = batch.answers.into_iter().chain(std::iter::repeat_with(lacking)).take(some.len());
            found.extend(answers.map(|answer| match answer {
                Ok(_) => Whereabouts::Elsewhere,
                Err(failure) if failure.trouble == Trouble::Forbidden => Whereabouts::Closed(format!("{} ({})", failure.message, failure.code)),
                Err(failure) => Whereabouts::Unknown(format!("{} ({})", failure.message, failure.code)),
            }));
        }
        Ok(found)
    }

    /// Finds out in whose name the public folders can be read.
    async fn find_reader(&self, reader: Option<&Address>) -> Result<(), Failure> {
        if self.public.reader.get().is_some() {
            return Ok(());
        }
        let try_as = async |reader: Option<Address>| {
            let request = GetFolder { folders: vec![FolderName::WellKnown(ROOT, None)], with_counters: false };
            let target = Target { impersonate: reader, ..self.hierarchy() };
            self.transport.call(request, &target).await.and_then(|batch| batch.single())
        };
        match (try_as(None).await, reader) {
            (Ok(_), _) => {
                self.public.reader.get_or_init(|| None);
                Ok(())
            }
            (Err(failure), Some(reader)) if matches!(failure.trouble, Trouble::NoSuchMailbox | Trouble::Forbidden | Trouble::NotFound | Trouble::Refused) => {
                // The account's own refusal tells more than that of a name it borrows.
                try_as(Some(reader.clone())).await.map_err(|_| failure)?;
                self.public.reader.get_or_init(|| Some(reader.clone()));
                Ok(())
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// Where requests about the tree go.
    fn hierarchy(&self) -> Target {
        let place = self.config.public_folders.as_ref();
        let impersonate = self.public.reader.get().cloned().flatten();
        let anchor = place.and_then(|place| place.hierarchy.clone()).or_else(|| impersonate.clone());
        Target { anchor, impersonate, public_folder: place.and_then(|place| place.server.clone()) }
    }

    /// Where requests about the contents of a mailbox go; an empty text is the hierarchy mailbox.
    fn content_target(&self, mailbox: &str) -> Target {
        match Address::parse(mailbox) {
            Ok(address) => Target { anchor: Some(address), impersonate: self.public.reader.get().cloned().flatten(), public_folder: Some(mailbox.to_owned()) },
            Err(_) => self.hierarchy(),
        }
    }

    /// Returns a content mailbox as if it were open.
    fn open_contents(&self, mailbox: &str) -> OpenMailbox {
        let opening = Opening { right: Right::Own, root: String::new(), roles: BTreeMap::new() };
        OpenMailbox {
            right: Right::Own,
            target: self.content_target(mailbox),
            root: FolderName::WellKnown(ROOT, None),
            opening,
            is_presumed: false,
            has_parts: OnceLock::new(),
        }
    }

    /// Returns the address of the mailbox with a GUID: as Autodiscover tells it, else `GUID@domain`, which servers take, too.
    async fn content_mailbox(&self, guid: &str, reader: Option<&Address>) -> String {
        if let Some(address) = self.public.addresses.lock().unwrap_or_else(PoisonError::into_inner).get(guid) {
            return address.clone();
        }
        let place = self.config.public_folders.as_ref();
        let hierarchy = place.and_then(|place| place.hierarchy.as_ref());
        let user = Address::parse(self.config.sign_in.user()).ok();
        let Some(domain) = hierarchy.or(reader).or(user.as_ref()).map(|address| address.domain().to_owned()) else { return String::new() };
        let told = match place.and_then(|place| place.endpoint.as_ref()) {
            Some(endpoint) => autodiscover::content_mailbox(&self.config, endpoint, guid, &domain).await.map(|address| address.to_string()),
            None => Ok(format!("{guid}@{domain}")),
        };
        match told {
            Ok(address) => {
                self.public.addresses.lock().unwrap_or_else(PoisonError::into_inner).insert(guid.to_owned(), address.clone());
                address
            }
            Err(error) => {
                tracing::warn!(guid, %error, "content mailbox of public folders is not told");
                format!("{guid}@{domain}")
            }
        }
    }
}
