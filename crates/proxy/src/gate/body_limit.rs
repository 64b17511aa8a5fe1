//! The largest body of a request.
//!
//! **Invariant:** not a byte beyond the limit reaches an upstream: the request is given up instead.

use std::cell::{Cell, RefCell};
use std::fmt;

use conduit_core::policy::Size;

use crate::body::ClientBody;
use crate::failure::{Failure, FailureKind};

/// The limit of one request's body, and what became of it.
pub(crate) struct BodyLimit {
    max: Size,
    is_over: Cell<bool>,
    rest: RefCell<Option<ClientBody>>,
}

impl BodyLimit {
    pub(crate) fn new(max: Size) -> Self {
        Self { max, is_over: Cell::new(false), rest: RefCell::default() }
    }

    /// Whether so many bytes are too many.
    pub(crate) fn is_exceeded_by(&self, bytes: u64) -> bool {
        bytes > self.max.0
    }

    /// The body was too large; `rest` is what was not read of it.
    pub(crate) fn exceed(&self, rest: Option<ClientBody>) {
        self.is_over.set(true);
        *self.rest.borrow_mut() = rest;
    }

    /// Whether the body was too large.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// What was not read of a body that was too large.
    pub(crate) fn take_rest(&self) -> Option<ClientBody> {
        self.rest.borrow_mut().take()
    }

    /// Says why a request really failed.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        match self.is_over() {
            true => FailureKind::BodyTooLarge { max: self.max }.into(),
            false => failure,
        }
    }
}

impl fmt::Debug for BodyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyLimit").field("max", &self.max).finish_non_exhaustive()
    }
}
