//! The control plane over HTTP, on the Unix socket and on the admin listener.
//!
//! One router for both; the Unix socket knows its callers by the kernel, the listener by their
//! tokens, or by the session that a page in a browser began with one. This room asks the registry for every change and reads everything else from what the
//! planes publish; what only the whole gateway can do is behind [`control::Control`].
//!
//! **Invariant:** without credentials there is the dashboard's own files, `/health` and `/ready`, and
//! they tell nothing that is secret.
//! **Invariant:** wire and domain types meet in [`convert`](self) and nowhere else.

pub mod control;
pub mod document;
pub mod error;
pub mod finding;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod limits;
pub mod monitor;
pub mod oidc;
pub mod server;
pub mod settings;
pub mod state;

/// Verdicts about the record in their wire form: the API and the command line tell the same.
pub mod verdict {
    pub use crate::convert::entry::{proof, report};
}

mod auth;
mod body;
mod changes;
mod convert;
mod feed;
mod hosts;
mod idempotency;
mod page;
mod paging;
mod params;
mod password;
mod peer;
mod precondition;
mod record;
mod router;
mod routes;
mod series;
mod session;
mod throttle;
mod ui;
