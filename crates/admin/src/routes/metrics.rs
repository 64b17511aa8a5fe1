//! Metrics, as Prometheus reads them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use super::Admin;

/// `GET /metrics`.
pub(crate) async fn text(State(state): Admin) -> Response {
    let content_type = [(header::CONTENT_TYPE, OPEN_METRICS)];
    (content_type, state.control.metrics()).into_response()
}

/// The form that prometheus-client writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
