//! One client's QUIC connection: its handshake, its requests, and its end.
//!
//! **Invariant:** a handshake has a deadline. A connection that ends was told so by GOAWAY first,
//! with the request from which on nothing was looked at, and is closed when every response before
//! that has reached the client.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h3::error::{Code, ConnectionError};
use h3::frame::FrameStream;
use h3::stream::BufRecvStream;
use quinn::crypto::rustls::HandshakeData;

use super::stream::{self, Accepted};
use super::transport::{Both, Transport, number};
use crate::conn::is_own;
use crate::connections::{Connection, Driven, Graceful};
use crate::limits::H3_LEFT_MAX;
use crate::limits::hits::Limit;
use crate::service::{Entrance, Service};
use crate::worker::Worker;

/// What the requests of one connection share.
pub(super) struct Talk {
    worker: Rc<Worker>,
    service: Rc<Service>,
    quic: quinn::Connection,
    /// Requests whose responses have not reached the client yet.
    open: Cell<usize>,
    /// Requests that were left before they were answered, less those that were not.
    left: Cell<u64>,
    /// Who waits for the last of them.
    ending: RefCell<Option<Waker>>,
}

impl Talk {
    pub(super) fn service(&self) -> &Rc<Service> {
        &self.service
    }

    pub(super) fn worker(&self) -> &Worker {
        &self.worker
    }

    pub(super) fn quic(&self) -> &quinn::Connection {
        &self.quic
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        self.left.set(self.left.get().saturating_sub(1));
    }

    /// A request came to nothing. A client that does little else costs more than it asks for, and
    /// is shown the door (the rapid reset of HTTP/2, CVE-2023-44487).
    pub(super) fn cancelled(&self) {
        let left = self.left.get() + 1;
        self.left.set(left);
        if left > H3_LEFT_MAX {
            let why = b"too many requests were left";
            let client = self.quic.remote_address().ip();
            self.worker.metrics().hits().count_by(Limit::H3Left, client);
            self.quic.close(number(Code::H3_EXCESSIVE_LOAD.value()), why);
        }
    }

