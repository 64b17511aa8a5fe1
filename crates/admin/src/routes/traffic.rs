//! Traffic: what went through the proxy.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::traffic as wire;
use conduit_proxy::metrics::Traffic;

use super::{Admin, Answer};
use crate::convert::traffic::traffic;
use crate::paging::Paging;
use crate::params::Options;

/// Lists what went through for each service, and for all of them.
#[utoipa::path(
    get,
    path = "/traffic",
    operation_id = "list_traffic",
    tag = "routing",
    params(Paging),
    responses(
        (status = 200, body = wire::TrafficList, description = "by service; the total is of all"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: the limit is out of bounds"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(paging): Options<Paging>,
) -> Answer<wire::TrafficList> {
    let uptime = state.started.elapsed();
    let counted = state.traffic.traffic();
    let mut total = Traffic::default();
    counted.values().for_each(|one| total += *one);
    let mut services: Vec<_> = counted.into_iter().collect();
    services.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let (part, next_after) = paging.part(services, |(service, _)| service.as_str())?;
    Ok(Json(wire::TrafficList {
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        total: traffic(total),
        services: part.into_iter().map(|(name, one)| (name.to_string(), traffic(one))).collect(),
        next_after,
    }))
}
