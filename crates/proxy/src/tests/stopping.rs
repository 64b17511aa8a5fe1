//! Stopping loses nothing but what the deadline cuts, and that is counted.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use super::harness::{Gateway, Upstream, Wire, get};
use crate::fixture::{self, service};
use crate::limits::Limits;

#[test]
fn a_response_in_flight_ends_and_then_the_connection() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst");
        wait.lock().expect("alone").recv().ok();
        wire.send("-last");
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut idle = gateway.connect();
    idle.send(&get("none.internal", "/"));
    assert_eq!(idle.response().0.status(), 404);
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/"));
    client.until("first");
    let address = gateway.http;
    gateway.begin_stop();
    assert_eq!(idle.rest(), "", "an idle connection is closed at once");
    // By now the listener is closed, too: accepting ends before connections do.
    assert!(std::net::TcpStream::connect(address).is_err());
    go.send(()).expect("waiting");
    assert_eq!(client.rest(), "-last");
    assert_eq!(gateway.stop().cut, 0);
}

#[test]
fn whoever_was_accepted_is_served() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut clients: Vec<_> = (0..50).map(|_| gateway.connect()).collect();
    gateway.begin_stop();
    for client in &mut clients {
        client.send(&get("web.internal", "/"));
    }
    for client in &mut clients {
        assert_eq!(client.response().0.status(), 200);
        assert_eq!(client.rest(), "");
    }
    assert_eq!(gateway.stop().cut, 0);
}

#[test]
fn the_deadline_cuts_streams_and_tunnels_and_counts_them() {
    let upstream = Upstream::raw(|mut wire: Wire<_>| {
        let head = wire.head().expect("a request");
        let switch = head.field("upgrade").is_some();
        wire.send(if switch {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
        });
        wire.rest();
    });
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let table = fixture::table(vec![service("web", &[&upstream.text()])]);
    let gateway = Gateway::with(table, |_| None, limits);
    let mut stream = gateway.connect();
    stream.send(&get("web.internal", "/"));
    stream.until("1\r\na\r\n");
    let mut tunnel = gateway.connect();
    tunnel
        .send("GET / HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    assert_eq!(tunnel.head().expect("a head").status(), 101);
    let metrics = gateway.metrics.clone();
    assert_eq!(gateway.stop().cut, 2);
    assert_eq!(metrics.cut(), 2);
    assert_eq!((stream.rest(), tunnel.rest()), (String::new(), String::new()));
}
