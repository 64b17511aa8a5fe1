//! What can go wrong between a client and the gateway.

use std::path::PathBuf;

use crate::v1::error::ErrorDetail;

/// Why a client has no answer, or not the one it wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The gateway said no, or failed.
    #[error("{}", error.message)]
    Api {
        /// The HTTP status.
        status: u16,
        /// What it said.
        error: ErrorDetail,
    },
    /// The answer is not what this version of the API sends.
    #[error("the answer to {request} is not one of this API: {reason}")]
    Malformed {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The request changes something, it was sent, and no answer came: it may have happened.
    #[error("the outcome of {request} is unknown ({reason}); {mend}")]
    OutcomeUnknown {
        /// Method and path.
        request: String,
        /// How the connection ended.
        reason: String,
        /// How to find out.
        mend: String,
    },
    /// The answer is larger than a client takes.
    #[error("the answer to {request} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Method and path.
        request: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// Nobody answers at any of the places.
    #[error("no gateway answers; tried {}", listed(tried))]
    Unreachable {
        /// Each place, and why it did not work.
        tried: Vec<Tried>,
    },
    /// The request reads only, and no answer came; it can be repeated.
    #[error("{request} was not answered: {reason}")]
    Unanswered {
        /// Method and path.
        request: String,
        /// How the connection ended.
        reason: String,
    },
    /// What was asked cannot be put into a request.
    #[error("{what} cannot be sent: {reason}")]
    Unsendable {
        /// The part of the request.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// The mend the gateway gave, when there is one.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Api { error, .. } => error.hint.as_deref(),
            _ => None,
        }
    }

    /// The stable word of a refusal, such as `name_taken`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api { error, .. } => Some(&error.code),
            _ => None,
        }
    }
}

/// A place where a gateway may listen, and why it did not answer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// A socket's path or an address.
    pub place: Place,
    /// Such as `no such file` or `connection refused`.
    pub reason: String,
}

/// Where a gateway may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket.
    Socket(PathBuf),
    /// `HOST:PORT`.
    Tcp(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

fn listed(tried: &[Tried]) -> String {
    let all: Vec<String> = tried.iter().map(|t| format!("{} ({})", t.place, t.reason)).collect();
    all.join(", ")
}
