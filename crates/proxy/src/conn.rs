//! One client's connection: TLS, the version of HTTP, and hyper to speak it.
//!
//! **Invariant:** a handshake has a deadline, heads and streams have limits, and ALPN alone decides
//! the version over TLS; in the clear it is HTTP/1.1.

mod http1;
mod resumable;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use conduit_core::name::ServiceName;
use conduit_core::tasks::Tasks;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::body::{ClientBody, ResponseBody};
use crate::connections::{Connection, Driven, Entry, Graceful};
use crate::limits::hits::{Hits, Limit};
use crate::limits::watched::Watched;
use crate::limits::{
    H2_CONNECTION_WINDOW_BYTES, H2_SEND_BYTES_MAX, H2_STREAM_WINDOW_BYTES, Limits,
};
use crate::metered::Metered;
use crate::read_ahead::ReadAhead;
use crate::service::{Entrance, Service};
use crate::worker::Worker;

/// Serves a client in the clear until one side ends it.
pub(crate) async fn serve_http(
    worker: Rc<Worker>,
    connection: Connection,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let connection = Rc::new(connection);
    let stream = Metered::new(stream, connection.entry().written().clone());
    let service =
        Service::new(Rc::clone(&worker), Rc::clone(&connection), Entrance::Http, peer.ip());
    http1::speak(&worker, &connection, stream, &Rc::new(service)).await;
}

/// Does the handshake and serves a client until one side ends it.
pub(crate) async fn serve_https(
    worker: Rc<Worker>,
    connection: Connection,
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
) {
    let stream = ReadAhead::new(Metered::new(stream, connection.entry().written().clone()));
    // What follows is on the heap, each part for as long as it lasts: the task itself stays small
    // for as long as the connection lives.
    let handshake =
        Box::pin(tokio::time::timeout(worker.settings().limits.handshake, acceptor.accept(stream)));
    let stream = match connection.until_cut(handshake).await {
        None => return,
        Some(Ok(Ok(stream))) => stream,
        Some(Ok(Err(error))) => {
            worker.metrics().handshake_failed();
            tracing::debug!(%peer, %error, "a TLS handshake failed");
            return;
        }
        Some(Err(_)) => {
            worker.metrics().handshake_failed();
            worker.metrics().hits().count_by(Limit::HandshakeTime, peer.ip());
            tracing::debug!(%peer, "a TLS handshake took too long");
            return;
        }
    };
    let connection = Rc::new(connection);
    let Some(server_name) = server_name(&stream) else {
        // The certificate's resolver refuses handshakes without a name; nothing is served here.
        return;
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let arrived_at = is_own(&server_name)
        .then(|| stream.get_ref().0.get_ref().get_ref().local_addr().ok())
        .flatten()
        .map(|local| local.ip().to_canonical());
    let entrance = Entrance::Https { server_name, arrived_at };
    let service = Service::new(Rc::clone(&worker), Rc::clone(&connection), entrance, peer.ip());
    if is_http2 {
        let (frames, hits) = (&worker.settings().limits.h2.frames, worker.metrics().hits());
        let stream = Watched::client(stream, frames, peer.ip(), hits.clone());
        Box::pin(speak_http2(&worker, &connection, stream, Rc::new(service))).await;
    } else {
        Box::pin(http1::speak(&worker, &connection, stream, &Rc::new(service))).await;
    }
}

/// Whether a name may be one of the gateway's own hosts, so that it matters where a client came in.
pub(crate) fn is_own(server_name: &str) -> bool {
    server_name.split('.').next().is_some_and(ServiceName::is_reserved_label)
}

fn server_name(stream: &TlsStream<ReadAhead<Metered<TcpStream>>>) -> Option<Arc<str>> {
    let name = stream.get_ref().1.server_name()?;
    let name = name.strip_suffix('.').unwrap_or(name);
    Some(name.to_ascii_lowercase().into())
}

async fn speak_http2<S>(worker: &Worker, connection: &Connection, stream: S, service: Rc<Service>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let entry = Rc::clone(connection.entry());
    let tasks = worker.tasks().clone();
    let Limits { head_bytes_max, h2, .. } = worker.settings().limits;
    let mut speaking = http2::Builder::new(Streams { tasks, entry })
        .enable_connect_protocol()
        .max_concurrent_streams(h2.streams_max)
        .max_header_list_size(u32::try_from(head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(h2.resets_pending_max)
        .max_local_error_reset_streams(h2.resets_provoked_max)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES_MAX)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer_stream(&service, request)),
        );
    match connection.drive(&mut speaking).await {
        Driven::Ended(outcome) => log_end(outcome, worker.metrics().hits()),
        Driven::Cut | Driven::Rests => log_cut(),
    }
}

fn answer(
    service: &Rc<Service>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
    let clock = service.clocks().start(service.entry());
    Rc::clone(service).serve(request.map(ClientBody::from), clock)
}

/// The same over HTTP/2, where hyper starts a task for the stream right after this returns; on the
/// heap, since hyper hands it on by value several times.
fn answer_stream(
    service: &Rc<Service>,
    request: Request<Incoming>,
) -> Pin<Box<impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<>>> {
    let clock = service.clocks().start_stream();
    service.entry().starts(Rc::clone(clock.clock()));
    Box::pin(Rc::clone(service).serve(request.map(ClientBody::from), clock))
}

fn log_end(outcome: Result<(), hyper::Error>, hits: &Hits) {
    if let Err(error) = outcome {
        if error.is_parse_too_large() {
            hits.count(Limit::HeadSize);
        }
        tracing::debug!(%error, "a client's connection broke");
    }
}

fn log_cut() {
    tracing::debug!("a client's connection was cut");
}

/// Runs the streams of HTTP/2 connections on this worker.
#[derive(Debug, Clone)]
struct Streams {
    tasks: Tasks,
    entry: Rc<Entry>,
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        match self.entry.started() {
            Some(clock) => self.tasks.local_job("stream", async move {
                clock.drive(stream).await;
            }),
            // What sends the bytes of a tunnel.
            None => self.tasks.local_job("stream", stream),
        }
    }
}

impl<I, S> Graceful for hyper::server::conn::http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = ResponseBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin,
{
    const ANNOUNCES: bool = false;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Graceful for http2::Connection<I, S, Streams>
where
    Self: Future,
    S: hyper::service::HttpService<Incoming, ResBody = ResponseBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin,
    Streams: hyper::rt::bounds::Http2ServerConnExec<S::Future, ResponseBody>,
{
    const ANNOUNCES: bool = true;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
