//! Services: what is registered, and the end of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::services as wire;
use conduit_core::clock::Timestamp;
use conduit_core::name::ServiceName;
use conduit_core::service::Service;
use conduit_registry::{Mutation, RowStatus};
use http::{StatusCode, header};
use serde::Deserialize;

use super::{Admin, Answer, By};
use crate::convert::service::{Known, Ports, Sight, service};
use crate::error::ApiError;
use crate::limits::SELF_CHECK_TIMEOUT;
use crate::paging::Paging;
use crate::params::{Name, Options};
use crate::precondition::{IfMatch, tag};
use crate::state::AdminState;

/// The options of [`list`].
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListOptions {
    /// Inactive rows too; such a list has no pages.
    #[param(default = false)]
    all: bool,
    /// At most so many; all of them when absent.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
    /// Only those after this one: `next_after` of the answer before.
    after: Option<String>,
}

/// The options of [`one`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneOptions {
    /// Try it through our own listeners now.
    #[param(default = false)]
    #[serde(default)]
    check: bool,
}

/// Lists the registered services as they are and as they are doing.
#[utoipa::path(
    get,
    path = "/services",
    operation_id = "list_services",
    tag = "services",
    params(ListOptions),
    responses(
        (status = 200, body = wire::ServiceList, description = "by name"),
        (status = 422, body = ErrorBody, description = "`invalid_query`: an option is unknown or of another type; `invalid`: the limit is out of bounds, or there is one beside `all`"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    caller: By,
    Options(ListOptions { all, limit, after }): Options<ListOptions>,
) -> Answer<wire::ServiceList> {
    let (catalog, ports, now) = (state.registry.catalog(), state.ports(), Timestamp::now());
    let catalog = catalog.load_full();
    let sight = Sight { secrets: caller.0.is_admin(), effective: false };
    let shown = |s: &Service| service(s, state.known(s, now), ports, sight);
    let paging = Paging { limit, after };
    if all && paging.is_part() {
        return Err(ApiError::invalid("a list with inactive rows has no pages"));
    }
    let (part, next_after) = paging.part(catalog.sorted(), |s| s.name.as_str())?;
    let mut services: Vec<wire::Service> = part.into_iter().map(|s| shown(s)).collect();
    if all {
        for row in state.registry.rows(true).await? {
            if let RowStatus::Inactive { deregistered_at } = row.status {
                let known = Known { deregistered_at: Some(deregistered_at), ..Known::default() };
                services.push(service(&row.service, known, ports, sight));
            }
        }
    }
    Ok(Json(wire::ServiceList { generation: catalog.generation().0, services, next_after }))
}

/// Shows one service with its effective policy.
#[utoipa::path(
    get,
    path = "/services/{name}",
    operation_id = "get_service",
    tag = "services",
    params(
        ("name" = String, Path, description = "The service.", example = "grafana"),
        OneOptions,
    ),
    responses(
        (
            status = 200, body = wire::ServiceReply, description = "the service",
            headers(("ETag" = String, description = "what `If-Match` takes for it")),
        ),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name"),
        (status = 422, body = ErrorBody, description = "`invalid_query`: an option is unknown or of another type"),
    ),
)]
pub(crate) async fn one(
    State(state): Admin,
    caller: By,
    Name(name): Name,
    Options(options): Options<OneOptions>,
) -> Result<Response, ApiError> {
    let (generation, found) = state.active(&name)?;
    let checks = if options.check {
        let checking = state.control.self_check(&name);
        let checked = tokio::time::timeout(SELF_CHECK_TIMEOUT, checking).await;
        checked.map_err(|_| {
            let message = format!("the checks took longer than {} s", SELF_CHECK_TIMEOUT.as_secs());
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", message)
        })?
    } else {
        state.control.last_checks(&name)
    };
    let known = Known { checks, ..state.known(&found, Timestamp::now()) };
    let service = service(&found, known, state.ports(), whole(&caller));
    let etag = tag(&found);
    let headers = [(header::ETAG, etag.clone())];
    Ok((headers, Json(wire::ServiceReply { generation, service, etag })).into_response())
}

/// Deregisters a service: it no longer resolves and is no longer served.
#[utoipa::path(
    delete,
    path = "/services/{name}",
    operation_id = "deregister_service",
    tag = "services",
    params(
        ("name" = String, Path, description = "The service.", example = "grafana"),
        ("If-Match" = Option<String>, Header, description = "The tag that it must have."),
    ),
    responses(
        (
            status = 200,
            body = wire::DeregisterReply,
            description = "the service that is no longer active",
            example = json!({ "generation": 7, "name": "wiki" }),
        ),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name"),
        (status = 412, body = ErrorBody, description = "`changed_meanwhile`: the service has another tag, or is gone"),
        (status = 422, body = ErrorBody, description = "`invalid`: `If-Match` is no list of tags"),
    ),
)]
pub(crate) async fn deregister(
    State(state): Admin,
    caller: By,
    precondition: IfMatch,
    Name(name): Name,
) -> Answer<wire::DeregisterReply> {
    let mutation = Mutation::Deregister { name: name.clone() };
    let mutation = precondition.guard(&state, &name, mutation)?;
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    Ok(Json(wire::DeregisterReply { generation: committed.generation.0, name: name.to_string() }))
}

impl AdminState {
    /// An active service, and the generation it was found in.
    pub(crate) fn active(&self, name: &ServiceName) -> Result<(u64, Arc<Service>), ApiError> {
        let catalog = self.registry.catalog();
        let catalog = catalog.load();
        match catalog.get(name) {
            Some(service) => Ok((catalog.generation().0, Arc::clone(service))),
            None => Err(ApiError::no_service(name.as_str())),
        }
    }

    /// What is known about a service without trying anything.
    pub(crate) fn known(&self, service: &Service, now: Timestamp) -> Known {
        Known {
            deregistered_at: None,
            leaves: self.control.leaves(&service.name),
            health: self.health.service(&service.name, now),
            checks: self.control.last_checks(&service.name),
        }
    }

    /// The ports under which services are reached.
    pub(crate) fn ports(&self) -> Ports {
        let gateway = self.control.gateway();
        Ports::of(&gateway.https, &gateway.http)
    }
}

/// Everything about one service that its caller may see.
pub(super) fn whole(caller: &By) -> Sight {
    Sight { secrets: caller.0.is_admin(), effective: true }
}
