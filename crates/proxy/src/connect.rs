//! Opening connections to upstreams: over TCP or a Unix socket, with TLS or in the clear.
//!
//! Requests and probes come through here alike, so a probe says what a request would meet.
//!
//! **Invariant:** a certificate is judged by the upstream's own policy, on every connection; what
//! one policy has accepted, a session that can be resumed included, is never used under another.

mod reason;
mod transport;
mod trust;
mod verify;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

pub use self::transport::Transport;
use self::trust::Trust;
use crate::limits::keepalive;

/// Opens connections; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Connector(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    trust: Trust,
    /// Where this gateway takes orders.
    own_socket: Option<PathBuf>,
}

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(Arc<Path>),
}

/// A connection, ready to be spoken over.
pub(crate) type Stream = Either<Socket, Box<TlsStream<Socket>>>;

/// What is under TLS, or the connection itself.
pub(crate) type Socket = Either<TcpStream, UnixStream>;

/// An open connection, and what is spoken on it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) version: Version,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// The versions of HTTP that will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    /// Whatever the upstream prefers.
    Any,
    /// Only HTTP/1.1, as what switches protocols needs, where there is a choice.
    Http1,
}

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(crate) enum ConnectError {
    /// The system said no.
    Refused(Arc<io::Error>),
    /// Nobody answered in time.
    TimedOut,
    /// There is a connection, but TLS failed on it, for this reason.
    Tls(String),
}

impl Connector {
    /// A connector that trusts the system's roots and those of a PEM bundle, and never connects to
    /// `own_socket`, where whoever comes from this machine may give orders.
    pub fn new(bundle_pem: Option<Bytes>, own_socket: Option<PathBuf>) -> Self {
        Self(Arc::new(Shared { trust: Trust::new(bundle_pem), own_socket }))
    }

    /// Opens a connection; the caller sets the deadline.
    pub(crate) async fn open(
        &self,
        place: &Place,
        transport: &Transport,
        versions: Versions,
    ) -> Result<Opened, ConnectError> {
        let socket = self.socket(place).await?;
        let Some(name) = transport.server_name() else {
            let version = transport.version_in_the_clear();
            return Ok(Opened { stream: Either::Left(socket), version });
        };
        let name = name.map_err(ConnectError::Tls)?;
        let config = self.0.trust.config(transport, versions).await?;
        let stream = TlsConnector::from(config)
            .connect(name.clone(), socket)
            .await
            .map_err(|error| ConnectError::Tls(reason::of(&error)))?;
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Version::Http2,
            _ => Version::Http1,
        };
        Ok(Opened { stream: Either::Right(Box::new(stream)), version })
    }

    async fn socket(&self, place: &Place) -> Result<Socket, ConnectError> {
        let opened = match place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address).await;
                stream.and_then(|stream| prepare(&stream).map(|()| Either::Left(stream)))
            }
            Place::Unix(path) if self.is_own(path) => {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, OWN_SOCKET))
            }
            Place::Unix(path) => UnixStream::connect(path).await.map(Either::Right),
        };
        opened.map_err(ConnectError::from)
    }

    /// Whether a path leads to the gateway's own socket, by whatever name. Two looks at the file
    /// system, which cost less than the connection that follows.
    fn is_own(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        let own = self.0.own_socket.as_deref().and_then(identity);
        own.is_some() && own == identity(path)
    }
}

impl Place {
    /// The address, when it has one.
    pub(crate) fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Refused(Arc::new(error))
    }
}

/// Sends small writes at once, and lets the kernel notice a machine that vanished while it owes us
/// an answer.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&keepalive())
}

/// Why our own socket is no upstream.
const OWN_SOCKET: &str = "this is the gateway's own socket, which is never forwarded to";

#[cfg(test)]
mod tests;
