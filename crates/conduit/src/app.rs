//! The recipe: from a configuration to a gateway that is bound and ready to run.
//!
//! **Invariant:** nothing answers before [`Bound::run`]; whatever can be refused is refused in
//! [`App::build`], with the state untouched when it is about ports.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use conduit_admin::server::{Admin, Bound as AdminBound};
use conduit_admin::settings::{AdminSettings, SOCKET_MODE_GROUP, SOCKET_MODE_PRIVATE};
use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::certificate::{Issuance, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::event::{EventSink, EventStream};
use conduit_core::inherited::Inherited;
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_dns::bind::Listeners as DnsListeners;
use conduit_dns::error::DnsError;
use conduit_dns::handler::Transport;
use conduit_dns::zone::{Zone, ZoneSettings};
use conduit_proxy::compile::{Compiler, CompilerSettings};
use conduit_proxy::listener::Listeners as ProxyListeners;
use conduit_proxy::table::RouteTable;
use conduit_proxy::tcp::TcpPorts;
use conduit_proxy::upstream::{ReportQueue, reports};
use conduit_registry::{
    Preparation, PublishError, Registry, RegistryError, Settings, StateLock, Store, UpstreamPolicy,
    Work,
};
use conduit_tls::authority::Authority;

use crate::builtin;
use crate::config::Config;
use crate::decisions::record_setup;
use crate::error::AppError;
use crate::monitor;
use crate::privilege;
use crate::publish::{FirstTables, Publisher, TableSettings};
use crate::records;
use crate::reload::Tunables;
use crate::serial;
use crate::sockets::{Sockets, tcp_ports};
use crate::state::State;
use crate::upgrade::{Assets, Predecessor};

/// Builds gateways.
#[derive(Debug)]
pub struct App;

/// A gateway that is built and bound, and does not accept yet.
#[derive(Debug)]
pub struct Bound {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    pub(crate) assets: Assets,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) proxy: Option<ProxyListeners>,
    pub(crate) dns: Option<DnsListeners>,
    pub(crate) admin: AdminBound,
    pub(crate) authority: Option<live::Reader<Authority>>,
    /// Renews it.
    pub(crate) renewing: Option<live::Writer<Authority>>,
    pub(crate) registry: Registry,
    pub(crate) writer: JoinHandle<()>,
    pub(crate) routes: live::Reader<RouteTable>,
    pub(crate) zone: live::Reader<Zone>,
    pub(crate) reports: ReportQueue,
    pub(crate) events: (EventSink, EventStream),
    pub(crate) reissue: Vec<ServiceName>,
    pub(crate) is_new: bool,
    pub(crate) cut_from: Option<u64>,
    pub(crate) tunables: Tunables,
    pub(crate) tcp: Option<TcpPorts>,
}

/// Where a gateway really listens.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// DNS, over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// The same over TLS.
    pub dns_tls: Vec<SocketAddr>,
    /// Addresses that `auto` found and somebody else has for DNS.
    pub dns_taken: Vec<(SocketAddr, Transport)>,
    /// The proxy with TLS.
    pub https: Vec<SocketAddr>,
    /// The same over UDP; none when HTTP/3 is off.
    pub http3: Vec<SocketAddr>,
    /// The proxy in the clear.
    pub http: Vec<SocketAddr>,
    /// The admin API over TCP.
    pub admin: Option<SocketAddr>,
    /// The admin API for this machine.
    pub socket: PathBuf,
}

impl Addresses {
    fn of(
        config: &Config,
        dns: &Option<DnsListeners>,
        proxy: &Option<ProxyListeners>,
        admin: Option<SocketAddr>,
    ) -> Self {
        let proxied = |which: fn(&ProxyListeners) -> &[SocketAddr]| {
            proxy.as_ref().map(|listeners| which(listeners).to_vec()).unwrap_or_default()
        };
        Self {
            dns: dns.as_ref().map(DnsListeners::addresses).unwrap_or_default(),
            dns_tls: dns.as_ref().map(DnsListeners::encrypted_addresses).unwrap_or_default(),
            dns_taken: dns
                .iter()
                .flat_map(DnsListeners::skipped)
                .filter_map(DnsError::taken)
                .collect(),
            https: proxied(ProxyListeners::https_addresses),
            http3: proxy.as_ref().map(ProxyListeners::http3_addresses).unwrap_or_default(),
            http: proxied(ProxyListeners::http_addresses),
            admin,
            socket: config.admin.socket.clone(),
        }
    }
}

impl Addresses {
    /// The ports of all of them, each with the key it is configured by.
    fn ports(&self) -> Vec<(u16, &'static str)> {
        let dns = self.dns.iter().map(|address| (address.port(), "dns.listen"));
        let dns_tls = self.dns_tls.iter().map(|address| (address.port(), "dns.tls_listen"));
        let https = self.https.iter().map(|address| (address.port(), "proxy.https_listen"));
        let http = self.http.iter().map(|address| (address.port(), "proxy.http_listen"));
        let admin = self.admin.iter().map(|address| (address.port(), "admin.listen"));
        dns.chain(dns_tls).chain(https).chain(http).chain(admin).collect()
    }
}

