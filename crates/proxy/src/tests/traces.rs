//! What is recorded of requests as traces, and what upstreams are told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use conduit_core::policy::{Policy, Retries};
use conduit_core::service::Service;
use tokio::time::Instant;

use super::harness::{Gateway, Head, PATIENCE, Upstream, Wire, get, nowhere};
use crate::fixture::{self, service};
use crate::limits::TRACES_MAX;
use crate::trace::{Callers, Context, Ratio, Trace, Tracer, Traces, queue};

/// The next record.
fn next(traces: &Traces) -> Box<Trace> {
    let started = Instant::now();
    loop {
        if let Some(trace) = traces.ready() {
            return trace;
        }
        assert!(started.elapsed() < PATIENCE, "no trace");
        std::thread::yield_now();
    }
}

/// The context that an upstream was told.
fn told(head: &Head) -> Context {
    let mut headers = http::HeaderMap::new();
    let line = head.field("traceparent").unwrap_or_else(|| panic!("no context in {}", head.0));
    headers.insert("traceparent", line.parse().expect("a value"));
    Context::of(&headers).expect("a context")
}

fn mirrored(tracer: Option<&Tracer>, trusted: &[&str]) -> Gateway {
    let upstream = Upstream::mirror();
    let services = vec![service("web", &[&upstream.text()])];
    match tracer {
        Some(tracer) => Gateway::tracing(tracer, trusted, fixture::table(services)),
        None => Gateway::http(services),
    }
}

/// Asks for `/` with more lines, and returns what the upstream got.
fn ask(client: &mut Wire<std::net::TcpStream>, lines: &str) -> Head {
    let (head, body) =
        client.ask(&format!("GET /p?secret=1 HTTP/1.1\r\nhost: web.internal\r\n{lines}\r\n"));
    assert_eq!(head.status(), 200, "{}", head.0);
    Head(body)
}

#[test]
fn without_a_tracer_a_context_passes_untouched() {
    let gateway = mirrored(None, &[]);
    let mut client = gateway.connect();
    let seen = ask(&mut client, "traceparent: whatever it is\r\ntracestate: =\r\n");
    assert_eq!(seen.field("traceparent"), Some("whatever it is"));
    assert_eq!(seen.field("tracestate"), Some("="));
    assert_eq!(ask(&mut client, "").field("traceparent"), None);
    gateway.stop();
}

#[test]
fn a_trace_begins_here_and_the_upstream_is_told() {
    let (tracer, traces) = queue(Ratio::ALL, Callers::Proxies);
    let gateway = mirrored(Some(&tracer), &[]);
    let mut client = gateway.connect();
    let seen = ask(&mut client, "user-agent: curl/8\r\nx-request-id: r1\r\n");
    let trace = next(&traces);
    let told = told(&seen);
    assert_eq!(told.trace, trace.context.trace);
    assert!(told.is_sampled() && trace.parent.is_none() && trace.link.is_none());
    assert_eq!(trace.tries.len(), 1);
    assert_eq!(trace.tries[0].span, told.span);
    assert_ne!(told.span, trace.context.span);
    assert_eq!((trace.tries[0].status, trace.end.status), (Some(200), 200));
    assert_eq!((trace.host.as_str(), trace.path.as_str()), ("web.internal", "/p"));
    assert_eq!(trace.tries[0].path, "/p");
    assert_eq!(trace.route.as_ref().map(|r| r.service.as_str()), Some("web"));
    assert_eq!(trace.request_id.as_ref().map(|id| id.as_bytes()), Some(&b"r1"[..]));
    assert_eq!(trace.user_agent.as_ref().map(|agent| agent.as_bytes()), Some(&b"curl/8"[..]));
    assert_eq!((trace.error, trace.end.complete), (None, true));
    assert!(trace.end.first_byte.expect("it answered") <= trace.end.took);
    assert!(trace.tries[0].began + trace.tries[0].took <= trace.end.took + PATIENCE);
    gateway.stop();
}

