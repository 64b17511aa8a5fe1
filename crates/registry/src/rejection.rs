//! The ways in which a mutation is not granted.
//!
//! **Invariant:** whatever the variant, nothing has changed; the one exception is
//! [`RegistryError::OutcomeUnknown`] and [`RegistryError::WriterGone`], which say so.
//!
//! [`RegistryError::OutcomeUnknown`]: crate::RegistryError::OutcomeUnknown
//! [`RegistryError::WriterGone`]: crate::RegistryError::WriterGone

use std::fmt;

use conduit_core::name::ServiceName;

use crate::error::RegistryError;
use crate::publisher::PublishError;

/// A typed no: the caller asked for something that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// A stable word for programs, such as `name_taken`.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The service it is about.
    pub service: Option<ServiceName>,
}

impl Rejection {
    /// A rejection without a hint.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, service: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, about this service.
    #[must_use]
    pub fn about(mut self, name: &ServiceName) -> Self {
        self.service = Some(name.clone());
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejection {}

/// Why a mutation was not granted.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The tables or leaves for it could not be prepared.
    #[error("the change could not be prepared")]
    Refused(#[source] PublishError),
    /// The rules do not allow it: the caller's fault.
    #[error("the change is not allowed")]
    Rejected(#[source] Rejection),
    /// The registry takes no decisions any more.
    #[error("conduit is shutting down")]
    ShuttingDown,
    /// It could not be written: the disk is full, for example.
    #[error("the change could not be written")]
    Unavailable(#[source] RegistryError),
}

impl From<PublishError> for ApplyError {
    fn from(error: PublishError) -> Self {
        match error.into_rejection() {
            Ok(rejection) => Self::Rejected(rejection),
            Err(error) => Self::Refused(error),
        }
    }
}

impl From<Rejection> for ApplyError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}
