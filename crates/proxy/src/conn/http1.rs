//! HTTP/1.1 with a client: hyper speaks it while there is something to say.
//!
//! **Invariant:** a connection is at rest only when nothing of a message is under way in either
//! direction; then hyper, its buffers and the service's future are gone, and only the stream stays.

use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::resumable::Resumable;
use super::{answer, log_cut, log_end};
use crate::connections::{Connection, Driven};
use crate::limits::BUFFER_BYTES_MAX;
use crate::service::Service;
use crate::worker::Worker;

/// Speaks with a client until one side ends it, or the connection becomes a tunnel.
pub(super) fn speak<S>(
    worker: &Worker,
    connection: &Connection,
    stream: S,
    service: &Rc<Service>,
) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    connection.entry().expects_head();
    let mut stream = Resumable::new(stream, Rc::clone(connection.entry()));
    // Not an async fn: that would keep the stream twice in its state.
    async move {
        loop {
            // On the heap, for as long as there is something to say: most connections are quiet.
            match Box::pin(converse(worker, connection, stream, service)).await {
                After::End => return,
                After::Tunnel(stream) => return connection.hand_over(stream),
                After::Rest(quiet) => stream = quiet,
            }
            let resting = worker.metrics().connection_rests();
            let is_wanted = rest(connection, &mut stream).await;
            drop(resting);
            if !is_wanted {
                // TLS says goodbye; the deadline of a stop does not wait for it.
                let _closed = connection.until_cut(stream.shutdown()).await;
                return;
            }
        }
    }
}

/// What a stream is for after hyper has let go of it.
enum After<S> {
    /// Nothing: it ended.
    End,
    /// What the client and the upstream agreed upon.
    Tunnel(Resumable<S>),
    /// The next request, whenever that comes.
    Rest(Resumable<S>),
}

/// Has hyper answer requests until the connection ends, becomes a tunnel, or is quiet for long.
fn converse<S>(
    worker: &Worker,
    connection: &Connection,
    stream: Resumable<S>,
    service: &Rc<Service>,
) -> impl Future<Output = After<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = Rc::clone(service);
    let mut speaking = builder(worker)
        .serve_connection(TokioIo::new(stream), service_fn(move |r| answer(&service, r)));
    async move {
        let after = match connection.drive(&mut speaking).await {
            Driven::Cut => {
                log_cut();
                return After::End;
            }
            Driven::Ended(outcome) => {
                let is_whole = outcome.is_ok();
                log_end(outcome, worker.metrics().hits());
                if !is_whole || !connection.becomes_tunnel() {
                    return After::End;
                }
                After::Tunnel
            }
            Driven::Rests => After::Rest,
        };
        let parts = speaking.into_parts();
        let mut stream = parts.io.into_inner();
        stream.put_back(parts.read_buf);
        after(stream)
    }
}

/// Waits for the next request; whether there is one.
async fn rest<S: AsyncRead + Unpin>(connection: &Connection, stream: &mut Resumable<S>) -> bool {
    let readable = std::pin::pin!(stream.readable());
    match connection.until_wanted(readable).await {
        Some(Ok(more)) => more,
        Some(Err(error)) => {
            tracing::debug!(%error, "a quiet connection broke");
            false
        }
        None => false,
    }
}

/// No timer is given to hyper: the worker's sweep ends connections that finish no head. And no
/// `pipeline_flush`: with it, an answer to a bad head is never flushed when bytes follow it.
fn builder(worker: &Worker) -> http1::Builder {
    let limits = &worker.settings().limits;
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        .max_headers(limits.head_lines_max)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
}
