//! The planes on threads of their own: DNS and the proxy.
//!
//! **Invariant:** a plane's thread that ends before it is told to takes the process down, named.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;

use conduit_core::error::Chain;
use conduit_core::live;
use conduit_core::tasks::Tasks;
use conduit_dns::access::Policy;
use conduit_dns::bind::Listeners as DnsListeners;
use conduit_dns::leaving::Leaving;
use conduit_dns::mdns::serve::Service as MdnsService;
use conduit_dns::zone::Zone;
use conduit_proxy::access_log::AccessLog;
use conduit_proxy::connect::Connector;
use conduit_proxy::limits::Limits;
use conduit_proxy::listener::Listeners as ProxyListeners;
use conduit_proxy::metrics::ProxyMetrics;
use conduit_proxy::own::OwnHost;
use conduit_proxy::sni::SniResolver;
use conduit_proxy::table::RouteTable;
use conduit_proxy::tcp::TcpPorts;
use conduit_proxy::trace::Tracer;
use conduit_proxy::worker::{Proxy, ProxySettings};
use conduit_tls::authority::Authority;
use tokio_util::sync::CancellationToken;

use crate::access_log::recent::Recent;
use crate::access_log::{self, Writer};
use crate::app::Addresses;
use crate::config::Config;
use crate::encrypted_dns::{self, DnsHost};
use crate::error::AppError;
use crate::memory;
use crate::metrics::Metrics;
use crate::query_log::{self, Told};
use crate::traces::Exporter;

/// The running planes; `None` for one that is off.
#[derive(Debug)]
pub(crate) struct Planes {
    proxy: Option<Proxy>,
    proxy_tasks: Tasks,
    dns: Option<JoinHandle<()>>,
    /// Multicast DNS.
    mdns: Option<JoinHandle<()>>,
    dns_tasks: Tasks,
    dns_leaving: Option<Leaving>,
    access_log: Option<Writer>,
    query_log: Option<query_log::Writer>,
    exporter: Option<Exporter>,
}

/// The newest lines of the logs.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Of each service's requests; `None` when they are not written here.
    pub(crate) recent: Option<Recent>,
    /// Of queries; `None` without DNS.
    pub(crate) told: Option<Told>,
}

/// What the planes serve from.
#[derive(Debug)]
pub(crate) struct Served<'a> {
    pub(crate) config: &'a Config,
    pub(crate) addresses: &'a Addresses,
    pub(crate) authority: Option<&'a Authority>,
    pub(crate) connector: &'a Connector,
    pub(crate) routes: &'a live::Reader<RouteTable>,
    pub(crate) zone: &'a live::Reader<Zone>,
    pub(crate) policy: &'a live::Reader<Policy>,
    pub(crate) reopen: &'a Arc<AtomicU64>,
    pub(crate) tcp: Option<&'a TcpPorts>,
    /// Where the proxy counts.
    pub(crate) traffic: &'a ProxyMetrics,
}

impl Planes {
    /// The newest lines of the logs.
    pub(crate) fn lines(&self) -> Lines {
        Lines {
            recent: self.access_log.as_ref().map(Writer::recent),
            told: self.query_log.as_ref().map(query_log::Writer::told),
        }
    }

