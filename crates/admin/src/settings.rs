//! Where the control plane listens.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What the composition knows about the listeners.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// The Unix socket; `None` for none.
    pub socket: Option<PathBuf>,
    /// Its mode: who may connect. Root and the gateway's own user are admins there, everybody else
    /// whom the mode lets in is an operator.
    pub socket_mode: u32,
    /// Its group, when it is to have another than the process's.
    pub socket_gid: Option<u32>,
    /// The TCP listener; `None` for none.
    pub listen: Option<SocketAddr>,
}

impl AdminSettings {
    /// A socket for its owner alone, and no TCP.
    pub fn private(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: Some(socket.into()),
            socket_mode: SOCKET_MODE_PRIVATE,
            socket_gid: None,
            listen: None,
        }
    }
}

/// Only the owner may connect.
pub const SOCKET_MODE_PRIVATE: u32 = 0o600;
/// The group may connect too.
pub const SOCKET_MODE_GROUP: u32 = 0o660;
