//! What the prober found, for people and for the API: a read model over the published table.
//!
//! **Invariant:** holds no state of its own; what it shows is what the request path acts on.

use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::health::{Health, UpstreamState};
use conduit_core::hold::{Hold, HoldKind};
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_core::upstream::UpstreamAddr;
use tokio::sync::watch;

use crate::health::probe::Outcome;
use crate::pool::{Pool, StateCounts};
use crate::sni::RouteLeaves;
use crate::table::{Route, RouteTable};
use crate::tcp::TcpPorts;
use crate::upstream::Upstream;

/// Reads the health of services; cheap to clone.
#[derive(Debug, Clone)]
pub struct HealthBoard {
    table: live::Reader<RouteTable>,
    news: watch::Receiver<()>,
    ports: Option<TcpPorts>,
}

/// How one service is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceHealth {
    /// In one word.
    pub health: Health,
    /// Why it is not healthy, when it is not.
    pub reason: Option<String>,
    /// When one of its upstreams was probed last.
    pub last_probe_at: Option<Timestamp>,
    /// How long the last probe that passed took, rounded up.
    pub response_time_ms: Option<u64>,
    /// Its upstreams, in the order of registration.
    pub upstreams: Vec<UpstreamHealth>,
}

/// How one upstream is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamHealth {
    /// Where it is.
    pub addr: UpstreamAddr,
    /// Whether it receives traffic.
    pub state: UpstreamState,
    /// Who holds it back, if anybody.
    pub hold: Option<Hold>,
    /// Why it receives nothing, or why its last probe failed.
    pub reason: Option<String>,
    /// When it was probed last.
    pub last_probe_at: Option<Timestamp>,
    /// How long its last probe took, rounded up; `None` when it failed.
    pub response_time_ms: Option<u64>,
    /// How many requests to it are under way.
    pub in_flight: usize,
}

impl HealthBoard {
    pub(crate) fn new(table: live::Reader<RouteTable>, news: watch::Receiver<()>) -> Self {
        Self { table, news, ports: None }
    }

    /// The same, which also knows the ports of services of byte streams.
    #[must_use]
    pub fn with_ports(self, ports: Option<TcpPorts>) -> Self {
        Self { ports, ..self }
    }

    /// How a service is doing; `None` when there is no such service.
    pub fn service(&self, name: &ServiceName, now: Timestamp) -> Option<ServiceHealth> {
        let table = self.table.load();
        let pool = table.pool(name)?;
        let route = table.route(name);
        let leaves = route.and_then(|route| route.leaves.as_deref());
        let mut health = ServiceHealth::of(pool, leaves, now);
        if let Some(fault) = route.and_then(|route| self.port_fault(route)) {
            // Whatever its upstreams do, nobody reaches them.
            (health.health, health.reason) = (Health::Down, Some(fault));
        }
        Some(health)
    }

    /// Whether nobody reaches the service of this pool: none of its upstreams receives requests, or
    /// its port could not be bound. Of thousands, cheaper than [`HealthBoard::service`].
    pub fn is_down(&self, pool: &Pool, route: Option<&Route>) -> bool {
        pool.health() == Health::Down || route.is_some_and(|route| self.port_fault(route).is_some())
    }

    fn port_fault(&self, route: &Route) -> Option<String> {
        self.ports.as_ref()?.fault(route.port()?)
    }