impl App {
    /// Binds every socket, gives up root when asked to, opens the state and compiles the first
    /// tables.
    ///
    /// # Errors
    /// Names what is in the way and the mend.
    pub fn build(config: Config) -> Result<Bound, AppError> {
        Self::build_after(config, None)
    }

    /// The same; with a predecessor, its sockets are taken where they fit, and the state once it
    /// lets go of it.
    ///
    /// # Errors
    /// As [`App::build`].
    pub fn build_after(
        config: Config,
        mut predecessor: Option<Predecessor>,
    ) -> Result<Bound, AppError> {
        let now = Timestamp::now();
        let mut inherited = predecessor.as_mut().map(Predecessor::take_sockets).unwrap_or_default();
        let sockets = Sockets::bind(&config, &mut inherited)?;
        let tunables = Tunables::new(&config, sockets.answering())?;
        give_up_root(&config)?;
        let (state, unix) = open_state(&config, predecessor.as_ref(), &mut inherited, now)?;
        let admin = sockets.admin.and(unix);
        let admin_address = admin.addresses().tcp;
        let (upstream_reports, queue) = reports();
        let compiler = Compiler::new(
            CompilerSettings { tls: config.tls.enabled, proxy: config.proxy.enabled },
            upstream_reports,
        );
        records::warn_of_conflicts(&config, state.store.catalog());
        let ours = admin_address.map(|at| builtin::service(&config.gateway.domains, at, now));
        let catalog = with_builtin(state.store.catalog(), ours.as_ref());
        let (renewing, authority) = state.authority.map(live::channel).unzip();
        let first = Publisher::start(
            table_settings(&config, &sockets.proxy, &sockets.dns, catalog.generation(), now),
            authority.clone(),
            compiler,
            ours.clone(),
            &catalog,
            state.leaves,
            now,
        )
        .map_err(AppError::Publish)?;
        let FirstTables { publisher, routes, zone, reissue } = first;
        publisher.zone().count_with(serial::hosts_steps(&config.gateway.state_dir));
        tunables.lists.attach(publisher.zone());
        let tcp = sockets.proxy.as_ref().map(tcp_ports);
        if let Some(tcp) = &tcp {
            tcp.inherit(inherited);
        }
        let addresses = Addresses::of(&config, &sockets.dns, &sockets.proxy, admin_address);
        let own_ports = addresses.ports();
        let (registry, writer) = conduit_registry::start(
            state.store,
            Settings { builtin: ours, own_ports, ..registry_settings(&config) },
            publisher.with_ports(tcp.clone()),
        )
        .map_err(AppError::Registry)?;
        let (proxy, dns) = (sockets.proxy.as_ref(), sockets.dns.as_ref());
        let assets = Assets::of(state.lock, proxy, dns, &admin, tcp.as_ref());
        let mut assets =
            assets.map_err(|source| AppError::Runtime { what: "the hand-over", source })?;
        assets.waiting = predecessor.as_ref().map_or(0, Predecessor::waiting);
        Ok(Bound {
            tcp,
            addresses,
            assets,
            predecessor,
            proxy: sockets.proxy,
            dns: sockets.dns,
            admin,
            authority,
            renewing,
            registry,
            writer,
            routes,
            zone,
            reports: queue,
            events: conduit_core::event::channel(EVENTS_MAX),
            reissue,
            is_new: state.is_new,
            cut_from: state.cut_from,
            tunables,
            config,
        })
    }
}

fn give_up_root(config: &Config) -> Result<(), AppError> {
    let Some(user) = &config.gateway.user else {
        return Ok(());
    };
    // Only what is ours alone: a socket somewhere else is its owner's affair.
    let run = config.admin.socket.parent().filter(|dir| *dir == Path::new(RUN_DIR));
    let places = [Some(config.gateway.state_dir.as_path()), run].into_iter().flatten();
    privilege::hand_over(user, places).map_err(AppError::Privilege)?;
    privilege::drop_to(user).map_err(AppError::Privilege)
}

/// Opens the state and the Unix socket in it. A predecessor lets go of the state last, once nothing
/// else can go wrong that has to do with sockets.
fn open_state(
    config: &Config,
    predecessor: Option<&Predecessor>,
    inherited: &mut Inherited,
    now: Timestamp,
) -> Result<(State, AdminBound), AppError> {
    let Some(predecessor) = predecessor else {
        let state = State::open(config, now)?;
        return Ok((state, bind_socket(config, inherited)?));
    };
    let had = inherited.len();
    let unix = bind_socket(config, inherited)?;
    let lock = predecessor.prepared(inherited.len() < had).map_err(AppError::Upgrade)?;
    let lock = StateLock::adopt(&config.gateway.state_dir, lock).map_err(AppError::Registry)?;
    Ok((State::open_with(lock, config, now)?, unix))
}

