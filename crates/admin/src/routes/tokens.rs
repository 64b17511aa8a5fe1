//! API tokens: list, make, revoke. For admins only.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::tokens as wire;
use conduit_core::clock::Timestamp;
use conduit_core::scope::Scopes;
use conduit_registry::{Mutation, TokenRow};
use http::StatusCode;

use super::{Admin, Answer, By};
use crate::body::JsonBody;
use crate::convert::role;
use crate::error::ApiError;
use crate::params::Id;

/// Lists every token that was made, without the secrets.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = "list_tokens",
    tag = "tokens",
    responses(
        (status = 200, body = wire::TokenList, description = "revoked ones included"),
    ),
)]
pub(crate) async fn list(State(state): Admin) -> Answer<wire::TokenList> {
    let rows = state.registry.tokens().await?;
    let tokens = rows.into_iter().map(token).collect();
    Ok(Json(wire::TokenList { tokens }))
}

/// Makes a token; its secret is shown this once.
#[utoipa::path(
    post,
    path = "/tokens",
    operation_id = "create_token",
    tag = "tokens",
    request_body(
        content = wire::CreateToken,
        example = json!({ "name": "prometheus", "role": "viewer", "scopes": ["metrics"], "expires_in_seconds": 2592000 }),
    ),
    responses(
        (
            status = 201,
            body = wire::NewToken,
            description = "the token and its secret",
            example = json!({
                "id": "3f0c1a", "name": "prometheus", "role": "viewer", "scopes": ["metrics"],
                "expires_at": "2026-12-21T08:29:04Z", "secret": "cdt_…"
            }),
        ),
        (status = 409, body = ErrorBody, description = "`token_name_taken`"),
        (status = 422, body = ErrorBody, description = "`invalid_body`; `invalid_scope`; or a value cannot be"),
    ),
)]
pub(crate) async fn create(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::CreateToken>,
) -> Result<Response, ApiError> {
    let lasts = wish.expires_in_seconds.map(Duration::from_secs);
    let expires_at = lasts.map(|lasts| Timestamp::now().plus(lasts));
    let scopes =
        Scopes::parse(&wish.scopes).map_err(|error| ApiError::unparsed("invalid_scope", &error))?;
    let mutation = Mutation::CreateToken {
        name: wish.name.clone(),
        role: role::wanted(wish.role),
        scopes: scopes.clone(),
        expires_at,
    };
    let committed = state.registry.apply(caller.0.actor, mutation).await?;
    let Some(made) = committed.token else {
        let message = "the registry made no token";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err(ApiError::new(status, "internal", message));
    };
    let reply = wire::NewToken {
        id: made.id,
        name: wish.name,
        role: wish.role,
        scopes: scopes.texts(),
        expires_at: expires_at.map(|at| at.to_string()),
        secret: made.secret,
    };
    Ok((StatusCode::CREATED, Json(reply)).into_response())
}

/// Revokes a token: it is no longer good from the answer on.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    operation_id = "revoke_token",
    tag = "tokens",
    params(("id" = String, Path, description = "The token.")),
    responses(
        (status = 200, body = wire::RevokeReply, description = "the token that is no longer good"),
        (status = 404, body = ErrorBody, description = "`not_found`: no good token has that id"),
    ),
)]
pub(crate) async fn revoke(
    State(state): Admin,
    caller: By,
    Id(id): Id,
) -> Answer<wire::RevokeReply> {
    let mutation = Mutation::RevokeToken { id: id.clone() };
    state.registry.apply(caller.0.actor, mutation).await?;
    Ok(Json(wire::RevokeReply { id }))
}

fn token(row: TokenRow) -> wire::Token {
    wire::Token {
        id: row.id,
        name: row.name,
        role: role::shown(row.role),
        scopes: row.scopes.texts(),
        created_at: row.created_at.to_string(),
        expires_at: row.expires_at.map(|at| at.to_string()),
        revoked_at: row.revoked_at.map(|at| at.to_string()),
    }
}
