//! Many requests on few connections: HTTP/2 upstreams that are busy, go, die, or are left.
//!
//! The upstreams that must do exactly this or that are made of frames.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Barrier;

use super::harness::{Gateway, PATIENCE, Upstream, Wire, get};
use super::speaker::{Answer, Speaker, Speaks, full};
use super::transports::h2c;
use crate::limits::{H2_UPSTREAM_CONNECTIONS_MAX, H2_UPSTREAM_STREAMS_MAX};

/// Answers once this many requests are there.
fn together(
    count: usize,
) -> impl Fn(http::Request<hyper::body::Incoming>) -> std::pin::Pin<Box<dyn Future<Output = Answer>>>
+ Clone
+ Send
+ 'static {
    let barrier = Arc::new(Barrier::new(count));
    move |request| {
        let barrier = Arc::clone(&barrier);
        Box::pin(async move {
            if request.uri().path() == "/together" {
                barrier.wait().await;
            }
            full("done")
        })
    }
}

/// Sends this many requests at once, each on a connection of its own.
fn all_at_once(gateway: &Gateway, count: usize) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = gateway.http;
    runtime.block_on(async {
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..count {
            asking.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
                let request =
                    "GET /together HTTP/1.1\r\nhost: web.internal\r\nconnection: close\r\n\r\n";
                stream.write_all(request.as_bytes()).await.expect("sends");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.expect("answers");
                assert!(answer.ends_with("\r\n\r\ndone"), "{answer}");
            });
        }
        let all = async { while asking.join_next().await.is_some_and(|end| end.is_ok()) {} };
        tokio::time::timeout(PATIENCE, all).await.expect("all are there at once");
        assert!(asking.is_empty(), "all are answered");
    });
}

#[test]
fn a_hundred_requests_share_one_connection() {
    let upstream = Speaker::start(Speaks::default(), together(100));
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    all_at_once(&gateway, 100);
    assert_eq!(upstream.connections(), 1);
    gateway.stop();
}

#[test]
fn a_connection_that_takes_no_more_gets_company() {
    let speaks = Speaks { streams_max: Some(10), ..Speaks::default() };
    let upstream = Speaker::start(speaks, together(25));
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    // From then on it is known how many it takes.
    assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    all_at_once(&gateway, 25);
    assert_eq!(upstream.connections(), 3);
    gateway.stop();
}

#[test]
fn connections_have_an_end_and_then_requests_wait() {
    let speaks = Speaks { streams_max: Some(2), ..Speaks::default() };
    let upstream = Speaker::start(speaks, together(1));
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    all_at_once(&gateway, 60);
    let connections = upstream.connections();
    assert!(connections <= H2_UPSTREAM_CONNECTIONS_MAX, "{connections}");
    gateway.stop();
}

/// An HTTP/2 server's end of a connection, frame by frame.
struct Frames(TcpStream);

#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frames {
    /// Reads the preface, and says hello.
    fn begin(wire: Wire<TcpStream>) -> Self {
        let mut frames = Self(wire.stream);
        let mut preface = [0; 24];
        frames.0.read_exact(&mut preface).expect("a preface");
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // The other side may be gone on purpose.
        self.0.write_all(&frame).ok();
    }

    /// `200`, without a body when `end`.
    fn answer(&mut self, stream: u32, end: bool) {
        let flags = if end { END_HEADERS | END_STREAM } else { END_HEADERS };
        // The static table's `:status: 200` (RFC 7541 appendix A).
        self.send(HEADERS, flags, stream, &[0x88]);
    }

    fn any(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame that is about a request; the others are answered or skipped.
    fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.any()?;
            match frame.kind {
                SETTINGS if frame.flags == 0 => self.send(SETTINGS, ACK, 0, &[]),
                HEADERS | DATA | RST_STREAM => return Some(frame),
                _ => {}
            }
        }
    }

    fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: [u8; 4] = [0, 0, 0, 0];
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// Answers the first request of each connection, and does something else to the second.
fn after_the_first(second: impl Fn(&mut Frames, u32) + Send + Sync + 'static) -> Upstream {
    Upstream::raw(move |wire| {
        let mut frames = Frames::begin(wire);
        let Some(first) = frames.next_of(HEADERS) else { return };
        frames.answer(first.stream, true);
        let Some(next) = frames.next_of(HEADERS) else { return };
        second(&mut frames, next.stream);
    })
}

#[test]
fn a_connection_that_says_goodbye_is_replaced_and_the_request_not_lost() {
    let upstream = after_the_first(|frames, stream| {
        let last = (stream - 2).to_be_bytes();
        frames.send(GOAWAY, 0, 0, &[last, NO_ERROR].concat());
        frames.next();
    });
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    for _ in 0..3 {
        assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    }
    assert_eq!(upstream.connections(), 3);
    // Not looked at, so it may be sent again whatever its method.
    let post = "POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(gateway.connect().ask(post).0.status(), 200);
    gateway.stop();
}

#[test]
fn a_body_that_is_gone_is_not_sent_again() {
    let upstream = after_the_first(|frames, stream| {
        frames.next_of(DATA);
        let last = (stream - 2).to_be_bytes();
        frames.send(GOAWAY, 0, 0, &[last, NO_ERROR].concat());
        frames.next();
    });
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    let post = "POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 1\r\n\r\na";
    let (head, _) = gateway.connect().ask(post);
    assert_eq!((head.status(), head.field("conduit-error")), (502, Some("closed_early")));
    gateway.stop();
}

