//! Health, as it goes out.

use conduit_api::v1::health as wire;
use conduit_core::health::{Health, UpstreamState};
use conduit_core::name::ServiceName;
use conduit_proxy::health::board::{ServiceHealth, UpstreamHealth};

use crate::control::{CheckOutcome, Checks};

/// The word for how a service is doing.
pub(crate) fn status(health: Health) -> wire::HealthStatus {
    match health {
        Health::Degraded => wire::HealthStatus::Degraded,
        Health::Down => wire::HealthStatus::Down,
        Health::Healthy => wire::HealthStatus::Healthy,
        Health::Unknown => wire::HealthStatus::Unknown,
    }
}

/// The health of one service; unknown when the prober has not seen it yet.
pub(crate) fn service(name: &ServiceName, health: Option<&ServiceHealth>) -> wire::ServiceHealth {
    wire::ServiceHealth {
        name: name.to_string(),
        status: status(health.map_or(Health::Unknown, |h| h.health)),
        reason: health.and_then(|h| h.reason.clone()),
        last_probe_at: health.and_then(|h| h.last_probe_at).map(|at| at.to_string()),
        response_time_ms: health.and_then(|h| h.response_time_ms),
        upstreams: health.map(|h| upstreams(&h.upstreams)).unwrap_or_default(),
    }
}

/// Whether an upstream receives traffic.
pub(crate) fn state(state: UpstreamState) -> wire::UpstreamState {
    match state {
        UpstreamState::Admitted => wire::UpstreamState::Admitted,
        UpstreamState::Draining => wire::UpstreamState::Draining,
        UpstreamState::Ejected => wire::UpstreamState::Ejected,
        UpstreamState::Unproven => wire::UpstreamState::Unproven,
    }
}

/// Each upstream, as the prober sees it.
pub(crate) fn upstreams(upstreams: &[UpstreamHealth]) -> Vec<wire::UpstreamHealth> {
    upstreams.iter().map(upstream).collect()
}

/// One upstream, as the prober sees it and as operators hold it.
pub(crate) fn upstream(upstream: &UpstreamHealth) -> wire::UpstreamHealth {
    wire::UpstreamHealth {
        upstream: upstream.addr.to_string(),
        state: state(upstream.state),
        last_probe_at: upstream.last_probe_at.map(|at| at.to_string()),
        response_time_ms: upstream.response_time_ms,
        reason: upstream.reason.clone(),
        in_flight: u64::try_from(upstream.in_flight).unwrap_or(u64::MAX),
        hold: upstream.hold.as_ref().map(|hold| wire::UpstreamHold {
            kind: hold.kind.to_string(),
            by: hold.by.clone(),
            since: hold.since.to_string(),
        }),
    }
}

/// What was tried through our own listeners.
pub(crate) fn checks(checks: Checks) -> wire::CheckSet {
    wire::CheckSet { dns: checks.dns.map(check), tls: checks.tls.map(check) }
}

fn check(outcome: CheckOutcome) -> wire::Check {
    wire::Check {
        ok: outcome.failure.is_none(),
        reason: outcome.failure,
        at: Some(outcome.at.to_string()),
    }
}
