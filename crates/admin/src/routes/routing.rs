//! Routes: what the proxy serves now, the built-in ones included.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::routes as wire;
use conduit_core::clock::Timestamp;
use conduit_proxy::health::board::ServiceHealth;

use super::{Admin, Answer};
use crate::convert::health::{status, upstreams};
use crate::convert::traffic::traffic;
use crate::paging::Paging;
use crate::params::Options;

/// Lists what the proxy serves now, the built-in routes included.
#[utoipa::path(
    get,
    path = "/routing",
    operation_id = "list_routes",
    tag = "routing",
    params(Paging),
    responses(
        (status = 200, body = wire::RouteList, description = "by host"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: the limit is out of bounds"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(paging): Options<Paging>,
) -> Answer<wire::RouteList> {
    let table = state.table.load_full();
    let (now, counted) = (Timestamp::now(), state.traffic.traffic());
    let mut routes: Vec<_> = table.iter().collect();
    routes.sort_unstable_by_key(|(host, _)| *host);
    let (part, next_after) = paging.part(routes, |(host, _)| host.as_str())?;
    let routes = part
        .into_iter()
        .map(|(host, route)| {
            let health = ServiceHealth::of(&route.pool, route.leaves.as_deref(), now);
            let upstreams = upstreams(&health.upstreams);
            wire::Route {
                name: route.service.to_string(),
                domain: host.to_string(),
                upstream: upstreams.first().map(|u| u.upstream.clone()).unwrap_or_default(),
                upstreams,
                tls: route.leaves.is_some(),
                health_status: status(health.health),
                response_time_ms: health.response_time_ms,
                last_checked: health.last_probe_at.map(|at| at.to_string()),
                traffic: traffic(counted.get(&route.service).copied().unwrap_or_default()),
            }
        })
        .collect();
    Ok(Json(wire::RouteList { version: table.version().to_string(), routes, next_after }))
}
