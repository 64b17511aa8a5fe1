//! What Prometheus reads of nodes: a page for each, and where the pages are.
//!
//! Each node has pages of its own, since Prometheus labels what it reads with one `instance`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_api::v1::error::ErrorBody;
use conduit_core::node::NodeName;
use conduit_monitor::view::NodeView;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Admin, Answer};
use crate::error::ApiError;
use crate::params::NodeParam;
use crate::state::AdminState;

/// One target of Prometheus' HTTP service discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScrapeTarget)]
pub(crate) struct Target {
    /// `HOST:PORT` of this gateway.
    targets: [String; 1],
    /// Its labels.
    labels: Labels,
}

/// Its labels; those with underscores tell Prometheus how to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScrapeLabels)]
struct Labels {
    #[serde(rename = "__metrics_path__")]
    /// The page of that machine.
    path: String,
    #[serde(rename = "__scheme__")]
    /// `http` or `https`.
    scheme: &'static str,
    /// `node` or `dcgm`.
    job: &'static str,
    /// The machine.
    instance: String,
}

/// What node_exporter would say on that machine, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics/node/{name}",
    operation_id = "get_node_metrics",
    tag = "nodes",
    params(
        ("name" = String, Path, description = "The node.", example = "gpu-server"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8", description = "Prometheus' text"),
        (status = 404, body = ErrorBody, description = "`not_found`: nothing is known of that machine; `monitor_off`"),
    ),
)]
pub(crate) async fn node_page(
    State(state): Admin,
    NodeParam(name): NodeParam,
) -> Result<Response, ApiError> {
    page(&name, state.monitor()?.node_page(&name))
}

/// What dcgm-exporter would say on that machine, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics/dcgm/{name}",
    operation_id = "get_gpu_metrics",
    tag = "nodes",
    params(
        ("name" = String, Path, description = "The node.", example = "gpu-server"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8", description = "Prometheus' text"),
        (status = 404, body = ErrorBody, description = "`not_found`: no GPU is known of that machine; `monitor_off`"),
    ),
)]
pub(crate) async fn dcgm_page(
    State(state): Admin,
    NodeParam(name): NodeParam,
) -> Result<Response, ApiError> {
    page(&name, state.monitor()?.dcgm_page(&name))
}

/// Where Prometheus finds the page of each machine (HTTP service discovery).
#[utoipa::path(
    get,
    path = "/sd/node",
    operation_id = "discover_nodes",
    tag = "nodes",
    responses(
        (status = 200, body = Vec<Target>, description = "one target for each machine"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn nodes(State(state): Admin, headers: HeaderMap) -> Answer<Vec<Target>> {
    targets(&state, &headers, "node", |node| node.counters.is_some())
}

/// Where Prometheus finds the page of each machine's GPUs (HTTP service discovery).
#[utoipa::path(
    get,
    path = "/sd/dcgm",
    operation_id = "discover_gpus",
    tag = "nodes",
    responses(
        (status = 200, body = Vec<Target>, description = "one target for each machine with a GPU"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
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
