//! Life and death of a bound gateway.
//!
//! **Invariant:** everything that runs is named, and stopped in this order: decisions are refused,
//! the proxy drains, DNS goes last of the planes, the recorder drains, the registry closes, the
//! lock is let go. What must live and ends takes everything down and is named.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use conduit_admin::state::{AdminState, Parts};
use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::live;
use conduit_core::tasks::Tasks;
use conduit_dns::access::{AccessList, Policy};
use conduit_dns::forward::Forwarder;
use conduit_dns::interfaces::Interfaces;
use conduit_proxy::health::board::HealthBoard;
use conduit_proxy::health::machine::Thresholds;
use conduit_proxy::health::plan::ProbeSettings;
use conduit_proxy::health::prober::Prober;
use conduit_proxy::limits::Limits;
use conduit_proxy::metrics::ProxyMetrics;
use conduit_proxy::resolve::Resolver;
use conduit_proxy::sni::SniResolver;
use conduit_proxy::worker::{Proxy, ProxySettings};
use conduit_registry::{Mutation, Registry};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::app::{Bound, domain_texts};
use crate::config::Config;
use crate::control::{ControlParts, GatewayControl};
use crate::error::AppError;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::record::Recorder;
use crate::reload::{Reloader, Tunables};
use crate::renew;
use crate::selfcheck::SelfCheck;
use crate::views::Views;

/// What a running gateway is told from outside.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Asks for a drain and an end.
    pub drain: CancellationToken,
    /// Asks not to wait for the drain.
    pub now: CancellationToken,
    /// Asks to read the configuration again.
    pub reload: Arc<tokio::sync::Notify>,
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
        let running = Running::start(self, &tasks, &orders, reloader).await?;
        on_ready();
        tokio::select! {
            () = orders.drain.cancelled() => {}
            () = tasks.stop().cancelled() => {}
            () = running.registry.ended() => tasks.report_death("registry"),
        }
        running.stop(&orders.now).await;
        match tasks.died() {
            Some(name) => Err(AppError::Died(name)),
            None => Ok(()),
        }
    }
}

/// A gateway that answers.
struct Running {
    config: Config,
    registry: Registry,
    writer: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
    proxy: Option<Proxy>,
    proxy_tasks: Tasks,
    dns: Option<JoinHandle<()>>,
    dns_tasks: Tasks,
    control_tasks: Tasks,
    admin_tasks: Tasks,
    recorder_tasks: Tasks,
    metrics: Arc<Metrics>,
    _lock: conduit_registry::StateLock,
}

impl Running {
    async fn start(
        bound: Bound,
        tasks: &Tasks,
        orders: &Orders,
        reloader: Option<Reloader>,
    ) -> Result<Self, AppError> {
        let readiness = Readiness::default();
        let starting = readiness.block("start");
        let stopping = Arc::new(AtomicBool::new(false));
        let (control_tasks, admin_tasks, recorder_tasks) =
            (tasks.child(), tasks.child(), tasks.child());
        let (dns_tasks, proxy_tasks) = (tasks.child(), tasks.child());
        record_start(&bound).await?;

        let (events, stream) = bound.events;
        let recorder = Recorder::new(bound.registry.clone());
        let stop = recorder_tasks.stop().clone();
        recorder_tasks.service("recorder", async move {
            recorder.run(stream, stop).await;
        });

        let mut metrics = Metrics::new(bound.registry.clone());
        let tunables = tunables(&bound.config, bound.dns.as_ref())?;
        let (prober, board) = Prober::new(
            bound.routes.clone(),
            tunables.probes_reader.clone(),
            allowed_by(&bound.config),
            bound.reports,
            events.clone(),
        );
        prober.start(&control_tasks);
        let check = Arc::new(self_check(
            &bound.addresses,
            bound.authority.as_deref(),
            &bound.registry,
            &bound.routes,
        )?);
        let every = bound.config.health.interval;
        start_views(
            &control_tasks,
            &bound.config,
            &bound.registry,
            board.clone(),
        );
        start_upkeep(
            &control_tasks,
            &bound.registry,
            &bound.routes,
            bound.reissue,
            &check,
            every,
        );

        let dns_metrics = metrics.dns();
        let dns = match bound.dns {
            Some(listeners) => {
                let (zone, policy) = (bound.zone.clone(), tunables.policy_reader.clone());
                let serve = move |tasks: &Tasks| {
                    listeners
                        .serve(zone, policy, dns_metrics, tasks)
                        .map_err(AppError::Dns)
                };
                Some(plane_thread("dns", &dns_tasks, serve)?)
            }
            None => None,
        };
        let proxy_metrics = ProxyMetrics::new();
        metrics.proxy(&proxy_metrics);
        let metrics = Arc::new(metrics);
        let proxy = match bound.proxy {
            Some(listeners) => {
                let settings = proxy_settings(
                    &bound.config,
                    &bound.addresses,
                    bound.authority.as_deref(),
                    &bound.routes,
                )?;
                let started = Proxy::start(
                    listeners,
                    settings,
                    &bound.routes,
                    &proxy_metrics,
                    &proxy_tasks,
                );
                Some(started.map_err(AppError::Proxy)?)
            }
            None => None,
        };
        let reloader = reloader.map(|r| Arc::new(r.attach(tunables, bound.registry.clone())));
        if let Some(reloader) = &reloader {
            let (reloader, notify) = (Arc::clone(reloader), Arc::clone(&orders.reload));
            let stop = control_tasks.stop().clone();
            control_tasks.service(
                "reload",
                async move { reloader.serve(&notify, &stop).await },
            );
        }
        let control = GatewayControl::new(ControlParts {
            config: bound.config.clone(),
            addresses: bound.addresses,
            domains: domain_texts(&bound.config.gateway.domains),
            readiness,
            stopping: Arc::clone(&stopping),
            authority: bound.authority,
            routes: bound.routes.clone(),
            board: board.clone(),
            check,
            reloader,
            metrics: Arc::clone(&metrics),
        });
        let state = AdminState::new(Parts {
            registry: bound.registry.clone(),
            table: bound.routes,
            zone: bound.zone,
            health: board,
            state_dir: bound.config.gateway.state_dir.clone(),
            control: Arc::new(control),
            events,
        });
        bound
            .admin
            .serve(state, &admin_tasks)
            .map_err(AppError::Admin)?;
        drop(starting);
        Ok(Self {
            config: bound.config,
            registry: bound.registry,
            writer: bound.writer,
            stopping,
            proxy,
            proxy_tasks,
            dns,
            dns_tasks,
            control_tasks,
            admin_tasks,
            recorder_tasks,
            metrics,
            _lock: bound.lock,
        })
    }

