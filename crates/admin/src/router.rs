//! The one router, and what stands around every handler.
//!
//! **Invariant:** every answer carries the security headers and a request id; every failure has
//! the error body, also those of routing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use conduit_core::clock::Timestamp;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tracing::Instrument;

use crate::auth::{self, Asked};
use crate::error::ApiError;
use crate::limits::{BULK_TIMEOUT, REQUEST_TIMEOUT};
use crate::routes::{
    alerts, audit, config, discovery, dns, health, history, metrics, nodes, routing, services,
    status, streams, tls, tokens, upgrade, upstreams,
};
use crate::state::AdminState;
use crate::ui;

/// The router of both listeners.
pub(crate) fn build(state: Arc<AdminState>) -> Router {
    let scraped = Router::new()
        .route("/metrics", get(metrics::text))
        .route("/metrics/node/{name}", get(discovery::node_page))
        .route("/metrics/dcgm/{name}", get(discovery::dcgm_page))
        .route("/sd/node", get(discovery::nodes))
        .route("/sd/dcgm", get(discovery::gpus));
    Router::new()
        .merge(ui::router())
        .route("/health", get(status::alive))
        .route("/ready", get(status::ready))
        .merge(guarded(scraped, &state))
        .nest("/api/v1", guarded(api(), &state))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(around))
        .with_state(state)
}

/// Adds what every answer carries, also one that no handler made. Only the dashboard's own files say
/// for themselves what they may load, and how long they are kept.
pub(crate) fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn api() -> Router<Arc<AdminState>> {
    let quick = Router::new()
        .route("/status", get(status::gateway))
        .route("/health", get(health::list))
        .route("/services", get(services::list))
        .route("/services/{name}", get(services::one))
        .route("/services/{name}/health", get(health::one))
        .route("/dns", get(dns::list))
        .route("/dns/resolve", get(dns::resolve))
        .route("/dns/flush", post(dns::flush))
        .route("/tls", get(tls::list))
        .route("/tls/ca", get(tls::authority))
        .route("/tls/{name}/inspect", get(tls::one))
        .route("/routing", get(routing::list))
        .route("/audit", get(audit::list))
        .route("/config", get(config::effective))
        .route("/nodes", get(nodes::list))
        .route("/nodes/events", get(streams::events))
        .route("/nodes/{name}", get(nodes::one))
        .route("/nodes/{name}/history", get(history::points))
        .route("/containers/{name}/logs", get(streams::container_log))
        .route("/alerts", get(alerts::list))
        .route("/alerts/silences", get(alerts::silences).post(alerts::silence))
        .route("/alerts/silences/{id}", delete(alerts::lift))
        .route("/monitor/rules", get(alerts::rules))
        .route_layer(from_fn(|request: Request, next: Next| timed(REQUEST_TIMEOUT, request, next)));
    let slow = Router::new()
        .route("/services", post(services::register))
        .route("/services:bulk", post(services::register_bulk))
        .route("/services/{name}", delete(services::deregister))
        .route("/services/{name}/upstreams/{wish}", post(upstreams::act))
        .route("/tls/{name}/rotate", post(tls::rotate))
        .route("/audit/verify", get(audit::verify))
        .route("/nodes", post(nodes::add))
        .route("/nodes:test", post(nodes::test))
        .route("/nodes/{name}", delete(nodes::remove))
        .route_layer(from_fn(|request: Request, next: Next| timed(BULK_TIMEOUT, request, next)));
    let admins = Router::new()
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/config/reload", post(config::reload))
        .route("/backup", post(config::backup))
        .route("/upgrade", post(upgrade::begin))
        .route_layer(from_fn(auth::admins_only))
        .route_layer(from_fn(|request: Request, next: Next| timed(BULK_TIMEOUT, request, next)));
    quick
        .merge(slow)
        .merge(admins)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
}

/// Credentials first, then the bound on what goes on at a time, then the end of all changes.
fn guarded(inner: Router<Arc<AdminState>>, state: &Arc<AdminState>) -> Router<Arc<AdminState>> {
    inner
        .layer(from_fn_with_state(Arc::clone(state), admitted))
        .layer(from_fn_with_state(Arc::clone(state), auth::authorize))
}

async fn admitted(State(state): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && state.control.is_stopping() {
        return ApiError::shutting_down().into_response();
    }
    let Ok(_permit) = state.requests.try_acquire() else {
        return ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "too many requests are in progress",
        )
        .retry_after(1)
        .into_response();
    };
    next.run(request).await
}

async fn timed(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            format!(
                "no answer within {} s; if this was a change, it may have happened",
                limit.as_secs()
            ),
        )
        .hint("`conduit status` shows what is true now")
        .into_response(),
    }
}

/// The outermost: a request id in the log and in the answer, and the security headers.
async fn around(mut request: Request, next: Next) -> Response {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:x}-{number:x}", Timestamp::now().seconds());
    let asked = Asked::of(&request);
    request.extensions_mut().insert(asked.clone());
    let began = tokio::time::Instant::now();
    let span = tracing::info_span!("admin", request_id = %id);
    let response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status().as_u16(), began.elapsed());
    tracing::debug!(parent: &span, request = asked.0, status, ?elapsed, "request");
    let mut response = secured(response);
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no_such_path", "there is nothing at this path")
        .hint("the API is under /api/v1")
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take that method",
    )
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];
