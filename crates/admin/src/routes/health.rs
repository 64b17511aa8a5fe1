//! Health of services, as the prober sees it.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::health::{HealthCounts, HealthList, HealthStatus, ServiceHealth};
use conduit_core::clock::Timestamp;
use conduit_core::service::Service;

use super::{Admin, Answer};
use crate::convert::health::{service, status};
use crate::paging::Paging;
use crate::params::{Name, Options};
use crate::state::AdminState;

/// Lists how every active service is doing.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "list_health",
    tag = "services",
    params(Paging),
    responses(
        (status = 200, body = HealthList, description = "by service; the counts are of all"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: the limit is out of bounds"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(paging): Options<Paging>,
) -> Answer<HealthList> {
    let catalog = state.registry.catalog().load_full();
    let now = Timestamp::now();
    let (part, next_after) = paging.part(catalog.sorted(), |known| known.name.as_str())?;
    let shown = |known: &Service| {
        let health = state.health.service(&known.name, now);
        service(&known.name, health.as_ref())
    };
    let services: Vec<_> = part.into_iter().map(|known| shown(known)).collect();
    let counts = match paging.is_part() {
        true => state.health_counts(now),
        false => counted(services.iter().map(|service| service.status)),
    };
    Ok(Json(HealthList { counts, services, next_after }))
}

/// Shows how one service is doing.
#[utoipa::path(
    get,
    path = "/services/{name}/health",
    operation_id = "get_service_health",
    tag = "services",
    params(
        ("name" = String, Path, description = "The service.", example = "grafana"),
    ),
    responses(
        (
            status = 200,
            body = ServiceHealth,
            description = "its health",
            example = json!({
                "name": "wiki", "status": "healthy", "reason": null,
                "last_probe_at": "2026-11-21T08:29:04Z", "response_time_ms": 4,
                "upstreams": [{
                    "upstream": "127.0.0.1:3300", "state": "admitted",
                    "last_probe_at": "2026-11-21T08:29:04Z", "response_time_ms": 4,
                    "reason": null, "in_flight": 0
                }]
            }),
        ),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name"),
    ),
)]
pub(crate) async fn one(State(state): Admin, Name(name): Name) -> Answer<ServiceHealth> {
    let (_, found) = state.active(&name)?;
    let health = state.health.service(&found.name, Timestamp::now());
    Ok(Json(service(&found.name, health.as_ref())))
}

impl AdminState {
    /// How many active services are in which state.
    pub(crate) fn health_counts(&self, now: Timestamp) -> HealthCounts {
        let catalog = self.registry.catalog().load_full();
        counted(catalog.iter().map(|known| {
            let health = self.health.service(&known.name, now);
            health.map_or_else(Default::default, |h| status(h.health))
        }))
    }
}

fn counted(all: impl Iterator<Item = HealthStatus>) -> HealthCounts {
    let mut counts = HealthCounts::default();
    all.for_each(|status| counts.add(status));
    counts
}
