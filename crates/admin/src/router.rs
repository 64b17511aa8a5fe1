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
use conduit_api::v1::ROOT;
use conduit_core::actor::Permission;
use conduit_core::clock::Timestamp;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tracing::Instrument;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{self, Asked, needed_among_admins, needed_for};
use crate::document::{guard, refuse};
use crate::error::ApiError;
use crate::idempotency::once;
use crate::limits::{BULK_TIMEOUT, REQUEST_TIMEOUT};
use crate::routes::{
    alerts, audit, config, container_logs, discovery, dns, dns_lists, dns_queries, dns_records,
    dns_sources, dns_why, doctor, document, events, health, history, import, login_codes, metrics,
    nodes, oidc, original, passkeys, registrations, requests, routing, services, session, status,
    tls, tokens, traffic, upgrade, upstreams, users,
};
use crate::state::AdminState;
use crate::ui;

type Routes = Router<Arc<AdminState>>;

/// The router of both listeners.
pub(crate) fn build(state: Arc<AdminState>) -> Router {
    let guard = |inner: Routes| guarded(inner, &state);
    let admit = |inner: Routes| inner.layer(from_fn_with_state(Arc::clone(&state), admitted));
    let (router, _) = assembled(&guard, &admit);
    router
        .merge(ui::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(around))
        .with_state(state)
}

/// What the document says of the same routes.
pub(crate) fn described() -> OpenApi {
    assembled(&|inner| inner, &|inner| inner).1
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

/// Every route with its description; `guard` is what stands before those that ask who calls, `admit`
/// before those that judge their callers themselves.
fn assembled(
    guard: &dyn Fn(Routes) -> Routes,
    admit: &dyn Fn(Routes) -> Routes,
) -> (Routes, OpenApi) {
    let (open, mut document) = OpenApiRouter::new()
        .routes(routes!(status::alive))
        .routes(routes!(status::ready))
        .split_for_parts();
    let (scraped, found) = group(
        OpenApiRouter::new()
            .routes(routes!(metrics::text))
            .routes(routes!(discovery::node_page))
            .routes(routes!(discovery::dcgm_page))
            .routes(routes!(discovery::nodes))
            .routes(routes!(discovery::gpus)),
        needed_for,
    );
    document.merge(found);
    let (sessions, mut found) = OpenApiRouter::new()
        .routes(routes!(session::begin, session::show, session::end))
        .routes(routes!(passkeys::begin_login))
        .routes(routes!(oidc::ways))
        .routes(routes!(oidc::begin))
        .split_for_parts();
    refuse(&mut found);
    document.merge(found);
    let sessions = admit(within(REQUEST_TIMEOUT, sessions));
    let (api, found) = api();
    let document = document.nest(ROOT, found);
    let routes = open.merge(sessions).merge(guard(scraped)).nest(ROOT, guard(api));
    (routes.nest(ORIGINAL_ROOT, guard(original())), document)
}

fn api() -> (Routes, OpenApi) {
    let (quick, mut document) = group(quick(), needed_for);
    let (slow, found) = group(slow(), needed_for);
    document.merge(found);
    let (admins, found) = group(admins(), |method, _| needed_among_admins(method));
    document.merge(found);
    let admins = admins.route_layer(from_fn(auth::admins_only));
    let routes = within(REQUEST_TIMEOUT, quick)
        .merge(within(BULK_TIMEOUT, slow))
        .merge(within(BULK_TIMEOUT, admins))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    (routes, document)
}

/// The paths of the shell edition; they are in no document.
fn original() -> Routes {
    let admins = original::admins().route_layer(from_fn(auth::admins_only));
    within(BULK_TIMEOUT, original::router().merge(admins))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
}

fn within(limit: Duration, routes: Routes) -> Routes {
    routes.route_layer(from_fn(move |request: Request, next: Next| timed(limit, request, next)))
}

fn quick() -> OpenApiRouter<Arc<AdminState>> {
    OpenApiRouter::new()
        .routes(routes!(document::openapi))
        .routes(routes!(status::gateway))
        .routes(routes!(doctor::look))
        .routes(routes!(events::all))
        .routes(routes!(health::list))
        .routes(routes!(services::list))
        .routes(routes!(services::one))
        .routes(routes!(health::one))
        .routes(routes!(dns::list))
        .routes(routes!(dns::resolve))
        .routes(routes!(dns::flush))
        .routes(routes!(import::import))
        .routes(routes!(dns::cache))
        .routes(routes!(dns_queries::list))
        .routes(routes!(dns_why::explain))
        .routes(routes!(dns_lists::lists))
        .routes(routes!(dns_sources::sources))
        .routes(routes!(dns_records::add, dns_records::remove))
        .routes(routes!(tls::list))
        .routes(routes!(tls::authority))
        .routes(routes!(tls::one))
        .routes(routes!(routing::list))
        .routes(routes!(traffic::list))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(audit::prove))
        .routes(routes!(config::effective))
        .routes(routes!(nodes::list))
        .routes(routes!(events::nodes))
        .routes(routes!(nodes::one))
        .routes(routes!(history::points))
        .routes(routes!(history::of_service))
        .routes(routes!(requests::list))
        .routes(routes!(container_logs::read))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::silences, alerts::silence))
        .routes(routes!(alerts::lift))
        .routes(routes!(alerts::rules))
        .routes(routes!(alerts::channels))
        .routes(routes!(login_codes::make))
}

