//! Passkeys: whose they are adds them, and removes them; an admin may remove them too.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::passkeys as wire;
use conduit_core::actor::Actor;
use conduit_core::passkey::{Passkey, PasskeyId, PasskeyLabel};
use conduit_core::user::{User, UserName};
use conduit_registry::Mutation;
use http::{HeaderMap, Method, StatusCode};

use super::users::knows_password;
use super::{Admin, Answer, By};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::limits::PASSKEY_BYTES_MAX;
use crate::params::Id;
use crate::peer::Peer;
use crate::session::passkeys::Site;
use crate::session::{client, crossing};
use crate::state::AdminState;

/// Begins a login by passkey: what the device is to sign, whoever it is that comes.
#[utoipa::path(
    post,
    path = "/api/v1/session/passkey",
    operation_id = "begin_passkey_login",
    tag = "sessions",
    responses(
        (status = 200, body = wire::PasskeyOptions, description = "what to ask the device; what it says begins the session"),
        (status = 403, body = ErrorBody, description = "`cross_site`; `host_refused`"),
        (status = 422, body = ErrorBody, description = "`no_passkeys_here`: the page has an address and no name"),
    ),
)]
pub(crate) async fn begin_login(
    State(state): Admin,
    headers: HeaderMap,
    request: Request,
) -> Answer<wire::PasskeyOptions> {
    crossing::check(&Method::POST, &headers)?;
    let peer = request.extensions().get::<Peer>();
    let address = peer.map(|peer| client::address(peer, &headers, state.listening.tcp));
    let address = address.unwrap_or_default();
    let options = state.access.passkeys.begin_login(&Site::of(&headers)?, &address)?;
    Ok(Json(wire::PasskeyOptions { options }))
}

/// Lists somebody's passkeys.
#[utoipa::path(
    get,
    path = "/users/{name}/passkeys",
    operation_id = "list_passkeys",
    tag = "users",
    params(("name" = String, Path, description = "The user.", example = "ada")),
    responses(
        (status = 200, body = wire::PasskeyList, description = "the passkeys"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such user"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    caller: By,
    Id(name): Id,
) -> Answer<wire::PasskeyList> {
    let user = owner(&state, &caller.0, &name, true)?;
    Ok(Json(wire::PasskeyList { passkeys: user.passkeys.iter().map(shown).collect() }))
}

/// Begins the addition of a passkey of one's own: what the device is to make.
#[utoipa::path(
    post,
    path = "/users/{name}/passkeys/begin",
    operation_id = "begin_passkey",
    tag = "users",
    params(("name" = String, Path, description = "The user.", example = "ada")),
    request_body(content = wire::BeginPasskey, example = json!({ "password": "correct horse battery" })),
    responses(
        (status = 200, body = wire::PasskeyOptions, description = "what to ask the device; what it makes is added"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such user"),
        (
            status = 422,
            body = ErrorBody,
            description = "`no_passkeys_here`: the page has an address and no name; `invalid`: the password is missing",
        ),
        (
            status = 429,
            body = ErrorBody,
            description = "`locked_out`: the password was wrong too often; `busy`; `too_many_failures`",
        ),
    ),
)]
pub(crate) async fn begin(
    State(state): Admin,
    caller: By,
    Id(name): Id,
    headers: HeaderMap,
    JsonBody(wish): JsonBody<wire::BeginPasskey>,
) -> Answer<wire::PasskeyOptions> {
    let user = owner(&state, &caller.0, &name, false)?;
    let site = Site::of(&headers)?;
    may_add(&state, &user, wish.password).await?;
    let options = state.access.passkeys.begin_addition(&site, &user)?;
    Ok(Json(wire::PasskeyOptions { options }))
}

