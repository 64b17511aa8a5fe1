//! People who may log in: list, add, change, remove. For admins; the own password for its owner.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::users as wire;
use conduit_core::actor::Actor;
use conduit_core::user::{PasswordHash, User, UserName};
use conduit_registry::Mutation;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::{Admin, Answer, By};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::convert::role;
use crate::error::ApiError;
use crate::params::{Id, Options};
use crate::password;
use crate::session::lockout::{Subject, locked};
use crate::state::AdminState;

/// The options of [`list`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListOptions {
    /// Removed ones too.
    #[param(default = false)]
    #[serde(default)]
    all: bool,
}

/// Lists the people who may log in, without anything secret.
#[utoipa::path(
    get,
    path = "/users",
    operation_id = "list_users",
    tag = "users",
    params(ListOptions),
    responses(
        (status = 200, body = wire::UserList, description = "by name; with removed ones, oldest first"),
        (status = 422, body = ErrorBody, description = "`invalid_query`: an option is unknown or of another type"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(options): Options<ListOptions>,
) -> Answer<wire::UserList> {
    let users = if options.all {
        state.registry.user_rows().await?.iter().map(shown).collect()
    } else {
        state.registry.users().load_full().iter().map(|user| shown(user)).collect()
    };
    Ok(Json(wire::UserList { users }))
}

/// Adds somebody who may log in.
#[utoipa::path(
    post,
    path = "/users",
    operation_id = "add_user",
    tag = "users",
    request_body(
        content = wire::AddUser,
        example = json!({ "name": "ada", "role": "operator", "password": "correct horse battery" }),
    ),
    responses(
        (status = 201, body = wire::User, description = "the user", example = json!({
                "name": "ada", "role": "operator", "has_password": true,
                "password_set_at": "2026-11-21T08:29:04Z", "passkeys": 0, "created_at": "2026-11-21T08:29:04Z",
                "removed_at": null
            })),
        (status = 409, body = ErrorBody, description = "`user_name_taken`"),
        (
            status = 422,
            body = ErrorBody,
            description = "`invalid_body`; `invalid_user_name`; `weak_password`; `limit`",
        ),
    ),
)]
pub(crate) async fn add(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::AddUser>,
) -> Result<Response, ApiError> {
    let name = named(&wish.name)?;
    let password = match wish.password {
        Some(password) => Some(hashed(&state, &name, password).await?),
        None => None,
    };
    let role = role::wanted(wish.role);
    let mutation = Mutation::AddUser { name: name.clone(), role, password };
    state.registry.apply(caller.0.actor, mutation).await?;
    Ok((StatusCode::CREATED, now_is(&state, &name)?).into_response())
}

/// Removes somebody: their sessions end at once, their row stays.
#[utoipa::path(
    delete,
    path = "/users/{name}",
    operation_id = "remove_user",
    tag = "users",
    params(("name" = String, Path, description = "The user.", example = "ada")),
    responses(
        (status = 200, body = wire::RemovedUser, description = "who may not log in any more"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such user"),
    ),
)]
pub(crate) async fn remove(
    State(state): Admin,
    caller: By,
    Id(name): Id,
) -> Answer<wire::RemovedUser> {
    let name = there(&name)?;
    let mutation = Mutation::RemoveUser { name: name.clone() };
    state.registry.apply(caller.0.actor, mutation).await?;
    Ok(Json(wire::RemovedUser { name: name.to_string() }))
}

/// Gives somebody another role, which holds at once.
#[utoipa::path(
    post,
    path = "/users/{name}/role",
    operation_id = "set_user_role",
    tag = "users",
    params(("name" = String, Path, description = "The user.", example = "ada")),
    request_body(content = wire::SetRole, example = json!({ "role": "auditor" })),
    responses(
        (status = 200, body = wire::User, description = "the user as they are now"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such user"),
    ),
)]
pub(crate) async fn set_role(
    State(state): Admin,
    caller: By,
    Id(name): Id,
    JsonBody(wish): JsonBody<wire::SetRole>,
) -> Answer<wire::User> {
    let name = there(&name)?;
    let mutation = Mutation::SetRole { name: name.clone(), role: role::wanted(wish.role) };
    state.registry.apply(caller.0.actor, mutation).await?;
    now_is(&state, &name)
}

