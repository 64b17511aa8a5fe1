//! Who is let in, over real sockets: passwords, keys, services that decide, and rates.

use std::sync::Arc;
use std::sync::Mutex;

use conduit_core::policy::Policy;
use conduit_core::service::Service;
use sha3::Digest as _;

use super::harness::{Gateway, Head, Upstream, get, nowhere, ok};
use crate::fixture::service;
use crate::limits::hits::Limit;

fn guarded(upstream: &Upstream, policy: &str) -> Service {
    let policy: Policy = serde_json::from_str(policy).expect(policy);
    policy.check().expect("legal");
    Service { policy: Arc::new(policy), ..service("web", &[&upstream.text()]) }
}

fn users() -> String {
    // The hash of "one", at the lowest cost.
    let hash = bcrypt::hash("one", 4).expect("a hash");
    format!(r#""basic_auth":[{{"user":"ann","hash":"{hash}"}}]"#)
}

fn keys() -> String {
    let hash = |text: &str| -> String {
        sha3::Sha3_256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    format!(
        r#""api_keys":[{{"name":"ci","hash":"sha3-256:{}"}},
            {{"name":"chat","hash":"sha3-256:{}","paths":["/v1"],"methods":["GET"]}}]"#,
        hash("k1"),
        hash("k2"),
    )
}

fn with(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: web.internal\r\n{fields}\r\n")
}

fn error(head: &Head) -> (u16, &str) {
    (head.status(), head.field("conduit-error").unwrap_or_default())
}

/// `ann:one`, `ann:two` and `eve:one`.
const RIGHT: &str = "authorization: Basic YW5uOm9uZQ==\r\n";
const WRONG: &str = "authorization: Basic YW5uOnR3bw==\r\n";
const UNKNOWN: &str = "authorization: Basic ZXZlOm9uZQ==\r\n";

#[test]
fn a_password_lets_in_and_goes_no_further() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![guarded(&upstream, &format!("{{{}}}", users()))]);
    let mut client = gateway.connect();
    let (head, _) = client.ask(&get("web.internal", "/"));
    assert_eq!(error(&head), (401, "password_missing"));
    let challenge = "Basic realm=\"web\", charset=\"UTF-8\"";
    assert_eq!(head.field("www-authenticate"), Some(challenge));
    for wrong in [WRONG, UNKNOWN, "authorization: Basic !\r\n"] {
        assert_eq!(error(&client.ask(&with("/", wrong)).0), (401, "password_wrong"), "{wrong}");
    }
    for _ in 0..2 {
        let claim = format!("{RIGHT}x-forwarded-user: root\r\nx_forwarded_user: root\r\n");
        let (head, seen) = client.ask(&with("/", &claim));
        assert_eq!(head.status(), 200, "{}", head.0);
        let seen = Head(seen);
        assert_eq!(seen.field("authorization"), None);
        assert_eq!(seen.field("x-forwarded-user"), Some("ann"));
        assert_eq!(seen.field("x_forwarded_user"), None);
    }
    gateway.stop();
}

