//! The hash-chained, signed record: append, read and verify.
//!
//! Every decision becomes one *capsule* (Capsule Protocol 1.0): a JSON document that holds its
//! place in the chain, hashed with SHA3-256 over its canonical form and signed with Ed25519. The
//! capsules live in one SQLite table, inside whichever database the caller has open, so that a row
//! and its record are one commit. Everything here is a function over a connection or a directory:
//! no thread, no task, no queue.
//!
//! **Invariant:** what [`store::append`] writes, [`verify()`] accepts, and so does the protocol's
//! reference tool; change one bit of it and [`verify()`] says where.
//!
//! **Invariant:** verifying reads only. It creates no file, no key and no table.

pub mod action;
pub mod anchor;
pub mod canonical;
pub mod capsule;
pub mod entry;
pub mod error;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod keyring;
pub mod proof;
mod readonly;
mod row;
pub mod seal;
pub mod store;
pub mod verify;

pub use action::Action;
pub use anchor::Anchor;
pub use entry::{Draft, Entry, Head, Status};
pub use error::AuditError;
pub use keyring::Keyring;
pub use proof::Proof;
pub use seal::SealKey;
pub use verify::{Failure, Fault, Report, verify, verify_file};
