//! HTTP/3 in front, spoken by a client of quinn and h3.

use std::future::poll_fn;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, mpsc};

use bytes::{Buf, Bytes};
use conduit_core::tasks::Tasks;
use h3::client::RequestStream;
use http::{HeaderMap, Request, Response, StatusCode};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use tokio_util::sync::CancellationToken;

use super::contract::{clocked, endless, heard, next, second, silent_after, until_counted};
use super::harness::{PATIENCE, Upstream, get as plain_get, ok};
use super::tls::Site;
use crate::fixture::tls_service;
use crate::limits::Limits;

type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// One connection of a client.
pub(super) struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) quic: quinn::Connection,
    pub(super) send: h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
}

impl Client {
    /// Connects to a site with this name.
    pub(super) async fn connect(site: &Site, name: &str) -> Self {
        Self::try_connect(site, name).await.expect("a handshake")
    }

    pub(super) async fn try_connect(
        site: &Site,
        name: &str,
    ) -> Result<Self, quinn::ConnectionError> {
        let (endpoint, quic) = dial(site, name).await?;
        let (mut driver, send) =
            h3::client::new(h3_quinn::Connection::new(quic.clone())).await.expect("HTTP/3");
        Tasks::new(CancellationToken::new()).job("client", async move {
            poll_fn(|context| driver.poll_close(context)).await;
        });
        Ok(Self { endpoint, quic, send })
    }

    /// Sends a head, and leaves the request open.
    pub(super) async fn open(&mut self, request: Request<()>) -> Stream {
        self.send.send_request(request).await.expect("a stream")
    }

    /// Sends a request without a body, and reads the head of the response.
    pub(super) async fn begin(&mut self, request: Request<()>) -> (Response<()>, Stream) {
        let mut stream = self.open(request).await;
        stream.finish().await.expect("sent");
        (stream.recv_response().await.expect("an answer"), stream)
    }

    /// A whole exchange.
    pub(super) async fn ask(&mut self, request: Request<()>) -> (Response<()>, String) {
        let (response, mut stream) = self.begin(request).await;
        (response, rest(&mut stream).await)
    }
}

/// A QUIC connection with a site's name, and nothing said on it yet.
pub(super) async fn dial(
    site: &Site,
    name: &str,
) -> Result<(Endpoint, quinn::Connection), quinn::ConnectionError> {
    let crypto = QuicClientConfig::try_from(site.client(b"h3")).expect("suites");
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().expect("valid")).expect("binds");
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
    let address = site.gateway.https.expect("TLS");
    let quic = endpoint.connect(address, name).expect("a connection").await?;
    Ok((endpoint, quic))
}

pub(super) async fn piece(stream: &mut Stream) -> Option<String> {
    let mut data = stream.recv_data().await.expect("unbroken")?;
    let data = data.copy_to_bytes(data.remaining());
    Some(String::from_utf8(data.to_vec()).expect("text"))
}

pub(super) async fn rest(stream: &mut Stream) -> String {
    let mut all = String::new();
    while let Some(piece) = piece(stream).await {
        all += &piece;
    }
    all
}

pub(super) fn get(path: &str) -> Request<()> {
    Request::get(format!("https://web.internal{path}")).body(()).expect("a request")
}

pub(super) fn post() -> http::request::Builder {
    Request::post("https://web.internal/up")
}

/// Runs clients of a site, and then stops the site.
pub(super) fn with_site(site: Site, test: impl AsyncFnOnce(&Site)) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test(&site)).await.expect("in time");
    });
    drop(runtime);
    site.gateway.stop();
}

pub(super) fn web(upstream: &Upstream) -> Site {
    let services = vec![tls_service("web", &[&upstream.text()])];
    Site::over_http3(services, 3, Limits::default())
}

/// Answers with the head and the body it got.
pub(super) fn echo() -> Upstream {
    Upstream::raw(|mut wire| {
        while let Some(head) = wire.head() {
            let length = head.field("content-length").map(|n| n.parse().expect("number"));
            let body = match length {
                Some(length) => wire.exactly(length),
                None if head.field("transfer-encoding").is_some() => wire.until("0\r\n\r\n"),
                None => String::new(),
            };
            wire.send(&ok(&format!("{}{body}", head.0)));
        }
    })
}