/// Those that may have much to do.
fn slow() -> OpenApiRouter<Arc<AdminState>> {
    OpenApiRouter::new()
        .routes(routes!(registrations::one))
        .routes(routes!(registrations::many))
        .routes(routes!(services::deregister))
        .routes(routes!(upstreams::act))
        .routes(routes!(tls::rotate))
        .routes(routes!(audit::verify))
        .routes(routes!(nodes::add))
        .routes(routes!(nodes::test))
        .routes(routes!(nodes::remove))
        .routes(routes!(alerts::test_channel))
        .routes(routes!(users::set_password))
        .routes(routes!(passkeys::list, passkeys::add))
        .routes(routes!(passkeys::begin))
        .routes(routes!(passkeys::remove))
}

/// Those that are for admins; auditors may read there.
fn admins() -> OpenApiRouter<Arc<AdminState>> {
    OpenApiRouter::new()
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::remove))
        .routes(routes!(users::set_role))
        .routes(routes!(config::reload))
        .routes(routes!(config::backup))
        .routes(routes!(upgrade::begin))
}

/// The routes of a group, and what the document says of them.
fn group(
    routes: OpenApiRouter<Arc<AdminState>>,
    needed: fn(&Method, &str) -> Permission,
) -> (Routes, OpenApi) {
    let (routes, mut document) = routes.split_for_parts();
    guard(&mut document, needed);
    (routes, document)
}

/// Credentials first, then the bound on what goes on at a time, then the end of all changes, and then
/// whether it was done before.
fn guarded(inner: Routes, state: &Arc<AdminState>) -> Routes {
    inner
        .layer(from_fn_with_state(Arc::clone(state), once))
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
    // Our own proxy says so; whoever else does gets the header on an answer of their own.
    let is_https = request.headers().get(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    request.extensions_mut().insert(asked.clone());
    let began = tokio::time::Instant::now();
    let span = tracing::info_span!("admin", request_id = %id);
    let response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status().as_u16(), began.elapsed());
    tracing::debug!(parent: &span, request = asked.0, status, ?elapsed, "request");
    let mut response = secured(response);
    if is_https {
        let hsts = HeaderValue::from_static(HSTS);
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
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

const ORIGINAL_ROOT: &str = "/api";
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// 30 days, for this name only (RFC 6797): browsers heed it once they trust the site's authority.
const HSTS: &str = "max-age=2592000";
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
