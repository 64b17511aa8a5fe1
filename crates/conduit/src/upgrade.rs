//! A new process takes over from a running one, without losing a request.
//!
//! The old process starts the new one with its own arguments and a socket as standard input. Over
//! it, in this order:
//!
//! 1. the old one hands over every listening socket;
//! 2. the new one reads its configuration, takes what it is to listen on, and says so;
//! 3. the old one stops writing, and hands over the lock of the state directory;
//! 4. the new one opens the state, compiles, accepts, and says that it serves;
//! 5. the old one leaves the state for good, says so, and finishes what is open.
//!
//! **Invariant:** until step 5 the old process serves, and whatever goes wrong ends the new one and
//! gives the state back. At no moment do both write, and at no moment is the lock free.

mod attend;
mod channel;
mod handover;
mod predecessor;
mod successor;
mod upgrader;
mod words;

use std::time::Duration;

pub use handover::{Handover, Program};
pub use predecessor::{Predecessor, Refusal};
pub(crate) use upgrader::{Assets, Upgrader};

/// Why a new process does not take over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The other process said what nobody understands, or nothing.
    #[error("the other process cannot be talked to")]
    Channel(#[source] std::io::Error),
    /// The variable that a gateway sets for its successor is there, but no gateway.
    #[error(
        "{VARIABLE} is set, but standard input does not come from a running gateway; \
         `conduit upgrade` sets both: unset it"
    )]
    NotFromGateway,
    /// The old process has given up on this one, or is gone.
    #[error("the gateway to take over from does not wait any longer")]
    GivenUp,
}

/// Set for a process that is to take over: the number of the one that started it.
const VARIABLE: &str = "CONDUIT_UPGRADE_FROM";
/// How long the new process waits for the old one, which may have to copy its database first.
const PATIENCE: Duration = Duration::from_secs(120);
