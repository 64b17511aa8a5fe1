//! Which upstream a request gets, whether it waits for it, and whether it is tried again.

use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use conduit_core::health::UpstreamState;
use conduit_core::policy::{Policy, Retries, Sticky};
use conduit_core::service::Service;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::harness::{Gateway, PATIENCE, Upstream, Wire, get, nowhere, ok};
use crate::fixture;
use crate::pool::Pool;

/// `web.internal` at these upstreams, with a policy.
fn web(upstreams: &[&str], policy: Policy) -> Service {
    Service { policy: Arc::new(policy), ..fixture::service("web", upstreams) }
}

fn pool(gateway: &Gateway) -> Arc<Pool> {
    Arc::clone(&gateway.table.current().get("web.internal").expect("a route").pool)
}

/// The number behind the name of a metric of `web`.
fn metric(gateway: &Gateway, name: &str) -> u64 {
    let mut registry = Registry::with_prefix("conduit");
    let mut text = String::new();
    gateway.metrics.register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
    let line = format!("conduit_proxy_{name}{{service=\"web\"}} ");
    let number = text.lines().find_map(|found| found.strip_prefix(&line));
    number.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().expect("a number")
}

/// Waits until something holds that other threads bring about.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Answers each request when it is told to, and says in which order they came.
fn slow() -> (Upstream, Receiver<String>, Sender<()>) {
    let (seen, came) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::http(move |head| {
        let path = head.0.split(' ').nth(1).expect("a path").to_owned();
        seen.send(path).ok();
        gone.lock().expect("no panic").recv_timeout(PATIENCE).ok();
        ok("done")
    });
    (upstream, came, go)
}

fn limited(in_flight_max: u32, queue_max: u32, queue_timeout: &str) -> Policy {
    let mut policy = Policy::default();
    policy.upstream.in_flight_max = Some(in_flight_max);
    policy.upstream.queue_max = Some(queue_max);
    policy.upstream.queue_timeout = Some(queue_timeout.parse().expect("a span"));
    policy
}

fn retrying(max: u8, budget_percent: u8, on_status: bool) -> Policy {
    let (max, budget_percent) = (Some(max), Some(budget_percent));
    let retries = Retries { max, budget_percent, on_status: Some(on_status) };
    Policy { retries, ..Policy::default() }
}

fn busy() -> Upstream {
    Upstream::http(|_| "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy".to_owned())
}

#[test]
fn a_client_stays_on_its_upstream_by_our_cookie() {
    let (one, two) = (
        Upstream::http(|head| ok(&format!("one {}", head.field("cookie").unwrap_or("-")))),
        Upstream::http(|head| ok(&format!("two {}", head.field("cookie").unwrap_or("-")))),
    );
    let sticky = Some(Sticky { cookie: "stick".parse().expect("a name") });
    let policy = Policy { sticky, ..Policy::default() };
    let gateway = Gateway::http(vec![web(&[&one.text(), &two.text()], policy)]);
    let mut client = gateway.connect();
    let (head, body) = client.ask(&get("web.internal", "/"));
    let set = head.field("set-cookie").expect("a cookie").to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "in the clear: {set}");
    let cookie = set.split(';').next().expect("a cookie").to_owned();
    let with = |cookie: &str| {
        format!("GET / HTTP/1.1\r\nhost: web.internal\r\ncookie: a=b; {cookie}\r\n\r\n")
    };
    let (first, other) = if body.starts_with("one") { ("one", "two") } else { ("two", "one") };
    for _ in 0..6 {
        let (head, body) = client.ask(&with(&cookie));
        assert_eq!(body, format!("{first} a=b"), "ours is not the upstream's business");
        assert_eq!(head.field("set-cookie"), None, "it has it already");
    }
    let (head, _) = client.ask(&with("stick=ffff"));
    assert!(head.field("set-cookie").is_some(), "an unknown one is replaced");

    let pool = pool(&gateway);
    let place = usize::from(first == "two");
    pool.upstreams()[place].set_state(UpstreamState::Ejected);
    pool.refresh();
    let (head, body) = client.ask(&with(&cookie));
    assert_eq!(body, format!("{other} a=b"));
    assert_ne!(head.field("set-cookie").expect("a new cookie").split(';').next(), Some(&*cookie));
    gateway.stop();
}

