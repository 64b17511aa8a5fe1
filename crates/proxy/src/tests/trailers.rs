//! Trailers, and bodies in both directions at once: what gRPC is made of.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use conduit_core::service::{Service, TlsMode};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::harness::{Gateway, PATIENCE, Upstream};
use super::speaker::{Answer, Speaker, Speaks};
use super::tls::Site;
use super::transports::h2c;
use crate::fixture::{service, tls_service};

/// Answers with the body and the trailers it got, and one trailer of its own.
async fn echo(request: Request<Incoming>) -> Answer {
    let collected = request.into_body().collect().await.expect("a body");
    let mut trailers = collected.trailers().cloned().unwrap_or_default();
    trailers.insert("x-status", "0".parse().expect("a value"));
    let (feed, body) = fed();
    feed.try_send(Frame::data(collected.to_bytes())).expect("room");
    feed.try_send(Frame::trailers(trailers)).expect("room");
    let mut response = Response::new(body);
    response.headers_mut().insert("trailer", "x-sum, x-status".parse().expect("a value"));
    response
}

/// The same over HTTP/1.1, in bytes.
fn echo_http1() -> Upstream {
    Upstream::raw(|mut wire| {
        while let Some(head) = wire.head() {
            assert_eq!(head.field("te"), Some("trailers"), "{}", head.0);
            let body = wire.until("0\r\n");
            let trailers = wire.until("\r\n\r\n");
            assert!(body.contains("hello"), "{body}");
            wire.send(&format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, x-status\r\n\r\n\
                 5\r\nhello\r\n0\r\nx-status: 0\r\n{trailers}"
            ));
        }
    })
}

const POST: &str = "POST / HTTP/1.1\r\nhost: web.internal\r\nte: trailers\r\nconnection: te\r\n\
                    trailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n";

#[test]
fn trailers_pass_from_http1() {
    let (one, two) = (echo_http1(), Speaker::start(Speaks::default(), echo));
    for upstream in [service("web", &[&one.text()]), h2c("web", &two.text())] {
        let protocol = upstream.protocol;
        let gateway = Gateway::http(vec![upstream]);
        let mut client = gateway.connect();
        client.send(POST);
        assert_eq!(client.head().expect("a head").status(), 200, "{protocol}");
        let body = client.until("0\r\n");
        assert_eq!(body, "5\r\nhello\r\n0\r\n", "{protocol}");
        let trailers = client.until("\r\n\r\n");
        for trailer in ["x-sum: 42\r\n", "x-status: 0\r\n"] {
            assert!(trailers.contains(trailer), "{protocol}: {trailers}");
        }
        gateway.stop();
    }
}

/// A body that is fed.
fn fed() -> (mpsc::Sender<Frame<Bytes>>, BoxBody<Bytes, Infallible>) {
    let (feed, eaten) = mpsc::channel(4);
    (feed, BodyExt::boxed(Fed(eaten)))
}

struct Fed(mpsc::Receiver<Frame<Bytes>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
}

#[test]
fn trailers_pass_from_http2() {
    let (one, two) = (echo_http1(), Speaker::start(Speaks::default(), echo));
    let mut to_two = h2c("web", &two.text());
    to_two.tls = TlsMode::Issued;
    for upstream in [tls_service("web", &[&one.text()]), to_two] {
        let protocol = upstream.protocol;
        let site = Site::of(vec![upstream]);
        block_on(async {
            let (feed, body) = fed();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "42".parse().expect("a value"));
            feed.send(data("hello")).await.expect("fed");
            feed.send(Frame::trailers(trailers)).await.expect("fed");
            drop(feed);
            let request = Request::post("https://web.internal/")
                .header("te", "trailers")
                .header("trailer", "x-sum")
                .body(body)
                .expect("a request");
            let mut sender = site.http2_with("web.internal").await;
            let response = sender.send_request(request).await.expect("an answer");
            let collected = response.into_body().collect().await.expect("a body");
            let trailers = collected.trailers().expect("trailers").clone();
            assert_eq!(collected.to_bytes(), "hello", "{protocol}");
            assert_eq!(trailers["x-sum"], "42", "{protocol}");
            assert_eq!(trailers["x-status"], "0", "{protocol}");
        });
        site.gateway.stop();
    }
}

/// HTTP/2 with TLS in front of HTTP/2 in the clear.
fn encrypted_site(upstream: &Speaker) -> Site {
    let tls = TlsMode::Issued;
    Site::of(vec![Service { tls, ..h2c("web", &upstream.text()) }])
}

#[test]
fn both_halves_of_a_stream_are_open_at_once() {
    let upstream = Speaker::start(Speaks::default(), |request| async move {
        let frames = request.into_body().map_err(|_| unreachable!("unbroken"));
        let mut response = Response::new(BodyExt::boxed(Upper(frames)));
        response.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
        response
    });
    let site = encrypted_site(&upstream);
    block_on(async {
        let (feed, body) = fed();
        let request = Request::post("https://web.internal/chat").body(body).expect("a request");
        let mut sender = site.http2_with("web.internal").await;
        let response = sender.send_request(request).await.expect("an answer before the request");
        let mut answer = response.into_body();
        for (said, heard) in [("one", "ONE"), ("two", "TWO"), ("three", "THREE")] {
            feed.send(data(said)).await.expect("fed");
            let frame = answer.frame().await.expect("a frame").expect("unbroken");
            assert_eq!(frame.into_data().expect("data"), heard);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("a value"));
        feed.send(Frame::trailers(trailers)).await.expect("fed");
        let end = answer.frame().await.expect("a frame").expect("unbroken");
        assert_eq!(end.into_trailers().expect("trailers")["grpc-status"], "0");
        assert!(answer.frame().await.is_none());
    });
    site.gateway.stop();
}

#[test]
fn an_answer_that_is_only_trailers_stays_one() {
    let upstream = Speaker::start(Speaks::default(), |_| async {
        let mut response = Response::new(BoxBody::<Bytes, Infallible>::default());
        response.headers_mut().insert("grpc-status", "12".parse().expect("a value"));
        response
    });
    let site = encrypted_site(&upstream);
    block_on(async {
        let (_feed, body) = fed();
        let request = Request::post("https://web.internal/none").body(body).expect("a request");
        let mut sender = site.http2_with("web.internal").await;
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.headers()["grpc-status"], "12");
        assert!(response.body().is_end_stream(), "it ended with the head");
    });
    site.gateway.stop();
}

/// A body in capitals.
struct Upper<B>(B);

impl<B> Body for Upper<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        polled.map_ok(|frame| {
            frame.map_data(|data| Bytes::from(String::from_utf8_lossy(&data).to_uppercase()))
        })
    }
}
