//! The upstreams of one service, and the choice among them.
//!
//! A selection is made ready whenever an upstream flips, and swapped: one that had to step over
//! ejected upstreams would spread their share unevenly. It says where to look first; when that
//! place is taken, or was tried, or has just flipped, the pool looks at all upstreams of the first
//! rank that still has an untried one. Ranks are priorities, and within each the upstreams that
//! never answered a probe come last.
//!
//! **Invariant:** a place is never given at an upstream that an operator holds back, nor at an
//! ejected one (unless the request says that any will do, and none is admitted), nor at one that was tried, nor beyond the limit of requests in
//! flight. Choosing takes no lock; only who has to wait waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use conduit_core::health::{Health, UpstreamState};
use conduit_core::hold::Hold;
use conduit_core::name::{Host, ServiceName};

use tokio::time::Instant;

use crate::upstream::{InFlight, Upstream, UpstreamSpec};

mod ask;
mod budget;
mod queue;
mod selection;
mod settings;
pub use ask::{Ask, Refused, Wish};
use budget::RetryBudget;
pub use queue::Queue;
use selection::Selection;
pub use settings::PoolSettings;

/// The candidates for the requests of one service.
pub struct Pool {
    service: ServiceName,
    host: Host,
    settings: Arc<PoolSettings>,
    upstreams: Box<[Arc<Upstream>]>,
    /// The share of each upstream; none, when all are alike.
    shares: Box<[Placing]>,
    /// Requests in flight per upstream.
    in_flight_max: Option<usize>,
    /// What operators hold back; it counts once [`Pool::settle`] was called.
    holds: Box<[Hold]>,
    selection: ArcSwap<Selection>,
    /// Where a look at all upstreams begins.
    turn: AtomicUsize,
    /// Who waits; absent when nothing limits the requests in flight.
    queue: Option<Arc<Queue>>,
    /// What is left for retries; absent where there is nobody else to try.
    budget: Option<Box<RetryBudget>>,
}

impl Pool {
    /// A pool over these upstreams, in the order of registration, with their present states.
    pub fn new(
        service: ServiceName,
        host: Host,
        settings: Arc<PoolSettings>,
        upstreams: Vec<Arc<Upstream>>,
    ) -> Self {
        let share = |upstream: &Arc<Upstream>| {
            let asked = settings.shares.iter().find(|share| share.upstream == *upstream.addr());
            asked.map_or(ALIKE, |share| Placing {
                weight: share.weight.max(1),
                rank: share.priority,
            })
        };
        let shares = if settings.shares.is_empty() {
            Box::default()
        } else {
            upstreams.iter().map(share).collect()
        };
        let pool = Self {
            shares,
            queue: settings.in_flight_max.map(|_| queue_of(&upstreams)),
            in_flight_max: settings.in_flight_max.map(|max| max as usize),
            service,
            host,
            settings,
            budget: (upstreams.len() > 1).then(|| Box::new(RetryBudget::new())),
            upstreams: upstreams.into(),
            holds: Box::default(),
            selection: ArcSwap::new(Selection::Nobody.shared()),
            turn: AtomicUsize::new(0),
        };
        pool.refresh();
        pool
    }

    /// The same, with what operators hold back.
    #[must_use]
    pub fn holding(self, holds: &[Hold]) -> Self {
        Self { holds: holds.into(), ..self }
    }

    /// Makes what is held back count; the caller has just published this pool.
    pub(crate) fn settle(&self) {
        let mut changed = false;
        for upstream in &self.upstreams {
            changed |= upstream.set_hold(self.hold(upstream).map(|hold| hold.kind));
        }
        if changed {
            self.refresh();
        }
    }

