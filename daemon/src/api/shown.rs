//! What of an answer a role is shown: what names items, folders or subjects is for restorers and administrators.

use c2b_api::access::Role;
use c2b_api::job::{FailureInfo, JobStatus, Problem};
use c2b_api::status::Status;

/// What stands in the place of words that may tell of a mailbox's content.
const HIDDEN: &str = "shown to the roles restorer and admin";

/// An answer that holds more than every role may see.
pub(super) trait Shown: Sized {
    /// Returns the same without what the role may not see.
    fn for_role(self, role: Role) -> Self {
        if role >= Role::Restorer { self } else { self.without_content() }
    }

    /// Takes out what tells of a mailbox's content.
    fn without_content(self) -> Self;
}

impl<T: Shown> Shown for Vec<T> {
    fn without_content(self) -> Self {
        self.into_iter().map(T::without_content).collect()
    }
}

impl Shown for Status {
    fn without_content(self) -> Self {
        Self { jobs: self.jobs.without_content(), ..self }
    }
}

impl Shown for JobStatus {
    fn without_content(mut self) -> Self {
        if let Some(run) = &mut self.run {
            run.problems = std::mem::take(&mut run.problems).without_content();
        }
        self
    }
}

impl Shown for Problem {
    fn without_content(self) -> Self {
        // What is about the whole job names no content.
        if self.mailbox.is_empty() { self } else { Self { folder: String::new(), message: HIDDEN.to_owned(), ..self } }
    }
}

impl Shown for FailureInfo {
    fn without_content(self) -> Self {
        Self { folder: String::new(), item: String::new(), subject: String::new(), date: None, message: HIDDEN.to_owned(), ..self }
    }
}
