//! Life and death of a bound gateway.
//!
//! **Invariant:** everything that runs is named, and stopped in this order: decisions are refused,
//! the proxy drains, DNS goes last of the planes, the recorder drains, the registry closes, the
//! lock is let go. What must live and ends takes everything down and is named.

mod leave;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use conduit_admin::server::FileOwner;
use conduit_admin::state::{AdminState, Parts};
use conduit_core::error::Chain;
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_core::tasks::Tasks;
use conduit_proxy::connect::Connector;
use conduit_proxy::health::board::HealthBoard;
use conduit_proxy::health::prober::Prober;
use conduit_proxy::metrics::ProxyMetrics;
use conduit_proxy::resolve::Resolver;
use conduit_proxy::table::RouteTable;
use conduit_proxy::tcp::TcpPorts;
use conduit_registry::Registry;
use conduit_tls::authority::Authority;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::app::{Addresses, Bound, registry_settings};
use crate::config::Config;
use crate::control::{ControlParts, GatewayControl};
use crate::decisions::{record_start, record_stop};
use crate::error::AppError;
use crate::memory;
use crate::metrics::Metrics;
use crate::monitor::{self, Given};
use crate::oidc;
use crate::planes::{Planes, Served, join};
use crate::readiness::Readiness;
use crate::record::Recorder;
use crate::reload::{Attached, Reloader, Tunables};
use crate::renew;
use crate::selfcheck::SelfCheck;
use crate::updates;
use crate::upgrade::{Handover, Predecessor, Upgrader};
use crate::views::Views;

/// What a running gateway is told from outside.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Asks for a drain and an end.
    pub drain: CancellationToken,
    /// Asks not to wait for the drain.
    pub now: CancellationToken,
    /// Asks to read the configuration again.
    pub reload: Arc<Notify>,
    /// Counts how often the logs' files are to be opened again.
    pub reopen: Arc<AtomicU64>,
    /// How another process may take over, and whether one has.
    pub handover: Handover,
}

impl Bound {
    /// Runs until it is ordered to stop, or something that must live ends.
    ///
    /// `on_ready` is called once everything answers. `reloader` knows how to read the
    /// configuration again; without one there is nothing to reload.
    ///
    /// # Errors
    /// When a part cannot start, or has died.
    pub async fn run(
        self,
        orders: Orders,
        reloader: Option<Reloader>,
        on_ready: impl FnOnce(),
    ) -> Result<(), AppError> {
        let tasks = Tasks::new(CancellationToken::new());
        let upgrade_drain = self.config.gateway.upgrade_drain;
        let running = Running::start(self, &tasks, &orders, reloader).await?;
        on_ready();
        // This thread has made the tables, and does little from now on.
        memory::give_back();
        tokio::select! {
            // First: with the state, the registry ends as well.
            biased;
            () = orders.handover.over() => {}
            () = orders.drain.cancelled() => {}
            () = tasks.stop().cancelled() => {}
            () = running.registry.ended() => tasks.report_death("registry"),
        }
        // An upgrade that is under way ends now, one way or the other.
        running.upgrader.stop().await;
        match orders.handover.is_over() {
            true => running.leave(&orders, upgrade_drain).await?,
            false => running.stop(&orders.now).await,
        }
        match tasks.died() {
            Some(name) => Err(AppError::Died(name)),
            None => Ok(()),
        }
    }
}

/// A gateway that answers.
struct Running {
    registry: Registry,
    writer: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
    planes: Planes,
    upkeep: Upkeep,
    api: Api,
    recorder: Tasks,
    upgrader: Arc<Upgrader>,
}

/// Has the predecessor leave the state: from here on decisions are taken.
async fn take_over(
    predecessor: Option<Predecessor>,
    file: Option<FileOwner>,
) -> Result<(), AppError> {
    if let Some(predecessor) = predecessor {
        predecessor.ready().await.map_err(AppError::Upgrade)?;
        file.iter().for_each(FileOwner::take);
    }
    Ok(())
}

/// What opens connections to upstreams: it trusts our own roots, and keeps away from our socket.
fn connector(config: &Config, authority: Option<&Authority>) -> Connector {
    let bundle = authority.map(|authority| authority.bundle_pem().to_owned().into());
    Connector::new(bundle, Some(config.admin.socket.clone()))
}

