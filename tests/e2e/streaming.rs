//! Streams and tunnels live through publications, and a drain truncates nothing.

use bytes::Bytes;
use conduit_tests::{Gateway, Upstream};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_and_a_websocket_live_through_1000_publications() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let client = gateway.client();
    let mut stream = client.get("web.internal", "/sse").await.expect("stream").into_body();
    upstream.listening().await;
    let mut socket = websocket(&gateway).await;
    for index in 0..500 {
        let name = format!("other-{}", index % 10);
        gateway.register(&name, &["127.0.0.1:9"]).await.expect("registered");
        gateway.api.deregister(&name).await.expect("deregistered");
        let line = format!("tick {index}");
        upstream.tell(&line);
        assert_eq!(frame(&mut stream).await, format!("data: {line}\n\n"));
        socket.write_all(line.as_bytes()).await.expect("sent");
        let mut echo = vec![0; line.len()];
        socket.read_exact(&mut echo).await.expect("echoed");
        assert_eq!(echo, line.as_bytes());
    }
    assert!(gateway.api.status().await.expect("status").value.generation >= 1001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_is_under_way() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let client = gateway.client();
    let mut stream = client.get("web.internal", "/sse").await.expect("stream").into_body();
    upstream.listening().await;
    let slow = client.get_text("web.internal", "/slow");
    let stopping = async {
        upstream.arrived().await;
        gateway.begin_stop();
        upstream.tell("still here");
        assert_eq!(frame(&mut stream).await, "data: still here\n\n");
        upstream.go();
    };
    let (answer, ()) = tokio::join!(slow, stopping);
    let (status, body) = answer.expect("the request in flight is answered whole");
    assert_eq!((status, body.as_str()), (StatusCode::OK, "slow from web"));
    drop(stream);
    assert!(tokio::task::spawn_blocking(move || gateway.stop()).await.expect("joined"));
}

async fn frame(body: &mut Incoming) -> String {
    let frame = body.frame().await.expect("a frame").expect("unbroken");
    String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8")
}

async fn websocket(gateway: &Gateway) -> TokioIo<hyper::upgrade::Upgraded> {
    let request = Request::get("/ws")
        .header("host", "web.internal")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Full::<Bytes>::default())
        .expect("request");
    let response = gateway.client().send("web.internal", request).await.expect("answered");
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    TokioIo::new(hyper::upgrade::on(response).await.expect("upgraded"))
}
