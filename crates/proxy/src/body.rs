//! Bodies, passed through frame by frame.
//!
//! **Invariant:** nothing is buffered, joined or delayed here: a frame that arrives is the frame that
//! leaves, trailers included, unless a route asks for compression. These wrappers count, tell the clock who is waited for, and know when
//! the body has ended. A response that breaks ends with an error, never as if it were whole.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

mod client;
mod upstream;

pub(crate) use client::ClientBody;
pub(crate) use upstream::UpstreamBody;

use crate::clocks::{Clock, Expired};
use crate::connections::Receiving;
use crate::exchange::Exchange;
use crate::gate::body_limit::BodyLimit;
use crate::gate::encode::Encoded;
use crate::headers;
use crate::streams::Events;

/// What an upstream gets.
pub(crate) struct RequestBody {
    inner: Option<ClientBody>,
    clock: Rc<Clock>,
    /// Whether the client may be waited for only so long.
    is_clocked: bool,
    /// What lets the body follow, while it may not yet.
    held: Option<Held>,
    /// What ends a body that was never asked for.
    refused: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    limit: Option<Rc<BodyLimit>>,
    /// Tells the connection that what is read from it is this.
    _receiving: Option<Receiving>,
}

impl RequestBody {
    /// Passes a client's body on. Two-way streams are not clocked: in them, a client that says
    /// nothing may be listening.
    pub(crate) fn new(inner: ClientBody, clock: &Rc<Clock>, is_clocked: bool) -> Self {
        let whole = Self::empty(clock);
        if inner.is_end_stream() {
            return whole;
        }
        Self { inner: Some(inner), is_clocked, _receiving: clock.receives(), ..whole }
    }

    /// The same body, given up as soon as it is larger than this.
    pub(crate) fn limited(self, limit: Rc<BodyLimit>) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Nothing.
    pub(crate) fn empty(clock: &Rc<Clock>) -> Self {
        let clock = Rc::clone(clock);
        Self {
            inner: None,
            clock,
            is_clocked: true,
            held: None,
            refused: None,
            limit: None,
            _receiving: None,
        }
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    /// The clock of its request.
    pub(crate) fn clock(&self) -> &Rc<Clock> {
        &self.clock
    }

    /// Holds it back until `go_on` is cancelled; ends it when `refused` is before.
    pub(crate) fn hold(&mut self, go_on: CancellationToken, refused: CancellationToken) {
        let until = Box::pin(go_on.clone().cancelled_owned());
        self.held = Some(Held { go_on, until });
        self.refused = Some(Box::pin(refused.cancelled_owned()));
    }

    /// The upstream says that the body may follow.
    pub(crate) fn go_on(&self) {
        if let Some(held) = &self.held {
            held.go_on.cancel();
        }
    }

    /// Its head is handed to a connection.
    pub(crate) fn begin(&self) {
        if self.is_empty() {
            self.clock.sent(0);
        }
    }

    /// Whether the body may follow its head.
    fn poll_go_on(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(held) = &mut self.held else {
            return Poll::Ready(Ok(()));
        };
        if held.until.as_mut().poll(context).is_ready() {
            self.held = None;
            self.refused = None;
            return Poll::Ready(Ok(()));
        }
        match &mut self.refused {
            Some(refused) => refused.as_mut().poll(context).map(|()| Err(BodyError::Refused)),
            None => Poll::Pending,
        }
    }
}

/// What a body waits for that may not follow yet.
struct Held {
    go_on: CancellationToken,
    until: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.poll_go_on(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(refused)) => return Poll::Ready(Some(Err(refused))),
            Poll::Pending => return Poll::Pending,
        }
        let Self { inner, clock, is_clocked, .. } = &mut *self;
        let Some(inner) = inner else {
            return Poll::Ready(None);
        };
        let mut polled = Pin::new(inner).poll_frame(context);
        match &mut polled {
            Poll::Ready(Some(Ok(frame))) => {
                clock.sent(length(frame));
                frame.trailers_mut().map(headers::receive_trailers);
            }
            Poll::Ready(_) => clock.sent(0),
            Poll::Pending if *is_clocked => clock.client_sends(),
            Poll::Pending => {}
        }
        let is_over = |limit: &Rc<BodyLimit>| limit.is_exceeded_by(self.clock.bytes_in());
        if let Some(limit) = self.limit.clone().filter(is_over) {
            limit.exceed(self.inner.take());
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
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

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    events: Option<Box<Events>>,
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
        Self { source, events: None, exchange: None }
    }

    /// An upstream's body; `events` follows it when it is an event stream.
    pub(crate) fn upstream(inner: UpstreamBody, events: Option<Events>) -> Self {
        Self { source: Source::Upstream(inner), events: events.map(Box::new), exchange: None }
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
                if let (Some(events), Some(data)) = (&mut self.events, frame.data_ref()) {
                    events.passed(data);
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
        let last = self.events.take().and_then(|events| {
            let code = error.word();
            events.broken(&error.to_string(), code)
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

/// Why a body did not come to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The side that it came from broke off.
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// The client broke off, or sent something else than it announced, over HTTP/3.
    Client(String),
    /// It could not be encoded.
    Encode(std::io::Error),
    /// A clock ran out.
    Expired(Expired),
    /// The upstream answered without asking for it.
    Refused,
    /// It is larger than it may be.
    TooLarge,
}

impl BodyError {
    /// The side that it came from broke off, for this reason.
    pub(crate) fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(why.into())
    }

    /// The stable word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Broken(_) => "upstream_broken",
            Self::Client(_) => "client_broken",
            Self::Encode(_) => "not_encoded",
            Self::Expired(Expired::BodyRate(_)) => "body_too_slow",
            Self::Expired(Expired::Client(_)) => "client_timeout",
            Self::Expired(Expired::FirstByte(_)) => "first_byte_timeout",
            Self::Expired(Expired::Idle(_)) => "idle_timeout",
            Self::Refused => "refused",
            Self::TooLarge => "body_too_large",
        }
    }

    /// Whether it is the upstream that did not do its part.
    pub(crate) fn blames_upstream(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Expired(Expired::Idle(_) | Expired::FirstByte(_)))
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(_) => f.write_str("the upstream broke off its answer"),
            Self::Client(why) => write!(f, "the request broke off: {why}"),
            Self::Encode(error) => write!(f, "the answer could not be encoded: {error}"),
            Self::Expired(Expired::BodyRate(_)) => f.write_str("the request came too slowly"),
            Self::Expired(Expired::Client(after)) => {
                write!(f, "the client took nothing for {} s", after.as_secs())
            }
            Self::Expired(Expired::FirstByte(after) | Expired::Idle(after)) => write!(
                f,
                "the upstream sent nothing for {} s (timeouts.idle of the service)",
                after.as_secs()
            ),
            Self::Refused => f.write_str("the upstream answered without asking for the body"),
            Self::TooLarge => f.write_str("the body is larger than it may be"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(error) => Some(&**error),
            Self::Encode(error) => Some(error),
            Self::Client(_) | Self::Expired(_) | Self::Refused | Self::TooLarge => None,
        }
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
