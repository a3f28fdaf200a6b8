//! Who may do what in folders.

use super::EwsSource;
use crate::operation::get_permissions::GetPermissions;
use c2b_mailbox::{Address, FolderId, Scope, SourceError};

impl EwsSource {
    /// Returns the permissions of those folders that tell them.
    pub(super) async fn read_permissions(&self, mailbox: &Address, folders: &[FolderId]) -> Result<Vec<(FolderId, String)>, SourceError> {
        let open = self.open(mailbox).await?;
        let answer = self.transport.call(GetPermissions { folders: folders.to_vec() }, &open.target).await;
        let batch = answer.map_err(|failure| failure.about(Scope::Mailbox, format!("read folder permissions of {mailbox}")))?;
        let told = folders.iter().zip(batch.answers).filter_map(|(id, answer)| Some((id.clone(), answer.ok()?.text?)));
        Ok(told.collect())
    }
}
