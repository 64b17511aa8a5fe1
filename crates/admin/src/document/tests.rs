//! The document, held against its golden copy and against itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::*;

/// Renew it with `CONDUIT_RENEW=1 cargo nextest run -p conduit-admin document`.
#[test]
fn the_golden_copy_is_what_the_code_says() {
    let made = pretty().expect("serializes");
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../api/openapi.json"));
    if std::env::var_os("CONDUIT_RENEW").is_some() {
        std::fs::write(&path, &made).expect("writes");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == made,
        "crates/api/openapi.json is not what the code says; look at what changed, then renew it \
         with `CONDUIT_RENEW=1 cargo nextest run -p conduit-admin document`"
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let document = value();
    let mut references = BTreeSet::new();
    walk(&document, &mut |key, inner| {
        if key == "$ref" {
            references.insert(inner.as_str().expect("a text").to_owned());
        }
    });
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_operation_is_whole() {
    let document = value();
    let tags: BTreeSet<_> = TAGS.iter().map(|(name, _)| *name).collect();
    let mut ids = BTreeSet::new();
    each_operation(&document, |path, method, operation| {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().expect("an id");
        assert!(ids.insert(id.to_owned()), "{at}: {id} is there twice");
        assert!(id.contains('_'), "{at}: {id} is no verb_noun");
        let tag = operation["tags"][0].as_str().expect("a tag");
        assert!(tags.contains(tag), "{at}: {tag} is not described");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.len() > 10, "{at} has no summary");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at} never succeeds");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = match parameter["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).expect("leads somewhere"),
                None => parameter,
            };
            assert!(parameter["description"].is_string(), "{at}: {} is bare", parameter["name"]);
        }
        if let Some(body) = operation.get("requestBody") {
            assert!(body["content"]["application/json"]["example"].is_object(), "{at}: no example");
        }
        let is_open = path == "/health" || path == "/ready" || path.starts_with("/api/v1/session");
        assert_eq!(operation.get("security").is_none(), is_open, "{at}");
        assert_eq!(operation.get("x-conduit-role").is_none(), is_open, "{at}");
    });
    assert!(ids.len() > 40, "{}", ids.len());
}

#[test]
fn every_refusal_has_the_error_body() {
    let document = value();
    each_operation(&document, |path, method, operation| {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            if status.starts_with('2') {
                continue;
            }
            let response = match response["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).expect("leads somewhere"),
                None => response,
            };
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/ErrorBody", "{method} {path} {status}");
        }
    });
}

#[test]
fn the_roles_are_those_of_the_router() {
    let document = value();
    let mut roles = BTreeMap::new();
    each_operation(&document, |_, _, operation| {
        let role = operation["x-conduit-role"].as_str().unwrap_or("-").to_owned();
        roles.insert(operation["operationId"].as_str().expect("an id").to_owned(), role);
    });
    for (id, role) in [
        ("check_liveness", "-"),
        ("list_services", "viewer"),
        ("register_service", "operator"),
        ("list_tokens", "auditor"),
        ("create_token", "admin"),
        ("list_users", "auditor"),
        ("set_user_role", "admin"),
        ("set_user_password", "viewer"),
        ("add_passkey", "viewer"),
        ("begin_passkey_login", "-"),
        ("rotate_certificate", "ca-officer"),
        ("begin_session", "-"),
        ("upgrade_gateway", "admin"),
        ("get_document", "viewer"),
    ] {
        assert_eq!(roles[id], role, "{id}");
    }
}

#[test]
fn limits_in_the_document_are_those_that_are_kept() {
    use crate::limits::{
        AUDIT_LIMIT_DEFAULT, AUDIT_LIMIT_MAX, LOG_TAIL_MAX, PAGE_MAX, TEXT_CHARS_MAX,
    };
    let document = value();
    let limit = |path: &str, name: &str| {
        let parameters = &document["paths"][path]["get"]["parameters"];
        let found = parameters.as_array().expect("parameters").iter().find(|p| p["name"] == name);
        found.expect("a parameter")["schema"].clone()
    };
    let page = limit("/api/v1/audit", "limit");
    assert_eq!(page["maximum"], AUDIT_LIMIT_MAX);
    assert_eq!(page["default"], AUDIT_LIMIT_DEFAULT);
    for path in ["services", "health", "dns", "tls", "routing"] {
        assert_eq!(limit(&format!("/api/v1/{path}"), "limit")["maximum"], PAGE_MAX, "{path}");
    }
    assert_eq!(limit("/api/v1/containers/{name}/logs", "tail")["maximum"], LOG_TAIL_MAX);
    assert_eq!(limit("/api/v1/nodes/{name}/history", "subject")["maxLength"], TEXT_CHARS_MAX);
}

fn value() -> Value {
    serde_json::to_value(document()).expect("serializes")
}

fn each_operation(document: &Value, mut each: impl FnMut(&str, &str, &Value)) {
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            each(path, method, operation);
        }
    }
}

fn walk(value: &Value, each: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                each(key, inner);
                walk(inner, each);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, each)),
        _ => {}
    }
}
