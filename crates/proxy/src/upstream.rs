//! One address we forward to, with the atomics that live as long as it does.
//!
//! An upstream outlives route tables: `compile` carries it over as long as its service, its address
//! and its probe stay the same, so its health and its load survive every publication.
//!
//! **Invariant:** only the prober writes the state, and only a publication the hold. The request
//! path counts and reports; a report never decides, never waits, and at most one is on its way at a
//! time.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use conduit_core::clock::Timestamp;
use conduit_core::health::UpstreamState;
use conduit_core::hold::HoldKind;
use conduit_core::name::ServiceName;
use conduit_core::service::ProbeSpec;
use conduit_core::upstream::UpstreamAddr;
use http::StatusCode;
use tokio::time::Instant;

use crate::connect::{Place, Transport};
use crate::health::probe::Outcome;
use crate::pool::Queue;

mod in_flight;
mod load;
mod reports;
mod seen;
mod spec;

pub use in_flight::InFlight;
use load::Load;
pub use reports::{Observation, Report, ReportQueue, Reports, reports};
pub use seen::Seen;
use seen::Traffic;
pub(crate) use seen::is_failure;
pub(crate) use spec::{NAME_OF_SOCKETS, own_host};
pub use spec::{UpstreamPolicy, UpstreamSpec};

/// One upstream of one service.
pub struct Upstream {
    id: u64,
    spec: UpstreamSpec,
    transport: Arc<Transport>,
    reports: Reports,
    /// What the prober thinks.
    state: AtomicU8,
    /// Whether an operator holds it back, and why.
    hold: AtomicU8,
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
    traffic: Traffic,
    /// Why traffic ejected it, while it is ejected for that.
    ejected_for: ArcSwapOption<String>,
}

