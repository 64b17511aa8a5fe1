//! What a policy refuses, answers and changes, over sockets.

use std::io;
use std::sync::Mutex;

use super::harness::{Gateway, Head, Upstream, get};
use crate::fixture::asking;

fn gateway(upstream: &Upstream, policy: &str) -> Gateway {
    Gateway::http(vec![asking("web", &[&upstream.text()], policy)])
}

/// What an upstream that mirrors saw of a request.
fn seen(gateway: &Gateway, request: &str) -> Head {
    let (head, body) = gateway.connect().ask(request);
    assert_eq!(head.status(), 200, "{}{body}", head.0);
    Head(body)
}

#[test]
fn a_service_in_maintenance_says_so() {
    let upstream = Upstream::mirror();
    let gateway = gateway(&upstream, "maintenance = 'Back at \"noon\".'");
    let (head, body) = gateway.connect().ask(&get("web.internal", "/"));
    assert_eq!(head.status(), 503);
    assert_eq!(head.field("conduit-error"), Some("maintenance"));
    assert_eq!(head.field("retry-after"), Some("60"));
    assert!(body.contains("Back at"), "{body}");
    assert_eq!(upstream.connections(), 0);
    gateway.stop();
}

#[test]
fn only_listed_networks_come_in() {
    let upstream = Upstream::mirror();
    for (allow, expected) in [
        ("['127.0.0.0/8']", 200),
        ("['10.0.0.0/8', '127.0.0.1/32']", 200),
        ("['10.0.0.0/8', 'fd00::/8']", 403),
    ] {
        let gateway = gateway(&upstream, &format!("allow = {allow}"));
        let (head, _) = gateway.connect().ask(&get("web.internal", "/"));
        assert_eq!(head.status(), expected, "{allow}");
        let error = (expected == 403).then_some("address_refused");
        assert_eq!(head.field("conduit-error"), error);
        gateway.stop();
    }
}

#[test]
fn redirects_name_the_clients_scheme_and_host() {
    let upstream = Upstream::mirror();
    let gateway = gateway(
        &upstream,
        "redirects = [{ from = '/old', to = '/new/', status = '302' },
                      { from = '/docs', to = 'https://docs.internal/x' },
                      { from = '/', to = '/app/' }]",
    );
    let mut client = gateway.connect();
    for (path, status, location) in [
        ("/old/a%20b?c=d", 302, "http://Web.internal:81/new/a%20b?c=d"),
        ("/%6fld", 302, "http://Web.internal:81/new/"),
        ("/docs/deep?q", 308, "https://docs.internal/x?q"),
        ("/older", 308, "http://Web.internal:81/app/older"),
    ] {
        let (head, _) = client.ask(&get("Web.internal:81", path));
        assert_eq!(head.status(), status, "{path}");
        assert_eq!(head.field("location"), Some(location), "{path}");
    }
    assert!(seen(&gateway, &get("web.internal", "/app/x")).0.starts_with("GET /app/x "));
    gateway.stop();
}

#[test]
fn only_listed_paths_are_served_and_what_could_be_another_is_refused() {
    let upstream = Upstream::mirror();
    let gateway = gateway(&upstream, "paths = ['/api', '/static/']");
    for (path, forwarded) in [
        ("/api", "/api"),
        ("/api/v1?x=/../y", "/api/v1?x=/../y"),
        ("/%61pi/%7e?%61", "/api/~?%61"),
        ("/static", "/static"),
        ("/api/a;b=c", "/api/a;b=c"),
    ] {
        let seen = seen(&gateway, &get("web.internal", path));
        assert!(seen.0.starts_with(&format!("GET {forwarded} HTTP/1.1\r\n")), "{path}: {}", seen.0);
    }
    let connections = upstream.connections();
    for (path, status, word) in [
        ("/", 404, "path_refused"),
        ("/apis", 404, "path_refused"),
        ("/API/v1", 404, "path_refused"),
        ("/admin", 404, "path_refused"),
        ("/api/../admin", 400, "bad_path"),
        ("/api/%2e%2e/admin", 400, "bad_path"),
        ("/api/..;/admin", 400, "bad_path"),
        ("/api;x/v1", 400, "bad_path"),
        ("//api", 400, "bad_path"),
        ("/api//v1", 400, "bad_path"),
        ("/api%2fadmin", 400, "bad_path"),
        ("/api\\..\\admin", 400, "bad_path"),
        ("/api/%5c..%5cadmin", 400, "bad_path"),
        ("/api/x%00", 400, "bad_path"),
    ] {
        let (head, _) = gateway.connect().ask(&get("web.internal", path));
        assert_eq!(head.status(), status, "{path}");
        assert_eq!(head.field("conduit-error"), Some(word), "{path}");
    }
    assert_eq!(upstream.connections(), connections);
    gateway.stop();
}

