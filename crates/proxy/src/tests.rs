//! The I/O half end to end, over loopback: real sockets in front, fake upstreams behind.

mod balancing;
mod forwarding;
pub(crate) mod harness;
mod multiplexing;
mod refusals;
pub(crate) mod speaker;
mod stopping;
mod streaming;
mod tls;
mod trailers;
mod transports;
