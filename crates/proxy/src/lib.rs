//! The hot path: TLS listener, routes, pools, probes and forwarding.
//!
//! The decision half knows what is true (table, pools, health); the I/O half serves it.
//!
//! **Invariant:** the request path loads the published table once, takes no lock, and decides
//! nothing about health: it reports, and the prober decides.

pub mod compile;
pub mod connect;
pub mod error;
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
pub mod upstream;

mod access_log;
mod attempt;
mod authority;
mod body;
mod client;
mod conn;
mod connections;
mod cookie;
mod exchange;
mod failure;
mod forward;
mod headers;
pub mod limits;
pub mod listener;
pub mod metrics;
mod redirect;
mod respond;
mod service;
#[cfg(test)]
mod tests;
mod tries;
mod upgrade;
pub mod worker;
