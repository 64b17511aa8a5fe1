//! One socket for each link and family.
//!
//! Bound to the group itself: what is meant for another responder on this machine (avahi-daemon,
//! systemd-resolved) by unicast is never taken from it. The port is everybody's (RFC 6762 §15), by the option
//! that has each of them hear the group; with SO_REUSEPORT beside it, the system would take our own sockets
//! for one, and give each packet to any of them.
//!
//! **Invariant:** a socket hears its own link alone, and sends nothing that a router passes on. What has come
//! can be read at once, whether or not the runtime got to see it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::task::{Context, Poll};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket as Watched;

use super::link::{Family, PORT};
use super::wires::Wire;

/// The group of a family on one link.
pub(crate) fn group(family: Family, index: u32) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((GROUP_V4, PORT)),
        Family::V6 => SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, index)),
    }
}

/// A socket that has joined a group.
#[derive(Debug)]
pub(crate) struct Joined {
    socket: UdpSocket,
    /// The same, for the runtime to tell when something comes.
    watched: Watched,
}

impl Joined {
    /// Joins the group of a family on a link; `None` where it has no address of the family.
    pub(crate) fn new(wire: &Wire, family: Family) -> io::Result<Option<Self>> {
        let socket = match family {
            Family::V4 => {
                let Some(own) = wire.v4() else { return Ok(None) };
                let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
                socket.set_reuse_address(true)?;
                socket.set_multicast_all_v4(false)?;
                socket.bind(&group(family, wire.index).into())?;
                socket
                    .join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(wire.index))?;
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
        Self::of(socket.into()).map(Some)
    }

    fn of(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let watched = Watched::from_std(socket.try_clone()?)?;
        Ok(Self { socket, watched })
    }

    /// Ready when something came since the last time; all of it is to be read then.
    pub(crate) fn poll_heard(&self, context: &mut Context<'_>) -> Poll<()> {
        let ready = self.watched.poll_recv_ready(context).map(drop);
        if ready.is_ready() {
            // This is seen now; what comes later makes it ready again.
            let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            self.watched.try_io(Interest::READABLE, nothing).ok();
        }
        ready
    }

    /// The next packet of those that have come; `None` when there is none.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        match self.socket.recv_from(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            received => received.map(Some),
        }
    }

    /// Sends at once or not at all.
    pub(crate) fn send(&self, bytes: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.socket.send_to(bytes, target)
    }
}

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// Who checks that a packet was not passed on wants this (RFC 6762 §11).
const HOPS: u32 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_come_is_read_though_the_runtime_did_not_see_it() {
        let bound = UdpSocket::bind("127.0.0.1:0").expect("binds");
        let (own, other) =
            (bound.local_addr().expect("bound"), UdpSocket::bind("127.0.0.1:0").expect("binds"));
        let joined = Joined::of(bound).expect("a runtime");
        let mut buffer = [0; 16];
        assert_eq!(joined.receive(&mut buffer).expect("works"), None);
        // Nothing is awaited between: the runtime has no time to look.
        for packet in ["one", "two"] {
            other.send_to(packet.as_bytes(), own).expect("sent");
        }
        for packet in ["one", "two"] {
            let (length, _) = joined.receive(&mut buffer).expect("works").expect(packet);
            assert_eq!(&buffer[..length], packet.as_bytes());
        }
        assert_eq!(joined.receive(&mut buffer).expect("works"), None);
    }
}