#[test]
fn a_key_opens_what_it_is_for() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![guarded(&upstream, &format!("{{{}}}", keys()))]);
    let mut client = gateway.connect();
    for (path, fields, expected) in [
        ("/", "", (401, "key_missing")),
        ("/?key=k1", "", (401, "key_missing")),
        ("/", "x-api-key: nope\r\n", (401, "key_unknown")),
        ("/", "authorization: Bearer nope\r\n", (401, "key_unknown")),
        ("/", "x-api-key: k1\r\nx-api-key: k1\r\n", (401, "key_unknown")),
        ("/", "authorization: Bearer k1\r\n", (200, "")),
        ("/", "x-api-key: k1\r\n", (200, "")),
        ("/", "api-key: k1\r\n", (200, "")),
        ("/v1/models", "x-api-key: k2\r\n", (200, "")),
        ("/admin", "x-api-key: k2\r\n", (403, "key_scope")),
        // Where keys are bound to paths, the gate refuses such paths before it asks for a key.
        ("/v1/../admin", "x-api-key: k2\r\n", (400, "bad_path")),
    ] {
        let (head, body) = client.ask(&with(path, fields));
        assert_eq!(error(&head), expected, "{path} {fields}");
        if expected.0 == 200 {
            let seen = Head(body);
            for field in ["authorization", "x-api-key", "api-key"] {
                assert_eq!(seen.field(field), None, "{}", seen.0);
            }
            assert!(["ci", "chat"].contains(&seen.field("x-conduit-key").expect("its name")));
        }
    }
    let (head, body) = client.ask(&with("/admin", "x-api-key: k2\r\n"));
    assert!(body.contains("the key chat does not open this path; it opens /v1"), "{body}");
    assert_eq!(head.field("www-authenticate"), None);
    let (head, _) = client.ask(&with("/", "x-api-key: nope\r\n"));
    let challenge = "Bearer realm=\"web\", error=\"invalid_token\"";
    assert_eq!(head.field("www-authenticate"), Some(challenge));
    gateway.stop();
}

#[test]
fn what_is_meant_for_the_upstream_stays() {
    let upstream = Upstream::mirror();
    let open = service("open", &[&upstream.text()]);
    let policy = format!("{{{},{}}}", users(), keys());
    let gateway = Gateway::http(vec![guarded(&upstream, &policy), open]);
    let mut client = gateway.connect();
    // Either is enough; a credential that did not let anybody in is not ours.
    let both = "authorization: Bearer theirs\r\nx-api-key: k1\r\nx-conduit-key: root\r\n";
    let seen = Head(client.ask(&with("/", both)).1);
    assert_eq!(seen.field("authorization"), Some("Bearer theirs"));
    assert_eq!(seen.field("x-api-key"), None);
    assert_eq!(seen.field("x-conduit-key"), Some("ci"));
    let seen = Head(client.ask(&with("/", RIGHT)).1);
    assert_eq!(seen.field("x-forwarded-user"), Some("ann"));
    assert_eq!(seen.field("x-conduit-key"), None);
    // Nobody can claim a key's name, also where no key is asked for.
    let claim = "GET / HTTP/1.1\r\nhost: open.internal\r\nx-conduit-key: root\r\n\
                 x_conduit_key: root\r\nauthorization: Bearer theirs\r\n\r\n";
    let seen = Head(client.ask(claim).1);
    assert_eq!((seen.field("x-conduit-key"), seen.field("x_conduit_key")), (None, None));
    assert_eq!(seen.field("authorization"), Some("Bearer theirs"));
    gateway.stop();
}

#[test]
fn whoever_fails_too_often_has_to_wait() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![guarded(&upstream, &format!("{{{}}}", keys()))]);
    let mut client = gateway.connect();
    for _ in 0..30 {
        assert_eq!(error(&client.ask(&get("web.internal", "/")).0), (401, "key_missing"));
    }
    for _ in 0..10 {
        let (head, _) = client.ask(&with("/", "x-api-key: nope\r\n"));
        assert_eq!(error(&head), (401, "key_unknown"));
    }
    let (head, _) = client.ask(&with("/", "x-api-key: nope\r\n"));
    assert_eq!(error(&head), (429, "too_many_failures"));
    let wait: u64 = head.field("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=6).contains(&wait));
    assert_eq!(gateway.metrics.hits().of(Limit::AuthFailures), 1);
    assert_eq!(upstream.connections(), 0);
    gateway.stop();
}

#[test]
fn a_rate_is_kept_and_told() {
    let upstream = Upstream::mirror();
    let policy = r#"{"rate":{"requests":2,"per":"1h"}}"#;
    let gateway = Gateway::http(vec![guarded(&upstream, policy)]);
    for _ in 0..2 {
        assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    }
    let (head, _) = gateway.connect().ask(&get("web.internal", "/"));
    assert_eq!(error(&head), (429, "rate_limited"));
    assert_eq!(gateway.metrics.hits().of(Limit::RequestRate), 1);
    let wait: u64 = head.field("retry-after").expect("a time").parse().expect("seconds");
    assert!((1_790..=1_800).contains(&wait), "{wait}");
    assert_eq!(head.field("ratelimit-policy"), Some("\"client\";q=2;w=3600"));
    let limit = format!("\"client\";r=0;t={wait}");
    assert_eq!(head.field("ratelimit"), Some(&*limit));
    gateway.stop();
}

