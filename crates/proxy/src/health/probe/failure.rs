//! How a probe ended, and why it failed, in the words that people read.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use hyper::StatusCode;

use crate::connect::ConnectError;
use crate::resolve::ResolveError;

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did not get the answer it needs.
    Failed(Failure),
    /// It did.
    Passed,
}

/// Why a probe failed; its text is the reason that people read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The name has no address.
    NameUnknown,
    /// The name has only addresses that the configuration does not allow.
    NotAllowed,
    /// The body does not hold the text that it should.
    BodyLacks,
    /// The server does not serve now, it says over gRPC.
    GrpcNotServing,
    /// The server does not know this gRPC service.
    GrpcServiceUnknown(String),
    /// A gRPC status that tells of a failure.
    GrpcStatus(u16),
    /// The server does not offer gRPC's health checking.
    GrpcUnimplemented,
    /// The connection ended before the head of an answer.
    NoAnswer,
    /// What came back is not gRPC.
    NotGrpc,
    /// What came back is not HTTP, or not the version that was asked in.
    NotHttp,
    /// Nobody listens there.
    Refused,
    /// It ended the request, and nothing else, without answering it.
    Reset,
    /// The answer has a status that does not count as healthy.
    Status(StatusCode),
    /// The probe itself broke.
    ProbeBroke,
    /// Nothing came in time.
    TimedOut(Duration),
    /// TLS failed, for this reason.
    Tls(String),
    /// The address cannot be reached, for this reason.
    Unreachable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameUnknown => f.write_str("name not found"),
            Self::NotAllowed => f.write_str("name resolves to an address that is not allowed"),
            Self::BodyLacks => f.write_str("the answer lacks the expected text"),
            Self::GrpcNotServing => f.write_str("gRPC health: not serving"),
            Self::GrpcServiceUnknown(service) => {
                write!(f, "gRPC health: the server knows no service {service:?}")
            }
            Self::GrpcStatus(status) => write!(f, "gRPC status {status}"),
            Self::GrpcUnimplemented => {
                f.write_str("the server does not implement grpc.health.v1; probe with kind tcp")
            }
            Self::NotGrpc => f.write_str("the answer is not gRPC over HTTP/2"),
            Self::NoAnswer => f.write_str("connection closed without an answer"),
            Self::NotHttp => f.write_str("the answer is not HTTP"),
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("the request was reset"),
            Self::Status(status) => write!(f, "status {}", status.as_u16()),
            Self::ProbeBroke => f.write_str("the probe broke; see the log"),
            Self::TimedOut(after) => write!(f, "timed out after {after:?}"),
            Self::Tls(reason) => write!(f, "TLS: {reason}"),
            Self::Unreachable(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Passed => f.write_str("the probe passed"),
        }
    }
}

impl Outcome {
    /// The reason in words; `None` when the probe passed.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Failed(failure) => Some(failure.to_string()),
            Self::Passed => None,
        }
    }
}

fn failure_of(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Failure::NoAnswer,
        _ => Failure::Unreachable(short(error)),
    }
}

pub(super) fn failure_of_http(error: &hyper::Error) -> Failure {
    // A request that went down with its connection carries what took the connection down.
    let source = error.source();
    if let Some(error) = source.and_then(|source| source.downcast_ref::<h2::Error>()) {
        return match (error.is_library(), error.is_reset()) {
            (true, _) => Failure::NotHttp,
            (false, true) => Failure::Reset,
            (false, false) => Failure::NoAnswer,
        };
    }
    if let Some(cause) = source.and_then(|source| source.downcast_ref()) {
        return failure_of_http(cause);
    }
    let lost = source.is_some_and(|source| source.is::<io::Error>());
    if lost || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Failure::NoAnswer
    } else {
        Failure::NotHttp
    }
}

/// The system's words without its error number: `no route to host`.
fn short(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    words.to_lowercase()
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(error) => failure_of(&error),
            ConnectError::TimedOut => Self::NoAnswer,
            ConnectError::Tls(reason) => Self::Tls(reason),
        }
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NotAllowed => Self::NotAllowed,
            ResolveError::NotFound => Self::NameUnknown,
        }
    }
}