    /// Who holds an upstream back, if anybody.
    pub fn hold(&self, upstream: &Upstream) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.upstream == *upstream.addr())
    }

    /// Everything that is held back.
    pub(crate) fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// The service these are the upstreams of.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The service's primary host, which probes ask for.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What it was told to do.
    pub fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// Every upstream, in the order of registration.
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// Who could take a request now, without taking a place there; another than the one `tried`.
    pub fn pick(&self, tried: Option<&Arc<Upstream>>) -> Option<Arc<Upstream>> {
        let ask = Ask { tried: tried.map_or(&[], std::slice::from_ref), ..Ask::default() };
        self.place(&ask).ok().map(|in_flight| Arc::clone(in_flight.upstream()))
    }

    /// Takes a place for a request, if there is one and nobody waits for it.
    ///
    /// # Errors
    /// [`Refused::Nobody`] or [`Refused::Full`].
    pub fn reserve(&self, ask: &Ask<'_>) -> Result<InFlight, Refused> {
        match &self.queue {
            Some(queue) if queue.waiting() > 0 => Err(Refused::Full),
            _ => self.place(ask),
        }
    }

    /// Waits for a place, after [`Pool::reserve`] found them all taken.
    ///
    /// # Errors
    /// [`Refused::Nobody`], [`Refused::QueueFull`] or [`Refused::TimedOut`].
    pub async fn wait(&self, ask: &Ask<'_>) -> Result<InFlight, Refused> {
        let most = self.settings.queue_max as usize;
        let queue = self.queue.as_ref().ok_or(Refused::Full)?;
        let mut waiting = queue.enter(most).ok_or(Refused::QueueFull)?;
        let found = waiting.until(|| match self.place(ask) {
            Err(Refused::Full) => None,
            other => Some(other),
        });
        let waited = tokio::time::timeout(self.settings.queue_timeout, found).await;
        waited.unwrap_or(Err(Refused::TimedOut))
    }

    /// How many requests wait for a place.
    pub fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.waiting())
    }

    /// Notes that a request came, which earns its part of a retry.
    pub(crate) fn asked(&self, now: Instant) {
        if let Some(budget) = &self.budget {
            budget.asked(now);
        }
    }

    /// Takes one retry out of `percent` of the recent requests, unless they are used up.
    pub(crate) fn take_retry(&self, percent: u8, now: Instant) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.take(percent, now))
    }

    /// How the service is doing, judged by its upstreams.
    pub fn health(&self) -> Health {
        let counts = self.counts();
        Health::of(counts.admitted, counts.ejected + counts.draining, self.upstreams.len())
    }

    /// How many upstreams are in which state.
    pub fn counts(&self) -> StateCounts {
        let mut counts = StateCounts::default();
        for upstream in &self.upstreams {
            counts.add(upstream.state());
        }
        counts
    }

    /// Makes the selection anew after a flip; only the prober and a publication call this.
    pub(crate) fn refresh(&self) {
        self.selection.store(Selection::of(self).shared());
        if let Some(queue) = &self.queue {
            // Who waits may have a place now, or nobody left to wait for.
            queue.freed();
        }
    }

    /// Whether a pool compiled for this host, settings and upstreams would be this one.
    pub(crate) fn is_for(
        &self,
        host: &Host,
        settings: &Arc<PoolSettings>,
        specs: &[UpstreamSpec],
    ) -> bool {
        self.host == *host
            && self.settings == *settings
            && self.upstreams.iter().map(|upstream| upstream.spec()).eq(specs)
    }

    /// Takes a place: where the client was before, where the selection says, or where there is one.
    fn place(&self, ask: &Ask<'_>) -> Result<InFlight, Refused> {
        if let Some(held) = ask.wish.held
            && let Some(place) = self.places().find(|place| self.upstreams[*place].id() == held)
            && let Some(in_flight) = self.take(place, ask)
        {
            return Ok(in_flight);
        }
        let chosen = self.selection.load().choose(self, ask);
        chosen.and_then(|place| self.take(place, ask)).map_or_else(|| self.search(ask), Ok)
    }

    /// Takes a place at this one, unless it is ejected, was tried, or has its fill.
    fn take(&self, place: usize, ask: &Ask<'_>) -> Option<InFlight> {
        let upstream = &self.upstreams[place];
        (upstream.is_admitted() && !ask.tried(upstream))
            .then(|| upstream.try_begin(self.in_flight_max))
            .flatten()
    }

    /// Looks at every upstream of the first rank that has an untried one. What was tried counts
    /// like an ejected one: the request moves on to the next rank.
    fn search(&self, ask: &Ask<'_>) -> Result<InFlight, Refused> {
        let untried = |place: &usize| !ask.tried(&self.upstreams[*place]);
        for _ in self.places() {
            let Some(rank) = self.places().filter(untried).filter_map(|p| self.rank(p)).min()
            else {
                return self.any(ask);
            };
            let mut of_rank = self.rotated().filter(|place| self.rank(*place) == Some(rank));
            if let Some(in_flight) = of_rank.find_map(|place| self.take(place, ask)) {
                return Ok(in_flight);
            }
            if self.in_flight_max.is_some() {
                return Err(Refused::Full);
            }
            // It has flipped under our eyes; look again.
        }
        Err(Refused::Nobody)
    }

    /// The last resort of services that would rather try: any upstream, although all are ejected.
    /// What an operator holds back stays held back.
    fn any(&self, ask: &Ask<'_>) -> Result<InFlight, Refused> {
        if !ask.any || !ask.tried.is_empty() || self.upstreams.iter().all(|u| u.is_held()) {
            return Err(Refused::Nobody);
        }
        self.rotated()
            .map(|place| &self.upstreams[place])
            .filter(|upstream| !upstream.is_held())
            .find_map(|upstream| upstream.try_begin(self.in_flight_max))
            .ok_or(Refused::Full)
    }

    /// Whether a request could be sent there.
    fn is_open(&self, place: usize, ask: &Ask<'_>) -> bool {
        let upstream = &self.upstreams[place];
        upstream.is_admitted()
            && !ask.tried(upstream)
            && self.in_flight_max.is_none_or(|max| upstream.in_flight() < max)
    }

    /// In which order it is used: lower ones first; `None` while it receives nothing.
    fn rank(&self, place: usize) -> Option<(u8, bool)> {
        match self.upstreams[place].state() {
            UpstreamState::Admitted => Some((self.share(place).rank, false)),
            UpstreamState::Unproven => Some((self.share(place).rank, true)),
            UpstreamState::Draining | UpstreamState::Ejected => None,
        }
    }

    fn share(&self, place: usize) -> Placing {
        self.shares.get(place).copied().unwrap_or(ALIKE)
    }

    fn places(&self) -> std::ops::Range<usize> {
        0..self.upstreams.len()
    }

    /// Every place once, starting one further at each call.
    fn rotated(&self) -> impl Iterator<Item = usize> {
        let len = self.upstreams.len();
        let start = match len {
            0 | 1 => 0,
            _ => self.turn.fetch_add(1, Ordering::Relaxed) % len,
        };
        (start..len).chain(0..start)
    }
}

