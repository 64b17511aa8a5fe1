//! A collector of traces that decodes what it gets with OpenTelemetry's own messages, and behaves
//! as told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::gateway::PATIENCE;
use crate::upstream::spawn;

/// A collector on its own port.
pub struct Collector {
    pub address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    /// What it answers; 0 is nothing, ever.
    status: AtomicU16,
    asked: AtomicUsize,
    got: Mutex<Got>,
}

/// Everything that was taken so far.
#[derive(Default, Clone)]
struct Got {
    spans: Vec<Span>,
    resource: Vec<KeyValue>,
}

impl Collector {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), 200).await
    }

    /// Starts one on this address, which answers with this status: for a collector that comes late.
    pub async fn start_on(address: SocketAddr, status: u16) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { status: AtomicU16::new(status), ..State::default() });
        let stop = CancellationToken::new();
        spawn(accept(listener, Arc::clone(&state), stop.clone()));
        Self { address, state, stop }
    }

    /// For `telemetry.otlp`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with this status from now on; 0 never answers.
    pub fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    /// How often it was asked to take something.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// What was told about the process, once something was.
    pub fn resource(&self, key: &str) -> Option<String> {
        word(&self.got().resource, key)
    }

    /// The spans of traces about which `is` holds, once there are `count` of them.
    pub async fn spans(&self, count: usize, is: impl Fn(&Span) -> bool) -> Vec<Span> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let all = self.got().spans;
            let found: Vec<Span> = all.iter().filter(|span| is(span)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "{} of {count} spans in {all:#?}",
                found.len()
            );
            tokio::task::yield_now().await;
        }
    }

    fn got(&self) -> Got {
        self.state.got.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An attribute of a span, as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    word(&span.attributes, key)
}

/// The id of a trace or span, as headers have it.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn word(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|pair| pair.key == key)?;
    let Some(AnyValue { value: Some(value) }) = &found.value else { return None };
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        let (state, stop) = (Arc::clone(&state), stop.clone());
        spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                _ended = connection => {}
            }
        });
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/traces"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let message = ExportTraceServiceRequest::decode(body).unwrap();
    state.asked.fetch_add(1, Ordering::SeqCst);
    let status = match state.status.load(Ordering::SeqCst) {
        0 => std::future::pending().await,
        status => status,
    };
    if status == 200 {
        let mut got = state.got.lock().unwrap();
        for told in message.resource_spans {
            got.resource = told.resource.unwrap_or_default().attributes;
            got.spans.extend(told.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let mut response = Response::new(Full::default());
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}
