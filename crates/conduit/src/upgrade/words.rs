//! What two processes say to each other during an upgrade.
//!
//! **Invariant:** they may be of different versions: fields are added, never renamed, and a message
//! that one does not understand ends the upgrade, not the gateway.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// From the gateway that serves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromOld {
    /// Sockets, one file descriptor for each label.
    Sockets {
        labels: Vec<Label>,
        /// Whether more follow.
        more: bool,
        /// Processes that wait for a successor to end, this one included.
        #[serde(default)]
        waiting: u32,
    },
    /// The state is free; with the lock's file descriptor.
    State,
    /// The state is yours for good.
    Over,
}

/// From the process that is to take over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromNew {
    /// The configuration is good, and every socket is there.
    Prepared {
        /// Of the program.
        version: String,
        /// Of the database that it will leave behind.
        schema: u32,
        /// Whether it serves the Unix socket that it was handed.
        socket: bool,
    },
    /// It serves.
    Ready,
    /// It will not serve.
    Refused { reason: String },
}

/// What a handed over file descriptor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(super) enum Label {
    /// The control plane over TCP.
    Admin,
    /// The control plane's Unix socket.
    AdminSocket { path: PathBuf },
    /// DNS over UDP.
    DnsDatagrams,
    /// DNS over TCP.
    DnsStreams,
    /// DNS over TLS.
    DnsTls,
    /// The proxy in the clear.
    Http,
    /// The proxy with TLS.
    Https,
    /// HTTP/3, served on; in the order of the port's slots, those that rest among them.
    Http3,
    /// HTTP/3, for whoever takes over.
    Http3Resting,
    /// A service of byte streams.
    Stream,
}
