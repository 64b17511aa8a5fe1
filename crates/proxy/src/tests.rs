//! The I/O half end to end, over loopback: real sockets in front, fake upstreams behind.

mod contract;
mod contract_h2;
mod forwarding;
mod harness;
mod refusals;
mod stopping;
mod streaming;
mod tcp;
mod tcp_tls;
mod tls;
