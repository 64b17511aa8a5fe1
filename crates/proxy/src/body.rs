//! Bodies, passed through frame by frame.
//!
//! **Invariant:** nothing is buffered, joined or delayed here: a frame that arrives is the frame that
//! leaves, trailers included. These wrappers only count, and know when the body has ended.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::exchange::Exchange;

/// What an upstream gets.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Option<Incoming>,
    bytes: Rc<Cell<u64>>,
}

impl RequestBody {
    /// Passes a client's body on, counting into `bytes`.
    pub(crate) fn new(inner: Incoming, bytes: Rc<Cell<u64>>) -> Self {
        let inner = (!inner.is_end_stream()).then_some(inner);
        Self { inner, bytes }
    }

    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { inner: None, bytes: Rc::default() }
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.is_none()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes.set(self.bytes.get() + length(frame));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
enum Source {
    Own(Option<Bytes>),
    Upstream(Incoming),
}

impl ResponseBody {
    /// A body of our own.
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self { source: Source::Own(Some(bytes).filter(|b| !b.is_empty())), exchange: None }
    }

    /// An upstream's body.
    pub(crate) fn upstream(inner: Incoming) -> Self {
        Self { source: Source::Upstream(inner), exchange: None }
    }

    /// Ties the request's record to this body: it ends when the body does.
    pub(crate) fn track(&mut self, exchange: Exchange) {
        self.exchange = Some(exchange);
    }

    fn note<E>(&mut self, polled: Option<Result<&Frame<Bytes>, E>>) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        match polled {
            Some(Ok(frame)) => exchange.sent(length(frame)),
            Some(Err(_)) => exchange.broken(),
            None => exchange.complete(),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = match &mut self.source {
            Source::Own(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Source::Upstream(inner) => Pin::new(inner).poll_frame(context),
        };
        if let Poll::Ready(ready) = &polled {
            self.note(ready.as_ref().map(Result::as_ref));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_none(),
            Source::Upstream(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Source::Upstream(inner) => inner.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // hyper stops polling once the announced length has passed, and never begins for HEAD.
        if self.is_end_stream()
            && let Some(exchange) = &mut self.exchange
        {
            exchange.complete();
        }
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