/// What the policy says of one upstream.
#[derive(Debug, Clone, Copy)]
struct Placing {
    /// Its share, from 1 on.
    weight: u16,
    /// Its priority; lower ones come first.
    rank: u8,
}

/// Of one of which it says nothing.
const ALIKE: Placing = Placing { weight: 1, rank: 0 };

/// The queue that some of these upstreams have already, or a new one, which they all join.
fn queue_of(upstreams: &[Arc<Upstream>]) -> Arc<Queue> {
    let known = upstreams.iter().find_map(|upstream| upstream.queue());
    let queue = known.map_or_else(|| Arc::new(Queue::new()), Arc::clone);
    for upstream in upstreams {
        upstream.join(&queue);
    }
    queue
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("service", &self.service)
            .field("host", &self.host)
            .field("upstreams", &self.upstreams)
            .finish_non_exhaustive()
    }
}

/// How many upstreams are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateCounts {
    /// They answered a probe and receive traffic.
    pub admitted: usize,
    /// An operator drained them: they finish what they have.
    pub draining: usize,
    /// They receive none.
    pub ejected: usize,
    /// They receive traffic, and were not probed yet.
    pub unproven: usize,
}

impl StateCounts {
    /// Counts one more upstream.
    pub fn add(&mut self, state: UpstreamState) {
        match state {
            UpstreamState::Admitted => self.admitted += 1,
            UpstreamState::Draining => self.draining += 1,
            UpstreamState::Ejected => self.ejected += 1,
            UpstreamState::Unproven => self.unproven += 1,
        }
    }
}

#[cfg(test)]
mod tests;
