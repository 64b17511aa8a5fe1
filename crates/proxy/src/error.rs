//! What can go wrong while tables and listeners are made.
//!
//! Failures of single requests are not here: they become answers, in `respond`.

use std::io;
use std::net::SocketAddr;

use conduit_core::name::ServiceName;

/// An operation of the proxy that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A service that is served with TLS has nothing to serve.
    #[error("there is no certificate for service {service}")]
    MissingLeaves {
        /// The service.
        service: ServiceName,
    },
    /// A stored leaf and its key cannot be used.
    #[error("the stored certificate or its key cannot be used")]
    ParseLeaf {
        /// Why.
        source: rustls::Error,
    },
    /// Somebody else has the port.
    #[error("cannot listen on {address}: the port is taken; stop who has it, or choose another")]
    PortTaken {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Somebody else has the port, over UDP.
    #[error(
        "cannot listen on {address} over UDP: the port is taken; stop who has it, or set \
         http3 = false"
    )]
    UdpPortTaken {
        /// What was asked for.
        address: SocketAddr,
    },
    /// What TLS is set up with is not enough for QUIC.
    #[error("HTTP/3 cannot be served with these cipher suites")]
    Quic {
        /// What is missing.
        source: quinn::crypto::rustls::NoInitialCipherSuite,
    },
    /// Ports below 1024 need a privilege.
    #[error(
        "cannot listen on {address}: permission denied; start as root, grant \
         CAP_NET_BIND_SERVICE, or choose a port above 1023"
    )]
    PortForbidden {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address is not one of this machine.
    #[error("cannot listen on {address}: this machine does not have that address")]
    AddressMissing {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else that a socket can refuse.
    #[error("cannot {operation} on {address}")]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There are HTTPS listeners, but no certificates to serve.
    #[error("HTTPS listeners need TLS to be enabled; enable it or set https_listen = []")]
    TlsMissing,
    /// A worker's runtime or its thread could not be made.
    #[error("cannot start a proxy worker")]
    StartWorker {
        /// What the system said.
        source: io::Error,
    },
}