    async fn stop(self, now: &CancellationToken) {
        self.stopping.store(true, Ordering::Release);
        self.proxy_tasks.stop().cancel();
        if let Some(proxy) = self.proxy {
            tokio::select! {
                drained = proxy.finished() => {
                    if drained.cut > 0 {
                        tracing::warn!(cut = drained.cut, "the deadline cut what was still open");
                    }
                }
                () = now.cancelled() => {}
            }
        }
        self.admin_tasks.stop().cancel();
        finish("admin", &self.admin_tasks, ADMIN_GRACE).await;
        self.dns_tasks.stop().cancel();
        if let Some(dns) = self.dns {
            join(dns).await;
        }
        self.recorder_tasks.stop().cancel();
        finish("recorder", &self.recorder_tasks, RECORDER_GRACE).await;
        let stop = draft(Action::DaemonStop, "Conduit stopped", Map::new());
        let recorded = self
            .registry
            .apply(Actor::System("daemon"), Mutation::Record(Box::new(stop)));
        if let Err(error) = recorded.await {
            tracing::error!(%error, "the stop cannot be recorded");
        }
        // The views last, so that they hold the stop as well.
        self.control_tasks.stop().cancel();
        finish("control", &self.control_tasks, CONTROL_GRACE).await;
        self.registry.close().await;
        join(self.writer).await;
        drop((self.config, self.metrics));
    }
}

async fn record_start(bound: &Bound) -> Result<(), AppError> {
    let actor = || Actor::System("daemon");
    if bound.is_new {
        let draft = setup_draft(&bound.config);
        record(&bound.registry, "the setup", actor(), draft).await?;
    }
    let mut details = Map::new();
    details.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    details.insert("pid".into(), json!(std::process::id()));
    let start = draft(Action::DaemonStart, "Conduit started", details);
    record(&bound.registry, "the start", actor(), start).await
}

async fn record(
    registry: &Registry,
    what: &'static str,
    actor: Actor,
    draft: Draft,
) -> Result<(), AppError> {
    let recorded = registry
        .apply(actor, Mutation::Record(Box::new(draft)))
        .await;
    recorded
        .map(drop)
        .map_err(|source| AppError::Record { what, source })
}

/// The entry for a new state.
pub(crate) fn setup_draft(config: &Config) -> Draft {
    let word = |on: bool, word: &str| Value::from(if on { word } else { "off" });
    let mut details = Map::new();
    details.insert(
        "domain".into(),
        json!(config.gateway.domains.default_suffix().as_str()),
    );
    details.insert("dns".into(), word(config.dns.enabled, "conduit"));
    details.insert("proxy".into(), word(config.proxy.enabled, "conduit"));
    details.insert("ca".into(), word(config.tls.enabled, "ed25519+ecdsa-p256"));
    draft(Action::ConduitSetup, "Conduit initialized", details)
}

fn draft(action: Action, message: &str, details: Map<String, Value>) -> Draft {
    Draft {
        at: Timestamp::now(),
        actor: Actor::System("daemon"),
        action,
        status: Status::Success,
        message: message.into(),
        details,
    }
}

/// What a reload may change, with its initial values.
fn tunables(
    config: &Config,
    dns: Option<&conduit_dns::bind::Listeners>,
) -> Result<Tunables, AppError> {
    let listening = dns
        .map(conduit_dns::bind::Listeners::addresses)
        .unwrap_or_default();
    let (policy, policy_reader) = live::channel(Arc::new(policy_of(config, &listening)?));
    let (probes, probes_reader) = live::channel(Arc::new(probes_of(config)));
    Ok(Tunables {
        policy,
        policy_reader,
        probes,
        probes_reader,
        listening,
    })
}

