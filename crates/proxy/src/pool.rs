//! The upstreams of one service, and the choice among them.
//!
//! Pingora's round robin walks the *admitted* upstreams only: the prober rebuilds the selection on
//! every flip and swaps it, because a selection that has to step over ejected ones spreads their
//! share unevenly.
//!
//! **Invariant:** a pick never returns an ejected upstream (except [`Pool::pick_any`], which says
//! so), takes no lock and waits for nothing.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use conduit_core::health::{Health, UpstreamState};
use conduit_core::hold::Hold;
use conduit_core::name::{Host, ServiceName};
use pingora_load_balancing::selection::{BackendIter, BackendSelection, RoundRobin};
use pingora_load_balancing::{Backend, Extensions};

use crate::upstream::{Upstream, UpstreamSpec};

mod settings;
pub use settings::PoolSettings;

/// The candidates for the requests of one service.
pub struct Pool {
    service: ServiceName,
    host: Host,
    settings: PoolSettings,
    upstreams: Box<[Arc<Upstream>]>,
    /// What operators hold back; it counts once [`Pool::settle`] was called.
    holds: Box<[Hold]>,
    selection: ArcSwap<Selection>,
    /// Where [`Pool::pick_any`] goes on.
    any: AtomicUsize,
}

impl Pool {
    /// A pool over these upstreams, in the order of registration, with their present states.
    pub fn new(
        service: ServiceName,
        host: Host,
        settings: PoolSettings,
        upstreams: Vec<Arc<Upstream>>,
    ) -> Self {
        let selection = Selection::of(&upstreams);
        Self {
            service,
            host,
            settings,
            upstreams: upstreams.into(),
            holds: Box::default(),
            selection: ArcSwap::from_pointee(selection),
            any: AtomicUsize::new(0),
        }
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

    /// Chooses among the admitted upstreams; after a failed try, another than the one `tried`.
    pub fn pick(&self, tried: Option<&Upstream>) -> Option<Arc<Upstream>> {
        let usable = |upstream: &&Arc<Upstream>| {
            upstream.is_admitted() && tried.is_none_or(|t| !std::ptr::eq(t, Arc::as_ptr(upstream)))
        };
        let selection = self.selection.load();
        let chosen = match &**selection {
            Selection::Nobody => None,
            Selection::One(place) => self.upstreams.get(*place),
            Selection::Several(round) => round
                .iter(b"")
                .next()
                .and_then(place_of)
                .and_then(|place| self.upstreams.get(place)),
        };
        chosen
            .filter(usable)
            // The choice was tried already, or a flip is overtaking the selection.
            .or_else(|| self.rotated().find(usable))
            .cloned()
    }

    /// Chooses among all upstreams, ejected or not: for services that would rather try. What an
    /// operator holds back stays held back.
    pub fn pick_any(&self) -> Option<Arc<Upstream>> {
        self.rotated().find(|upstream| !upstream.is_held()).cloned()
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

    /// Rebuilds the selection after a flip; only the prober and a publication call this.
    pub(crate) fn refresh(&self) {
        self.selection.store(Arc::new(Selection::of(&self.upstreams)));
    }

    /// Whether a pool compiled for this host, settings and upstreams would be this one.
    pub(crate) fn is_for(
        &self,
        host: &Host,
        settings: &PoolSettings,
        specs: &[UpstreamSpec],
    ) -> bool {
        self.host == *host
            && self.settings == *settings
            && self.upstreams.iter().map(|upstream| upstream.spec()).eq(specs)
    }

    /// Every upstream once, starting one further at each call.
    fn rotated(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        let len = self.upstreams.len();
        let start = match len {
            0 | 1 => 0,
            _ => self.any.fetch_add(1, Ordering::Relaxed) % len,
        };
        self.upstreams[start..].iter().chain(&self.upstreams[..start])
    }
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

/// The choice among the upstreams that were admitted when it was built; places are indices into
/// the pool's upstreams.
enum Selection {
    Nobody,
    One(usize),
    Several(Arc<RoundRobin>),
}

impl Selection {
    fn of(upstreams: &[Arc<Upstream>]) -> Self {
        let admitted = upstreams
            .iter()
            .enumerate()
            .filter(|(_, upstream)| upstream.is_admitted())
            .map(|(place, _)| place);
        let mut places = admitted.clone();
        match (places.next(), places.next()) {
            (None, _) => Self::Nobody,
            (Some(only), None) => Self::One(only),
            _ => {
                let set: BTreeSet<Backend> = admitted.map(stand_in).collect();
                Self::Several(Arc::new(RoundRobin::build(&set)))
            }
        }
    }
}

/// What stands for an upstream in pingora's selection: its place in the pool, written as an
/// address, since a host name has none and two names may share one.
fn stand_in(place: usize) -> Backend {
    let address = Ipv6Addr::from_bits(place as u128);
    Backend {
        addr: SocketAddr::from((address, STAND_IN_PORT)).into(),
        weight: WEIGHT,
        ext: Extensions::new(),
    }
}

fn place_of(backend: &Backend) -> Option<usize> {
    match backend.addr.as_inet()? {
        SocketAddr::V6(address) => usize::try_from(address.ip().to_bits()).ok(),
        SocketAddr::V4(_) => None,
    }
}

/// Every upstream gets the same share; pingora panics when all weights are 0.
const WEIGHT: usize = 1;
/// Means nothing; an address needs one.
const STAND_IN_PORT: u16 = 1;

#[cfg(test)]
mod tests;
