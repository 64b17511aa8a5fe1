//! How forwarding does, for people and for scrapes.
//!
//! **Invariant:** figures of one moment, not of one instant: each is right, and they may be a few
//! queries apart.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::live;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Forwarder;
use super::address::ForwarderAddr;
use super::server::{Server, Standing};
use crate::access::Policy;

/// How forwarding does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardStatus {
    /// Answers that are kept.
    pub entries: usize,
    /// What they take.
    pub bytes: usize,
    /// What they may take.
    pub size: usize,
    /// Questions answered from the cache.
    pub hits: u64,
    /// Questions that were not in it.
    pub misses: u64,
    /// Of those, the ones that somebody was asking already.
    pub joined: u64,
    /// Questions answered with what was good once.
    pub stale: u64,
    /// Questions asked again before their answer ended.
    pub prefetches: u64,
    /// Answers that made room before their time.
    pub evicted: u64,
    /// Records left out since they led inside.
    pub kept_out: u64,
    /// Questions that could not be asked, for too many were under way.
    pub overflows: u64,
    /// Whether answers are judged by their owners' signatures, and what came of it.
    pub dnssec: DnssecStatus,
    /// Questions being asked.
    pub in_flight: usize,
    /// Who is asked.
    pub forwarders: Vec<ForwarderStatus>,
}

/// How judging does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DnssecStatus {
    /// Whether it is on.
    pub is_on: bool,
    /// Answers that their owners signed.
    pub secure: u64,
    /// Answers that nobody signs, or nobody can verify.
    pub insecure: u64,
    /// Answers that are not believed.
    pub bogus: u64,
    /// Of those, the ones that would have taken too much work.
    pub overworked: u64,
    /// Names whose keys, or the lack of them, are known.
    pub zones: usize,
}

/// How one forwarder does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwarderStatus {
    /// Where it is.
    pub address: ForwarderAddr,
    /// The names it is asked about; none is all others.
    pub domains: Vec<String>,
    /// Whether it answers, as far as is known.
    pub is_up: bool,
    /// How often it was asked.
    pub queries: u64,
    /// How often that was in vain.
    pub failures: u64,
    /// How long it takes; zero is not known.
    pub latency: Duration,
}

impl Forwarder {
    /// How forwarding does.
    pub fn status(&self) -> ForwardStatus {
        let inner = &self.0;
        let (size, counts) = (inner.cache.size(), &inner.counts);
        let of = |route: &super::routes::Route, server: &Arc<Server>| ForwarderStatus {
            address: server.address().clone(),
            domains: route.domains.iter().map(ToString::to_string).collect(),
            is_up: server.standing() == Standing::Good,
            queries: server.queries(),
            failures: server.failures(),
            latency: server.latency(),
        };
        let routes = inner.routes.all().iter();
        ForwardStatus {
            entries: size.entries,
            bytes: size.bytes,
            size: inner.settings.cache.size,
            hits: counts.hits.get(),
            misses: counts.misses.get(),
            joined: counts.joined.get(),
            stale: counts.stale.get(),
            prefetches: counts.prefetches.get(),
            evicted: counts.evicted.get(),
            kept_out: counts.kept_out.get(),
            overflows: counts.overflows.get(),
            dnssec: DnssecStatus {
                is_on: inner.validator.is_some(),
                secure: counts.secure.get(),
                insecure: counts.insecure.get(),
                bogus: counts.bogus.get(),
                overworked: counts.overworked.get(),
                zones: inner.validator.as_ref().map_or(0, |validator| validator.zones.len()),
            },
            in_flight: inner.flights.len(),
            forwarders: routes
                .flat_map(|route| route.servers.iter().map(|server| of(route, server)))
                .collect(),
        }
    }
}

/// Reads the forwarder in force at each scrape.
pub(crate) struct Scraped(pub(crate) live::Reader<Policy>);

