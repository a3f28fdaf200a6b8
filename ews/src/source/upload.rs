//! The way back: what was exported of an item becomes an item again, in any mailbox and folder.

use super::EwsSource;
use crate::error::Failure;
use crate::operation::upload_items::UploadItems;
use c2b_mailbox::{Address, Content, FolderId, ItemId, Scope, SourceError, Trouble};
use std::sync::{Arc, Mutex};

/// An item to be made from its export stream.
#[derive(Debug)]
pub struct Upload {
    /// The folder in which it will be.
    pub folder: FolderId,
    /// The bytes that [`c2b_mailbox::Item::export`] held.
    pub data: Content,
    /// Whether it belongs to the folder's associated (hidden) items.
    pub associated: bool,
}

impl EwsSource {
    /// Makes a new item of an export stream, and returns its id (`UploadItems`).
    ///
    /// Sends nothing to anybody, whatever the item is. The stream is read while it is sent. The request is made once:
    /// when its answer is lost, nobody knows whether the item exists.
    ///
    /// # Errors
    /// As the server says: no right to write, no such folder, a stream that it does not take, no room.
    pub async fn upload(&self, mailbox: &Address, upload: Upload) -> Result<ItemId, SourceError> {
        let open = self.open(mailbox).await?;
        let operation = || format!("upload an item into folder {} of {mailbox}", upload.folder);
        let data = Arc::new(Mutex::new(upload.data));
        let request = UploadItems { folder: upload.folder.clone(), data, associated: upload.associated };
        let answer = self.transport.call(request, &open.target).await;
        let uploaded = answer.and_then(|batch| batch.single()).map_err(|failure| failure.about(Scope::Item, operation()))?;
        let no_id = || Failure::new(Trouble::Malformed, "answer", "the server does not say which item it made").about(Scope::Item, operation());
        uploaded.id.ok_or_else(no_id)
    }
}
