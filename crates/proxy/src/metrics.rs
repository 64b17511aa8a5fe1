//! What the proxy counts.
//!
//! Every worker counts into a shard of its own, so that counting costs no contention; a scrape adds
//! the shards up.
//!
//! **Invariant:** a shard's map is locked once per service and worker, never per request; counting
//! is a plain load and store. What a service takes is made with its first request, and let go once
//! it is no longer registered.

mod count;
mod counters;
mod histogram;
mod http3;
mod scrape;
mod traffic;
mod upstreams;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use conduit_core::catalog::Version;
use conduit_core::live;
use conduit_core::name::ServiceName;
use foldhash::fast::RandomState;

use prometheus_client::registry::Registry;

pub(crate) use self::count::Count;
pub(crate) use self::counters::{Ending, Queued, ServiceCounters};
use self::http3::Http3Counters;
use self::scrape::Scrape;
pub use self::traffic::{Traffic, TrafficByService};
use self::upstreams::States;
use crate::limits::hits::Hits;
use crate::table::RouteTable;
use crate::tcp::counters::Refusals;

/// Everything the proxy counts; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProxyMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    shards: Mutex<Vec<Arc<Shard>>>,
    connections: AtomicU64,
    connections_open: AtomicU64,
    connections_resting: AtomicU64,
    handshakes_failed: AtomicU64,
    tunnels_open: AtomicU64,
    cut: AtomicU64,
    refused: AtomicU64,
    streams_refused: Refusals,
    http3: Http3Counters,
    hits: Hits,
}

type Shard = Mutex<HashMap<ServiceName, Arc<ServiceCounters>, RandomState>>;

impl ProxyMetrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what is counted here to what `/metrics` shows, under `proxy_…`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Scrape(Arc::clone(&self.0))));
    }

    /// Adds the states of the upstreams in the published table.
    pub fn register_upstreams(registry: &mut Registry, table: live::Reader<RouteTable>) {
        registry.register_collector(Box::new(States(table)));
    }

    /// How many connections are open, over all workers.
    pub fn connections_open(&self) -> u64 {
        self.0.connections_open.load(Ordering::Relaxed)
    }

    /// How many of them are at rest, over all workers.
    #[cfg(test)]
    pub(crate) fn connections_resting(&self) -> u64 {
        self.0.connections_resting.load(Ordering::Relaxed)
    }

    /// Where limits that were reached are counted.
    pub(crate) fn hits(&self) -> &Hits {
        &self.0.hits
    }

    /// How many requests and tunnels were cut at the deadline of a stop.
    pub fn cut(&self) -> u64 {
        self.0.cut.load(Ordering::Relaxed)
    }

    /// A shard for one worker.
    pub(crate) fn worker(&self) -> WorkerMetrics {
        let shard = Arc::<Shard>::default();
        lock(&self.0.shards).push(Arc::clone(&shard));
        let swept = Cell::new(Version::default());
        WorkerMetrics { all: self.clone(), shard, known: RefCell::default(), swept }
    }
}

/// A connection that is at rest.
#[derive(Debug)]
pub(crate) struct Resting<'a>(&'a AtomicU64);

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The counters of one worker.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    all: ProxyMetrics,
    shard: Arc<Shard>,
    known: RefCell<HashMap<ServiceName, Arc<ServiceCounters>, RandomState>>,
    /// The table of the last sweep.
    swept: Cell<Version>,
}

impl WorkerMetrics {
    /// The counters of a service.
    pub(crate) fn service(&self, service: &ServiceName) -> Arc<ServiceCounters> {
        if let Some(counters) = self.known.borrow().get(service) {
            return Arc::clone(counters);
        }
        let counters = Arc::clone(lock(&self.shard).entry(service.clone()).or_default());
        self.known.borrow_mut().insert(service.clone(), Arc::clone(&counters));
        counters
    }

    /// Forgets services that are gone, so that names that come and go do not pile up. Those that
    /// stay keep their counts, whatever else is published.
    pub(crate) fn sweep(&self, table: &RouteTable) {
        if self.swept.replace(table.version()) == table.version() {
            return;
        }
        let is_there = |service: &ServiceName| table.pool(service).is_some();
        self.known.borrow_mut().retain(|service, _| is_there(service));
        lock(&self.shard).retain(|service, _| is_there(service));
    }

    pub(crate) fn connection_opened(&self) {
        self.all.0.connections.fetch_add(1, Ordering::Relaxed);
        self.all.0.connections_open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.all.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }

    /// A quiet connection gave its buffers back, until this is dropped.
    pub(crate) fn connection_rests(&self) -> Resting<'_> {
        self.all.0.connections_resting.fetch_add(1, Ordering::Relaxed);
        Resting(&self.all.0.connections_resting)
    }

    pub(crate) fn tunnel_opened(&self) {
        self.all.0.tunnels_open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tunnel_closed(&self) {
        self.all.0.tunnels_open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.all.0.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that reached no service: a bad host, an unknown one, a redirect.
    pub(crate) fn request_refused(&self) {
        self.all.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Limits that were reached.
    pub(crate) fn hits(&self) -> &Hits {
        self.all.hits()
    }

    /// Connections of byte streams that reached no service.
    pub(crate) fn streams_refused(&self) -> &Refusals {
        &self.all.0.streams_refused
    }

    /// What HTTP/3 counts.
    pub(crate) fn http3(&self) -> &Http3Counters {
        &self.all.0.http3
    }

    pub(crate) fn cut(&self, count: u64) {
        self.all.0.cut.fetch_add(count, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Counters stay right whatever panicked while it was held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