#[test]
fn a_stream_that_is_refused_is_tried_again() {
    let upstream = after_the_first(|frames, stream| {
        frames.send(RST_STREAM, 0, stream, &REFUSED_STREAM);
        let again = frames.next_of(HEADERS).expect("again");
        assert_ne!(again.stream, stream);
        frames.answer(again.stream, true);
        frames.next();
    });
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    for _ in 0..2 {
        assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    }
    assert_eq!(upstream.connections(), 1);
    gateway.stop();
}

#[test]
fn a_connection_that_dies_is_replaced() {
    let upstream = after_the_first(|_, _| {});
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    for _ in 0..3 {
        assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    }
    // It may have done its work, so it is not done twice.
    let post = "POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 0\r\n\r\n";
    let (head, _) = gateway.connect().ask(post);
    assert_eq!((head.status(), head.field("conduit-error")), (502, Some("closed_early")));
    gateway.stop();
}

#[test]
fn an_upstream_that_is_killed_in_the_middle_ends_the_response() {
    let (kill, killed) = channel::<()>();
    let killed = Mutex::new(killed);
    let upstream = Upstream::raw(move |wire| {
        let mut frames = Frames::begin(wire);
        let Some(first) = frames.next_of(HEADERS) else { return };
        frames.answer(first.stream, false);
        frames.send(DATA, 0, first.stream, b"half");
        killed.lock().expect("alone").recv().ok();
    });
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/"));
    client.until("half\r\n");
    kill.send(()).expect("waiting");
    assert_eq!(client.rest(), "", "no end of the body");
    gateway.stop();
}

#[test]
fn a_connections_window_is_that_of_all_its_streams() {
    let (told, heard) = channel();
    let told = Mutex::new(told);
    let upstream = Upstream::raw(move |wire| {
        let mut frames = Frames::begin(wire);
        let (mut stream_window, mut window) = (65_535, 65_535);
        while let Some(frame) = frames.any() {
            match frame.kind {
                SETTINGS => {
                    let all = frame.payload.chunks(6);
                    let ours = all.filter(|setting| setting[..2] == INITIAL_WINDOW_SIZE);
                    stream_window = ours
                        .map(|setting| number(&setting[2..]))
                        .next_back()
                        .unwrap_or(stream_window);
                }
                WINDOW_UPDATE if frame.stream == 0 => window += number(&frame.payload),
                HEADERS => {
                    told.lock().expect("alone").send((stream_window, window)).ok();
                    frames.answer(frame.stream, true);
                }
                _ => {}
            }
        }
    });
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    let (stream, connection) = heard.recv_timeout(PATIENCE).expect("a request");
    assert!(stream >= 65_535, "{stream}");
    // So a client that reads nothing holds up nobody else.
    assert_eq!(connection, stream * u32::try_from(H2_UPSTREAM_STREAMS_MAX).expect("few"));
    gateway.stop();
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

/// An upstream that tells what it hears, begins to answer the second request, and answers the fourth.
fn listening() -> (Upstream, Receiver<Frame>) {
    let (told, heard) = channel();
    let told = Mutex::new(told);
    let upstream = Upstream::raw(move |wire| {
        let mut frames = Frames::begin(wire);
        while let Some(frame) = frames.next() {
            match (frame.kind, frame.stream) {
                (HEADERS, 3) => frames.answer(3, false),
                (HEADERS, 7) => frames.answer(7, true),
                _ => {}
            }
            told.lock().expect("alone").send(frame).ok();
        }
    });
    (upstream, heard)
}

#[test]
fn a_client_that_leaves_cancels_its_stream_and_no_other() {
    let (upstream, heard) = listening();
    let next = |kind: u8| {
        loop {
            let frame = heard.recv_timeout(PATIENCE).expect("a frame");
            if frame.kind == kind {
                return frame;
            }
        }
    };
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    // Before there is an answer, …
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/"));
    assert_eq!(next(HEADERS).stream, 1);
    drop(client);
    let reset = next(RST_STREAM);
    assert_eq!((reset.stream, &reset.payload[..]), (1, &CANCEL[..]));
    // … in the middle of one, …
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/"));
    client.head().expect("a head");
    assert_eq!(next(HEADERS).stream, 3);
    drop(client);
    let reset = next(RST_STREAM);
    assert_eq!((reset.stream, &reset.payload[..]), (3, &CANCEL[..]));
    // … and in the middle of a request.
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 9\r\n\r\nhalf");
    assert_eq!(next(HEADERS).stream, 5);
    assert_eq!(next(DATA).payload, b"half");
    drop(client);
    let reset = next(RST_STREAM);
    assert_eq!((reset.stream, &reset.payload[..]), (5, &CANCEL[..]));
    assert_eq!(gateway.connect().ask(&get("web.internal", "/")).0.status(), 200);
    assert_eq!(upstream.connections(), 1);
    gateway.stop();
}

#[test]
fn a_stop_ends_idle_connections_and_finishes_streams() {
    let upstream = Speaker::start(Speaks::default(), |request| async move {
        // Ends when the client does.
        let body = request.into_body().collect().await.expect("a body");
        full(body.to_bytes())
    });
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 4\r\n\r\nab");
    let other = gateway.connect().ask(&get("web.internal", "/"));
    assert_eq!(other.0.status(), 200);
    gateway.begin_stop();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            client.send("cd");
            assert_eq!(client.response().1, "abcd");
        });
    });
    let drained = gateway.stop();
    assert_eq!(drained.cut, 0);
}
