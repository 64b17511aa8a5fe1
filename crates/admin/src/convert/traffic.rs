//! Traffic, as it travels.

use conduit_api::v1::traffic as wire;
use conduit_proxy::metrics::Traffic;

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
