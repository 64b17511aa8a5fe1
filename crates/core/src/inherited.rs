//! Sockets that are bound already when a process starts: those of the gateway it takes over from.
//!
//! **Invariant:** a socket is taken once, by whoever is configured to listen at its address. What
//! nobody takes is closed when this is dropped.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// What a socket was bound for. It only matters where port 0 is configured: any port will do then,
/// and the one that was chosen before is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The control plane.
    Admin,
    /// Names.
    Dns,
    /// Names, with TLS.
    DnsTls,
    /// The proxy, in the clear.
    Http,
    /// The proxy, with TLS.
    Https,
    /// HTTP/3, served on.
    Http3,
    /// HTTP/3, for whoever takes over.
    Http3Resting,
    /// A service of byte streams.
    Stream,
}

/// Bound sockets that wait to be taken.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<(Purpose, SocketAddr, TcpListener)>,
    udp: Vec<(Purpose, SocketAddr, UdpSocket)>,
    unix: Vec<(PathBuf, UnixListener)>,
}

impl Inherited {
    /// Adds a listener; one without an address is closed.
    pub fn add_tcp(&mut self, purpose: Purpose, listener: TcpListener) {
        if let Ok(address) = listener.local_addr() {
            self.tcp.push((purpose, address, listener));
        }
    }

    /// Adds a socket for datagrams; one without an address is closed.
    pub fn add_udp(&mut self, purpose: Purpose, socket: UdpSocket) {
        if let Ok(address) = socket.local_addr() {
            self.udp.push((purpose, address, socket));
        }
    }

    /// Adds a listener whose file is at `path`, wherever it was bound.
    pub fn add_unix(&mut self, path: PathBuf, listener: UnixListener) {
        self.unix.push((path, listener));
    }

    /// Takes every listener at an address: there may be one for each worker that was.
    pub fn take_tcp(&mut self, purpose: Purpose, wanted: SocketAddr) -> Vec<TcpListener> {
        take(&mut self.tcp, purpose, wanted)
    }

    /// Takes every socket for datagrams at an address: there may be one for each worker that was.
    pub fn take_udp(&mut self, purpose: Purpose, wanted: SocketAddr) -> Vec<UdpSocket> {
        take(&mut self.udp, purpose, wanted)
    }

    /// Takes every socket for datagrams at an address, in the order in which they were added.
    pub fn take_datagrams(&mut self, wanted: SocketAddr) -> Vec<(Purpose, UdpSocket)> {
        let all = self.udp.extract_if(.., |(_, address, _)| *address == wanted);
        all.map(|(purpose, _, socket)| (purpose, socket)).collect()
    }

    /// Takes the listener whose file is at `path`.
    pub fn take_unix(&mut self, path: &Path) -> Option<UnixListener> {
        let at = self.unix.iter().position(|(found, _)| found == path)?;
        Some(self.unix.swap_remove(at).1)
    }

    /// How many nobody has taken yet.
    pub fn len(&self) -> usize {
        self.tcp.len() + self.udp.len() + self.unix.len()
    }

    /// Whether all were taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn take<T>(
    all: &mut Vec<(Purpose, SocketAddr, T)>,
    purpose: Purpose,
    wanted: SocketAddr,
) -> Vec<T> {
    let matches = |(found, address, _): &(Purpose, SocketAddr, T)| match wanted.port() {
        0 => *found == purpose && address.ip() == wanted.ip(),
        _ => *address == wanted,
    };
    let Some(address) = all.iter().find(|entry| matches(entry)).map(|(_, address, _)| *address)
    else {
        return Vec::new();
    };
    all.extract_if(.., |(_, found, _)| *found == address).map(|(_, _, socket)| socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        (listener.local_addr().expect("bound"), listener)
    }

    #[test]
    fn a_socket_is_taken_once_and_whatever_it_was_for() {
        let mut inherited = Inherited::default();
        let (address, first) = listener();
        let second = first.try_clone().expect("a second worker's");
        inherited.add_tcp(Purpose::Https, first);
        inherited.add_tcp(Purpose::Https, second);
        assert_eq!(inherited.take_tcp(Purpose::Http, address).len(), 2);
        assert!(inherited.take_tcp(Purpose::Https, address).is_empty());
        assert!(inherited.is_empty());
    }

    #[test]
    fn port_0_keeps_the_port_that_was_chosen_for_the_same_purpose() {
        let mut inherited = Inherited::default();
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let addresses = [Purpose::Https, Purpose::Http, Purpose::Http].map(|purpose| {
            let (address, socket) = listener();
            inherited.add_tcp(purpose, socket);
            address
        });
        let taken = |inherited: &mut Inherited, purpose| {
            let taken = inherited.take_tcp(purpose, any);
            taken.first().and_then(|socket| socket.local_addr().ok())
        };
        assert_eq!(taken(&mut inherited, Purpose::Http), Some(addresses[1]));
        assert_eq!(taken(&mut inherited, Purpose::Http), Some(addresses[2]));
        assert_eq!(taken(&mut inherited, Purpose::Http), None);
        assert_eq!(taken(&mut inherited, Purpose::Https), Some(addresses[0]));
    }
}
