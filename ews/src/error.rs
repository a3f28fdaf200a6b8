//! What goes wrong with EWS, and what it means to a backup.
//!
//! [`EwsError`] is about the configuration. Everything that happens on the wire becomes a [`Failure`] (what,
//! and whether to try again) and then, once it is known what was tried, a [`SourceError`].

use crate::xml::XmlError;
use c2b_mailbox::{Retry, Scope, SourceError, Trouble};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Why an EWS source cannot be made from a configuration.
#[derive(Debug, thiserror::Error)]
pub enum EwsError {
    /// The URL is neither `https` nor `http`, or has no host.
    #[error("{url} is not the address of an EWS server: expected https://host/EWS/Exchange.asmx")]
    Url {
        /// The URL.
        url: String,
    },
    /// A password would travel readable by everybody on the way.
    #[error("{url} would send the password without encryption: use https, or say --insecure")]
    PlainHttp {
        /// The URL.
        url: String,
    },
    /// The file of certificate authorities holds no certificate.
    #[error("failed to read certificates of the certificate authority file")]
    CertificateAuthority(#[source] rustls::pki_types::pem::Error),
    /// The file of certificate authorities is empty.
    #[error("the certificate authority file holds no certificate in PEM form")]
    NoCertificate,
    /// TLS cannot be set up.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
    /// The address of the token service is not safe.
    #[error("{url} would send secrets without encryption: the token service needs https")]
    TokenUrl {
        /// The URL.
        url: String,
    },
    /// The client's certificate cannot be used.
    #[error("the client certificate cannot be used: {reason}")]
    ClientCertificate {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The user name or password cannot be put into a request.
    #[error("the user name or password holds characters that HTTP cannot carry")]
    Credentials,
}

/// Something that went wrong on the wire, before it is said what was tried.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) trouble: Trouble,
    /// `ErrorItemNotFound`, `HTTP 503`, `TLS`, ….
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retry: Retry,
    /// How far it reaches at least, when that is more than what was tried.
    reach: Option<Scope>,
    /// Shared, since all items of a batch may fail for it.
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(trouble: Trouble, code: impl Into<String>, message: impl Into<String>) -> Self {
        let retry = match trouble {
            Trouble::Unreachable | Trouble::Throttled | Trouble::Busy | Trouble::Malformed | Trouble::Local => Retry::Backoff,
            _ => Retry::No,
        };
        let reach = match trouble {
            Trouble::Unreachable | Trouble::Certificate | Trouble::WrongUrl | Trouble::SignIn => Some(Scope::Connection),
            Trouble::NoSuchMailbox | Trouble::Throttled => Some(Scope::Mailbox),
            _ => None,
        };
        Self { trouble, code: code.into(), message: message.into(), retry, reach, cause: None }
    }

    /// Makes the failure that a response code of EWS stands for.
    pub(crate) fn of_code(code: &str, message: &str, back_off: Option<Duration>) -> Self {
        let (trouble, retry) = meaning(code);
        let mut failure = Self::new(trouble, code, message);
        if matches!(code, "ErrorMailboxFailover" | "ErrorMailboxMoveInProgress" | "ErrorMailboxStoreUnavailable" | "ErrorADUnavailable") {
            failure.reach = Some(Scope::Mailbox);
        }
        failure.retry = match back_off {
            Some(pause) if retry != Retry::No => Retry::After(pause),
            _ => retry,
        };
        failure
    }

    /// Says which host a failure on the way is about, where that is not the server itself.
    pub(crate) fn of_host(mut self, url: &url::Url) -> Self {
        self.message = format!("{}: {}", url.host_str().unwrap_or_default(), self.message);
        self
    }

    pub(crate) fn reaching(mut self, scope: Scope) -> Self {
        self.reach = Some(scope);
        self
    }

    pub(crate) fn retrying(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    pub(crate) fn caused_by(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Says what was tried and, at least, what that was about.
    pub(crate) fn about(self, scope: Scope, operation: impl Into<String>) -> SourceError {
        let rank = |scope: Scope| match scope {
            Scope::Item => 0,
            Scope::Folder => 1,
            Scope::Mailbox => 2,
            Scope::Connection => 3,
        };
        let source = self.cause.map(|cause| Box::new(cause) as Box<dyn Error + Send + Sync>);
        let scope = self.reach.filter(|reach| rank(*reach) > rank(scope)).unwrap_or(scope);
        SourceError { operation: operation.into(), scope, trouble: self.trouble, code: self.code, message: self.message, retry: self.retry, source }
    }

    /// Returns whether only the item at hand is the matter, so that the rest of the answer can be read.
    pub(crate) fn is_of_item(&self) -> bool {
        self.reach == Some(Scope::Item)
    }

    /// Returns whether it is about so much at least, whatever was tried.
    pub(crate) fn reaches(&self, scope: Scope) -> bool {
        self.reach == Some(scope)
    }

    /// Returns whether the mailbox may have to be opened in another way.
    pub(crate) fn is_of_opening(&self) -> bool {
        matches!(self.trouble, Trouble::Forbidden | Trouble::NoSuchMailbox | Trouble::NotFound)
    }

    /// Returns whether another form of the item cannot be had now either: passing trouble, the item is gone, or the
    /// trouble is about more than the item.
    pub(crate) fn rules_out_other_forms(&self) -> bool {
        self.retry != Retry::No || self.trouble == Trouble::NotFound || self.reach.is_some_and(|reach| reach != Scope::Item)
    }

    /// Returns whether this may pass, and is yet about nothing more than what was asked for.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.trouble, Trouble::Busy | Trouble::Malformed) && self.reach.is_none_or(|reach| reach == Scope::Item)
    }

    /// Returns whether asking for fewer items at once may get further: the answer or the request as a whole failed,
    /// not the way to the server.
    pub(crate) fn is_worth_splitting(&self) -> bool {
        match self.trouble {
            Trouble::Busy => self.reach.is_none(),
            Trouble::Malformed | Trouble::Refused | Trouble::Corrupt | Trouble::NotFound => true,
            Trouble::Unreachable => self.code == TIMED_OUT,
            _ => false,
        }
    }
}

/// Code of a failure by time-out.
pub(crate) const TIMED_OUT: &str = "time-out";

impl From<XmlError> for Failure {
    fn from(err: XmlError) -> Self {
        match err {
            XmlError::Keep(_) => Self::new(Trouble::Local, "temporary file", "the answer could not be kept").caused_by(err),
            _ => Self::new(Trouble::Malformed, "answer", err.to_string()).caused_by(err),
        }
    }
}

/// Returns what a response code means and whether the same request may succeed later.
fn meaning(code: &str) -> (Trouble, Retry) {
    match code {
        "ErrorServerBusy" | "ErrorExceededConnectionCount" | "ErrorExceededFindCountLimit" | "ErrorTooManyObjectsOpened" => {
            (Trouble::Throttled, Retry::Backoff)
        }
        "ErrorInternalServerError"
        | "ErrorInternalServerTransientError"
        | "ErrorMailboxStoreUnavailable"
        | "ErrorMailboxMoveInProgress"
        | "ErrorMailboxFailover"
        | "ErrorADUnavailable"
        | "ErrorADOperation"
        | "ErrorInsufficientResources"
        | "ErrorNotEnoughMemory"
        | "ErrorConnectionFailed"
        | "ErrorTimeoutExpired"
        | "ErrorBatchProcessingStopped"
        | "ErrorProxyRequestProcessingFailed"
        | "ErrorProxyCallFailed"
        | "ErrorClientDisconnected" => (Trouble::Busy, Retry::Backoff),
        "ErrorInvalidSyncStateData" => (Trouble::CursorInvalid, Retry::No),
        "ErrorItemNotFound" | "ErrorFolderNotFound" | "ErrorSyncFolderNotFound" | "ErrorParentFolderNotFound" | "ErrorInvalidAttachmentId" => {
            (Trouble::NotFound, Retry::No)
        }
        "ErrorItemCorrupt"
        | "ErrorCorruptData"
        | "ErrorContentConversionFailed"
        | "ErrorMimeContentConversionFailed"
        | "ErrorUnsupportedMimeConversion"
        | "ErrorMimeContentInvalid"
        | "ErrorMimeContentInvalidBase64String"
        | "ErrorVirusDetected"
        | "ErrorVirusMessageDeleted"
        | "ErrorPropertyValidationFailure"
        | "ErrorItemPropertyRequestFailed"
        | "ErrorPropertyRequestFailed"
        | "ErrorInvalidIdTooLong" => (Trouble::Corrupt, Retry::No),
        "ErrorAccessDenied"
        | "ErrorImpersonateUserDenied"
        | "ErrorImpersonationDenied"
        | "ErrorImpersonationFailed"
        | "ErrorUserNotAllowedByPolicy"
        | "ErrorNotDelegate"
        | "ErrorCreateItemAccessDenied"
        | "ErrorAccessModeSpecified" => (Trouble::Forbidden, Retry::No),
        "ErrorAccountDisabled" | "ErrorPasswordExpired" | "ErrorPasswordChangeRequired" => (Trouble::SignIn, Retry::No),
        "ErrorNonExistentMailbox"
        | "ErrorNonPrimarySmtpAddress"
        | "ErrorInvalidSmtpAddress"
        | "ErrorMailboxHoldNotFound"
        | "ErrorInvalidUserPrincipalName"
        | "ErrorMailRecipientNotFound" => (Trouble::NoSuchMailbox, Retry::No),
        "ErrorInvalidRequest"
        | "ErrorSchemaValidation"
        | "ErrorInvalidServerVersion"
        | "ErrorIncorrectSchemaVersion"
        | "ErrorInvalidOperation"
        | "ErrorNotSupported"
        | "ErrorOperationNotSupported"
        | "ErrorUnsupportedOperation"
        | "ErrorInvalidPropertyRequest"
        | "ErrorUnsupportedPropertyDefinition"
        | "ErrorUnsupportedPathForQuery" => (Trouble::Unsupported, Retry::No),
        _ => (Trouble::Refused, Retry::No),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_the_server_asks_for_is_kept() {
        let busy = Failure::of_code("ErrorServerBusy", "later", Some(Duration::from_millis(4500))).about(Scope::Item, "fetch items");
        assert_eq!((busy.trouble, busy.retry, busy.scope), (Trouble::Throttled, Retry::After(Duration::from_millis(4500)), Scope::Mailbox));
        let gone = Failure::of_code("ErrorItemNotFound", "gone", Some(Duration::from_millis(1))).about(Scope::Item, "fetch items");
        assert_eq!((gone.trouble, gone.retry, gone.scope), (Trouble::NotFound, Retry::No, Scope::Item));
    }
}
