//! Services, certificates, the record: what the API tells and does.

use std::time::Duration;

use conduit_api::error::ClientError;
use conduit_api::v1::health::HealthStatus;
use conduit_api::v1::services::{OutcomeKind, RegisterBulk, RegisterService, ServiceStatus};
use conduit_api::v1::tokens::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::events::token_header;
use crate::gateway::{Gateway, status};
use crate::sessions::{JSON, json_of};

fn wish(name: &str, upstream: &str) -> RegisterService {
    RegisterService {
        name: name.into(),
        upstream: Some(upstream.into()),
        ..RegisterService::default()
    }
}

/// An address on which nobody listens.
async fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    listener.local_addr().expect("an address").to_string()
}

#[tokio::test]
async fn a_service_lives_and_dies_through_the_socket() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let upstream = dead().await;
    let made = client.register(&wish("Grafana", &upstream)).await.expect("registered");
    assert_eq!((made.status, made.value.outcome), (201, OutcomeKind::Created));
    let service = made.value.service.expect("shown");
    assert_eq!(service.domain, "grafana.internal");
    assert_eq!(service.url.as_deref(), Some("https://grafana.internal:8443"));
    assert!(service.tls.is_some());
    // The reply does not wait for the first probe; the outcome is there a moment later.
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    let reason = loop {
        let now = client.service_health("grafana").await.expect("health").value;
        if now.status == HealthStatus::Down {
            break now.reason.expect("a reason");
        }
        assert!(tokio::time::Instant::now() < end, "no probe has ended: {now:?}");
        tokio::task::yield_now().await;
    };
    assert!(reason.contains("refused"), "{reason}");

    let again = client.register(&wish("grafana", &upstream)).await.expect("the same");
    assert_eq!((again.status, again.value.changed), (200, false));
    assert_eq!(again.value.generation, made.value.generation);
    let other = client.register(&wish("grafana", "127.0.0.1:9")).await;
    let error = other.expect_err("taken");
    assert!(matches!(error, ClientError::Api { status: 409, .. }), "{error:?}");
    assert_eq!(error.code(), Some("name_taken"));
}

#[tokio::test]
async fn one_service_can_be_tried_and_what_is_gone_is_history() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let made = client.register(&wish("grafana", &dead().await)).await.expect("registered");
    let checked = client.service("grafana", true).await.expect("there").value.service;
    assert!(checked.checks.dns.expect("tried").ok);
    let tls = checked.checks.tls.expect("tried");
    assert_eq!((tls.ok, tls.reason.as_deref()), (false, Some("nobody listens")));

    let gone = client.deregister("grafana").await.expect("deregistered").value;
    assert!(gone.generation > made.value.generation);
    assert!(client.services(false).await.expect("a list").value.services.is_empty());
    let all = client.services(true).await.expect("a list").value.services;
    assert_eq!(all[0].status, ServiceStatus::Inactive);
    assert!(all[0].deregistered_at.is_some());
    for error in [
        client.deregister("grafana").await.expect_err("gone"),
        client.service("grafana", false).await.expect_err("gone"),
        client.service("no such/name", false).await.expect_err("never there"),
    ] {
        assert!(matches!(error, ClientError::Api { status: 404, .. }), "{error:?}");
        assert_eq!(error.code(), Some("not_found"));
    }
}

#[tokio::test]
async fn waiting_for_health_ends_when_the_upstream_answers() {
    let gateway = Gateway::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let upstream = listener.local_addr().expect("an address").to_string();
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a probe");
        let mut head = vec![0; 4096];
        let _read = stream.read(&mut head).await.expect("read");
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).await.expect("written");
    };
    let client = gateway.local();
    let asked = RegisterService { wait_healthy: Some(30), ..wish("web", &upstream) };
    let ((), made) = tokio::join!(serve, client.register(&asked));
    let service = made.expect("registered").value.service.expect("shown");
    assert_eq!(service.health_status, HealthStatus::Healthy);
    let list = client.health().await.expect("a list").value;
    assert_eq!((list.counts.healthy, list.counts.total), (1, 1));
    let one = client.service_health("web").await.expect("there").value;
    assert_eq!(one.upstreams[0].upstream, upstream);
    let asked = RegisterService { wait_healthy: Some(61), ..wish("slow", &upstream) };
    assert!(client.register(&asked).await.is_err());
}