/// Sets somebody's password, and ends every session that began with the one before. Whoever is no
/// admin may set their own, and has to know the one before.
#[utoipa::path(
    post,
    path = "/users/{name}/password",
    operation_id = "set_user_password",
    tag = "users",
    params(("name" = String, Path, description = "The user.", example = "ada")),
    request_body(
        content = wire::SetPassword,
        example = json!({ "password": "tide, lamp and staple", "old_password": "correct horse battery" }),
    ),
    responses(
        (status = 200, body = wire::User, description = "the user as they are now"),
        (status = 404, body = ErrorBody, description = "`not_found`: there is no such user"),
        (
            status = 422,
            body = ErrorBody,
            description = "`invalid_body`; `weak_password`; `invalid`: old_password is missing",
        ),
        (
            status = 429,
            body = ErrorBody,
            description = "`locked_out`: old_password was wrong too often; `busy`; `too_many_failures`",
        ),
    ),
)]
pub(crate) async fn set_password(
    State(state): Admin,
    caller: By,
    Id(name): Id,
    JsonBody(wish): JsonBody<wire::SetPassword>,
) -> Answer<wire::User> {
    let name = there(&name)?;
    if !caller.0.is_admin() {
        is_own(&state, &caller.0, &name, wish.old_password).await?;
    }
    let password = hashed(&state, &name, wish.password).await?;
    let mutation = Mutation::SetPassword { name: name.clone(), password };
    state.registry.apply(caller.0.actor, mutation).await?;
    now_is(&state, &name)
}

/// Whether somebody changes their own password, and knows the one before.
async fn is_own(
    state: &AdminState,
    caller: &Caller,
    name: &UserName,
    old: Option<String>,
) -> Result<(), ApiError> {
    let forbidden = |message: String| {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint("an admin can set it with `conduit user passwd`")
    };
    if !matches!(&caller.actor, Actor::User { name: own } if own == name) {
        let message = format!("{} may set no password but their own", caller.actor);
        return Err(forbidden(message));
    }
    let Some(old) = old else {
        return Err(ApiError::invalid("old_password is missing"));
    };
    let hash = state.registry.users().load().get(name).and_then(|user| user.password.clone());
    let wrong = || forbidden("old_password is not the present one".to_owned());
    knows_password(state, name, (hash, old), wrong).await
}

/// Whether somebody who is signed in knows their password: whoever found an open session must not
/// find it out by trying.
pub(super) async fn knows_password(
    state: &AdminState,
    name: &UserName,
    (hash, tried): (Option<PasswordHash>, String),
    wrong: impl FnOnce() -> ApiError,
) -> Result<(), ApiError> {
    let subjects = [Subject::Name(name.to_string())];
    state.access.lockout.begin(&subjects, Instant::now()).map_err(locked)?;
    if !password::verify(hash, tried).await? {
        return Err(wrong());
    }
    state.access.lockout.succeed(&subjects, Instant::now());
    Ok(())
}

async fn hashed(
    state: &AdminState,
    name: &UserName,
    password: String,
) -> Result<PasswordHash, ApiError> {
    if state.control.is_stopping() {
        return Err(ApiError::shutting_down());
    }
    password::check(&password, name)?;
    password::hash(password).await
}

fn named(text: &str) -> Result<UserName, ApiError> {
    UserName::parse(text).map_err(|error| ApiError::unparsed("invalid_user_name", &error))
}

/// No user can have a name that does not parse, so there is none.
fn there(text: &str) -> Result<UserName, ApiError> {
    UserName::parse(text).map_err(|_| ApiError::no_user(text))
}

fn now_is(state: &AdminState, name: &UserName) -> Answer<wire::User> {
    let users = state.registry.users().load_full();
    // Somebody else may have removed them meanwhile.
    users.get(name).map(|user| Json(shown(user))).ok_or_else(|| ApiError::no_user(name.as_str()))
}

fn shown(user: &User) -> wire::User {
    wire::User {
        name: user.name.to_string(),
        role: role::shown(user.role),
        has_password: user.password.is_some(),
        password_set_at: user.password_set_at.map(|at| at.to_string()),
        passkeys: u32::try_from(user.passkeys.len()).unwrap_or(u32::MAX),
        created_at: user.created_at.to_string(),
        removed_at: user.removed_at.map(|at| at.to_string()),
    }
}
