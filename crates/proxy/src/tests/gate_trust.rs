//! Who is believed about where a request comes from, and who sent it.

use bytes::Bytes;
use conduit_core::service::{Service, TlsMode};
use http::Request;
use http_body_util::{BodyExt, Full};

use super::harness::{Gateway, Head, Upstream};
use super::tls::Site;
use crate::fixture::{self, asking, service};
use crate::limits::Limits;

/// What a client says about itself, and what it would like to be.
const CLAIMS: [(&str, &str); 17] = [
    ("x-forwarded-for", "192.0.2.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "public.example"),
    ("x-forwarded-user", "root"),
    ("x-forwarded-email", "root@x"),
    ("forwarded", "for=6.6.6.6"),
    ("x-real-ip", "6.6.6.6"),
    ("remote-user", "root"),
    ("remote_user", "root"),
    ("x_forwarded_for", "6.6.6.6"),
    ("x.remote.user", "root"),
    ("x-auth-request-user", "root"),
    ("x-webauth-user", "root"),
    ("x-consumer-username", "root"),
    ("x-client-cert-dn", "CN=root"),
    ("ssl-client-verify", "SUCCESS"),
    ("x-conduit-user", "root"),
];

fn request() -> String {
    let lines: String = CLAIMS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // Nor can what we set be taken away.
    format!(
        "GET / HTTP/1.1\r\nhost: web.internal\r\n{lines}connection: x-real-ip, x-forwarded-for\r\n\r\n"
    )
}

fn assert_nothing_is_believed(seen: &Head, scheme: &str) {
    assert!(!seen.0.contains("root") && !seen.0.contains("6.6.6.6"), "{}", seen.0);
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some(scheme));
    assert_eq!(seen.field("x-forwarded-host"), Some("web.internal"));
}

#[test]
fn claims_of_strangers_reach_no_upstream() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let (_, seen) = gateway.connect().ask(&request());
    assert_nothing_is_believed(&Head(seen), "http");
    gateway.stop();
}

#[test]
fn nor_do_they_over_http2() {
    let upstream = Upstream::mirror();
    let service = Service { tls: TlsMode::Issued, ..service("web", &[&upstream.text()]) };
    for (trusted, is_believed) in [(&["10.0.0.0/8"][..], false), (&["127.0.0.0/8"], true)] {
        let site = Site::serving(vec![service.clone()], trusted);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let seen = runtime.block_on(async {
            let mut sender = site.http2("web.internal").await;
            let mut request = Request::get("https://web.internal/");
            for (name, value) in CLAIMS {
                request = request.header(name, value);
            }
            let request = request.body(Full::<Bytes>::default()).expect("a request");
            let response = sender.send_request(request).await.expect("an answer");
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            Head(String::from_utf8(body.to_vec()).expect("text"))
        });
        if is_believed {
            assert_is_believed(&seen);
        } else {
            assert_nothing_is_believed(&seen, "https");
        }
        drop(runtime);
        site.gateway.stop();
    }
}

fn assert_is_believed(seen: &Head) {
    assert_eq!(seen.field("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    assert_eq!(seen.field("x-real-ip"), Some("192.0.2.7"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.field("x-forwarded-host"), Some("public.example"));
    let forwarded = "for=192.0.2.7, for=127.0.0.1;proto=https;host=public.example";
    assert_eq!(seen.field("forwarded"), Some(forwarded));
    assert_eq!(seen.field("remote-user"), Some("root"));
    for alias in ["remote_user", "x_forwarded_for", "x.remote.user"] {
        assert_eq!(seen.field(alias), None, "{alias}");
    }
}

fn behind(trusted: &[&str], services: Vec<Service>) -> Gateway {
    Gateway::behind(trusted, fixture::table(services), |_| None, Limits::default())
}

#[test]
fn a_trusted_proxy_is_believed_and_its_word_extended() {
    let upstream = Upstream::mirror();
    let gateway = behind(&["127.0.0.1/32"], vec![service("web", &[&upstream.text()])]);
    let lines: String = CLAIMS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nhost: web.internal\r\n{lines}\r\n");
    let mut client = gateway.connect();
    let seen = Head(client.ask(&request).1);
    assert_is_believed(&seen);
    assert_eq!(seen.field("host"), Some("web.internal"));
    // The next request on the same connection is somebody else's.
    let other = "GET / HTTP/1.1\r\nhost: web.internal\r\nx-forwarded-for: 192.0.2.8\r\n\r\n";
    let seen = Head(client.ask(other).1);
    assert_eq!(seen.field("x-real-ip"), Some("192.0.2.8"));
    gateway.stop();
}

#[test]
fn lists_of_addresses_go_by_the_client_behind_the_proxy() {
    let upstream = Upstream::mirror();
    let policy = "allow = ['192.0.2.0/24']";
    let gateway = behind(&["127.0.0.1/32"], vec![asking("web", &[&upstream.text()], policy)]);
    for (told, expected) in [
        ("x-forwarded-for: 192.0.2.7", 200),
        ("x-forwarded-for: 198.51.100.1", 403),
        // What the client wrote itself stands left of what the proxy wrote.
        ("x-forwarded-for: 192.0.2.7, 198.51.100.1", 403),
        ("x-nothing: 1", 403),
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: web.internal\r\n{told}\r\n\r\n");
        assert_eq!(gateway.connect().ask(&request).0.status(), expected, "{told}");
    }
    gateway.stop();
}

#[test]
fn redirects_go_by_what_the_proxy_was_asked_for() {
    let upstream = Upstream::mirror();
    let policy = "redirects = [{ from = '/', to = '/app/' }]";
    let gateway = behind(&["127.0.0.1/32"], vec![asking("web", &[&upstream.text()], policy)]);
    let request = "GET / HTTP/1.1\r\nhost: web.internal\r\nx-forwarded-for: 192.0.2.7\r\n\
                   x-forwarded-proto: https\r\nx-forwarded-host: public.example\r\n\r\n";
    let (head, _) = gateway.connect().ask(request);
    assert_eq!(head.field("location"), Some("https://public.example/app/"));
    gateway.stop();
}
