//! Sockets: bound before anything else, listening last.
//!
//! Every worker gets sockets of its own on the same addresses (`SO_REUSEPORT`), so that the kernel
//! spreads connections and workers share nothing. That option also hides a port that is in use,
//! even by a second Conduit, so each address is tried without it first.
//!
//! **Invariant:** a bound socket does not listen: until `Sockets::listen` clients are refused by
//! the kernel instead of waiting for an answer that is not ready yet.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use conduit_core::inherited::{Inherited, Purpose};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::ProxyError;
use crate::http3::port::Port;
use crate::limits::{BACKLOG, keepalive};

/// Where to listen, and for how many workers.
#[derive(Debug, Clone)]
pub struct BindSettings {
    /// With TLS.
    pub https: Vec<SocketAddr>,
    /// In the clear: redirects, and services without TLS.
    pub http: Vec<SocketAddr>,
    /// How many threads will serve; at least one.
    pub workers: usize,
}

/// Bound sockets for every worker.
#[derive(Debug)]
pub struct Listeners {
    https: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    http3: Vec<Port>,
    workers: Vec<Sockets>,
}

impl Listeners {
    /// Binds every address for every worker. Port 0 chooses one port that all workers share.
    ///
    /// `[::]` is left out where the machine has no IPv6.
    ///
    /// # Errors
    /// Names the address, who holds it, and what to do.
    pub fn bind(settings: &BindSettings) -> Result<Self, ProxyError> {
        Self::bind_or_inherit(settings, &mut Inherited::default())
    }

    /// The same; where there are sockets of a former process, they are served on: each has a queue
    /// of clients.
    ///
    /// # Errors
    /// As [`Listeners::bind`].
    pub fn bind_or_inherit(
        settings: &BindSettings,
        inherited: &mut Inherited,
    ) -> Result<Self, ProxyError> {
        let count = settings.workers.max(1);
        let mut workers: Vec<Sockets> = (0..count).map(|_| Sockets::default()).collect();
        let mut take = |purpose, address| -> Vec<Socket> {
            inherited.take_tcp(purpose, address).into_iter().map(Socket::from).collect()
        };
        let mut old = |address| take(Purpose::Https, address);
        let https = bind_all(&settings.https, &mut workers, |w| &mut w.https, &mut old)?;
        let mut old = |address| take(Purpose::Http, address);
        let http = bind_all(&settings.http, &mut workers, |w| &mut w.http, &mut old)?;
        Ok(Self { https, http, http3: Vec::new(), workers })
    }

    /// Binds the HTTPS addresses over UDP as well, for HTTP/3.
    ///
    /// # Errors
    /// Names the address, who holds it, and what to do.
    pub fn with_http3(mut self, inherited: &mut Inherited) -> Result<Self, ProxyError> {
        for address in &self.https {
            self.http3.push(Port::bind_or_inherit(*address, self.workers.len(), inherited)?);
        }
        Ok(self)
    }

    /// Where HTTP/3 is served; none when it is off.
    pub fn http3_addresses(&self) -> Vec<SocketAddr> {
        self.http3.iter().map(Port::address).collect()
    }

    /// The ports of HTTP/3.
    pub(crate) fn take_http3(&mut self) -> Vec<Port> {
        std::mem::take(&mut self.http3)
    }

    /// Second handles of all sockets, for another process.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn duplicates(&self) -> io::Result<Vec<(Purpose, OwnedFd)>> {
        let all = self.workers.iter().flat_map(|worker| {
            let https = worker.https.iter().map(|socket| (Purpose::Https, socket));
            https.chain(worker.http.iter().map(|socket| (Purpose::Http, socket)))
        });
        let mut all: Vec<(Purpose, OwnedFd)> = all
            .map(|(purpose, socket)| Ok((purpose, socket.try_clone()?.into())))
            .collect::<io::Result<_>>()?;
        for port in &self.http3 {
            all.extend(port.duplicates()?);
        }
        Ok(all)
    }

    /// Where TLS is served; real ports, also when 0 was asked for.
    pub fn https_addresses(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Where plain HTTP is served.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// How many workers there are sockets for.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The sockets, one set per worker.
    pub(crate) fn into_workers(self) -> Vec<Sockets> {
        self.workers
    }
}

/// The sockets of one worker.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    https: Vec<Socket>,
    http: Vec<Socket>,
}

impl Sockets {
    /// Starts listening: from here on the kernel completes connections.
    pub(crate) fn listen(self) -> Result<Listening, ProxyError> {
        let all = |sockets: Vec<Socket>| -> Result<Vec<_>, ProxyError> {
            sockets.into_iter().map(listen).collect()
        };
        Ok(Listening { https: all(self.https)?, http: all(self.http)? })
    }
}

/// The listening sockets of one worker.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) https: Vec<std::net::TcpListener>,
    pub(crate) http: Vec<std::net::TcpListener>,
}

