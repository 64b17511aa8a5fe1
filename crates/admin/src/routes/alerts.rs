//! Alerts, rules and silences.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::alerts as wire;
use conduit_api::v1::error::ErrorBody;
use conduit_audit::action::Action;
use conduit_core::clock::Timestamp;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Admin, Answer, By};
use crate::body::JsonBody;
use crate::convert::alert as convert;
use crate::error::ApiError;
use crate::monitor::SilenceWish;
use crate::params::Id;
use crate::record::{decision_about, failure};

/// Lists the alerts that are raised now, silenced ones included.
#[utoipa::path(
    get,
    path = "/alerts",
    operation_id = "list_alerts",
    tag = "alerts",
    responses(
        (status = 200, body = wire::AlertList, description = "the alerts"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn list(State(state): Admin) -> Answer<wire::AlertList> {
    let view = state.monitor()?.view().load_full();
    Ok(Json(wire::AlertList { alerts: convert::alerts(view.alerts.iter()) }))
}

/// Lists the rules that raise alerts.
#[utoipa::path(
    get,
    path = "/monitor/rules",
    operation_id = "list_rules",
    tag = "alerts",
    responses(
        (status = 200, body = wire::RuleList, description = "the rules"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn rules(State(state): Admin) -> Answer<wire::RuleList> {
    let rules = state.monitor()?.rules().into_iter().map(convert::rule);
    Ok(Json(wire::RuleList { rules: rules.collect() }))
}

/// Lists the channels, with what became of their messages since the start.
#[utoipa::path(
    get,
    path = "/monitor/channels",
    operation_id = "list_channels",
    tag = "alerts",
    responses(
        (status = 200, body = wire::ChannelList, description = "the channels"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn channels(State(state): Admin) -> Answer<wire::ChannelList> {
    let channels = state.monitor()?.channels().into_iter().map(convert::channel);
    Ok(Json(wire::ChannelList { channels: channels.collect() }))
}

/// Has a channel send one message that says it is a test, whatever waits.
///
/// That it did not arrive is no error of the request: the answer says why.
#[utoipa::path(
    post,
    path = "/monitor/channels/{name}/test",
    operation_id = "test_channel",
    tag = "alerts",
    params(("name" = String, Path, description = "The channel.", example = "mail")),
    responses(
        (status = 200, body = wire::TestChannelReply, description = "what came of it"),
        (status = 404, body = ErrorBody, description = "`not_found`: no channel has that name"),
        (status = 409, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn test_channel(
    State(state): Admin,
    Id(name): Id,
) -> Answer<wire::TestChannelReply> {
    let monitor = state.monitor_for_change()?;
    if !monitor.channels().iter().any(|channel| channel.name == name) {
        let shown: String = name.chars().take(ID_CHARS).collect();
        let message = format!("no channel is called {shown:?}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
            .hint("`conduit monitor channels` lists them; `[[monitor.channels]]` adds one"));
    }
    let tested = monitor.test_channel(&name).await?;
    Ok(Json(convert::channel_tested(name, tested)))
}

/// Lists the silences that are in force.
#[utoipa::path(
    get,
    path = "/alerts/silences",
    operation_id = "list_silences",
    tag = "alerts",
    responses(
        (status = 200, body = wire::SilenceList, description = "the silences"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn silences(State(state): Admin) -> Answer<wire::SilenceList> {
    let silences = state.monitor()?.silences().into_iter().map(convert::silence);
    Ok(Json(wire::SilenceList { silences: silences.collect() }))
}

/// Keeps alerts from the channels for a while; they stay visible.
#[utoipa::path(
    post,
    path = "/alerts/silences",
    operation_id = "add_silence",
    tag = "alerts",
    request_body(
        content = wire::AddSilence,
        example = json!({ "rule": "gpu-*", "node": "gpu-server", "for_seconds": 3600, "comment": "new fans" }),
    ),
    responses(
        (status = 201, body = wire::Silence, description = "the silence that is in force now"),
        (status = 409, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
        (status = 422, body = ErrorBody, description = "`invalid`: no rule fits, or a number or a text is out of bounds"),
    ),
)]
pub(crate) async fn silence(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::AddSilence>,
) -> Result<Response, ApiError> {
    let monitor = state.monitor_for_change()?;
    let actor = caller.0.actor;
    let wish = convert::wanted(wish, &monitor.rules(), actor.to_string(), Timestamp::now())?;
    let message = format!("Silenced {}", told(&wish));
    let details = details(&wish, None);
    decision_about(&state, actor.clone(), Action::AlertSilence, &message, details).await?;
    match monitor.silence(wish) {
        Ok(silence) => Ok((StatusCode::CREATED, Json(convert::silence(silence))).into_response()),
        Err(error) => {
            failure(&state, actor, Action::AlertSilence, &error.to_string());
            Err(error.into())
        }
    }
}

/// Ends a silence before its time.
#[utoipa::path(
    delete,
    path = "/alerts/silences/{id}",
    operation_id = "lift_silence",
    tag = "alerts",
    params(("id" = String, Path, description = "The silence.")),
    responses(
        (status = 200, body = wire::Silence, description = "the silence that was lifted"),
        (status = 404, body = ErrorBody, description = "`not_found`: no silence has that id"),
        (status = 409, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn lift(State(state): Admin, caller: By, Id(id): Id) -> Answer<wire::Silence> {
    let monitor = state.monitor_for_change()?;
    let Some(silence) = monitor.silences().into_iter().find(|silence| silence.id == id) else {
        let shown: String = id.chars().take(ID_CHARS).collect();
        let message = format!("no silence has the id {shown:?}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
            .hint("`conduit monitor silence` lists them"));
    };
    let actor = caller.0.actor;
    let message = format!("Lifted the silence of {}", told(&silence.wish));
    let details = details(&silence.wish, Some(&id));
    decision_about(&state, actor.clone(), Action::AlertSilence, &message, details).await?;
    match monitor.lift(&id) {
        Ok(silence) => Ok(Json(convert::silence(silence))),
        Err(error) => {
            failure(&state, actor, Action::AlertSilence, &error.to_string());
            Err(error.into())
        }
    }
}

/// `gpu-hot on gpu-server 0 until 2026-04-04T12:00:00Z`.
fn told(wish: &SilenceWish) -> String {
    let node = wish.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
    let subject = wish.subject.as_ref().map_or_else(String::new, |subject| format!(" {subject}"));
    format!("{}{node}{subject} until {}", wish.rule, wish.until)
}

fn details(wish: &SilenceWish, lifted: Option<&str>) -> Map<String, Value> {
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| details.insert(key.to_owned(), value);
    put("rule", json!(wish.rule));
    put("until", json!(wish.until.to_string()));
    if let Some(node) = &wish.node {
        put("node", json!(node));
    }
    if let Some(subject) = &wish.subject {
        put("subject", json!(subject));
    }
    if let Some(comment) = &wish.comment {
        put("comment", json!(comment));
    }
    if let Some(id) = lifted {
        put("lifted", json!(id));
    }
    details
}

/// How much of an unknown id is shown.
const ID_CHARS: usize = 64;
