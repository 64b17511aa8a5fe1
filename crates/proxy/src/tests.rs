//! The I/O half end to end, over loopback: real sockets in front, fake upstreams behind.

mod access;
mod forwarding;
mod harness;
mod logging;
mod refusals;
mod stopping;
mod streaming;
mod tls;
