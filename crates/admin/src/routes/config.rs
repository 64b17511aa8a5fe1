//! The effective configuration, its reload, and backups.

use std::path::Path;

use axum::Json;
use axum::extract::State;
use conduit_api::v1::config as wire;
use conduit_api::v1::error::ErrorBody;
use conduit_audit::action::Action;
use serde_json::{Map, Value};

use super::{Admin, Answer, By};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::record::{decision, decision_about, failure};

/// Shows the values that the gateway runs with; secrets are left out.
#[utoipa::path(
    get,
    path = "/config",
    operation_id = "get_config",
    tag = "config",
    responses(
        (status = 200, body = wire::ConfigReply, description = "as TOML and as JSON"),
    ),
)]
pub(crate) async fn effective(State(state): Admin) -> Json<wire::ConfigReply> {
    let config = state.control.config();
    Json(wire::ConfigReply {
        file: config.file.map(|path| path.display().to_string()),
        toml: config.toml,
        config: config.json,
    })
}

/// Reads the file again and applies what can change while the gateway runs.
#[utoipa::path(
    post,
    path = "/config/reload",
    operation_id = "reload_config",
    tag = "config",
    responses(
        (status = 200, body = wire::ReloadReply, description = "what holds now, and what needs a restart"),
        (status = 409, body = ErrorBody, description = "`conflict`: another reload is under way"),
        (status = 422, body = ErrorBody, description = "`invalid`: the file is refused; nothing was changed"),
    ),
)]
pub(crate) async fn reload(State(state): Admin, caller: By) -> Answer<wire::ReloadReply> {
    let actor = caller.0.actor;
    let message = "Reloading the configuration";
    decision(&state, actor.clone(), Action::ConfigReload, message).await?;
    match state.control.reload().await {
        Ok(done) => {
            Ok(Json(wire::ReloadReply { applied: done.applied, needs_restart: done.needs_restart }))
        }
        Err(error) => {
            failure(&state, actor, Action::ConfigReload, &error.to_string());
            Err(error.into())
        }
    }
}

/// Writes the whole state into one archive on the gateway's machine.
#[utoipa::path(
    post,
    path = "/backup",
    operation_id = "create_backup",
    tag = "config",
    request_body(
        content = wire::BackupRequest,
        example = json!({ "path": "/var/backups/conduit.tar" }),
    ),
    responses(
        (status = 200, body = wire::BackupReply, description = "what was written"),
        (status = 409, body = ErrorBody, description = "`conflict`: another backup is under way"),
        (status = 422, body = ErrorBody, description = "`invalid`: the path is relative, is there already, or is in no directory"),
    ),
)]
pub(crate) async fn backup(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::BackupRequest>,
) -> Answer<wire::BackupReply> {
    let path = Path::new(&wish.path);
    if !path.is_absolute() || wish.path.contains('\0') {
        return Err(ApiError::invalid("the path of a backup must be absolute")
            .hint("the gateway writes it, on its own machine and from its own directory"));
    }
    if path.symlink_metadata().is_ok() {
        let message = format!("{:?} is there already", wish.path);
        return Err(ApiError::invalid(message).hint("choose a path that does not exist"));
    }
    if !path.parent().is_some_and(Path::is_dir) {
        let message = format!("{:?} is not in a directory of the gateway's machine", wish.path);
        return Err(ApiError::invalid(message).hint("make the directory first, or choose another"));
    }
    let actor = caller.0.actor;
    let mut details = Map::new();
    details.insert("path".into(), Value::String(wish.path.clone()));
    let message = format!("Backing up to {}", wish.path);
    decision_about(&state, actor.clone(), Action::Backup, &message, details).await?;
    if let Err(error) = state.control.backup(path).await {
        failure(&state, actor, Action::Backup, &error.to_string());
        return Err(error.into());
    }
    let bytes = path.metadata().map_or(0, |file| file.len());
    Ok(Json(wire::BackupReply { path: wish.path, bytes }))
}
