//! What end-to-end tests are made of: a real gateway in this process on port 0 and in a temporary
//! directory, upstreams that behave as told, and clients that know nothing of our code.
//!
//! **Invariant:** every test has its own gateway, upstreams and directory; nothing is shared.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "tests are their own documentation"
)]

pub mod client;
pub mod collector;
pub mod daemon;
pub mod gateway;
pub mod resolver;
pub mod upstream;

use std::io::Write as _;

pub use client::Client;
pub use gateway::Gateway;
pub use upstream::Upstream;

/// Says on standard error that something could not be tried; not by `eprintln`, which test harnesses
/// keep to themselves while tests pass.
pub fn skipped(what: &str) {
    drop(writeln!(std::io::stderr(), "SKIPPED: {what}"));
}
