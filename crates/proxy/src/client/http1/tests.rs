//! What an upstream says, however it is cut, and what hyper's client makes of it.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, Version};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::head;
use super::whole::{Whole, read};

/// What hyper's client reads.
async fn hypers(method: &Method, said: &[u8]) -> Result<Whole, hyper::Error> {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(ours)).await?;
    let request = http::Request::builder().method(method).uri("/");
    let request = request.body(http_body_util::Empty::<Bytes>::new()).expect("a request");
    let asking = async {
        let answer: Response<hyper::body::Incoming> = sender.send_request(request).await?;
        let (parts, body) = answer.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned();
        let body = collected.to_bytes().to_vec();
        Ok(Whole { status: parts.status, fields: parts.headers, body, trailers })
    };
    let answering = async {
        // Not before the request: hyper takes what comes unasked for an error.
        let mut asked = [0; 16];
        tokio::io::AsyncReadExt::read(&mut theirs, &mut asked).await.expect("asked");
        // It may have stopped reading.
        drop(theirs.write_all(said).await);
        drop(theirs.shutdown().await);
    };
    let driven = async {
        drop(connection.await);
    };
    let (answer, (), ()) = tokio::join!(asking, answering, driven);
    answer
}

fn an_answer() -> impl Strategy<Value = (Method, String)> {
    let line = prop::sample::select(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 304 Not Modified",
        "HTTP/1.1 404",
        "HTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/2.0 200 OK",
        "ICY 200 OK",
    ]);
    let field = prop::sample::select(vec![
        "content-length: 5",
        "Content-Length: 5, 5",
        "content-length: 0",
        "content-length: 11",
        "content-length: +5",
        "content-length: 99999999999999999999",
        "transfer-encoding: chunked",
        "Transfer-Encoding: gzip, Chunked",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: identity",
        "connection: close",
        "a: b",
        "a:",
        "a : b",
        " folded: no",
        "\u{e9}: no",
        "a: \u{e9}",
    ]);
    let body = prop::sample::select(vec![
        "",
        "hello",
        "hello world",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        "05 ; x\r\nhello\r\n0\r\nt: u\r\nt: v\r\n\r\n",
        "A\r\n0123456789\r\n0\r\n\r\nmore",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n",
        "5\r\nhel",
        "x\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello",
        "0\r\nt u\r\n\r\n",
    ]);
    let method = prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST]);
    (method, line, prop::collection::vec(field, 0..4), body).prop_map(
        |(method, line, fields, body)| {
            let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            (method, format!("{line}\r\n{fields}\r\n{body}"))
        },
    )
}

proptest! {
    #[test]
    fn it_reads_what_hyper_reads_however_it_is_cut((method, said) in an_answer(), size in 1..9_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let expected = runtime.block_on(hypers(&method, said.as_bytes()));
        for size in [said.len(), size] {
            let whole = read(&method, said.as_bytes(), size).map(|(whole, ..)| whole);
            match (&expected, &whole) {
                (Ok(expected), Ok(whole)) => prop_assert_eq!(expected, whole, "{}", &said),
                (Err(_), Err(_)) => {}
                _ => prop_assert!(false, "{said:?}: hyper {expected:?}, we {whole:?}"),
            }
        }
    }

    #[test]
    fn anything_is_read_without_panic_and_alike_however_it_is_cut(
        said in prop::collection::vec(any::<u8>(), 0..200),
        size in 1..9_usize,
    ) {
        let said = [&b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..], &said].concat();
        let whole = read(&Method::GET, &said, said.len()).map(|(whole, ..)| whole);
        let cut = read(&Method::GET, &said, size).map(|(whole, ..)| whole);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        if let (Ok(whole), Ok(cut)) = (whole, cut) {
            prop_assert_eq!(whole, cut);
        }
    }
}

#[test]
fn a_chunk_is_a_piece_and_what_follows_the_end_is_left() {
    let said = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nmore";
    let (whole, sizes, left) = read(&Method::GET, said, said.len()).expect("an answer");
    assert_eq!((whole.body.as_slice(), sizes), (&b"hello world"[..], vec![5, 6]));
    assert_eq!(left, "more");
}

#[test]
fn what_hyper_forgives_in_chunks_is_refused() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "5\nhello\r\n0\r\n\r\n".to_owned(),
        "5;a\nb\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5;a\rb\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5 5\r\nhello\r\n0\r\n\r\n".to_owned(),
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(5_000)),
        format!("0\r\n{}\r\n", "a: b\r\n".repeat(101)),
        format!("0\r\na: {}\r\n\r\n", "x".repeat(17_000)),
    ] {
        let said = format!("{head}{body}");
        assert!(read(&Method::GET, said.as_bytes(), said.len()).is_err(), "{body:.40}");
    }
}

#[test]
fn a_request_is_written_as_the_rfc_says() {
    for (method, target, expected) in [
        ("GET", "/", "GET / HTTP/1.1\r\na: b\r\n\r\n"),
        ("GET", "/a?b=c&d", "GET /a?b=c&d HTTP/1.1\r\na: b\r\n\r\n"),
        ("POST", "http://web.internal?b", "POST /?b HTTP/1.1\r\na: b\r\n\r\n"),
        ("OPTIONS", "*", "OPTIONS * HTTP/1.1\r\na: b\r\n\r\n"),
    ] {
        let request = http::Request::builder().method(method).uri(target).header("A", "b");
        let mut out = BytesMut::new();
        head::write(&request.body(()).expect("a request"), &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn a_head_has_limits() {
    for (fields, expected) in [
        ("a: b\r\n".repeat(100), true),
        ("a: b\r\n".repeat(101), false),
        (format!("a: {}\r\n", "x".repeat(100_000)), true),
        (format!("a: {}", "x".repeat(140_000)), false),
    ] {
        let said = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let read = read(&Method::HEAD, said.as_bytes(), 8_192);
        assert_eq!(read.is_ok(), expected, "{} bytes", fields.len());
    }
}

#[test]
fn connections_end_as_the_rfc_says() {
    for (version, fields, expected) in [
        (Version::HTTP_11, &[][..], false),
        (Version::HTTP_11, &["close"], true),
        (Version::HTTP_11, &["Upgrade, Close"], true),
        (Version::HTTP_11, &["close", "keep-alive"], true),
        (Version::HTTP_11, &["closed"], false),
        (Version::HTTP_10, &[], true),
        (Version::HTTP_10, &["keep-alive"], false),
        (Version::HTTP_10, &["keep-alive", "close"], true),
    ] {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("connection", http::HeaderValue::from_static(field));
        }
        assert_eq!(head::closes(version, &headers), expected, "{version:?} {fields:?}");
    }
}
