//! Everything that is counted, as Prometheus text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conduit_core::catalog::Catalog;
use conduit_core::live;
use conduit_dns::access::Policy;
use conduit_dns::mdns::status::{Counts as MdnsCounts, Status as MdnsStatus};
use conduit_dns::metrics::Metrics as DnsMetrics;
use conduit_dns::query_log::QueryLog;
use conduit_proxy::access_log::Sink;
use conduit_proxy::metrics::ProxyMetrics;
use conduit_proxy::table::RouteTable;
use conduit_registry::Registry;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Families;

use crate::traces::Counts;

/// The metrics of all planes.
pub(crate) struct Metrics {
    families: Families,
    registry: Registry,
    mdns: Option<live::Reader<MdnsStatus>>,
    access_lines_lost: Option<Arc<AtomicU64>>,
    query_log: Option<QueryLog>,
    traces: Option<Counts>,
}

impl Metrics {
    /// No plane yet.
    pub(crate) fn new(registry: Registry) -> Self {
        let families = Families::with_prefix("conduit");
        Self {
            families,
            registry,
            mdns: None,
            access_lines_lost: None,
            query_log: None,
            traces: None,
        }
    }

    /// The services that are registered.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.registry.catalog().load_full()
    }

    /// The same, as they are at each look.
    pub(crate) fn catalogs(&self) -> live::Reader<Catalog> {
        self.registry.catalog()
    }

    /// Makes room for what DNS counts.
    pub(crate) fn dns(&mut self, policy: &live::Reader<Policy>) -> DnsMetrics {
        DnsMetrics::register_forwarding(&mut self.families, policy.clone());
        DnsMetrics::register(&mut self.families)
    }

    /// Makes room for what multicast DNS counts and tells.
    pub(crate) fn mdns(&mut self) -> (live::Writer<MdnsStatus>, MdnsCounts) {
        let (writer, status) = live::channel(Arc::default());
        let counts = MdnsCounts::default();
        counts.register(&mut self.families, status.clone());
        self.mdns = Some(status);
        (writer, counts)
    }

    /// How multicast DNS does; `None` when it is off.
    pub(crate) fn mdns_status(&self) -> Option<&live::Reader<MdnsStatus>> {
        self.mdns.as_ref()
    }

    /// Adds what the proxy counts.
    pub(crate) fn proxy(&mut self, metrics: &ProxyMetrics, routes: &live::Reader<RouteTable>) {
        metrics.register(&mut self.families);
        ProxyMetrics::register_upstreams(&mut self.families, routes.clone());
    }

    /// Adds how many access lines were lost.
    pub(crate) fn access_log(&mut self, sink: &Sink) {
        self.access_lines_lost = Some(Arc::clone(sink.lost()));
    }

    /// Adds how many lines of queries were lost.
    pub(crate) fn query_log(&mut self, log: &QueryLog) {
        self.query_log = Some(log.clone());
    }

    /// Adds what became of traces.
    pub(crate) fn traces(&mut self, counts: &Counts) {
        self.traces = Some(counts.clone());
    }

    /// Prometheus text, with the gauges of this moment.
    pub(crate) fn text(&self, gauges: &[(&str, &str, i64)]) -> String {
        let mut text = String::new();
        let mut now = Families::with_prefix("conduit");
        for (name, help, value) in gauges {
            now.register(*name, *help, ConstGauge::new(*value));
        }
        let lost = i64::try_from(self.registry.observations_lost()).unwrap_or(i64::MAX);
        now.register(
            "observations_lost",
            "Observations that are on no record",
            ConstGauge::new(lost),
        );
        if let Some(lost) = &self.access_lines_lost {
            now.register(
                "access_lines_lost",
                "Access lines that are in no log",
                ConstCounter::new(lost.load(Ordering::Relaxed)),
            );
        }
        if let Some(log) = &self.query_log {
            now.register(
                "dns_query_lines_lost",
                "Lines of the query log that found no room or could not be written",
                ConstCounter::new(log.lost()),
            );
        }
        if let Some(counts) = &self.traces {
            now.register_collector(Box::new(counts.clone()));
        }
        // Writing to a string cannot fail.
        if encode(&mut text, &self.families).is_ok() {
            text.truncate(text.trim_end_matches("# EOF\n").len());
        }
        if encode(&mut text, &now).is_err() {
            text.clear();
        }
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
