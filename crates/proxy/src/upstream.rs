//! One address we forward to, with the atomics that live as long as it does.
//!
//! An upstream outlives route tables: `compile` carries it over as long as its service, its address
//! and its probe stay the same, so its health and its load survive every publication.
//!
//! **Invariant:** only the prober writes the state. The request path counts and reports; a report
//! never decides, never waits, and at most one is on its way at a time.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use conduit_core::clock::Timestamp;
use conduit_core::health::UpstreamState;
use conduit_core::name::ServiceName;
use conduit_core::policy::{Policy, ProbePolicy, ServerName, UpstreamTls};
use conduit_core::service::{ProbeSpec, Protocol, Service};
use conduit_core::upstream::UpstreamAddr;
use http::StatusCode;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connect::{Place, Transport};
use crate::health::probe::Outcome;
use crate::pool::Queue;

mod load;
use load::Load;

/// One upstream of one service.
pub struct Upstream {
    id: u64,
    spec: UpstreamSpec,
    transport: Arc<Transport>,
    reports: Reports,
    state: AtomicU8,
    in_flight: AtomicUsize,
    reported: AtomicBool,
    /// Milliseconds after the epoch of the reports, plus one; 0 is never.
    delivered_ms: AtomicU64,
    /// When it was admitted, counted the same way.
    admitted_ms: AtomicU64,
    load: Load,
    /// Who waits for one of its pool's places; absent while nothing limits their number.
    queue: OnceLock<Arc<Queue>>,
    resolved: ArcSwapOption<SocketAddr>,
    last_probe: ArcSwapOption<LastProbe>,
}

impl Upstream {
    /// A new, unproven upstream.
    pub fn new(spec: UpstreamSpec, reports: Reports) -> Self {
        Self {
            id: reports.ids.hash_one((spec.service.as_str(), &spec.addr)),
            transport: Arc::new(Transport::of(&spec)),
            spec,
            reports,
            state: AtomicU8::new(UNPROVEN),
            in_flight: AtomicUsize::new(0),
            reported: AtomicBool::new(false),
            delivered_ms: AtomicU64::new(0),
            admitted_ms: AtomicU64::new(0),
            load: Load::default(),
            queue: OnceLock::new(),
            resolved: ArcSwapOption::empty(),
            last_probe: ArcSwapOption::empty(),
        }
    }

    /// Everything that makes it this upstream and no other.
    pub fn spec(&self) -> &UpstreamSpec {
        &self.spec
    }

    /// The service it belongs to.
    pub fn service(&self) -> &ServiceName {
        &self.spec.service
    }

    /// What the operator registered.
    pub fn addr(&self) -> &UpstreamAddr {
        &self.spec.addr
    }

    /// How it is probed.
    pub fn probe(&self) -> &ProbeSpec {
        &self.spec.probe
    }

    /// Where to connect to: the literal address, or the one its name had last; `None` while a name
    /// has not been resolved yet.
    pub fn socket(&self) -> Option<SocketAddr> {
        self.spec.addr.socket().or_else(|| self.resolved.load().as_deref().copied())
    }

    /// Where to connect to, whatever it is; `None` while a name has not been resolved yet.
    pub(crate) fn place(&self) -> Option<Place> {
        match self.spec.addr.unix() {
            Some(path) => Some(Place::Unix(Arc::clone(path))),
            None => self.socket().map(Place::Tcp),
        }
    }

    /// How it is spoken to.
    pub fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    /// What the prober thinks of it.
    pub fn state(&self) -> UpstreamState {
        match self.state.load(Ordering::Acquire) {
            ADMITTED => UpstreamState::Admitted,
            EJECTED => UpstreamState::Ejected,
            _ => UpstreamState::Unproven,
        }
    }

    /// Whether it may be picked.
    pub fn is_admitted(&self) -> bool {
        self.state() != UpstreamState::Ejected
    }

