//! What changes anywhere, compared once and told to whoever listens.
//!
//! **Invariant:** a change after [`Feed::listen`] is told. Nothing is compared while nobody listens,
//! at most one comparison is made in [`GATHER`], and one of traffic in [`TRAFFIC_PACE`]. Whoever is
//! too slow misses whole batches, and is told so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use conduit_audit::Head;
use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::live;
use conduit_monitor::view::NodesView;
use conduit_proxy::health::board::HealthBoard;
use conduit_proxy::metrics::{ProxyMetrics, TrafficByService};
use conduit_proxy::table::RouteTable;
use futures_util::FutureExt;
use tokio::sync::broadcast;
use tokio::time::{Instant, MissedTickBehavior};

use crate::changes::{self, Event, Look};
use crate::limits::{FEED_BACKLOG, GATHER, TRAFFIC_PACE};

/// Tells what changes.
pub(crate) struct Feed {
    sources: Sources,
    /// What was seen last; `None` while nobody listens.
    seen: Mutex<Option<Look>>,
    told: broadcast::Sender<Batch>,
}

/// What went through when it was last told.
struct Counted {
    all: TrafficByService,
    /// Nothing moved.
    is_quiet: bool,
}

impl Counted {
    fn nothing() -> Self {
        Self { all: TrafficByService::default(), is_quiet: true }
    }
}

/// The events of one moment, as server-sent events have them.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// About nodes and alerts.
    pub(crate) nodes: Bytes,
    /// About everything else.
    pub(crate) rest: Bytes,
}

/// Where changes show.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) catalog: live::Reader<Catalog>,
    pub(crate) table: live::Reader<RouteTable>,
    pub(crate) health: HealthBoard,
    pub(crate) head: live::Reader<Head>,
    /// None when the monitor is off.
    pub(crate) nodes: Option<live::Reader<NodesView>>,
    /// Between two readings of a node.
    pub(crate) interval: Duration,
    pub(crate) traffic: ProxyMetrics,
    /// When the gateway started.
    pub(crate) started: Instant,
}

impl Feed {
    pub(crate) fn new(sources: Sources) -> Self {
        let (told, _) = broadcast::channel(FEED_BACKLOG);
        Self { sources, seen: Mutex::new(None), told }
    }

    /// Listens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Batch> {
        let mut seen = self.seen();
        seen.get_or_insert_with(|| self.sources.look(None));
        self.told.subscribe()
    }

    /// Tells changes for ever.
    pub(crate) async fn run(&self) {
        let mut sources = self.sources.clone();
        let mut pace = tokio::time::interval(TRAFFIC_PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut counted = None;
        loop {
            tokio::select! {
                is_health = sources.changed() => {
                    self.tell(is_health);
                    tokio::time::sleep(GATHER).await;
                }
                _ = pace.tick() => counted = self.tell_traffic(counted),
            }
        }
    }

    /// Tells what went through since `last`; that it is quiet now is told once. Nothing is counted
    /// while nobody listens.
    fn tell_traffic(&self, last: Option<Counted>) -> Option<Counted> {
        if self.told.receiver_count() == 0 {
            return None;
        }
        let (all, times) =
            (self.sources.traffic.traffic(), (Timestamp::now(), self.sources.started.elapsed()));
        let last = last.unwrap_or_else(Counted::nothing);
        let (event, is_quiet) = changes::counts(&last.all, &all, times);
        if !(is_quiet && last.is_quiet) {
            let batch = Batch { nodes: Bytes::new(), rest: event.text().into() };
            // The last one may have gone meanwhile.
            self.told.send(batch).ok();
        }
        Some(Counted { all, is_quiet })
    }

    fn tell(&self, is_health: bool) {
        let mut seen = self.seen();
        let Some(old) = seen.take().filter(|_| self.told.receiver_count() > 0) else {
            return;
        };
        let new = self.sources.look(Some(&old).filter(|_| !is_health));
        let news = changes::between(&old, &new, Timestamp::now(), self.sources.interval);
        *seen = Some(new);
        let text = |events: &[Event]| events.iter().map(Event::text).collect::<String>().into();
        if !(news.nodes.is_empty() && news.rest.is_empty()) {
            let batch = Batch { nodes: text(&news.nodes), rest: text(&news.rest) };
            // The last one may have gone meanwhile.
            self.told.send(batch).ok();
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Look>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sources {
    /// What there is to see; where no service and no upstream can be doing otherwise than at `old`,
    /// they are not asked again.
    fn look(&self, old: Option<&Look>) -> Look {
        // The table first: it is never newer than the catalog.
        let table = self.table.load_full();
        let catalog = self.catalog.load_full();
        let outlooks = match old.filter(|old| Arc::ptr_eq(&old.table, &table)) {
            Some(old) => Arc::clone(&old.outlooks),
            None => Arc::new(changes::outlooks(&catalog, &self.health, Timestamp::now())),
        };
        let nodes = self.nodes.as_ref().map(live::Reader::load_full);
        Look { catalog, table, outlooks, head: self.head.load_full(), nodes }
    }

    /// Waits for a change; says whether the health of services may be another.
    async fn changed(&mut self) -> bool {
        let mut is_health = false;
        tokio::select! {
            () = self.catalog.changed() => {}
            () = self.table.changed() => {}
            () = self.head.changed() => {}
            () = changed(&mut self.nodes) => {}
            () = self.health.changed() => is_health = true,
        }
        // What came at the same time is part of the same moment.
        self.catalog.changed().now_or_never();
        self.table.changed().now_or_never();
        self.head.changed().now_or_never();
        changed(&mut self.nodes).now_or_never();
        is_health || self.health.changed().now_or_never().is_some()
    }
}

async fn changed(nodes: &mut Option<live::Reader<NodesView>>) {
    match nodes {
        Some(nodes) => nodes.changed().await,
        None => std::future::pending().await,
    }
}
