//! One scrape: the shards of all workers added up, and written for Prometheus.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conduit_core::name::ServiceName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::counters::{CLASSES, ENDINGS, Ending, ServiceCounters};
use super::histogram::{Durations, encode_histogram};
use super::{Inner, lock};
use crate::tcp::counters::{StreamSum, encode_refusals, encode_streams};

/// Reads everything for one scrape.
pub(super) struct Scrape(pub(super) Arc<Inner>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let inner = &self.0;
        for (name, help, value) in [
            ("proxy_connections", "Connections accepted", &inner.connections),
            (
                "proxy_handshakes_failed",
                "TLS handshakes that failed or took too long",
                &inner.handshakes_failed,
            ),
            ("proxy_requests_refused", "Requests that reached no service", &inner.refused),
            ("proxy_cut", "Requests and tunnels cut at the deadline of a stop", &inner.cut),
            ("proxy_http3_connections", "QUIC handshakes done", &inner.http3.connections),
            ("proxy_http3_requests", "Requests over HTTP/3", &inner.http3.requests),
            (
                "proxy_http3_refused",
                "QUIC connections refused because too many were open",
                &inner.http3.refused,
            ),
            (
                "proxy_http3_retried",
                "QUIC clients that had to prove their address first",
                &inner.http3.retried,
            ),
        ] {
            let counter = ConstCounter::new(value.load(Ordering::Relaxed));
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        for (name, help, value) in [
            ("proxy_connections_open", "Connections open now", &inner.connections_open),
            (
                "proxy_connections_resting",
                "Quiet HTTP/1.1 connections that gave their buffers back",
                &inner.connections_resting,
            ),
            ("proxy_tunnels_open", "Tunnels open now", &inner.tunnels_open),
        ] {
            let gauge = ConstGauge::new(value.load(Ordering::Relaxed).cast_signed());
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        inner.hits.encode(&mut encoder)?;
        let sums = sums(inner);
        encode_refusals(&mut encoder, &inner.streams_refused)?;
        let streams = sums.iter().map(|(service, sum)| (service.as_str(), &sum.streams));
        encode_streams(&mut encoder, streams)?;
        encode_services(&mut encoder, &sums)
    }
}

fn sums(inner: &Inner) -> BTreeMap<ServiceName, Sum> {
    let mut sums = BTreeMap::<ServiceName, Sum>::new();
    for shard in lock(&inner.shards).iter() {
        for (service, counters) in lock(shard).iter() {
            sums.entry(service.clone()).or_default().add(counters);
        }
    }
    sums
}

fn encode_services(
    encoder: &mut DescriptorEncoder<'_>,
    sums: &BTreeMap<ServiceName, Sum>,
) -> fmt::Result {
    let counter = MetricType::Counter;
    let mut metric =
        encoder.encode_descriptor("proxy_requests", "Requests by status class", None, counter)?;
    for (service, sum) in sums {
        for (class, count) in CLASSES.iter().zip(sum.classes) {
            let labels = [("service", service.as_str()), ("status", *class)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    for (name, help, read) in PER_SERVICE {
        let mut metric = encoder.encode_descriptor(name, help, None, counter)?;
        for (service, sum) in sums {
            let labels = [("service", service.as_str())];
            ConstCounter::new(read(sum)).encode(metric.encode_family(&labels)?)?;
        }
    }
    for (name, help, read) in GAUGES {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (service, sum) in sums {
            let labels = [("service", service.as_str())];
            ConstGauge::new(read(sum).cast_signed()).encode(metric.encode_family(&labels)?)?;
        }
    }
    for (name, help, read) in HISTOGRAMS {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (service, sum) in sums {
            let labels = [("service", service.as_str())];
            encode_histogram(metric.encode_family(&labels)?, read(sum))?;
        }
    }
    Ok(())
}

/// The sum of the shards for one service, as plain numbers.
#[derive(Debug, Default)]
struct Sum {
    classes: [u64; CLASSES.len()],
    duration: Durations,
    first_byte: Durations,
    in_flight: u64,
    bytes_in: u64,
    bytes_out: u64,
    retries: u64,
    tunnel_received: u64,
    tunnel_sent: u64,
    streams: StreamSum,
    endings: [u64; ENDINGS],
    retries_refused: u64,
    queued: u64,
    queue_refused: u64,
}

impl Sum {
    fn add(&mut self, counters: &ServiceCounters) {
        for (sum, value) in self.classes.iter_mut().zip(&counters.classes) {
            *sum += value.read();
        }
        self.duration.add(&counters.duration);
        self.first_byte.add(&counters.first_byte);
        self.in_flight += counters.in_flight.read();
        self.bytes_in += counters.bytes_in.read();
        self.bytes_out += counters.bytes_out.read();
        self.retries += counters.retries.read();
        self.tunnel_received += counters.tunnel_received.read();
        self.tunnel_sent += counters.tunnel_sent.read();
        if let Some(streams) = counters.streams.get() {
            self.streams.add(streams);
        }
        for (sum, value) in self.endings.iter_mut().zip(&counters.endings) {
            *sum += value.read();
        }
        self.retries_refused += counters.retries_refused.read();
        self.queued += counters.queued.read();
        self.queue_refused += counters.queue_refused.read();
    }
}

/// One number per service: its name, its help, and where it is.
type PerService = (&'static str, &'static str, fn(&Sum) -> u64);

const PER_SERVICE: [PerService; 12] = [
    ("proxy_request_bytes", "Bytes of request bodies", |sum| sum.bytes_in),
    ("proxy_response_bytes", "Bytes of response bodies", |sum| sum.bytes_out),
    ("proxy_tunnel_received_bytes", "Bytes from clients through tunnels", |sum| {
        sum.tunnel_received
    }),
    ("proxy_tunnel_sent_bytes", "Bytes to clients through tunnels", |sum| sum.tunnel_sent),
    ("proxy_retries", "Requests moved to another upstream", |sum| sum.retries),
    ("proxy_cancelled", "Requests whose client left before their end", |sum| {
        sum.endings[Ending::Cancelled as usize]
            + sum.endings[Ending::CancelledBeforeFirstByte as usize]
    }),
    (
        "proxy_cancelled_before_first_byte",
        "Requests whose client left before an answer began",
        |sum| sum.endings[Ending::CancelledBeforeFirstByte as usize],
    ),
    ("proxy_client_timeouts", "Requests given up because their client made no progress", |sum| {
        sum.endings[Ending::ClientTimeout as usize]
    }),
    ("proxy_first_byte_timeouts", "Requests that no upstream began to answer in time", |sum| {
        sum.endings[Ending::FirstByteTimeout as usize]
    }),
    ("proxy_idle_timeouts", "Answers cut because their upstream fell silent", |sum| {
        sum.endings[Ending::IdleTimeout as usize]
    }),
    (
        "proxy_retries_refused",
        "Failed requests that the retry budget kept from another upstream",
        |sum| sum.retries_refused,
    ),
    (
        "proxy_queue_refused",
        "Requests that waited for a place in vain, or found the queue full",
        |sum| sum.queue_refused,
    ),
];
const GAUGES: [PerService; 2] = [
    ("proxy_requests_in_flight", "Requests under way", |sum| sum.in_flight),
    ("proxy_requests_queued", "Requests that wait for a place", |sum| sum.queued),
];
/// One histogram per service: its name, its help, and where it is.
type PerServiceHistogram = (&'static str, &'static str, fn(&Sum) -> &Durations);

const HISTOGRAMS: [PerServiceHistogram; 2] = [
    (
        "proxy_request_duration_seconds",
        "From the end of the request's head to the end of the response",
        |sum| &sum.duration,
    ),
    (
        "proxy_first_byte_seconds",
        "From the end of the request's head to the head of the upstream's response",
        |sum| &sum.first_byte,
    ),
];
