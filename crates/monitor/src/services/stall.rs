//! An engine that is silent although it was asked: its probe answers, its GPUs do nothing, and no
//! byte comes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conduit_core::clock::Timestamp;

use super::ServiceFacts;
use crate::view::NodeView;

/// Since when a service is silent.
#[derive(Debug, Default)]
pub(super) struct Stall {
    since: Option<Timestamp>,
    delivered: u64,
}

impl Stall {
    /// For how long requests have waited, nothing came, and its GPUs did nothing; zero otherwise.
    pub(super) fn observe(
        &mut self,
        facts: &ServiceFacts,
        is_idle: bool,
        now: Timestamp,
    ) -> Duration {
        let came = facts.delivered != std::mem::replace(&mut self.delivered, facts.delivered);
        if came || !is_idle || facts.in_flight == 0 || self.since.is_some_and(|at| now < at) {
            self.since = None;
            return Duration::ZERO;
        }
        now.since(*self.since.get_or_insert(now))
    }
}

/// The services that hold memory of GPUs, none of which does anything. One that shares a GPU with
/// a service that works is not among them, and none of whose GPUs the use is unknown.
pub(crate) fn idle_on_gpus<'a>(nodes: impl IntoIterator<Item = &'a NodeView>) -> BTreeSet<String> {
    let mut found = BTreeMap::<&str, bool>::new();
    for node in nodes {
        let (Some(gpus), Some(view)) = (&node.gpus, &node.containers) else { continue };
        let service_of = |id| view.find(id)?.service.as_deref();
        for gpu in &gpus.gpus {
            let is_idle = gpu.utilization.is_some_and(|share| share < IDLE_SHARE);
            let holders = gpu.processes.iter().filter_map(|held| held.container.as_deref());
            for service in holders.filter_map(service_of) {
                *found.entry(service).or_insert(true) &= is_idle;
            }
        }
    }
    let idle = found.into_iter().filter(|(_, is_idle)| *is_idle);
    idle.map(|(service, _)| service.to_owned()).collect()
}

/// Below this share of time a GPU does nothing.
const IDLE_SHARE: f64 = 0.05;
