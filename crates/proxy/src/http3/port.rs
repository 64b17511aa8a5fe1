//! The UDP sockets of HTTP/3 on one address.
//!
//! There are two for each worker: a slot that it serves, and one for the worker that will follow it.
//! When another process takes over it serves the other half, while this one goes on with the
//! connections that it has on its own; the next one has this half again.
//!
//! **Invariant:** a port that somebody else has is refused and named, even when it is held with
//! `SO_REUSEPORT`. Once bound, no slot is closed before the last process that knows it ends: the
//! kernel counts them, and their places are what connection ids name.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use conduit_core::inherited::{Inherited, Purpose};
use socket2::{Domain, Protocol, Socket, Type};

use super::steer::{self, Spread};
use crate::error::ProxyError;
use crate::limits::UDP_BUFFER_BYTES;
use crate::listener::{failed, refused};

/// All slots of one address, in their order.
#[derive(Debug)]
pub(crate) struct Port {
    address: SocketAddr,
    slots: Vec<UdpSocket>,
    /// Whether the second half is served.
    is_second: bool,
}

/// One slot that is served.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(super) socket: UdpSocket,
    pub(super) ids: steer::Ids,
}

impl Port {
    /// Binds the slots for `workers`, or takes those of a former process.
    ///
    /// # Errors
    /// Names the address, and who has it.
    pub(crate) fn bind_or_inherit(
        address: SocketAddr,
        workers: usize,
        inherited: &mut Inherited,
    ) -> Result<Self, ProxyError> {
        let former = inherited.take_datagrams(address);
        let served = |(purpose, _): &(Purpose, UdpSocket)| *purpose == Purpose::Http3;
        let half = former.iter().filter(|slot| served(slot)).count();
        if half > 0 && former.len() == HALVES * half {
            let is_second = former.first().is_some_and(served);
            let slots = former.into_iter().map(|(_, socket)| socket).collect();
            return Ok(Self { address, slots, is_second });
        }
        drop(former);
        let (address, slots) = bind(address, HALVES * workers.max(1))?;
        Ok(Self { address, slots, is_second: false })
    }

    /// Where it really is, also when port 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, clients who are new come to the half that is served here.
    pub(super) fn steer(&self) {
        let (half, first) = (self.half(), self.first());
        let Some(socket) = self.slots.first() else { return };
        if let Err(error) = steer::spread(socket, Spread { half, first }) {
            tracing::warn!(
                %error, address = %self.address,
                "this kernel does not steer QUIC packets: clients whose address changes have to \
                 connect anew"
            );
        }
    }

    /// The slots that one of the workers serves.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub(super) fn of_worker(&self, worker: usize, workers: usize) -> io::Result<Vec<Slot>> {
        let served = self.slots.iter().enumerate().skip(self.first()).take(self.half());
        let ours = served.filter(|(slot, _)| (slot - self.first()) % workers.max(1) == worker);
        let slots = self.slots.len();
        ours.map(|(slot, socket)| {
            Ok(Slot { socket: socket.try_clone()?, ids: steer::Ids { slot, slots } })
        })
        .collect()
    }

    /// Second handles of all slots, for another process.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<(Purpose, OwnedFd)>> {
        let served = self.first()..self.first() + self.half();
        let handle = |(slot, socket): (usize, &UdpSocket)| {
            let is_served = served.contains(&slot);
            let purpose = if is_served { Purpose::Http3 } else { Purpose::Http3Resting };
            Ok((purpose, socket.try_clone()?.into()))
        };
        self.slots.iter().enumerate().map(handle).collect()
    }

    fn half(&self) -> usize {
        self.slots.len() / HALVES
    }

    fn first(&self) -> usize {
        if self.is_second { self.half() } else { 0 }
    }
}

fn bind(address: SocketAddr, count: usize) -> Result<(SocketAddr, Vec<UdpSocket>), ProxyError> {
    probe(address)?;
    let mut sockets = Vec::with_capacity(count);
    let mut real = address;
    for slot in 0..count {
        let socket = open(real)?;
        socket
            .set_reuse_port(true)
            .and_then(|()| socket.bind(&real.into()))
            .map_err(|error| of_udp(refused(real, error)))?;
        if slot == 0 {
            let local = socket.local_addr().map_err(|e| failed("read the address", address, e))?;
            real = local.as_socket().unwrap_or(address);
        }
        sockets.push(socket.into());
    }
    Ok((real, sockets))
}

/// Binds without `SO_REUSEPORT` and lets go again: fails when anybody has the port.
fn probe(address: SocketAddr) -> Result<(), ProxyError> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = open(address)?;
    socket.bind(&address.into()).map_err(|error| of_udp(refused(address, error)))
}

