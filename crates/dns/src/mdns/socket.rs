//! One socket for each link and family.
//!
//! Bound to the group itself: what is meant for another responder on this machine (avahi-daemon,
//! systemd-resolved) by unicast is never taken from it. The port is everybody's (RFC 6762 §15), by the option
//! that has each of them hear the group; with SO_REUSEPORT beside it, the system would take our own sockets
//! for one, and give each packet to any of them.
//!
//! **Invariant:** a socket hears its own link alone, and sends nothing that a router passes on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::link::{Family, PORT};
use super::wires::Wire;

/// The group of a family on one link.
pub(crate) fn group(family: Family, index: u32) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((GROUP_V4, PORT)),
        Family::V6 => SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, index)),
    }
}

/// Joins the group of a family on a link; `None` where it has no address of the family.
pub(crate) fn join(wire: &Wire, family: Family) -> io::Result<Option<UdpSocket>> {
    let socket = match family {
        Family::V4 => {
            let Some(own) = wire.v4() else { return Ok(None) };
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_reuse_address(true)?;
            socket.set_multicast_all_v4(false)?;
            socket.bind(&group(family, wire.index).into())?;
            socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(wire.index))?;
            socket.set_multicast_if_v4(&own)?;
            socket.set_multicast_loop_v4(true)?;
            socket.set_multicast_ttl_v4(HOPS)?;
            socket.set_ttl_v4(HOPS)?;
            socket
        }
        Family::V6 => {
            if !wire.has_v6() {
                return Ok(None);
            }
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_reuse_address(true)?;
            socket.set_only_v6(true)?;
            socket.set_multicast_all_v6(false)?;
            socket.bind(&group(family, wire.index).into())?;
            socket.join_multicast_v6(&GROUP_V6, wire.index)?;
            socket.set_multicast_if_v6(wire.index)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(HOPS)?;
            socket.set_unicast_hops_v6(HOPS)?;
            socket
        }
    };
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into()).map(Some)
}

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// Who checks that a packet was not passed on wants this (RFC 6762 §11).
const HOPS: u32 = 255;
