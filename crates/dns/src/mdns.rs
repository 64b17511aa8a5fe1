//! Our names under `local` on multicast DNS (RFC 6762), beside the zone that is answered on unicast.
//!
//! Each interface is a link of its own: a machine without clock and sockets, which is told what
//! was heard and what time it is, and says what to send. `serve` moves the bytes.
//!
//! **Invariant:** a name that another machine has is not answered on that link, is told of, and stays in
//! the zone. A name is probed before it is claimed, and taken back when it goes.
//! **Invariant:** nothing is sent to who is not on the link.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod heard;
mod link;
mod names;
mod packet;
pub mod serve;
mod socket;
pub mod status;
mod wires;