#[test]
fn who_waits_is_served_in_order_and_who_leaves_is_forgotten() {
    let (upstream, came, go) = slow();
    let gateway = Gateway::http(vec![web(&[&upstream.text()], limited(1, 10, "10m"))]);
    let pool = pool(&gateway);
    let mut clients: Vec<Wire<TcpStream>> = Vec::new();
    for (number, path) in ["/a", "/b", "/c", "/d"].iter().enumerate() {
        let mut client = gateway.connect();
        client.send(&get("web.internal", path));
        until("it waits", || pool.waiting() == number || number == 0);
        if number == 0 {
            assert_eq!(came.recv_timeout(PATIENCE).expect("a request"), "/a");
        }
        clients.push(client);
    }
    assert_eq!(metric(&gateway, "requests_queued"), 3);
    drop(clients.remove(2));
    until("/c leaves", || pool.waiting() == 2);
    for (client, next) in clients.iter_mut().zip([Some("/b"), Some("/d"), None]) {
        go.send(()).expect("an upstream");
        assert_eq!(client.response().1, "done");
        if let Some(next) = next {
            assert_eq!(came.recv_timeout(PATIENCE).expect("a request"), next);
        }
    }
    assert!(came.try_recv().is_err(), "/c never came");
    assert_eq!((pool.waiting(), upstream.connections()), (0, 1));
    assert_eq!(metric(&gateway, "requests_queued"), 0);
    assert_eq!(metric(&gateway, "queue_refused_total"), 0);
    gateway.stop();
}

#[test]
fn a_full_queue_and_a_long_wait_are_answered_with_503() {
    for (queue_max, timeout, text) in [
        (0, "10m", "every upstream of web is busy, and too many requests wait"),
        (1, "1s", "every upstream of web was busy for 1 s"),
    ] {
        let (upstream, came, go) = slow();
        let policy = limited(1, queue_max, timeout);
        let gateway = Gateway::http(vec![web(&[&upstream.text()], policy)]);
        let mut first = gateway.connect();
        first.send(&get("web.internal", "/"));
        came.recv_timeout(PATIENCE).expect("a request");
        let (head, body) = gateway.connect().ask(&get("web.internal", "/"));
        assert_eq!(head.status(), 503);
        assert!(body.contains(text), "{body}");
        assert_eq!(head.field("conduit-error"), Some("saturated"));
        assert_eq!(head.field("retry-after"), Some("5"));
        assert_eq!(metric(&gateway, "queue_refused_total"), 1);
        go.send(()).expect("an upstream");
        assert_eq!(first.response().1, "done");
        gateway.stop();
    }
}

#[test]
fn a_place_is_free_again_when_the_response_ends_or_the_client_leaves() {
    let upstream = Upstream::raw(|mut wire| {
        while let Some(head) = wire.head() {
            if head.0.starts_with("GET /endless") {
                wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
            } else {
                wire.send(&ok("done"));
            }
        }
    });
    let gateway = Gateway::http(vec![web(&[&upstream.text()], limited(1, 10, "10m"))]);
    let pool = pool(&gateway);
    let mut endless = gateway.connect();
    endless.send(&get("web.internal", "/endless"));
    endless.until("1\r\na\r\n");
    let mut next = gateway.connect();
    next.send(&get("web.internal", "/"));
    until("it waits", || pool.waiting() == 1);
    drop(endless);
    assert_eq!(next.response().1, "done");
    until("all places are free", || pool.upstreams()[0].in_flight() == 0);
    gateway.stop();
}

