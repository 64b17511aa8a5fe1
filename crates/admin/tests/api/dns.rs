//! Records of operators, through the API.

use conduit_api::client::Client;
use conduit_api::error::ClientError;
use conduit_api::v1::dns::AddRecord;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::{CreateToken, Role};

use crate::gateway::{Gateway, status};

fn wish(name: &str, kind: &str, data: &str) -> AddRecord {
    AddRecord { name: name.into(), record_type: kind.into(), data: data.into(), ttl: None }
}

async fn with_token(gateway: &Gateway, role: Role, scope: &str) -> (Client, String) {
    let wish = CreateToken {
        name: format!("{scope}-{role:?}"),
        role,
        scopes: vec![scope.into()],
        expires_in_seconds: None,
    };
    let token = gateway.local().create_token(&wish).await.expect("made").value;
    (gateway.with_token(&token), token.secret)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (u16, String) {
    match result {
        Err(ClientError::Api { status, error }) => {
            assert!(!error.message.is_empty());
            (status, error.code)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn records_come_and_go_and_are_listed_with_their_source() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let service = RegisterService {
        name: "web".into(),
        upstreams: vec!["10.0.0.1:80".into()],
        ..RegisterService::default()
    };
    client.register(&service).await.expect("registered");
    let nas = AddRecord { ttl: Some(300), ..wish("NAS.internal.", "a", "10.0.0.7") };
    let added = client.add_record(&nas).await.expect("added").value;
    assert_eq!((added.changed, added.generation), (true, 2));
    let record = &added.record;
    assert_eq!((&*record.name, &*record.record_type, record.ttl), ("nas.internal", "A", Some(300)));
    let again = client.add_record(&nas).await.expect("there").value;
    assert_eq!((again.changed, again.generation), (false, 2));
    assert_eq!(again.record, added.record, "with its age");
    client.add_record(&wish("nas.internal", "TXT", "\"a b\"")).await.expect("added");
    client.add_record(&wish("*.apps.internal", "CNAME", "web.internal")).await.expect("added");

    let list = client.dns().await.expect("a list").value;
    let shown: Vec<String> = list
        .entries
        .iter()
        .map(|e| {
            let kind = e.record_type.as_deref().unwrap_or("-");
            let data = e.data.as_deref().unwrap_or("-");
            format!("{} {kind} {data} {} {} {:?}", e.domain, e.mode, e.source, e.ip)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "*.apps.internal CNAME web.internal record record None",
            "nas.internal A 10.0.0.7 record record Some(\"10.0.0.7\")",
            "nas.internal TXT \"a b\" record record None",
            "web.internal - - gateway service None",
        ]
    );
    let status = client.status().await.expect("a status").value;
    assert_eq!(status.tables.routes, status.tables.zone);

    let one = client.remove_records("nas.internal", Some("txt"), Some("\"a b\"")).await;
    assert_eq!(one.expect("removed").value.removed.len(), 1);
    let all = client.remove_records("nas.internal", None, None).await.expect("removed").value;
    assert_eq!((all.generation, all.removed[0].data.as_str()), (6, "10.0.0.7"));
    let actions = client.audit(2, None).await.expect("a page").value.entries;
    assert!(actions.iter().all(|entry| entry.action == "dns_remove"), "{actions:?}");
}

#[tokio::test]
async fn pages_show_every_record_once() {
    let gateway = Gateway::start();
    let client = gateway.local();
    for number in 1..=5 {
        let data = format!("10.0.0.{number}");
        client.add_record(&wish("nas.internal", "A", &data)).await.expect("added");
    }
    let (_, secret) = with_token(&gateway, Role::Viewer, "dns").await;
    let headers = format!("Authorization: Bearer {secret}\r\n");
    let mut seen = Vec::new();
    let mut after = String::new();
    for _ in 0..3 {
        let path = format!("/api/v1/dns?limit=2{after}");
        let answer = gateway.ask("GET", &path, &headers, "").await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let page: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let entries = page["entries"].as_array().expect("a list").iter();
        seen.extend(entries.map(|entry| entry["data"].as_str().expect("text").to_owned()));
        after = match page["next_after"].as_str() {
            Some(next) => format!("&after={}", next.replace(' ', "%20")),
            None => break,
        };
    }
    assert_eq!(seen, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_word_for_it() {
    let gateway = Gateway::start();
    let client = gateway.local();
    client.add_record(&wish("nas.internal", "A", "10.0.0.7")).await.expect("added");
    for (name, kind, data, ttl, expected) in [
        ("a b", "A", "10.0.0.7", None, (422, "invalid_name")),
        ("nas.example", "A", "10.0.0.7", None, (422, "invalid_name")),
        ("x.internal", "NS", "ns.internal", None, (422, "invalid_type")),
        ("x.internal", "A", "10.0.0", None, (422, "invalid_data")),
        ("x.internal", "A", "10.0.0.7", Some(1_000_000), (422, "invalid_ttl")),
        ("conduit.internal", "A", "10.0.0.7", None, (422, "host_reserved")),
        ("nas.internal", "CNAME", "x.internal", None, (409, "record_conflict")),
    ] {
        let wish = AddRecord { ttl, ..wish(name, kind, data) };
        let (status, code) = refusal(client.add_record(&wish).await);
        assert_eq!((status, code.as_str()), expected, "{name} {kind} {data}");
    }
    for (name, kind, data, expected) in [
        ("nope.internal", None, None, (404, "not_found")),
        ("nas.internal", Some("A"), Some("10.0.0.8"), (404, "not_found")),
        ("nas.internal", None, Some("10.0.0.7"), (422, "invalid")),
        ("nas.internal", Some("LOC"), None, (422, "invalid_type")),
    ] {
        let (status, code) = refusal(client.remove_records(name, kind, data).await);
        assert_eq!((status, code.as_str()), expected, "{name} {kind:?} {data:?}");
    }
    let generation = client.status().await.expect("a status").value.generation;
    assert_eq!(generation, 1, "nothing of it happened");
}

#[tokio::test]
async fn records_are_for_operators_and_for_tokens_of_dns() {
    let gateway = Gateway::start();
    let record = wish("nas.internal", "A", "10.0.0.7");
    let (viewer, _) = with_token(&gateway, Role::Viewer, "dns").await;
    assert_eq!(refusal(viewer.add_record(&record).await), (403, "forbidden".into()));
    let (other, _) = with_token(&gateway, Role::Operator, "services").await;
    assert_eq!(refusal(other.add_record(&record).await), (403, "out_of_scope".into()));
    let (operator, secret) = with_token(&gateway, Role::Operator, "dns").await;
    operator.add_record(&record).await.expect("its own");
    operator.remove_records("nas.internal", None, None).await.expect("its own");
    let key = "Idempotency-Key: one\r\nContent-Type: application/json\r\n";
    let headers = format!("Authorization: Bearer {secret}\r\n{key}");
    let body = r#"{"name":"nas.internal","type":"A","data":"10.0.0.7"}"#;
    for _ in 0..2 {
        let answer = gateway.ask("POST", "/api/v1/dns/records", &headers, body).await;
        assert_eq!(status(&answer), 201, "the same answer for the same key: {answer}");
    }
}
