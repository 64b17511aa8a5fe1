//! Byte streams through the gateway: both ways, both ends, and ports that come and go.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_core::policy::{Policy, ProxyHeader};
use conduit_core::service::{Protocol, Service};

use super::harness::{Gateway, PATIENCE, Upstream, Wire, free_port, nowhere};
use crate::fixture;
use crate::limits::Limits;
use crate::table::RouteTable;

/// A service of byte streams on a port of the gateway.
pub(super) fn stream(name: &str, port: u16, upstreams: &[&str]) -> Service {
    asking(name, port, upstreams, |_| {})
}

pub(super) fn asking(
    name: &str,
    port: u16,
    upstreams: &[&str],
    ask: impl FnOnce(&mut Policy),
) -> Service {
    let mut policy = Policy { listen: Some(port), ..Policy::default() };
    ask(&mut policy);
    Service { protocol: Protocol::Tcp, policy: policy.into(), ..fixture::service(name, upstreams) }
}

pub(super) fn dial(port: u16) -> Wire<TcpStream> {
    Wire::connect(([127, 0, 0, 1], port).into())
}

/// Sends back what it gets, and its end.
pub(super) fn echo() -> Upstream {
    Upstream::raw(|mut wire| {
        let mut chunk = [0; 4096];
        while let Ok(count) = wire.stream.read(&mut chunk)
            && count > 0
        {
            wire.stream.write_all(&chunk[..count]).expect("written");
        }
    })
}

/// Tells what it got up to the end, as the answer.
fn repeats() -> Upstream {
    Upstream::raw(|mut wire| {
        let all = wire.rest();
        wire.send(&format!("<{all}>"));
    })
}

fn table(services: Vec<Service>) -> RouteTable {
    fixture::table(services)
}

/// Waits until a worker has done what the test cannot see happen.
pub(super) fn until(what: &str, is: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is() {
        assert!(tokio::time::Instant::now() < end, "never {what}");
        std::thread::yield_now();
    }
}

fn scrape(gateway: &Gateway) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    gateway.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
    text
}

