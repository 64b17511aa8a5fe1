//! What Prometheus reads of nodes: a page for each, and where the pages are.
//!
//! Each node has pages of its own, since Prometheus labels what it reads with one `instance`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_core::node::NodeName;
use conduit_monitor::view::NodeView;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;

use super::{Admin, Answer};
use crate::error::ApiError;
use crate::params::NodeParam;
use crate::state::AdminState;

/// One target of Prometheus' HTTP service discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    targets: [String; 1],
    labels: Labels,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Labels {
    #[serde(rename = "__metrics_path__")]
    path: String,
    #[serde(rename = "__scheme__")]
    scheme: &'static str,
    job: &'static str,
    instance: String,
}

/// `GET /metrics/node/{name}`: what node_exporter would say there.
pub(crate) async fn node_page(
    State(state): Admin,
    NodeParam(name): NodeParam,
) -> Result<Response, ApiError> {
    page(&name, state.monitor()?.node_page(&name))
}

/// `GET /metrics/dcgm/{name}`: what dcgm-exporter would say there.
pub(crate) async fn dcgm_page(
    State(state): Admin,
    NodeParam(name): NodeParam,
) -> Result<Response, ApiError> {
    page(&name, state.monitor()?.dcgm_page(&name))
}

/// `GET /sd/node`: every node of which the machine is known.
pub(crate) async fn nodes(State(state): Admin, headers: HeaderMap) -> Answer<Vec<Target>> {
    targets(&state, &headers, "node", |node| node.counters.is_some())
}

/// `GET /sd/dcgm`: every node with a GPU.
pub(crate) async fn gpus(State(state): Admin, headers: HeaderMap) -> Answer<Vec<Target>> {
    let has_gpu = |node: &NodeView| node.gpus.as_ref().is_some_and(|found| !found.gpus.is_empty());
    targets(&state, &headers, "dcgm", has_gpu)
}

fn page(name: &NodeName, text: Option<String>) -> Result<Response, ApiError> {
    let text = text.ok_or_else(|| {
        let message = format!("nothing is known of {name} for this page");
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
            .hint("`conduit monitor` shows the nodes, and why one is not read")
    })?;
    Ok(([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
}

fn targets(
    state: &AdminState,
    headers: &HeaderMap,
    job: &'static str,
    has: impl Fn(&NodeView) -> bool,
) -> Answer<Vec<Target>> {
    let view = state.monitor()?.view().load_full();
    let (authority, scheme) = ours(state, headers);
    let named = view.nodes.values().filter(|node| has(node)).map(|node| Target {
        targets: [authority.clone()],
        labels: Labels {
            path: format!("/metrics/{job}/{}", node.name),
            scheme,
            job,
            instance: node.name.to_string(),
        },
    });
    Ok(Json(named.collect()))
}

/// Where Prometheus reaches us: as it did just now. Over the Unix socket, where nobody scrapes, it
/// is the listener.
fn ours(state: &AdminState, headers: &HeaderMap) -> (String, &'static str) {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // Our own proxy says which way the request came; anybody else only misleads themselves.
    let is_tls = headers.get(FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes() == b"https");
    if is_tls {
        let has_port = host.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok());
        let authority = if has_port { host.to_owned() } else { format!("{host}:443") };
        return (authority, "https");
    }
    match state.listening.tcp {
        Some(listener) if host.is_empty() || host == SOCKET_HOST => (listener.to_string(), "http"),
        _ => (host.to_owned(), "http"),
    }
}

/// The text form that exporters write.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// What clients of the Unix socket send as their host.
const SOCKET_HOST: &str = "localhost";
