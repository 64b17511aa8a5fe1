//! gRPC's health check against a real HTTP/2 server.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Mutex;

use bytes::Bytes;
use http::Request;
use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

/// What a server answers to a check.
#[derive(Clone, Copy)]
struct Answer {
    status: u16,
    kind: &'static str,
    message: &'static [u8],
    /// `grpc-status` in the trailers.
    trailer: Option<&'static str>,
    /// `grpc-status` in the head.
    head: Option<&'static str>,
}

const SERVING: Answer = Answer {
    status: 200,
    kind: "application/grpc+proto",
    message: b"\0\0\0\0\x02\x08\x01",
    trailer: Some("0"),
    head: None,
};

type Whole = WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>;

fn respond(answer: Answer) -> Response<Whole> {
    let trailers = answer.trailer.map(|status| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        Ok(trailers)
    });
    let mut response =
        Response::builder().status(answer.status).header("content-type", answer.kind);
    if let Some(status) = answer.head {
        response = response.header("grpc-status", status);
    }
    let message = Full::new(Bytes::from_static(answer.message));
    response.body(message.with_trailers(ready(trailers))).unwrap()
}

/// Probes a server that answers like this; returns the outcome, and what it was asked.
async fn checked(answer: Answer, service: &str) -> (Outcome, Option<(String, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&asked);
    let serving = async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: Request<Incoming>| {
            let noted = Arc::clone(&noted);
            async move {
                let uri = request.uri().to_string();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                *noted.lock().unwrap() = Some((uri, body));
                Ok::<_, Infallible>(respond(answer))
            }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ended = server.serve_connection(TokioIo::new(stream), service).await.is_ok();
        std::future::pending::<()>().await;
    };
    let ask = Ask::Grpc { service: service.into(), host: host() };
    let (probe, resolver) = (probe(&address, ask, GENEROUS), Resolver::new(|_| true));
    let outcome = tokio::select! {
        finding = probe.run(&resolver) => finding.outcome,
        () = serving => unreachable!(),
    };
    let asked = asked.lock().unwrap().take();
    (outcome, asked)
}

#[tokio::test]
async fn a_server_that_serves_is_healthy_and_was_asked_as_the_protocol_says() {
    let (outcome, asked) = checked(SERVING, "llm.Chat").await;
    assert_eq!(outcome, Outcome::Passed);
    let (uri, message) = asked.unwrap();
    assert_eq!(uri, "http://web.internal/grpc.health.v1.Health/Check");
    assert_eq!(&message[..], b"\0\0\0\0\x0a\x0a\x08llm.Chat");
}

#[tokio::test]
async fn everything_else_says_what_it_is() {
    let only_head = |status| Answer { message: b"", trailer: None, head: Some(status), ..SERVING };
    let cases = [
        ("not serving", Answer { message: b"\0\0\0\0\x02\x08\x02", ..SERVING }, "not serving"),
        ("no word on it", Answer { message: b"\0\0\0\0\0", ..SERVING }, "not serving"),
        ("not offered", only_head("12"), "does not implement grpc.health.v1"),
        ("an unknown service", only_head("5"), "knows no service \"llm.Chat\""),
        ("overloaded", Answer { trailer: Some("14"), ..SERVING }, "gRPC status 14"),
        ("nonsense for a status", only_head("many"), "not gRPC"),
        ("no gRPC at all", Answer { status: 404, ..SERVING }, "status 404"),
        ("a page", Answer { kind: "text/html", ..SERVING }, "not gRPC"),
        ("too much", Answer { message: &[0; PROBE_HEAD_BYTES_MAX + 1], ..SERVING }, "not gRPC"),
    ];
    for (why, answer, expected) in cases {
        let reason = checked(answer, "llm.Chat").await.0.reason().expect(why);
        assert!(reason.contains(expected), "{why}: {reason}");
    }
}

#[tokio::test]
async fn a_server_of_http_1_is_not_one() {
    let ask_grpc = Ask::Grpc { service: "".into(), host: host() };
    let (client, mut server) = tokio::io::duplex(1 << 16);
    let serving = async {
        server.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        drop(server);
    };
    let (outcome, ()) = tokio::join!(ask_grpc.put(client), serving);
    let reason = outcome.reason().unwrap();
    assert!(reason.contains("not gRPC") || reason.contains("without an answer"), "{reason}");
}
