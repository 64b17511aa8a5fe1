//! What is counted of byte streams, per service and for those that reached none.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::metrics::Count;
use crate::tcp::refusal::Refusal;

/// Refused connections, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    /// Counts one.
    pub(crate) fn add(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> [u64; Refusal::ALL.len()] {
        self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// What one worker counts of one service.
#[derive(Debug, Default)]
pub(crate) struct StreamCounters {
    total: Count,
    open: Count,
    received: Count,
    sent: Count,
    pub(crate) refused: Refusals,
}

impl StreamCounters {
    pub(crate) fn opened(&self) {
        self.total.add(1);
        self.open.add(1);
    }

    pub(crate) fn closed(&self) {
        self.open.subtract(1);
    }

    /// Bytes that came from a client.
    pub(crate) fn received(&self, bytes: u64) {
        self.received.add(bytes);
    }

    /// Bytes that an upstream sent to a client.
    pub(crate) fn sent(&self, bytes: u64) {
        self.sent.add(bytes);
    }

    /// What it comes to now.
    pub(crate) fn sum(&self) -> StreamSum {
        let mut sum = StreamSum::default();
        sum.add(self);
        sum
    }
}

/// The sum over the workers, as plain numbers.
#[derive(Debug, Default)]
pub(crate) struct StreamSum {
    pub(crate) total: u64,
    pub(crate) open: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    refused: [u64; Refusal::ALL.len()],
}

impl StreamSum {
    pub(crate) fn add(&mut self, counters: &StreamCounters) {
        self.total += counters.total.read();
        self.open += counters.open.read();
        self.received += counters.received.read();
        self.sent += counters.sent.read();
        for (sum, count) in self.refused.iter_mut().zip(counters.refused.read()) {
            *sum += count;
        }
    }
}

/// Writes what reached no service.
pub(crate) fn encode_refusals(
    encoder: &mut DescriptorEncoder<'_>,
    refusals: &Refusals,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(
        "proxy_tcp_refused",
        "TCP connections that reached no service",
        None,
        MetricType::Counter,
    )?;
    for (refusal, count) in Refusal::ALL.iter().zip(refusals.read()) {
        let labels = [("reason", refusal.word())];
        ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Writes what every service of byte streams has counted.
pub(crate) fn encode_streams<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    sums: impl Iterator<Item = (&'a str, &'a StreamSum)> + Clone,
) -> fmt::Result {
    let sums = sums.filter(|(_, sum)| sum.total > 0);
    for (name, help, read) in PER_SERVICE {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (service, sum) in sums.clone() {
            let labels = [("service", service)];
            ConstCounter::new(read(sum)).encode(metric.encode_family(&labels)?)?;
        }
    }
    let (name, help) = ("proxy_tcp_connections_open", "TCP connections open now");
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (service, sum) in sums.clone() {
        let labels = [("service", service)];
        ConstGauge::new(sum.open.cast_signed()).encode(metric.encode_family(&labels)?)?;
    }
    let (name, help) = ("proxy_tcp_failed", "TCP connections that got no upstream");
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (service, sum) in sums {
        let failed = Refusal::ALL.iter().zip(sum.refused).filter(|(_, count)| *count > 0);
        for (refusal, count) in failed {
            let labels = [("service", service), ("reason", refusal.word())];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// One counter per service: its name, its help, and where it is.
type PerService = (&'static str, &'static str, fn(&StreamSum) -> u64);

const PER_SERVICE: [PerService; 3] = [
    ("proxy_tcp_connections", "TCP connections that were for a service", |sum| sum.total),
    ("proxy_tcp_received_bytes", "Bytes from clients", |sum| sum.received),
    ("proxy_tcp_sent_bytes", "Bytes to clients", |sum| sum.sent),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_place_and_its_word() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place, "{}", refusal.word());
        }
    }
}