/// Adds the passkey that a device made.
#[utoipa::path(
    post,
    path = "/users/{name}/passkeys",
    operation_id = "add_passkey",
    tag = "users",
    params(("name" = String, Path, description = "The user.", example = "ada")),
    request_body(
        content = wire::AddPasskey,
        example = json!({ "label": "phone", "credential": { "id": "…", "rawId": "…", "type": "public-key", "response": {} } }),
    ),
    responses(
        (status = 201, body = wire::Passkey, description = "the passkey"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such user"),
        (status = 409, body = ErrorBody, description = "`passkey_taken`"),
        (
            status = 422,
            body = ErrorBody,
            description = "`passkey_refused`: the device's answer does not hold; `invalid_passkey`; `no_passkeys_here`; `limit`",
        ),
    ),
)]
pub(crate) async fn add(
    State(state): Admin,
    caller: By,
    Id(name): Id,
    headers: HeaderMap,
    JsonBody(wish): JsonBody<wire::AddPasskey>,
) -> Result<Response, ApiError> {
    let user = owner(&state, &caller.0, &name, false)?;
    let site = Site::of(&headers)?;
    let label = PasskeyLabel::parse(&wish.label)
        .map_err(|error| ApiError::unparsed("invalid_passkey", &error))?;
    let said = said(&wish.credential)?;
    let passkey = state.access.passkeys.finish_addition(&site, &user.name, label, &said)?;
    let id = passkey.id.clone();
    let mutation = Mutation::AddPasskey { name: user.name.clone(), passkey: Box::new(passkey) };
    state.registry.apply(caller.0.actor, mutation).await?;
    let users = state.registry.users().load_full();
    // Somebody else may have removed it meanwhile.
    let (_, added) = users.passkey(&id).ok_or_else(|| ApiError::no_user(user.name.as_str()))?;
    Ok((StatusCode::CREATED, Json(shown(added))).into_response())
}

/// Removes a passkey, and ends every session that began with it.
#[utoipa::path(
    delete,
    path = "/users/{name}/passkeys/{id}",
    operation_id = "remove_passkey",
    tag = "users",
    params(
        ("name" = String, Path, description = "The user.", example = "ada"),
        ("id" = String, Path, description = "The passkey."),
    ),
    responses(
        (status = 200, body = wire::Passkey, description = "the passkey that it was"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such user or passkey"),
    ),
)]
pub(crate) async fn remove(
    State(state): Admin,
    caller: By,
    Path((name, id)): Path<(String, String)>,
) -> Answer<wire::Passkey> {
    let user = owner(&state, &caller.0, &name, true)?;
    let id = PasskeyId::parse(&id).ok();
    let Some(passkey) = user.passkeys.iter().find(|known| Some(&known.id) == id.as_ref()) else {
        let message = format!("{} has no such passkey", user.name);
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", message));
    };
    let mutation = Mutation::RemovePasskey { name: user.name.clone(), id: passkey.id.clone() };
    state.registry.apply(caller.0.actor, mutation).await?;
    Ok(Json(shown(passkey)))
}

/// The text of what a device said.
pub(super) fn said(credential: &serde_json::Value) -> Result<Vec<u8>, ApiError> {
    let text = credential.to_string().into_bytes();
    if text.len() > PASSKEY_BYTES_MAX {
        let message = format!("what a device says is at most {PASSKEY_BYTES_MAX} bytes");
        return Err(ApiError::invalid(message));
    }
    Ok(text)
}

/// The user of that name, when it is the caller, or the caller is an admin and that is enough.
fn owner(
    state: &AdminState,
    caller: &Caller,
    name: &str,
    admins_too: bool,
) -> Result<Arc<User>, ApiError> {
    let name = UserName::parse(name).map_err(|_| ApiError::no_user(name))?;
    let is_own = matches!(&caller.actor, Actor::User { name: own } if *own == name);
    if !(is_own || (admins_too && caller.is_admin())) {
        let message = format!("{} has to do with no passkeys but their own", caller.actor);
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint("sign in with a name and its password; an admin adds users"));
    }
    let users = state.registry.users().load_full();
    users.get(&name).cloned().ok_or_else(|| ApiError::no_user(name.as_str()))
}

/// Whoever found an open session must not get in again by a key of their own.
async fn may_add(
    state: &AdminState,
    user: &User,
    password: Option<String>,
) -> Result<(), ApiError> {
    let Some(hash) = user.password.clone() else {
        return Ok(());
    };
    let Some(password) = password else {
        return Err(ApiError::invalid("the password is missing"));
    };
    let wrong = || {
        let message = "this is not the present password";
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    };
    knows_password(state, &user.name, (Some(hash), password), wrong).await
}

fn shown(passkey: &Passkey) -> wire::Passkey {
    wire::Passkey {
        id: passkey.id.to_string(),
        label: passkey.label.as_str().to_owned(),
        host: passkey.host.to_string(),
        created_at: passkey.created_at.to_string(),
        used_at: passkey.used_at.map(|at| at.to_string()),
    }
}