    /// How many of these services are in which health, and how many of their upstreams in which
    /// state; a service that has no route yet is unknown.
    pub fn count<'a>(
        &self,
        services: impl IntoIterator<Item = &'a ServiceName>,
        now: Timestamp,
    ) -> (HealthCounts, StateCounts) {
        let (mut healths, mut states) = (HealthCounts::default(), StateCounts::default());
        for name in services {
            let known = self.service(name, now);
            match known.as_ref().map_or(Health::Unknown, |known| known.health) {
                Health::Degraded => healths.degraded += 1,
                Health::Down => healths.down += 1,
                Health::Healthy => healths.healthy += 1,
                Health::Unknown => healths.unknown += 1,
            }
            for upstream in known.iter().flat_map(|known| &known.upstreams) {
                states.add(upstream.state);
            }
        }
        (healths, states)
    }

    /// Waits for a change of state, or for the first outcome of an upstream, after the last one
    /// this board waited for. Never returns once the prober has ended.
    pub async fn changed(&mut self) {
        if self.news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks the prober to let an upstream in now; the next probe, which comes at once, judges it
    /// anew. One that is not there, or is held back, is left alone.
    pub fn admit(&self, service: &ServiceName, addr: &UpstreamAddr) {
        let table = self.table.load();
        let pool = table.pool(service);
        let mut upstreams = pool.into_iter().flat_map(|pool| pool.upstreams());
        if let Some(upstream) = upstreams.find(|upstream| upstream.addr() == addr) {
            upstream.ask_in();
        }
    }
}

impl ServiceHealth {
    /// Judges a service by its upstreams and its leaves.
    pub fn of(pool: &Pool, leaves: Option<&RouteLeaves>, now: Timestamp) -> Self {
        let upstreams: Vec<UpstreamHealth> =
            pool.upstreams().iter().map(|u| UpstreamHealth::of(u, pool.hold(u))).collect();
        let mut health = pool.health();
        let ejected = |upstream: &&UpstreamHealth| {
            matches!(upstream.state, UpstreamState::Ejected | UpstreamState::Draining)
        };
        let mut reason = upstreams.iter().find(ejected).and_then(|u| u.reason.clone());
        if let Some(overdue) = leaves.and_then(|leaves| overdue(leaves, now)) {
            if matches!(health, Health::Healthy | Health::Unknown) {
                health = Health::Degraded;
            }
            reason = reason.or_else(|| Some(overdue.to_owned()));
        }
        let last_passed = upstreams
            .iter()
            .filter(|upstream| upstream.response_time_ms.is_some())
            .max_by_key(|upstream| upstream.last_probe_at);
        Self {
            health,
            reason,
            last_probe_at: upstreams.iter().filter_map(|u| u.last_probe_at).max(),
            response_time_ms: last_passed.and_then(|upstream| upstream.response_time_ms),
            upstreams,
        }
    }
}

impl UpstreamHealth {
    fn of(upstream: &Upstream, hold: Option<&Hold>) -> Self {
        let last = upstream.last_probe();
        let last = last.as_deref();
        Self {
            addr: upstream.addr().clone(),
            state: upstream.state(),
            reason: hold.map(told).or_else(|| upstream.reason()),
            hold: hold.cloned(),
            last_probe_at: last.map(|probe| probe.at),
            response_time_ms: last
                .filter(|probe| probe.outcome == Outcome::Passed)
                .map(|probe| millis_up(probe.latency)),
            in_flight: upstream.in_flight(),
        }
    }
}

/// How many services are in which health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthCounts {
    /// Some upstream is ejected.
    pub degraded: usize,
    /// No upstream is admitted.
    pub down: usize,
    /// Every upstream is admitted.
    pub healthy: usize,
    /// Nothing was probed yet.
    pub unknown: usize,
}

/// A leaf is renewed the moment it is due; one that is still there an eighth of the remaining time
/// later tells that renewal fails.
/// Why leaves are out of their time, when they are: expired, or past their renewal by an eighth of what
/// was left then.
pub fn overdue(leaves: &RouteLeaves, now: Timestamp) -> Option<&'static str> {
    let grace = leaves.not_after().since(leaves.renew_at()) / 8;
    if now > leaves.not_after() {
        Some("the certificate has expired")
    } else if now > leaves.renew_at().plus(grace) {
        Some("the certificate is past its renewal")
    } else {
        None
    }
}

/// `drained by alice`.
fn told(hold: &Hold) -> String {
    let done = match hold.kind {
        HoldKind::Drain => "drained",
        HoldKind::Eject => "ejected",
    };
    format!("{done} by {}", hold.by)
}

fn millis_up(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}