#[test]
fn identities_are_counted_apart() {
    let upstream = Upstream::mirror();
    let rate = r#""rate":{"requests":1,"per":"1h","by":"identity"}"#;
    let policy = format!("{{{},{},{rate}}}", users(), keys());
    let gateway = Gateway::http(vec![guarded(&upstream, &policy)]);
    let mut client = gateway.connect();
    for (fields, status) in [
        (RIGHT, 200),
        (RIGHT, 429),
        ("x-api-key: k1\r\n", 200),
        ("api-key: k1\r\n", 429),
        ("x-api-key: k2\r\n", 200),
    ] {
        assert_eq!(client.ask(&with("/v1", fields)).0.status(), status, "{fields}");
    }
    gateway.stop();
}

/// An auth service that lets in whoever has the cookie, and tells what it was asked.
fn judge() -> (Upstream, Arc<Mutex<Vec<Head>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    let upstream = Upstream::http(move |head| {
        notes.lock().expect("alone").push(head.clone());
        if head.field("cookie") == Some("sid=1") {
            let fields = "remote-user: ann\r\nremote-groups: a\r\nremote-groups: b\r\nx-not: 1";
            return format!("HTTP/1.1 200 OK\r\n{fields}\r\ncontent-length: 2\r\n\r\nok");
        }
        "HTTP/1.1 302 Found\r\nlocation: https://auth.internal/?rd=x\r\nset-cookie: a=1\r\n\
         set-cookie: b=2\r\ncache-control: max-age=60\r\nconnection: keep-alive\r\n\
         content-length: 5\r\n\r\nlogin"
            .to_owned()
    });
    (upstream, asked)
}

