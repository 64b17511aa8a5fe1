//! Which socket gets a packet.
//!
//! Every worker has a socket of its own on the same port, and the kernel would spread packets by the
//! addresses and ports of both sides: a client whose address changes (a phone that leaves the
//! building, a NAT that forgets) would reach another worker, which knows nothing of its connection.
//! Instead the first two bytes of a packet's destination connection id say which socket it is for.
//! Ours are made that way. Those that clients invent for their first packets, which nearly all have
//! another length, are as good as any other spread over the sockets of the process that serves. A
//! small filter in the kernel reads them.
//!
//! **Invariant:** the remainder of an id's first two bytes, divided by the number of slots, is the
//! slot of the connection.

use std::net::UdpSocket;
use std::time::Duration;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt};
use quinn::{ConnectionId, ConnectionIdGenerator};

/// How the packets of a port are spread over its slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// How many slots a process serves: half of all.
    pub(super) half: usize,
    /// The first slot for clients who are new.
    pub(super) first: usize,
}

/// Tells the kernel to spread the packets of a port over its sockets, which are numbered in the order
/// in which they were bound.
///
/// # Errors
/// When the kernel does not know such filters.
pub(super) fn spread(socket: &UdpSocket, spread: Spread) -> nix::Result<()> {
    let mut program = program(spread);
    // Invariant: the program has thirteen steps.
    let length = u16::try_from(program.len()).unwrap_or_default();
    let program = sock_fprog { len: length, filter: program.as_mut_ptr() };
    setsockopt(socket, sockopt::AttachReusePortCbpf, &program)
}

/// Reads a packet from its first byte (RFC 8999 §5) and returns the slot.
fn program(spread: Spread) -> [sock_filter; 13] {
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let number = |slots: usize| u32::try_from(slots).unwrap_or(u32::MAX);
    let (half, first) = (number(spread.half.max(1)), number(spread.first));
    [
        step(LOAD_BYTE, 0, 0, 0),
        // Long headers have the bit, and the id behind a version and the id's length.
        step(JUMP_IF_BITS, 0, 8, LONG_HEADER),
        step(LOAD_BYTE, 0, 0, LONG_ID_LENGTH_AT),
        step(JUMP_IF_EQUAL, 4, 0, ID_BYTES as u32),
        // An id that the client has invented.
        step(LOAD_TWO_BYTES, 0, 0, LONG_ID_AT),
        step(REMAINDER, 0, 0, half),
        step(ADD, 0, 0, first),
        step(RETURN, 0, 0, 0),
        // One of ours.
        step(LOAD_TWO_BYTES, 0, 0, LONG_ID_AT),
        step(JUMP, 0, 0, 1),
        step(LOAD_TWO_BYTES, 0, 0, SHORT_ID_AT),
        step(REMAINDER, 0, 0, half.saturating_mul(2)),
        step(RETURN, 0, 0, 0),
    ]
}

/// Makes the connection ids of one slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    /// Which slot.
    pub(super) slot: usize,
    /// Of how many.
    pub(super) slots: usize,
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        if getrandom::fill(&mut id).is_err() {
            // Only a system without random numbers; ids are no secret.
            fastrand::fill(&mut id);
        }
        let random = usize::from(u16::from_be_bytes([id[0], id[1]]));
        let slots = self.slots.max(1);
        let ours = random - random % slots + self.slot;
        let ours = u16::try_from(ours).or_else(|_| u16::try_from(ours - slots));
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

/// The length of our connection ids, which clients hardly choose: most take 8, or 16 and more.
const ID_BYTES: usize = 11;
/// `ldb [k]`, `ldh [k]`, `jset #k`, `jeq #k`, `ja k`, `mod #k`, `add #k`, `ret a`
/// (`linux/filter.h`).
const LOAD_BYTE: u16 = 0x30;
const LOAD_TWO_BYTES: u16 = 0x28;
const JUMP_IF_BITS: u16 = 0x45;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP: u16 = 0x05;
const REMAINDER: u16 = 0x94;
const ADD: u16 = 0x04;
const RETURN: u16 = 0x16;
const LONG_HEADER: u32 = 0x80;
/// Behind the first byte and four of a version.
const LONG_ID_LENGTH_AT: u32 = 5;
const LONG_ID_AT: u32 = 6;
const SHORT_ID_AT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_whose_they_are() {
        for slots in [2, 4, 6, 14, 256, 2_048] {
            for slot in [0, slots / 2, slots - 1] {
                let mut ids = Ids { slot, slots };
                for _ in 0..200 {
                    let id = ids.generate_cid();
                    let first = usize::from(u16::from_be_bytes([id[0], id[1]]));
                    assert_eq!(first % slots, slot, "{slots}");
                }
            }
        }
    }
}
