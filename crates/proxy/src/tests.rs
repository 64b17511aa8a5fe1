//! The I/O half end to end, over loopback: real sockets in front, fake upstreams behind.

mod balancing;
mod forwarding;
mod harness;
mod refusals;
mod stopping;
mod streaming;
mod tls;