fn is_reset(wire: &mut Wire<TcpStream>) -> bool {
    let read = wire.stream.read_exact(&mut [0]);
    read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn bytes_go_both_ways_and_the_end_of_one_way_is_not_the_end_of_the_other() {
    let upstream = repeats();
    let port = free_port();
    let gateway = Gateway::http(vec![stream("db", port, &[&upstream.text()])]);
    let mut client = dial(port);
    client.send("some");
    client.send("thing");
    client.stream.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(client.rest(), "<something>");
    until("counted", || scrape(&gateway).contains("proxy_tcp_connections_open{service=\"db\"} 0"));
    let text = scrape(&gateway);
    for line in [
        "proxy_tcp_connections_total{service=\"db\"} 1",
        "proxy_tcp_received_bytes_total{service=\"db\"} 9",
        "proxy_tcp_sent_bytes_total{service=\"db\"} 11",
    ] {
        assert!(text.contains(line), "{line}\nin\n{text}");
    }
    assert_eq!(gateway.stop().cut, 0);
}

#[test]
fn an_upstream_may_speak_first_and_end_first() {
    let upstream = Upstream::raw(|mut wire| {
        wire.send("hello");
        wire.stream.shutdown(Shutdown::Write).expect("half closed");
        assert_eq!(wire.rest(), "bye");
        wire.send("lost");
    });
    let port = free_port();
    let gateway = Gateway::http(vec![stream("db", port, &[&upstream.text()])]);
    let mut client = dial(port);
    assert_eq!(client.rest(), "hello");
    client.send("bye");
    client.stream.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(gateway.stop().cut, 0);
}

#[test]
fn much_is_carried_whole_although_the_client_is_slow_to_read() {
    const SIZE: usize = 8 * 1024 * 1024;
    let upstream = echo();
    let port = free_port();
    let gateway = Gateway::http(vec![stream("db", port, &[&upstream.text()])]);
    let mut client = dial(port);
    let mut writing = client.stream.try_clone().expect("a handle");
    let writer = std::thread::spawn(move || {
        let piece: Vec<u8> = (0..=250).cycle().take(65_536).collect();
        for _ in 0..SIZE / piece.len() {
            writing.write_all(&piece).expect("written");
        }
        writing.shutdown(Shutdown::Write).expect("half closed");
    });
    let mut got = Vec::new();
    client.stream.read_to_end(&mut got).expect("read");
    writer.join().expect("written");
    assert_eq!(got.len(), SIZE);
    let expected = (0..=250_u8).cycle().take(65_536).cycle_pieces(SIZE);
    assert!(got == expected, "the bytes differ");
    gateway.stop();
}

trait CyclePieces {
    fn cycle_pieces(self, size: usize) -> Vec<u8>;
}

impl<I: Iterator<Item = u8>> CyclePieces for I {
    fn cycle_pieces(self, size: usize) -> Vec<u8> {
        let piece: Vec<u8> = self.collect();
        piece.iter().copied().cycle().take(size).collect()
    }
}

#[test]
fn a_dead_upstream_costs_a_try_and_none_at_all_a_reset() {
    let (dead, upstream) = (nowhere(), echo());
    let (port, lost) = (free_port(), free_port());
    let gateway = Gateway::http(vec![
        stream("db", port, &[&dead, &upstream.text()]),
        stream("lost", lost, &[&dead]),
    ]);
    for _ in 0..4 {
        let mut client = dial(port);
        client.send("x");
        assert_eq!(client.exactly(1), "x");
    }
    assert!(is_reset(&mut dial(lost)));
    // With its only upstream ejected, it is not even tried.
    let table = gateway.table.current();
    let name = conduit_core::name::ServiceName::parse("lost").expect("a name");
    let pool = table.pool(&name).expect("a pool");
    pool.upstreams()[0].set_state(conduit_core::health::UpstreamState::Ejected);
    pool.refresh();
    assert!(is_reset(&mut dial(lost)));
    for line in [
        "proxy_tcp_failed_total{service=\"lost\",reason=\"connect_failed\"} 1",
        "proxy_tcp_failed_total{service=\"lost\",reason=\"no_upstream\"} 1",
    ] {
        until("counted", || scrape(&gateway).contains(line));
    }
    gateway.stop();
}

#[test]
fn a_connection_that_is_accepted_ends_a_row_of_failures() {
    let (upstream, port) = (echo(), free_port());
    let gateway = Gateway::http(vec![stream("db", port, &[&upstream.text()])]);
    let table = gateway.table.current();
    let name = conduit_core::name::ServiceName::parse("db").expect("a name");
    let reached = &table.pool(&name).expect("a pool").upstreams()[0];
    reached.report(crate::upstream::Observation::ConnectFailed);
    assert_eq!(reached.failures(), 1);
    let mut client = dial(port);
    client.send("x");
    assert_eq!((client.exactly(1).as_str(), reached.failures()), ("x", 0));
    drop(client);
    gateway.stop();
}

#[test]
fn an_upstream_that_has_its_fill_gets_no_more_and_nobody_calls_himself() {
    let upstream = echo();
    let (port, circle) = (free_port(), free_port());
    let own = format!("127.0.0.1:{circle}");
    let gateway = Gateway::http(vec![
        asking("db", port, &[&upstream.text()], |p| p.upstream.in_flight_max = Some(1)),
        stream("circle", circle, &[&own]),
    ]);
    let mut first = dial(port);
    first.send("x");
    assert_eq!(first.exactly(1), "x");
    assert!(is_reset(&mut dial(port)));
    drop(first);
    let table = gateway.table.current();
    let name = conduit_core::name::ServiceName::parse("db").expect("a name");
    until("free", || table.pool(&name).expect("a pool").upstreams()[0].in_flight() == 0);
    let mut next = dial(port);
    next.send("y");
    assert_eq!(next.exactly(1), "y");
    assert!(is_reset(&mut dial(circle)));
    for line in ["{service=\"db\",reason=\"full\"} 1", "{service=\"circle\",reason=\"loop\"} 1"] {
        until("counted", || scrape(&gateway).contains(line));
    }
    drop(next);
    gateway.stop();
}

#[test]
fn only_allowed_networks_come_in() {
    let upstream = echo();
    let port = free_port();
    let gateway = Gateway::http(vec![asking("db", port, &[&upstream.text()], |p| {
        p.allow = vec!["10.0.0.0/8".parse().expect("a network")];
        p.accept_proxy_header = Some(true);
    })]);
    for (from, comes_in) in [("10.1.2.3", true), ("192.0.2.1", false)] {
        let mut client = dial(port);
        client.send(&format!("PROXY TCP4 {from} 127.0.0.1 5 6\r\nx"));
        match comes_in {
            true => assert_eq!(client.exactly(1), "x"),
            false => assert!(client.stream.read(&mut [0]).map_or(true, |count| count == 0)),
        }
    }
    gateway.stop();
}

#[test]
fn a_proxy_header_is_required_where_it_is_expected_and_told_on_where_it_is_asked_for() {
    let upstream = repeats();
    let port = free_port();
    let gateway = Gateway::http(vec![asking("db", port, &[&upstream.text()], |p| {
        p.accept_proxy_header = Some(true);
        p.upstream.proxy_header = Some(ProxyHeader::V1);
    })]);
    let ask = |bytes: &[u8]| {
        let mut client = dial(port);
        client.stream.write_all(bytes).expect("sent");
        // A reset may have come already.
        client.stream.shutdown(Shutdown::Write).ok();
        let own = client.stream.local_addr().expect("bound").port();
        (client.rest(), own)
    };
    let v2 =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x01\x02\x03\x0a\x01\x02\x04\x00\x05\x00\x06data";
    for told in [&b"PROXY TCP4 10.1.2.3 10.1.2.4 5 6\r\ndata"[..], v2] {
        assert_eq!(ask(told).0, "<PROXY TCP4 10.1.2.3 10.1.2.4 5 6\r\ndata>");
    }
    // Whoever checks us says nothing about a client, and is one.
    let (seen, own) = ask(b"PROXY UNKNOWN\r\ndata");
    assert_eq!(seen, format!("<PROXY TCP4 127.0.0.1 127.0.0.1 {own} {port}\r\ndata>"));
    for nonsense in [&b"data"[..], b"PROXY TCP4 10.1.2.3\r\n", b"", b"\r\n\r\n\0\r\nQUIT\n\x31"] {
        assert_eq!(ask(nonsense).0, "", "{nonsense:?}");
    }
    let counted = "proxy_tcp_refused_total{reason=\"proxy_header\"} 4";
    until("counted", || scrape(&gateway).contains(counted));
    gateway.stop();
}

#[test]
fn a_port_comes_and_goes_with_its_service_and_connections_stay() {
    let upstream = echo();
    let port = free_port();
    let mut gateway = Gateway::http(Vec::new());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    for round in 0..3 {
        gateway.publish(table(vec![stream("db", port, &[&upstream.text()])]));
        let mut client = dial(port);
        client.send("before");
        assert_eq!(client.exactly(6), "before");
        gateway.publish(table(Vec::new()));
        if round == 1 {
            // At once again, while workers may not have closed it yet.
            continue;
        }
        until("closed", || TcpStream::connect(("127.0.0.1", port)).is_err());
        client.send("after");
        assert_eq!(client.exactly(5), "after");
    }
    assert_eq!(gateway.stop().cut, 0);
}

#[test]
fn a_new_table_serves_the_next_connection_and_leaves_the_last_one_alone() {
    let name = |name: &'static str| {
        Upstream::raw(move |mut wire| {
            while wire.stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {
                wire.send(name);
            }
        })
    };
    let (old, new) = (name("old"), name("new"));
    let port = free_port();
    let mut gateway = Gateway::http(vec![stream("db", port, &[&old.text()])]);
    let mut first = dial(port);
    first.send("?");
    assert_eq!(first.exactly(3), "old");
    gateway.publish(table(vec![stream("db", port, &[&new.text()])]));
    let mut second = dial(port);
    second.send("?");
    assert_eq!(second.exactly(3), "new");
    first.send("?");
    assert_eq!(first.exactly(3), "old");
    drop((first, second));
    gateway.stop();
}

