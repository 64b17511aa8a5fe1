//! What the proxy counts.
//!
//! Every worker counts into a shard of its own, so that counting costs no contention; a scrape adds
//! the shards up.
//!
//! **Invariant:** a shard's map is locked once per service and worker, never per request; counting
//! is a relaxed atomic add.

mod upstreams;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conduit_core::live;
use conduit_core::name::ServiceName;
use foldhash::fast::RandomState;

use crate::tcp::counters::{Refusals, StreamCounters, StreamSum, encode_refusals, encode_streams};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use self::upstreams::States;
use crate::table::RouteTable;

/// Everything the proxy counts; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProxyMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    shards: Mutex<Vec<Arc<Shard>>>,
    connections: AtomicU64,
    connections_open: AtomicU64,
    handshakes_failed: AtomicU64,
    tunnels_open: AtomicU64,
    cut: AtomicU64,
    refused: AtomicU64,
    streams_refused: Refusals,
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

    /// Drops the counts of services that are gone; `keep` says which are not.
    pub fn retain(&self, keep: impl Fn(&ServiceName) -> bool) {
        for shard in lock(&self.0.shards).iter() {
            lock(shard).retain(|service, _| keep(service));
        }
    }

    /// How many connections are open, over all workers.
    pub fn connections_open(&self) -> u64 {
        self.0.connections_open.load(Ordering::Relaxed)
    }

    /// How many requests and tunnels were cut at the deadline of a stop.
    pub fn cut(&self) -> u64 {
        self.0.cut.load(Ordering::Relaxed)
    }

    /// A shard for one worker.
    pub(crate) fn worker(&self) -> WorkerMetrics {
        let shard = Arc::<Shard>::default();
        lock(&self.0.shards).push(Arc::clone(&shard));
        WorkerMetrics { all: self.clone(), shard, known: RefCell::default() }
    }
}

/// The counters of one worker.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    all: ProxyMetrics,
    shard: Arc<Shard>,
    known: RefCell<HashMap<ServiceName, Arc<ServiceCounters>, RandomState>>,
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

    /// Forgets services that [`ProxyMetrics::retain`] dropped.
    pub(crate) fn sweep(&self) {
        let shard = lock(&self.shard);
        self.known.borrow_mut().retain(|service, _| shard.contains_key(service));
    }

    pub(crate) fn connection_opened(&self) {
        self.all.0.connections.fetch_add(1, Ordering::Relaxed);
        self.all.0.connections_open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.all.0.connections_open.fetch_sub(1, Ordering::Relaxed);
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

    /// Connections of byte streams that reached no service.
    pub(crate) fn streams_refused(&self) -> &Refusals {
        &self.all.0.streams_refused
    }

    pub(crate) fn cut(&self, count: u64) {
        self.all.0.cut.fetch_add(count, Ordering::Relaxed);
    }
}

/// What is counted per service.
#[derive(Debug, Default)]
pub(crate) struct ServiceCounters {
    classes: [AtomicU64; CLASSES.len()],
    duration: Histogram,
    first_byte: Histogram,
    in_flight: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    retries: AtomicU64,
    /// Of a service of byte streams.
    pub(crate) streams: StreamCounters,
    endings: [AtomicU64; ENDINGS],
    retries_refused: AtomicU64,
    queued: AtomicU64,
    queue_refused: AtomicU64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an answer, or because the gateway or the upstream broke off.
    Answered,
    /// Its client left in the middle of the answer.
    Cancelled,
    /// Its client left before there was an answer.
    CancelledBeforeFirstByte,
    /// Its client made no progress.
    ClientTimeout,
    /// No answer began in time.
    FirstByteTimeout,
    /// The answer fell silent.
    IdleTimeout,
}

/// A request that waits in the queue of its service, until this is dropped.
#[derive(Debug)]
pub(crate) struct Queued(Arc<ServiceCounters>);

impl Queued {
    pub(crate) fn begin(counters: &Arc<ServiceCounters>) -> Self {
        counters.queued.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }

