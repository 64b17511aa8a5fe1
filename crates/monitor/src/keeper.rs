//! The one hand that holds what is known of all nodes: reports come in, the view goes out.
//!
//! **Invariant:** only this task publishes the view and shows samples to the judge. A report about
//! a node that is not watched any more changes nothing.

mod known;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conduit_core::catalog::{Catalog, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::live;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::known::Known;
use crate::alert::AlertChange;
use crate::engines::{self, EngineFigures};
use crate::growth::Growth;
use crate::metric::Sample;
use crate::node::NodeName;
use crate::reading::container::ContainersReading;
use crate::sampler::Report;
use crate::samples;
use crate::services::{self, ServiceFacts, Services};
use crate::source::SourceKind;
use crate::ties::{Place, Ties};
use crate::view::NodesView;
use crate::watch::Watch;

/// What the keeper is told.
#[derive(Debug)]
pub enum Order {
    /// What became of a read.
    Report(Box<Report>),
    /// A node is watched from now on.
    Watch(Watched),
    /// A node is watched no more.
    Forget(NodeName),
    /// Something about alerts changed beside the samples, such as a silence: show it.
    Refresh,
}

impl From<Report> for Order {
    fn from(report: Report) -> Self {
        Self::Report(Box::new(report))
    }
}

/// A node that is to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// What it is called.
    pub name: NodeName,
    /// Where it is, for people; `None` is this machine.
    pub address: Option<String>,
    /// Words it is grouped by.
    pub tags: Vec<String>,
    /// The sources that it has.
    pub sources: Vec<SourceKind>,
}

/// What the keeper needs of the gateway.
pub struct Surroundings {
    /// What this machine is called.
    pub here: NodeName,
    /// The services, to which containers are tied.
    pub catalog: live::Reader<Catalog>,
    /// What there is to judge about each service.
    pub services: Box<dyn Fn() -> Vec<ServiceFacts> + Send>,
    /// Who records alerts.
    pub tell: Box<dyn Fn(&AlertChange) + Send>,
    /// Who looks at the labels of this machine's containers.
    pub containers: Option<LabelReader>,
}

/// Who takes each reading of this machine's containers.
pub type LabelReader = Box<dyn Fn(&ContainersReading) + Send>;

/// How long the last read of each source took.
pub type Reads = Arc<Mutex<BTreeMap<(NodeName, SourceKind), Duration>>>;

/// Holds what is known of all nodes.
pub struct Keeper {
    surroundings: Surroundings,
    watch: Arc<Mutex<Watch>>,
    view: live::Writer<NodesView>,
    reads: Reads,
    nodes: BTreeMap<NodeName, Known>,
    engines: Engines,
    ties: Ties,
    ties_of: Option<Generation>,
    growth: Growth,
    services: Services,
    looked_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Engines {
    figures: Arc<[EngineFigures]>,
    at: Option<Timestamp>,
}

impl Engines {
    /// Whether a service is an engine.
    fn has(&self, service: &str) -> bool {
        self.figures.iter().any(|figures| figures.engine.service.as_str() == service)
    }
}

impl Keeper {
    /// A keeper of no node yet, and who reads what it publishes.
    pub fn new(
        surroundings: Surroundings,
        watch: Arc<Mutex<Watch>>,
    ) -> (Self, live::Reader<NodesView>, Reads) {
        let (view, reader) = live::channel(Arc::new(NodesView::default()));
        let reads = Reads::default();
        let keeper = Self {
            surroundings,
            watch,
            view,
            reads: Arc::clone(&reads),
            nodes: BTreeMap::new(),
            engines: Engines::default(),
            ties: Ties::default(),
            ties_of: None,
            growth: Growth::default(),
            services: Services::default(),
            looked_at: None,
        };
        (keeper, reader, reads)
    }