fn of_udp(error: ProxyError) -> ProxyError {
    match error {
        ProxyError::PortTaken { address } => ProxyError::UdpPortTaken { address },
        other => other,
    }
}

fn open(address: SocketAddr) -> Result<Socket, ProxyError> {
    let socket =
        Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
            .map_err(|e| failed("open a socket", address, e))?;
    if address.is_ipv6() {
        socket.set_only_v6(true).map_err(|e| failed("restrict to IPv6", address, e))?;
    }
    // What the kernel allows; smaller ones lose packets in bursts, which are sent again.
    socket.set_recv_buffer_size(UDP_BUFFER_BYTES).ok();
    socket.set_send_buffer_size(UDP_BUFFER_BYTES).ok();
    Ok(socket)
}

/// One for this process, one for the next.
const HALVES: usize = 2;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quinn::ConnectionIdGenerator as _;

    use super::*;

    fn port(address: SocketAddr) -> Result<Port, ProxyError> {
        Port::bind_or_inherit(address, 3, &mut Inherited::default())
    }

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().expect("valid")
    }

    #[test]
    fn a_taken_port_is_named_whoever_has_it() {
        let other = UdpSocket::bind(any()).expect("binds");
        let address = other.local_addr().expect("bound");
        let error = port(address).expect_err("taken");
        assert!(matches!(error, ProxyError::UdpPortTaken { address: at } if at == address));
        drop(other);
        let first = port(address).expect("free");
        assert!(matches!(port(address), Err(ProxyError::UdpPortTaken { .. })));
        drop(first);
        port(address).expect("free again");
    }

    /// What a process that takes over finds.
    fn handed_over(port: &Port) -> Inherited {
        let mut inherited = Inherited::default();
        for (purpose, socket) in port.duplicates().expect("handles") {
            inherited.add_udp(purpose, socket.into());
        }
        inherited
    }

    /// Sends a packet with this id and says which slot got it.
    fn arrives(port: &Port, id: &[u8], is_long: bool) -> usize {
        let client = UdpSocket::bind(any()).expect("binds");
        let length = u8::try_from(id.len()).expect("short");
        let head = if is_long { vec![0xc0, 0, 0, 0, 1, length] } else { vec![0x40] };
        client.send_to(&[&head, id].concat(), port.address()).expect("sends");
        let end = std::time::SystemTime::now() + Duration::from_secs(10);
        let mut buffer = [0; 64];
        loop {
            for (slot, socket) in port.slots.iter().enumerate() {
                if socket.recv_from(&mut buffer).is_ok() {
                    return slot;
                }
            }
            assert!(std::time::SystemTime::now() < end, "it came nowhere");
            std::thread::yield_now();
        }
    }

    #[test]
    fn packets_come_to_the_slot_that_they_name_and_new_clients_to_whoever_serves() {
        let first = port(any()).expect("binds");
        first.steer();
        let mut ours = Vec::new();
        for worker in 0..3 {
            let slots = first.of_worker(worker, 3).expect("handles");
            assert_eq!(slots.len(), 1);
            let mut ids = slots[0].ids;
            assert_eq!(ids.slot, worker);
            ours.push((worker, ids.generate_cid()));
        }
        let second = Port::bind_or_inherit(first.address(), 3, &mut handed_over(&first));
        let second = second.expect("handed over");
        for worker in 0..3 {
            let mut ids = second.of_worker(worker, 3).expect("handles")[0].ids;
            assert_eq!(ids.slot, worker + 3);
            ours.push((worker + 3, ids.generate_cid()));
        }
        let third = Port::bind_or_inherit(second.address(), 3, &mut handed_over(&second));
        assert_eq!(third.expect("handed over").of_worker(0, 3).expect("handles")[0].ids.slot, 0);
        for (serving, half) in [(&first, 0..3), (&second, 3..6)] {
            serving.steer();
            for (slot, id) in &ours {
                for is_long in [true, false] {
                    assert_eq!(arrives(&first, id, is_long), *slot, "{id}");
                }
            }
            for invented in 0..20 {
                let id = [invented; 8];
                let slot = arrives(&first, &id, true);
                assert!(half.contains(&slot), "{slot}");
                assert_eq!(arrives(&first, &id, true), slot);
            }
        }
    }

    #[test]
    fn fewer_or_more_workers_than_before_serve_all_slots() {
        let first = port(any()).expect("binds");
        for workers in [1, 2, 5] {
            let next = Port::bind_or_inherit(first.address(), workers, &mut handed_over(&first));
            let next = next.expect("handed over");
            let mut served = Vec::new();
            for worker in 0..workers {
                let slots = next.of_worker(worker, workers).expect("handles");
                served.extend(slots.iter().map(|slot| slot.ids.slot));
            }
            served.sort_unstable();
            assert_eq!(served, [3, 4, 5], "{workers}");
        }
    }
}
