//! Monitored machines: what is known of them, and which there are.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::nodes as wire;
use conduit_core::clock::Timestamp;
use conduit_core::node::{Node, NodeName};
use conduit_monitor::view::{NodeView, NodesView};
use conduit_registry::Mutation;
use http::StatusCode;
use serde::Deserialize;

use super::{Admin, Answer, By};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::convert::alert;
use crate::convert::node::{self as convert, Showing};
use crate::error::ApiError;
use crate::limits::NODE_TIMEOUT;
use crate::monitor::{Monitor, MonitorError, Scanned};
use crate::params::{NodeParam, Options};
use crate::state::AdminState;

/// The options of [`list`].
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListOptions {
    /// With the containers of each.
    #[param(default = false)]
    containers: bool,
}

/// Lists the monitored machines as they are now.
#[utoipa::path(
    get,
    path = "/nodes",
    operation_id = "list_nodes",
    tag = "nodes",
    params(ListOptions),
    responses(
        (status = 200, body = wire::NodeList, description = "this machine first, then the others by name"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
        (status = 422, body = ErrorBody, description = "`invalid_query`: an option is unknown or of another type"),
    ),
)]
pub(crate) async fn list(
    State(state): Admin,
    Options(options): Options<ListOptions>,
) -> Answer<wire::NodeList> {
    let monitor = state.monitor()?;
    let view = monitor.view().load_full();
    let now = Timestamp::now();
    let interval = monitor.interval();
    let showing = Showing { now, interval, with_containers: options.containers };
    let shown = |node: &Arc<NodeView>| convert::node(node, origin(&state, node), showing);
    // This machine first, then the others by name.
    let (local, others): (Vec<_>, Vec<_>) = view.nodes.values().partition(|n| n.address.is_none());
    Ok(Json(wire::NodeList {
        at: now.to_string(),
        interval_seconds: interval.as_secs_f64(),
        nodes: local.into_iter().chain(others).map(shown).collect(),
        engines: view.engines.iter().map(convert::engine).collect(),
        alerts: alert::alerts(view.alerts.iter()),
    }))
}

/// The same list with the containers of each.
pub(crate) async fn with_containers(state: Admin) -> Answer<wire::NodeList> {
    list(state, Options(ListOptions { containers: true })).await
}

