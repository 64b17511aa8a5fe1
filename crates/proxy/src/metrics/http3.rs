//! What HTTP/3 counts beyond what every version does.

use std::sync::atomic::{AtomicU64, Ordering};

/// Connections and requests over HTTP/3.
#[derive(Debug, Default)]
pub(crate) struct Http3Counters {
    pub(super) connections: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) retried: AtomicU64,
}

impl Http3Counters {
    /// A handshake came to its end.
    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream with a request was opened.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no room for a connection.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A client was asked to prove its address.
    pub(crate) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }
}