impl Upstream {
    /// A new, unproven upstream.
    pub fn new(spec: UpstreamSpec, reports: Reports) -> Self {
        Self {
            id: reports.id_of(&spec),
            transport: Transport::of(&spec),
            spec,
            reports,
            state: AtomicU8::new(UNPROVEN),
            hold: AtomicU8::new(HELD_NOT),
            in_flight: AtomicUsize::new(0),
            reported: AtomicBool::new(false),
            delivered_ms: AtomicU64::new(0),
            admitted_ms: AtomicU64::new(0),
            load: Load::default(),
            queue: OnceLock::new(),
            resolved: ArcSwapOption::empty(),
            last_probe: ArcSwapOption::empty(),
            traffic: Traffic::default(),
            ejected_for: ArcSwapOption::empty(),
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

    /// Whether it receives traffic: what an operator decided, else what the prober thinks of it.
    pub fn state(&self) -> UpstreamState {
        match self.hold.load(Ordering::Acquire) {
            HELD_DRAINING => UpstreamState::Draining,
            HELD_EJECTED => UpstreamState::Ejected,
            _ => self.probed(),
        }
    }

    /// What the prober thinks of it, whoever holds it back.
    pub fn probed(&self) -> UpstreamState {
        match self.state.load(Ordering::Acquire) {
            ADMITTED => UpstreamState::Admitted,
            EJECTED => UpstreamState::Ejected,
            _ => UpstreamState::Unproven,
        }
    }

    /// Whether it may be picked.
    pub fn is_admitted(&self) -> bool {
        matches!(self.state(), UpstreamState::Admitted | UpstreamState::Unproven)
    }

    /// Whether an operator holds it back.
    pub fn is_held(&self) -> bool {
        self.hold.load(Ordering::Acquire) != HELD_NOT
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

    /// A number that is another one once it has delivered bytes again.
    pub fn delivered_mark(&self) -> u64 {
        self.delivered_ms.load(Ordering::Relaxed)
    }

    /// Whether it delivered bytes to a client at most `window` before `now`.
    pub fn delivered_within(&self, window: Duration, now: Instant) -> bool {
        match self.delivered_ms.load(Ordering::Relaxed) {
            0 => false,
            since => {
                let at = self.reports.moment(since - 1);
                now.saturating_duration_since(at) <= window
            }
        }
    }

    /// Counts what the request path saw of an answer.
    pub fn observe(self: &Arc<Self>, seen: Seen) {
        match seen {
            Seen::Head { status, .. } if is_failure(status.as_u16()) => {
                self.report(Observation::Status(status.as_u16()));
            }
            Seen::Head { status, took } => {
                if let Some(took) = took {
                    self.traffic.took(self.reports.millis(Instant::now()), took);
                }
                if status == StatusCode::SWITCHING_PROTOCOLS {
                    self.traffic.succeeded();
                }
            }
            Seen::Whole => self.traffic.succeeded(),
        }
    }

    /// How many requests in a row failed at it.
    pub fn failures(&self) -> u32 {
        self.traffic.failures()
    }

    /// The times to the first byte that were measured since a moment, in no particular order.
    pub fn times_since(&self, from: Instant) -> Vec<Duration> {
        self.traffic.times_since(self.reports.millis(from))
    }

    /// Why it receives nothing, or why its last probe failed.
    pub fn reason(&self) -> Option<String> {
        let ejected_for = self.ejected_for.load();
        let probed = || self.last_probe.load().as_ref().and_then(|probe| probe.outcome.reason());
        ejected_for.as_deref().cloned().or_else(probed)
    }

    /// Asks the prober to let it in now, whatever it thinks of it; the next probe judges it anew.
    pub(crate) fn ask_in(self: &Arc<Self>) {
        let report = Report { upstream: Arc::clone(self), observation: Observation::AskedIn };
        if !self.reports.send(report) {
            // Only a prober that is thousands of reports behind, or gone: then probes let it in.
            tracing::warn!(upstream = %self.addr(), "the prober is too busy to admit an upstream");
        }
    }

    /// Counts a failure and tells the prober what the request path saw, which asks for a probe at
    /// once.
    ///
    /// A report that follows one not yet looked at, and one that does not fit, is dropped: the
    /// probe will find out.
    pub fn report(self: &Arc<Self>, observation: Observation) {
        self.traffic.failed(self.reports.millis(Instant::now()));
        if self.reported.swap(true, Ordering::AcqRel) {
            return;
        }
        let report = Report { upstream: Arc::clone(self), observation };
        if !self.reports.send(report) {
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
            // Only an operator drains.
            UpstreamState::Ejected | UpstreamState::Draining => EJECTED,
            UpstreamState::Unproven => UNPROVEN,
        };
        if value == ADMITTED && self.state.load(Ordering::Relaxed) != ADMITTED {
            self.stamp_admission();
        }
        self.state.store(value, Ordering::Release);
    }

    fn stamp_admission(&self) {
        let now_ms = self.since_epoch_ms(Instant::now());
        self.admitted_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Holds it back or lets it go, and says whether that is new; only publishing calls this.
    pub(crate) fn set_hold(&self, kind: Option<HoldKind>) -> bool {
        let value = match kind {
            Some(HoldKind::Drain) => HELD_DRAINING,
            Some(HoldKind::Eject) => HELD_EJECTED,
            None => HELD_NOT,
        };
        if value == HELD_NOT && self.is_held() {
            // What comes back gets its share as slowly as what was ejected.
            self.stamp_admission();
        }
        self.hold.swap(value, Ordering::AcqRel) != value
    }

    /// Notes why traffic ejected it; `None` once it is admitted, which begins its counts anew.
    pub(crate) fn set_ejected_for(&self, reason: Option<String>) {
        if reason.is_none() {
            self.traffic.succeeded();
        }
        self.ejected_for.store(reason.map(Arc::new));
    }

    /// Notes where its name leads to; an address leads to itself.
    pub(crate) fn set_resolved(&self, socket: SocketAddr) {
        if self.socket() != Some(socket) {
            self.resolved.store(Some(Arc::new(socket)));
        }
    }

    pub(crate) fn set_last_probe(&self, probe: LastProbe) {
        self.last_probe.store(Some(Arc::new(probe)));
    }

    /// Milliseconds after the epoch of the reports, plus one.
    fn since_epoch_ms(&self, now: Instant) -> u64 {
        self.reports.millis(now) + 1
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

/// States as they are stored.
const UNPROVEN: u8 = 0;
const ADMITTED: u8 = 1;
const EJECTED: u8 = 2;
/// Holds as they are stored.
const HELD_NOT: u8 = 0;
const HELD_DRAINING: u8 = 1;
const HELD_EJECTED: u8 = 2;