#[tokio::test]
async fn many_are_registered_whole_or_not_at_all() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let upstream = dead().await;
    let mut bulk = RegisterBulk {
        services: vec![wish("a", &upstream), wish("b", "no port")],
        ..RegisterBulk::default()
    };
    let error = client.register_bulk(&bulk).await.expect_err("refused");
    assert!(error.to_string().contains("services[1]"), "{error}");
    assert!(client.services(false).await.expect("a list").value.services.is_empty());

    bulk.services[1] = wish("b", &upstream);
    bulk.dry_run = true;
    let told = client.register_bulk(&bulk).await.expect("told").value;
    assert_eq!((told.outcomes.len(), told.changed, told.dry_run), (2, false, true));
    assert!(client.services(false).await.expect("a list").value.services.is_empty());

    bulk.dry_run = false;
    let made = client.register_bulk(&bulk).await.expect("registered").value;
    assert!(made.changed);
    bulk.services.remove(0);
    (bulk.replace, bulk.prune) = (true, true);
    let pruned = client.register_bulk(&bulk).await.expect("pruned").value;
    let kinds: Vec<OutcomeKind> = pruned.outcomes.iter().map(|o| o.outcome).collect();
    assert_eq!(kinds, [OutcomeKind::Unchanged, OutcomeKind::Deregistered]);
}

#[tokio::test]
async fn certificates_are_shown_and_rotated_and_keys_are_not() {
    let gateway = Gateway::start();
    let client = gateway.local();
    client.register(&wish("web", &dead().await)).await.expect("registered");
    let before = client.certificates().await.expect("a list").value.certs;
    assert_eq!(before.len(), 2);
    assert!(before.iter().all(|cert| cert.pem.is_none()));
    let rotated = client.rotate("web").await.expect("rotated");
    assert_ne!(rotated.value.certs[0].fingerprint_sha256, before[0].fingerprint_sha256);
    let details = client.certificate("web").await.expect("there");
    assert_eq!(details.value.certs, rotated.value.certs);
    assert_eq!(details.value.certs[0].sans, ["web.internal"]);
    let text = String::from_utf8_lossy(&details.body).into_owned();
    assert!(text.contains("BEGIN CERTIFICATE") && !text.contains("PRIVATE KEY"));
    let authority = client.authority().await.expect("a CA").value;
    assert_eq!((authority.roots.len(), authority.intermediates.len()), (2, 2));
    assert!(!authority.bundle_pem.contains("PRIVATE KEY"));
    let error = client.rotate("nobody").await.expect_err("not there");
    assert_eq!(error.code(), Some("not_found"));
}

#[tokio::test]
async fn no_name_of_a_service_hides_behind_a_path_of_ours() {
    let gateway = Gateway::start();
    let client = gateway.local();
    for name in ["bulk", "ca", "health", "verify"] {
        client.register(&wish(name, &dead().await)).await.expect("registered");
        assert_eq!(client.service(name, false).await.expect("there").value.service.name, name);
        assert_eq!(client.certificate(name).await.expect("there").value.name, name);
        client.rotate(name).await.expect("rotated");
        client.service_health(name).await.expect("there");
        client.deregister(name).await.expect("deregistered");
    }
}

#[tokio::test]
async fn status_dns_and_routes_tell_what_is_published() {
    let gateway = Gateway::start();
    let client = gateway.local();
    client.register(&wish("web", &dead().await)).await.expect("registered");
    let status = client.status().await.expect("a status").value;
    assert_eq!((status.services.total, status.certs.valid), (1, 1));
    assert_eq!(status.tables.routes, status.tables.zone);
    assert_eq!(status.listen.admin, [gateway.tcp().to_string()]);
    assert_eq!(status.last_audit.expect("an entry").action, "service_register");
    let dns = client.dns().await.expect("a list").value;
    assert_eq!(dns.entries[0].domain, "web.internal");
    assert_eq!((dns.entries[0].mode.as_str(), &dns.entries[0].ip), ("gateway", &None));
    let routes = client.routes().await.expect("a list").value.routes;
    assert_eq!((routes[0].domain.as_str(), routes[0].tls), ("web.internal", true));
    let error = client.resolve("x y", "A").await.expect_err("refused");
    assert!(matches!(error, ClientError::Api { status: 422, .. }), "{error:?}");
    assert_eq!(client.metrics().await.expect("text"), "# EOF\n");
    assert_eq!(client.ready().await.expect("ready").value.status, "ready");
}

