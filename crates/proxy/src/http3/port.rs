//! The UDP sockets of HTTP/3: one for each worker on each address.
//!
//! **Invariant:** a port that somebody else has is refused and named, even when it is held with
//! `SO_REUSEPORT`.

use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::steer;
use crate::error::ProxyError;
use crate::limits::UDP_BUFFER_BYTES;
use crate::listener::{failed, refused};

/// Binds a socket for each of `workers`, in their order.
///
/// # Errors
/// Names the address, and who has it.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> Result<Vec<UdpSocket>, ProxyError> {
    probe(address)?;
    let mut sockets = Vec::with_capacity(workers.max(1));
    let mut real = address;
    for worker in 0..workers.max(1) {
        let socket = open(real)?;
        socket
            .set_reuse_port(true)
            .and_then(|()| socket.bind(&real.into()))
            .map_err(|error| of_udp(refused(real, error)))?;
        if worker == 0 {
            let local = socket.local_addr().map_err(|e| failed("read the address", address, e))?;
            real = local.as_socket().unwrap_or(address);
            if let Err(error) = steer::spread(&socket, workers) {
                tracing::warn!(
                    %error, address = %real,
                    "this kernel does not steer QUIC packets: clients whose address changes have to \
                     connect anew"
                );
            }
        }
        sockets.push(socket.into());
    }
    Ok(sockets)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_whoever_has_it() {
        let other = UdpSocket::bind("127.0.0.1:0").expect("binds");
        let address = other.local_addr().expect("bound");
        let error = bind(address, 2).expect_err("taken");
        assert!(matches!(error, ProxyError::UdpPortTaken { address: at } if at == address));
        drop(other);
        let first = bind(address, 2).expect("free");
        assert!(matches!(bind(address, 2), Err(ProxyError::UdpPortTaken { .. })));
        drop(first);
        bind(address, 2).expect("free again");
    }
}
