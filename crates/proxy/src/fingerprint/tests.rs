//! Looking at real sockets on loopback.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use super::*;

fn anywhere() -> Resolver {
    Resolver::new(|_| true)
}

async fn look(at: SocketAddr, protocol: Option<Protocol>) -> Fingerprint {
    fingerprint(&UpstreamAddr::from_socket(at), protocol, &anywhere()).await
}

/// Answers whoever asks for one of these paths, and 404 else; counts connections.
async fn web(pages: &[(&'static str, &'static str)]) -> (SocketAddr, Arc<AtomicUsize>) {
    let pages: HashMap<_, _> = pages.iter().copied().collect();
    serve(move |request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let (status, body) = match pages.get(path) {
            Some(body) => ("200 OK", *body),
            None => ("404 Not Found", "<html>no</html>"),
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await
}

/// Answers the first bytes of each connection, and closes it.
async fn serve(
    answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let serving = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            if length > 0 {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = answer(&String::from_utf8_lossy(&request[..length]));
                // Whoever has heard enough hangs up.
                drop(stream.write_all(&answer).await);
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "tests end with their runtime")]
    tokio::spawn(serving);
    (address, count)
}

#[tokio::test]
async fn a_program_is_found_over_http() {
    let (at, asked) = web(&[("/api/version", r#"{"version":"0.5.1"}"#)]).await;
    let found = look(at, None).await;
    assert_eq!((found.preset, found.answered), (Preset::Ollama, true));
    assert_eq!(found.evidence, "GET /api/version answered 0.5.1");
    assert_eq!(asked.load(Ordering::SeqCst), PATHS.len(), "one connection for each question");
}

#[tokio::test]
async fn an_unknown_page_is_generic() {
    let (at, _) = web(&[("/", "hello")]).await;
    let found = look(at, None).await;
    assert_eq!((found.preset, found.answered), (Preset::Generic, true));
}

#[tokio::test]
async fn databases_are_found_by_their_greeting() {
    let redis = |hello: &str| if hello == "PING\r\n" { b"+PONG\r\n".to_vec() } else { Vec::new() };
    let (at, _) = serve(redis).await;
    assert_eq!(look(at, None).await.preset, Preset::Redis);
    assert_eq!(look(at, Some(Protocol::Tcp)).await.preset, Preset::Redis);
    let postgres = |hello: &str| {
        if hello.as_bytes().first() == Some(&0) { b"N".to_vec() } else { Vec::new() }
    };
    let (at, _) = serve(postgres).await;
    assert_eq!(look(at, None).await.preset, Preset::Postgres);
    assert_eq!(look(at, Some(Protocol::Http)).await.preset, Preset::Generic, "it was told");
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_the_bound() {
    let (at, _) = serve(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(4 * ANSWER_BYTES_MAX, b'x');
        answer
    })
    .await;
    let addr = UpstreamAddr::from_socket(at);
    let answer = get(at, &addr, "/metrics").await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, ANSWER_BYTES_MAX));
    assert_eq!(look(at, None).await.preset, Preset::Generic);
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let found = look(closed, None).await;
    assert_eq!((found.preset, found.answered), (Preset::Generic, false));
    assert!(found.evidence.contains("connection refused"), "{}", found.evidence);
    let named = UpstreamAddr::parse("localhost:9").unwrap();
    let found = fingerprint(&named, None, &Resolver::new(|_| false)).await;
    assert!(found.evidence.contains("not allowed"), "{}", found.evidence);
    assert!(look(closed, Some(Protocol::Https)).await.evidence.contains("was not asked"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_costs_a_bounded_time() {
    // The kernel takes the connections, and nobody reads them.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let began = Instant::now();
    let found = look(listener.local_addr().unwrap(), None).await;
    assert_eq!(found.preset, Preset::Generic);
    assert!(began.elapsed() <= FINGERPRINT_TIMEOUT);
}

#[tokio::test]
async fn several_are_answered_in_their_order() {
    let (ollama, _) = web(&[("/api/version", r#"{"version":"1"}"#)]).await;
    let (grafana, _) = web(&[("/api/health", r#"{"database":"ok"}"#)]).await;
    let asked = [ollama, grafana, ollama].map(|at| (UpstreamAddr::from_socket(at), None));
    let found = fingerprints(&asked, &anywhere()).await;
    let presets: Vec<_> = found.iter().map(|found| found.preset).collect();
    assert_eq!(presets, [Preset::Ollama, Preset::Grafana, Preset::Ollama]);
}