#[test]
fn a_taken_port_is_refused_and_leaves_nothing_behind() {
    let upstream = echo();
    let (mine, port) = (free_port(), free_port());
    let holder = TcpListener::bind(("127.0.0.1", port)).expect("binds");
    let gateway = Gateway::http(vec![]);
    let current = gateway.table.current();
    let next =
        table(vec![stream("a", mine, &[&upstream.text()]), stream("b", port, &[&upstream.text()])]);
    let refused = gateway.ports.reserve(&current, &next).expect_err("taken");
    assert_eq!(refused.port, port);
    assert!(refused.reason.contains(&port.to_string()), "{refused}");
    TcpListener::bind(("127.0.0.1", mine)).expect("nothing has it");
    drop(holder);
    // A reservation that is not used lets go, too.
    drop(gateway.ports.reserve(&current, &next).expect("free"));
    TcpListener::bind(("127.0.0.1", port)).expect("nothing has it");
    gateway.stop();
}

#[test]
fn a_port_that_is_taken_at_the_start_is_down_until_it_is_free() {
    let upstream = echo();
    let (port, other) = (free_port(), free_port());
    let holder = TcpListener::bind(("127.0.0.1", port)).expect("binds");
    let gateway = Gateway::http(vec![
        stream("db", port, &[&upstream.text()]),
        stream("fine", other, &[&upstream.text()]),
    ]);
    let mut fine = dial(other);
    fine.send("x");
    assert_eq!(fine.exactly(1), "x");
    assert!(gateway.ports.fault(port).expect("a fault").contains(&port.to_string()));
    assert_eq!(gateway.ports.fault(other), None);
    drop(holder);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let trying = gateway.ports.clone().keep_trying();
    let tried = async { tokio::time::timeout(Duration::from_secs(6), trying).await };
    assert!(runtime.block_on(tried).is_err(), "it goes on for ever");
    assert_eq!(gateway.ports.fault(port), None);
    let mut late = dial(port);
    late.send("x");
    assert_eq!(late.exactly(1), "x");
    drop((fine, late));
    gateway.stop();
}

