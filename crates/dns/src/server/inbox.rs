//! Room for the datagrams that one system call brings.
//!
//! **Invariant:** what is told of a datagram is of the last call; one that did not fit is told as it was cut, and is
//! no message then.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg,
};

use super::path::{Path, Source};

/// Datagrams as they came.
pub(super) struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    storage: Box<[u8]>,
    received: [Option<Received>; BATCH_DATAGRAMS],
}

#[derive(Clone, Copy)]
struct Received {
    len: usize,
    path: Path,
}

impl Inbox {
    /// Room for a batch; `with_destinations` where a socket has more than one address.
    pub(super) fn new(with_destinations: bool) -> Self {
        let space = with_destinations.then(|| cmsg_space!(libc::in6_pktinfo));
        Self {
            headers: MultiHeaders::preallocate(BATCH_DATAGRAMS, space),
            storage: vec![0; BATCH_DATAGRAMS * REQUEST_BYTES_MAX].into(),
            received: [None; BATCH_DATAGRAMS],
        }
    }

    /// Reads what waits in a socket, and says how many.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` when nothing waits.
    pub(super) fn fill(&mut self, socket: RawFd) -> io::Result<usize> {
        let mut buffers = self.storage.chunks_exact_mut(REQUEST_BYTES_MAX);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH_DATAGRAMS] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
        let all = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        )?;
        let mut count = 0;
        for (message, place) in all.zip(&mut self.received) {
            *place = received(&message);
            count += 1;
        }
        Ok(count)
    }

    /// The datagrams of the last call, of which there were `count`.
    pub(super) fn iter(&self, count: usize) -> impl Iterator<Item = (&[u8], Path)> {
        let buffers = self.storage.chunks_exact(REQUEST_BYTES_MAX);
        let all = self.received.iter().zip(buffers).take(count);
        all.filter_map(|(received, buffer)| {
            let Received { len, path } = (*received)?;
            Some((buffer.get(..len).unwrap_or(buffer), path))
        })
    }
}

fn received(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<Received> {
    let raw = message.address?;
    let v4 = raw.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    let peer = v4.or_else(|| raw.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))?;
    // A buffer of control messages that was too small would be a mistake of ours.
    let source = message.cmsgs().ok().and_then(|mut all| all.find_map(|said| source(&said)));
    Some(Received { len: message.bytes, path: Path { raw, peer, source } })
}

fn source(said: &ControlMessageOwned) -> Option<Source> {
    match said {
        // The address of ours, also where the datagram came to a broadcast address.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Source { address: IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()), link: 0 })
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(Source { address: IpAddr::from(info.ipi6_addr.s6_addr), link: info.ipi6_ifindex })
        }
        _ => None,
    }
}

/// Datagrams read by one system call.
pub(super) const BATCH_DATAGRAMS: usize = 32;
/// A question with any sensible options (as over TCP).
const REQUEST_BYTES_MAX: usize = 4096;