/// Starts to write down what happens.
fn recorder(tasks: &Tasks, registry: &Registry, stream: conduit_core::event::EventStream) -> Tasks {
    let recorder = tasks.child();
    let recording = Recorder::new(registry.clone()).run(stream, recorder.stop().clone());
    recorder.service("recorder", recording);
    recorder
}

/// Finds the upstreams that are names, within what the configuration allows.
fn resolver(config: &Config, connector: &Connector) -> Resolver {
    let allowed = registry_settings(config).upstreams;
    Resolver::new(move |ip| allowed.check_ip(ip).is_ok()).with_connector(connector.clone())
}

impl Running {
    async fn start(
        bound: Bound,
        tasks: &Tasks,
        orders: &Orders,
        reloader: Option<Reloader>,
    ) -> Result<Self, AppError> {
        let (readiness, starting) = Readiness::blocked("start");
        record_start(&bound).await?;
        let Bound { config, registry, writer, routes, zone, addresses, .. } = bound;
        let authority = bound.authority.as_ref().map(live::Reader::load_full);
        let ((events, stream), mut tunables) = (bound.events, bound.tunables);
        let recorder = recorder(tasks, &registry, stream);

        let upkeep = Upkeep::begin(tasks, &registry, &mut tunables);
        let connector = connector(&config, authority.as_deref());
        let (resolver, probes) = (resolver(&config, &connector), tunables.probes_reader.clone());
        let prober = Prober::new(routes.clone(), probes, resolver, bound.reports, events.clone());
        let board = upkeep.prober(prober, bound.tcp.as_ref());

        let (mut metrics, traffic) = (Metrics::new(registry.clone()), ProxyMetrics::new());
        let served = Served {
            config: &config,
            addresses: &addresses,
            authority: authority.as_deref(),
            connector: &connector,
            routes: &routes,
            zone: &zone,
            policy: &tunables.policy_reader,
            reopen: &orders.reopen,
            tcp: bound.tcp.as_ref(),
            traffic: &traffic,
        };
        let planes = Planes::start(bound.dns, bound.proxy, &served, &mut metrics, tasks)?;
        take_over(bound.predecessor, bound.admin.file_owner()).await?;
        let given = Given { served: &served, registry: &registry, board: &board, events: &events };
        let (monitor, history) = monitor::start(&given, &upkeep.0)?;
        let (stopping, policy) = (Arc::default(), tunables.policy_reader.clone());
        let (oidc, lines) = (oidc::logins(&served)?, planes.lines());
        let reloader = reloader.map(|r| r.attach(tunables, &registry, monitor.clone(), &lines));
        upkeep.reload(reloader.as_ref(), &orders.reload);
        let upgrader = Upgrader::new((&registry, history), orders.handover.clone(), bound.assets);
        upkeep.views(&config, &registry, &board, upgrader.elsewhere());
        upkeep.renewal(&registry, &routes, bound.renewing, bound.reissue);
        let control = GatewayControl::new(ControlParts {
            check: upkeep.check(&config, &addresses, authority.as_deref(), &registry, &routes)?,
            policy,
            addresses,
            readiness,
            stopping: Arc::clone(&stopping),
            authority: bound.authority,
            routes: routes.clone(),
            board: board.clone(),
            reloader,
            monitor: monitor.clone(),
            metrics,
            lines,
            registry: registry.clone(),
            config: config.clone(),
            upgrader: Arc::clone(&upgrader),
            tasks: tasks.clone(),
        });
        let state = AdminState::new(Parts {
            oidc,
            registry: registry.clone(),
            table: routes,
            zone,
            health: board,
            traffic,
            state_dir: config.gateway.state_dir,
            control: Arc::new(control),
            monitor: monitor.map(|monitor| monitor as _),
            events,
        });
        // All else answers by now, so the first who can ask is told so.
        drop(starting);
        let api = Api::serve(bound.admin, state, tasks.child())?;
        Ok(Self { registry, writer, stopping, planes, upkeep, api, recorder, upgrader })
    }

    async fn stop(mut self, now: &CancellationToken) {
        self.stopping.store(true, Ordering::Release);
        self.planes.drain_proxy(now).await;
        finish("admin", &self.api.tasks, ADMIN_GRACE).await;
        self.planes.stop_dns().await;
        self.planes.finish_logs().await;
        self.planes.finish_traces().await;
        finish("recorder", &self.recorder, RECORDER_GRACE).await;
        if let Err(error) = record_stop(&self.registry).await {
            tracing::error!(error = %Chain(&error), "the stop is not on record");
        }
        // The views last, so that they show the stop as well.
        finish("upkeep", &self.upkeep.0, UPKEEP_GRACE).await;
        self.registry.close().await;
        join(self.writer).await;
        self.upgrader.give_up();
    }
}

