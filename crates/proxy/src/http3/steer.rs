//! Which worker gets a packet.
//!
//! Every worker has a socket of its own on the same port, and the kernel would spread packets by the
//! addresses and ports of both sides: a client whose address changes (a phone that leaves the
//! building, a NAT that forgets) would reach another worker, which knows nothing of its connection.
//! Instead the first two bytes of a packet's destination connection id say which worker it is for:
//! ours are made that way, and those that clients invent for their first packets are as good as any
//! other spread. A small filter in the kernel reads them.
//!
//! **Invariant:** the remainder of an id's first two bytes, divided by the number of workers, is the
//! worker that made it.

use std::time::Duration;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt};
use quinn::{ConnectionId, ConnectionIdGenerator};
use socket2::Socket;

/// Tells the kernel to spread the packets of a port over the sockets of `workers`, in the order in
/// which they were bound.
///
/// # Errors
/// When the kernel does not know such filters.
pub(crate) fn spread(socket: &Socket, workers: usize) -> nix::Result<()> {
    let workers = u32::try_from(workers).unwrap_or(u32::MAX);
    let mut program = program(workers);
    // Invariant: the program has seven steps.
    let length = u16::try_from(program.len()).unwrap_or_default();
    let program = sock_fprog { len: length, filter: program.as_mut_ptr() };
    setsockopt(socket, sockopt::AttachReusePortCbpf, &program)
}

/// Reads a packet from its first byte (RFC 8999 §5) and returns the worker.
fn program(workers: u32) -> [sock_filter; 7] {
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    [
        step(LOAD_BYTE, 0, 0, 0),
        // Long headers have the bit, and the id behind a version and a length.
        step(JUMP_IF_BITS, 0, 2, LONG_HEADER),
        step(LOAD_TWO_BYTES, 0, 0, LONG_ID_AT),
        step(JUMP, 0, 0, 1),
        step(LOAD_TWO_BYTES, 0, 0, SHORT_ID_AT),
        step(REMAINDER, 0, 0, workers.max(1)),
        step(RETURN, 0, 0, 0),
    ]
}

/// Makes the connection ids of one worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    /// Which worker.
    pub(super) worker: usize,
    /// Of how many.
    pub(super) workers: usize,
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        if getrandom::fill(&mut id).is_err() {
            // Only a system without random numbers; ids are no secret.
            fastrand::fill(&mut id);
        }
        let random = usize::from(u16::from_be_bytes([id[0], id[1]]));
        let workers = self.workers.max(1);
        let ours = random - random % workers + self.worker;
        let ours = u16::try_from(ours).or_else(|_| u16::try_from(ours - workers));
        id[..2].copy_from_slice(&ours.unwrap_or_default().to_be_bytes());
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The length of our connection ids.
const ID_BYTES: usize = 10;
/// `ldb [k]`, `ldh [k]`, `jset #k`, `ja k`, `mod #k`, `ret a` (`linux/filter.h`).
const LOAD_BYTE: u16 = 0x30;
const LOAD_TWO_BYTES: u16 = 0x28;
const JUMP_IF_BITS: u16 = 0x45;
const JUMP: u16 = 0x05;
const REMAINDER: u16 = 0x94;
const RETURN: u16 = 0x16;
const LONG_HEADER: u32 = 0x80;
/// Behind the first byte, four of a version and one of a length.
const LONG_ID_AT: u32 = 6;
const SHORT_ID_AT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_whose_they_are() {
        for workers in [1, 2, 3, 7, 256, 1_024] {
            for worker in [0, workers / 2, workers - 1] {
                let mut ids = Ids { worker, workers };
                for _ in 0..200 {
                    let id = ids.generate_cid();
                    let first = usize::from(u16::from_be_bytes([id[0], id[1]]));
                    assert_eq!(first % workers, worker, "{workers}");
                }
            }
        }
    }

    #[test]
    fn the_kernel_gives_packets_to_the_worker_that_they_name() {
        let sockets = crate::http3::port::bind("127.0.0.1:0".parse().expect("valid"), 3);
        let sockets = sockets.expect("binds");
        let address = sockets[0].local_addr().expect("bound");
        let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
        for worker in [2, 0, 1, 1, 2, 0] {
            let mut ids = Ids { worker, workers: 3 };
            let id = ids.generate_cid();
            let short = [&[0x40][..], &id].concat();
            let long = [&[0xc0, 0, 0, 0, 1, 10][..], &id].concat();
            for packet in [short, long] {
                client.send_to(&packet, address).expect("sends");
                let mut buffer = [0; 64];
                sockets[worker].set_nonblocking(false).expect("a socket");
                sockets[worker].set_read_timeout(Some(PATIENCE)).expect("a socket");
                let (length, _) = sockets[worker].recv_from(&mut buffer).expect("it came here");
                assert_eq!(buffer[..length], packet, "{worker}");
            }
        }
    }

    const PATIENCE: Duration = Duration::from_secs(10);
}
