//! HTTP/2 connections to upstreams, shared by many requests.
//!
//! **Invariant:** a connection's window is the sum of its streams', so a client that reads slowly
//! holds up nobody but itself; and what ends one request ends its stream only, with CANCEL.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use conduit_core::tasks::Tasks;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::connect::{Place, Stream};
use crate::limits::hits::Hits;
use crate::limits::watched::Watched;
use crate::limits::{
    H2_PING_AFTER, H2_PING_TIMEOUT, H2_SEND_BYTES_MAX, H2_UPSTREAM_CONNECTION_WINDOW_BYTES,
    H2_UPSTREAM_HEAD_BYTES_MAX, H2_UPSTREAM_STREAM_WINDOW_BYTES, H2_UPSTREAM_STREAMS_MAX,
    UPSTREAM_FRAMES,
};

/// One connection.
pub(super) struct Shared {
    sender: RefCell<SendRequest<StreamBody>>,
    /// What its task drives, to be asked what the peer allows; empty once it has ended.
    connection: Rc<RefCell<Option<Driven>>>,
    /// Requests on it, those included that wait in its queue.
    streams: Cell<usize>,
    /// When the last of them ended.
    idle_since: Cell<Instant>,
}

type Driven = Connection<TokioIo<Watched<Stream>>, StreamBody, Streams>;

impl Shared {
    /// Speaks HTTP/2 on a stream, driven by `tasks`.
    pub(super) async fn open(
        stream: Stream,
        place: Place,
        hits: &Hits,
        tasks: &Tasks,
    ) -> hyper::Result<Rc<Self>> {
        let (sender, connection) = Builder::new(Streams(tasks.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(H2_PING_AFTER)
            .keep_alive_timeout(H2_PING_TIMEOUT)
            // gRPC servers take pings without requests for an attack, and nothing is lost here.
            .keep_alive_while_idle(false)
            .initial_stream_window_size(H2_UPSTREAM_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(H2_UPSTREAM_CONNECTION_WINDOW_BYTES)
            .initial_max_send_streams(STREAMS_BEFORE_SETTINGS)
            .max_header_list_size(H2_UPSTREAM_HEAD_BYTES_MAX)
            .max_send_buf_size(H2_SEND_BYTES_MAX)
            .handshake(TokioIo::new(Watched::upstream(stream, &UPSTREAM_FRAMES, hits.clone())))
            .await?;
        let connection = Rc::new(RefCell::new(Some(connection)));
        let driven = Rc::clone(&connection);
        tasks.local_job("upstream connection", async move {
            let ended = poll_fn(|context| match driven.borrow_mut().as_mut() {
                Some(connection) => Pin::new(connection).poll(context),
                None => Poll::Ready(Ok(())),
            });
            if let Err(error) = ended.await {
                tracing::debug!(%place, %error, "a connection to an upstream ended");
            }
            // Hands back the requests that are still in its queue.
            drop(driven.borrow_mut().take());
        });
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            connection,
            streams: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
        }))
    }

    /// Whether it takes no more requests.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.borrow().is_closed()
    }

    /// How many requests it takes at once; `None` until the peer has said so.
    pub(super) fn allowed(&self) -> Option<usize> {
        match self.connection.borrow().as_ref()?.current_max_send_streams() {
            STREAMS_BEFORE_SETTINGS => None,
            allowed => Some(allowed.min(H2_UPSTREAM_STREAMS_MAX)),
        }
    }

    /// How many requests are on it.
    pub(super) fn streams(&self) -> usize {
        self.streams.get()
    }

    /// Since when there has been none, if there is none.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }
}

/// One request on a connection, counted until it is dropped.
pub(super) struct Streaming(Rc<Shared>);

impl Streaming {
    pub(super) fn begin(shared: &Rc<Shared>) -> Self {
        shared.streams.set(shared.streams.get() + 1);
        Self(Rc::clone(shared))
    }

    /// Sends the request. Dropping the future, or the response, resets the stream.
    pub(super) fn send(
        &self,
        request: Request<StreamBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<StreamBody>>>> + use<>
    {
        self.0.sender.borrow_mut().try_send_request(request)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}

/// A request's body on a stream: when the client breaks it off, the upstream hears CANCEL and not
/// that somebody failed.
pub(super) struct StreamBody(RequestBody);

impl StreamBody {
    pub(super) fn new(body: RequestBody) -> Self {
        Self(body)
    }

    pub(super) fn into_inner(self) -> RequestBody {
        self.0
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        polled.map_err(|_| h2::Error::from(h2::Reason::CANCEL))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Runs the streams of a connection on this worker.
#[derive(Clone)]
pub(super) struct Streams(Tasks);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.local_job("upstream stream", stream);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("streams", &self.streams).finish_non_exhaustive()
    }
}

/// Streams that are opened before the peer has said how many it takes; more would be refused by one
/// that takes few.
const STREAMS_BEFORE_SETTINGS: usize = 1;
