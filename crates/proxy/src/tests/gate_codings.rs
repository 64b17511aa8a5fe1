//! Compressed responses that really decompress, and those that are left alone.

use std::io::Read as _;
use std::sync::{Mutex, mpsc};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

use super::harness::{Gateway, Upstream, Wire};
use super::tls::Site;
use crate::fixture::asking;

fn plain() -> String {
    (0..500).map(|line| format!("line {line} of a page that says much the same\n")).collect()
}

/// Answers `/TYPE/SUBTYPE` with a page of that type.
fn pages() -> Upstream {
    Upstream::http(|head| {
        let path = head.0.split(' ').nth(1).expect("a path");
        let body = plain();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {}\r\netag: \"1\"\r\naccept-ranges: bytes\r\n\
             content-length: {}\r\n\r\n{}",
            &path[1..],
            body.len(),
            if head.0.starts_with("HEAD") { "" } else { &body }
        )
    })
}

fn decoded(coding: &str, bytes: &[u8]) -> String {
    let mut out = String::new();
    match coding {
        "zstd" => zstd::stream::read::Decoder::new(bytes).expect("zstd").read_to_string(&mut out),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut out),
        _ => flate2::read::GzDecoder::new(bytes).read_to_string(&mut out),
    }
    .expect("the whole text");
    out
}

fn ask<S: std::io::Read + std::io::Write>(
    wire: &mut Wire<S>,
    method: &str,
    path: &str,
    accept: &str,
) -> super::harness::Head {
    wire.send(&format!(
        "{method} {path} HTTP/1.1\r\nhost: web.internal\r\naccept-encoding: {accept}\r\n\r\n"
    ));
    wire.head().expect("a head")
}

fn chunks<S: std::io::Read + std::io::Write>(wire: &mut Wire<S>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match wire.chunk() {
            chunk if chunk.is_empty() => return all,
            chunk => all.extend(chunk),
        }
    }
}

#[test]
fn pages_come_compressed_as_the_client_likes() {
    let upstream = pages();
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], "compress = true")]);
    let mut client = gateway.connect();
    for (accept, coding) in
        [("gzip", "gzip"), ("gzip;q=0.5, br", "br"), ("gzip, deflate, br, zstd", "zstd")]
    {
        let head = ask(&mut client, "GET", "/text/html", accept);
        assert_eq!(head.field("content-encoding"), Some(coding));
        assert_eq!(head.field("vary"), Some("Accept-Encoding"));
        assert_eq!(head.field("etag"), Some("W/\"1\""));
        for gone in ["content-length", "accept-ranges"] {
            assert_eq!(head.field(gone), None, "{gone}");
        }
        let body = chunks(&mut client);
        assert!(body.len() < plain().len() / 4, "{coding}: {}", body.len());
        assert_eq!(decoded(coding, &body), plain(), "{coding}");
    }
    assert_eq!(upstream.connections(), 1, "connections are kept");
    gateway.stop();
}

#[test]
fn what_is_not_wished_for_or_not_safe_stays_as_it_is() {
    let upstream = pages();
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], "compress = true")]);
    for (method, path, accept, vary) in [
        ("GET", "/text/html", "", true),
        ("GET", "/text/html", "identity", true),
        ("GET", "/image/png", "gzip", false),
        ("GET", "/text/event-stream", "gzip", false),
        ("GET", "/application/x-ndjson", "gzip", false),
        ("GET", "/application/grpc", "gzip", false),
        ("HEAD", "/text/html", "gzip", false),
    ] {
        let mut client = gateway.connect();
        let head = ask(&mut client, method, path, accept);
        assert_eq!(head.field("content-encoding"), None, "{method} {path} {accept}");
        assert_eq!(head.field("etag"), Some("\"1\""));
        assert_eq!(head.field("vary").is_some(), vary, "{method} {path} {accept}");
        assert_eq!(head.field("content-length"), Some(&*plain().len().to_string()));
        if method == "GET" {
            assert_eq!(client.exactly(plain().len()), plain());
        }
    }
    gateway.stop();
    let off = Gateway::http(vec![asking("web", &[&upstream.text()], "body_max = '1MB'")]);
    let head = ask(&mut off.connect(), "GET", "/text/html", "gzip");
    assert_eq!(head.field("content-encoding"), None);
    off.stop();
}

#[test]
fn every_piece_of_a_stream_can_be_read_before_the_next_is_sent() {
    let (seen, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |mut wire| {
        wire.head();
        wire.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\
             trailer: x-sum\r\n\r\n",
        );
        for piece in 0..5 {
            wire.send(&format!("8\r\npiece {piece};\r\n"));
            wait.lock().expect("alone").recv().ok();
        }
        wire.send("0\r\nx-sum: 5\r\n\r\n");
    });
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], "compress = true")]);
    let mut client = gateway.connect();
    client.send(
        "GET / HTTP/1.1\r\nhost: web.internal\r\naccept-encoding: gzip\r\nte: trailers\r\n\r\n",
    );
    let head = client.head().expect("a head");
    assert_eq!(head.field("content-encoding"), Some("gzip"));
    let mut body = Vec::new();
    for piece in 0..5 {
        body.extend(client.chunk());
        let mut text = String::new();
        // Its end is still missing.
        assert!(flate2::read::GzDecoder::new(&*body).read_to_string(&mut text).is_err());
        assert!(text.ends_with(&format!("piece {piece};")), "{text}");
        seen.send(()).expect("waiting");
    }
    body.extend(client.chunk());
    assert_eq!(decoded("gzip", &body).matches("piece").count(), 5);
    assert!(client.until("\r\n\r\n").contains("x-sum: 5"), "the trailers follow");
    gateway.stop();
}

#[test]
fn a_model_that_streams_json_is_left_alone() {
    let upstream = Upstream::raw(|mut wire| {
        while wire.head().is_some() {
            wire.send(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                 transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            );
        }
    });
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], "compress = true")]);
    for (path, coding) in
        [("/v1/chat/completions", None), ("/api/generate", None), ("/api/tags", Some("gzip"))]
    {
        let mut client = gateway.connect();
        let head = ask(&mut client, "POST", path, "gzip");
        assert_eq!(head.field("content-encoding"), coding, "{path}");
    }
    gateway.stop();
}

#[test]
fn over_http2_the_same_bytes_come() {
    let upstream = pages();
    let service = asking("web", &[&upstream.text()], "compress = true");
    let service =
        conduit_core::service::Service { tls: conduit_core::service::TlsMode::Issued, ..service };
    let site = Site::serving(vec![service], &[]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sender = site.http2("web.internal").await;
        let request = Request::get("https://web.internal/application/json")
            .header("accept-encoding", "br")
            .body(Full::<Bytes>::default())
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.headers()["content-encoding"], "br");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(decoded("br", &body), plain());
    });
    drop(runtime);
    site.gateway.stop();
}