#[tokio::test]
async fn every_decision_is_on_a_record_that_verifies() {
    let gateway = Gateway::start();
    let client = gateway.local();
    client.register(&wish("web", &dead().await)).await.expect("registered");
    let flushed = client.flush_dns(Some("example.com")).await.expect("flushed").value;
    assert_eq!(flushed.forwarders, ["192.0.2.1:53"]);
    for name in ["", "a..b", &"a".repeat(64)] {
        let error = client.flush_dns(Some(name)).await.expect_err("no name");
        assert!(matches!(error, ClientError::Api { status: 422, .. }), "{name}: {error:?}");
    }
    assert_eq!(client.dns_cache().await.expect("told").value.hits, 7);
    assert!(client.reload().await.is_err());
    let copy = gateway.dir.path().join("copy.db");
    let copy = copy.to_str().expect("text");
    assert!(client.backup(copy).await.expect("written").value.bytes > 0);
    assert!(client.backup(copy).await.is_err(), "never over a file");
    for path in ["relative", "/nowhere/at/all/copy.tar"] {
        let error = client.backup(path).await.expect_err("refused");
        assert!(matches!(error, ClientError::Api { status: 422, .. }), "{path}: {error:?}");
    }
    let page = client.audit(2, None).await.expect("a page").value;
    assert_eq!(page.entries.len(), 2);
    let rest = client.audit(500, page.next_before).await.expect("the rest").value;
    let actions: Vec<&str> =
        rest.entries.iter().chain(&page.entries).map(|entry| entry.action.as_str()).collect();
    for action in ["service_register", "dns_flush", "config_reload", "backup"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    let report = client.verify_audit().await.expect("a report").value;
    assert!(report.valid, "{report:?}");
    assert!(client.audit(0, None).await.is_err());
    assert!(client.audit(501, None).await.is_err());
}

/// A wish with a secret of each kind.
fn guarded(upstream: &str) -> RegisterService {
    let hash = format!("sha3-256:{}", "ab".repeat(32));
    let policy = serde_json::json!({
        "balance": "random",
        "basic_auth": [{ "user": "ann", "hash": "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy" }],
        "api_keys": [{ "name": "ci", "hash": hash, "paths": ["/v1"] }],
        "request_headers": { "set": { "authorization": "Bearer s3cret", "x-a": "1" } },
    });
    let policy = serde_json::from_value(policy).expect("a policy");
    RegisterService { policy: Some(policy), ..wish("guarded", upstream) }
}

#[tokio::test]
async fn secrets_of_a_policy_are_for_admins_and_are_not_taken_back_hidden() {
    let gateway = Gateway::start();
    let asked = guarded(&dead().await);
    let made = gateway.local().register(&asked).await.expect("registered");
    let policy = serde_json::to_value(asked.policy.as_ref().expect("there")).expect("written");
    assert_eq!(serde_json::Value::Object(made.value.service.expect("shown").policy), policy);

    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let client = gateway.with_token(&gateway.token(role).await);
        let one = client.service("guarded", false).await.expect("shown");
        let list = client.services(false).await.expect("listed");
        for body in [&one.body, &list.body] {
            let body = String::from_utf8_lossy(body);
            let secret = ["s3cret", "$2b$12$", "abababab"].iter().any(|s| body.contains(s));
            assert_eq!(secret, role == Role::Admin, "{role}: {body}");
            assert_eq!(body.contains("(hidden)"), role != Role::Admin, "{role}: {body}");
        }
        let shown = serde_json::Value::Object(one.value.service.policy);
        assert_eq!(shown["balance"], "random");
        let back = serde_json::json!({
            "name": "guarded", "upstream": asked.upstream, "policy": shown, "replace": true
        });
        let headers = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
            gateway.token_named(Role::Operator, &format!("back-{role}")).await.secret
        );
        let answer = gateway.ask("POST", "/api/v1/services", &headers, &back.to_string()).await;
        let expected = if role == Role::Admin { 200 } else { 422 };
        assert_eq!(status(&answer), expected, "{role}: {answer}");
        assert!(role == Role::Admin || answer.contains("ask as an admin"), "{answer}");
    }
    let now = gateway.local().service("guarded", false).await.expect("shown").value;
    assert_eq!(now.generation, made.value.generation, "nothing was changed by any of it");
    let entries = gateway.local().audit(50, None).await.expect("entries");
    let record = String::from_utf8_lossy(&entries.body);
    assert!(record.contains("(hidden)") && !record.contains("$2b$12$"), "{record}");
}

