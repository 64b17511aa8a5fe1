//! Sockets, bound before anything else starts.
//!
//! **Invariant:** each address has both transports at the same port. Sockets are plain ones of the
//! standard library, non-blocking, until a running loop adopts them.

mod encrypted;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use conduit_core::error::Chain;
use conduit_core::inherited::{Inherited, Purpose};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::error::DnsError;
use crate::handler::Transport;
use crate::https::Https;
use crate::interfaces::Interfaces;
use crate::leaving::Leaving;
use crate::listen::ListenAddr;
use crate::query_log::QueryLog;

/// Every socket DNS is served on.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) sockets: Vec<Bound>,
    /// How many threads read datagrams; one at least.
    pub(crate) workers: usize,
    /// Those for clients that speak TLS.
    pub(crate) encrypted: Vec<(SocketAddr, TcpListener)>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) https: Https,
    pub(crate) leaving: Leaving,
    pub(crate) log: QueryLog,
    skipped: Vec<DnsError>,
}

/// One address with both transports.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    /// One for each worker; the system spreads clients over them.
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) tcp: TcpListener,
}

impl Listeners {
    /// Binds every address, UDP and TCP, for one worker.
    ///
    /// An address that `auto` found and that is taken is skipped with a warning, and so is an IPv6
    /// wildcard where there is no IPv6.
    ///
    /// # Errors
    /// When an address that was named cannot be had (the message names who has it), or when
    /// nothing is left to listen on.
    pub fn bind(addresses: &[ListenAddr]) -> Result<Self, DnsError> {
        Self::bind_or_inherit(addresses, 1, &mut Inherited::default())
    }

    /// The same for so many workers; sockets of a former process are served on, with the queries that wait in
    /// them.
    ///
    /// # Errors
    /// As [`Listeners::bind`].
    pub fn bind_or_inherit(
        addresses: &[ListenAddr],
        workers: usize,
        inherited: &mut Inherited,
    ) -> Result<Self, DnsError> {
        let mut listeners = Self {
            sockets: Vec::new(),
            workers: workers.max(1),
            encrypted: Vec::new(),
            tls: None,
            https: Https::default(),
            leaving: Leaving::default(),
            log: QueryLog::default(),
            skipped: Vec::new(),
        };
        for address in addresses {
            match address {
                ListenAddr::At(address) => listeners.bind_named(*address, inherited)?,
                ListenAddr::Auto { port } => listeners.bind_automatic(*port, inherited)?,
            }
        }
        if listeners.sockets.is_empty() {
            // The first reason says more than that there is none left: the rest is in the log.
            let first = listeners.skipped.into_iter().next();
            return Err(first.unwrap_or(DnsError::NothingToListenOn));
        }
        Ok(listeners)
    }

    /// The same, telling this log of queries.
    #[must_use]
    pub fn with_query_log(self, log: QueryLog) -> Self {
        Self { log, ..self }
    }

