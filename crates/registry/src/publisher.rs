//! The seam to whoever compiles tables from catalogs.

use std::error::Error;

use conduit_core::catalog::{Catalog, Change, Version};
use conduit_core::certificate::{Issuance, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::LeafPair;
use conduit_core::name::ServiceName;
use conduit_core::record::RecordChange;

use crate::rejection::Rejection;

/// Prepares what a mutation needs before it is committed, and makes it live after.
///
/// Both are called on the writer's thread, one mutation at a time.
pub trait Publisher: Send + 'static {
    /// What is ready to go live.
    type Prepared: Send;

    /// Issues leaves and compiles tables. Nothing may be live yet, and a preparation that is
    /// dropped must leave no trace; a panic here refuses the mutation.
    ///
    /// # Errors
    /// Refuses the mutation; nothing has changed.
    fn prepare(&mut self, work: &Work<'_>) -> Result<Preparation<Self::Prepared>, PublishError>;

    /// Signs a certificate for somebody else to use. It is nothing until it is committed: a
    /// signature that is dropped must leave no trace.
    ///
    /// # Errors
    /// Refuses the mutation; nothing has changed.
    fn sign(&mut self, issuance: &Issuance, now: Timestamp) -> Result<Signed, PublishError>;

    /// Makes a preparation live. The commit is durable by now, so this cannot refuse; a panic here
    /// ends the writer, and with it the process.
    fn publish(&mut self, prepared: Self::Prepared);
}

/// One step from the previous catalog to the next.
#[derive(Debug)]
pub struct Work<'a> {
    /// The catalog that is live.
    pub previous: &'a Catalog,
    /// The catalog that is to be; the previous one again when only leaves are issued.
    pub next: &'a Catalog,
    /// What differs between the two.
    pub changes: &'a [Change],
    /// What every name has whose records differ between the two.
    pub records: &'a [RecordChange],
    /// Services whose leaves are to be issued again although nothing else changes.
    pub reissue: &'a [ServiceName],
    /// Of the tables to compile.
    pub version: Version,
    /// The time of the decision.
    pub now: Timestamp,
}

/// What a mutation needs, before it is committed.
#[derive(Debug)]
pub struct Preparation<T> {
    /// Handed back to [`Publisher::publish`].
    pub prepared: T,
    /// Leaves that were issued, to be stored in the same transaction.
    pub leaves: Vec<(ServiceName, LeafPair)>,
}

/// Why a preparation failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the next tables")]
pub struct PublishError(#[source] Box<dyn Error + Send + Sync>);

impl PublishError {
    /// Wraps what went wrong: an error or a text. A [`Rejection`] is told to the caller as one.
    ///
    /// [`Rejection`]: crate::Rejection
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }

    /// The rejection it wraps, if it is one.
    pub(crate) fn into_rejection(self) -> Result<Rejection, Self> {
        self.0.downcast().map(|rejection| *rejection).map_err(Self)
    }
}
