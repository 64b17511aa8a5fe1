//! The source against sockets that behave, and against those that do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_core::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::ContainersSource;
use crate::node::NodeName;
use crate::reading::container::CONTAINERS_MAX;
use crate::source::{Source, SourceError};

/// What a fake engine sends for a path, and whether it goes on with the last byte for ever.
type Script = dyn Fn(&str) -> (Vec<u8>, bool) + Send + Sync;

struct Fake {
    socket: PathBuf,
    tasks: Tasks,
    _directory: tempfile::TempDir,
}

impl Fake {
    fn absent() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("engine.sock");
        Self { socket, tasks: Tasks::new(CancellationToken::new()), _directory: directory }
    }

    fn start(script: impl Fn(&str) -> (Vec<u8>, bool) + Send + Sync + 'static) -> Self {
        let fake = Self::absent();
        fake.listen(Arc::new(script));
        fake
    }

    fn listen(&self, script: Arc<Script>) -> CancellationToken {
        let listener = UnixListener::bind(&self.socket).expect("a socket");
        let stop = self.tasks.stop().child_token();
        let (stopped, tasks) = (stop.clone(), self.tasks.clone());
        self.tasks.job("fake engine", async move {
            loop {
                let (stream, _) = tokio::select! {
                    accepted = listener.accept() => accepted.expect("a connection"),
                    () = stopped.cancelled() => return,
                };
                tasks.job("fake answer", answer(stream, Arc::clone(&script)));
            }
        });
        stop
    }

    fn source(&self) -> ContainersSource {
        let node = NodeName::parse("here").expect("a name");
        ContainersSource::new(node, self.socket.clone(), self.tasks.clone())
    }
}

async fn answer(mut stream: UnixStream, script: Arc<Script>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let (bytes, goes_on) = script(head.split(' ').nth(1).expect("a path"));
    let mut is_open = stream.write_all(&bytes).await.is_ok();
    let more = bytes.last().map_or_else(Vec::new, |last| vec![*last; 65_536]);
    while goes_on && is_open {
        is_open = stream.write_all(&more).await.is_ok();
    }
}

fn json(body: &str) -> (Vec<u8>, bool) {
    let length = body.len();
    (format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes(), false)
}

fn status(line: &str) -> (Vec<u8>, bool) {
    let body = r#"{"message":"as you like"}"#;
    (format!("HTTP/1.1 {line}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes(), false)
}

const VERSION: &str = r#"{"Components":[{"Name":"Podman Engine","Version":"4.3.1"}],
    "Version":"4.3.1","ApiVersion":"1.41"}"#;

/// An engine that behaves but for its list.
fn with_list(list: (Vec<u8>, bool)) -> impl Fn(&str) -> (Vec<u8>, bool) + Send + Sync {
    move |path| match path {
        _ if path.ends_with("/version") => json(VERSION),
        _ if path.contains("/containers/json") => list.clone(),
        _ => status("500 Internal Server Error"),
    }
}

#[tokio::test]
async fn a_reading_is_put_together_and_who_vanished_is_left_out() {
    let fake = Fake::start(|path| match path {
        _ if path.ends_with("/version") => json(VERSION),
        _ if path.contains("/containers/json") => json(
            r#"[{"Id":"aa","Names":["/web"],"Image":"web:1","State":"running","Labels":{"conduit.name":"w"}},
            {"Id":"bb","Names":["/vanished"],"State":"running"},
            {"Id":"cc","Names":["/old"],"State":"exited"},
            {"Id":"../../x","Names":["/no-id"],"State":"exited"}]"#,
        ),
        _ if path.contains("/aa/json") => json(
            r#"{"Id":"aa","RestartCount":2,"HostConfig":{"Memory":4096},"State":{"StartedAt":"2026-04-04T12:00:00Z",
            "Health":{"Status":"unhealthy"}}}"#,
        ),
        _ if path.contains("/aa/stats") => {
            assert!(path.contains("stream=false") && path.contains("one-shot=true"), "{path}");
            json(r#"{"cpu_stats":{"cpu_usage":{"total_usage":7}},"memory_stats":{"usage":9}}"#)
        }
        _ if path.contains("/cc/json") => json(r#"{"RestartCount":0}"#),
        _ => status("404 Not Found"),
    });
    let reading = fake.source().read().await.expect("a reading");
    assert_eq!(reading.problems, Vec::<String>::new());
    let containers = reading.containers.expect("containers");
    assert_eq!(containers.engine, "Podman 4.3.1");
    let [old, web] = &containers.containers[..] else { panic!("{containers:?}") };
    assert_eq!((old.name.as_str(), old.restarts, old.cpu), ("old", Some(0), None));
    assert_eq!((web.restarts, web.memory, web.memory_limit), (Some(2), Some(9), Some(4_096)));
    assert!(web.health.is_some() && web.started_at.is_some() && web.cpu.is_some());
}