#[test]
fn requests_reach_the_upstream_and_say_what_others_say() {
    with_site(web(&echo()), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let (response, seen) = client.ask(get("/a?b=c")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
        for line in ["host: web.internal", "x-forwarded-proto: https", "x-forwarded-for: 127.0.0.1"]
        {
            assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line}: {seen}");
        }
        assert!(!seen.contains("transfer-encoding"), "a GET has no body: {seen}");
        let head = Request::head("https://web.internal/").body(()).expect("a request");
        let (response, body) = client.ask(head).await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::OK, ""));
        let options = Request::options("https://web.internal/").body(()).expect("a request");
        assert_eq!(client.ask(options).await.0.status(), StatusCode::OK);
        until_counted(&site.gateway.metrics, "conduit_proxy_http3_requests_total 3");
    });
}

#[test]
fn bodies_pass_with_their_length_or_without() {
    with_site(web(&echo()), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        for (request, expected) in [
            (post().header("content-length", "10"), "helloworld"),
            // In one chunk or in two, as they arrive.
            (post(), "helloworld0"),
        ] {
            let mut stream = client.open(request.body(()).expect("a request")).await;
            for part in ["hello", "world"] {
                stream.send_data(Bytes::from(part)).await.expect("taken");
            }
            stream.finish().await.expect("taken");
            assert_eq!(stream.recv_response().await.expect("an answer").status(), StatusCode::OK);
            let seen = rest(&mut stream).await;
            let (_, body) = seen.split_once("\r\n\r\n").expect("a head");
            let sizes = ["5", "a"];
            let body: String = body.lines().filter(|line| !sizes.contains(line)).collect();
            assert_eq!(body, expected, "{seen:?}");
        }
    });
}

#[test]
fn trailers_pass_both_ways() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head().expect("a head");
        let body = wire.until("0\r\n");
        let trailers = wire.until("\r\n\r\n");
        assert!(body.contains("hello"), "{body}");
        wire.send(&format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, x-status\r\n\r\n\
             5\r\nhello\r\n0\r\nx-status: 0\r\n{trailers}"
        ));
    });
    with_site(web(&upstream), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let request = post().header("te", "trailers").header("trailer", "x-sum");
        let mut stream = client.open(request.body(()).expect("a request")).await;
        stream.send_data(Bytes::from("hello")).await.expect("taken");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "42".parse().expect("a value"));
        stream.send_trailers(trailers).await.expect("taken");
        stream.finish().await.expect("taken");
        stream.recv_response().await.expect("an answer");
        assert_eq!(rest(&mut stream).await, "hello");
        let trailers = stream.recv_trailers().await.expect("unbroken").expect("trailers");
        assert_eq!(
            (trailers["x-sum"].to_str().expect("text"), &trailers["x-status"] == "0"),
            ("42", true)
        );
    });
}

#[test]
fn each_event_is_passed_before_the_next_is_written() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |mut wire| {
        wire.head();
        wire.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        while wait.lock().expect("alone").recv().is_ok() {
            wire.send("9\r\ndata: x\n\n\r\n");
        }
        wire.send("0\r\n\r\n");
    });
    with_site(web(&upstream), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let (response, mut stream) = client.begin(get("/")).await;
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        for _ in 0..20 {
            go.send(()).expect("waiting");
            assert_eq!(piece(&mut stream).await.as_deref(), Some("data: x\n\n"));
        }
        drop(go);
        assert_eq!(piece(&mut stream).await, None);
    });
}

#[test]
fn a_client_that_leaves_ends_the_upstreams_work_before_and_in_the_answer() {
    const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                          transfer-encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n";
    for (begin, counted) in [("", 1), (EVENTS, 0)] {
        let (upstream, events) = silent_after(begin);
        let mut events = heard(events);
        with_site(web(&upstream), async |site| {
            let mut client = Client::connect(site, "web.internal").await;
            let mut stream = client.open(get("/")).await;
            stream.finish().await.expect("sent");
            if !begin.is_empty() {
                stream.recv_response().await.expect("an answer");
                assert_eq!(piece(&mut stream).await.as_deref(), Some("data: x\n\n"));
            }
            assert!(next(&mut events).await.starts_with("GET / "));
            // Its stop_sending panics while something is being read; dropping does the same.
            drop(stream);
            assert_eq!(next(&mut events).await, "", "the connection is closed");
            let metric = "conduit_proxy_cancelled_before_first_byte_total{service=\"web\"}";
            until_counted(&site.gateway.metrics, &format!("{metric} {counted}"));
            // The connection goes on.
            assert!(client.quic.close_reason().is_none());
        });
    }
}