#[test]
fn only_trusted_callers_traces_go_on() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let line = |flags| format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-{flags}\r\n");
    let state = "tracestate: a=1\r\ntracestate: b=2\r\n";
    let loopback = ["127.0.0.0/8"];
    for (callers, trusted, goes_on) in [
        (Callers::Proxies, &loopback[..], true),
        (Callers::Proxies, &[][..], false),
        (Callers::Everybody, &[], true),
        (Callers::Nobody, &loopback, false),
    ] {
        let (tracer, traces) = queue(Ratio::ALL, callers);
        let gateway = mirrored(Some(&tracer), trusted);
        let mut client = gateway.connect();
        let seen = ask(&mut client, &(line("01") + state));
        let trace = next(&traces);
        assert_eq!(told(&seen).trace, trace.context.trace);
        assert_eq!(trace.context.trace.to_string() == TRACE, goes_on);
        assert_eq!(trace.parent.is_some(), goes_on);
        assert_eq!(
            trace.link.map(|link| link.trace.to_string() == TRACE),
            (!goes_on).then_some(true)
        );
        assert_eq!(seen.field("tracestate"), goes_on.then_some("a=1,b=2"));
        // What is not recorded is passed on as such; elsewhere it is decided anew.
        let seen = ask(&mut client, &line("00"));
        assert_eq!(told(&seen).is_sampled(), !goes_on);
        if !goes_on {
            next(&traces);
        }
        // What is no context is nobody's.
        let seen = ask(&mut client, &(line("01") + &line("01") + state));
        let trace = next(&traces);
        assert!(trace.parent.is_none() && trace.link.is_none());
        assert_eq!(seen.field("tracestate"), None);
        assert!(traces.ready().is_none());
        gateway.stop();
    }
}