#[test]
fn a_request_that_could_not_be_sent_moves_on_as_often_as_it_may() {
    let upstream = Upstream::mirror();
    let (dead, text) = ([nowhere(), nowhere()], upstream.text());
    let post = "POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 4\r\n\r\nbody";
    for (max, expected) in [(2, 200), (0, 502)] {
        let addresses = [&*dead[0], &*dead[1], &*text];
        let gateway = Gateway::http(vec![web(&addresses, retrying(max, 100, false))]);
        // Three, since more would spend the retry budget.
        let statuses: Vec<u16> = (0..3)
            .map(|_| {
                let mut client = gateway.connect();
                client.send(post);
                client.head().expect("a response").status()
            })
            .collect();
        assert!(statuses.iter().all(|status| [200, expected].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&expected));
        gateway.stop();
    }
}

#[test]
fn a_failed_answer_is_tried_elsewhere_where_the_policy_says_so() {
    let closes = Upstream::raw(|mut wire| drop(wire.head()));
    let fine = Upstream::http(|_| ok("fine"));
    for failing in [busy(), closes] {
        let addresses = [failing.text(), fine.text()];
        let addresses = [&*addresses[0], &*addresses[1]];
        let statuses = |policy: Policy, request: &str| -> Vec<u16> {
            let gateway = Gateway::http(vec![web(&addresses, policy)]);
            let ask = |_| gateway.connect().ask(request).0.status();
            let statuses = (0..8).map(ask).collect();
            gateway.stop();
            statuses
        };
        let read = get("web.internal", "/");
        assert_eq!(statuses(retrying(1, 100, true), &read), [200; 8]);
        let post = "POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 0\r\n\r\n";
        let put = "PUT / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 1\r\n\r\nx";
        for (policy, request) in [
            (retrying(1, 100, false), &*read),
            (retrying(0, 100, true), &read),
            (retrying(1, 100, true), post),
            (retrying(1, 100, true), put),
        ] {
            let statuses = statuses(policy, request);
            assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 4, "{request}");
        }
    }
}

#[test]
fn the_last_answer_counts_when_all_upstreams_fail() {
    let (one, two) = (busy(), busy());
    let policy = retrying(5, 100, true);
    let gateway = Gateway::http(vec![web(&[&one.text(), &two.text()], policy)]);
    let (head, body) = gateway.connect().ask(&get("web.internal", "/"));
    assert_eq!((head.status(), &*body), (503, "busy"));
    assert_eq!(head.field("conduit-error"), None, "it is the upstream's own");
    assert_eq!(metric(&gateway, "retries_total"), 1);
    assert_eq!(metric(&gateway, "retries_refused_total"), 0);
    gateway.stop();
}

#[test]
fn the_time_to_the_first_byte_is_kept_per_upstream() {
    let (fine, failing) = (Upstream::http(|_| ok("fine")), busy());
    let mut policy = retrying(0, 0, false);
    policy.balance = Some("peak-ewma".parse().expect("a policy"));
    let gateway = Gateway::http(vec![web(&[&fine.text(), &failing.text()], policy)]);
    let pool = pool(&gateway);
    let seconds = |place: usize| pool.upstreams()[place].recent_first_byte(Instant::now());
    assert_eq!((seconds(0), seconds(1)), (None, None));
    let mut client = gateway.connect();
    until("both were asked", || {
        client.ask(&get("web.internal", "/"));
        seconds(0).is_some() && seconds(1).is_some()
    });
    assert!(seconds(0) < seconds(1), "a fast failure counts as a slow answer");
    gateway.stop();
}

#[test]
fn retries_stop_when_their_budget_is_spent() {
    let (failing, fine) = (busy(), Upstream::http(|_| ok("fine")));
    let policy = retrying(1, 0, true);
    let gateway = Gateway::http(vec![web(&[&failing.text(), &fine.text()], policy)]);
    let mut client = gateway.connect();
    let refused =
        (0..200).filter(|_| client.ask(&get("web.internal", "/")).0.status() == 503).count();
    assert!(metric(&gateway, "retries_total") >= 10, "ten are always allowed");
    assert!(refused > 0);
    assert_eq!(metric(&gateway, "retries_refused_total"), refused as u64);
    gateway.stop();
}
