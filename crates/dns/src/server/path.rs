//! The way back of a datagram.

use std::net::{IpAddr, SocketAddr};

use nix::libc;
use nix::sys::socket::{ControlMessage, SockaddrStorage};

/// Who sent a datagram, and where it came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// The sender as the system says it, so that the reply needs no conversion.
    pub(super) raw: SockaddrStorage,
    pub(super) peer: SocketAddr,
    /// Set on wildcard sockets only; others have one address anyway.
    pub(super) source: Option<Source>,
}

/// The address of ours that a datagram came to, and that its reply leaves from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) address: IpAddr,
    /// The interface's number; without it a link-local address means nothing.
    pub(super) link: u32,
}

/// A source as the system wants it.
pub(super) enum Info {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl Info {
    pub(super) fn of(source: Source) -> Self {
        match source.address {
            IpAddr::V4(v4) => Self::V4(libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(v4.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            }),
            IpAddr::V6(v6) => Self::V6(libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: v6.octets() },
                // Any other address may leave by whatever interface leads there.
                ipi6_ifindex: if v6.is_unicast_link_local() { source.link } else { 0 },
            }),
        }
    }

    pub(super) fn message(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}
