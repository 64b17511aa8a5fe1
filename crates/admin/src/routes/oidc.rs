//! Logging in through a provider of identities: whether there is one, and the way there.

use axum::Json;
use axum::extract::{Request, State};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::sessions as wire;
use http::{HeaderMap, Method, StatusCode};

use super::{Admin, Answer};
use crate::error::ApiError;
use crate::oidc::Oidc;
use crate::peer::Peer;
use crate::session::origin::Origin;
use crate::session::{client, crossing};
use crate::state::AdminState;

/// Tells which ways in there are beside those that always are.
#[utoipa::path(
    get,
    path = "/api/v1/session/ways",
    operation_id = "list_ways",
    tag = "sessions",
    responses(
        (status = 200, body = wire::Ways, description = "the ways", example = json!({ "oidc": { "label": "Keycloak" } })),
        (status = 403, body = ErrorBody, description = "`host_refused`"),
    ),
)]
pub(crate) async fn ways(State(state): Admin) -> Json<wire::Ways> {
    let oidc = state.oidc.as_ref().map(|oidc| wire::OidcWay { label: oidc.label().to_owned() });
    Json(wire::Ways { oidc })
}

/// Begins a login through the provider: where the page is to go, and what it keeps meanwhile.
#[utoipa::path(
    post,
    path = "/api/v1/session/oidc",
    operation_id = "begin_oidc_login",
    tag = "sessions",
    responses(
        (status = 200, body = wire::OidcDeparture, description = "where to go; what comes back begins the session"),
        (status = 403, body = ErrorBody, description = "`cross_site`; `host_refused`"),
        (status = 404, body = ErrorBody, description = "`no_provider`: none is configured"),
        (status = 502, body = ErrorBody, description = "`provider_failed`: it cannot be reached, or is none"),
    ),
)]
pub(crate) async fn begin(
    State(state): Admin,
    headers: HeaderMap,
    request: Request,
) -> Answer<wire::OidcDeparture> {
    crossing::check(&Method::POST, &headers)?;
    let peer = request.extensions().get::<Peer>();
    let address = peer.map(|peer| client::address(peer, &headers, state.listening.tcp));
    let page = page(&headers)?;
    let departure = provider(&state)?.begin(&page, &address.unwrap_or_default()).await?;
    Ok(Json(wire::OidcDeparture { url: departure.url, key: departure.key }))
}

/// The provider.
///
/// # Errors
/// When there is none.
pub(super) fn provider(state: &AdminState) -> Result<&Oidc, ApiError> {
    state.oidc.as_ref().ok_or_else(|| {
        let message = "no provider of identities is configured";
        ApiError::new(StatusCode::NOT_FOUND, "no_provider", message)
            .hint("an admin sets admin.oidc.issuer, client_id and roles, and restarts")
    })
}

/// The page that asks.
///
/// # Errors
/// When it is nowhere.
pub(super) fn page(headers: &HeaderMap) -> Result<Origin, ApiError> {
    Origin::of(headers).ok_or_else(|| ApiError::invalid("a login through a provider needs a Host"))
}
