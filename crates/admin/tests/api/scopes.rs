//! Tokens that are for parts of the API.

use conduit_api::client::Client;
use conduit_api::error::ClientError;
use conduit_api::v1::services::{RegisterBulk, RegisterService};
use conduit_api::v1::tokens::{CreateToken, Role};

use crate::gateway::{Gateway, status};
use crate::sessions::try_login;

async fn for_parts(gateway: &Gateway, role: Role, scopes: &[&str]) -> (Client, String) {
    named(gateway, "scoped", role, scopes).await
}

async fn named(gateway: &Gateway, name: &str, role: Role, scopes: &[&str]) -> (Client, String) {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let wish = CreateToken { name: name.into(), role, scopes, expires_in_seconds: None };
    let token = gateway.local().create_token(&wish).await.expect("made").value;
    assert_eq!(token.scopes, wish.scopes);
    (gateway.with_token(&token), token.secret)
}

fn service(name: &str) -> RegisterService {
    let upstreams = vec!["10.0.0.1:80".to_owned()];
    RegisterService { name: name.into(), upstreams, ..RegisterService::default() }
}

fn is_out_of_scope<T: std::fmt::Debug>(result: Result<T, ClientError>) -> bool {
    match result {
        Err(ClientError::Api { status: 403, error }) => error.code == "out_of_scope",
        _ => false,
    }
}

#[tokio::test]
async fn a_token_changes_the_services_that_it_is_for_and_no_others() {
    let gateway = Gateway::start();
    gateway.local().register(&service("db")).await.expect("registered");
    let (client, _) = for_parts(&gateway, Role::Operator, &["services:web-*"]).await;
    client.register(&service("web-1")).await.expect("its own");
    client.services(false).await.expect("reading is not by name");
    assert!(is_out_of_scope(client.register(&service("db")).await));
    assert!(is_out_of_scope(client.deregister("db").await));
    let bulk = |names: &[&str], prune| RegisterBulk {
        services: names.iter().map(|name| service(name)).collect(),
        replace: true,
        prune,
        ..RegisterBulk::default()
    };
    client.register_bulk(&bulk(&["web-1", "web-2"], false)).await.expect("all its own");
    assert!(is_out_of_scope(client.register_bulk(&bulk(&["web-3", "db"], false)).await));
    assert!(is_out_of_scope(client.register_bulk(&bulk(&["web-1"], true)).await), "prunes db");
    client.deregister("web-2").await.expect("its own");
    assert!(is_out_of_scope(client.dns().await), "another part");
    let names = gateway.local().services(false).await.expect("a list").value.services;
    let names: Vec<_> = names.into_iter().map(|service| service.name).collect();
    assert_eq!(names, ["db", "web-1"]);
}

#[tokio::test]
async fn what_scrapes_sees_metrics_and_begins_no_session() {
    let gateway = Gateway::start();
    let (client, secret) = for_parts(&gateway, Role::Admin, &["metrics"]).await;
    client.metrics().await.expect("metrics");
    client.status().await.expect("who gets in at all");
    assert!(is_out_of_scope(client.services(false).await));
    assert!(is_out_of_scope(client.tokens().await), "an admin's role alone is not enough");
    assert!(is_out_of_scope(client.reload().await));
    let answer = try_login(&gateway, "", &format!(r#"{{"token":"{secret}"}}"#)).await;
    assert!(status(&answer) == 403 && answer.contains("out_of_scope"), "{answer}");
    let bearer = format!("Authorization: Bearer {secret}\r\n");
    let (_, admin) = named(&gateway, "web", Role::Admin, &["services:web-*"]).await;
    let web = format!("Authorization: Bearer {admin}\r\n");
    for path in ["/api/routing/reload", "/api/v1/config/reload"] {
        assert_eq!(status(&gateway.ask("POST", path, &web, "").await), 403, "{path}");
    }
    for path in ["/api/v1/services/x%2Dy", "/api/v1/unknown", "/api/v1/events"] {
        assert_eq!(status(&gateway.ask("GET", path, &bearer, "").await), 403, "{path}");
    }
}

#[tokio::test]
async fn a_name_written_in_a_roundabout_way_fits_no_pattern() {
    let gateway = Gateway::start();
    gateway.local().register(&service("abc")).await.expect("registered");
    let (_, secret) = for_parts(&gateway, Role::Operator, &["services:?????"]).await;
    let bearer = format!("Authorization: Bearer {secret}\r\n");
    for path in ["/api/v1/services/a%62c", "/api/services/a%62c", "/api/v1/services/abc"] {
        assert_eq!(status(&gateway.ask("DELETE", path, &bearer, "").await), 403, "{path}");
    }
    let wish = |scope: &str| CreateToken {
        name: "odd".into(),
        role: Role::Viewer,
        scopes: vec![scope.into()],
        expires_in_seconds: None,
    };
    for scope in ["everything", "dns:x", "services:", "services:a b"] {
        let error = gateway.local().create_token(&wish(scope)).await.expect_err(scope);
        assert!(matches!(error, ClientError::Api { status: 422, .. }), "{scope}: {error}");
    }
}
