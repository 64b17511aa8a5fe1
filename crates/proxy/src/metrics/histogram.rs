//! Durations in buckets, and how Prometheus reads them.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::MetricEncoder;

use super::count::Count;

/// Durations in buckets.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Count; BUCKETS_MS.len() + 1],
    sum_us: Count,
}

impl Histogram {
    pub(super) fn note(&self, took: Duration) {
        let bucket = BUCKETS_MS.partition_point(|ms| Duration::from_millis(*ms) < took);
        self.buckets[bucket].add(1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.add(micros);
    }

    /// All of them together, in microseconds.
    pub(super) fn sum_us(&self) -> u64 {
        self.sum_us.read()
    }
}

/// The sum of histograms, as plain numbers.
#[derive(Debug, Default)]
pub(super) struct Durations {
    buckets: [u64; BUCKETS_MS.len() + 1],
    sum_us: u64,
}

impl Durations {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, value) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += value.read();
        }
        self.sum_us += histogram.sum_us.read();
    }
}

pub(super) fn encode_histogram(
    mut metric: MetricEncoder<'_>,
    durations: &Durations,
) -> fmt::Result {
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

/// Upper bounds of the duration's buckets: from what a cache answers to what a model thinks about
/// for ten minutes.
const BUCKETS_MS: [u64; 16] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 120_000, 600_000];
