//! Traces, as a collector gets them and as upstreams are told.

use bytes::Bytes;
use conduit_tests::collector::{Collector, attribute, hex};
use conduit_tests::{Client, Gateway, Upstream, gateway};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn told(url: &str) -> String {
    format!(
        "[proxy]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[health]\ninterval = \"1h\"\n\
         [telemetry]\notlp = \"{url}\"\ntimeout = \"1s\"\n"
    )
}

/// Asks as a service that is in the middle of a trace.
async fn ask(client: &Client, path: &str) -> (StatusCode, String) {
    let request = Request::get(path)
        .header("host", "web.internal")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("tracestate", "theirs=1")
        .header("x-request-id", "r1")
        .body(Full::<Bytes>::default())
        .expect("a request");
    let response = client.send("web.internal", request).await.expect("answered");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn is_of(span: &Span, path: &str) -> bool {
    attribute(span, "url.path").as_deref() == Some(path)
        || attribute(span, "url.full").is_some_and(|url| url.ends_with(path))
}

fn nanos(span: &Span) -> std::ops::RangeInclusive<u64> {
    span.start_time_unix_nano..=span.end_time_unix_nano
}

/// A number of `/metrics`.
async fn metric(gateway: &Gateway, line: &str) -> u64 {
    let text = gateway.api.metrics().await.expect("metrics");
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {line} in\n{text}")).parse().expect("a number")
}

async fn until_metric(gateway: &Gateway, line: &str, is: impl Fn(u64) -> bool) {
    let end = tokio::time::Instant::now() + gateway::PATIENCE;
    while !is(metric(gateway, line).await) {
        assert!(tokio::time::Instant::now() < end, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_through_a_retry() {
    let collector = Collector::start().await;
    let gateway = Gateway::start_with(&told(&collector.url())).await;
    let (good, dying) = (Upstream::start("good").await, Upstream::start("dying").await);
    gateway.register("web", &[&good.host(), &dying.host()]).await.expect("registered");
    gateway
        .until("web", "proven", |s| s.upstream_health.iter().all(|u| u.last_probe_at.is_some()))
        .await;
    let dead = dying.host();
    dying.stop();
    // Until one request has met the dead one first; every other one is a plain trace.
    let mut tries = Vec::new();
    let mut seen = String::new();
    for round in 0..50 {
        let path = format!("/headers?round={round}");
        let (status, text) = ask(&gateway.client(), &path).await;
        assert_eq!(status, StatusCode::OK);
        let at_least = 2 * (round + 1);
        let all = collector.spans(at_least, |span| is_of(span, "/headers")).await;
        tries = all.iter().filter(|s| s.kind == SpanKind::Client as i32).cloned().collect();
        seen = text;
        if tries.len() > round + 1 {
            break;
        }
    }
    let failed = tries.iter().find(|span| attribute(span, "error.type").is_some());
    let failed = failed.expect("a request that met the dead upstream");
    let of_one = |span: &&Span| span.parent_span_id == failed.parent_span_id;
    let again = tries.iter().filter(of_one).find(|span| span.span_id != failed.span_id);
    let again = again.expect("a second try");
    assert_eq!(attribute(failed, "error.type").as_deref(), Some("connect_failed"));
    assert_eq!(failed.status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(attribute(failed, "url.full"), Some(format!("http://{dead}/headers")));
    assert_eq!(attribute(failed, "http.request.resend_count"), None);
    assert_eq!(attribute(again, "http.request.resend_count").as_deref(), Some("1"));
    assert_eq!(attribute(again, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(attribute(again, "server.port"), Some(good.address.port().to_string()));
    assert_eq!(attribute(again, "conduit.service").as_deref(), Some("web"));
    assert_eq!(again.status, None);
    assert!(failed.end_time_unix_nano <= again.start_time_unix_nano);
    // The upstream is told of the try that reached it, in the caller's trace.
    let told = format!("traceparent: 00-{TRACE}-{}-01\n", hex(&again.span_id));
    assert!(seen.contains(&told), "{told} in {seen}");
    assert!(seen.contains("tracestate: theirs=1\n"), "{seen}");

    let served = collector.spans(1, |span| span.span_id == failed.parent_span_id).await.remove(0);
    assert_eq!((hex(&served.trace_id), hex(&served.parent_span_id)), (TRACE.into(), CALLER.into()));
    assert_eq!((served.name.as_str(), served.kind), ("GET web", SpanKind::Server as i32));
    assert_eq!((served.trace_state.as_str(), &served.status), ("theirs=1", &None));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "https"),
        ("url.path", "/headers"),
        ("server.address", "web.internal"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("conduit.service", "web"),
        ("conduit.request_id", "r1"),
    ] {
        assert_eq!(attribute(&served, key).as_deref(), Some(value), "{key}");
    }
    let first_byte = served.events.first().expect("the first byte");
    assert!(nanos(&served).contains(&first_byte.time_unix_nano));
    for one in [failed, again] {
        assert!(nanos(&served).contains(&one.start_time_unix_nano));
        assert!(nanos(&served).contains(&one.end_time_unix_nano));
    }
    assert!(!format!("{tries:?}{served:?}").contains("round="), "queries are nobody's business");
    assert_eq!(collector.resource("service.name").as_deref(), Some("conduit"));
    assert!(metric(&gateway, "conduit_trace_spans_exported_total").await > 0);
    assert!(gateway.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_costs_nobody_anything_and_may_come_back() {
    let collector = Collector::start().await;
    let (address, url) = (collector.address, collector.url());
    drop(collector);
    let gateway = Gateway::start_with(&told(&url)).await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let client = gateway.client();
    assert_eq!(ask(&client, "/one").await.0, StatusCode::OK);
    until_metric(&gateway, "conduit_trace_exports_failed_total", |count| count > 0).await;
    // One that hangs: the same, after the timeout.
    let collector = Collector::start_on(address, 0).await;
    let failed = metric(&gateway, "conduit_trace_exports_failed_total").await;
    until_metric(&gateway, "conduit_trace_exports_failed_total", |count| count > failed).await;
    assert_eq!(ask(&client, "/two").await.0, StatusCode::OK);
    // What it does not want is dropped at once, and what comes after it is taken.
    collector.answer(400);
    until_metric(&gateway, "conduit_trace_spans_lost_total{reason=\"refused\"}", |n| n >= 2).await;
    collector.answer(200);
    assert_eq!(ask(&client, "/three").await.0, StatusCode::OK);
    collector.spans(2, |span| is_of(span, "/three")).await;
    assert!(collector.asked() >= 3);
    assert!(gateway.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_at_a_stop_is_handed_over() {
    let collector = Collector::start().await;
    let gateway = Gateway::start_with(&told(&collector.url())).await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    assert_eq!(ask(&gateway.client(), "/last").await.0, StatusCode::OK);
    assert!(tokio::task::spawn_blocking(move || gateway.stop()).await.expect("ended"));
    collector.spans(2, |span| is_of(span, "/last")).await;
}
