//! Authoritative answers for our names, over UDP, TCP, TLS and HTTPS, and nobody else's names unless told.
//!
//! A [`zone::Zone`] is compiled from the catalog and published through a live reader; a query is
//! one load, one lookup and one encoding ([`handler::respond`], which both transports share and
//! fuzzing drives). What is not ours goes to a [`forward::Forwarder`], when there is one and the
//! client may ask.
//!
//! **Invariant:** a name under a configured domain is answered here and never forwarded.
//! **Invariant:** no query, however broken, ends a serving loop; it gets one reply or none.

pub mod access;
pub mod answer;
mod automatic;
pub mod bind;
pub mod client;
mod compile;
mod cookie;
mod discovery;
pub mod dnssec;
pub mod error;
#[cfg(test)]
mod fixture;
pub mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guard;
pub mod handler;
pub mod https;
pub mod interfaces;
mod key;
pub mod leaving;
pub mod listen;
pub mod lists;
mod lookup;
pub mod mdns;
pub mod metrics;
mod nodes;
mod options;
mod padding;
pub mod peers;
mod pointers;
mod presentation;
pub mod publication;
pub mod query_log;
pub mod records;
pub mod reply;
pub mod reverse;
mod server;
mod short;
mod tail;
pub mod transfer;
pub mod tsig;
pub mod update;
pub mod views;
pub mod why;
mod wire;
pub mod zone;
