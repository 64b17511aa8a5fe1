//! What can go wrong in this room, and the one place where it becomes an HTTP answer.
//!
//! **Invariant:** the text of an internal error never crosses the wire: it is logged under the
//! request's id, and the answer holds that id.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Json;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_core::error::Chain;
use conduit_registry::{ApplyError, RegistryError, Rejection};
use http::{HeaderValue, StatusCode, header};

use crate::control::ControlError;
use crate::monitor::MonitorError;

/// Why the admin listeners could not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The TCP listener.
    #[error("cannot listen on {address} for the admin API")]
    BindTcp {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The Unix socket.
    #[error("cannot make the admin socket {}", path.display())]
    BindUnix {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Something that is not a socket stands there.
    #[error("{} is there and is not a socket; move it away, or set [admin] socket", path.display())]
    NotASocket {
        /// Where.
        path: PathBuf,
    },
    /// The path does not fit into a socket's address.
    #[error("the path {} is longer than {limit_bytes} bytes, which a Unix socket cannot have; set [admin] socket to a shorter one", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// The most there may be.
        limit_bytes: usize,
    },
    /// Another gateway answers there.
    #[error("{} is in use by another running gateway; stop it first, or set [admin] socket", path.display())]
    SocketInUse {
        /// Where.
        path: PathBuf,
    },
}

/// An answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
    hint: Option<String>,
    retry_after_seconds: Option<u32>,
}

impl ApiError {
    /// An error with a stable code and a sentence.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            hint: None,
            retry_after_seconds: None,
        }
    }

    /// The same, with the mend.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, saying when to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// A value in the request that cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// A value in the request that could not be parsed, with the parser's reasons.
    pub fn unparsed(code: &'static str, error: &(dyn Error + 'static)) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, Chain(error).to_string())
    }

    /// A change that may have happened.
    pub fn outcome_unknown() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "outcome_unknown",
            "the gateway cannot tell whether the change was written",
        )
        .hint("`conduit status` shows what is true now")
    }

    /// A service that is not there.
    pub fn no_service(name: &str) -> Self {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        let message = format!("there is no active service {name:?}");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
            .hint("`conduit status` lists the services")
    }

    /// A node that is not there.
    pub fn no_node(name: &str) -> Self {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no node {name:?}"))
            .hint("`conduit monitor` shows the nodes")
    }

    /// A user who is not there.
    pub fn no_user(name: &str) -> Self {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no user {name:?}"))
            .hint("`conduit user list` shows the users")
    }

    /// The monitor is not there to be asked.
    pub fn monitor_off(status: StatusCode) -> Self {
        Self::new(status, "monitor_off", "the monitor is off")
            .hint("set monitor.enabled = true, and restart the gateway")
    }

    /// The gateway is stopping.
    pub fn shutting_down() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "the gateway is shutting down and takes no changes",
        )
        .hint("ask again once it is back")
        .retry_after(RETRY_AFTER_SECONDS)
    }

    /// Our own fault; `error` is logged, and the caller is told where to look.
    pub fn internal(what: &'static str, error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "{what} failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!("{what} failed inside the gateway"),
        )
        .hint("the gateway's log has the reason, under this answer's x-request-id")
    }

    /// The same, naming the element of a list it is about.
    #[must_use]
    pub fn at_service(mut self, index: usize, name: &str) -> Self {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        self.message = format!("services[{index}] ({name:?}): {}", self.message);
        self
    }

    /// The same, naming the record of a list it is about.
    #[must_use]
    pub fn at_record(mut self, index: usize) -> Self {
        self.message = format!("records[{index}]: {}", self.message);
        self
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody::new(self.code, self.message, self.hint);
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"conduit\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        // In a bulk, the message alone would not say which service it is about.
        let message = match &rejection.service {
            Some(name) if !rejection.message.contains(name.as_str()) => {
                format!("{name}: {}", rejection.message)
            }
            _ => rejection.message,
        };
        Self {
            status: status_of(rejection.code),
            code: rejection.code.into(),
            message,
            hint: rejection.hint,
            retry_after_seconds: None,
        }
    }
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Rejected(rejection) => rejection.into(),
            ApplyError::ShuttingDown => Self::shutting_down(),
            ApplyError::Refused(error) => Self::internal("preparing the change", &error),
            ApplyError::Unavailable(error) => error.into(),
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        if error.is_disk_full() {
            tracing::error!(error = %Chain(&error), "the disk is full");
            return Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "the state directory's disk is full; nothing was changed",
            )
            .hint("make room on that disk and ask again; what is served goes on");
        }
        match error {
            RegistryError::OutcomeUnknown | RegistryError::WriterGone => {
                tracing::error!(error = %Chain(&error), "a decision's outcome is unknown");
                Self::outcome_unknown()
            }
            _ => {
                tracing::error!(error = %Chain(&error), "the registry is not available");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "the registry cannot be read or written now; nothing was changed",
                )
                .hint("the gateway's log has the reason, under this answer's x-request-id")
                .retry_after(RETRY_AFTER_SECONDS)
            }
        }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Conflict(message) => Self::new(StatusCode::CONFLICT, "conflict", message),
            ControlError::Failed(message) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
            }
            ControlError::Invalid(message) => Self::invalid(message),
            ControlError::Unavailable(message) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
        }
    }
}

impl From<MonitorError> for ApiError {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Conflict(message) => Self::new(StatusCode::CONFLICT, "conflict", message),
            MonitorError::Failed(message) => {
                Self::new(StatusCode::BAD_GATEWAY, "node_failed", message)
            }
            MonitorError::Invalid(message) => Self::invalid(message),
            MonitorError::NotFound(message) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", message)
            }
            MonitorError::Unavailable(message) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
        }
    }
}

/// Rejections are 422, but for what is missing and what is taken.
fn status_of(code: &str) -> StatusCode {
    match code {
        "changed_meanwhile" => StatusCode::PRECONDITION_FAILED,
        "not_found" | "upstream_not_found" => StatusCode::NOT_FOUND,
        "name_taken" | "host_taken" | "token_name_taken" | "user_name_taken" | "node_taken"
        | "node_fixed" | "record_conflict" | "record_fixed" => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

const RETRY_AFTER_SECONDS: u32 = 5;
const NAME_CHARS_MAX: usize = 80;
