//! Alerts, rules and silences.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::alerts as wire;
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

/// `GET /api/v1/alerts`.
pub(crate) async fn list(State(state): Admin) -> Answer<wire::AlertList> {
    let view = state.monitor()?.view().load_full();
    Ok(Json(wire::AlertList { alerts: convert::alerts(view.alerts.iter()) }))
}

/// `GET /api/v1/monitor/rules`.
pub(crate) async fn rules(State(state): Admin) -> Answer<wire::RuleList> {
    let rules = state.monitor()?.rules().into_iter().map(convert::rule);
    Ok(Json(wire::RuleList { rules: rules.collect() }))
}

/// `GET /api/v1/alerts/silences`.
pub(crate) async fn silences(State(state): Admin) -> Answer<wire::SilenceList> {
    let silences = state.monitor()?.silences().into_iter().map(convert::silence);
    Ok(Json(wire::SilenceList { silences: silences.collect() }))
}

/// `POST /api/v1/alerts/silences`.
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

/// `DELETE /api/v1/alerts/silences/{id}`.
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
