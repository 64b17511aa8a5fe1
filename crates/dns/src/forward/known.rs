//! Where a reply about somebody else's name comes from.

use std::net::SocketAddr;

/// Where a reply comes from; the address is that of the forwarder that said it, when one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The name is special, and answered here.
    Special,
    /// What is kept of a former answer.
    Cache(Option<SocketAddr>),
    /// A forwarder, just now.
    Forwarder(Option<SocketAddr>),
    /// What was good once.
    Stale(Option<SocketAddr>),
    /// Nobody answered, or could be asked.
    Nobody,
}