/// Shows one machine with its containers.
#[utoipa::path(
    get,
    path = "/nodes/{name}",
    operation_id = "get_node",
    tag = "nodes",
    params(
        ("name" = String, Path, description = "The node.", example = "gpu-server"),
    ),
    responses(
        (status = 200, body = wire::NodeReply, description = "the node and its alerts"),
        (status = 404, body = ErrorBody, description = "`not_found`: no node has that name; `monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn one(
    State(state): Admin,
    NodeParam(name): NodeParam,
) -> Answer<wire::NodeReply> {
    let monitor = state.monitor()?;
    let view = monitor.view().load_full();
    let node = find(&view, &name)?;
    let (now, interval) = (Timestamp::now(), monitor.interval());
    let showing = Showing { now, interval, with_containers: true };
    Ok(Json(wire::NodeReply {
        at: now.to_string(),
        interval_seconds: interval.as_secs_f64(),
        node: convert::node(node, origin(&state, node), showing),
        alerts: alert::alerts(view.alerts.iter().filter(|alert| alert.series.node == name)),
    }))
}

/// Adds a machine: pins its host key when it is the one that is named.
///
/// Without `fingerprint` the answer is 409 and names the key that was seen, for comparison. `key` and
/// `known_hosts` are for admins.
#[utoipa::path(
    post,
    path = "/nodes",
    operation_id = "add_node",
    tag = "nodes",
    request_body(
        content = wire::AddNode,
        example = json!({ "destination": "conduit@10.0.1.12:22", "name": "gpu-server", "fingerprint": "SHA256:uNiVztksCsDhcc0u9e8BrVXCPTuMlVVyxM5zXnqbJVI" }),
    ),
    responses(
        (status = 201, body = wire::AddNodeReply, description = "the node that is watched from now on"),
        (status = 409, body = ErrorBody, description = "`node_taken`, `key_not_accepted`, `key_differs`, `conflict`, `monitor_off`"),
        (status = 422, body = ErrorBody, description = "`invalid_body`, or a value cannot be"),
        (status = 502, body = ErrorBody, description = "`node_failed`: the machine cannot be asked"),
        (status = 504, body = ErrorBody, description = "`node_failed`: the machine did not answer in time"),
    ),
)]
pub(crate) async fn add(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::AddNode>,
) -> Result<Response, ApiError> {
    let monitor = state.monitor_for_change()?;
    let mut node = wanted(wish, &caller.0)?;
    if state.registry.nodes().load().get(&node.name).is_some() {
        // The rules would say so too, after a machine was bothered.
        let message = format!("a node is called {} already", node.name);
        return Err(ApiError::new(StatusCode::CONFLICT, "node_taken", message)
            .hint(format!("choose another name, or run `conduit monitor remove {}`", node.name)));
    }
    let scanned = within(monitor.scan(&node)).await?;
    accept(&node, &scanned)?;
    node.fingerprint = Some(scanned.fingerprint.clone());
    // Nothing logs in because of a pin alone: only what is on record is read.
    within(monitor.pin(&node, &scanned)).await?;
    let mutation = Mutation::AddNode(Box::new(node.clone()));
    if let Err(error) = state.registry.apply(caller.0.actor, mutation).await {
        forget(&**monitor, &node).await;
        return Err(error.into());
    }
    let reply = wire::AddNodeReply {
        name: node.name.to_string(),
        destination: node.destination.to_string(),
        fingerprint: scanned.fingerprint,
    };
    Ok((StatusCode::CREATED, Json(reply)).into_response())
}

/// Stops watching a machine and forgets its host key.
#[utoipa::path(
    delete,
    path = "/nodes/{name}",
    operation_id = "remove_node",
    tag = "nodes",
    params(
        ("name" = String, Path, description = "The node.", example = "gpu-server"),
    ),
    responses(
        (status = 200, body = wire::RemoveNodeReply, description = "the node that is watched no more"),
        (status = 404, body = ErrorBody, description = "`not_found`: no node has that name"),
        (status = 409, body = ErrorBody, description = "`node_fixed`: the configuration names it; `monitor_off`"),
    ),
)]
pub(crate) async fn remove(
    State(state): Admin,
    caller: By,
    NodeParam(name): NodeParam,
) -> Answer<wire::RemoveNodeReply> {
    let monitor = state.monitor_for_change()?;
    let node = state.registry.nodes().load().get(&name).cloned();
    let mutation = Mutation::RemoveNode { name: name.clone() };
    state.registry.apply(caller.0.actor, mutation).await?;
    if let Some(node) = node {
        forget(&**monitor, &node).await;
    }
    Ok(Json(wire::RemoveNodeReply { name: name.to_string() }))
}

/// Tries to read a machine, whether it is a node or not.
///
/// A machine whose host key is not pinned is never logged in to. `key` and `known_hosts` are for admins.
#[utoipa::path(
    post,
    path = "/nodes:test",
    operation_id = "test_node",
    tag = "nodes",
    request_body(
        content = wire::TestNode,
        example = json!({ "node": "gpu-server" }),
    ),
    responses(
        (status = 200, body = wire::TestReply, description = "what came of it"),
        (status = 404, body = ErrorBody, description = "`not_found`: no node has that name"),
        (status = 409, body = ErrorBody, description = "`conflict`, `monitor_off`"),
        (status = 422, body = ErrorBody, description = "`invalid`: one of node and machine is needed; or a value cannot be"),
        (status = 502, body = ErrorBody, description = "`node_failed`: the machine cannot be asked"),
        (status = 504, body = ErrorBody, description = "`node_failed`: the machine did not answer in time"),
    ),
)]
pub(crate) async fn test(
    State(state): Admin,
    caller: By,
    JsonBody(wish): JsonBody<wire::TestNode>,
) -> Answer<wire::TestReply> {
    let monitor = state.monitor_for_change()?;
    let node = match (wish.node, wish.machine) {
        (Some(name), None) => known(&state, &**monitor, &name)?,
        (None, Some(machine)) => wanted(machine, &caller.0)?,
        _ => return Err(ApiError::invalid("name one of node and machine")),
    };
    let tested = within(monitor.test(&node)).await?;
    Ok(Json(convert::tested(&node, tested)))
}