#[tokio::test]
async fn absence_is_a_state_and_vanishing_a_fault() {
    let fake = Fake::absent();
    let mut source = fake.source();
    let error = source.read().await.expect_err("nothing there");
    assert!(matches!(&error, SourceError::Absent(why) if why.contains("engine.sock")), "{error}");
    let engine = fake.listen(Arc::new(with_list(json("[]"))));
    let reading = source.read().await.expect("a reading");
    assert_eq!(reading.containers.expect("containers").containers, []);
    engine.cancel();
    std::fs::remove_file(&fake.socket).expect("the socket");
    let error = source.read().await.expect_err("gone");
    assert!(matches!(&error, SourceError::Failed(why) if why.contains("is gone")), "{error}");
    assert!(error.is_transient());
    fake.listen(Arc::new(with_list(json("[]"))));
    source.read().await.expect("it is back");
}

#[tokio::test]
async fn ten_thousand_containers_are_counted_and_a_part_is_shown() {
    let one = |n: usize| format!(r#"{{"Id":"{n:064x}","Names":["/c{n}"],"State":"exited"}}"#);
    let all: Vec<String> = (0..10_000).map(one).collect();
    let fake = Fake::start(with_list(json(&format!("[{}]", all.join(",")))));
    let reading = fake.source().read().await.expect("a reading");
    let containers = reading.containers.expect("containers");
    assert_eq!(containers.containers.len(), CONTAINERS_MAX);
    assert_eq!(containers.left_out, 10_000 - CONTAINERS_MAX);
    assert!(reading.problems[0].contains("2000 of 2000"), "{:?}", reading.problems);
}

#[tokio::test]
async fn hostile_answers_are_bounded_and_said_so() {
    let http = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
    for (what, list) in [
        ("garbage", (b"\x00\xff\x16\x03garbage\r\n\r\n".to_vec(), false)),
        ("no JSON", json("<html>hello</html>")),
        ("not a list", json(r#"{"message":"hello"}"#)),
        ("cut", json(r#"[{"Id":"a"},{"Id"#)),
        ("deep", json(&"[".repeat(100_000))),
        ("closes in its body", (http("content-length: 100\r\n\r\n[{"), false)),
        ("closes in its head", (http("content-le"), false)),
        ("a head without end", (http("x: y"), true)),
        ("a body without end", (http("\r\n[ "), true)),
        ("a huge body", (http("content-length: 999999999999\r\n\r\n[ "), true)),
        ("an error", status("500 Internal Server Error")),
    ] {
        let fake = Fake::start(with_list(list));
        let error = fake.source().read().await.expect_err(what);
        let is_told = matches!(error, SourceError::Garbled(_) | SourceError::Failed(_));
        assert!(is_told, "{what}: {error:?}");
    }
}

#[tokio::test]
async fn hostile_answers_about_one_container_cost_only_its_counters() {
    for about in [
        json("{"),
        (b"HTTP/1.1 200 OK\r\n\r\n{ ".to_vec(), true),
        (b"nonsense\r\n\r\n".to_vec(), false),
        json(r#"{"State":{"Status":"a new word"}}"#),
    ] {
        let fake = Fake::start(move |path| match path {
            _ if path.ends_with("/version") => json(VERSION),
            _ if path.contains("/containers/json") => json(r#"[{"Id":"aa","State":"running"}]"#),
            _ => about.clone(),
        });
        let reading = fake.source().read().await.expect("a reading");
        let container = &reading.containers.expect("containers").containers[0];
        assert_eq!((container.cpu, container.restarts), (None, None));
        assert_eq!(reading.problems.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_given_up() {
    let fake = Fake::absent();
    let _listener = UnixListener::bind(&fake.socket).expect("a socket");
    let error = fake.source().read().await.expect_err("silence");
    assert!(matches!(error, SourceError::TimedOut(_)), "{error:?}");
}

#[tokio::test]
async fn events_wake_whoever_waits() {
    let events = |body: &str| (format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes(), false);
    let fake = Fake::start(move |path| match path {
        _ if path.ends_with("/version") => json(VERSION),
        _ if path.contains("/events") => {
            assert!(path.contains("container"), "{path}");
            events("{\"Type\":\"container\",\"Action\":\"start\"}\n{\"Type\":\"new kind\"}\n")
        }
        _ => status("500 Internal Server Error"),
    });
    let source = fake.source();
    let wake = source.watch(&fake.tasks);
    // Once for the new connection, once for its end, and again after it was made anew.
    for _ in 0..3 {
        wake.notified().await;
    }
    fake.tasks.stop().cancel();
    fake.tasks.finish().await;
    assert_eq!(fake.tasks.died(), None);
    assert!(Path::new(&fake.socket).exists());
}
