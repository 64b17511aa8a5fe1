//! Where wire and domain types meet.
//!
//! **Invariant:** pure. What comes in is parsed into the vocabulary or refused here, once; what
//! goes out is written here, and nothing else knows both sides.

pub(crate) mod alert;
pub(crate) mod certificate;
pub(crate) mod entry;
pub(crate) mod finding;
pub(crate) mod health;
pub(crate) mod node;
pub(crate) mod register;
pub(crate) mod role;
pub(crate) mod service;
pub(crate) mod traffic;
pub(crate) mod why;
