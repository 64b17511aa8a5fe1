//! What can go wrong outside a query; a query itself never fails, it gets a reply or none.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::forward::address::ForwarderAddr;
use crate::handler::Transport;

/// Why DNS cannot be served as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// A socket could not be adopted by the running loop.
    #[error("cannot serve DNS on {address} ({transport})")]
    Adopt {
        /// The socket's address.
        address: SocketAddr,
        /// Its transport.
        transport: Transport,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// An address could not be listened on.
    #[error("cannot listen for DNS on {address} ({transport}): {}", Mend(*transport, source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The transport.
        transport: Transport,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A forwarder is this gateway itself.
    #[error(
        "{forwarder} cannot be a forwarder: it is an address of this gateway, and queries would go round in a loop; name another DNS server in [dns] forwarders or forward"
    )]
    ForwarderLoop {
        /// The address.
        forwarder: ForwarderAddr,
    },
    /// Forwarding was asked for without saying to whom, or to too many.
    #[error("between 1 and {most} forwarders can be used, not {given}")]
    ForwarderCount {
        /// How many were given.
        given: usize,
        /// How many are possible.
        most: usize,
    },
    /// There is no address.
    #[error(
        "cannot listen for DNS anywhere: there is no address; name one in [dns] listen, or set enabled = false"
    )]
    NothingToListenOn,
    /// Not a place to listen.
    #[error(
        "{text:?} is not a place to listen; write ADDRESS:PORT, as in 127.0.0.1:1053 or [::1]:53, or auto:53"
    )]
    ParseListen {
        /// What was given, shortened when it is long.
        text: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread that answers DNS; set [dns] workers to a lower number")]
    StartWorker {
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The system did not tell the addresses of this machine.
    #[error("cannot read the addresses of this machine's interfaces")]
    ReadInterfaces {
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl DnsError {
    /// The address that somebody else has, when that is what is wrong.
    pub fn taken(&self) -> Option<(SocketAddr, Transport)> {
        match self {
            Self::Bind { address, transport, source }
                if source.kind() == io::ErrorKind::AddrInUse =>
            {
                Some((*address, *transport))
            }
            _ => None,
        }
    }
}

/// Says what to do about a socket that could not be bound.
struct Mend<'a>(Transport, &'a io::Error);

impl fmt::Display for Mend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self.0 {
            Transport::Tls => "[dns] tls_listen",
            Transport::Udp | Transport::Tcp | Transport::Https => "[dns] listen",
        };
        match self.1.kind() {
            io::ErrorKind::AddrInUse if self.0 == Transport::Tls => {
                write!(f, "the port is taken; stop who has it, or change {key}")
            }
            io::ErrorKind::AddrInUse => write!(
                f,
                "the port is taken; stop who has it, or change {key} (CONDUIT_DNS_PORT)",
            ),
            io::ErrorKind::PermissionDenied => f.write_str(
                "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; or use a port such as 1053",
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "no interface of this machine has that address; change {key}")
            }
            _ => write!(f, "the system refused; change {key}"),
        }
    }
}
