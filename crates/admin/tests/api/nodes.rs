//! Nodes, alerts and what Prometheus reads of them, over the real router.

use std::sync::Arc;

use conduit_admin::limits::STREAMS_MAX;
use conduit_admin::monitor::Monitor;
use conduit_api::client::{Client, ContainerLogQuery, HistoryQuery};
use conduit_api::error::ClientError;
use conduit_api::v1::alerts::AddSilence;
use conduit_api::v1::nodes::{AddNode, NodeOrigin, NodeState, TestNode};
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::Role;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::events::{NODES, listen, token_header, until};
use crate::gateway::{Gateway, status};
use crate::site::{FINGERPRINT, Site, alert, name, node};

fn watched() -> (Gateway, Arc<Site>) {
    let site = Site::new();
    let monitor: Arc<dyn Monitor> = Arc::clone(&site) as Arc<dyn Monitor>;
    (Gateway::start_with(Some(monitor)), site)
}

fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (u16, String, String) {
    match result.expect_err("refused") {
        ClientError::Api { status, error } => (status, error.code, error.hint.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

fn wish(destination: &str, fingerprint: Option<&str>) -> AddNode {
    AddNode {
        destination: destination.into(),
        name: Some("new".into()),
        fingerprint: fingerprint.map(str::to_owned),
        ..AddNode::default()
    }
}

async fn scraped(gateway: &Gateway, path: &str) -> String {
    let token = gateway.token_named(Role::Viewer, &path.replace('/', "-")).await;
    let auth = format!("Authorization: Bearer {}\r\n", token.secret);
    gateway.ask("GET", path, &auth, "").await
}

#[tokio::test]
async fn what_is_known_of_nodes_is_told() {
    let (gateway, _site) = watched();
    let list = gateway.local().nodes(false).await.expect("a list").value;
    let shown: Vec<_> = list.nodes.iter().map(|n| (n.name.as_str(), n.origin, n.state)).collect();
    assert_eq!(
        shown,
        [
            ("here", NodeOrigin::Local, NodeState::Up),
            ("gpu-server", NodeOrigin::Configured, NodeState::Up)
        ]
    );
    assert_eq!(list.alerts.len(), 1);
    let one = gateway.local().node("gpu-server").await.expect("a node").value;
    assert_eq!((one.node.address.as_deref(), one.alerts.len()), (Some("10.0.1.20"), 1));
    let gpu = &one.node.gpus.as_ref().expect("GPUs").gpus[0];
    assert_eq!((gpu.temperature, gpu.processes[0].pid), (Some(62.0), 12_345));
    assert_eq!(one.node.vram[0].program.as_deref(), Some("vllm"));
    let here = gateway.local().node("here").await.expect("a node").value;
    assert_eq!((here.node.gpus, here.alerts.len()), (None, 0));
    let (status, code, _) = refused(gateway.local().node("nobody").await);
    assert_eq!((status, code.as_str()), (404, "not_found"));
}

#[tokio::test]
async fn history_is_asked_for_in_bounds() {
    let (gateway, _site) = watched();
    let asked = |metric: &str| HistoryQuery { metric: metric.into(), ..HistoryQuery::default() };
    let reply = gateway.local().node_history("gpu-server", &asked("gpu_temperature")).await;
    let history = reply.expect("points").value;
    assert_eq!((history.unit.as_str(), history.step_seconds), ("celsius", 173.0));
    assert_eq!(history.series[0].points[0].mean, 61.5);
    let (status, code, _) = refused(gateway.local().node_history("gpu-server", &asked("x")).await);
    assert_eq!((status, code.as_str()), (422, "invalid_metric"));
    let (status, _, _) = refused(gateway.local().node_history("nobody", &asked("cpu")).await);
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_went_through_a_service_is_asked_for_by_its_name() {
    let (gateway, _site) = watched();
    let service = RegisterService {
        name: "web".into(),
        upstreams: vec!["127.0.0.1:9".into()],
        ..RegisterService::default()
    };
    gateway.local().register(&service).await.expect("registered");
    let token = format!("Authorization: Bearer {}\r\n", gateway.token(Role::Viewer).await.secret);
    for (path, code, part) in [
        ("web/history?metric=service_requests", 200, "\"subject\":\"web\""),
        ("web/history?metric=service_requests", 200, "\"unit\":\"per_second\",\"from\""),
        ("web/history?metric=cpu", 422, "use one of service_requests, service_5xx"),
        ("web/history?metric=service_requests&subject=a", 422, "invalid_query"),
        ("web/history?metric=service_took&step=0", 422, "step is too small"),
        ("nobody/history?metric=service_requests", 404, "not_found"),
    ] {
        let answer = gateway.ask("GET", &format!("/api/v1/services/{path}"), &token, "").await;
        assert_eq!(status(&answer), code, "{path}: {answer}");
        assert!(answer.contains(part), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_node_is_added_only_with_the_key_that_is_seen() {
    let (gateway, site) = watched();
    let local = gateway.local();
    let (status, code, hint) = refused(local.add_node(&wish("ops@10.0.1.30", None)).await);
    assert_eq!((status, code.as_str()), (409, "key_not_accepted"));
    assert!(hint.contains(FINGERPRINT), "{hint}");
    let wrong = wish("ops@10.0.1.30", Some("SHA256:other"));
    assert_eq!(refused(local.add_node(&wrong).await).1, "key_differs");
    let nowhere = wish("nowhere", Some(FINGERPRINT));
    assert_eq!(refused(local.add_node(&nowhere).await).0, 502);
    assert!(site.pinned.lock().expect("sound").is_empty());
    let added = local.add_node(&wish("ops@10.0.1.30", Some(FINGERPRINT))).await.expect("added");
    assert_eq!((added.status, added.value.name.as_str()), (201, "new"));
    assert_eq!(*site.pinned.lock().expect("sound"), ["10.0.1.30"]);
    let again = refused(local.add_node(&wish("10.0.1.31", Some(FINGERPRINT))).await);
    assert_eq!((again.0, again.1.as_str()), (409, "node_taken"));
    assert_eq!(*site.pinned.lock().expect("sound"), ["10.0.1.30"]);
    site.publish(|view| {
        view.nodes.insert(name("new"), Arc::new(node("new", Some("ops@10.0.1.30"))));
    });
    let shown = local.node("new").await.expect("a node").value.node;
    assert_eq!(shown.origin, NodeOrigin::Added);
    let tried = TestNode { node: Some("new".into()), machine: None };
    assert!(local.test_node(&tried).await.expect("tried").value.ok);
    local.remove_node("new").await.expect("removed");
    assert!(site.pinned.lock().expect("sound").is_empty(), "its key is forgotten");
    assert_eq!(refused(local.remove_node("new").await).0, 404);
    let entries = local.audit(9, None).await.expect("entries").value.entries;
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["node_remove", "node_add"]);
    assert_eq!(entries[1].details["fingerprint"], FINGERPRINT);
}

#[tokio::test]
async fn trying_a_machine_changes_nothing() {
    let (gateway, _site) = watched();
    let local = gateway.local();
    let configured = TestNode { node: Some("gpu-server".into()), machine: None };
    let tried = local.test_node(&configured).await.expect("tried").value;
    assert_eq!((tried.ok, tried.pinned, tried.took_ms), (false, false, 700));
    let machine = TestNode { node: None, machine: Some(wish("10.0.1.40", None)) };
    assert_eq!(local.test_node(&machine).await.expect("tried").value.fingerprint, FINGERPRINT);
    for (wrong, status) in [
        (TestNode::default(), 422),
        (TestNode { node: Some("nobody".into()), machine: None }, 404),
        (TestNode { node: None, machine: Some(wish("-x", None)) }, 422),
    ] {
        assert_eq!(refused(local.test_node(&wrong).await).0, status, "{wrong:?}");
    }
    assert!(local.audit(1, None).await.expect("entries").value.entries.is_empty());
}

#[tokio::test]
async fn who_may_do_what() {
    let (gateway, _site) = watched();
    let viewer = gateway.with_token(&gateway.token(Role::Viewer).await);
    let operator = gateway.with_token(&gateway.token(Role::Operator).await);
    assert!(viewer.nodes(true).await.is_ok());
    let good = wish("10.0.1.30", Some(FINGERPRINT));
    assert_eq!(refused(viewer.add_node(&good).await).0, 403);
    let keyed = AddNode { key: Some("/etc/conduit/id".into()), ..good.clone() };
    let (status, _, hint) = refused(operator.add_node(&keyed).await);
    assert_eq!(status, 403, "{hint}");
    assert!(operator.add_node(&good).await.is_ok());
}

#[tokio::test]
async fn silences_are_recorded_and_kept() {
    let (gateway, site) = watched();
    let local = gateway.local();
    let wish = AddSilence {
        rule: "gpu-hot".into(),
        node: Some("gpu-server".into()),
        for_seconds: 7_200,
        comment: Some("new fans".into()),
        ..AddSilence::default()
    };
    let made = local.silence(&wish).await.expect("silenced");
    assert_eq!((made.status, made.value.id.as_str()), (201, "s1"));
    let listed = local.silences().await.expect("a list").value.silences;
    assert_eq!(listed, std::slice::from_ref(&made.value));
    let unknown = AddSilence { rule: "x".into(), ..wish.clone() };
    assert!(refused(local.silence(&unknown).await).2.contains("monitor rules"));
    let endless = AddSilence { for_seconds: 365 * 86_400, ..wish };
    assert_eq!(refused(local.silence(&endless).await).0, 422);
    local.lift_silence("s1").await.expect("lifted");
    assert!(site.silences.lock().expect("sound").is_empty());
    assert_eq!(refused(local.lift_silence("s1").await).0, 404);
    let entries = local.audit(9, None).await.expect("entries").value.entries;
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.action == "alert_silence"));
    assert_eq!(
        (&entries[0].details["lifted"], &entries[1].details["comment"]),
        (&Value::from("s1"), &Value::from("new fans"))
    );
    let rules = local.alert_rules().await.expect("rules").value.rules;
    assert_eq!(rules[0].condition, "gpu_temperature > 85 for 1m");
    assert_eq!(local.alerts().await.expect("alerts").value.alerts[0].threshold, 85.0);
}

#[tokio::test]
async fn channels_are_listed_and_tested() {
    let (gateway, _site) = watched();
    let local = gateway.local();
    let channels = local.channels().await.expect("a list").value.channels;
    assert_eq!((channels[0].name.as_str(), channels[0].waiting), ("mail", 1));
    let tested = local.test_channel("mail").await.expect("an answer").value;
    assert_eq!((tested.name.as_str(), tested.error, tested.took_ms), ("mail", None, 12));
    let (code, _, hint) = refused(local.test_channel("../x").await);
    assert!(code == 404 && hint.contains("conduit monitor channels"), "{code} {hint}");
    let viewer = gateway.token(Role::Viewer).await;
    let auth = format!("Authorization: Bearer {}\r\n", viewer.secret);
    let answer = gateway.ask("POST", "/api/v1/monitor/channels/mail/test", &auth, "").await;
    assert_eq!(status(&answer), 403, "who only looks sends nothing");
}

#[tokio::test]
async fn prometheus_finds_a_page_for_each_node() {
    let (gateway, _site) = watched();
    let token = gateway.token(Role::Viewer).await;
    let auth = format!("Authorization: Bearer {}\r\n", token.secret);
    let answer = gateway.ask("GET", "/sd/node", &auth, "").await;
    let targets: Value =
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let address = gateway.tcp().to_string();
    assert_eq!(targets[0]["targets"], Value::from(vec![address.clone()]));
    let labels = &targets[0]["labels"];
    assert_eq!(labels["__metrics_path__"], "/metrics/node/gpu-server");
    assert_eq!(
        (&labels["job"], &labels["instance"]),
        (&Value::from("node"), &Value::from("gpu-server"))
    );
    assert_eq!(labels["__scheme__"], "http");
    let behind = format!("{auth}X-Forwarded-Proto: https\r\n");
    let answer = gateway.ask("GET", "/sd/dcgm", &behind, "").await;
    assert!(answer.contains(r#""__scheme__":"https""#), "{answer}");
    assert!(answer.contains("/metrics/dcgm/gpu-server") && !answer.contains("/dcgm/here"));
    let page = scraped(&gateway, "/metrics/node/gpu-server").await;
    assert!(
        page.contains("content-type: text/plain; version=0.0.4") && page.contains("node_load1 1")
    );
    assert_eq!(status(&scraped(&gateway, "/metrics/dcgm/here").await), 404);
    assert_eq!(status(&gateway.ask("GET", "/sd/node", "", "").await), 401);
    let own = gateway.local().metrics().await.expect("metrics");
    assert!(own.contains("conduit_node_up{node=\"gpu-server\"} 1\n"), "{own}");
    assert!(own.ends_with("# EOF\n") && own.matches("# EOF").count() == 1, "{own}");
}

#[tokio::test]
async fn alerts_and_nodes_are_told_as_they_change() {
    let (gateway, site) = watched();
    let token = gateway.token(Role::Viewer).await;
    let (mut stream, head) = listen(&gateway, NODES, &token_header(&token)).await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    site.publish(|view| {
        view.alerts = Arc::from([alert("gpu-hot"), alert("disk-full")]);
        view.nodes.remove(&name("gpu-server"));
    });
    let told = until(&mut stream, &[r#""rule":"disk-full""#]).await;
    assert!(told.contains("event: alert_raised"), "{told}");
    assert!(told.contains("event: node_removed\ndata: "), "{told}");
    assert!(told.contains(r#""rule":"disk-full""#) && !told.contains("gpu-hot"), "{told}");
    gateway.control.stop_changes();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("it ends when the gateway stops");
}

#[tokio::test]
async fn streams_are_bounded_in_number() {
    let (gateway, _site) = watched();
    let token = gateway.token(Role::Viewer).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        open.push(listen(&gateway, NODES, &token_header(&token)).await);
    }
    let (_stream, head) = listen(&gateway, NODES, &token_header(&token)).await;
    assert_eq!(status(&head), 429);
}

#[tokio::test]
async fn a_containers_log_comes_line_by_line() {
    let (gateway, _site) = watched();
    let client: Client = gateway.local();
    let asked = ContainerLogQuery { tail: Some(1), ..ContainerLogQuery::default() };
    let mut lines = client.container_log("qp-hub", &asked).await.expect("a log");
    let line = lines.next().await.expect("a line").expect("one");
    assert_eq!((line.stream.as_str(), line.line.as_str()), ("stderr", "two"));
    assert_eq!(line.container, "qp-hub");
    assert_eq!(lines.next().await.expect("the end"), None);
    let all = ContainerLogQuery::default();
    let (status, _, _) = refused(client.container_log("nobody", &all).await);
    assert_eq!(status, 404);
}

#[tokio::test]
async fn with_the_monitor_off_every_path_says_so() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Operator).await;
    let auth =
        format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", token.secret);
    for (method, path, body, expected) in [
        ("GET", "/api/v1/nodes", "", 404),
        ("GET", "/api/v1/nodes/a", "", 404),
        ("GET", "/api/v1/nodes/a/history?metric=cpu", "", 404),
        ("GET", "/api/v1/services/a/history?metric=service_requests", "", 404),
        ("GET", "/api/v1/nodes/events", "", 404),
        ("GET", "/api/v1/containers/a/logs", "", 404),
        ("GET", "/api/v1/alerts", "", 404),
        ("GET", "/api/v1/alerts/silences", "", 404),
        ("GET", "/api/v1/monitor/rules", "", 404),
        ("GET", "/metrics/node/a", "", 404),
        ("GET", "/sd/dcgm", "", 404),
        ("POST", "/api/v1/nodes", r#"{"destination":"a"}"#, 409),
        ("POST", "/api/v1/nodes:test", "{}", 409),
        ("DELETE", "/api/v1/nodes/a", "", 409),
        ("POST", "/api/v1/alerts/silences", r#"{"rule":"a","for_seconds":1}"#, 409),
        ("DELETE", "/api/v1/alerts/silences/a", "", 409),
    ] {
        let answer = gateway.ask(method, path, &auth, body).await;
        assert_eq!(status(&answer), expected, "{method} {path}: {answer}");
        assert!(answer.contains(r#""code":"monitor_off""#), "{answer}");
        assert!(answer.contains("monitor.enabled = true"), "{answer}");
    }
    let own = gateway.local().metrics().await.expect("metrics");
    assert_eq!(own, "# EOF\n");
}
