//! Services, as the monitor judges them: by what this gateway sees of their traffic, their health
//! and their leaves, and by the GPUs of the machines that run them.
//!
//! **Invariant:** a service that is well gives no samples, so thousands of them cost no series. One
//! about which something was told is told of once more when that is over, so that its alert ends.

mod errors;
mod stall;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::name::ServiceName;

use self::errors::Errors;
use self::stall::Stall;
pub(crate) use self::stall::idle_on_gpus;
use crate::metric::{Metric, Sample, Series};
use crate::node::NodeName;

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
    /// Requests that its upstreams work on.
    pub in_flight: u64,
    /// A number that is another one whenever an upstream brought bytes.
    pub delivered: u64,
}

/// What is remembered of services from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Services {
    known: HashMap<ServiceName, Known>,
    told: BTreeSet<(Metric, ServiceName)>,
}

#[derive(Debug, Default)]
struct Known {
    errors: Errors,
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
        let mut look = Look { node, now, before, told: BTreeSet::new(), samples: Vec::new() };
        let mut known = std::mem::take(&mut self.known);
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
            let mut of = known.remove(service).unwrap_or_default();
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
        look.samples
    }
}

/// One look at all services.
struct Look<'a> {
    node: &'a NodeName,
    now: Timestamp,
    /// What was told at the look before, and not yet at this one.
    before: BTreeSet<(Metric, ServiceName)>,
    told: BTreeSet<(Metric, ServiceName)>,
    samples: Vec<Sample>,
}

impl Look<'_> {
    fn tell(&mut self, metric: Metric, service: &ServiceName, value: f64, is_bad: bool) {
        let key = (metric, service.clone());
        let was_told = self.before.remove(&key);
        let is_told = is_bad && (was_told || self.told.len() < TOLD_MAX);
        if is_told {
            self.told.insert(key);
        }
        if is_told || was_told {
            self.put(metric, service, value);
        }
    }

    /// Nothing is wrong with what is not registered any more.
    fn end_of_the_gone(&mut self) {
        for (metric, service) in std::mem::take(&mut self.before) {
            let is_leaf = metric == Metric::LeafExpiry;
            self.put(metric, &service, if is_leaf { LEAF_NEAR.as_secs_f64() } else { 0.0 });
        }
    }

    fn put(&mut self, metric: Metric, service: &ServiceName, value: f64) {
        let subject: Option<Arc<str>> = Some(service.as_str().into());
        let series = Series { node: self.node.clone(), metric, subject };
        self.samples.push(Sample { series, at: self.now, value });
    }
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

/// The most that is told about services at once.
const TOLD_MAX: usize = 4_000;
/// Ends of leaves that are further away are of no interest; leaves are renewed long before.
const LEAF_NEAR: Duration = Duration::from_secs(30 * 86_400);

/// What is known of a service with these counts: requests, errors, in flight, delivered.
#[cfg(test)]
pub(crate) fn facts_for_test(
    service: &str,
    leaf_ends: Option<Timestamp>,
    (requests, errors, in_flight, delivered): (u64, u64, u64, u64),
) -> ServiceFacts {
    let service = ServiceName::parse(service).expect("a name");
    ServiceFacts { service, leaf_ends, is_down: false, requests, errors, in_flight, delivered }
}
