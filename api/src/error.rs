//! Errors on the socket: what failed, and what to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The body of every answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiError {
    /// What kind of failure: decides the HTTP status and the exit code of `c2bctl`.
    pub code: ErrorCode,
    /// What failed, the chain of causes in one sentence.
    pub message: String,
    /// What to do; empty when there is nothing to say.
    #[serde(default)]
    pub hint: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is not understood, or a value in it is not acceptable (HTTP 400, exit 2).
    Invalid,
    /// The caller's role does not allow this (HTTP 403, exit 5).
    Forbidden,
    /// There is no object of this name (HTTP 404, exit 1).
    NotFound,
    /// There is one of this name already (HTTP 409, exit 1).
    Exists,
    /// It is in use, or running, or not running (HTTP 409, exit 1).
    State,
    /// The storage is sealed, or the connection has a password, and what was given does not open it, or nothing was given (HTTP 423, exit 5).
    Locked,
    /// A definition file is wrong (HTTP 422, exit 4).
    Config,
    /// The mail server refused the sign-in or the rights do not suffice (HTTP 502, exit 5).
    Auth,
    /// The mail server cannot be reached or does not answer as one (HTTP 502, exit 1).
    Server,
    /// The storage cannot be used: newer format, damaged, foreign, out of reach (HTTP 409, exit 1).
    Storage,
    /// The disk is full (HTTP 507, exit 7).
    LowSpace,
    /// The request is longer than the daemon takes (HTTP 413, exit 2).
    TooLong,
    /// The request did not come whole in time (HTTP 408, exit 1).
    TooSlow,
    /// As many callers as the daemon takes are there already (HTTP 503, exit 1).
    Busy,
    /// Trouble of the daemon itself (HTTP 500, exit 1).
    Internal,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Invalid,
        Self::Forbidden,
        Self::NotFound,
        Self::Exists,
        Self::State,
        Self::Locked,
        Self::Config,
        Self::Auth,
        Self::Server,
        Self::Storage,
        Self::LowSpace,
        Self::TooLong,
        Self::TooSlow,
        Self::Busy,
        Self::Internal,
    ];

    /// Returns its word, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Exists => "exists",
            Self::State => "state",
            Self::Locked => "locked",
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Server => "server",
            Self::Storage => "storage",
            Self::LowSpace => "low-space",
            Self::TooLong => "too-long",
            Self::TooSlow => "too-slow",
            Self::Busy => "busy",
            Self::Internal => "internal",
        }
    }

    /// Returns the HTTP status of an answer with this code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Exists | Self::State | Self::Storage => 409,
            Self::Config => 422,
            Self::Locked => 423,
            Self::Auth | Self::Server => 502,
            Self::LowSpace => 507,
            Self::TooLong => 413,
            Self::TooSlow => 408,
            Self::Busy => 503,
            Self::Internal => 500,
        }
    }

    /// Returns the exit code of `c2bctl` after this failure (style.md: documented exit codes).
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Invalid | Self::TooLong => 2,
            Self::Config => 4,
            Self::Auth | Self::Forbidden | Self::Locked => 5,
            Self::LowSpace => 7,
            Self::NotFound | Self::Exists | Self::State | Self::Server | Self::Storage | Self::TooSlow | Self::Busy | Self::Internal => 1,
        }
    }
}

impl ApiError {
    /// Returns an error with a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_word() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