fn bind_all(
    addresses: &[SocketAddr],
    workers: &mut [Sockets],
    side: impl Fn(&mut Sockets) -> &mut Vec<Socket>,
    inherit: &mut impl FnMut(SocketAddr) -> Vec<Socket>,
) -> Result<Vec<SocketAddr>, ProxyError> {
    let mut bound = Vec::with_capacity(addresses.len());
    for address in addresses {
        let inherited = inherit(*address);
        if let Some(first) = inherited.first() {
            let real = real_address(first, *address)?;
            bound.push(real);
            let shares = spread(real, inherited, workers.len())?;
            for (worker, sockets) in workers.iter_mut().zip(shares) {
                side(worker).extend(sockets);
            }
            continue;
        }
        let Some(first) = bind_first(*address)? else {
            tracing::warn!(%address, "this machine has no IPv6; not listening there");
            continue;
        };
        let real = real_address(&first, *address)?;
        bound.push(real);
        for (index, worker) in workers.iter_mut().enumerate() {
            let socket = match index {
                0 => first.try_clone().map_err(|e| failed("bind", real, e))?,
                _ => bind_shared(real)?,
            };
            side(worker).push(socket);
        }
    }
    Ok(bound)
}

fn real_address(socket: &Socket, wanted: SocketAddr) -> Result<SocketAddr, ProxyError> {
    let real = socket.local_addr().map_err(|e| failed("read the address", wanted, e))?;
    Ok(real.as_socket().unwrap_or(wanted))
}

/// Gives every worker a share of the sockets that a former process had, with as many workers or
/// with others. Each of them has a queue, so each goes to somebody.
pub(crate) fn spread(
    address: SocketAddr,
    inherited: Vec<Socket>,
    workers: usize,
) -> Result<Vec<Vec<Socket>>, ProxyError> {
    let mut shares: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
    let mut more = Vec::new();
    for index in inherited.len()..workers {
        // Another one beside them takes the rights that they were bound with. Without those, two
        // workers accept from one queue.
        let socket = match (bind_shared(address), inherited.get(index % inherited.len().max(1))) {
            (Ok(socket), _) => socket,
            (Err(_), Some(old)) => old.try_clone().map_err(|e| failed("share", address, e))?,
            (Err(error), None) => return Err(error),
        };
        more.push(socket);
    }
    for (index, socket) in inherited.into_iter().chain(more).enumerate() {
        if let Some(share) = shares.get_mut(index % workers.max(1)) {
            share.push(socket);
        }
    }
    Ok(shares)
}

/// Binds the first worker's socket; `None` when it is `[::]` and there is no IPv6.
pub(crate) fn bind_first(address: SocketAddr) -> Result<Option<Socket>, ProxyError> {
    let outcome = probe(address).and_then(|()| bind_shared(address));
    match outcome {
        Err(ProxyError::AddressMissing { .. } | ProxyError::Socket { .. })
            if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) =>
        {
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Binds without `SO_REUSEPORT` and lets go again: fails when anybody has the port.
fn probe(address: SocketAddr) -> Result<(), ProxyError> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = open(address)?;
    // Connections of a former process that linger in TIME_WAIT are no holder.
    socket
        .set_reuse_address(true)
        .and_then(|()| socket.bind(&address.into()))
        .map_err(|e| refused(address, e))
}

/// Binds beside other sockets of ours.
pub(crate) fn bind_shared(address: SocketAddr) -> Result<Socket, ProxyError> {
    let socket = open(address)?;
    // Without SO_REUSEADDR at first: a socket that is bound but does not listen yet would not be
    // seen by another process's probe otherwise.
    let strict = socket.set_reuse_port(true).and_then(|()| socket.bind(&address.into()));
    match strict {
        Ok(()) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => socket
            .set_reuse_address(true)
            .and_then(|()| socket.bind(&address.into()))
            .map(|()| socket)
            .map_err(|e| refused(address, e)),
        Err(error) => Err(refused(address, error)),
    }
}

fn open(address: SocketAddr) -> Result<Socket, ProxyError> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
            .map_err(|e| failed("open a socket", address, e))?;
    if address.is_ipv6() {
        socket.set_only_v6(true).map_err(|e| failed("restrict to IPv6", address, e))?;
    }
    Ok(socket)
}

/// Starts to listen.
pub(crate) fn listen(socket: Socket) -> Result<std::net::TcpListener, ProxyError> {
    match open_queue(&socket) {
        Ok(()) => Ok(socket.into()),
        Err(error) => {
            let address = socket.local_addr().ok().and_then(|a| a.as_socket());
            let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
            Err(failed("listen", address.unwrap_or(unknown), error))
        }
    }
}

/// Lets the kernel complete connections from now on; whoever adopts the socket accepts them.
pub(crate) fn open_queue(socket: &Socket) -> io::Result<()> {
    // Inherited by every accepted connection: a restart finds no holder in TIME_WAIT, small writes
    // are sent at once, and clients that vanished are noticed.
    socket
        .set_reuse_address(true)
        .and_then(|()| socket.set_tcp_nodelay(true))
        .and_then(|()| socket.set_tcp_keepalive(&keepalive()))
        .and_then(|()| socket.listen(BACKLOG))
}

