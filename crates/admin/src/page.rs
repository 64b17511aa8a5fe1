//! The plain page at `/` of a build without the dashboard: what this is, whether it is ready, and
//! how to get in.
//!
//! **Invariant:** nothing on it is secret or comes from a request, and it loads nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;

use crate::state::AdminState;

/// `GET /` when nobody built the dashboard.
pub(crate) async fn index(State(state): State<Arc<AdminState>>) -> Html<String> {
    let word = if state.control.is_ready() { "ready" } else { "not ready" };
    Html(PAGE.replace("{state}", word).replace("{version}", VERSION))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Conduit</title>
<h1>Conduit {version}</h1>
<p>This gateway is <strong>{state}</strong>.</p>
<p>On its own machine, ask it with the command line:</p>
<pre>conduit status
conduit register --name grafana --host 10.0.1.50:3000</pre>
<p>From elsewhere, make a token there and send it with each request to the API:</p>
<pre>conduit token create --name me --role viewer
curl -H "Authorization: Bearer TOKEN" http://THIS-ADDRESS/api/v1/status</pre>
<p>Programs may ask <a href="/health">/health</a> and <a href="/ready">/ready</a> without one.</p>
</html>
"#;
