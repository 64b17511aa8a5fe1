//! Quiet connections give their buffers back, and go on as if nothing had been.

use super::harness::{Upstream, Wire, get};
use super::tcp::until;
use super::tls::Site;
use crate::metrics::ProxyMetrics;

#[test]
fn a_quiet_connection_rests_and_goes_on_as_if_nothing_had_been() {
    let upstream = Upstream::raw(|mut wire| {
        while let Some(head) = wire.head() {
            if head.field("upgrade").is_none() {
                wire.send(&super::harness::ok(&head.0));
                continue;
            }
            wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            );
            let said = wire.exactly(6);
            wire.send(&said);
        }
    });
    let site = Site::start(&[("web", &upstream.text())]);
    let mut wire = site.wire("web.internal");
    let mut leaves = site.wire("web.internal");
    assert_eq!(leaves.ask(&get("web.internal", "/left")).0.status(), 200);
    assert_eq!(wire.ask(&get("web.internal", "/1")).0.status(), 200);
    until("both rest", || rests(&site.gateway.metrics) == 2);

    drop(leaves);
    until("who leaves is noticed", || site.gateway.metrics.connections_open() == 1);

    // In pieces, of which the first is less than a word.
    let request = get("web.internal", "/2");
    let (first, second) = request.split_at(2);
    wire.send(first);
    until("it is awake", || rests(&site.gateway.metrics) == 0);
    wire.send(second);
    let (head, seen) = wire.response();
    assert_eq!(head.status(), 200);
    assert!(seen.starts_with("GET /2 HTTP/1.1\r\n"), "{seen}");

    until("it rests again", || rests(&site.gateway.metrics) == 1);
    // What was read while it rested, and what was not, are one stream; also for a tunnel.
    let upgrade = "GET /3 HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\nupgrade: x\r\n";
    wire.send(&format!("{upgrade}pad: {}\r\n\r\n", "x".repeat(2_000)));
    assert_eq!(wire.head().expect("an answer").status(), 101);
    wire.send("tunnel");
    assert_eq!(wire.exactly(6), "tunnel");
    drop(wire);
    site.gateway.stop();
}

#[test]
fn a_connection_at_rest_is_closed_by_a_stop_and_not_reset() {
    let upstream = Upstream::mirror();
    let site = Site::start(&[("web", &upstream.text())]);
    let mut wire = site.wire("web.internal");
    assert_eq!(wire.ask(&get("web.internal", "/")).0.status(), 200);
    until("it rests", || rests(&site.gateway.metrics) == 1);
    site.gateway.stop();
    // Reading to the end would fail without TLS's own goodbye.
    assert_eq!(wire.rest(), "");
}

#[test]
fn in_the_clear_it_is_the_same() {
    let upstream = Upstream::mirror();
    let gateway =
        super::harness::Gateway::http(vec![crate::fixture::service("web", &[&upstream.text()])]);
    let mut wire: Wire<_> = gateway.connect();
    for path in ["/1", "/2"] {
        let (head, seen) = wire.ask(&get("web.internal", path));
        assert_eq!(head.status(), 200);
        assert!(seen.starts_with(&format!("GET {path} ")), "{seen}");
        until("it rests", || rests(&gateway.metrics) == 1);
    }
    gateway.stop();
}

fn rests(metrics: &ProxyMetrics) -> u64 {
    metrics.connections_resting()
}
