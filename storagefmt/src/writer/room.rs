//! When the disk is full: ballast, and going on.

use super::Writer;
use crate::{Error, Space, ballast};

impl Writer {
    /// Keeps ballast of so many bytes (0: none), to be given up when the disk is full; made only while there is room. Returns whether it is
    /// there. Costs next to nothing when it is, so it should be asked for again from time to time. See [`crate::RESERVE_BYTES`].
    ///
    /// # Errors
    /// When it cannot be written for another reason than a full disk.
    pub fn keep_reserve(&self, bytes: u64) -> Result<bool, Error> {
        ballast::keep(self.shared.dir(), self.store.as_ref(), bytes)
    }

    /// Returns what the storage's file system has.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn space(&self) -> Result<Space, Error> {
        crate::space(self.shared.dir())
    }

    /// Does a step that makes room or must not fail for want of it. When the disk is full, the ballast is given up, the open batch forgotten and
    /// the step done once more.
    ///
    /// # Errors
    /// Those of the step.
    pub fn with_room<T>(&mut self, mut step: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        match step(self) {
            Err(err) if err.is_no_space() && ballast::release(self.store.as_ref())? => {
                self.abandon();
                self.ready()?;
                step(self)
            }
            other => other,
        }
    }
}