/// Who may ask what, as configured.
pub(crate) fn policy_of(
    config: &Config,
    listening: &[std::net::SocketAddr],
) -> Result<Policy, AppError> {
    let forwarder = match config.dns.forwarders.as_slice() {
        [] => None,
        forwarders => {
            let interfaces = Interfaces::read().map_err(AppError::Dns)?;
            Some(Forwarder::new(forwarders, listening, &interfaces).map_err(AppError::Dns)?)
        }
    };
    Ok(Policy {
        access: AccessList::new(config.dns.allow.clone()),
        forwarder,
    })
}

/// How upstreams are probed, as configured.
pub(crate) fn probes_of(config: &Config) -> ProbeSettings {
    ProbeSettings {
        interval: config.health.interval,
        timeout: config.health.timeout,
        path: config.health.path.clone(),
        thresholds: Thresholds {
            unhealthy_after: config.health.unhealthy_after,
            healthy_after: config.health.healthy_after,
        },
    }
}

/// Addresses that names of upstreams may resolve to: the policy of the registrations.
fn allowed_by(config: &Config) -> Resolver {
    let policy = crate::app::registry_settings(config).upstreams;
    Resolver::new(move |ip| policy.check_ip(ip).is_ok())
}

fn self_check(
    addresses: &crate::app::Addresses,
    authority: Option<&conduit_tls::authority::Authority>,
    registry: &Registry,
    routes: &live::Reader<conduit_proxy::table::RouteTable>,
) -> Result<SelfCheck, AppError> {
    let https = match (addresses.https.first(), authority) {
        (Some(address), Some(authority)) => {
            let client = conduit_tls::config::client_config(authority.bundle_pem());
            Some((*address, Arc::new(client.map_err(AppError::Tls)?)))
        }
        _ => None,
    };
    let dns = addresses.dns.first().copied();
    Ok(SelfCheck::new(
        dns,
        https,
        registry.catalog(),
        routes.clone(),
    ))
}

fn proxy_settings(
    config: &Config,
    addresses: &crate::app::Addresses,
    authority: Option<&conduit_tls::authority::Authority>,
    routes: &live::Reader<conduit_proxy::table::RouteTable>,
) -> Result<ProxySettings, AppError> {
    let resolver = || Arc::new(SniResolver::new(routes.clone()));
    let tls = authority
        .map(|_| conduit_tls::config::server_config(resolver()))
        .transpose();
    Ok(ProxySettings {
        tls: tls.map_err(AppError::Tls)?.map(Arc::new),
        https_port: addresses
            .https
            .first()
            .map_or(443, std::net::SocketAddr::port),
        trust_bundle: authority.map(|a| a.bundle_pem().to_owned().into()),
        limits: Limits {
            drain: config.gateway.drain,
            ..Limits::default()
        },
    })
}

fn start_views(tasks: &Tasks, config: &Config, registry: &Registry, board: HealthBoard) {
    let views = Views::new(config.gateway.state_dir.clone(), registry.clone(), board);
    let stop = tasks.stop().clone();
    tasks.service("views", async move { views.run(stop).await });
}

fn start_upkeep(
    tasks: &Tasks,
    registry: &Registry,
    routes: &live::Reader<conduit_proxy::table::RouteTable>,
    reissue: Vec<conduit_core::name::ServiceName>,
    check: &Arc<SelfCheck>,
    every: Duration,
) {
    let stop = tasks.stop().clone();
    let renewing = renew::run(registry.clone(), routes.clone(), reissue);
    tasks.service("renewal", async move {
        stop.run_until_cancelled(renewing).await;
    });
    let (stop, check) = (tasks.stop().clone(), Arc::clone(check));
    tasks.service("self-check", async move {
        stop.run_until_cancelled(check.sweep(every)).await;
    });
}

/// Runs a plane on a thread and a runtime of its own.
fn plane_thread(
    name: &'static str,
    tasks: &Tasks,
    start: impl FnOnce(&Tasks) -> Result<(), AppError> + Send + 'static,
) -> Result<JoinHandle<()>, AppError> {
    let failed = |source| AppError::Runtime { what: name, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
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
                    let error = conduit_core::error::Chain(&error).to_string();
                    tracing::error!(error, "a plane cannot start");
                }
            }
        }));
    };
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(failed)
}

async fn finish(what: &'static str, tasks: &Tasks, grace: Duration) {
    if timeout(grace, tasks.finish()).await.is_err() {
        tracing::warn!(what, running = tasks.len(), "did not end in time");
    }
}

async fn join(thread: JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
    if !matches!(joined, Ok(true)) {
        tracing::error!("a thread ended with a panic");
    }
}

/// How long open API calls may take to end.
const ADMIN_GRACE: Duration = Duration::from_secs(2);
/// How long the recorder may take to write what it has.
const RECORDER_GRACE: Duration = Duration::from_secs(5);
/// How long the views may take.
const CONTROL_GRACE: Duration = Duration::from_secs(5);