    /// It found no place in time, or not even one in the queue.
    pub(crate) fn gave_up(&self) {
        self.0.queue_refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServiceCounters {
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// An upstream began to answer this long after the request's head was read.
    pub(crate) fn first_byte(&self, after: Duration) {
        self.first_byte.note(after);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retry_refused(&self) {
        self.retries_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts how a request ended, when it is not the usual way.
    pub(crate) fn ended(&self, ending: Ending) {
        if ending != Ending::Answered {
            self.endings[ending as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that began with [`ServiceCounters::begin`]; status 0 is a client that left
    /// before there was one.
    pub(crate) fn end(&self, status: u16, took: Duration, bytes_in: u64, bytes_out: u64) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let class = usize::from(status / 100).min(CLASSES.len() - 1);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.duration.note(took);
        self.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    }
}

/// Durations in buckets.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    fn note(&self, took: Duration) {
        let bucket = BUCKETS_MS.partition_point(|ms| Duration::from_millis(*ms) < took);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }
}

/// The sum of histograms, as plain numbers.
#[derive(Debug, Default)]
struct Durations {
    buckets: [u64; BUCKETS_MS.len() + 1],
    sum_us: u64,
}

impl Durations {
    fn add(&mut self, histogram: &Histogram) {
        for (sum, value) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += value.load(Ordering::Relaxed);
        }
        self.sum_us += histogram.sum_us.load(Ordering::Relaxed);
    }
}

/// The sum of the shards for one service, as plain numbers.
#[derive(Debug, Default)]
struct Sum {
    classes: [u64; CLASSES.len()],
    duration: Durations,
    first_byte: Durations,
    in_flight: u64,
    bytes_in: u64,
    bytes_out: u64,
    retries: u64,
    streams: StreamSum,
    endings: [u64; ENDINGS],
    retries_refused: u64,
    queued: u64,
    queue_refused: u64,
}

impl Sum {
    fn add(&mut self, counters: &ServiceCounters) {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        for (sum, value) in self.classes.iter_mut().zip(&counters.classes) {
            *sum += read(value);
        }
        self.duration.add(&counters.duration);
        self.first_byte.add(&counters.first_byte);
        self.in_flight += read(&counters.in_flight);
        self.bytes_in += read(&counters.bytes_in);
        self.bytes_out += read(&counters.bytes_out);
        self.retries += read(&counters.retries);
        self.streams.add(&counters.streams);
        for (sum, value) in self.endings.iter_mut().zip(&counters.endings) {
            *sum += read(value);
        }
        self.retries_refused += read(&counters.retries_refused);
        self.queued += read(&counters.queued);
        self.queue_refused += read(&counters.queue_refused);
    }
}

/// Reads everything for one scrape.
struct Scrape(Arc<Inner>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let inner = &self.0;
        for (name, help, value) in [
            ("proxy_connections", "Connections accepted", &inner.connections),
            (
                "proxy_handshakes_failed",
                "TLS handshakes that failed or took too long",
                &inner.handshakes_failed,
            ),
            ("proxy_requests_refused", "Requests that reached no service", &inner.refused),
            ("proxy_cut", "Requests and tunnels cut at the deadline of a stop", &inner.cut),
        ] {
            let counter = ConstCounter::new(value.load(Ordering::Relaxed));
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        for (name, help, value) in [
            ("proxy_connections_open", "Connections open now", &inner.connections_open),
            ("proxy_tunnels_open", "Tunnels open now", &inner.tunnels_open),
        ] {
            let gauge = ConstGauge::new(value.load(Ordering::Relaxed).cast_signed());
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let sums = sums(inner);
        encode_refusals(&mut encoder, &inner.streams_refused)?;
        let streams = sums.iter().map(|(service, sum)| (service.as_str(), &sum.streams));
        encode_streams(&mut encoder, streams)?;
        encode_services(&mut encoder, &sums)
    }
}

fn sums(inner: &Inner) -> BTreeMap<ServiceName, Sum> {
    let mut sums = BTreeMap::<ServiceName, Sum>::new();
    for shard in lock(&inner.shards).iter() {
        for (service, counters) in lock(shard).iter() {
            sums.entry(service.clone()).or_default().add(counters);
        }
    }
    sums
}

fn encode_services(
    encoder: &mut DescriptorEncoder<'_>,
    sums: &BTreeMap<ServiceName, Sum>,
) -> fmt::Result {
    let counter = MetricType::Counter;
    let mut metric =
        encoder.encode_descriptor("proxy_requests", "Requests by status class", None, counter)?;
    for (service, sum) in sums {
        for (class, count) in CLASSES.iter().zip(sum.classes) {
            let labels = [("service", service.as_str()), ("status", *class)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    for (name, help, read) in PER_SERVICE {
        let mut metric = encoder.encode_descriptor(name, help, None, counter)?;
        for (service, sum) in sums {
            let labels = [("service", service.as_str())];
            ConstCounter::new(read(sum)).encode(metric.encode_family(&labels)?)?;
        }
    }
    for (name, help, read) in GAUGES {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (service, sum) in sums {
            let labels = [("service", service.as_str())];
            ConstGauge::new(read(sum).cast_signed()).encode(metric.encode_family(&labels)?)?;
        }
    }
    for (name, help, read) in HISTOGRAMS {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (service, sum) in sums {
            let labels = [("service", service.as_str())];
            encode_histogram(metric.encode_family(&labels)?, read(sum))?;
        }
    }
    Ok(())
}

fn encode_histogram(mut metric: MetricEncoder<'_>, durations: &Durations) -> fmt::Result {
    let bounds = BUCKETS_MS.iter().map(|ms| seconds(ms * 1_000));
    let buckets: Vec<(f64, u64)> =
        bounds.chain([f64::INFINITY]).zip(durations.buckets.iter().copied()).collect();
    let total = durations.buckets.iter().sum();
    let no_exemplars = None::<&HashMap<usize, _>>;
    let sum = seconds(durations.sum_us);
    metric.encode_histogram::<[(&str, &str); 0]>(sum, total, &buckets, no_exemplars)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sum of durations needs no more than 52 bits of microseconds"
)]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Counters stay right whatever panicked while it was held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One number per service: its name, its help, and where it is.
type PerService = (&'static str, &'static str, fn(&Sum) -> u64);

const PER_SERVICE: [PerService; 10] = [
    ("proxy_request_bytes", "Bytes of request bodies", |sum| sum.bytes_in),
    ("proxy_response_bytes", "Bytes of response bodies", |sum| sum.bytes_out),
    ("proxy_retries", "Requests moved to another upstream", |sum| sum.retries),
    ("proxy_cancelled", "Requests whose client left before their end", |sum| {
        sum.endings[Ending::Cancelled as usize]
            + sum.endings[Ending::CancelledBeforeFirstByte as usize]
    }),
    (
        "proxy_cancelled_before_first_byte",
        "Requests whose client left before an answer began",
        |sum| sum.endings[Ending::CancelledBeforeFirstByte as usize],
    ),
    ("proxy_client_timeouts", "Requests given up because their client made no progress", |sum| {
        sum.endings[Ending::ClientTimeout as usize]
    }),
    ("proxy_first_byte_timeouts", "Requests that no upstream began to answer in time", |sum| {
        sum.endings[Ending::FirstByteTimeout as usize]
    }),
    ("proxy_idle_timeouts", "Answers cut because their upstream fell silent", |sum| {
        sum.endings[Ending::IdleTimeout as usize]
    }),
    (
        "proxy_retries_refused",
        "Failed requests that the retry budget kept from another upstream",
        |sum| sum.retries_refused,
    ),
    (
        "proxy_queue_refused",
        "Requests that waited for a place in vain, or found the queue full",
        |sum| sum.queue_refused,
    ),
];
const GAUGES: [PerService; 2] = [
    ("proxy_requests_in_flight", "Requests under way", |sum| sum.in_flight),
    ("proxy_requests_queued", "Requests that wait for a place", |sum| sum.queued),
];
/// One histogram per service: its name, its help, and where it is.
type PerServiceHistogram = (&'static str, &'static str, fn(&Sum) -> &Durations);

const HISTOGRAMS: [PerServiceHistogram; 2] = [
    (
        "proxy_request_duration_seconds",
        "From the end of the request's head to the end of the response",
        |sum| &sum.duration,
    ),
    (
        "proxy_first_byte_seconds",
        "From the end of the request's head to the head of the upstream's response",
        |sum| &sum.first_byte,
    ),
];
/// How many [`Ending`]s there are.
const ENDINGS: usize = 6;
/// Status classes; the first is for clients that left before there was a status.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Upper bounds of the duration's buckets.
const BUCKETS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 120_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_adds_the_workers_up() {
        let metrics = ProxyMetrics::new();
        let mut registry = Registry::with_prefix("conduit");
        metrics.register(&mut registry);
        let service = ServiceName::parse("grafana").expect("valid");
        for worker in [metrics.worker(), metrics.worker()] {
            let counters = worker.service(&service);
            counters.begin();
            counters.first_byte(Duration::from_millis(2));
            counters.end(200, Duration::from_millis(3), 5, 70);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        for line in [
            "conduit_proxy_requests_total{service=\"grafana\",status=\"2xx\"} 2",
            "conduit_proxy_requests_in_flight{service=\"grafana\"} 0",
            "conduit_proxy_response_bytes_total{service=\"grafana\"} 140",
            "conduit_proxy_request_duration_seconds_bucket{le=\"0.002\",service=\"grafana\"} 0",
            "conduit_proxy_request_duration_seconds_bucket{le=\"0.005\",service=\"grafana\"} 2",
            "conduit_proxy_first_byte_seconds_bucket{le=\"0.001\",service=\"grafana\"} 0",
            "conduit_proxy_first_byte_seconds_bucket{le=\"0.002\",service=\"grafana\"} 2",
            "conduit_proxy_first_byte_seconds_sum{service=\"grafana\"} 0.004",
            "conduit_proxy_request_duration_seconds_bucket{le=\"+Inf\",service=\"grafana\"} 2",
        ] {
            assert!(text.contains(line), "{line}\nin\n{text}");
        }
        metrics.retain(|_| false);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        assert!(!text.contains("grafana"));
    }

    #[test]
    fn upstreams_are_shown_as_they_are() {
        use crate::fixture;
        let table = fixture::table(vec![fixture::service("web", &["10.0.0.1:80", "10.0.0.2:80"])]);
        let upstreams = table.pools().next().expect("one").upstreams().to_vec();
        upstreams[0].set_state(conduit_core::health::UpstreamState::Ejected);
        let _busy = upstreams[1].begin();
        let (_writer, reader) = live::channel(Arc::new(table));
        let mut registry = Registry::with_prefix("conduit");
        ProxyMetrics::register_upstreams(&mut registry, reader);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        for line in [
            "conduit_proxy_upstream_state{service=\"web\",upstream=\"10.0.0.1:80\"} 0",
            "conduit_proxy_upstream_state{service=\"web\",upstream=\"10.0.0.2:80\"} -1",
            "conduit_proxy_upstream_in_flight{service=\"web\",upstream=\"10.0.0.2:80\"} 1",
        ] {
            assert!(text.contains(line), "{line}\nin\n{text}");
        }
    }
}
