//! One client's connection: TLS, the version of HTTP, and hyper to speak it.
//!
//! **Invariant:** a handshake has a deadline, heads and streams have limits, and ALPN alone decides
//! the version over TLS; in the clear it is HTTP/1.1.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use conduit_core::tasks::Tasks;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::body::ResponseBody;
use crate::connections::{Connection, Entry, Graceful};
use crate::limits::{
    BUFFER_BYTES_MAX, H2_CONNECTION_WINDOW_BYTES, H2_HEAD_BYTES_MAX, H2_RESETS_PENDING_MAX,
    H2_RESETS_PROVOKED_MAX, H2_SEND_BYTES_MAX, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX,
    HANDSHAKE_TIMEOUT, HEAD_BYTES_MAX, HEADERS_MAX,
};
use crate::metered::Metered;
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
    let service = Service::new(worker, Rc::clone(&connection), Entrance::Http, peer.ip());
    speak_http1(&connection, TokioIo::new(stream), Rc::new(service)).await;
}

/// Does the handshake and serves a client until one side ends it.
pub(crate) async fn serve_https(
    worker: Rc<Worker>,
    connection: Connection,
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
) {
    let stream = Metered::new(stream, connection.entry().written().clone());
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
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
    let tasks = worker.tasks().clone();
    let entrance = Entrance::Https { server_name };
    let service = Service::new(worker, Rc::clone(&connection), entrance, peer.ip());
    let io = TokioIo::new(stream);
    if is_http2 {
        speak_http2(&connection, io, Rc::new(service), tasks).await;
    } else {
        speak_http1(&connection, io, Rc::new(service)).await;
    }
}

fn server_name(stream: &TlsStream<Metered<TcpStream>>) -> Option<Arc<str>> {
    let name = stream.get_ref().1.server_name()?;
    let name = name.strip_suffix('.').unwrap_or(name);
    Some(name.to_ascii_lowercase().into())
}

async fn speak_http1<I>(connection: &Connection, io: I, service: Rc<Service>)
where
    I: Read + Write + Unpin + Send + 'static,
{
    // No timer is given to hyper: the worker's sweep ends connections that finish no head. And no
    // `pipeline_flush`: with it, an answer to a bad head is never flushed when bytes follow it.
    let speaking = http1::Builder::new()
        .half_close(false)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(io, service_fn(move |request| answer(&service, request)))
        .with_upgrades();
    log_end(connection.drive(speaking).await);
}

async fn speak_http2<I>(connection: &Connection, io: I, service: Rc<Service>, tasks: Tasks)
where
    I: Read + Write + Unpin + 'static,
{
    let entry = Rc::clone(connection.entry());
    let speaking = http2::Builder::new(Streams { tasks, entry })
        .enable_connect_protocol()
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(H2_HEAD_BYTES_MAX)
        .max_pending_accept_reset_streams(H2_RESETS_PENDING_MAX)
        .max_local_error_reset_streams(H2_RESETS_PROVOKED_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES_MAX)
        .serve_connection(io, service_fn(move |request| answer_stream(&service, request)));
    log_end(connection.drive(speaking).await);
}

fn answer(
    service: &Rc<Service>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
    let clock = service.clocks().start(service.entry());
    Rc::clone(service).serve(request, clock)
}

/// The same over HTTP/2, where hyper starts a task for the stream right after this returns.
fn answer_stream(
    service: &Rc<Service>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
    let clock = service.clocks().start_stream();
    service.entry().starts(Rc::clone(clock.clock()));
    Rc::clone(service).serve(request, clock)
}

fn log_end(outcome: Option<Result<(), hyper::Error>>) {
    match outcome {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "a client's connection broke"),
        None => tracing::debug!("a client's connection was cut"),
    }
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

impl<I, S> Graceful for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = ResponseBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin + Send + 'static,
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
