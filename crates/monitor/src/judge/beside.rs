//! The last values of the numbers that provisos are about.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use conduit_core::clock::Timestamp;

use super::{GONE_AFTER, STATES_MAX};
use crate::metric::{Metric, Sample, Series};
use crate::node::NodeName;
use crate::rule::Rule;
use crate::rule::proviso::Proviso;

/// What was last heard of the numbers that some rule's proviso names.
#[derive(Debug, Default)]
pub(super) struct Beside {
    metrics: HashSet<Metric>,
    values: HashMap<Series, (Timestamp, f64)>,
}

impl Beside {
    /// Nothing heard yet, for these rules.
    pub(super) fn of(rules: &[Rule]) -> Self {
        let metrics = rules.iter().filter_map(|rule| rule.proviso).map(|proviso| proviso.metric);
        Self { metrics: metrics.collect(), values: HashMap::new() }
    }

    /// Takes over what was heard for other rules.
    pub(super) fn take_over(&mut self, before: Self) {
        self.values = before.values;
        self.values.retain(|series, _| self.metrics.contains(&series.metric));
    }

    /// Keeps what matters of a reading; says how much there was no room for.
    pub(super) fn note(&mut self, samples: &[Sample], now: Timestamp) -> u64 {
        let mut left_out = 0;
        for Sample { series, value, .. } in samples {
            if !self.metrics.contains(&series.metric) {
                continue;
            }
            if self.values.contains_key(series) || self.values.len() < STATES_MAX {
                self.values.insert(series.clone(), (now, *value));
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// Whether the other number of the same thing, or of its node, is known and as it must be.
    pub(super) fn meets(&self, proviso: Proviso, series: &Series, now: Timestamp) -> bool {
        let of = |subject: Option<Arc<str>>| {
            let other = Series { node: series.node.clone(), metric: proviso.metric, subject };
            let (at, value) = *self.values.get(&other)?;
            (now.since(at) < GONE_AFTER).then_some(value)
        };
        of(series.subject.clone()).or_else(|| of(None)).is_some_and(|value| proviso.holds(value))
    }

    pub(super) fn forget(&mut self, node: &NodeName) {
        self.values.retain(|series, _| series.node != *node);
    }

    pub(super) fn prune(&mut self, now: Timestamp) {
        self.values.retain(|_, (at, _)| now.since(*at) < GONE_AFTER);
    }
}