#[tokio::test]
async fn a_policy_goes_round_and_an_unchanged_one_makes_no_generation() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let preset = |name: &str| RegisterService {
        preset: Some(name.into()),
        replace: true,
        ..wish("llm", "10.0.1.9")
    };
    let tried = RegisterService { dry_run: true, ..preset("ollama") };
    let reply = client.register(&tried).await.expect("tried").value;
    let planned = reply.service.expect("as it would be");
    assert_eq!(planned.upstreams, ["10.0.1.9:11434"]);
    assert_eq!(planned.effective_policy["timeouts"]["first_byte"], "15m");
    assert!(!reply.changed && client.service("llm", false).await.is_err());

    let made = client.register(&preset("ollama")).await.expect("registered").value;
    assert_eq!(made.generation, reply.generation + 1);
    let again = client.register(&preset("ollama")).await.expect("the same").value;
    assert_eq!((again.changed, again.outcome), (false, OutcomeKind::Unchanged));
    let other = client.register(&preset("vllm")).await.expect("another").value;
    assert_eq!((other.changed, other.outcome), (true, OutcomeKind::Replaced));
    let service = other.service.expect("shown");
    assert_eq!(service.policy, serde_json::from_str(r#"{"preset":"vllm"}"#).expect("JSON"));
    assert_eq!(service.health_check.as_deref(), Some("/health"));
    let listed = client.services(false).await.expect("listed").value.services;
    assert!(listed[0].effective_policy.is_empty(), "lists stay short");
}

#[tokio::test]
async fn a_title_is_shown_kept_and_replaced_like_the_rest() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let titled = |title: Option<&str>| RegisterService {
        title: title.map(str::to_owned),
        replace: true,
        ..wish("grafana", "10.0.1.9:80")
    };
    let made = client.register(&titled(Some(" <b>GPU</b> dashboards "))).await.expect("made").value;
    let shown = made.service.expect("shown").title;
    assert_eq!(shown.as_deref(), Some("<b>GPU</b> dashboards"), "text, as it is");
    let listed = client.services(false).await.expect("listed").value.services;
    assert_eq!(listed[0].title, shown);
    let tag = client.service("grafana", false).await.expect("shown").value.etag;
    let gone = client.register(&titled(None)).await.expect("replaced").value;
    assert_eq!((gone.outcome, gone.service.expect("shown").title), (OutcomeKind::Replaced, None));
    assert_ne!(client.service("grafana", false).await.expect("shown").value.etag, tag);
    for bad in ["", "a\nb", "a\u{202e}b", &"x".repeat(81)] {
        let error = client.register(&titled(Some(bad))).await.expect_err("refused");
        assert!(matches!(error, ClientError::Api { status: 422, .. }), "{error:?}");
        assert_eq!(error.code(), Some("invalid_title"));
    }
}