/// A node of a view.
pub(super) fn find<'a>(
    view: &'a NodesView,
    name: &NodeName,
) -> Result<&'a Arc<NodeView>, ApiError> {
    view.nodes.get(name).ok_or_else(|| ApiError::no_node(name.as_str()))
}

fn origin(state: &AdminState, node: &NodeView) -> wire::NodeOrigin {
    let is_added = || state.registry.nodes().load().get(&node.name).is_some();
    match &node.address {
        None => wire::NodeOrigin::Local,
        Some(_) if is_added() => wire::NodeOrigin::Added,
        Some(_) => wire::NodeOrigin::Configured,
    }
}

/// Whoever is no admin may not choose which files the gateway reads.
fn wanted(wish: wire::AddNode, caller: &Caller) -> Result<Node, ApiError> {
    if (wish.key.is_some() || wish.known_hosts.is_some()) && !caller.is_admin() {
        let message =
            "key and known_hosts are files on the gateway; naming them needs the role admin";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint("leave them out, or ask over the Unix socket as root or the gateway's user"));
    }
    convert::wanted(wish, Timestamp::now())
}

/// A node that is there, whether it was added or is configured.
fn known(state: &AdminState, monitor: &dyn Monitor, name: &str) -> Result<Node, ApiError> {
    let parsed = NodeName::parse(name).map_err(|_| ApiError::no_node(name))?;
    if let Some(node) = state.registry.nodes().load().get(&parsed) {
        return Ok(Node::clone(node));
    }
    let configured = monitor.configured().into_iter().find(|node| node.name == parsed);
    configured.ok_or_else(|| ApiError::no_node(name))
}

/// The fingerprint that was named must be the one that is seen; none is needed for a pinned key.
fn accept(node: &Node, scanned: &Scanned) -> Result<(), ApiError> {
    let seen = &scanned.fingerprint;
    match &node.fingerprint {
        Some(named) if named == seen => Ok(()),
        None if scanned.is_pinned => Ok(()),
        None => {
            let message = format!("the host key of {} is {seen}", node.destination);
            Err(ApiError::new(StatusCode::CONFLICT, "key_not_accepted", message).hint(format!(
                "compare it with `ssh-keygen -lf` on that machine, then name it: \
                 `--accept-fingerprint {seen}` (\"fingerprint\" in the API)"
            )))
        }
        Some(named) => {
            let message = format!(
                "the host key of {} is {seen}, and not {named}; nothing was pinned",
                node.destination
            );
            Err(ApiError::new(StatusCode::CONFLICT, "key_differs", message)
                .hint("ask who runs that machine: its key has changed, or another machine answers"))
        }
    }
}

async fn forget(monitor: &dyn Monitor, node: &Node) {
    if let Err(error) = within(monitor.unpin(node)).await {
        // A pin of a machine that is not watched opens nothing.
        tracing::warn!(node = %node.name, error = error.message(), "a host key stays pinned");
    }
}

async fn within<T>(asking: impl Future<Output = Result<T, MonitorError>>) -> Result<T, ApiError> {
    let limit: Duration = NODE_TIMEOUT;
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            let message = format!("the machine did not answer within {} s", limit.as_secs());
            Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "node_failed", message))
        }
    }
}
