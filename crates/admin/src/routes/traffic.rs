//! Traffic: what went through the proxy.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::traffic as wire;

use super::{Admin, Answer};
use crate::convert::traffic;
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
    let (counted, uptime) = (state.traffic.traffic(), state.control.gateway().uptime);
    let mut services: Vec<_> = counted.iter().collect();
    services.sort_unstable_by_key(|(service, _)| *service);
    let (part, next_after) = paging.part(services, |(service, _)| service.as_str())?;
    Ok(Json(wire::TrafficList { next_after, ..traffic::list(&counted, part, uptime) }))
}
