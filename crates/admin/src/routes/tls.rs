//! Certificates: our roots, the leaves we serve, and their rotation.

use axum::Json;
use axum::extract::State;
use conduit_api::v1::tls as wire;
use conduit_core::clock::Timestamp;
use conduit_core::name::ServiceName;
use conduit_registry::{Cause, Mutation};
use http::StatusCode;

use super::{Admin, Answer, By};
use crate::convert::certificate;
use crate::error::ApiError;
use crate::params::Name;
use crate::state::AdminState;

/// `GET /api/v1/tls`.
pub(crate) async fn list(State(state): Admin) -> Answer<wire::CertificateList> {
    let catalog = state.registry.catalog().load_full();
    let now = Timestamp::now();
    let mut certs = Vec::new();
    for service in catalog.sorted() {
        if let Some(pair) = state.control.leaves(&service.name) {
            certs.extend(certificate::pair(&service.name, &pair, false, now).map_err(unreadable)?);
        }
    }
    Ok(Json(wire::CertificateList { certs }))
}

/// `GET /api/v1/tls/ca`.
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

/// `GET /api/v1/tls/{name}/inspect`.
pub(crate) async fn one(State(state): Admin, Name(name): Name) -> Answer<wire::CertificateReply> {
    Ok(Json(wire::CertificateReply { certs: details(&state, &name)?, name: name.to_string() }))
}

/// `POST /api/v1/tls/{name}/rotate`.
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
