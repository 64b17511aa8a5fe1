//! What a collector gets, and what becomes of what it does not want.

use conduit_core::clock::Timestamp;
use conduit_proxy::access_log::End;
use conduit_proxy::trace::{Callers, Context, Ratio};
use http::{HeaderMap, HeaderValue, Method, Version};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn context(text: &str) -> Context {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_str(text).expect("a value"));
    Context::of(&headers).expect("a context")
}

fn trace() -> Trace {
    Trace {
        context: context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"),
        parent: None,
        link: Some(context("00-12345678901234567890123456789012-1234567890123456-00")),
        state: None,
        time: Timestamp::from_seconds(1_700_000_000),
        client: "::ffff:10.0.0.9".parse().expect("an address"),
        is_tls: false,
        method: Method::from_bytes(b"BREW").expect("a method"),
        host: String::new(),
        path: "/coffee".to_owned(),
        version: Version::HTTP_2,
        user_agent: None,
        request_id: None,
        route: None,
        tries: Vec::new(),
        error: Some("bad_authority"),
        is_clients: true,
        end: End { status: 400, took: Duration::from_millis(2), ..End::default() },
    }
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let found = span.attributes.iter().find(|pair| pair.key == key)?;
    found.value.as_ref()?.value.as_ref()
}

#[test]
fn a_record_becomes_a_span_in_the_names_of_the_conventions() {
    let span = otlp::spans(&trace()).remove(0);
    let text = |text: &str| Some(Value::StringValue(text.to_owned()));
    for (key, expected) in [
        ("http.request.method", text("_OTHER")),
        ("http.request.method_original", text("BREW")),
        ("url.path", text("/coffee")),
        ("url.scheme", text("http")),
        ("client.address", text("10.0.0.9")),
        ("network.protocol.version", text("2")),
        ("http.response.status_code", Some(Value::IntValue(400))),
        ("error.type", text("bad_authority")),
        ("server.address", None),
        ("conduit.service", None),
    ] {
        assert_eq!(attribute(&span, key), expected.as_ref(), "{key}");
    }
    assert_eq!((span.name.as_str(), span.parent_span_id.len()), ("HTTP", 0));
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 2_000_000);
    // The client's own doing is no error of a server.
    assert_eq!((span.status.clone(), span.flags), (None, 0x103));
    assert_eq!(span.links.len(), 1);
    let ours = Trace { is_clients: false, ..trace() };
    assert!(otlp::spans(&ours)[0].status.is_some());
    let upstreams = Trace { error: None, end: End { status: 503, ..End::default() }, ..trace() };
    let span = otlp::spans(&upstreams).remove(0);
    assert_eq!(attribute(&span, "error.type"), text("503").as_ref());
    assert!(span.status.is_some());
}

/// Hands one batch to a collector that gives these answers, one per connection; what is then
/// counted, as exported, refused, undelivered and failed tries.
async fn delivered(answers: &[&str], body: &[u8], stops: bool) -> [u64; 4] {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let at = config::Collector {
        is_tls: false,
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("bound").port(),
        path: "/v1/traces".to_owned(),
    };
    let (_tracer, traces) = queue(Ratio::ALL, Callers::Nobody);
    let mut work = Work {
        traces,
        collector: Collector::new(at, None, Duration::from_secs(10)).expect("no TLS"),
        resource: Resource::of("conduit"),
        counts: Counts::default(),
        stop: CancellationToken::new(),
        is_failing: false,
    };
    if stops {
        work.stop.cancel();
    }
    let serving = async {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = vec![0; 64 * 1_024];
            let mut length = 0;
            let head = loop {
                length += stream.read(&mut request[length..]).await.expect("a request");
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                if let Some(end) = text.find("\r\n\r\n") {
                    break text[..end].to_owned();
                }
            };
            let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let announced: usize = announced.expect("a length").parse().expect("a number");
            while length < head.len() + 4 + announced {
                length += stream.read(&mut request[length..]).await.expect("a body");
            }
            let body_of = &request[head.len() + 4..length];
            let message = ExportTraceServiceRequest::decode(body_of).expect("a message");
            assert_eq!(message.resource_spans[0].scope_spans[0].spans.len(), 2);
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(answer.as_bytes()).await.expect("written");
            stream.write_all(body).await.expect("written");
        }
        std::future::pending::<()>().await;
    };
    let batch = [trace(), trace()];
    tokio::select! {
        () = work.deliver(&batch) => {}
        () = serving => {}
    }
    let counts = &work.counts;
    [&counts.exported, &counts.refused, &counts.undelivered, &counts.failures]
        .map(|count| count.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_counted_for_what_it_is() {
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        }),
    };
    let partial = partial.encode_to_vec();
    for (answers, body, expected) in [
        (&["200 OK"][..], &b""[..], [2, 0, 0, 0]),
        (&["200 OK"], &partial, [1, 1, 0, 0]),
        (&["200 OK"], b"not a message", [2, 0, 0, 0]),
        (&["400 Bad Request"], b"", [0, 2, 0, 1]),
        (&["404 Not Found"], b"", [0, 2, 0, 1]),
        (&["503 Busy\r\nretry-after: 7", "200 OK"], b"", [2, 0, 0, 1]),
        (&["429 Slow", "502 Bad", "504 Late", "200 OK"], b"", [2, 0, 0, 3]),
        (&["503 Busy"; 5], b"", [0, 0, 2, 5]),
    ] {
        assert_eq!(delivered(answers, body, false).await, expected, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_a_stop_everything_is_tried_once() {
    assert_eq!(delivered(&["503 Busy"], b"", true).await, [0, 0, 2, 1]);
    assert_eq!(delivered(&["200 OK"], b"", true).await, [2, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_hangs_is_given_up_in_time() {
    // It accepts, and never reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let at = config::Collector {
        is_tls: false,
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("bound").port(),
        path: "/v1/traces".to_owned(),
    };
    let limit = Duration::from_secs(10);
    let collector = Collector::new(at, None, limit).expect("no TLS");
    let began = tokio::time::Instant::now();
    let batch = [trace()];
    let outcome = collector.send(otlp::encode(&Resource::of("conduit"), &batch)).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(began.elapsed(), limit);
}
