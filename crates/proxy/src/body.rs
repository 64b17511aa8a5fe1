//! Bodies, passed through frame by frame.
//!
//! **Invariant:** nothing is buffered, joined or delayed here: a frame that arrives is the frame that
//! leaves, trailers included, unless a route asks for compression. These wrappers only count, and
//! know when the body has ended.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::exchange::Exchange;
use crate::gate::body_limit::BodyLimit;
use crate::gate::encode::Encoded;

/// What an upstream gets.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Option<Incoming>,
    bytes: Rc<Cell<u64>>,
    limit: Option<Rc<BodyLimit>>,
}

/// Why a body ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// Its sender broke off.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// It could not be encoded.
    #[error("it could not be encoded: {0}")]
    Encode(#[source] std::io::Error),
    /// It is larger than it may be.
    #[error("it is larger than it may be")]
    TooLarge,
}

impl RequestBody {
    /// Passes a client's body on, counting into `bytes`.
    pub(crate) fn new(inner: Incoming, bytes: Rc<Cell<u64>>) -> Self {
        let inner = (!inner.is_end_stream()).then_some(inner);
        Self { inner, bytes, limit: None }
    }

    /// The same body, given up as soon as it is larger than this.
    pub(crate) fn limited(self, limit: Rc<BodyLimit>) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { inner: None, bytes: Rc::default(), limit: None }
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.is_none()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = self.bytes.get() + length(frame);
            self.bytes.set(bytes);
            if let Some(limit) = self.limit.clone().filter(|limit| limit.is_exceeded_by(bytes)) {
                limit.exceed(self.inner.take());
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            }
        }
        polled.map_err(BodyError::from)
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
    Encoded(Box<Encoded>),
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

    /// Whether it is a body of our own.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.source, Source::Own(_))
    }

    /// Encodes an upstream's body.
    pub(crate) fn encode(&mut self, encoded: impl FnOnce(Incoming) -> Encoded) {
        self.source = match std::mem::replace(&mut self.source, Source::Own(None)) {
            Source::Upstream(inner) => Source::Encoded(Box::new(encoded(inner))),
            other => other,
        };
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
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.source {
            Source::Own(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Source::Encoded(encoded) => encoded.poll_frame(context),
            Source::Upstream(inner) => Pin::new(inner).poll_frame(context).map_err(BodyError::from),
        };
        if let Poll::Ready(ready) = &polled {
            self.note(ready.as_ref().map(Result::as_ref));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_none(),
            Source::Encoded(encoded) => encoded.is_end_stream(),
            Source::Upstream(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Source::Encoded(_) => SizeHint::default(),
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
