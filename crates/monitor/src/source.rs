//! Where readings come from.
//!
//! **Invariant:** dropping the future of a read leaves the source usable; the sampler drops it at
//! its deadline. A source that must block does so on one thread of its own, and answers
//! [`SourceError::TimedOut`] while that thread still hangs.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::node::NodeName;
use crate::reading::Reading;

/// A future that an object-safe trait can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that can be read again and again.
pub trait Source: Send + 'static {
    /// The node it tells about.
    fn node(&self) -> &NodeName;

    /// What kind of source it is.
    fn kind(&self) -> SourceKind;

    /// Reads once.
    fn read(&mut self) -> BoxFuture<'_, Result<Reading, SourceError>>;
}

/// The kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// This machine's `/proc` and `/sys`.
    Host,
    /// This machine's GPUs.
    Gpu,
    /// This machine's container engine.
    Containers,
    /// Another machine, over SSH: host, GPUs and containers in one reading.
    Ssh,
    /// Engines behind registered services, over HTTP.
    Engines,
}

impl SourceKind {
    /// The word for it, the same in CLI, API and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Gpu => "gpu",
            Self::Containers => "containers",
            Self::Ssh => "ssh",
            Self::Engines => "engines",
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a source gave no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// What it reads does not exist here; that is a state, not a fault. The text says what.
    #[error("{0}")]
    Absent(String),
    /// The machine's host key is on no list; the mend is `conduit monitor add --accept-fingerprint`.
    #[error(
        "the host key {fingerprint} is not pinned; compare it, then run `conduit monitor add {host} --accept-fingerprint {fingerprint}`"
    )]
    Unpinned {
        /// As the operator wrote it.
        host: String,
        /// `SHA256:…`, as OpenSSH prints it.
        fingerprint: String,
    },
    /// The machine showed another key than the pinned one; nothing was sent to it.
    #[error(
        "the host key of {host} changed to {fingerprint}; if that is right, run `conduit monitor remove {host}` and add it again"
    )]
    KeyChanged {
        /// As the operator wrote it.
        host: String,
        /// `SHA256:…` of what it shows now.
        fingerprint: String,
    },
    /// We may not; the text says whom to ask and how.
    #[error("{0}")]
    Refused(String),
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(std::time::Duration),
    /// What came makes no sense; the text says what was expected.
    #[error("{0}")]
    Garbled(String),
    /// Anything else, with its cause.
    #[error("{0}")]
    Failed(String),
}

impl SourceError {
    /// Whether it is worth asking again soon: not, when a person must act first.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Garbled(_) | Self::Failed(_))
    }
}