    /// Counts a request to it until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// How many requests to it are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The same, if fewer than `max` are under way; never more, whoever asks at the same time.
    pub(crate) fn try_begin(self: &Arc<Self>, max: Option<usize>) -> Option<InFlight> {
        let Some(max) = max else {
            return Some(self.begin());
        };
        // Ordered against the count of those who wait: see `Queue`.
        self.in_flight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| (now < max).then_some(now + 1))
            .ok()
            .map(|_| InFlight(Arc::clone(self)))
    }

    /// A number that tells it from the others without telling its address, the same as long as
    /// this process lives.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The head of an answer came, `took` after the request was sent.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration, now: Instant) {
        let now_ms = self.since_epoch_ms(now);
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => self.load.penalize(now_ms),
            _ => self.load.observe(took, now_ms),
        }
    }

    /// A request got no answer.
    pub(crate) fn failed(&self, now: Instant) {
        self.load.penalize(self.since_epoch_ms(now));
    }

    /// Seconds to the first byte, lately; `None` when nothing is known.
    pub fn recent_first_byte(&self, now: Instant) -> Option<f64> {
        self.load.recent(self.since_epoch_ms(now))
    }

    /// How long it has been admitted; `None` while it is not.
    pub(crate) fn admitted_for(&self, now: Instant) -> Option<Duration> {
        let since = self.admitted_ms.load(Ordering::Relaxed);
        (self.state() == UpstreamState::Admitted)
            .then(|| Duration::from_millis(self.since_epoch_ms(now).saturating_sub(since)))
    }

    /// Those who wait for one of its places, if their number was ever limited.
    pub(crate) fn queue(&self) -> Option<&Arc<Queue>> {
        self.queue.get()
    }

    /// From now on `queue` hears of every place that becomes free; the first one stays.
    pub(crate) fn join(&self, queue: &Arc<Queue>) {
        self.queue.get_or_init(|| Arc::clone(queue));
    }

    /// Notes that it just delivered bytes to a client: it is busy, not dead.
    pub fn delivered(&self, now: Instant) {
        self.delivered_ms.store(self.since_epoch_ms(now), Ordering::Relaxed);
    }

    /// Whether it delivered bytes to a client at most `window` before `now`.
    pub fn delivered_within(&self, window: Duration, now: Instant) -> bool {
        match self.delivered_ms.load(Ordering::Relaxed) {
            0 => false,
            since => {
                let at = self.reports.epoch + Duration::from_millis(since - 1);
                now.saturating_duration_since(at) <= window
            }
        }
    }

    /// Tells the prober what the request path saw, which asks for a probe at once.
    ///
    /// A report that follows one not yet looked at, and one that does not fit, is dropped: the
    /// probe will find out.
    pub fn report(self: &Arc<Self>, observation: Observation) {
        if self.reported.swap(true, Ordering::AcqRel) {
            return;
        }
        let report = Report { upstream: Arc::clone(self), observation };
        if self.reports.sender.try_send(report).is_err() {
            self.reported.store(false, Ordering::Release);
        }
    }

    /// The last probe of it.
    pub fn last_probe(&self) -> Option<Arc<LastProbe>> {
        self.last_probe.load_full()
    }

    pub(crate) fn set_state(&self, state: UpstreamState) {
        let value = match state {
            UpstreamState::Admitted => ADMITTED,
            UpstreamState::Ejected => EJECTED,
            UpstreamState::Unproven => UNPROVEN,
        };
        if value == ADMITTED && self.state.load(Ordering::Relaxed) != ADMITTED {
            let now_ms = self.since_epoch_ms(Instant::now());
            self.admitted_ms.store(now_ms, Ordering::Relaxed);
        }
        self.state.store(value, Ordering::Release);
    }

    pub(crate) fn set_resolved(&self, socket: SocketAddr) {
        self.resolved.store(Some(Arc::new(socket)));
    }

    pub(crate) fn set_last_probe(&self, probe: LastProbe) {
        self.last_probe.store(Some(Arc::new(probe)));
    }

    /// Milliseconds after the epoch of the reports, plus one.
    fn since_epoch_ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.reports.epoch).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }

    /// Lets the next report through.
    fn hear(&self) {
        self.reported.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("spec", &self.spec)
            .field("state", &self.state())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// Everything that makes an upstream this one and no other: when any of it changes, its history and
/// its connections do not carry over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// The service it belongs to.
    pub service: ServiceName,
    /// What the operator registered.
    pub addr: UpstreamAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// How its certificate is judged, for `https`.
    pub tls: UpstreamTls,
    /// The name that is asked for in TLS; its own when absent.
    pub server_name: Option<ServerName>,
    /// Which path is probed, if any.
    pub probe: ProbeSpec,
    /// How it is probed beyond that.
    pub probing: ProbePolicy,
}

impl UpstreamSpec {
    /// One upstream of a service; `asked` is its policy with its preset's part.
    pub fn of(service: &Service, asked: &Policy, addr: &UpstreamAddr) -> Self {
        Self {
            service: service.name.clone(),
            addr: addr.clone(),
            protocol: service.protocol,
            tls: asked.upstream.tls.clone().unwrap_or_default(),
            server_name: asked.upstream.server_name.clone(),
            probe: service.probe.clone(),
            probing: asked.probe.clone(),
        }
    }
}

/// One request under way, counted until it is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Upstream>);

impl InFlight {
    /// The upstream it goes to.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(queue) = self.0.queue.get() {
            queue.freed();
        }
    }
}

/// What the request path saw of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// It did not answer a connection attempt.
    ConnectFailed,
    /// It closed a connection, or broke the protocol, before the head of its answer.
    NoAnswer,
}

/// The last probe of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastProbe {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// Makes the queue between the request path and the prober.
pub fn reports() -> (Reports, ReportQueue) {
    let (sender, receiver) = mpsc::channel(REPORTS_MAX);
    let reports = Reports { sender, epoch: Instant::now(), ids: RandomState::new() };
    (reports, ReportQueue(receiver))
}

/// Where upstreams report; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reports {
    sender: mpsc::Sender<Report>,
    /// Moments are counted from here.
    epoch: Instant,
    /// What [`Upstream::id`] is made with.
    ids: RandomState,
}

/// Where the prober reads.
#[derive(Debug)]
pub struct ReportQueue(mpsc::Receiver<Report>);

impl ReportQueue {
    /// The next report; `None` once no upstream is left to report.
    pub async fn next(&mut self) -> Option<Report> {
        let report = self.0.recv().await?;
        report.upstream.hear();
        Some(report)
    }
}

/// One report of the request path.
#[derive(Debug)]
pub struct Report {
    /// About this upstream.
    pub upstream: Arc<Upstream>,
    /// What was seen.
    pub observation: Observation,
}

/// How many reports wait for the prober; each upstream has at most one.
const REPORTS_MAX: usize = 4096;
/// States as they are stored.
const UNPROVEN: u8 = 0;
const ADMITTED: u8 = 1;
const EJECTED: u8 = 2;
