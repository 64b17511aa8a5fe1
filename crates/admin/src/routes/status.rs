//! The gateway as a whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::status::{CertificateCounts, GatewayStatus, Listening, Liveness, Tables};
use conduit_api::v1::tls::CertificateStatus;
use conduit_core::clock::Timestamp;
use http::StatusCode;

use super::{Admin, Answer};
use crate::convert::certificate::status;
use crate::convert::entry::entry;
use crate::error::ApiError;
use crate::state::AdminState;

/// Says that the process answers.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "check_liveness",
    tag = "status",
    responses(
        (status = 200, body = Liveness, description = "`ok`"),
        (status = 403, body = ErrorBody, description = "`host_refused`: over TCP, the Host is not ours"),
    ),
)]
pub(crate) async fn alive() -> Json<Liveness> {
    let status = "ok".to_owned();
    Json(Liveness { status })
}

/// Says whether every part is up and the gateway is not stopping.
#[utoipa::path(
    get,
    path = "/ready",
    operation_id = "check_readiness",
    tag = "status",
    responses(
        (status = 200, body = Liveness, description = "`ready`"),
        (status = 403, body = ErrorBody, description = "`host_refused`: over TCP, the Host is not ours"),
        (status = 503, body = ErrorBody, description = "`not_ready`: a part is not up, or the gateway is stopping"),
    ),
)]
pub(crate) async fn ready(State(state): Admin) -> Answer<Liveness> {
    if state.control.is_ready() {
        let status = "ready".to_owned();
        return Ok(Json(Liveness { status }));
    }
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "not ready"))
}

/// Shows the gateway as a whole.
#[utoipa::path(
    get,
    path = "/status",
    operation_id = "get_status",
    tag = "status",
    responses(
        (status = 200, body = GatewayStatus, description = "its state"),
    ),
)]
pub(crate) async fn gateway(State(state): Admin) -> Answer<GatewayStatus> {
    let newest = state.registry.entries(1, None).await?;
    let gateway = state.control.gateway();
    let now = Timestamp::now();
    Ok(Json(GatewayStatus {
        version: gateway.version,
        ready: state.control.is_ready(),
        not_ready: gateway.not_ready,
        stopping: state.control.is_stopping(),
        uptime_seconds: gateway.uptime.as_secs(),
        pid: std::process::id(),
        generation: state.registry.catalog().load().generation().0,
        tables: Tables {
            routes: state.table.load().version().to_string(),
            zone: state.zone.load().version().to_string(),
        },
        listen: Listening {
            dns: texts(&gateway.dns),
            https: texts(&gateway.https),
            http3: texts(&gateway.http3),
            http: texts(&gateway.http),
            admin: texts(state.listening.tcp.as_slice()),
            socket: state.listening.socket().map(|path| path.display().to_string()),
        },
        domains: gateway.domains,
        addresses: gateway.addresses,
        services: state.health_counts(now),
        certs: certificates(&state, now),
        last_audit: newest.into_iter().next().map(entry),
    }))
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn certificates(state: &Arc<AdminState>, now: Timestamp) -> CertificateCounts {
    let mut counts = CertificateCounts::default();
    for service in state.registry.catalog().load_full().iter() {
        let Some(pair) = state.control.leaves(&service.name) else {
            continue;
        };
        match status(pair.renew_at(), pair.not_after(), now) {
            CertificateStatus::Expired => counts.expired += 1,
            CertificateStatus::Expiring => counts.expiring += 1,
            CertificateStatus::Valid => counts.valid += 1,
        }
    }
    counts
}