pub(crate) fn refused(address: SocketAddr, source: io::Error) -> ProxyError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ProxyError::PortTaken { address },
        io::ErrorKind::PermissionDenied => ProxyError::PortForbidden { address, source },
        io::ErrorKind::AddrNotAvailable => ProxyError::AddressMissing { address, source },
        _ => failed("bind", address, source),
    }
}

pub(crate) fn failed(
    operation: &'static str,
    address: SocketAddr,
    source: io::Error,
) -> ProxyError {
    ProxyError::Socket { operation, address, source }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::limits::KEEPALIVE_AFTER;

    fn settings(https: &str, workers: usize) -> BindSettings {
        BindSettings { https: vec![https.parse().expect("address")], http: Vec::new(), workers }
    }

    #[test]
    fn workers_share_the_port_that_was_chosen() {
        let listeners = Listeners::bind(&settings("127.0.0.1:0", 3)).expect("binds");
        let address = listeners.https_addresses()[0];
        assert_ne!(address.port(), 0);
        for worker in listeners.into_workers() {
            let listening = worker.listen().expect("listens");
            assert_eq!(listening.https[0].local_addr().expect("bound"), address);
        }
    }

    #[test]
    fn accepted_connections_inherit_what_streams_need() {
        let listeners = Listeners::bind(&settings("127.0.0.1:0", 1)).expect("binds");
        let address = listeners.https_addresses()[0];
        let listening =
            listeners.into_workers().remove(0).listen().expect("listens").https.remove(0);
        listening.set_nonblocking(false).expect("a socket");
        let _client = std::net::TcpStream::connect(address).expect("connects");
        let accepted = Socket::from(listening.accept().expect("accepts").0);
        assert!(accepted.tcp_nodelay().expect("a socket"));
        assert!(accepted.keepalive().expect("a socket"));
        assert_eq!(accepted.tcp_keepalive_time().expect("a socket"), KEEPALIVE_AFTER);
    }

    #[test]
    fn a_taken_port_is_named() {
        let other = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = other.local_addr().expect("bound").to_string();
        let error = Listeners::bind(&settings(&address, 1)).expect_err("taken");
        assert!(matches!(error, ProxyError::PortTaken { .. }), "{error}");
        assert!(error.to_string().contains(&address), "{error}");
    }

    #[test]
    fn a_second_conduit_is_refused_even_before_the_first_listens() {
        let first = Listeners::bind(&settings("127.0.0.1:0", 2)).expect("binds");
        let address = first.https_addresses()[0].to_string();
        let error = Listeners::bind(&settings(&address, 2)).expect_err("taken");
        assert!(matches!(error, ProxyError::PortTaken { .. }), "{error}");
        let mut listening = Vec::new();
        for worker in first.into_workers() {
            listening.push(worker.listen().expect("listens"));
        }
        let error = Listeners::bind(&settings(&address, 2)).expect_err("taken");
        assert!(matches!(error, ProxyError::PortTaken { .. }), "{error}");
        drop(listening);
        Listeners::bind(&settings(&address, 2)).expect("free again");
    }

    #[test]
    fn every_inherited_socket_is_served_whatever_the_number_of_workers() {
        for workers in [1, 3, 5] {
            let former = Listeners::bind(&settings("127.0.0.1:0", 3)).expect("binds");
            let address = former.https_addresses()[0];
            let queues: Vec<_> =
                former.workers.iter().flat_map(|worker| &worker.https).map(inode).collect();
            let mut inherited = Inherited::default();
            for (purpose, socket) in former.duplicates().expect("descriptors") {
                inherited.add_tcp(purpose, Socket::from(socket).into());
            }
            let wanted = settings("127.0.0.1:0", workers);
            let heir = Listeners::bind_or_inherit(&wanted, &mut inherited).expect("inherits");
            assert_eq!(heir.https_addresses(), [address], "the port that was chosen");
            assert!(inherited.is_empty());
            let mut served: Vec<_> =
                heir.workers.iter().flat_map(|worker| &worker.https).map(inode).collect();
            assert!(heir.workers.iter().all(|worker| !worker.https.is_empty()));
            served.retain(|inode| queues.contains(inode));
            served.sort_unstable();
            served.dedup();
            assert_eq!(served.len(), 3, "{workers} workers");
        }
    }

    fn inode(socket: &Socket) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let copy: OwnedFd = socket.try_clone().expect("a descriptor").into();
        std::fs::File::from(copy).metadata().expect("a socket").ino()
    }

    #[test]
    fn an_address_of_another_machine_says_so() {
        let error = Listeners::bind(&settings("192.0.2.1:8443", 1)).expect_err("not ours");
        assert!(matches!(error, ProxyError::AddressMissing { .. }), "{error}");
    }
}
