//! The newest lines of the access log that are of a service.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::services as wire;

use super::{Admin, Answer};
use crate::error::ApiError;
use crate::params::Name;

/// Lists the newest requests of a service, as the access log has them.
#[utoipa::path(
    get,
    path = "/services/{name}/requests",
    operation_id = "list_requests",
    tag = "services",
    params(("name" = String, Path, description = "The service.", example = "grafana")),
    responses(
        (
            status = 200,
            body = wire::RequestList,
            description = "the newest first, at most 100, and since the gateway started",
            example = json!({ "logged": true, "requests": [{
                "time": "2026-11-23T16:51:07.214Z", "service": "grafana", "client": "10.0.1.7", "method": "GET",
                "host": "grafana.internal", "path": "/login", "protocol": "h2", "status": 200, "duration_ms": 3.1
            }] }),
        ),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name"),
    ),
)]
pub(crate) async fn list(State(state): Admin, Name(name): Name) -> Answer<wire::RequestList> {
    if state.registry.catalog().load().get(&name).is_none() {
        return Err(ApiError::no_service(name.as_str()));
    }
    let lines = state.control.recent(&name);
    Ok(Json(wire::RequestList { logged: lines.is_some(), requests: lines.unwrap_or_default() }))
}
