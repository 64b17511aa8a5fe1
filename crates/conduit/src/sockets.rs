//! Every listener of the process, bound before anything else happens.
//!
//! **Invariant:** a port that is taken fails the start before any state is touched, and names its
//! holder. Nothing accepts yet.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;

use conduit_admin::error::AdminError;
use conduit_admin::server::{Admin, Bound as AdminBound};
use conduit_admin::settings::AdminSettings;
use conduit_core::error::Chain;
use conduit_core::inherited::Inherited;
use conduit_dns::bind::Listeners as DnsListeners;
use conduit_dns::error::DnsError;
use conduit_dns::handler::Transport;
use conduit_dns::listen::ListenAddr;
use conduit_proxy::error::ProxyError;
use conduit_proxy::listener::{BindSettings, Listeners as ProxyListeners};
use conduit_proxy::tcp::TcpPorts;

use crate::config::{Config, DnsListen};
use crate::error::AppError;
use crate::holder::Holder;

/// Bound listeners; `None` for a plane that is off.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) proxy: Option<ProxyListeners>,
    pub(crate) dns: Option<DnsListeners>,
    pub(crate) admin: AdminBound,
}

impl Sockets {
    /// Binds what the configuration asks for, or takes it from a former process; except the Unix
    /// socket, which lives in the state.
    ///
    /// # Errors
    /// Names the address, who holds it, and the mend.
    pub(crate) fn bind(config: &Config, inherited: &mut Inherited) -> Result<Self, AppError> {
        let proxy = config.proxy.enabled.then(|| {
            let listeners = ProxyListeners::bind_or_inherit(&proxy_settings(config), inherited)?;
            match config.proxy.http3 {
                true => listeners.with_http3(inherited),
                false => Ok(listeners),
            }
        });
        let dns = config.dns.enabled.then(|| {
            let addresses: Vec<ListenAddr> = config.dns.listen.iter().map(listen_addr).collect();
            let encrypted = if config.tls.enabled { &*config.dns.tls_listen } else { &[] };
            let encrypted: Vec<ListenAddr> = encrypted.iter().map(listen_addr).collect();
            DnsListeners::bind_or_inherit(&addresses, dns_workers(config), inherited)?
                .with_encrypted(&encrypted, inherited)
        });
        let admin = AdminSettings {
            socket: None,
            socket_mode: 0,
            socket_gid: None,
            listen: Some(config.admin.listen),
        };
        Ok(Self {
            proxy: proxy.transpose().map_err(of_proxy)?,
            dns: dns.transpose().map_err(of_dns)?,
            admin: Admin::bind_or_inherit(&admin, inherited).map_err(of_admin)?,
        })
    }
}

impl Sockets {
    /// Where names are answered, over whatever: none of these is a forwarder.
    pub(crate) fn answering(&self) -> Vec<SocketAddr> {
        let plain = self.dns.iter().flat_map(DnsListeners::addresses);
        let encrypted = self.dns.iter().flat_map(DnsListeners::encrypted_addresses);
        let https = self.proxy.iter().flat_map(ProxyListeners::https_addresses).copied();
        plain.chain(encrypted).chain(https).collect()
    }
}

fn of_proxy(error: ProxyError) -> AppError {
    match error {
        ProxyError::PortTaken { address } => taken(address, Transport::Tcp, "[proxy]"),
        ProxyError::UdpPortTaken { address } => {
            taken(address, Transport::Udp, "[proxy] https_listen or http3")
        }
        other => AppError::Proxy(other),
    }
}

fn of_dns(error: DnsError) -> AppError {
    match error.taken() {
        Some((address, Transport::Tls)) => taken(address, Transport::Tls, "[dns] tls_listen"),
        Some((address, transport)) => taken(address, transport, "[dns] listen"),
        None => AppError::Dns(error),
    }
}

fn of_admin(error: AdminError) -> AppError {
    match error {
        AdminError::BindTcp { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
            taken(address, Transport::Tcp, "[admin] listen")
        }
        other => AppError::Admin(other),
    }
}

/// Ports of byte streams beside these listeners.
pub(crate) fn tcp_ports(listeners: &ProxyListeners) -> TcpPorts {
    TcpPorts::new(listeners, |error| match error {
        ProxyError::PortTaken { address } => {
            format!(
                "cannot listen on {address}: the port is taken by {}",
                holder(*address, Transport::Tcp)
            )
        }
        ProxyError::PortForbidden { address, .. } => format!(
            "cannot listen on {address}: ports below 1024 need CAP_NET_BIND_SERVICE, or \
             net.ipv4.ip_unprivileged_port_start lowered, for as long as conduit runs"
        ),
        other => Chain(other).to_string(),
    })
}

/// Says who has the port, as far as we may see.
fn taken(address: SocketAddr, transport: Transport, key: &'static str) -> AppError {
    AppError::PortTaken { address, transport, holder: holder(address, transport), key }
}

fn holder(address: SocketAddr, transport: Transport) -> String {
    let holder = Holder::find(address, transport);
    holder.map_or_else(|| "another program".to_owned(), |h| h.to_string())
}

fn proxy_settings(config: &Config) -> BindSettings {
    let https: &[SocketAddr] = if config.tls.enabled { &config.proxy.https_listen } else { &[] };
    BindSettings {
        https: https.to_vec(),
        http: config.proxy.http_listen.clone(),
        workers: if config.proxy.workers == 0 { cores() } else { config.proxy.workers },
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn dns_workers(config: &Config) -> usize {
    match config.dns.workers {
        0 => cores().min(DNS_WORKERS),
        given => given,
    }
}

fn listen_addr(listen: &DnsListen) -> ListenAddr {
    match listen {
        DnsListen::At(address) => ListenAddr::At(*address),
        DnsListen::Auto(port) => ListenAddr::Auto { port: *port },
    }
}

/// Threads that answer DNS unless it is said how many: more are of use to nobody's own network.
const DNS_WORKERS: usize = 4;
