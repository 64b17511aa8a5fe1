//! The states of upstreams, as a scrape finds them in the published table.

use std::fmt;

use conduit_core::health::UpstreamState;
use conduit_core::live;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::pool::Pool;
use crate::table::RouteTable;

/// Reads the table at each scrape.
pub(super) struct States(pub(super) live::Reader<RouteTable>);

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("States")
    }
}

impl Collector for States {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let table = self.0.load_full();
        let mut pools: Vec<&Pool> = table.pools().map(|pool| &**pool).collect();
        let service = |pool: &Pool| pool.upstreams().first().map(|u| u.service().clone());
        pools.sort_by_key(|pool| service(pool));
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for upstream in pools.iter().flat_map(|pool| pool.upstreams()) {
                let addr = upstream.addr().to_string();
                let labels = [("service", upstream.service().as_str()), ("upstream", &addr)];
                ConstGauge::new(read(upstream)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// One gauge per upstream: its name, its help, and where it is.
type PerUpstream = (&'static str, &'static str, fn(&crate::upstream::Upstream) -> i64);

const GAUGES: [PerUpstream; 2] = [
    (
        "proxy_upstream_state",
        "1 is admitted, 0 is ejected or draining, -1 is not probed yet",
        |upstream| match upstream.state() {
            UpstreamState::Admitted => 1,
            UpstreamState::Draining | UpstreamState::Ejected => 0,
            UpstreamState::Unproven => -1,
        },
    ),
    ("proxy_upstream_in_flight", "Requests under way to the upstream", |upstream| {
        i64::try_from(upstream.in_flight()).unwrap_or(i64::MAX)
    }),
];
