//! A new process takes over.

use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::upgrade as wire;
use conduit_audit::action::Action;
use conduit_core::actor::Actor;
use http::StatusCode;
use serde_json::{Map, json};

use super::{Admin, Answer, By};
use crate::body::JsonBody;
use crate::control::ControlError;
use crate::error::ApiError;
use crate::limits::{UPGRADE_SECONDS, UPGRADE_SECONDS_MAX};
use crate::record::{decision_about, failure};

/// Lets a new process take over every socket and the state; nothing is lost.
#[utoipa::path(
    post,
    path = "/upgrade",
    operation_id = "upgrade_gateway",
    tag = "config",
    request_body(
        content = wire::UpgradeRequest,
        example = json!({ "timeout_s": 60 }),
    ),
    responses(
        (status = 200, body = wire::UpgradeReply, description = "who serves now; this process finishes what it has"),
        (status = 409, body = ErrorBody, description = "`conflict`: another upgrade is under way"),
        (status = 422, body = ErrorBody, description = "`invalid`: timeout_s is out of bounds, or binary is no absolute path"),
    ),
)]
pub(crate) async fn begin(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::UpgradeRequest>,
) -> Answer<wire::UpgradeReply> {
    let actor = caller.0.actor;
    let binary = wish.binary.map(PathBuf::from);
    if let Some(binary) = &binary {
        // Whoever has a token may not choose what runs as the gateway's user.
        if !matches!(actor, Actor::Local { .. }) {
            let message = "a program can be named over the Unix socket only";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
                .hint("replace the gateway's own program on the disk, and name none"));
        }
        if !binary.is_absolute() {
            return Err(ApiError::invalid("the path of a program must be absolute"));
        }
    }
    let seconds = wish.timeout_s.unwrap_or(UPGRADE_SECONDS);
    if !(1..=UPGRADE_SECONDS_MAX).contains(&seconds) {
        let message = format!("timeout_s must be between 1 and {UPGRADE_SECONDS_MAX}");
        return Err(ApiError::invalid(message));
    }
    let mut details = Map::new();
    details.insert("upgrade".into(), json!(true));
    details.insert("binary".into(), json!(binary));
    let message = "Upgrading: a new process takes over, and this one stops";
    decision_about(&state, actor.clone(), Action::DaemonStop, message, details).await?;
    match state.control.upgrade(binary, Duration::from_secs(seconds)).await {
        Ok(done) => Ok(Json(wire::UpgradeReply {
            pid: done.process,
            previous_pid: std::process::id(),
            version: done.version,
            binary: done.binary.display().to_string(),
        })),
        Err(error) => {
            failure(&state, actor, Action::CommandError("upgrade"), &error.to_string());
            Err(refusal(error))
        }
    }
}

fn refusal(error: ControlError) -> ApiError {
    let is_failure = matches!(error, ControlError::Failed(_));
    let error = ApiError::from(error);
    match is_failure {
        true => error.hint("the gateway goes on as before; nothing was lost"),
        false => error,
    }
}