#[test]
fn without_rules_a_path_passes_byte_for_byte() {
    let upstream = Upstream::mirror();
    // A gate, but none that looks at paths.
    let gateway = gateway(&upstream, "body_max = '1MB'");
    for path in ["//a/../b/%2e%2f%5c%00;x/\\?q=%2f", "/%61", "/a//"] {
        let seen = seen(&gateway, &get("web.internal", path));
        assert!(seen.0.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{}", seen.0);
    }
    gateway.stop();
}

#[test]
fn rewrites_tell_the_upstream_what_they_took_away() {
    let upstream = Upstream::mirror();
    let gateway = gateway(
        &upstream,
        "rewrites = [{ from = '/grafana', to = '/' }, { from = '/a', to = '/b' }]",
    );
    for (path, forwarded, prefix) in [
        ("/grafana/d/1?x=y", "/d/1?x=y", Some("/grafana")),
        ("/grafana", "/", Some("/grafana")),
        ("/a/c", "/b/c", None),
        ("/other", "/other", None),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: web.internal\r\nx-forwarded-prefix: /evil\r\n\r\n"
        );
        let seen = seen(&gateway, &request);
        assert!(seen.0.starts_with(&format!("GET {forwarded} HTTP/1.1\r\n")), "{}", seen.0);
        assert_eq!(seen.field("x-forwarded-prefix"), prefix, "{path}");
    }
    gateway.stop();
}

#[test]
fn fields_are_set_and_removed_both_ways_after_ours() {
    let upstream = Upstream::http(|head| {
        let length = head.0.len();
        format!(
            "HTTP/1.1 200 OK\r\nserver: secret/1.0\r\nx-kept: 1\r\ncontent-length: {length}\r\n\r\n{}",
            head.0
        )
    });
    let gateway = gateway(
        &upstream,
        "[request_headers]
         set = { 'X-Forwarded-Proto' = 'https', 'x-scope' = 'a b' }
         remove = ['user-agent', 'x-real-ip']
         [response_headers]
         set = { 'strict-transport-security' = 'max-age=1' }
         remove = ['Server']",
    );
    let (head, body) = gateway.connect().ask(
        "GET / HTTP/1.1\r\nhost: web.internal\r\nuser-agent: x\r\nx-scope: mine\r\n\
         connection: x-scope\r\n\r\n",
    );
    let seen = Head(body);
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.field("x-scope"), Some("a b"));
    for gone in ["user-agent", "x-real-ip"] {
        assert_eq!(seen.field(gone), None, "{gone}");
    }
    assert_eq!(head.field("strict-transport-security"), Some("max-age=1"));
    assert_eq!(head.field("x-kept"), Some("1"));
    assert_eq!(head.field("server"), None);
    gateway.stop();
}

#[test]
fn host_and_origin_are_what_the_policy_says() {
    let upstream = Upstream::mirror();
    for (policy, host, origin) in [
        ("", "Web.internal:81".to_owned(), Some("http://a.internal")),
        ("[upstream]\nhost = 'upstream'", upstream.text(), Some("http://a.internal")),
        ("[upstream]\nhost = 'localhost:11434'\norigin = 'remove'", "localhost:11434".into(), None),
        ("preset = 'ollama'", "localhost:11434".into(), None),
    ] {
        let gateway = gateway(&upstream, policy);
        let seen = seen(
            &gateway,
            "GET / HTTP/1.1\r\nhost: Web.internal:81\r\norigin: http://a.internal\r\n\r\n",
        );
        assert_eq!(seen.field("host"), Some(&*host), "{policy}");
        assert_eq!(seen.field("origin"), origin, "{policy}");
        assert_eq!(seen.field("x-forwarded-host"), Some("Web.internal:81"), "{policy}");
        gateway.stop();
    }
}

#[test]
fn a_service_can_be_left_out_of_the_access_log() {
    let log: &'static Mutex<Vec<u8>> = Box::leak(Box::default());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || Captured(log))
        .finish();
    // Workers are threads of their own.
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![
        asking("quiet", &[&upstream.text()], "access_log = false"),
        asking("loud", &[&upstream.text()], "maintenance = 'later'"),
    ]);
    for host in ["quiet.internal", "loud.internal"] {
        gateway.connect().ask(&get(host, "/"));
    }
    gateway.stop();
    let text = String::from_utf8(log.lock().expect("alone").clone()).expect("text");
    assert!(!text.contains("quiet.internal"), "{text}");
    let line = text.lines().find(|line| line.contains("loud.internal")).expect("a line");
    assert!(line.contains("status=503") && line.contains("maintenance"), "{line}");
}

/// Writes into memory.
struct Captured(&'static Mutex<Vec<u8>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("alone").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_websocket_passes_the_gate() {
    let upstream = Upstream::raw(|mut wire| {
        let head = wire.head().expect("a request");
        assert_eq!(head.field("upgrade"), Some("websocket"));
        assert_eq!(head.field("x-scope"), Some("1"));
        wire.send("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        let said = wire.exactly(4);
        wire.send(&said);
    });
    let gateway = gateway(
        &upstream,
        "compress = true\nbody_max = '1KB'\nrewrites = [{ from = '/ws', to = '/' }]
         [request_headers]\nset = { x-scope = '1' }",
    );
    let mut client = gateway.connect();
    client.send(
        "GET /ws HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    assert_eq!(client.head().expect("a head").status(), 101);
    client.send("ping");
    assert_eq!(client.exactly(4), "ping");
    drop(client);
    gateway.stop();
}
