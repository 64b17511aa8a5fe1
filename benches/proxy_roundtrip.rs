//! What does one proxied request cost, keep-alive on both sides, next to asking the upstream itself?
#![allow(missing_docs, reason = "criterion's macros")]

use bytes::Bytes;
use conduit_tests::{Gateway, Upstream};
use criterion::{Criterion, criterion_group, criterion_main};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

fn proxy_roundtrip(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let (gateway, _upstream, mut direct, mut proxied) = runtime.block_on(async {
        let gateway = Gateway::start().await;
        let upstream = Upstream::start("web").await;
        gateway.register("web", &[&upstream.host()]).await.expect("registered");
        let stream = tokio::net::TcpStream::connect(upstream.address).await.expect("connected");
        let direct = sender(stream).await;
        let stream =
            gateway.client().connect("web.internal", &["http/1.1"]).await.expect("connected");
        let proxied = sender(stream).await;
        (gateway, upstream, direct, proxied)
    });
    let mut group = criterion.benchmark_group("roundtrip");
    group.bench_function("direct", |b| b.iter(|| runtime.block_on(get(&mut direct))));
    group.bench_function("proxied", |b| b.iter(|| runtime.block_on(get(&mut proxied))));
    group.finish();
    drop(gateway);
}

#[expect(clippy::disallowed_methods, reason = "a bench ends with its runtime")]
async fn sender(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> SendRequest<Empty<Bytes>> {
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(io)).await.expect("handshake");
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>) {
    let request =
        Request::get("/").header("host", "web.internal").body(Empty::new()).expect("request");
    sender.ready().await.expect("the connection lives");
    let response = sender.send_request(request).await.expect("answered");
    response.into_body().collect().await.expect("body");
}

criterion_group!(benches, proxy_roundtrip);
criterion_main!(benches);