/// What keeps a gateway in order beside serving.
struct Upkeep(Tasks);

impl Upkeep {
    /// Begins with the changes that programs ask for.
    fn begin(tasks: &Tasks, registry: &Registry, tunables: &mut Tunables) -> Self {
        let upkeep = tasks.child();
        if let Some(wishes) = tunables.wishes.take() {
            let stop = upkeep.stop().clone();
            let making = updates::make(wishes, registry.clone());
            upkeep.service("dns-updates", async move {
                stop.run_until_cancelled(making).await;
                // All senders may be gone before the end.
                stop.cancelled().await;
            });
        }
        Self(upkeep)
    }

    fn views(
        &self,
        config: &Config,
        registry: &Registry,
        board: &HealthBoard,
        elsewhere: &Arc<AtomicBool>,
    ) {
        let directory = config.gateway.state_dir.clone();
        let views = Views::new(directory, registry.clone(), board.clone(), Arc::clone(elsewhere));
        self.0.service("views", views.run(self.0.stop().clone()));
        self.until_stopped("memory", memory::watch(registry.catalog()));
    }

    fn renewal(
        &self,
        registry: &Registry,
        routes: &live::Reader<RouteTable>,
        authority: Option<live::Writer<Authority>>,
        at_once: Vec<ServiceName>,
    ) {
        let renewing = renew::run(registry.clone(), routes.clone(), authority, at_once);
        self.until_stopped("renewal", renewing);
    }

    /// Probes, and tries ports again that could not be bound; a service without its port is down.
    fn prober(&self, prober: (Prober, HealthBoard), ports: Option<&TcpPorts>) -> HealthBoard {
        let (prober, board) = prober;
        prober.start(&self.0);
        if let Some(ports) = ports {
            self.until_stopped("tcp ports", ports.clone().keep_trying());
        }
        board.with_ports(ports.cloned())
    }

    /// Tries the services through our own listeners, again and again.
    fn check(
        &self,
        config: &Config,
        addresses: &Addresses,
        authority: Option<&Authority>,
        registry: &Registry,
        routes: &live::Reader<RouteTable>,
    ) -> Result<Arc<SelfCheck>, AppError> {
        let check = self_check(addresses, authority, registry, routes)?;
        let (sweeping, every) = (Arc::clone(&check), config.health.interval);
        self.until_stopped("self-check", async move { sweeping.sweep(every).await });
        Ok(check)
    }

    fn reload(&self, reloader: Option<&Arc<Attached>>, notice: &Arc<Notify>) {
        if let Some(reloader) = reloader.map(Arc::clone) {
            let notice = Arc::clone(notice);
            self.until_stopped("reload", async move { reloader.serve(&notice).await });
        }
    }

    fn until_stopped(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop().clone();
        self.0.service(name, async move {
            stop.run_until_cancelled(task).await;
        });
    }
}

fn self_check(
    addresses: &Addresses,
    authority: Option<&Authority>,
    registry: &Registry,
    routes: &live::Reader<RouteTable>,
) -> Result<Arc<SelfCheck>, AppError> {
    let https = match (addresses.https.first(), authority) {
        (Some(address), Some(authority)) => {
            let client = conduit_tls::config::client_config(authority.bundle_pem());
            Some((*address, Arc::new(client.map_err(AppError::Tls)?)))
        }
        _ => None,
    };
    let dns = addresses.dns.first().copied();
    Ok(Arc::new(SelfCheck::new(dns, https, registry.catalog(), routes.clone())))
}

/// Ends a set of tasks, waiting at most `grace`.
async fn finish(what: &'static str, tasks: &Tasks, grace: Duration) {
    tasks.stop().cancel();
    if timeout(grace, tasks.finish()).await.is_err() {
        tracing::warn!(what, running = tasks.len(), "did not end in time");
    }
}

/// How long open API calls may take to end.
const ADMIN_GRACE: Duration = Duration::from_secs(2);
/// How long the recorder may take to write what it has.
const RECORDER_GRACE: Duration = Duration::from_secs(5);
/// How long views, renewal and probes may take to end.
const UPKEEP_GRACE: Duration = Duration::from_secs(5);