    /// Takes orders until `stop`.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                order = orders.recv() => match order {
                    Some(order) => self.take(order, Timestamp::now()),
                    None => return,
                },
                _ = tick.tick() => self.tick(Timestamp::now()),
            }
        }
    }

    fn take(&mut self, order: Order, now: Timestamp) {
        match order {
            Order::Report(report) => self.report(*report, now),
            Order::Watch(watched) => {
                self.nodes.insert(watched.name.clone(), Known::new(watched));
                // Where it is counts for whose containers are on it.
                self.ties_of = None;
            }
            Order::Forget(name) => {
                self.nodes.remove(&name);
                self.ties_of = None;
                self.reads().retain(|(node, _), _| *node != name);
                self.growth.forget(&name);
                let changes = self.watch().forget(&name, now);
                self.tell(&changes);
            }
            Order::Refresh => {}
        }
        self.publish();
    }

    fn report(&mut self, report: Report, now: Timestamp) {
        self.tie();
        if report.kind == SourceKind::Engines {
            return self.report_engines(report, now);
        }
        let Some(known) = self.nodes.get_mut(&report.node) else {
            return;
        };
        self.reads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((report.node.clone(), report.kind), report.took);
        let before = known.view();
        let (kind, is_here) = (report.kind, report.node == self.surroundings.here);
        known.take(report, is_here, &self.ties);
        let mut samples = samples::of(Some(&before), &known.view(), now);
        self.growth.observe(&mut samples);
        if kind == SourceKind::Containers
            && let (Some(labels), Some(containers)) =
                (&self.surroundings.containers, known.containers())
        {
            labels(containers);
        }
        self.observe(samples, now);
    }

    fn report_engines(&mut self, report: Report, now: Timestamp) {
        let Ok(reading) = report.outcome else { return };
        let found = reading.engines.unwrap_or_default();
        let elapsed = self.engines.at.map(|at| reading.at.since(at)).unwrap_or_default();
        let figures = engines::figures(&self.engines.figures, found, elapsed);
        self.observe(samples::of_engines(&report.node, &figures, now), now);
        self.engines = Engines { figures: figures.into(), at: Some(reading.at) };
    }

    fn tick(&mut self, now: Timestamp) {
        let is_due = self.looked_at.is_none_or(|at| now.since(at) >= LOOK_EVERY || now < at);
        let samples = if is_due { self.look(now) } else { Vec::new() };
        self.observe(samples, now);
        self.publish();
    }

    /// Looks at the services.
    fn look(&mut self, now: Timestamp) -> Vec<Sample> {
        self.looked_at = Some(now);
        self.growth.prune(now);
        let facts = (self.surroundings.services)();
        let views: Vec<_> = self.nodes.values().map(Known::view).collect();
        let mut idle = services::idle_on_gpus(views.iter().map(Arc::as_ref));
        // Whether others are silent for a reason is not known: they may hold a connection open.
        idle.retain(|service| self.engines.has(service));
        self.services.samples(&self.surroundings.here, &facts, &idle, now)
    }

    fn observe(&self, samples: Vec<Sample>, now: Timestamp) {
        let changes = self.watch().observe(samples, now);
        self.tell(&changes);
    }

    fn tell(&self, changes: &[AlertChange]) {
        for change in changes {
            (self.surroundings.tell)(change);
        }
    }

    /// Makes the ties anew when the catalog or the nodes changed.
    fn tie(&mut self) {
        let catalog = self.surroundings.catalog.load_full();
        if self.ties_of == Some(catalog.generation()) {
            return;
        }
        let here = self.surroundings.here.clone();
        let mut ties = Ties::of(&catalog).with_place(here, Place::here(&catalog));
        for known in self.nodes.values() {
            if let Some(address) = known.address() {
                ties = ties.with_place(known.name().clone(), Place::at(address));
            }
        }
        (self.ties, self.ties_of) = (ties, Some(catalog.generation()));
    }

    fn publish(&mut self) {
        let nodes = self.nodes.iter().map(|(name, known)| (name.clone(), known.view()));
        let (nodes, alerts) = (nodes.collect(), self.watch().alerts());
        let engines = Arc::clone(&self.engines.figures);
        self.view.publish(Arc::new(NodesView { nodes, engines, alerts }));
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reads(&self) -> MutexGuard<'_, BTreeMap<(NodeName, SourceKind), Duration>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// How many orders wait for the keeper; a sampler waits when there are more.
pub const ORDERS_MAX: usize = 256;
/// How often the judge is shown that nothing came, so that what is lost is noticed.
const TICK: Duration = Duration::from_secs(10);
/// How often services are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
