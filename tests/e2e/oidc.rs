//! Logins through a provider that is itself a service of this gateway.

use std::convert::Infallible;

use bytes::Bytes;
use conduit_tests::upstream::spawn;
use conduit_tests::{Client, Gateway};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ISSUER: &str = "https://login.internal";

/// A provider that says what it is, and no more; where it listens.
async fn provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(|request| async move { Ok::<_, Infallible>(answer(&request)) });
            spawn(async move {
                let serving = hyper::server::conn::http1::Builder::new();
                let _ended = serving.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    address
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let body = match request.uri().path() {
        "/.well-known/openid-configuration" => json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/token"),
            "jwks_uri": format!("{ISSUER}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }),
        _ => json!({ "keys": [] }),
    };
    let answer = Response::builder().header("content-type", "application/json");
    answer.body(Full::from(body.to_string())).expect("an answer")
}

async fn begin(client: &Client) -> (StatusCode, Value) {
    let request = Request::post("/api/v1/session/oidc")
        .header("host", "conduit.internal")
        .body(Full::<Bytes>::default())
        .expect("a request");
    let response = client.send("conduit.internal", request).await.expect("answered");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_behind_this_gateway_is_found_by_its_name() {
    let files = tempfile::tempdir().expect("a directory");
    let secret = files.path().join("secret");
    let oidc = format!(
        "[admin.oidc]\nissuer = \"{ISSUER}\"\nclient_id = \"conduit\"\nsecret_file = {:?}\n\
         roles = {{ viewer = [\"*\"] }}\n",
        secret.display().to_string()
    );
    let gateway = Gateway::start_with(&oidc).await;
    let client = gateway.client();
    let (status, reply) = begin(&client).await;
    assert_eq!(
        (status, &reply["error"]["code"]),
        (StatusCode::BAD_GATEWAY, &"provider_failed".into())
    );
    std::fs::write(&secret, "a secret\n").expect("written");
    gateway.register("login", &[&provider().await]).await.expect("registered");
    // This machine knows no login.internal, and nobody listens on port 443 of it.
    let (status, reply) = begin(&client).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let url = reply["url"].as_str().expect("a URL");
    assert!(url.starts_with("https://login.internal/authorize?"), "{url}");
    assert!(url.contains("redirect_uri=https%3A%2F%2Fconduit.internal%2Flogin%2Foidc"), "{url}");
}