#[test]
fn what_is_not_sampled_is_not_recorded_and_says_so() {
    let (tracer, traces) = queue(Ratio::new(0.0).expect("a ratio"), Callers::Everybody);
    let gateway = mirrored(Some(&tracer), &[]);
    let mut client = gateway.connect();
    let first = told(&ask(&mut client, ""));
    assert!(!first.is_sampled());
    assert_ne!(told(&ask(&mut client, "")).trace, first.trace);
    assert!(traces.ready().is_none());
    // A caller that records goes before the ratio.
    ask(&mut client, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n");
    assert_eq!(
        next(&traces).parent.map(|span| span.to_string()).as_deref(),
        Some("00f067aa0ba902b7")
    );
    gateway.stop();
}

#[test]
fn every_try_is_a_span() {
    let (tracer, traces) = queue(Ratio::ALL, Callers::Nobody);
    let busy = Upstream::http(|_| "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_owned());
    let good = Upstream::mirror();
    let dead = nowhere();
    let retries = Retries { max: Some(2), budget_percent: Some(100), on_status: Some(true) };
    let policy = Arc::new(Policy { retries, ..Policy::default() });
    let upstreams = [dead.clone(), busy.text(), good.text()];
    let names: Vec<&str> = upstreams.iter().map(String::as_str).collect();
    let web = Service { policy, ..service("web", &names) };
    let gateway = Gateway::tracing(&tracer, &[], fixture::table(vec![web]));
    let mut client = gateway.connect();
    // Whoever comes first, sooner or later one request goes all the way.
    let started = Instant::now();
    loop {
        let (head, body) = client.ask(&get("web.internal", "/"));
        assert_eq!(head.status(), 200, "{}", head.0);
        let trace = next(&traces);
        let last = trace.tries.last().expect("a try");
        assert_eq!(told(&Head(body)).span, last.span);
        assert_eq!((last.status, last.error), (Some(200), None));
        let mut until = trace.tries[0].began;
        for one in &trace.tries {
            assert!(one.began >= until, "{:?}", trace.tries);
            until = one.began + one.took;
            let expected = match one.upstream.addr().to_string() {
                addr if addr == dead => (None, Some("connect_failed")),
                addr if addr == busy.text() => (Some(503), None),
                _ => (Some(200), None),
            };
            assert_eq!((one.status, one.error), expected);
        }
        assert_eq!((trace.end.status, trace.error), (200, None));
        if trace.tries.len() == 3 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "never three tries");
    }
    gateway.stop();
}

#[test]
fn failures_say_which_trace_they_are_in() {
    let (tracer, traces) = queue(Ratio::ALL, Callers::Nobody);
    let services = vec![service("web", &[&nowhere()])];
    let gateway = Gateway::tracing(&tracer, &[], fixture::table(services));
    let (head, body) = gateway.connect().ask(&get("web.internal", "/"));
    assert_eq!(head.status(), 502);
    let trace = next(&traces);
    assert!(body.contains(&format!("\"trace_id\":\"{}\"", trace.context.trace)), "{body}");
    assert_eq!((trace.error, trace.is_clients), (Some("connect_failed"), false));
    assert_eq!(trace.tries[0].error, Some("connect_failed"));
    let (_, page) = gateway
        .connect()
        .ask("GET / HTTP/1.1\r\nhost: nobody.internal\r\naccept: text/html\r\n\r\n");
    let trace = next(&traces);
    assert!(page.contains(&trace.context.trace.to_string()), "{page}");
    assert_eq!((trace.error, trace.is_clients), (Some("unknown_host"), true));
    assert!(trace.route.is_none() && trace.tries.is_empty());
    gateway.stop();
}

#[test]
fn ends_are_told_apart() {
    let (tracer, traces) = queue(Ratio::ALL, Callers::Nobody);
    let (came, comes) = std::sync::mpsc::channel();
    let upstream = Upstream::raw(move |mut wire| {
        while let Some(head) = wire.head() {
            match head.0.split(' ').nth(1) {
                Some("/switch") => wire.send(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                     upgrade: websocket\r\n\r\n",
                ),
                Some("/broken") => {
                    wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
                    return;
                }
                _ => {
                    came.send(()).expect("waited for");
                    wire.rest();
                }
            }
        }
    });
    let services = vec![service("web", &[&upstream.text()])];
    let gateway = Gateway::tracing(&tracer, &[], fixture::table(services));
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/broken"));
    client.rest();
    let trace = next(&traces);
    assert_eq!((trace.error, trace.is_clients), (Some("upstream_broken"), false));
    assert_eq!(trace.tries[0].error, Some("upstream_broken"));

    let mut client = gateway.connect();
    client.send(
        "GET /switch HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\n\r\n",
    );
    assert_eq!(client.head().expect("a head").status(), 101);
    let trace = next(&traces);
    assert_eq!((trace.end.status, trace.error), (101, None));
    // A tunnel would hold up the stop.
    drop(client);

    let mut client = gateway.connect();
    client.send(&get("web.internal", "/hang"));
    comes.recv_timeout(PATIENCE).expect("it arrived");
    drop(client);
    let trace = next(&traces);
    assert_eq!((trace.end.status, trace.error), (0, Some("client_left")));
    assert!(trace.is_clients);
    assert_eq!((trace.tries[0].status, trace.tries[0].error), (None, Some("client_left")));
    gateway.stop();
}

#[test]
fn an_exporter_that_hangs_stops_nobody() {
    let (tracer, traces) = queue(Ratio::ALL, Callers::Nobody);
    let gateway = Gateway::tracing(&tracer, &[], fixture::table(Vec::new()));
    let mut client = gateway.connect();
    let many = get("nobody.internal", "/").repeat(64);
    let requests = (TRACES_MAX / 64 + 1) * 64;
    for _ in 0..requests / 64 {
        client.send(&many);
        for _ in 0..64 {
            assert_eq!(client.response().0.status(), 404);
        }
    }
    gateway.stop();
    let kept = std::iter::from_fn(|| traces.ready()).count();
    assert_eq!(kept, TRACES_MAX);
    assert_eq!(traces.lost().load(Ordering::Relaxed), (requests - kept) as u64);
}

#[test]
fn a_client_that_gives_an_id_gets_it_back() {
    let own = Upstream::http(|_| {
        "HTTP/1.1 200 OK\r\nx-request-id: theirs\r\ncontent-length: 0\r\n\r\n".to_owned()
    });
    let plain = Upstream::mirror();
    let services = vec![service("own", &[&own.text()]), service("plain", &[&plain.text()])];
    let gateway = Gateway::http(services);
    let mut client = gateway.connect();
    for (host, id, answered) in [
        ("plain.internal", "x-request-id: r1\r\n", Some("r1")),
        ("plain.internal", "", None),
        ("plain.internal", "x-request-id: no good\r\n", None),
        ("own.internal", "x-request-id: r1\r\n", Some("theirs")),
    ] {
        let (head, _) = client.ask(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n{id}\r\n"));
        assert_eq!(head.field("x-request-id"), answered, "{host} {id}");
    }
    gateway.stop();
}
