//! The document that the gateway serves, held against the gateway.

use conduit_api::v1::tokens::Role;
use serde_json::Value;

use crate::gateway::{Gateway, status};

#[tokio::test]
async fn any_reader_gets_the_document_and_nobody_else() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let header = format!("X-API-Key: {}\r\n", token.secret);
    let answer = gateway.ask("GET", DOCUMENT, &header, "").await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("content-type: application/json"), "{answer}");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let served: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(served, document());
    assert_eq!(status(&gateway.ask("GET", DOCUMENT, "", "").await), 401);
}

#[tokio::test]
async fn every_operation_asks_for_the_credentials_that_it_is_said_to_need() {
    let mut gateway = Gateway::start();
    let mut viewer = key(&gateway).await;
    let mut count = 0;
    for (number, (method, path, role)) in operations().into_iter().enumerate() {
        // So many refusals a minute, and then everybody is.
        if number % 40 == 39 {
            gateway = Gateway::start();
            viewer = key(&gateway).await;
        }
        if path == SESSION {
            // It judges its callers itself: `sessions` has the tests.
            continue;
        }
        // Whatever is in the braces: nobody looks at it before the caller is known.
        let path = path.replace(['{', '}'], "");
        let answer = gateway.ask(&method, &path, "", "").await;
        let is_open = role.is_none();
        assert_eq!(status(&answer) == 401, !is_open, "{method} {path}: {answer}");
        if role.as_deref().is_some_and(|role| role != "viewer") {
            let answer = gateway.ask(&method, &path, &viewer, "").await;
            assert_eq!(status(&answer), 403, "{method} {path}: {answer}");
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

async fn key(gateway: &Gateway) -> String {
    format!("X-API-Key: {}\r\n", gateway.token(Role::Viewer).await.secret)
}

fn operations() -> Vec<(String, String, Option<String>)> {
    let mut found = Vec::new();
    for (path, item) in document()["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            let role = operation["x-conduit-role"].as_str().map(str::to_owned);
            found.push((method.to_uppercase(), path.clone(), role));
        }
    }
    found
}

fn document() -> Value {
    let text = conduit_admin::document::pretty().expect("serializes");
    serde_json::from_str(&text).expect("JSON")
}

const SESSION: &str = "/api/v1/session";
const DOCUMENT: &str = "/api/v1/openapi.json";
