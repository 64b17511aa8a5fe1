//! The paths of the shell edition's API, for programs written for it.
//!
//! They lead to the same handlers as those under `/api/v1` and answer what those answer, which has the
//! shapes that its dashboard expected. What it never did has no path here.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use conduit_api::v1::nodes::NodeState;
use conduit_core::clock::Timestamp;
use conduit_monitor::view::NodeView;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admin, Answer, audit, config, dns, health, nodes, registrations, routing, services, status, tls,
};
use crate::body::JsonBody;
use crate::convert::node;
use crate::params::Options;
use crate::state::AdminState;

/// The paths below `/api`.
pub(crate) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/ping", get(ping))
        .route("/status", get(state))
        .route("/services", get(services::list).post(registrations::one))
        .route("/services/{name}", delete(services::deregister))
        .route("/services/{name}/health", get(health::one))
        .route("/dns", get(dns::list))
        .route("/dns/resolve", get(resolve).post(resolve_posted))
        .route("/dns/flush", post(dns::flush))
        .route("/tls", get(tls::list))
        .route("/tls/ca", get(tls::authority))
        .route("/tls/{name}/rotate", post(tls::rotate))
        .route("/tls/{name}/inspect", get(tls::one))
        .route("/servers", get(nodes::list))
        .route("/servers/containers", get(nodes::with_containers))
        .route("/servers/{name}", get(nodes::one))
        .route("/routing", get(routing::list))
        .route("/audit", get(audit::list))
}

/// Those of them that are for admins.
pub(crate) fn admins() -> Router<Arc<AdminState>> {
    Router::new().route("/routing/reload", post(config::reload))
}

async fn ping() -> Json<Value> {
    Json(json!({ "ok": true }))
}

async fn state(State(state): Admin) -> Answer<Value> {
    let Json(now) = status::gateway(State(Arc::clone(&state))).await?;
    let servers = state.monitor.as_ref().map(|monitor| {
        let (view, interval) = (monitor.view().load_full(), monitor.interval());
        let is_online =
            |node: &&Arc<NodeView>| node::state(node, Timestamp::now(), interval) == NodeState::Up;
        (view.nodes.values().filter(is_online).count(), view.nodes.len())
    });
    let (online, total) = servers.unwrap_or_default();
    Ok(Json(json!({
        "dns": !now.listen.dns.is_empty(),
        // What the proxy replaces.
        "caddy": !now.listen.https.is_empty() || !now.listen.http.is_empty(),
        "services": {
            "up": now.services.healthy,
            "degraded": now.services.degraded,
            "down": now.services.down,
            "total": now.services.total,
        },
        "certs": now.certs,
        "servers": { "online": online, "total": total },
        "last_audit": now.last_audit,
    })))
}

/// A name to ask for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    domain: String,
}

async fn resolve(state: Admin, Options(question): Options<Question>) -> Answer<Value> {
    resolved(state, question).await
}

async fn resolve_posted(state: Admin, JsonBody(question): JsonBody<Question>) -> Answer<Value> {
    resolved(state, question).await
}

async fn resolved(State(state): Admin, Question { domain }: Question) -> Answer<Value> {
    let found = state.control.resolve(&domain, "A").await?;
    let ip = found.answers.iter().find(|record| record.record_type == "A");
    let source = if found.authoritative { "conduit" } else { "forwarder" };
    let ip = ip.map(|record| record.value.as_str());
    Ok(Json(json!({ "ok": ip.is_some(), "domain": domain, "ip": ip, "source": source })))
}