    /// The addresses that are listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|bound| bound.address).collect()
    }

    /// What was left out, and why.
    pub fn skipped(&self) -> &[DnsError] {
        &self.skipped
    }

    /// What answers DNS over HTTPS once these are served.
    pub fn https(&self) -> Https {
        self.https.clone()
    }

    /// Second handles of all sockets, for another process: datagrams, then streams.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn duplicates(&self) -> io::Result<Vec<(Vec<OwnedFd>, OwnedFd)>> {
        let each = self.sockets.iter();
        let datagrams = |bound: &Bound| {
            let sockets = bound.udp.iter();
            sockets.map(|socket| Ok(socket.try_clone()?.into())).collect::<io::Result<_>>()
        };
        each.map(|bound| Ok((datagrams(bound)?, bound.tcp.try_clone()?.into()))).collect()
    }

    /// What tells the loops later that another process serves these sockets now.
    pub fn leaving(&self) -> Leaving {
        self.leaving.clone()
    }

    fn bind_named(
        &mut self,
        address: SocketAddr,
        inherited: &mut Inherited,
    ) -> Result<(), DnsError> {
        match inherit_or_bind(address, self.workers, inherited) {
            Ok(bound) => self.sockets.push(bound),
            Err(error) if is_without_ipv6(&error) => self.skip(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn bind_automatic(&mut self, port: u16, inherited: &mut Inherited) -> Result<(), DnsError> {
        let mut port = port;
        for ip in Interfaces::read()?.automatic() {
            let address = SocketAddr::new(ip, port);
            if self.sockets.iter().any(|bound| bound.address == address) {
                continue;
            }
            match inherit_or_bind(address, self.workers, inherited) {
                Ok(bound) => {
                    // Port 0 stands for any port, but for the same one everywhere.
                    port = bound.address.port();
                    self.sockets.push(bound);
                }
                Err(error) => self.skip(error),
            }
        }
        Ok(())
    }

    fn skip(&mut self, error: DnsError) {
        tracing::warn!(error = %Chain(&error), "not listening for DNS on one address");
        self.skipped.push(error);
    }
}

/// Takes the sockets of a former process; what it had too few of is bound beside them.
fn inherit_or_bind(
    wanted: SocketAddr,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<Bound, DnsError> {
    let failed =
        |address, transport| move |source: io::Error| DnsError::Bind { address, transport, source };
    let udp = inherited.take_udp(Purpose::Dns, wanted);
    let Some(first) = udp.first() else {
        let mut bound = bind_both(wanted)?;
        let address = bound.address;
        add_workers(&mut bound.udp, address, workers).map_err(failed(address, Transport::Udp))?;
        return Ok(bound);
    };
    let address = first.local_addr().map_err(failed(wanted, Transport::Udp))?;
    let mut udp = udp;
    for socket in &udp {
        socket.set_nonblocking(true).map_err(failed(address, Transport::Udp))?;
    }
    add_workers(&mut udp, address, workers).map_err(failed(address, Transport::Udp))?;
    let tcp = match inherited.take_tcp(Purpose::Dns, address).into_iter().next() {
        Some(tcp) => tcp.set_nonblocking(true).map(|()| tcp),
        None => bind_tcp(address),
    };
    Ok(Bound { address, udp, tcp: tcp.map_err(failed(address, Transport::Tcp))? })
}

/// Binds UDP and then TCP at the same port; a port that the system chose may be taken for TCP, and
/// then another one is tried.
fn bind_both(address: SocketAddr) -> Result<Bound, DnsError> {
    let mut tries = if address.port() == 0 { PORT_TRIES_MAX } else { 1 };
    loop {
        tries -= 1;
        match try_both(address) {
            Err(DnsError::Bind { source, .. })
                if tries > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn try_both(address: SocketAddr) -> Result<Bound, DnsError> {
    let failed =
        |address, transport| move |source: io::Error| DnsError::Bind { address, transport, source };
    let udp = bind_udp(address, Sharing::No).map_err(failed(address, Transport::Udp))?;
    let address = udp.local_addr().map_err(failed(address, Transport::Udp))?;
    let tcp = bind_tcp(address).map_err(failed(address, Transport::Tcp))?;
    Ok(Bound { address, udp: vec![udp], tcp })
}

/// Binds sockets beside those that are there, until each worker has one.
///
/// The first one was bound for itself, so that a port that somebody has is found out; only then is it shared.
fn add_workers(
    sockets: &mut Vec<UdpSocket>,
    address: SocketAddr,
    workers: usize,
) -> io::Result<()> {
    if sockets.len() >= workers {
        return Ok(());
    }
    for socket in sockets.iter() {
        SockRef::from(socket).set_reuse_port(true)?;
    }
    while sockets.len() < workers {
        sockets.push(bind_udp(address, Sharing::Yes)?);
    }
    Ok(())
}

/// Whether a socket has its address together with others of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    No,
    Yes,
}

fn bind_udp(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    prepare(&socket, address)?;
    if sharing == Sharing::Yes {
        socket.set_reuse_port(true)?;
    }
    // A reply leaves from where its request came to, and only the system knows where that was.
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
    }
    // Bursts wait here while a batch is answered; the system may grant less.
    if let Err(error) = socket.set_recv_buffer_size(UDP_RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%error, "the receive buffer keeps its size");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket, address)?;
    // Connections of a former run that still wait for their end do not hold the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(TCP_BACKLOG)?;
    Ok(socket.into())
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)
}

/// Whether an IPv6 wildcard could not be bound because the system has no IPv6.
fn is_without_ipv6(error: &DnsError) -> bool {
    let DnsError::Bind { address, source, .. } = error else {
        return false;
    };
    let missing =
        matches!(source.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
            || source.raw_os_error() == Some(EAFNOSUPPORT);
    missing && matches!(address.ip(), IpAddr::V6(v6) if v6.is_unspecified())
}

/// How often another port is tried when the system chose one that TCP cannot have.
const PORT_TRIES_MAX: u32 = 16;
/// Room for about 4,000 waiting queries.
const UDP_RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Connections that wait to be accepted.
const TCP_BACKLOG: i32 = 256;
/// "Address family not supported", which has no `ErrorKind`.
const EAFNOSUPPORT: i32 = 97;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> ListenAddr {
        text.parse().expect("valid")
    }

    #[test]
    fn both_transports_get_the_same_port() {
        let listeners = Listeners::bind(&[at("127.0.0.1:0")]).expect("binds");
        let bound = &listeners.sockets[0];
        assert_eq!(bound.udp[0].local_addr().ok(), bound.tcp.local_addr().ok());
        assert_eq!(listeners.addresses(), [bound.address]);
        assert_ne!(bound.address.port(), 0);
    }

    #[test]
    fn both_sockets_of_a_former_process_are_served_on() {
        let former = Listeners::bind(&[at("127.0.0.1:0")]).expect("binds");
        let mut inherited = Inherited::default();
        for (udp, tcp) in former.duplicates().expect("descriptors") {
            for socket in udp {
                inherited.add_udp(Purpose::Dns, socket.into());
            }
            inherited.add_tcp(Purpose::Dns, tcp.into());
        }
        let heir = Listeners::bind_or_inherit(&[at("127.0.0.1:0")], 1, &mut inherited);
        let heir = heir.expect("inherits");
        assert_eq!(heir.addresses(), former.addresses());
        assert!(inherited.is_empty());
        // A query that came before is read by the heir.
        let client = UdpSocket::bind("127.0.0.1:0").expect("binds");
        client.send_to(b"query", former.addresses()[0]).expect("sent");
        drop(former);
        heir.sockets[0].udp[0].set_nonblocking(false).expect("a socket");
        let mut query = [0; 8];
        assert_eq!(heir.sockets[0].udp[0].recv(&mut query).expect("read"), 5);
    }

    #[test]
    fn a_taken_port_is_named_with_the_mend() {
        for transport in [Transport::Udp, Transport::Tcp] {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("binds");
            let tcp = TcpListener::bind("127.0.0.1:0").expect("binds");
            let taken = match transport {
                Transport::Udp => udp.local_addr().expect("bound"),
                _ => tcp.local_addr().expect("bound"),
            };
            let error = Listeners::bind(&[ListenAddr::At(taken)]).expect_err("taken");
            let text = error.to_string();
            assert!(text.contains(&taken.to_string()), "{text}");
            assert_eq!(error.taken(), Some((taken, transport)));
            assert!(text.contains("[dns] listen"), "{text}");
        }
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let error = Listeners::bind(&[at("192.0.2.1:0")]).expect_err("not ours");
        assert!(error.to_string().contains("no interface"), "{error}");
    }

    #[test]
    fn auto_takes_what_is_free() {
        let listeners = Listeners::bind(&[at("auto:0")]).expect("binds");
        let loopback = |a: &SocketAddr| a.ip() == IpAddr::from([127, 0, 0, 1]);
        assert!(listeners.addresses().iter().any(loopback));
        let port = listeners.addresses()[0].port();
        assert!(listeners.addresses().iter().all(|a| a.port() == port));
        let second = Listeners::bind(&[ListenAddr::Auto { port }]).expect_err("all taken");
        let (address, _) = second.taken().expect("the reason of one of them");
        assert_eq!(address.port(), port);
    }

    #[test]
    fn nothing_configured_is_an_error() {
        assert!(matches!(Listeners::bind(&[]), Err(DnsError::NothingToListenOn)));
    }
}
