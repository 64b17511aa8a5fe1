//! Everything that is counted, as Prometheus text.

use std::fmt;
use std::sync::Arc;

use conduit_core::catalog::Catalog;
use conduit_dns::metrics::Metrics as DnsMetrics;
use conduit_proxy::metrics::ProxyMetrics;
use conduit_registry::Registry;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Families;

/// The metrics of all planes.
pub(crate) struct Metrics {
    families: Families,
    registry: Registry,
}

impl Metrics {
    /// No plane yet.
    pub(crate) fn new(registry: Registry) -> Self {
        Self { families: Families::with_prefix("conduit"), registry }
    }

    /// The services that are registered.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.registry.catalog().load_full()
    }

    /// Makes room for what DNS counts.
    pub(crate) fn dns(&mut self) -> DnsMetrics {
        DnsMetrics::register(&mut self.families)
    }

    /// Adds what the proxy counts.
    pub(crate) fn proxy(&mut self, metrics: &ProxyMetrics) {
        metrics.register(&mut self.families);
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
