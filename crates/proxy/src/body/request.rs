//! The body of a request: what an upstream gets.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{BodyError, ClientBody, length};
use crate::clocks::Clock;
use crate::connections::Receiving;
use crate::gate::body_limit::BodyLimit;
use crate::headers;

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
