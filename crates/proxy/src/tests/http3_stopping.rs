//! Stopping over HTTP/3: what is in flight ends, and what is new is told to go elsewhere.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use h3::error::Code;
use http::StatusCode;

use super::harness::{PATIENCE, Upstream};
use super::http3::{Client, get, piece, rest, web};
use super::tls::Site;
use crate::fixture::tls_service;
use crate::limits::Limits;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

async fn close_code(client: &Client) -> u64 {
    match in_time(client.quic.closed()).await {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_response_in_flight_ends_and_then_the_connection() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let large = "x".repeat(3_000_000);
    let length = large.len() + 10;
    let upstream = Upstream::raw(move |mut wire| {
        wire.head();
        wire.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nfirst"));
        wait.lock().expect("alone").recv().ok();
        wire.send(&large);
        wire.send("-last");
    });
    let site = web(&upstream);
    let drained = runtime().block_on(async {
        let mut idle = Client::connect(&site, "web.internal").await;
        let other = http::Request::get("https://other.internal/").body(()).expect("a request");
        assert_eq!(idle.ask(other).await.0.status(), StatusCode::MISDIRECTED_REQUEST);
        let mut client = Client::connect(&site, "web.internal").await;
        let (_, mut stream) = client.begin(get("/")).await;
        assert_eq!(piece(&mut stream).await.as_deref(), Some("first"));
        site.gateway.begin_stop();
        assert_eq!(close_code(&idle).await, Code::H3_NO_ERROR.value(), "an idle one ends at once");
        // The client was told by now, or is about to be, and then makes no more requests; one that
        // arrives before its worker heard of the stop is answered still, or else rejected.
        in_time(async {
            while let Ok(mut late) = client.send.send_request(get("/")).await {
                late.finish().await.ok();
                late.recv_response().await.ok();
            }
        })
        .await;
        go.send(()).expect("waiting");
        let got = in_time(rest(&mut stream)).await;
        assert!(got.len() == length - 5 && got.ends_with("x-last"), "{} bytes", got.len());
        assert_eq!(close_code(&client).await, Code::H3_NO_ERROR.value());
        std::thread::spawn(move || site.gateway.stop()).join().expect("stopped")
    });
    assert_eq!(drained.cut, 0);
}

#[test]
fn the_deadline_cuts_streams_and_counts_them() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
        wire.rest();
    });
    let services = vec![tls_service("web", &[&upstream.text()])];
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let site = Site::over_http3(services, 2, limits);
    runtime().block_on(async {
        let mut client = Client::connect(&site, "web.internal").await;
        let (_, mut stream) = client.begin(get("/")).await;
        assert_eq!(piece(&mut stream).await.as_deref(), Some("a"));
        let drained = std::thread::spawn(move || site.gateway.stop()).join().expect("stopped");
        assert_eq!(drained.cut, 1);
        assert_eq!(close_code(&client).await, Code::H3_NO_ERROR.value());
        assert!(stream.recv_data().await.is_err(), "cut");
    });
}
