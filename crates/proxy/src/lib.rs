//! The hot path: TLS listener, routes, pools, probes and forwarding.
//!
//! The decision half knows what is true (table, pools, health); the I/O half serves it.
//!
//! **Invariant:** the request path loads the published table once, takes no lock, and decides
//! nothing about health: it reports, and the prober decides. Only what a service asks of its clients
//! (rates, passwords) is counted behind small locks, each for one lookup.

pub mod access_log;
pub mod compile;
pub mod connect;
pub mod error;
pub mod fingerprint;
#[cfg(any(test, fuzzing))]
mod fixture;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod health;
pub mod policy;
pub mod pool;
pub mod resolve;
pub mod sni;
pub mod table;
pub mod tcp;
pub mod upstream;

mod attempt;
mod authority;
mod body;
mod client;
mod clocks;
mod conn;
mod connections;
mod cookie;
mod dialect;
mod exchange;
mod failure;
mod forward;
mod framing;
mod gate;
mod headers;
mod http3;
pub mod limits;
pub mod listener;
mod metered;
pub mod metrics;
pub mod own;
mod page;
mod read_ahead;
mod redirect;
mod respond;
mod rewound;
mod service;
mod streams;
#[cfg(test)]
mod tests;
pub mod trace;
mod tries;
mod upgrade;
mod websocket;
pub mod worker;
mod write_through;