impl fmt::Debug for Scraped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scraped")
    }
}

impl Collector for Scraped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let policy = self.0.load_full();
        let forwarder = policy.forwarder.as_ref();
        let status = forwarder.map(Forwarder::status).unwrap_or_default();
        for (name, help, read) in COUNTERS {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(read(&status)).encode(metric)?;
        }
        for (name, help, read) in GAUGES {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            let value = i64::try_from(read(&status)).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(metric)?;
        }
        let mut judged =
            encoder.encode_descriptor(JUDGED.0, JUDGED.1, None, MetricType::Counter)?;
        let DnssecStatus { secure, insecure, bogus, .. } = status.dnssec;
        for (outcome, count) in [("secure", secure), ("insecure", insecure), ("bogus", bogus)] {
            let labels = [("outcome", outcome)];
            ConstCounter::new(count).encode(judged.encode_family(&labels)?)?;
        }
        let servers = forwarder.map(|f| f.0.servers.as_slice()).unwrap_or_default();
        for (name, help, read) in PER_FORWARDER {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for server in servers {
                let labels = [("forwarder", server.address().to_string())];
                ConstCounter::new(read(server)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let mut up = encoder.encode_descriptor(UP.0, UP.1, None, MetricType::Gauge)?;
        for server in servers {
            let labels = [("forwarder", server.address().to_string())];
            let is_up = i64::from(server.standing() == Standing::Good);
            ConstGauge::new(is_up).encode(up.encode_family(&labels)?)?;
        }
        let mut took = encoder.encode_descriptor(TOOK.0, TOOK.1, None, MetricType::Histogram)?;
        for server in servers {
            let labels = [("forwarder", server.address().to_string())];
            server.latencies().encode(took.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

type Counter = (&'static str, &'static str, fn(&ForwardStatus) -> u64);
type Gauge = (&'static str, &'static str, fn(&ForwardStatus) -> usize);
type PerForwarder = (&'static str, &'static str, fn(&Server) -> u64);

const COUNTERS: [Counter; 9] = [
    ("dns_cache_hits", "Questions answered from the cache", |s| s.hits),
    ("dns_cache_misses", "Questions that were not in the cache", |s| s.misses),
    ("dns_cache_joined", "Questions that were being asked already", |s| s.joined),
    ("dns_cache_stale", "Questions answered with what was good once", |s| s.stale),
    ("dns_cache_prefetches", "Questions asked again before their answer ended", |s| s.prefetches),
    ("dns_cache_evictions", "Answers that made room before their time", |s| s.evicted),
    ("dns_rebind_dropped", "Records of forwarders that led inside", |s| s.kept_out),
    (
        "dns_forward_overflows",
        "Questions that could not be asked, for too many were under way",
        |s| s.overflows,
    ),
    (
        "dns_dnssec_overworked",
        "Answers not believed since judging them would have taken too much work",
        |s| s.dnssec.overworked,
    ),
];
const GAUGES: [Gauge; 4] = [
    ("dns_cache_entries", "Answers that are kept", |s| s.entries),
    ("dns_cache_bytes", "What they take", |s| s.bytes),
    ("dns_forward_in_flight", "Questions being asked", |s| s.in_flight),
    ("dns_dnssec_zones", "Names whose keys, or the lack of them, are known", |s| s.dnssec.zones),
];
const PER_FORWARDER: [PerForwarder; 2] = [
    ("dns_forwarder_queries", "Queries sent to the forwarder", Server::queries),
    ("dns_forwarder_failures", "Queries that it did not answer, or declined", Server::failures),
];
const JUDGED: (&str, &str) =
    ("dns_dnssec", "Answers judged by their owners' signatures, by what came of it");
const UP: (&str, &str) = ("dns_forwarder_up", "1 is asked, 0 is put aside");
const TOOK: (&str, &str) = ("dns_forwarder_seconds", "How long the forwarder's answers took");
