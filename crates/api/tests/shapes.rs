//! The JSON of the API, pinned: a change here is a change of the contract.

use conduit_api::v1::alerts::AddSilence;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::health::{Check, CheckSet, HealthCounts, HealthStatus};
use conduit_api::v1::nodes::{AddNode, Gpu, Node, NodeOrigin, NodeState};
use conduit_api::v1::services::{RegisterBulk, RegisterService, Service, ServiceList};
use conduit_api::v1::sessions::{BeginSession, LoginCode, Session};
use conduit_api::v1::tokens::{CreateToken, NewToken, Role};
use conduit_api::v1::users::{AddUser, SetPassword, User};
use serde_json::{Value, json};

fn grafana() -> Value {
    json!({
        "name": "grafana",
        "title": "GPU dashboards",
        "upstream": "10.0.1.50:3000",
        "upstreams": ["10.0.1.50:3000"],
        "domain": "grafana.internal",
        "aliases": ["metrics.internal"],
        "protocol": "http",
        "status": "active",
        "registered_at": "2026-04-04T12:00:00Z",
        "deregistered_at": null,
        "health_check": "/health",
        "health_status": "healthy",
        "health_reason": null,
        "last_health_check": "2026-04-04T12:00:30Z",
        "response_time_ms": 12,
        "tls": { "not_after": "2027-04-04T12:00:00Z", "fingerprint_sha256": "ab12" },
        "monitoring": { "type": "container", "container_name": "grafana", "ssh_host": null },
        "url": "https://grafana.internal",
        "dns": "gateway",
        "when_all_ejected": "fail",
        "upstream_health": [{
            "upstream": "10.0.1.50:3000",
            "state": "admitted",
            "last_probe_at": "2026-04-04T12:00:30Z",
            "response_time_ms": 12,
            "reason": null,
            "in_flight": 0
        }],
        "checks": {
            "dns": { "ok": true, "reason": null, "at": "2026-04-04T12:00:30Z" },
            "tls": { "ok": false, "reason": "expired", "at": null }
        }
    })
}

#[test]
fn a_service_keeps_the_seeds_fields_and_adds_ours() {
    let text = json!({ "generation": 7, "services": [grafana()] });
    let list: ServiceList = serde_json::from_value(text.clone()).expect("read");
    assert_eq!(serde_json::to_value(&list).expect("written"), text);
    let service = &list.services[0];
    assert_eq!(service.health_status, HealthStatus::Healthy);
    assert_eq!(service.monitoring.kind.as_deref(), Some("container"));
}

#[test]
fn answers_of_a_newer_gateway_are_read() {
    let mut text = grafana();
    text["something_new"] = json!([1, 2]);
    assert!(serde_json::from_value::<Service>(text).is_ok());
}

#[test]
fn requests_with_unknown_fields_are_refused_and_name_them() {
    let text = json!({ "name": "a", "host": "h:1", "hots": "x" });
    let error = serde_json::from_value::<RegisterService>(text).expect_err("refused");
    assert!(error.to_string().contains("`hots`"), "{error}");
    let text = json!({ "services": [{ "name": "a", "monitoring": { "kind": "gpu" } }] });
    assert!(serde_json::from_value::<RegisterBulk>(text).is_err());
    let text = json!({ "name": "a", "role": "root" });
    assert!(serde_json::from_value::<CreateToken>(text).is_err());
}

#[test]
fn a_registration_sends_only_what_was_asked_for() {
    let wish = RegisterService {
        name: "grafana".into(),
        upstreams: vec!["10.0.1.50:3000".into()],
        no_tls: Some(true),
        replace: true,
        ..RegisterService::default()
    };
    let text = json!({
        "name": "grafana", "upstreams": ["10.0.1.50:3000"], "no_tls": true, "replace": true
    });
    assert_eq!(serde_json::to_value(&wish).expect("written"), text);
}

#[test]
fn an_error_has_code_message_and_hint() {
    let body = ErrorBody::new("name_taken", "grafana is taken", Some("use --replace".into()));
    let text = json!({
        "error": { "code": "name_taken", "message": "grafana is taken", "hint": "use --replace" }
    });
    assert_eq!(serde_json::to_value(&body).expect("written"), text);
}

