//! Streams of bytes through the gateway: services that have a port of it.
//!
//! The control side binds ports before a registration is granted; workers take the sockets over when
//! the table that needs them is published, and let go of them when it is gone.
//!
//! **Invariant:** whatever comes before the bytes (a PROXY header, a hello) is read within a bound
//! and a deadline, and a connection that has an upstream is ended by its peers, by a limit that the
//! service asks for, or by the deadline of a stop.

pub(crate) mod connect;
pub(crate) mod counters;
pub(crate) mod doors;
pub(crate) mod hello;
pub(crate) mod line;
pub(crate) mod opening;
pub(crate) mod policy;
pub(crate) mod port;
pub mod ports;
pub(crate) mod postgres;
pub(crate) mod proxy_header;
pub(crate) mod refusal;
pub(crate) mod relay;
pub(crate) mod serve;
pub(crate) mod tls;

pub use ports::{PortRefused, Reservation, TcpPorts};