    /// Ready when no request is under way.
    fn poll_empty(&self, context: &Context<'_>) -> Poll<()> {
        if self.open.get() == 0 {
            return Poll::Ready(());
        }
        *self.ending.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

/// A request that is under way, until it is dropped.
pub(super) struct Under(Rc<Talk>);

impl Under {
    pub(super) fn way(talk: &Rc<Talk>) -> Self {
        talk.open.set(talk.open.get() + 1);
        Self(Rc::clone(talk))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if self.0.open.get() == 0
            && let Some(waker) = self.0.ending.take()
        {
            waker.wake();
        }
    }
}

/// Does the handshake and serves a client until one side ends it.
pub(super) async fn serve(
    worker: Rc<Worker>,
    connection: Connection,
    connecting: quinn::Connecting,
    shaken: impl FnOnce(),
) {
    let peer = connecting.remote_address();
    let handshake = tokio::time::timeout(worker.settings().limits.handshake, connecting);
    let handshake = connection.until_cut(handshake).await;
    shaken();
    let quic = match handshake {
        None => return,
        Some(Ok(Ok(quic))) => quic,
        Some(Ok(Err(error))) => {
            worker.metrics().handshake_failed();
            tracing::debug!(%peer, %error, "a QUIC handshake failed");
            return;
        }
        Some(Err(_)) => {
            worker.metrics().handshake_failed();
            worker.metrics().hits().count_by(Limit::HandshakeTime, peer.ip());
            tracing::debug!(%peer, "a QUIC handshake took too long");
            return;
        }
    };
    let Some(server_name) = server_name(&quic) else {
        // The certificate's resolver refuses handshakes without a name; nothing is served here.
        return;
    };
    worker.metrics().http3().connection();
    let connection = Rc::new(connection);
    let arrived_at = is_own(&server_name).then(|| quic.local_ip()).flatten();
    let arrived_at = arrived_at.map(|local| local.to_canonical());
    let entrance = Entrance::Https { server_name, arrived_at };
    let service = Service::new(Rc::clone(&worker), Rc::clone(&connection), entrance, peer.ip());
    let talk = Rc::new(Talk {
        worker,
        service: Rc::new(service),
        quic: quic.clone(),
        open: Cell::new(0),
        left: Cell::new(0),
        ending: RefCell::default(),
    });
    let leaving = Rc::new(Cell::new(false));
    let speaking = Box::pin(speak(talk, Rc::clone(&leaving)));
    match connection.drive(&mut Speaking { future: speaking, leaving }).await {
        Driven::Ended(Ok(())) => {}
        Driven::Ended(Err(error)) if error.is_h3_no_error() => {}
        Driven::Ended(Err(error)) => {
            tracing::debug!(%peer, %error, "a client's QUIC connection broke");
        }
        Driven::Cut | Driven::Rests => tracing::debug!(%peer, "a client's QUIC connection was cut"),
    }
    quic.close(number(Code::H3_NO_ERROR.value()), b"");
    // Lets what sends the packets say goodbye, also when nothing runs after us.
    for _ in 0..GOODBYE_TURNS {
        tokio::task::yield_now().await;
    }
}

fn server_name(quic: &quinn::Connection) -> Option<Arc<str>> {
    let data = quic.handshake_data()?.downcast::<HandshakeData>().ok()?;
    let name = data.server_name?;
    let name = name.strip_suffix('.').unwrap_or(&name);
    Some(name.to_ascii_lowercase().into())
}

/// What happens next on a connection.
enum Next {
    Request(Box<Both>),
    /// The client makes no more requests.
    Quiet,
    /// It is to end.
    Leave,
}

/// Accepts requests until the client leaves, or, after `leaving` was set, until the last response
/// has reached it.
async fn speak(talk: Rc<Talk>, leaving: Rc<Cell<bool>>) -> Result<(), ConnectionError> {
    let mut http: h3::server::Connection<Transport, Bytes> = h3::server::builder()
        .max_field_section_size(talk.worker.settings().limits.head_bytes_max as u64)
        .send_grease(false)
        .build(Transport::new(talk.quic.clone()))
        .await?;
    let mut told = false;
    loop {
        let next = poll_fn(|context| {
            if leaving.get() && !told {
                return Poll::Ready(Ok(Next::Leave));
            }
            if told && talk.poll_empty(context).is_ready() {
                return Poll::Ready(Ok(Next::Quiet));
            }
            http.poll_accept_request_stream(context).map_ok(|accepted| {
                accepted.map_or(Next::Quiet, |both| Next::Request(Box::new(both)))
            })
        });
        match next.await? {
            Next::Quiet => break,
            Next::Leave => {
                told = true;
                // The first request that is not looked at is the one after the last accepted; with
                // 0 here the library disowns the last one, which the client may then repeat.
                http.shutdown(1).await?;
            }
            Next::Request(both) if told => both.reject(),
            Next::Request(both) => {
                talk.worker.metrics().http3().request();
                let (fate, stopped) = (both.fate(), Box::pin(both.stopped()));
                let resolver = http.create_resolver(FrameStream::new(BufRecvStream::new(*both)));
                let accepted = Accepted { resolver, fate, stopped };
                let stream = stream::serve(Rc::clone(&talk), accepted);
                talk.worker.tasks().local_job("stream", stream);
            }
        }
    }
    poll_fn(|context| talk.poll_empty(context)).await;
    Ok(())
}

/// The connection as the worker's book drives it.
struct Speaking<F> {
    future: Pin<Box<F>>,
    leaving: Rc<Cell<bool>>,
}

impl<F: Future> Future for Speaking<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.future.as_mut().poll(context)
    }
}

impl<F: Future> Graceful for Speaking<F> {
    const ANNOUNCES: bool = true;

    fn finish(self: Pin<&mut Self>) {
        // It is polled right after this.
        self.leaving.set(true);
    }
}

/// Turns of the runtime that the last packets of a connection get.
const GOODBYE_TURNS: usize = 3;
