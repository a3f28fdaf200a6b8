//! Writing down what is lost: contents that no recipe gives any more, items whose content is to be fetched again, folders whose records are gone.

use super::Writer;
use crate::catalog::lost_folder;
use crate::format::micros;
use crate::format::record::{FolderRecord, ItemMarkRecord, LostRecord, Record};
use crate::layout::Lock;
use crate::seal::Unlock;
use crate::store::Store;
use crate::{ContentId, Error, FolderKey, ItemKey, MailboxKey, StorageInfo};
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;

impl Writer {
    /// Opens a storage whose lock the caller has.
    pub(crate) fn open_locked(dir: &Path, store: Arc<dyn Store>, key: &Unlock, info: StorageInfo, lock: Lock) -> Result<Self, Error> {
        let opened = super::recover::open_locked(dir, store.as_ref(), key, info, lock)?;
        Self::new(dir, store, opened)
    }

    /// Gives a mailbox a name whose own records are lost.
    pub(crate) fn name_lost_mailbox(&mut self, mailbox: MailboxKey, address: &Address) {
        self.addresses.entry(mailbox).or_insert_with(|| address.as_str().to_owned());
    }

    /// Records that a content of a mailbox is lost; it is stored again when it is put again.
    pub(crate) fn lose_content(&mut self, mailbox: MailboxKey, content: &ContentId, reason: &str, now: DateTime<Utc>) -> Result<(), Error> {
        self.ready()?;
        self.introduce(mailbox)?;
        self.record(mailbox, &Record::Lost(LostRecord { id: content.0, reason: reason.to_owned(), time: micros(now) }))
    }

    /// Forgets in which state an item is held, so that it counts as another one whatever its source says.
    pub(crate) fn forget_state(&mut self, mailbox: MailboxKey, item: ItemKey) -> Result<(), Error> {
        self.ready()?;
        self.introduce(mailbox)?;
        self.record(mailbox, &Record::ItemMark(ItemMarkRecord { key: item.0, change_key: None }))
    }

    /// Records a folder of which only the key is left.
    pub(crate) fn keep_lost_folder(&mut self, mailbox: MailboxKey, folder: FolderKey) -> Result<(), Error> {
        self.ready()?;
        self.introduce(mailbox)?;
        let record = FolderRecord { mailbox: mailbox.0, id: format!("lost:{folder}"), ..lost_folder(folder, self.seq.0) };
        self.record(mailbox, &Record::Folder(record))
    }
}