#[test]
fn a_secret_is_sent_and_never_printed() {
    let token = NewToken {
        id: "1".into(),
        name: "ci".into(),
        role: Role::Viewer,
        scopes: Vec::new(),
        expires_at: None,
        secret: "s3cret".into(),
    };
    let text = serde_json::to_string(&token).expect("written");
    assert!(text.contains(r#""secret":"s3cret""#) && text.contains(r#""role":"viewer""#));
    assert!(!format!("{token:?}").contains("s3cret"));
}

#[test]
fn what_people_log_in_with_is_sent_and_never_printed() {
    let begin = BeginSession {
        user: Some("ada".into()),
        password: Some("s3cret".into()),
        ..BeginSession::default()
    };
    let sent = json!({ "user": "ada", "password": "s3cret" });
    assert_eq!(serde_json::to_value(&begin).expect("written"), sent);
    let session = json!({
        "name": "ada", "role": "ca-officer", "way": "password", "expires_at": "2026-04-04T12:00:00Z", "csrf": "s3cret",
    });
    let read: Session = serde_json::from_value(session.clone()).expect("read");
    assert_eq!(serde_json::to_value(&read).expect("written"), session);
    let code = json!({
        "code": "s3cret", "role": "admin", "expires_at": "2026-04-04T12:00:00Z",
        "url": "https://conduit.internal/#login=s3cret", "local_url": null,
    });
    let code: LoginCode = serde_json::from_value(code).expect("read");
    let user = AddUser { name: "ada".into(), role: Role::Auditor, password: Some("s3cret".into()) };
    let password = SetPassword { password: "s3cret".into(), old_password: Some("s3cret".into()) };
    let printed = format!("{begin:?} {read:?} {code:?} {user:?} {password:?}");
    assert!(!printed.contains("s3cret"), "{printed}");
    let listed = json!({
        "name": "ada", "role": "auditor", "has_password": false, "password_set_at": null, "passkeys": 2,
        "created_at": "2026-04-04T12:00:00Z", "removed_at": null,
    });
    let read: User = serde_json::from_value(listed.clone()).expect("read");
    assert_eq!(serde_json::to_value(&read).expect("written"), listed);
    let typo = json!({ "user": "ada", "pasword": "x" });
    assert!(serde_json::from_value::<BeginSession>(typo).is_err());
}

#[test]
fn words_are_the_same_in_json_and_in_print() {
    let mut counts = HealthCounts::default();
    for status in
        [HealthStatus::Degraded, HealthStatus::Down, HealthStatus::Healthy, HealthStatus::Unknown]
    {
        assert_eq!(serde_json::to_value(status).expect("written"), json!(status.as_str()));
        counts.add(status);
    }
    let each = json!({ "healthy": 1, "degraded": 1, "down": 1, "unknown": 1, "total": 4 });
    assert_eq!(serde_json::to_value(counts).expect("written"), each);
    let checks = CheckSet { dns: Some(Check { ok: true, reason: None, at: None }), tls: None };
    let text = json!({ "dns": { "ok": true, "reason": null, "at": null }, "tls": null });
    assert_eq!(serde_json::to_value(checks).expect("written"), text);
}

#[test]
fn what_is_not_known_of_a_node_is_null_and_never_zero() {
    let text = json!({
        "name": "gpu-server", "address": "10.0.1.20", "origin": "configured", "state": "waiting"
    });
    let node: Node = serde_json::from_value(text).expect("read");
    assert_eq!((node.origin, node.state), (NodeOrigin::Configured, NodeState::Waiting));
    let written = serde_json::to_value(&node).expect("written");
    for key in ["host", "gpus", "containers"] {
        assert_eq!(written[key], Value::Null, "{key}");
    }
    let gpu: Gpu = serde_json::from_value(json!({
        "index": 0, "vendor": "nvidia", "id": "GPU-1", "name": "NVIDIA H200", "asleep": true
    }))
    .expect("read");
    let written = serde_json::to_value(&gpu).expect("written");
    for key in ["temperature", "memory_used_bytes", "utilization", "power", "throttle"] {
        assert_eq!(written[key], Value::Null, "{key}");
    }
}

#[test]
fn wishes_about_nodes_send_only_what_was_asked_for() {
    let wish = AddNode { destination: "ops@10.0.1.20".into(), ..AddNode::default() };
    let text = json!({ "destination": "ops@10.0.1.20" });
    assert_eq!(serde_json::to_value(&wish).expect("written"), text);
    let text = json!({ "destination": "a", "password": "x" });
    let error = serde_json::from_value::<AddNode>(text).expect_err("refused");
    assert!(error.to_string().contains("`password`"), "{error}");
    let text = json!({ "rule": "gpu-hot", "for_seconds": 60, "until": "x" });
    assert!(serde_json::from_value::<AddSilence>(text).is_err());
}
