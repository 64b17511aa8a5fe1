//! The body of an answer: what a client gets.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{BodyError, UpstreamBody, length};
use crate::exchange::Exchange;
use crate::gate::encode::Encoded;
use crate::headers;
use crate::streams::Flow;

/// What a client gets.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    flow: Option<Box<Flow>>,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
enum Source {
    /// It ends with this error.
    Broken {
        error: Option<BodyError>,
        /// Whether hyper had the time to send what came before.
        is_flushed: bool,
    },
    Own(Option<Bytes>),
    Encoded(Box<Encoded>),
    Upstream(UpstreamBody),
}

impl ResponseBody {
    /// A body of our own.
    pub(crate) fn full(bytes: Bytes) -> Self {
        let source = Source::Own(Some(bytes).filter(|b| !b.is_empty()));
        Self { source, flow: None, exchange: None }
    }

    /// An upstream's body; `flow` follows it when it is a stream.
    pub(crate) fn upstream(inner: UpstreamBody, flow: Option<Flow>) -> Self {
        Self { source: Source::Upstream(inner), flow: flow.map(Box::new), exchange: None }
    }

    /// Whether it is a body of our own.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.source, Source::Own(_))
    }

    /// Encodes an upstream's body.
    pub(crate) fn encode(&mut self, encoded: impl FnOnce(UpstreamBody) -> Encoded) {
        self.source = match std::mem::replace(&mut self.source, Source::Own(None)) {
            Source::Upstream(inner) => Source::Encoded(Box::new(encoded(inner))),
            other => other,
        };
    }

    /// Ties the request's record to this body: it ends when the body does.
    pub(crate) fn track(&mut self, exchange: Exchange) {
        self.exchange = Some(exchange);
    }

    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(expired) = self.exchange.as_ref().and_then(Exchange::expired) {
            return self.break_off(BodyError::Expired(expired), context);
        }
        let polled = match &mut self.source {
            Source::Upstream(inner) => Pin::new(inner).poll_frame(context),
            Source::Encoded(encoded) => encoded.poll_frame(context),
            Source::Broken { .. } | Source::Own(_) => Poll::Ready(None),
        };
        match polled {
            Poll::Pending => {
                if let Some(exchange) = &self.exchange {
                    exchange.wants_more();
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(mut frame))) => {
                if let (Some(flow), Some(data)) = (&mut self.flow, frame.data_ref()) {
                    flow.passed(data);
                }
                frame.trailers_mut().map(headers::trailers_to_client);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => self.break_off(error, context),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    /// Lets go of the upstream, and tells the client what happened where it can be told.
    fn break_off(&mut self, error: BodyError, context: &Context<'_>) -> Poll<Option<Piece>> {
        if let Some(exchange) = &mut self.exchange {
            exchange.broken(&error);
        }
        let last = self.flow.take().and_then(|flow| {
            let code = error.word();
            flow.broken(&error.to_string(), code)
        });
        self.source = Source::Broken { error: Some(error), is_flushed: false };
        match last {
            Some(event) => Poll::Ready(Some(Ok(Frame::data(event)))),
            None => self.fail(context),
        }
    }

    /// Fails at the second call: hyper throws away what it has not sent when a body fails, so it
    /// gets the time to send it.
    fn fail(&mut self, context: &Context<'_>) -> Poll<Option<Piece>> {
        match &mut self.source {
            Source::Broken { is_flushed, .. } if !*is_flushed => {
                *is_flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Source::Broken { error, .. } => Poll::Ready(error.take().map(Err)),
            Source::Encoded(_) | Source::Own(_) | Source::Upstream(_) => Poll::Ready(None),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        let polled = match &mut self.source {
            Source::Broken { .. } => return self.fail(context),
            Source::Own(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Source::Encoded(_) | Source::Upstream(_) => self.poll_upstream(context),
        };
        match (&polled, &mut self.exchange) {
            (Poll::Ready(Some(Ok(frame))), Some(exchange)) => exchange.sent(length(frame)),
            (Poll::Ready(None), Some(exchange)) => exchange.complete(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Broken { .. } => false,
            Source::Own(bytes) => bytes.is_none(),
            Source::Encoded(encoded) => encoded.is_end_stream(),
            Source::Upstream(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Broken { .. } | Source::Encoded(_) => SizeHint::default(),
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

type Piece = Result<Frame<Bytes>, BodyError>;
