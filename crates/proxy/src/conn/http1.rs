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
pub(super) async fn speak<S>(
    worker: &Worker,
    connection: &Connection,
    stream: S,
    service: &Rc<Service>,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    connection.entry().expects_head();
    let mut stream = Resumable::new(stream, Rc::clone(connection.entry()));
    loop {
        let service = Rc::clone(service);
        let mut speaking = builder(worker)
            .serve_connection(TokioIo::new(stream), service_fn(move |r| answer(&service, r)));
        let driven = connection.drive(&mut speaking).await;
        let is_over = match driven {
            Driven::Cut => return log_cut(),
            Driven::Ended(outcome) => {
                let is_whole = outcome.is_ok();
                log_end(outcome, worker.metrics().hits());
                if !is_whole || !connection.becomes_tunnel() {
                    return;
                }
                true
            }
            Driven::Rests => false,
        };
        let parts = speaking.into_parts();
        stream = parts.io.into_inner();
        stream.put_back(parts.read_buf);
        if is_over {
            return connection.hand_over(stream);
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