/// Creates what a first start would create, and puts the setup on record; what is there stays.
///
/// A state that a running gateway holds is there already.
///
/// # Errors
/// When something in the way is damaged, missing or newer than we are.
pub fn initialize(config: &Config) -> Result<(), AppError> {
    let now = Timestamp::now();
    let state = match State::open(config, now) {
        Err(AppError::Registry(RegistryError::Locked { .. })) => return Ok(()),
        other => other?,
    };
    if !state.is_new {
        return Ok(());
    }
    with_registry(state.store, config, async |registry| record_setup(registry, config).await)
}

/// Does something with the registry of a state that no gateway serves, and closes it.
///
/// # Errors
/// As `work` fails, and when the registry cannot be started.
pub(crate) fn with_registry(
    store: Store,
    config: &Config,
    work: impl AsyncFnOnce(&Registry) -> Result<(), AppError>,
) -> Result<(), AppError> {
    let (registry, writer) = conduit_registry::start(store, registry_settings(config), NoTables)
        .map_err(AppError::Registry)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| AppError::Runtime { what: "the registry", source })?;
    let done = runtime.block_on(async {
        let done = work(&registry).await;
        registry.close().await;
        done
    });
    // The writer has ended by now; a panic in it would have failed the work.
    let _ended = writer.join();
    done
}

/// Publishes nothing: for a state that no gateway serves yet.
struct NoTables;

impl conduit_registry::Publisher for NoTables {
    type Prepared = ();

    fn prepare(&mut self, _: &Work<'_>) -> Result<Preparation<()>, PublishError> {
        Ok(Preparation { prepared: (), leaves: Vec::new() })
    }

    fn sign(&mut self, _: &Issuance, _: Timestamp) -> Result<Signed, PublishError> {
        Err(PublishError::new("there is no authority yet"))
    }

    fn publish(&mut self, (): ()) {}
}

impl Bound {
    /// Where the gateway listens; real ports, also when 0 was asked for.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

fn bind_socket(config: &Config, inherited: &mut Inherited) -> Result<AdminBound, AppError> {
    // The well-known socket is for the group `conduit`, when the system has one; a socket in the
    // state directory is for its owner.
    let group = config
        .admin
        .socket
        .starts_with(RUN_DIR)
        .then(|| privilege::group_id(SOCKET_GROUP))
        .flatten();
    let settings = AdminSettings {
        socket: Some(config.admin.socket.clone()),
        socket_mode: if group.is_some() { SOCKET_MODE_GROUP } else { SOCKET_MODE_PRIVATE },
        socket_gid: group,
        listen: None,
    };
    Admin::bind_or_inherit(&settings, inherited).map_err(AppError::Admin)
}

fn with_builtin(
    catalog: &Arc<Catalog>,
    ours: Option<&Arc<conduit_core::service::Service>>,
) -> Arc<Catalog> {
    match ours {
        Some(service) => {
            let change = vec![Change::Put(Arc::clone(service))];
            Arc::new(catalog.with(catalog.generation(), change))
        }
        None => Arc::clone(catalog),
    }
}

fn table_settings(
    config: &Config,
    proxy: &Option<ProxyListeners>,
    dns: &Option<DnsListeners>,
    generation: Generation,
    now: Timestamp,
) -> TableSettings {
    let proxy = proxy.as_ref();
    let https = proxy.map(ProxyListeners::https_addresses).unwrap_or_default();
    let http3 = proxy.map(ProxyListeners::http3_addresses).unwrap_or_default();
    let dns = dns.as_ref().filter(|_| config.tls.enabled);
    let tls = dns.map(DnsListeners::encrypted_addresses).unwrap_or_default();
    let mut zone = ZoneSettings {
        domains: config.gateway.domains.clone(),
        addresses: config.gateway.addresses.clone(),
        views: config.dns.views.clone(),
        proxied: config.proxy.enabled,
        ttl_s: u32::try_from(config.dns.ttl.as_secs()).unwrap_or(u32::MAX),
        https_port: https.first().map(|at| at.port()).filter(|_| config.tls.enabled),
        http3_port: http3.first().map(SocketAddr::port),
        tls_port: tls.first().map(SocketAddr::port),
        reverse_zones: config.dns.reverse_zones.clone(),
        records: Arc::clone(&config.dns.records),
        serial_offset: 0,
    };
    zone.serial_offset = serial::offset(&config.gateway.state_dir, &zone, generation, now);
    TableSettings { zone, leaf_validity: config.tls.leaf_validity }
}

pub(crate) fn registry_settings(config: &Config) -> Settings {
    Settings {
        upstreams: UpstreamPolicy {
            allow_link_local: config.upstreams.allow_link_local,
            allowed: config.upstreams.allow.clone(),
        },
        records: Arc::clone(&config.dns.records),
        fixed_nodes: if config.monitor.enabled { monitor::fixed_nodes(config) } else { Vec::new() },
        ..Settings::new(config.gateway.domains.clone())
    }
}

/// The configured domains as texts.
pub(crate) fn domain_texts(domains: &Domains) -> Vec<String> {
    domains.iter().map(ToString::to_string).collect()
}

/// How many events wait for the recorder.
const EVENTS_MAX: usize = 8192;
/// Where the well-known socket is.
const RUN_DIR: &str = "/run/conduit";
/// Who may use the well-known socket.
const SOCKET_GROUP: &str = "conduit";