#[test]
fn a_stop_waits_for_streams_and_its_deadline_cuts_and_counts_them() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let upstream = Upstream::raw(move |mut wire| {
        wire.exactly(1);
        wire.send("first");
        wait.lock().expect("alone").recv().ok();
        wire.send("-last");
    });
    let (port, endless) = (free_port(), free_port());
    let forever = echo();
    let limits = Limits { drain: Duration::from_millis(300), ..Limits::default() };
    let services = vec![
        stream("db", port, &[&upstream.text()]),
        stream("endless", endless, &[&forever.text()]),
    ];
    let gateway = Gateway::with(table(services), |_| None, limits);
    let mut ending = dial(port);
    ending.send("x");
    assert_eq!(ending.exactly(5), "first");
    let mut cut = dial(endless);
    cut.send("x");
    assert_eq!(cut.exactly(1), "x");
    gateway.begin_stop();
    go.send(()).expect("waiting");
    assert_eq!(ending.rest(), "-last");
    drop(ending);
    let metrics = gateway.metrics.clone();
    assert_eq!(gateway.stop().cut, 1);
    assert_eq!(metrics.cut(), 1);
    assert_eq!(cut.rest(), "");
}

#[test]
fn a_thousand_connections_leave_nothing_behind() {
    let upstream = echo();
    let port = free_port();
    let gateway = Gateway::http(vec![stream("db", port, &[&upstream.text()])]);
    for round in 0..1_000 {
        let mut client = dial(port);
        client.send("x");
        if round % 3 > 0 {
            assert_eq!(client.exactly(1), "x");
        }
        if round % 3 == 2 {
            // As a client that dies does.
            let linger = Some(Duration::ZERO);
            socket2::SockRef::from(&client.stream).set_linger(linger).expect("set");
        }
    }
    until("accepted and closed", || {
        let text = scrape(&gateway);
        text.contains("proxy_tcp_connections_total{service=\"db\"} 1000")
            && text.contains("proxy_tcp_connections_open{service=\"db\"} 0")
            && gateway.metrics.connections_open() == 0
    });
    let name = conduit_core::name::ServiceName::parse("db").expect("a name");
    let table = gateway.table.current();
    assert_eq!(table.pool(&name).expect("a pool").upstreams()[0].in_flight(), 0);
    assert_eq!(gateway.stop().cut, 0);
}

#[test]
fn http_knows_nothing_of_a_host_that_is_a_stream() {
    let upstream = Upstream::mirror();
    let port = free_port();
    let gateway = Gateway::http(vec![stream("db", port, &[&upstream.text()])]);
    let (head, _) = gateway.connect().ask(&super::harness::get("db.internal", "/"));
    assert_eq!(head.status(), 404);
    gateway.stop();
}
