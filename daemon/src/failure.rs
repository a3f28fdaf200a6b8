//! From what failed inside to what the caller of the socket is told.

use crate::atomic::FileError;
use crate::definition::Wrong;
use crate::name::{Name, NameError};
use c2b_api::{ApiError, ErrorCode};
use std::error::Error;
use std::io;
use tracing::error;

/// Returns an error and its causes as one sentence.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Answers that there is no object of this name, and which one was probably meant.
pub fn not_found<'a>(noun: &str, name: &str, known: impl IntoIterator<Item = &'a Name>) -> ApiError {
    let known: Vec<&str> = known.into_iter().map(Name::as_str).collect();
    let hint = match crate::nearest::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => format!("there is no {noun} yet: make one with `c2bctl {noun} create`"),
        None => format!("see `c2bctl {noun} list`"),
    };
    ApiError::new(ErrorCode::NotFound, format!("there is no {noun} {name}"), hint)
}

/// Returns a code as it is written on the socket.
pub fn code_word(code: ErrorCode) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Answers that something can not be done in the present state.
pub fn state(message: impl Into<String>, hint: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::State, message, hint)
}

/// Answers that a value is not acceptable.
pub fn invalid(message: impl Into<String>, hint: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Invalid, message, hint)
}

/// Answers that a value of a definition is not acceptable.
pub fn wrong(wrong: Wrong) -> ApiError {
    invalid(wrong.message, wrong.hint)
}

/// Answers that a text cannot be a name.
pub fn bad_name(error: &NameError) -> ApiError {
    invalid(error.to_string(), "")
}

/// Answers that a file of the daemon's own could not be used; that is for a human, hence logged.
pub fn file(failure: &FileError) -> ApiError {
    error!(error = chain(failure), "file of the daemon not usable");
    match failure.err.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ApiError::new(ErrorCode::LowSpace, chain(failure), "free some space and try again"),
        io::ErrorKind::PermissionDenied => ApiError::new(ErrorCode::Internal, chain(failure), "give the daemon's user the right to write there"),
        _ => ApiError::new(ErrorCode::Internal, chain(failure), ""),
    }
}

/// Answers what is wrong with a storage.
pub fn storage(failure: &c2b_storagefmt::Error) -> ApiError {
    use c2b_storagefmt::Error as E;
    let message = chain(failure);
    if failure.is_no_space() {
        return ApiError::new(ErrorCode::LowSpace, message, "free some space on the storage's file system; nothing committed is lost");
    }
    let (code, hint) = match failure {
        E::NotEmpty { .. } => (ErrorCode::Storage, "nothing was touched; choose an empty or a missing folder, or one that is a storage"),
        E::NotAStorage { .. } => (ErrorCode::Storage, "is the disk mounted? if the storage moved, delete it here and create it with its new path"),
        E::NewerFormat { .. } => (ErrorCode::Storage, "nothing was touched; install a newer c2b on this host"),
        E::Seal { err } => return seal(err, message),
        E::Erased { address, .. } => return state(message, format!("`c2bctl storage allow STORAGE {address}` lets it be backed up again, from nothing")),
        E::Policy { .. } | E::CopyInside { .. } => (ErrorCode::Invalid, ""),
        E::SuspectClock { .. } => (ErrorCode::State, "nothing was marked; set the clock, or say --trust-clock if it is right"),
        E::CopyOfAnother { .. } | E::CopyDiverged { .. } | E::FreeingReplaced | E::NotSealed { .. } => (ErrorCode::State, ""),
        E::InUse { .. } => (ErrorCode::State, "stop the daemon that uses it, or choose another folder"),
        E::File { err, .. } if err.kind() == io::ErrorKind::PermissionDenied => {
            (ErrorCode::Storage, "give the daemon's user the right to read and write there (chown c2b:c2b DIR)")
        }
        E::File { err, .. } if err.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorCode::Storage, "the file system is read-only for the daemon; under systemd, `systemctl edit c2bd` and add [Service] ReadWritePaths=DIR")
        }
        // The messages of the others say what to do.
        _ => (ErrorCode::Storage, ""),
    };
    ApiError::new(code, message, hint)
}

/// Answers what is wrong with the keys of a storage.
fn seal(failure: &c2b_storagefmt::SealError, message: String) -> ApiError {
    use c2b_storagefmt::SealError as S;
    let (code, hint) = match failure {
        S::WrongKey { .. } | S::NoneOfKind { .. } | S::Locked => {
            (ErrorCode::Locked, "capital letters and the keyboard's layout count; another password or the recovery key may open it")
        }
        S::RecoveryText { .. } => (ErrorCode::Invalid, "compare it with what was written down, group by group"),
        S::LabelTaken { .. } => (ErrorCode::Exists, ""),
        S::LabelTooLong { .. } | S::EmptyPassword | S::Params { .. } => (ErrorCode::Invalid, ""),
        S::LastWrap | S::TooManyWraps { .. } | S::NoSuchWrap { .. } => (ErrorCode::State, ""),
        _ => (ErrorCode::Storage, ""),
    };
    ApiError::new(code, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_recognised() {
        let known: Vec<Name> = ["nightly", "weekly"].iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(not_found("job", "nigthly", &known).hint, "did you mean nightly?");
        assert_eq!(not_found("job", "zzz", &known).hint, "see `c2bctl job list`");
    }

    #[test]
    fn causes_follow_in_one_sentence() {
        let error = FileError { operation: "write", path: "/x".into(), err: io::ErrorKind::StorageFull.into() };
        assert_eq!(file(&error).code, ErrorCode::LowSpace);
        assert!(chain(&error).starts_with("failed to write /x: "));
    }
}