#[tokio::test]
async fn a_policy_that_cannot_be_carried_out_is_refused() {
    let gateway = Gateway::start();
    let share = r#"{"shares":[{"upstream":"10.0.0.9:1"}]}"#;
    for (policy, message) in [
        (share, "no upstream of it"),
        (r#"{"cors":{"origins":["*"],"credentials":true}}"#, "name the origins"),
    ] {
        let policy = Some(serde_json::from_str(policy).expect("a policy"));
        let asked = RegisterService { policy, ..wish("a", "10.0.0.1:1") };
        let error = gateway.local().register(&asked).await.expect_err("refused");
        assert_eq!(error.code(), Some("invalid_policy"));
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[tokio::test]
async fn a_change_with_a_tag_needs_the_service_as_it_was_read() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Operator).await;
    let auth = format!("{}{JSON}", token_header(&token));
    let wish =
        |port: u16| format!(r#"{{"name":"web","upstream":"127.0.0.1:{port}","replace":true}}"#);
    let (path, one) = ("/api/v1/services", "/api/v1/services/web");
    let none = gateway.ask("POST", path, &format!("{auth}If-Match: *\r\n"), &wish(1)).await;
    assert_eq!(status(&none), 412, "there is none yet: {none}");
    assert_eq!(status(&gateway.ask("POST", path, &auth, &wish(1)).await), 201);
    let read = gateway.ask("GET", one, &auth, "").await;
    let tag = read.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").to_owned();
    assert_eq!(json_of(&read)["etag"], tag);
    let matching = |tag: &str| format!("{auth}If-Match: {tag}\r\n");
    let changed = gateway.ask("POST", path, &matching(&tag), &wish(2)).await;
    assert_eq!(status(&changed), 200, "{changed}");
    for (method, path, body) in [("POST", path, wish(3)), ("DELETE", one, String::new())] {
        let lost = gateway.ask(method, path, &matching(&tag), &body).await;
        assert_eq!(status(&lost), 412, "{method}: {lost}");
        assert!(lost.contains(r#""code":"changed_meanwhile""#), "{lost}");
    }
    let now = gateway.ask("GET", one, &auth, "").await;
    assert_eq!(json_of(&now)["service"]["upstream"], "127.0.0.1:2", "nothing has changed");
    assert_eq!(status(&gateway.ask("DELETE", one, &matching("web"), "").await), 422);
    let now = json_of(&now)["etag"].as_str().expect("a tag").to_owned();
    let either = format!("\"other\", {now}");
    assert_eq!(status(&gateway.ask("DELETE", one, &matching(&either), "").await), 200);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let gateway = Gateway::start();
    let client = gateway.local();
    let upstream = dead().await;
    for name in ["a", "b", "c"] {
        client.register(&wish(name, &upstream)).await.expect("registered");
    }
    let token = gateway.token(Role::Viewer).await;
    let auth = token_header(&token);
    for (path, list, of_each) in [
        ("/api/v1/services", "services", 1),
        ("/api/v1/health", "services", 1),
        ("/api/v1/dns", "entries", 1),
        ("/api/v1/tls", "certs", 2),
        ("/api/v1/routing", "routes", 1),
    ] {
        let page = async |options: &str| {
            let answer = gateway.ask("GET", &format!("{path}?{options}"), &auth, "").await;
            assert_eq!(status(&answer), 200, "{path}?{options}: {answer}");
            let page = json_of(&answer);
            let count = page[list].as_array().expect("a list").len() / of_each;
            (count, page["next_after"].as_str().map(str::to_owned))
        };
        let (count, next) = page("limit=2").await;
        assert_eq!(count, 2, "{path}");
        let next = next.expect("there is more");
        assert!(next.starts_with('b'), "{path}: {next}");
        assert_eq!(page(&format!("limit=2&after={next}")).await, (1, None), "{path}");
        assert_eq!(page("").await, (3, None), "{path}");
        for wrong in ["limit=0", "limit=1001", "limit=x"] {
            let answer = gateway.ask("GET", &format!("{path}?{wrong}"), &auth, "").await;
            assert_eq!(status(&answer), 422, "{path}?{wrong}: {answer}");
        }
    }
    let both = gateway.ask("GET", "/api/v1/services?all=true&limit=2", &auth, "").await;
    assert_eq!(status(&both), 422);
}

#[tokio::test]
async fn the_newest_requests_of_a_service_are_listed_when_they_are_logged() {
    let gateway = Gateway::start();
    let upstream = "127.0.0.1:9";
    for name in ["web", "quiet"] {
        gateway.local().register(&wish(name, upstream)).await.expect("registered");
    }
    let token = format!("X-API-Key: {}\r\n", gateway.token(Role::Viewer).await.secret);
    for (name, code, part) in [
        ("web", 200, r#"{"logged":true,"requests":[{"path":"/a"},{"path":"/a"}]}"#),
        ("quiet", 200, r#"{"logged":false,"requests":[]}"#),
        ("nobody", 404, "not_found"),
    ] {
        let path = format!("/api/v1/services/{name}/requests");
        let answer = gateway.ask("GET", &path, &token, "").await;
        assert_eq!(status(&answer), code, "{answer}");
        assert!(answer.contains(part), "{answer}");
    }
}