#[test]
fn an_upload_that_is_reset_is_not_finished_for_the_upstream() {
    let (told, events) = mpsc::channel();
    let mut events = heard(events);
    let upstream = Upstream::raw(move |mut wire| {
        wire.head();
        told.send(wire.until("5\r\nhello\r\n")).ok();
        told.send(wire.rest()).ok();
    });
    with_site(web(&upstream), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let mut stream = client.open(post().body(()).expect("a request")).await;
        stream.send_data(Bytes::from("hello")).await.expect("taken");
        next(&mut events).await;
        stream.stop_stream(h3::error::Code::H3_REQUEST_CANCELLED);
        assert_eq!(next(&mut events).await, "", "no last chunk");
    });
}

#[test]
fn a_client_that_takes_nothing_holds_the_upstream_back_and_is_given_up() {
    let (told, ended) = mpsc::channel();
    let mut ended = heard(ended);
    let upstream = endless(told);
    let web = clocked(tls_service("web", &[&upstream.text()]), |t| t.client = second());
    with_site(Site::over_http3(vec![web], 1, Limits::default()), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let (_, _stream) = client.begin(get("/")).await;
        next(&mut ended).await;
        until_counted(
            &site.gateway.metrics,
            "conduit_proxy_client_timeouts_total{service=\"web\"} 1",
        );
    });
}

#[test]
fn a_body_may_wait_to_be_asked_for() {
    let upstream = Upstream::raw(|mut wire| {
        let head = wire.head().expect("a head");
        assert_eq!(head.field("expect"), Some("100-continue"));
        wire.send("HTTP/1.1 100 Continue\r\n\r\n");
        let body = wire.exactly(5);
        wire.send(&ok(&body));
    });
    with_site(web(&upstream), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let request = post().header("expect", "100-continue").header("content-length", "5");
        let mut stream = client.open(request.body(()).expect("a request")).await;
        let interim = stream.recv_response().await.expect("an interim answer");
        assert_eq!(interim.status(), StatusCode::CONTINUE);
        stream.send_data(Bytes::from("hello")).await.expect("taken");
        stream.finish().await.expect("taken");
        assert_eq!(stream.recv_response().await.expect("an answer").status(), StatusCode::OK);
        assert_eq!(rest(&mut stream).await, "hello");
    });
}

#[test]
fn a_large_answer_comes_whole() {
    let body = "0123456789".repeat(500_000);
    let answer = ok(&body);
    let upstream = Upstream::http(move |_| answer.clone());
    with_site(web(&upstream), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let (response, got) = client.ask(get("/")).await;
        assert_eq!(response.headers()["content-length"], "5000000");
        assert!(got == body, "{} bytes", got.len());
    });
}

#[test]
fn a_client_may_move_to_another_address() {
    with_site(web(&echo()), async |site| {
        for _ in 0..4 {
            let mut client = Client::connect(site, "web.internal").await;
            for _ in 0..4 {
                assert_eq!(client.ask(get("/")).await.0.status(), StatusCode::OK);
                let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
                client.endpoint.rebind(socket).expect("moves");
            }
            assert_eq!(client.ask(get("/")).await.0.status(), StatusCode::OK);
        }
        until_counted(&site.gateway.metrics, "conduit_proxy_http3_connections_total 4");
    });
}

#[test]
fn http3_is_announced_over_tcp_and_only_when_it_is_there() {
    let upstream = Upstream::http(|_| {
        "HTTP/1.1 200 OK\r\nalt-svc: h3=\":1\"\r\ncontent-length: 0\r\n\r\n".into()
    });
    let site = web(&upstream);
    let port = site.gateway.https.expect("TLS").port();
    let (head, _) = site.wire("web.internal").ask(&plain_get("web.internal", "/"));
    assert_eq!(head.field("alt-svc"), Some(&*format!("h3=\":{port}\"; ma=3600")));
    let (head, _) = site.gateway.connect().ask(&plain_get("web.internal", "/"));
    assert_eq!((head.status(), head.field("alt-svc")), (308, None), "not in the clear");
    site.gateway.stop();
    let site = Site::of(vec![tls_service("web", &[&Upstream::mirror().text()])]);
    let (head, _) = site.wire("web.internal").ask(&plain_get("web.internal", "/"));
    assert_eq!(head.field("alt-svc"), None);
    site.gateway.stop();
}
