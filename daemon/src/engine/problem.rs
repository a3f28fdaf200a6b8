//! What went wrong, in words for an administrator: source and storage errors as [`Problem`]s.

use super::writer::WriterError;
use c2b_api::job::Problem;
use c2b_mailbox::{Address, SourceError, Trouble};
use std::error::Error;

/// What to do when free space is below the reserve.
pub(crate) const BELOW_RESERVE_HINT: &str = "make room, for instance with `c2bctl storage free`; backups go on by themselves then";

/// Returns the problem that a source's error is for a mailbox (`None`: for the whole job) and folder.
pub(crate) fn of_source(error: &SourceError, mailbox: Option<&Address>, folder: &str) -> Problem {
    if is_no_space(error) {
        return no_space(error);
    }
    Problem {
        mailbox: mailbox.map(ToString::to_string).unwrap_or_default(),
        folder: folder.to_owned(),
        code: code(error.trouble).to_owned(),
        message: chain(error),
        hint: hint(error.trouble).to_owned(),
    }
}

/// Returns the problem that an error of the storage is for the whole job.
pub(crate) fn of_storage(error: &c2b_storagefmt::Error) -> Problem {
    if error.is_no_space() {
        return no_space(error);
    }
    whole("storage", chain(error), "see the storage with `c2bctl storage show`; verify it with `c2bctl storage check`")
}

/// Returns the problem that the writer's end is for the whole job.
pub(crate) fn of_writer(error: &WriterError) -> Problem {
    match error {
        WriterError::Write(error) => of_storage(error),
        WriterError::Closed => whole("storage", chain(error), "start the job again"),
    }
}

/// Returns the problem that too little free space is for the whole job.
pub(crate) fn below_reserve() -> Problem {
    whole("low-space", "the storage's file system has less free space than the reserve", BELOW_RESERVE_HINT)
}

/// Returns a problem of the whole job.
pub(crate) fn whole(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { mailbox: String::new(), folder: String::new(), code: code.to_owned(), message: message.into(), hint: hint.into() }
}

/// Returns whether a full disk (of temporary files, too) is behind the error.
pub(crate) fn is_no_space(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let full = |err: &std::io::Error| matches!(err.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        if error.downcast_ref().is_some_and(full) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Returns an error and its causes as one sentence.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Returns the word of a trouble, as it stands in problems and logs.
pub(crate) fn code(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Unreachable => "unreachable",
        Trouble::Certificate => "certificate",
        Trouble::WrongUrl => "wrong-url",
        Trouble::SignIn => "sign-in",
        Trouble::Forbidden => "forbidden",
        Trouble::NoSuchMailbox => "no-such-mailbox",
        Trouble::CursorInvalid => "cursor-invalid",
        Trouble::NotFound => "not-found",
        Trouble::Corrupt => "corrupt",
        Trouble::Unsupported => "unsupported",
        Trouble::Throttled => "throttled",
        Trouble::Busy => "busy",
        Trouble::Malformed => "malformed",
        Trouble::Local => "local",
        Trouble::Refused => "refused",
    }
}

fn hint(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Unreachable => "check the host name, port, network and firewall; see `c2bctl connection check`",
        Trouble::Certificate => "give the issuer's certificate to the connection with --ca-file, or renew the server's certificate",
        Trouble::WrongUrl => "check the connection's URL: Exchange answers at https://HOST/EWS/Exchange.asmx",
        Trouble::SignIn => "check the connection's user name and password, and that the account is not locked",
        Trouble::Forbidden => "give the connection's account the right to open this mailbox (ApplicationImpersonation or full access)",
        Trouble::NoSuchMailbox => "check the address; if the mailbox is gone, take it out of the job",
        Trouble::Unsupported => "the server does not know this operation; see `c2bctl connection check`",
        Trouble::Busy | Trouble::Throttled => "the server was busy; the next cycle tries again",
        Trouble::Local => "look at the free space of the temporary folder and at the daemon's log",
        Trouble::CursorInvalid | Trouble::NotFound | Trouble::Corrupt | Trouble::Malformed | Trouble::Refused => "the next cycle tries again",
    }
}

fn no_space(error: &(dyn Error + 'static)) -> Problem {
    whole("low-space", chain(error), "make room; what was committed is safe, and the next cycle goes on from there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_mailbox::{Retry, Scope};

    #[test]
    fn a_full_disk_is_told_apart_however_deep_it_lies() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let mut error = SourceError {
            operation: "fetch items".into(),
            scope: Scope::Item,
            trouble: Trouble::Local,
            code: "Local".into(),
            message: "temporary file".into(),
            retry: Retry::No,
            source: Some(Box::new(full)),
        };
        assert_eq!(of_source(&error, None, "").code, "low-space");
        error.source = None;
        assert_eq!(of_source(&error, None, "").code, "local");
    }
}
