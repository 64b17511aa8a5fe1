//! Traffic, as it travels.

use std::time::Duration;

use conduit_api::v1::traffic as wire;
use conduit_core::name::ServiceName;
use conduit_proxy::metrics::{Traffic, TrafficByService};

/// Some of what was counted, with the total of all, after the gateway ran for so long.
pub(crate) fn list<'a>(
    all: &TrafficByService,
    some: impl IntoIterator<Item = (&'a ServiceName, &'a Traffic)>,
    uptime: Duration,
) -> wire::TrafficList {
    wire::TrafficList {
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        total: traffic(all.values().sum()),
        services: some.into_iter().map(|(name, one)| (name.to_string(), traffic(*one))).collect(),
        next_after: None,
    }
}

/// The counts of one service, or of several.
pub(crate) fn traffic(counted: Traffic) -> wire::Traffic {
    wire::Traffic {
        requests: counted.requests,
        errors: counted.errors,
        in_flight: counted.in_flight,
        received_bytes: counted.received_bytes,
        sent_bytes: counted.sent_bytes,
        took_ms: counted.took_us / 1_000,
    }
}