    /// Starts the planes that have listeners; their tasks belong to `tasks`, and what they count
    /// goes into `metrics`.
    ///
    /// # Errors
    /// When a thread cannot be started, a socket cannot listen, or TLS cannot be set up.
    pub(crate) fn start(
        dns: Option<DnsListeners>,
        proxy: Option<ProxyListeners>,
        served: &Served<'_>,
        metrics: &mut Metrics,
        tasks: &Tasks,
    ) -> Result<Self, AppError> {
        let (dns_tasks, proxy_tasks) = (tasks.child(), tasks.child());
        let dns_leaving = dns.as_ref().map(DnsListeners::leaving);
        let own = served.own_host(dns.as_ref());
        let query_log = dns.as_ref().map(|_| served.query_log(metrics)).transpose()?;
        let mdns = served.mdns(dns_leaving.as_ref(), metrics, &dns_tasks)?;
        let dns = dns.map(|listeners| {
            let listeners = match served.authority {
                Some(_) => {
                    let tls = encrypted_dns::server_config(served.routes);
                    listeners.with_tls(tls.map_err(AppError::Tls)?)
                }
                None => listeners,
            };
            let log = query_log.as_ref().map(|writer| writer.told().log().clone());
            let listeners = listeners.with_query_log(log.unwrap_or_default());
            let (zone, policy, counts) =
                (served.zone.clone(), served.policy.clone(), metrics.dns(served.policy));
            thread("dns", &dns_tasks, move |tasks: &Tasks| {
                listeners.serve(zone, policy, counts, tasks).map_err(AppError::Dns)
            })
        });
        let log = &served.config.access_log;
        let access_log = match &proxy {
            Some(_) => Writer::start(log, Arc::clone(served.reopen))?,
            None => None,
        };
        if let Some(writer) = &access_log {
            metrics.access_log(&writer.sink());
        }
        let exporter = match &proxy {
            Some(_) => served.exporter(tasks)?,
            None => None,
        };
        if let Some(exporter) = &exporter {
            metrics.traces(exporter.counts());
        }
        let proxy = proxy.map(|listeners| {
            let log = access_log::destination(log, access_log.as_ref());
            let tracer = exporter.as_ref().map(|exporter| exporter.tracer().clone());
            let settings = served.proxy_settings(log, tracer, own)?;
            metrics.proxy(served.traffic, served.routes);
            Proxy::start(listeners, settings, served.routes, served.traffic, &proxy_tasks)
                .map_err(AppError::Proxy)
        });
        let (dns, proxy) = (dns.transpose()?, proxy.transpose()?);
        Ok(Self {
            dns,
            mdns,
            dns_tasks,
            dns_leaving,
            proxy,
            proxy_tasks,
            access_log,
            query_log,
            exporter,
        })
    }

    /// Hands over the traces that are left.
    pub(crate) async fn finish_traces(&mut self) {
        if let Some(exporter) = self.exporter.take() {
            exporter.finish().await;
        }
    }

    /// Writes the lines of requests and of queries that are left.
    pub(crate) async fn finish_logs(&mut self) {
        let access = self.access_log.take().map(Writer::finish);
        let queries = self.query_log.take().map(query_log::Writer::finish);
        for thread in access.into_iter().chain(queries) {
            if tokio::time::timeout(LOG_GRACE, join(thread)).await.is_err() {
                tracing::warn!("a log did not end in time");
            }
        }
    }

    /// Lets requests and streams finish until the deadline, or until `now`.
    pub(crate) async fn drain_proxy(&mut self, now: &CancellationToken) {
        self.proxy_tasks.stop().cancel();
        let Some(proxy) = self.proxy.take() else {
            return;
        };
        tokio::select! {
            drained = proxy.finished() => {
                if drained.cut > 0 {
                    tracing::warn!(cut = drained.cut, "the deadline cut what was still open");
                }
            }
            () = now.cancelled() => {}
        }
    }

    /// Serves what is open to its end, while another process accepts: at most for `limit`, or until
    /// `drain` asks for a usual stop, or `now` for none.
    pub(crate) async fn leave(
        &mut self,
        limit: Duration,
        drain: &CancellationToken,
        now: &CancellationToken,
    ) {
        let leaving = self.proxy.as_ref().map(Proxy::leaving);
        if let Some(leaving) = &leaving {
            leaving.begin(limit);
        }
        if let Some(writer) = &self.access_log {
            writer.be_a_guest();
        }
        if let Some(writer) = &self.query_log {
            writer.be_a_guest();
        }
        // At once: two that read the same sockets are one too many.
        self.proxy_tasks.stop().cancel();
        let dns = self.dns_leaving.take();
        let hurry = async {
            drain.cancelled().await;
            if let Some(leaving) = &leaving {
                leaving.hurry();
            }
            std::future::pending::<()>().await;
        };
        let leave = async {
            tokio::join!(self.drain_proxy(now), async {
                if let Some(dns) = dns {
                    dns.leave().await;
                }
            });
        };
        tokio::select! {
            () = leave => {}
            () = hurry => {}
        }
    }

    /// Ends DNS: the last of the planes, since drainers still need names.
    pub(crate) async fn stop_dns(&mut self) {
        self.dns_tasks.stop().cancel();
        for thread in [self.dns.take(), self.mdns.take()].into_iter().flatten() {
            join(thread).await;
        }
    }
}

