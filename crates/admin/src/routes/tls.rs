//! Certificates: our roots, the leaves we serve, and their rotation.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::tls as wire;
use conduit_core::clock::Timestamp;
use conduit_core::name::ServiceName;
use conduit_registry::{Cause, Mutation};
use http::StatusCode;

use super::{Admin, Answer, By};
use crate::convert::certificate;
use crate::error::ApiError;
use crate::paging::Paging;
use crate::params::{Name, Options};
use crate::state::AdminState;

/// Lists the leaves of every service.
#[utoipa::path(
    get,
    path = "/tls",
    operation_id = "list_certificates",
    tag = "tls",
    params(Paging),
    responses(
        (status = 200, body = wire::CertificateList, description = "two for each service, by name; `limit` counts services"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, or `invalid`: the limit is out of bounds"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(paging): Options<Paging>,
) -> Answer<wire::CertificateList> {
    let catalog = state.registry.catalog().load_full();
    let now = Timestamp::now();
    let (part, next_after) = paging.part(catalog.sorted(), |service| service.name.as_str())?;
    let mut certs = Vec::new();
    for service in part {
        if let Some(pair) = state.control.leaves(&service.name) {
            certs.extend(certificate::pair(&service.name, &pair, false, now).map_err(unreadable)?);
        }
    }
    Ok(Json(wire::CertificateList { certs, next_after }))
}

/// Shows what a client needs to trust us; nothing of it is secret.
#[utoipa::path(
    get,
    path = "/tls/ca",
    operation_id = "get_authority",
    tag = "tls",
    responses(
        (status = 200, body = wire::Authority, description = "roots and intermediates"),
        (status = 404, body = ErrorBody, description = "`tls_off`: there is no authority"),
    ),
)]
pub(crate) async fn authority(State(state): Admin) -> Answer<wire::Authority> {
    match state.control.authority() {
        Some(authority) => Ok(Json(certificate::authority(&authority))),
        None => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "tls_off",
            "this gateway has no certificate authority",
        )
        .hint("set [tls] enabled = true and restart")),
    }
}

/// Shows the leaves of one service with all that they hold.
#[utoipa::path(
    get,
    path = "/tls/{name}/inspect",
    operation_id = "inspect_certificate",
    tag = "tls",
    params(
        ("name" = String, Path, description = "The service.", example = "grafana"),
    ),
    responses(
        (status = 200, body = wire::CertificateReply, description = "its leaves"),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name; `no_leaf`: it is served without TLS"),
    ),
)]
pub(crate) async fn one(State(state): Admin, Name(name): Name) -> Answer<wire::CertificateReply> {
    Ok(Json(wire::CertificateReply { certs: details(&state, &name)?, name: name.to_string() }))
}

/// Makes new leaves for one service.
#[utoipa::path(
    post,
    path = "/tls/{name}/rotate",
    operation_id = "rotate_certificate",
    tag = "tls",
    params(
        ("name" = String, Path, description = "The service.", example = "grafana"),
    ),
    responses(
        (status = 200, body = wire::RotateReply, description = "its new leaves"),
        (status = 404, body = ErrorBody, description = "`not_found`: no active service has that name; `no_leaf`: it is served without TLS"),
        (status = 422, body = ErrorBody, description = "it is served without TLS"),
    ),
)]
pub(crate) async fn rotate(
    State(state): Admin,
    caller: By,
    Name(name): Name,
) -> Answer<wire::RotateReply> {
    let mutation = Mutation::Reissue { names: vec![name.clone()], cause: Cause::Rotate };
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    Ok(Json(wire::RotateReply {
        generation: committed.generation.0,
        certs: details(&state, &name)?,
        name: name.to_string(),
    }))
}

/// The leaves of a service, or of Conduit itself.
fn details(state: &AdminState, name: &ServiceName) -> Result<Vec<wire::Certificate>, ApiError> {
    let Some(pair) = state.control.leaves(name) else {
        // A service that is not there is another matter than one without leaves.
        state.active(name)?;
        return Err(no_leaf(name));
    };
    certificate::pair(name, &pair, true, Timestamp::now()).map_err(unreadable)
}

fn no_leaf(name: &ServiceName) -> ApiError {
    let message = format!("{name} is served without TLS, so it has no leaf");
    ApiError::new(StatusCode::NOT_FOUND, "no_leaf", message)
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn unreadable(error: conduit_tls::error::TlsError) -> ApiError {
    ApiError::internal("reading a leaf", &error)
}
