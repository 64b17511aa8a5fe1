//! The monitor, put together: sources of this machine and of others, the keeper, history and
//! channels; and what the control plane asks of them.
//!
//! **Invariant:** nothing of it can stop traffic: a source that fails is shown, a history that
//! cannot be opened is off, and channels are jobs.

mod control;
mod labels;
mod nodes;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::event::{Event, EventSink};
use conduit_core::tasks::Tasks;
use conduit_monitor::alert::AlertChange;
use conduit_monitor::channel::{self, Channels};
use conduit_monitor::containers::ContainersSource;
use conduit_monitor::engines::{EnginesSource, targets};
use conduit_monitor::gpu::{GpuPlaces, GpuSource};
use conduit_monitor::history::{History, HistorySettings};
use conduit_monitor::host::{HostSource, Units};
use conduit_monitor::keeper::{Keeper, ORDERS_MAX, Order, Surroundings, Watched};
use conduit_monitor::node::NodeName;
use conduit_monitor::rule::{Rule, defaults, file as rules};
use conduit_monitor::sampler::{Pace, sample};
use conduit_monitor::services::ServiceFacts;
use conduit_monitor::silence::quiet::QuietHours;
use conduit_monitor::source::{Source, SourceKind};
use conduit_monitor::watch::Watch;
use conduit_monitor::wording;
use conduit_proxy::health::board::HealthBoard;
use conduit_proxy::pool::Pool;
use conduit_registry::Registry;
use conduit_tls::authority::Authority;
use tokio::sync::{Notify, mpsc};

pub(crate) use self::control::SiteMonitor;
use self::labels::Labels;
use self::nodes::Nodes;
use crate::config::Config;
use crate::error::AppError;
use crate::planes::Served;
use crate::roots;

/// What the monitor looks at and tells.
pub(crate) struct Given<'a> {
    /// What the planes serve from.
    pub(crate) served: &'a Served<'a>,
    pub(crate) registry: &'a Registry,
    pub(crate) board: &'a HealthBoard,
    pub(crate) events: &'a EventSink,
}

impl Given<'_> {
    /// Our own roots, for channels and engines behind our own names.
    fn bundle_pem(&self) -> Option<&str> {
        self.served.authority.map(Authority::bundle_pem)
    }
}

/// Starts the monitor, when the configuration wants one; its history leaves with the state when
/// another process takes over.
pub(crate) fn start(
    given: &Given<'_>,
    tasks: &Tasks,
) -> Result<(Option<Arc<SiteMonitor>>, History), AppError> {
    let config = given.served.config;
    if !config.monitor.enabled {
        return Ok((None, History::off("the monitor is off")));
    }
    let failed = |source| AppError::Runtime { what: "the monitor", source };
    let tls = Arc::new(roots::client(given.bundle_pem()).map_err(failed)?);
    let here = here();
    let settings = HistorySettings {
        fine: config.monitor.history.fine,
        coarse: config.monitor.history.coarse,
        bytes_max: config.monitor.history.size,
        ..HistorySettings::default()
    };
    let (history, thread, kept) = History::open(&config.gateway.state_dir, settings);
    tasks.service("monitor history", thread.run(tasks.stop().clone()));
    let channels = Channels::start(channels(config), &tls, tasks);
    let quiet_hours = quiet_hours(config);
    let past = (history.clone(), kept);
    let now = Timestamp::now();
    let (watch, changes) = Watch::new(rules(config), quiet_hours, past, channels, now);
    let watch = Arc::new(Mutex::new(watch));
    let events = given.events.clone();
    for change in &changes {
        tell(&events, change);
    }
    let (orders, received) = mpsc::channel(ORDERS_MAX);
    let registers = config.monitor.register_containers;
    let surroundings = Surroundings {
        here: here.clone(),
        catalog: given.registry.catalog(),
        services: services(given),
        tell: Box::new(move |change| tell(&events, change)),
        containers: registers.then(|| Labels::start(given.registry, tasks)),
    };
    let (keeper, view, reads) = Keeper::new(surroundings, Arc::clone(&watch));
    tasks.service("monitor keeper", keeper.run(received, tasks.stop().clone()));
    let nodes = Nodes::new(config, given.registry.nodes(), orders.clone());
    Local { config, here: &here, orders: &orders, tasks }.start(given).map_err(failed)?;
    nodes.clone().start(tasks);
    let parts = control::Parts {
        here,
        view,
        reads,
        watch,
        history: history.clone(),
        nodes,
        orders,
        tls,
        events: given.events.clone(),
    };
    Ok((Some(Arc::new(SiteMonitor::new(parts, config, tasks.clone()))), history))
}

/// The nodes that no verb adds or removes, each with where it comes from.
pub(crate) fn fixed_nodes(config: &Config) -> Vec<(NodeName, &'static str)> {
    let servers = config.monitor.servers.iter();
    let servers = servers.map(|node| (node.name.clone(), "monitor.servers"));
    std::iter::once((here(), "this machine")).chain(servers).collect()
}