#[test]
fn another_service_decides() {
    let (auth, asked) = judge();
    let upstream = Upstream::mirror();
    let copy = r#""copy":["Remote-User","Remote-Groups","Remote-Email"]"#;
    let policy =
        format!(r#"{{"forward_auth":{{"url":"http://{}/verify?x=1",{copy}}}}}"#, auth.text());
    let gateway = Gateway::http(vec![guarded(&upstream, &policy)]);
    let mut client = gateway.connect();
    client.send(
        "POST /a?b=c HTTP/1.1\r\nhost: web.internal:81\r\ncontent-length: 3\r\n\
         content-type: text/plain\r\nremote-user: root\r\nx-forwarded-for: 9.9.9.9\r\n\
         if-none-match: \"x\"\r\naccept: text/html\r\n\r\nabc",
    );
    let head = client.head().expect("an answer");
    assert_eq!(head.status(), 302);
    assert_eq!(head.field("location"), Some("https://auth.internal/?rd=x"));
    assert_eq!(head.0.matches("set-cookie").count(), 2);
    assert_eq!(head.field("cache-control"), Some("no-store"));
    assert_eq!(client.exactly(5), "login");
    let question = asked.lock().expect("alone").remove(0);
    assert!(question.0.starts_with("GET /verify?x=1 HTTP/1.1\r\n"), "{}", question.0);
    for (field, expected) in [
        ("host", Some(auth.text())),
        ("x-forwarded-method", Some("POST".into())),
        ("x-forwarded-proto", Some("http".into())),
        ("x-forwarded-host", Some("web.internal:81".into())),
        ("x-forwarded-uri", Some("/a?b=c".into())),
        ("x-forwarded-for", Some("127.0.0.1".into())),
        ("x-original-url", Some("http://web.internal:81/a?b=c".into())),
        ("accept", Some("text/html".into())),
        ("content-length", None),
        ("content-type", None),
        ("if-none-match", None),
        ("remote-user", None),
    ] {
        assert_eq!(question.field(field), expected.as_deref(), "{field}");
    }
    assert_eq!(upstream.connections(), 0);

    let mut client = gateway.connect();
    let fields = "cookie: sid=1\r\nremote-user: root\r\nremote_user: root\r\nremote.groups: x\r\n\
                  remote-email: root@x\r\n";
    for _ in 0..3 {
        let (head, seen) = client.ask(&with("/", fields));
        assert_eq!(head.status(), 200);
        let seen = Head(seen);
        assert_eq!(seen.field("remote-user"), Some("ann"));
        assert_eq!(seen.0.matches("remote-groups: ").count(), 2);
        for gone in ["remote_user", "remote.groups", "remote-email", "x-not", "cdn-loop"] {
            assert_eq!(seen.field(gone), None, "{}", seen.0);
        }
        assert_eq!(seen.field("cookie"), Some("sid=1"));
    }
    assert_eq!(auth.connections(), 1, "it is kept");
    gateway.stop();
}

#[test]
fn a_websocket_is_asked_about_too() {
    let (auth, asked) = judge();
    let upstream = Upstream::raw(|mut wire| {
        let head = wire.head().expect("a request");
        assert_eq!(head.field("remote-user"), Some("ann"));
        let switch = "connection: upgrade\r\nupgrade: websocket";
        wire.send(&format!("HTTP/1.1 101 Switching Protocols\r\n{switch}\r\n\r\nhello"));
    });
    let policy =
        format!(r#"{{"forward_auth":{{"url":"http://{}","copy":["remote-user"]}}}}"#, auth.text());
    let gateway = Gateway::http(vec![guarded(&upstream, &policy)]);
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let mut client = gateway.connect();
    assert_eq!(client.ask(&with("/ws", upgrade)).0.status(), 302);
    let mut client = gateway.connect();
    client.send(&with("/ws", &format!("{upgrade}cookie: sid=1\r\n")));
    assert_eq!(client.head().expect("an answer").status(), 101);
    assert_eq!(client.exactly(5), "hello");
    let asked = asked.lock().expect("alone");
    assert!(asked.iter().all(|head| head.field("upgrade").is_none()));
    drop(asked);
    drop(client);
    gateway.stop();
}

#[test]
fn silence_and_garbage_let_nobody_in() {
    let upstream = Upstream::mirror();
    let long = Upstream::http(|_| {
        let body = "x".repeat(70_000);
        format!("HTTP/1.1 403 Forbidden\r\ncontent-length: 70000\r\n\r\n{body}")
    });
    let garbage = Upstream::http(|_| "SSH-2.0-x\r\n\r\n".to_owned());
    let early = Upstream::raw(|mut wire| {
        wire.head();
    });
    for auth in [nowhere(), long.text(), garbage.text(), early.text()] {
        let policy = format!(r#"{{"forward_auth":{{"url":"http://{auth}/"}}}}"#);
        let gateway = Gateway::http(vec![guarded(&upstream, &policy)]);
        let (head, _) = gateway.connect().ask(&get("web.internal", "/"));
        assert_eq!(error(&head), (503, "auth_unreachable"));
        let looping = with("/", "cdn-loop: conduit-auth\r\n");
        assert_eq!(error(&gateway.connect().ask(&looping).0), (503, "auth_unreachable"));
        gateway.stop();
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    let auth = Upstream::raw(|mut wire| {
        wire.head();
        wire.send(&ok(""));
    });
    let upstream = Upstream::mirror();
    let policy = format!(r#"{{"forward_auth":{{"url":"http://{}/"}}}}"#, auth.text());
    let gateway = Gateway::http(vec![guarded(&upstream, &policy)]);
    let mut client = gateway.connect();
    for _ in 0..20 {
        assert_eq!(client.ask(&get("web.internal", "/")).0.status(), 200);
    }
    gateway.stop();
}
