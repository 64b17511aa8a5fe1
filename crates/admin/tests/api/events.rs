//! What changes, as it is told while it happens.

use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::{NewToken, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway::{Gateway, status};
use crate::sessions::login;

/// Opens a stream of events and reads its head.
pub(crate) async fn listen(gateway: &Gateway, path: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(gateway.tcp()).await.expect("connected");
    let host = gateway.tcp();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let head = until(&mut stream, &[": connected", "HTTP/1.1 4"]).await;
    (stream, head)
}

/// Reads until one of these texts came.
pub(crate) async fn until(stream: &mut TcpStream, wanted: &[&str]) -> String {
    read(stream, |text| wanted.iter().any(|part| text.contains(part))).await
}

/// Reads until it is enough.
async fn read(stream: &mut TcpStream, is_enough: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    while !is_enough(&text) {
        let count = stream.read(&mut buffer).await.expect("read");
        assert!(count > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

pub(crate) fn token_header(token: &NewToken) -> String {
    format!("X-API-Key: {}\r\n", token.secret)
}

async fn to_the_end(mut stream: TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.expect("it ends");
    rest
}

#[tokio::test]
async fn services_their_health_and_the_record_are_told_as_they_change() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let (mut stream, head) = listen(&gateway, EVENTS, &token_header(&token)).await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let client = gateway.local();
    let wish = RegisterService {
        name: "web".into(),
        upstream: Some("127.0.0.1:1".into()),
        ..RegisterService::default()
    };
    client.register(&wish).await.expect("registered");
    let parts = [
        "event: service_registered\ndata: {",
        "event: health_changed\ndata: {",
        r#""status":"down""#,
        r#""name":"web""#,
        "event: audit_written\n",
    ];
    let told = read(&mut stream, |text| parts.iter().all(|part| text.contains(part))).await;
    assert!(!told.contains("event: leaf_changed"), "a new service is told as such: {told}");
    client.rotate("web").await.expect("rotated");
    let told = until(&mut stream, &["event: leaf_changed\n"]).await;
    assert!(!told.contains("event: service_"), "{told}");
    client.deregister("web").await.expect("gone");
    until(&mut stream, &["event: service_deregistered\n"]).await;
}

#[tokio::test]
async fn a_stream_ends_with_the_credentials_it_began_with() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let page = login(&gateway, "", &format!(r#"{{"token":"{}"}}"#, token.secret)).await;
    let (cookie, both) = page.headers();
    let (of_session, head) = listen(&gateway, EVENTS, &cookie).await;
    assert_eq!(status(&head), 200);
    let (mut of_token, _) = listen(&gateway, EVENTS, &token_header(&token)).await;
    let answer = gateway.ask("DELETE", "/api/v1/session", &both, "").await;
    assert!((200..300).contains(&status(&answer)), "{answer}");
    to_the_end(of_session).await;
    gateway.local().revoke_token(&token.id).await.expect("revoked");
    until(&mut of_token, &["event: audit_written\n"]).await;
    to_the_end(of_token).await;
}

pub(crate) const EVENTS: &str = "/api/v1/events";
pub(crate) const NODES: &str = "/api/v1/nodes/events";