/// What this machine is called: its own name, as far as a node may be called so.
fn here() -> NodeName {
    let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
    NodeName::parse(&own).or_else(|_| NodeName::parse(UNNAMED)).unwrap_or_else(|_| {
        // Invariant: the constant is a name.
        unreachable!("{UNNAMED} is a name")
    })
}

/// The sources of this machine.
struct Local<'a> {
    config: &'a Config,
    here: &'a NodeName,
    orders: &'a mpsc::Sender<Order>,
    tasks: &'a Tasks,
}

impl Local<'_> {
    fn start(&self, given: &Given<'_>) -> std::io::Result<()> {
        let kinds = vec![SourceKind::Host, SourceKind::Gpu, SourceKind::Containers];
        let watched =
            Watched { name: self.here.clone(), address: None, tags: Vec::new(), sources: kinds };
        // Invariant: the queue is empty, nobody else has its sender yet.
        let _queued = self.orders.try_send(Order::Watch(watched));
        let units = self.config.monitor.units.iter().map(String::as_str);
        let units = Units::parse(units).map_err(std::io::Error::other)?;
        let host = HostSource::start(self.here.clone(), units)?;
        self.sample("monitor host", Box::new(host), Arc::default());
        let gpu = GpuSource::new(self.here.clone(), GpuPlaces::default());
        self.sample("monitor gpus", Box::new(gpu), Arc::default());
        let socket = self.config.monitor.docker_socket.clone();
        let containers = ContainersSource::new(self.here.clone(), socket, self.tasks.clone());
        let wake = containers.watch(self.tasks);
        self.sample("monitor containers", Box::new(containers), wake);
        let catalog = given.registry.catalog();
        let targets = move || targets(&catalog.load());
        let engines = EnginesSource::new(self.here.clone(), targets, Some(control::tls_for(given)));
        self.sample("monitor engines", Box::new(engines), Arc::default());
        Ok(())
    }

    fn sample(&self, name: &'static str, source: Box<dyn Source>, wake: Arc<Notify>) {
        let pace = Pace::every(self.config.monitor.interval);
        let sampling = sample(source, pace, wake, self.orders.clone());
        let stop = self.tasks.stop().clone();
        self.tasks.service(name, async move {
            stop.run_until_cancelled(sampling).await;
        });
    }
}

/// The rules that hold: the defaults and the operator's, which the configuration has judged.
fn rules(config: &Config) -> Vec<Rule> {
    rules::rules(&defaults::files(), &config.monitor.rules).unwrap_or_else(|error| {
        tracing::error!(%error, "the rules of alerts cannot be used; the defaults hold");
        defaults::rules()
    })
}

fn channels(config: &Config) -> Vec<channel::Channel> {
    channel::file::channels(&config.monitor.channels).unwrap_or_else(|error| {
        tracing::error!(%error, "nobody is told of alerts");
        Vec::new()
    })
}

fn quiet_hours(config: &Config) -> Vec<QuietHours> {
    let written = config.monitor.quiet_hours.iter();
    written.filter_map(|written| QuietHours::try_from(written).ok()).collect()
}

/// Alerts go the way of all observations: to the recorder.
fn tell(events: &EventSink, change: &AlertChange) {
    let alert = change.alert();
    events.send(Event::AlertChanged {
        at: change.at(),
        about: format!("{} {}", alert.rule, alert.series),
        is_raised: matches!(change, AlertChange::Raised(_)),
        message: wording::told(change),
        details: Box::new(wording::details(change)),
    });
}

/// What there is to judge about each service.
fn services(given: &Given<'_>) -> Box<dyn Fn() -> Vec<ServiceFacts> + Send> {
    let (routes, traffic) = (given.served.routes.clone(), given.served.traffic.clone());
    let board = given.board.clone();
    Box::new(move || {
        let (table, traffic) = (routes.load_full(), traffic.traffic());
        let facts = |pool: &Arc<Pool>| {
            let service = pool.service().clone();
            let route = table.route(&service).map(Arc::as_ref);
            let leaves = route.and_then(|route| route.leaves.as_ref());
            let counted = traffic.get(&service).copied().unwrap_or_default();
            let upstreams = pool.upstreams();
            let delivered = upstreams.iter().map(|upstream| upstream.delivered_mark());
            ServiceFacts {
                leaf_ends: leaves.map(|leaves| leaves.not_after()),
                is_down: board.is_down(pool, route),
                requests: counted.requests,
                errors: counted.errors,
                received: counted.received_bytes,
                sent: counted.sent_bytes,
                took: Duration::from_micros(counted.took_us),
                in_flight: upstreams.iter().map(|upstream| upstream.in_flight() as u64).sum(),
                delivered: delivered.fold(0, u64::wrapping_add),
                service,
            }
        };
        table.pools().map(facts).collect()
    })
}

/// What a machine without a usable name is called.
const UNNAMED: &str = "gateway";
