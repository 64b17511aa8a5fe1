//! HAProxy's PROXY protocol, versions 1 and 2: who the client is, before its first byte
//! (haproxy/doc/proxy-protocol.txt, 2020/03/05).

mod read;
mod write;

use std::net::SocketAddr;

pub(crate) use read::{Parsed, parse};
pub(crate) use write::{Told, write};

/// The two ends of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The client.
    pub(crate) source: SocketAddr,
    /// What it connected to.
    pub(crate) destination: SocketAddr,
}

/// How every header of version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How every header of version 1 begins.
const WORD: &[u8; 6] = b"PROXY ";
