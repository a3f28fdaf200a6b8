//! Packs in place of others: what freeing, erasing and sealing anew need of the writer.
//!
//! The order is that of a commit: the new pack is durable and visible, then the index goes over to it in one step, then
//! the old files go. After an error the packs are looked at again before anything else is done, as after a crash.

use super::{BatchState, Writer};
use crate::format::pack::parse_name;
use crate::format::row::{KeyTake, MailboxRowValue, Table};
use crate::free::claims::Claims;
use crate::index::commit::{PackFacts, replace_packs};
use crate::index::decode;
use crate::pack::file::PackSealed;
use crate::{CommitSeq, Error, FrameKey};
use std::collections::HashSet;
use std::sync::Arc;

impl Writer {
    /// From now on notes in `claims` what is referred to, as long as anybody has them.
    pub(crate) fn set_claims(&mut self, claims: &Arc<Claims>) {
        self.claims = Arc::downgrade(claims);
    }

    /// Returns whether these are the claims that are noted.
    pub(crate) fn has_claims(&self, claims: &Arc<Claims>) -> bool {
        self.claims.as_ptr() == Arc::as_ptr(claims)
    }

    /// Makes sure that every mailbox has a key of the present generation, and that it is saved, before anything is sealed anew.
    pub(crate) fn renew_keys(&mut self) -> Result<(), Error> {
        if !self.keys.is_sealed() {
            return Ok(());
        }
        for row in self.shared.walk(Table::Mailboxes) {
            let (key, value) = row?;
            if !decode::<MailboxRowValue>(Table::Mailboxes, &value)?.erased
                && let Some(mailbox) = KeyTake::new(&key).mailbox()
            {
                self.keys.ensure_mailbox(mailbox.0);
            }
        }
        self.save_keys()
    }

    /// Does what may publish a pack: if it fails, whether the pack is there must be looked at.
    pub(crate) fn replacing<T>(&mut self, publish: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.state = BatchState::Unsure;
        let published = publish()?;
        self.state = BatchState::Good;
        Ok(published)
    }

    /// Goes over to a pack that was published in place of others, given with their first commits, and removes these.
    /// `changed` are the frames of records that are not as they were.
    pub(crate) fn replace_packs(&mut self, new: &PackSealed, changed: &HashSet<FrameKey>, old: &[(CommitSeq, &str)]) -> Result<(), Error> {
        self.state = BatchState::Unsure;
        let name = parse_name(&new.name).ok_or(Error::BatchBroken)?;
        let records: Vec<_> = new.records.iter().filter(|(frame, _)| changed.contains(frame)).cloned().collect();
        let firsts: Vec<CommitSeq> = old.iter().map(|(first, _)| *first).collect();
        replace_packs(&mut self.rows, &firsts, &PackFacts { name, bytes: new.bytes, directory: &new.directory, records: &records })?;
        self.rows.write()?;
        for (_, name) in old {
            self.store.delete(name).and_then(|()| self.store.sync(name)).map_err(Error::file("delete", *name))?;
        }
        self.state = BatchState::Good;
        Ok(())
    }
}
