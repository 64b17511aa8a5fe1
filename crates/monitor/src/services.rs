//! Services, as the monitor judges them: by what this gateway sees of their traffic, their health
//! and their leaves, and by the GPUs of the machines that run them.
//!
//! **Invariant:** a service that is well and through which nothing goes gives no samples, so thousands
//! of them cost no series. One
//! about which something was told is told of once more when that is over, so that its alert ends.

mod errors;
mod rates;
mod stall;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::name::ServiceName;

use self::errors::Errors;
use self::rates::Rates;
use self::stall::Stall;
pub(crate) use self::stall::idle_on_gpus;
use crate::metric::{Metric, Sample};
use crate::node::NodeName;
use crate::samples::{Samples, flag};

/// What the gateway knows of a service at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Which one.
    pub service: ServiceName,
    /// When its leaf is worthless; `None` when it has none.
    pub leaf_ends: Option<Timestamp>,
    /// Whether none of its upstreams receives requests.
    pub is_down: bool,
    /// Requests that ended, since the gateway started.
    pub requests: u64,
    /// Of them, those that were answered with a status of 500 or more.
    pub errors: u64,
    /// Bytes that came from its clients.
    pub received: u64,
    /// Bytes that went to them.
    pub sent: u64,
    /// How long the requests that ended took together.
    pub took: Duration,
    /// Requests that its upstreams work on.
    pub in_flight: u64,
    /// A number that is another one whenever an upstream brought bytes.
    pub delivered: u64,
}

/// What is remembered of services from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Services {
    known: HashMap<ServiceName, Known>,
    told: Told,
    looked_at: Option<Timestamp>,
}

/// Of which services what was told.
type Told = BTreeMap<Metric, BTreeSet<ServiceName>>;

#[derive(Debug, Default)]
struct Known {
    errors: Errors,
    rates: Rates,
    stall: Stall,
}

impl Services {
    /// The samples of a look at all services, told under the node of this gateway. `idle` are those
    /// that hold memory of GPUs which do nothing.
    pub(crate) fn samples(
        &mut self,
        node: &NodeName,
        facts: &[ServiceFacts],
        idle: &BTreeSet<String>,
        now: Timestamp,
    ) -> Vec<Sample> {
        let before = std::mem::take(&mut self.told);
        let mut look = Look { before, told: Told::new(), samples: Samples::new(node, now) };
        let mut known = std::mem::take(&mut self.known);
        let before = self.looked_at.replace(now);
        let mut moving = 0;
        for facts in facts {
            let service = &facts.service;
            look.tell(Metric::ServiceDown, service, flag(facts.is_down), facts.is_down);
            if let Some(ends) = facts.leaf_ends {
                let left = ends.since(now);
                look.tell(Metric::LeafExpiry, service, left.as_secs_f64(), left < LEAF_NEAR);
            }
            if facts.requests == 0 && facts.in_flight == 0 {
                continue;
            }
            let unknown = || Known { rates: Rates::since(before), ..Known::default() };
            let mut of = known.remove(service).unwrap_or_else(unknown);
            let rates = of.rates.observe(facts, now);
            moving += usize::from(!rates.is_empty());
            if moving <= MOVING_MAX {
                let subject = service.as_str().into();
                for (metric, value) in rates {
                    look.samples.put(metric, Some(&subject), value);
                }
            }
            // While it is down every answer is an error, which is said already.
            let share = of.errors.share(facts, now).filter(|_| !facts.is_down).unwrap_or(0.0);
            look.tell(Metric::ServiceErrors, service, share, share > 0.0);
            let stalled =
                of.stall.observe(facts, idle.contains(service.as_str()), now).as_secs_f64();
            look.tell(Metric::ServiceStalled, service, stalled, stalled > 0.0);
            self.known.insert(service.clone(), of);
        }
        look.end_of_the_gone();
        self.told = look.told;
        look.samples.taken
    }
}

/// One look at all services.
struct Look<'a> {
    /// What was told at the look before, and not yet at this one.
    before: Told,
    told: Told,
    samples: Samples<'a>,
}

impl Look<'_> {
    fn tell(&mut self, metric: Metric, service: &ServiceName, value: f64, is_bad: bool) {
        let was_told = self.before.get_mut(&metric).is_some_and(|all| all.remove(service));
        if is_bad {
            let told = self.told.entry(metric).or_default();
            if !was_told && told.len() >= TOLD_MAX {
                return;
            }
            told.insert(service.clone());
        }
        if is_bad || was_told {
            self.samples.put(metric, Some(&service.as_str().into()), value);
        }
    }

    /// Nothing is wrong with what is not registered any more.
    fn end_of_the_gone(&mut self) {
        for (metric, services) in std::mem::take(&mut self.before) {
            let well = if metric == Metric::LeafExpiry { LEAF_NEAR.as_secs_f64() } else { 0.0 };
            for service in services {
                self.samples.put(metric, Some(&service.as_str().into()), well);
            }
        }
    }
}

/// Of how many services at most one thing is told at once.
const TOLD_MAX: usize = 1_000;
/// Of how many services at most it is kept what goes through them at once.
const MOVING_MAX: usize = 1_000;
/// Ends of leaves that are further away are of no interest; leaves are renewed long before.
const LEAF_NEAR: Duration = Duration::from_secs(30 * 86_400);
