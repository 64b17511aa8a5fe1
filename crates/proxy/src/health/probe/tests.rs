//! Probes against real sockets on loopback, and against answers made of bytes.

use conduit_core::policy::{Policy, ProbePolicy};
use conduit_core::service::{ProbePath, ProbeSpec, Protocol, Service};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::fixture::service;
use crate::tests::harness::{Upstream, ok};
use crate::tests::speaker::Leaf::{Expired, Good};
use crate::tests::speaker::{Pki, Speaker, Speaks, full, mirror};
use crate::upstream::{UpstreamPolicy, UpstreamSpec};

mod grpc;

const GENEROUS: Duration = Duration::from_secs(20);

fn host() -> Box<str> {
    "web.internal".into()
}

fn get(counts: Counts) -> Ask {
    Ask::Get(Get { path: "/health?full=1".into(), host: host(), counts, body: None })
}

/// Asks somebody who answers with these bytes; returns the outcome and the request.
async fn ask(ask: Ask, answer: &[u8]) -> (Outcome, String) {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let serving = async {
        let mut request = vec![0; 4096];
        let len = server.read(&mut request).await.unwrap();
        request.truncate(len);
        // A probe that has heard enough hangs up in the middle.
        let _sent = server.write_all(answer).await.is_ok();
        drop(server);
        String::from_utf8(request).unwrap()
    };
    tokio::join!(ask.put(client), serving)
}

#[tokio::test]
async fn statuses_count_as_the_spec_says() {
    let cases = [
        (200, true, true),
        (204, true, true),
        (302, true, true),
        (401, true, false),
        (404, true, false),
        (500, false, false),
        (503, false, false),
    ];
    for (status, below_500, success) in cases {
        let answer = format!("HTTP/1.1 {status} Some\r\nContent-Length: 5\r\n\r\nhello");
        for (counts, expected) in [(Counts::Below500, below_500), (Counts::Success, success)] {
            let (outcome, _) = ask(get(counts.clone()), answer.as_bytes()).await;
            assert_eq!(outcome == Outcome::Passed, expected, "{status} {counts:?}");
            if !expected {
                assert_eq!(outcome.reason().unwrap(), format!("status {status}"));
            }
        }
    }
}

#[tokio::test]
async fn the_request_says_who_asks_and_for_what() {
    let (_, request) = ask(get(Counts::Success), b"HTTP/1.1 200 OK\r\n\r\n").await;
    let request = request.to_ascii_lowercase();
    assert!(request.starts_with("get /health?full=1 http/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nhost: web.internal\r\n"), "{request}");
    let agent = concat!("\r\nuser-agent: conduit-probe/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert!(request.contains(agent), "{request}");
}

#[tokio::test]
async fn nonsense_is_told_apart() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(2 * PROBE_HEAD_BYTES_MAX));
    let cases: [(&[u8], Failure); 4] = [
        (b"", Failure::NoAnswer),
        (b"HTTP/1.1 200 OK\r\nX", Failure::NoAnswer),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", Failure::NotHttp),
        (huge.as_bytes(), Failure::NotHttp),
    ];
    for (answer, failure) in cases {
        let (outcome, _) = ask(get(Counts::Below500), answer).await;
        let start = String::from_utf8_lossy(&answer[..answer.len().min(30)]).into_owned();
        assert_eq!(outcome, Outcome::Failed(failure), "{start:?}");
    }
}

#[tokio::test]
async fn who_talks_before_being_asked_does_not_speak_http() {
    let (client, mut server) = tokio::io::duplex(4096);
    server.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
    let outcome = get(Counts::Below500).put(client).await;
    assert_eq!(outcome, Outcome::Failed(Failure::NotHttp));
}

