//! Errors on the socket: what failed, and what to do.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The body of every answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is not understood, or a value in it is not acceptable (HTTP 400, exit 2).
    Invalid,
    /// The caller may not do this (HTTP 403, exit 5).
    Forbidden,
    /// There is no object of this name (HTTP 404, exit 1).
    NotFound,
    /// There is one of this name already (HTTP 409, exit 1).
    Exists,
    /// It is in use, or running, or not running (HTTP 409, exit 1).
    State,
    /// The storage is sealed, and what was given does not open it, or nothing was given (HTTP 423, exit 5).
    Locked,
    /// A definition file is wrong (HTTP 422, exit 4).
    Config,
    /// The mail server refused the sign-in or the rights do not suffice (HTTP 502, exit 5).
    Auth,
    /// The mail server cannot be reached or does not answer as one (HTTP 502, exit 1).
    Server,
    /// The storage cannot be used: newer format, damaged, foreign (HTTP 500, exit 1).
    Storage,
    /// The disk is full (HTTP 507, exit 7).
    LowSpace,
    /// Anything else (HTTP 500, exit 1).
    Internal,
}

impl ErrorCode {
    /// Returns the HTTP status of an answer with this code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Exists | Self::State => 409,
            Self::Config => 422,
            Self::Locked => 423,
            Self::Auth | Self::Server => 502,
            Self::LowSpace => 507,
            Self::Storage | Self::Internal => 500,
        }
    }

    /// Returns the exit code of `c2bctl` after this failure (style.md: documented exit codes).
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Invalid => 2,
            Self::Config => 4,
            Self::Auth | Self::Forbidden | Self::Locked => 5,
            Self::LowSpace => 7,
            Self::NotFound | Self::Exists | Self::State | Self::Server | Self::Storage | Self::Internal => 1,
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
