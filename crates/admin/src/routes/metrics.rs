//! Metrics, as Prometheus reads them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conduit_core::clock::Timestamp;
use http::header;

use super::Admin;
use crate::series::series;

/// What the gateway counts, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "get_metrics",
    tag = "status",
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8", description = "OpenMetrics' text"),
    ),
)]
pub(crate) async fn text(State(state): Admin) -> Response {
    let mut text = state.control.metrics();
    if let Some(monitor) = &state.monitor {
        let view = monitor.view().load_full();
        let own = series(&view, &monitor.counts(), Timestamp::now(), monitor.interval());
        text.truncate(text.trim_end_matches(END).len());
        text.push_str(&own);
        text.push_str(END);
    }
    let content_type = [(header::CONTENT_TYPE, OPEN_METRICS)];
    (content_type, text).into_response()
}

/// How the text ends.
const END: &str = "# EOF\n";
/// The form that prometheus-client writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
