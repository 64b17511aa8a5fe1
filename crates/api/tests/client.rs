//! The client against a server of a few lines, which says exactly what the test wants it to.

use std::path::PathBuf;
use std::time::Duration;

use conduit_api::client::{Client, Reply};
use conduit_api::error::{ClientError, Place};
use conduit_api::v1::services::{OutcomeKind, RegisterService};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};

struct Gateway {
    _dir: tempfile::TempDir,
    path: PathBuf,
    listener: UnixListener,
}

impl Gateway {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.sock");
        let listener = UnixListener::bind(&path).expect("bound");
        Self { _dir: dir, path, listener }
    }

    /// Takes one request, answers with these bytes, closes, and returns the request.
    async fn answer(&self, bytes: &[u8]) -> String {
        let (mut stream, _) = self.listener.accept().await.expect("a connection");
        let request = request(&mut stream).await;
        stream.write_all(bytes).await.expect("written");
        request
    }
}

async fn request(stream: &mut UnixStream) -> String {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |value| value.parse().expect("a length"));
            if body.len() >= length {
                return text;
            }
        }
        let read = stream.read_buf(&mut seen).await.expect("read");
        assert!(read > 0, "the client closed early");
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn grafana() -> RegisterService {
    RegisterService {
        name: "grafana".into(),
        host: Some("10.0.1.50:3000".into()),
        ..RegisterService::default()
    }
}

#[tokio::test]
async fn an_answer_is_parsed_and_kept_as_it_came() {
    let gateway = Gateway::new();
    let body = r#"{ "generation":7,"changed":true, "outcome":"created","probed":false,"new":1 }"#;
    let reply = answer("201 Created", body);
    let client = Client::unix(&gateway.path);
    let wish = grafana();
    let (asked, got) = tokio::join!(gateway.answer(&reply), client.register(&wish));
    let Reply { value, body: raw, status } = got.expect("an answer");
    assert_eq!((value.generation, value.outcome), (7, OutcomeKind::Created));
    assert_eq!((raw.as_ref(), status), (body.as_bytes(), 201));
    assert!(asked.starts_with("POST /api/v1/services HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("host: localhost\r\n"), "{asked}");
    assert!(asked.contains("content-type: application/json\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"name":"grafana","host":"10.0.1.50:3000"}"#), "{asked}");
}

#[tokio::test]
async fn a_refusal_carries_code_and_hint() {
    let gateway = Gateway::new();
    let body = r#"{"error":{"code":"name_taken","message":"taken","hint":"use --replace"}}"#;
    let reply = answer("409 Conflict", body);
    let client = Client::unix(&gateway.path);
    let (_, got) = tokio::join!(gateway.answer(&reply), client.deregister("a/../b"));
    let error = got.expect_err("refused");
    assert_eq!(error.code(), Some("name_taken"));
    assert_eq!(error.hint(), Some("use --replace"));
    assert!(matches!(error, ClientError::Api { status: 409, .. }));
}

#[tokio::test]
async fn a_name_cannot_leave_its_place_in_the_path() {
    let gateway = Gateway::new();
    let reply = answer("200 OK", "{}");
    let client = Client::unix(&gateway.path);
    let (asked, _got) = tokio::join!(gateway.answer(&reply), client.service("a/../b?x", true));
    assert!(asked.starts_with("GET /api/v1/services/a%2F..%2Fb%3Fx?check=true "), "{asked}");
}

#[tokio::test]
async fn a_lost_answer_to_a_change_says_that_the_outcome_is_unknown() {
    let gateway = Gateway::new();
    let client = Client::unix(&gateway.path);
    let wish = grafana();
    for partial in ["", "HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"] {
        let (_, got) = tokio::join!(gateway.answer(partial.as_bytes()), client.register(&wish));
        let error = got.expect_err("lost");
        assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("run `conduit status grafana`"), "{text}");
    }
    let (_, got) = tokio::join!(gateway.answer(b""), client.services(false));
    assert!(matches!(got, Err(ClientError::Unanswered { .. })), "{got:?}");
}

#[tokio::test]
async fn nonsense_is_not_taken_for_an_answer() {
    let gateway = Gateway::new();
    let client = Client::unix(&gateway.path);
    for reply in [
        answer("200 OK", "<html>"),
        answer("200 OK", r#"{"services":[]}"#),
        answer("502 Bad Gateway", "no"),
    ] {
        let (_, got) = tokio::join!(gateway.answer(&reply), client.services(false));
        assert!(matches!(got, Err(ClientError::Malformed { .. })), "{got:?}");
    }
}

#[tokio::test]
async fn an_answer_has_a_limit() {
    let gateway = Gateway::new();
    let client = Client::unix(&gateway.path);
    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
    let (_, got) = tokio::join!(gateway.answer(reply), client.services(false));
    assert!(matches!(got, Err(ClientError::TooLarge { .. })), "{got:?}");
}

#[tokio::test]
async fn every_place_that_was_tried_is_named() {
    let gateway = Gateway::new();
    let dir = tempfile::tempdir().expect("a directory");
    let stale = dir.path().join("stale.sock");
    drop(UnixListener::bind(&stale).expect("bound"));
    let missing = dir.path().join("missing.sock");
    let error = Client::first_reachable(vec![missing.clone(), stale.clone()])
        .await
        .expect_err("nobody there");
    let text = error.to_string();
    let missing_text = format!("{} (no such file)", missing.display());
    let stale_text = format!("{} (connection refused)", stale.display());
    assert!(text.contains(&missing_text) && text.contains(&stale_text), "{text}");
    let found = Client::first_reachable(vec![missing, stale, gateway.path.clone()]).await;
    let found = found.expect("the third");
    assert_eq!(found.place(), &Place::Socket(gateway.path.clone()));
    let got = Client::unix(dir.path().join("no")).deregister("a").await;
    assert!(matches!(got, Err(ClientError::Unreachable { .. })), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_never_answers_is_not_waited_for_for_ever() {
    let gateway = Gateway::new();
    let client = Client::unix(&gateway.path).with_timeout(Duration::from_secs(3));
    let (held, got) = tokio::join!(gateway.listener.accept(), client.status());
    drop(held);
    let text = got.expect_err("too late").to_string();
    assert!(text.contains("no answer within 3 s"), "{text}");
}

#[tokio::test]
async fn a_token_travels_over_tcp_and_stays_out_of_debug_output() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address").to_string();
    let client = Client::tcp(&address, Some("s3cret".into()));
    assert!(!format!("{client:?}").contains("s3cret"));
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut seen = vec![0; 4096];
        let read = stream.read(&mut seen).await.expect("read");
        stream.write_all(&answer("200 OK", "# EOF\n")).await.expect("written");
        String::from_utf8_lossy(&seen[..read]).into_owned()
    };
    let (asked, got) = tokio::join!(serve, client.metrics());
    assert_eq!(got.expect("text"), "# EOF\n");
    assert!(asked.contains("authorization: Bearer s3cret\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {address}\r\n")), "{asked}");
    let bad = Client::tcp(&address, Some("a\nb".into()));
    let got = bad.status().await;
    assert!(matches!(got, Err(ClientError::Unsendable { .. })), "{got:?}");
}