impl Served<'_> {
    fn query_log(&self, metrics: &mut Metrics) -> Result<query_log::Writer, AppError> {
        let (settings, to) = (&self.config.dns.query_log, &self.config.query_log);
        let reopen = Arc::clone(self.reopen);
        let writer = query_log::Writer::start(settings, to, reopen, metrics.catalogs())?;
        metrics.query_log(writer.told().log());
        Ok(writer)
    }

    fn limits(&self) -> Limits {
        let given = &self.config.proxy.limits;
        Limits {
            connections_max: given.connections,
            connections_per_client_max: given.connections_per_client,
            drain: self.config.gateway.drain,
            head: given.head_timeout,
            idle: given.idle_timeout,
            head_bytes_max: usize::try_from(given.head_size).unwrap_or(usize::MAX),
            body_rate_min: given.body_rate,
            ..Limits::default()
        }
    }

    /// Multicast DNS, on a thread of its own: no query waits for it.
    fn mdns(
        &self,
        leaving: Option<&Leaving>,
        metrics: &mut Metrics,
        tasks: &Tasks,
    ) -> Result<Option<JoinHandle<()>>, AppError> {
        let settings = &self.config.dns.mdns;
        let Some(leaving) = leaving.filter(|_| settings.enabled) else {
            return Ok(None);
        };
        let (status, counts) = metrics.mdns();
        let service = MdnsService {
            zone: self.zone.clone(),
            interfaces: settings.interfaces.clone(),
            leaving: leaving.clone(),
            status,
            counts,
        };
        let start = move |tasks: &Tasks| {
            service.start(tasks);
            Ok(())
        };
        thread("mdns", tasks, start).map(Some)
    }

    fn exporter(&self, tasks: &Tasks) -> Result<Option<Exporter>, AppError> {
        let bundle = self.authority.map(Authority::bundle_pem);
        Exporter::start(&self.config.telemetry, bundle, tasks)
    }

    /// The host of ours that is answered here: names, when they are answered at all.
    fn own_host(&self, dns: Option<&DnsListeners>) -> Option<Arc<dyn OwnHost>> {
        let https = dns.filter(|_| self.authority.is_some()).map(DnsListeners::https)?;
        Some(Arc::new(DnsHost(https)))
    }

    fn proxy_settings(
        &self,
        access_log: AccessLog,
        tracer: Option<Tracer>,
        own: Option<Arc<dyn OwnHost>>,
    ) -> Result<ProxySettings, AppError> {
        let resolver = || Arc::new(SniResolver::new(self.routes.clone()));
        let server = |_| conduit_tls::config::server_config(resolver()).map_err(AppError::Tls);
        Ok(ProxySettings {
            tls: self.authority.map(server).transpose()?.map(Arc::new),
            https_port: self.addresses.https.first().map_or(HTTPS_PORT, SocketAddr::port),
            trust_bundle: self.authority.map(|a| a.bundle_pem().to_owned().into()),
            own,
            trusted_proxies: self.config.proxy.trusted_proxies.clone(),
            connector: self.connector.clone(),
            limits: self.limits(),
            access_log,
            tracer,
            tcp: self.tcp.cloned(),
            settle: memory::settle,
        })
    }
}

/// Waits for a thread; a panic in it was reported already.
pub(crate) async fn join(thread: JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
    if !matches!(joined, Ok(true)) {
        tracing::error!("a thread ended with a panic");
    }
}

/// Runs a plane on a thread and a runtime of its own.
fn thread(
    name: &'static str,
    tasks: &Tasks,
    start: impl FnOnce(&Tasks) -> Result<(), AppError> + Send + 'static,
) -> Result<JoinHandle<()>, AppError> {
    let failed = |source| AppError::Runtime { what: name, source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let tasks = tasks.clone();
    let body = move || {
        let alive = tasks.clone();
        runtime.block_on(tasks.guarded_inline(name, async {
            match start(&alive) {
                Ok(()) => {
                    alive.stop().cancelled().await;
                    alive.finish().await;
                }
                Err(error) => {
                    tracing::error!(error = %Chain(&error), plane = name, "a plane cannot start");
                }
            }
        }));
    };
    std::thread::Builder::new().name(name.into()).spawn(body).map_err(failed)
}

/// How long writing the last lines of a log may take.
const LOG_GRACE: Duration = Duration::from_secs(2);
/// What redirects name when there is no HTTPS listener to name.
const HTTPS_PORT: u16 = 443;
