//! The truth: which services, records, tokens, users and nodes there are, and the record of how they came to be.
//!
//! One thread owns the only connection that writes. A [`Mutation`] is judged by pure [`rules`],
//! prepared by the [`Publisher`] of the composition, committed together with its capsules in one
//! transaction, and only then published. Nothing here knows what is compiled from a catalog.
//!
//! **Invariant:** what comes before the commit can refuse; what comes after it cannot fail.
//! **Invariant:** rows of services, records, users and nodes are never deleted, and every change of them has its capsule.

pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod handover;
pub mod import;
pub mod lock;
pub mod mutation;
pub mod nodes;
pub mod policy;
pub mod publisher;
pub mod registry;
pub mod rejection;
pub mod row;
pub mod rules;
pub mod settings;
pub mod store;
pub mod token;
pub mod users;
pub mod view;

mod backup;
mod capsule;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use error::RegistryError;
pub use handover::Paused;
pub use lock::StateLock;
pub use mutation::{
    Cause, Committed, Importing, Mutation, NewToken, OutcomeKind, RecordWish, RecordsToChange,
    RecordsToRemove, RegisterOptions, Registration, Revoking, ServiceOutcome,
};
pub use nodes::NodeTable;
pub use policy::UpstreamPolicy;
pub use publisher::{Preparation, PublishError, Publisher, Work};
pub use registry::Registry;
pub use rejection::{ApplyError, Rejection};
pub use row::{LeafSummary, RowStatus, ServiceRow, TokenRow};
pub use settings::{Limits, Settings};
pub use store::{CERTIFICATES_MAX, CertificateQuery, Store};
pub use token::{Grant, TokenHolder};
pub use users::UserTable;
pub use writer::start;
