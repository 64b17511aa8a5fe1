//! The I/O half end to end, over loopback: real sockets in front, fake upstreams behind.

mod access;
mod balancing;
mod contract;
mod contract_h2;
mod forwarding;
mod framing;
mod gate;
mod gate_bodies;
mod gate_codings;
mod gate_origins;
mod gate_trust;
pub(crate) mod harness;
mod limits;
mod limits_h2;
mod limits_upstream;
mod logging;
mod multiplexing;
mod refusals;
pub(crate) mod speaker;
mod stopping;
mod streaming;
mod tcp;
mod tcp_tls;
mod tls;
mod traces;
mod trailers;
mod transports;