#[test]
fn what_is_asked_follows_the_spec() {
    let path = ProbeSpec::Path(ProbePath::parse("/up").unwrap());
    let ask = |spec: &ProbeSpec, asked: &str| {
        let asked: ProbePolicy = serde_json::from_str(asked).unwrap();
        Ask::of(spec, &asked, "/health?full=1", &host())
    };
    assert_eq!(ask(&ProbeSpec::Connect, "{}"), Ask::Connect);
    assert_eq!(ask(&ProbeSpec::Default, "{}"), get(Counts::Below500));
    let named = |counts, body: Option<&str>| {
        Ask::Get(Get { path: "/up".into(), host: host(), counts, body: body.map(Into::into) })
    };
    assert_eq!(ask(&path, "{}"), named(Counts::Success, None));
    // A set of statuses alone decides.
    let these = Counts::These("200,404".parse().unwrap());
    assert_eq!(ask(&path, r#"{"status":"200,404","body":"ok"}"#), named(these, Some("ok")));
    assert_eq!(ask(&path, r#"{"kind":"tcp"}"#), Ask::Connect);
    assert_eq!(ask(&ProbeSpec::Connect, r#"{"kind":"http"}"#), get(Counts::Below500));
    let grpc = |service: &str| Ask::Grpc { service: service.into(), host: host() };
    assert_eq!(ask(&ProbeSpec::Default, r#"{"kind":"grpc"}"#), grpc(""));
    assert_eq!(ask(&path, r#"{"kind":"grpc","grpc_service":"a.B"}"#), grpc("a.B"));
}

#[tokio::test]
async fn a_set_of_statuses_alone_decides() {
    for (set, status, expected) in [
        ("200", 200, true),
        ("200", 204, false),
        ("200-299,401", 401, true),
        ("503", 503, true),
        ("503", 200, false),
    ] {
        let answer = format!("HTTP/1.1 {status} Some\r\nContent-Length: 0\r\n\r\n");
        let counts = Counts::These(set.parse().unwrap());
        let (outcome, _) = ask(get(counts), answer.as_bytes()).await;
        assert_eq!(outcome == Outcome::Passed, expected, "{status} of {set}");
    }
}

#[tokio::test]
async fn a_text_is_looked_for_in_the_beginning_of_the_body() {
    let plain =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let filler = |count: usize| "x".repeat(count);
    let last = PROBE_BODY_BYTES_MAX - "ready".len();
    let cases = [
        ("there", plain("is ready now"), Ok(())),
        ("not there", plain("is starting"), Err(Failure::BodyLacks)),
        ("nothing there", plain(""), Err(Failure::BodyLacks)),
        ("just in reach", plain(&format!("{}ready", filler(last))), Ok(())),
        (
            "just out of reach",
            plain(&format!("{}ready{}", filler(last + 1), filler(9))),
            Err(Failure::BodyLacks),
        ),
        (
            "in two pieces",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n".into(),
            Ok(()),
        ),
        (
            "but with a status that does not count",
            "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nready".into(),
            Err(Failure::Status(StatusCode::INTERNAL_SERVER_ERROR)),
        ),
        (
            "cut off",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrea".into(),
            Err(Failure::NoAnswer),
        ),
    ];
    for (why, answer, expected) in cases {
        let Ask::Get(Get { path, host, .. }) = get(Counts::Success) else { unreachable!() };
        let asked =
            Ask::Get(Get { path, host, counts: Counts::Success, body: Some("ready".into()) });
        let (outcome, _) = ask(asked, answer.as_bytes()).await;
        assert_eq!(outcome, expected.map_or_else(Outcome::Failed, |()| Outcome::Passed), "{why}");
    }
}

fn probe(addr: &str, ask: Ask, timeout: Duration) -> Probe {
    let service = service("web", &[addr]);
    let spec = UpstreamSpec::of(&service, &Arc::default(), &service.upstreams[0]);
    let transport = Transport::of(&spec);
    Probe { addr: UpstreamAddr::parse(addr).unwrap(), last: None, transport, ask, timeout }
}

#[tokio::test]
async fn an_open_port_takes_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let finding =
        probe(&address.to_string(), Ask::Connect, GENEROUS).run(&Resolver::new(|_| true)).await;
    assert_eq!(finding.outcome, Outcome::Passed);
    assert_eq!(finding.socket, Some(address));
}

#[tokio::test]
async fn a_name_is_found_on_whichever_address_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let finding = probe(&format!("localhost:{}", address.port()), Ask::Connect, GENEROUS)
        .run(&Resolver::new(|_| true))
        .await;
    assert_eq!(finding.outcome, Outcome::Passed);
    assert_eq!(finding.socket, Some(address));
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let finding =
        probe(&address, get(Counts::Below500), GENEROUS).run(&Resolver::new(|_| true)).await;
    assert_eq!(finding.outcome.reason().unwrap(), "connection refused");
    assert_eq!(finding.socket, None);
}

#[tokio::test(start_paused = true)]
async fn silence_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let timeout = Duration::from_secs(5);
    let finding =
        probe(&address, get(Counts::Below500), timeout).run(&Resolver::new(|_| true)).await;
    assert_eq!(finding.outcome.reason().unwrap(), "timed out after 5s");
    assert_eq!(finding.latency, timeout);
}

#[tokio::test]
async fn a_name_that_hides_a_refused_address_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let finding = probe(&format!("localhost:{port}"), Ask::Connect, GENEROUS)
        .run(&Resolver::new(|address| !address.is_loopback()))
        .await;
    assert_eq!(finding.outcome, Outcome::Failed(Failure::NotAllowed));
    assert_eq!(finding.socket, None);
}

/// A probe of a service that speaks `protocol`.
fn probe_of(addr: &str, protocol: Protocol, tls: &str) -> Probe {
    let mut policy = Policy::default();
    policy.upstream.tls = Some(tls.parse().unwrap());
    let service = Service { protocol, policy: Arc::new(policy.clone()), ..service("web", &[addr]) };
    let spec =
        UpstreamSpec::of(&service, &Arc::new(UpstreamPolicy::of(&policy)), &service.upstreams[0]);
    let transport = Transport::of(&spec);
    Probe { transport, ..probe(addr, get(Counts::Success), GENEROUS) }
}

#[tokio::test]
async fn each_transport_is_probed_as_it_is_used() {
    let (pki, stranger) = (Pki::new("ours"), Pki::new("stranger"));
    let serve = |signer: &Pki, leaf, alpn: &[&str]| {
        let tls = Some(signer.server("127.0.0.1", leaf, alpn).0);
        Speaker::start(Speaks { tls, ..Speaks::default() }, mirror).text()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    Speaker::unix(&path, mirror);
    let socket = format!("unix:{}", path.display());
    let clear = Speaker::start(Speaks::default(), mirror).text();
    let https = Protocol::Https;
    let cases = [
        (serve(&pki, Good, &["h2"]), https, "verify", None),
        (serve(&pki, Good, &["http/1.1"]), https, "verify", None),
        (serve(&stranger, Good, &["h2"]), https, "insecure", None),
        (serve(&stranger, Good, &["h2"]), https, "verify", Some("TLS: unknown issuer")),
        (serve(&pki, Expired, &["h2"]), https, "verify", Some("TLS: certificate expired")),
        (clear.clone(), Protocol::H2c, "verify", None),
        (clear, https, "verify", Some("TLS: it does not speak TLS")),
        (socket.clone(), Protocol::Http, "verify", None),
        (socket, Protocol::H2c, "verify", None),
        ("unix:/nonexistent/app.sock".into(), Protocol::Http, "verify", Some("no such file")),
    ];
    let resolver = Resolver::new(|_| true).with_connector(pki.connector());
    for (addr, protocol, tls, expected) in cases {
        let outcome = probe_of(&addr, protocol, tls).run(&resolver).await.outcome;
        match expected {
            None => assert_eq!(outcome, Outcome::Passed, "{addr} {protocol} {tls}"),
            Some(reason) => {
                let found = outcome.reason().unwrap_or_default();
                assert!(found.starts_with(reason), "{addr} {protocol} {tls}: {found}");
            }
        }
    }
}

#[tokio::test]
async fn http2_answers_are_judged_and_nonsense_told_apart() {
    let refusing = Speaker::start(Speaks::default(), |_| async {
        let mut response = full("");
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    });
    let http1 = Upstream::http(|_| ok("hello"));
    let resolver = Resolver::new(|_| true);
    for (addr, failure) in [
        (refusing.text(), Failure::Status(StatusCode::SERVICE_UNAVAILABLE)),
        (http1.text(), Failure::NotHttp),
    ] {
        let outcome = probe_of(&addr, Protocol::H2c, "verify").run(&resolver).await.outcome;
        assert_eq!(outcome, Outcome::Failed(failure));
    }
}

#[tokio::test]
async fn a_request_that_is_reset_is_proof_of_life_when_its_path_was_a_guess() {
    let cases =
        [(Counts::Below500, Outcome::Passed), (Counts::Success, Outcome::Failed(Failure::Reset))];
    for (counts, expected) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let serving = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            // Until the probe has heard it.
            while connection.accept().await.is_some_and(|next| next.is_ok()) {}
        };
        let resolver = Resolver::new(|_| true);
        let probe = Probe { ask: get(counts.clone()), ..probe_of(&addr, Protocol::H2c, "verify") };
        let (finding, ()) = tokio::join!(probe.run(&resolver), serving);
        assert_eq!(finding.outcome, expected, "{counts:?}");
    }
}
