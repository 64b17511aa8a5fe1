//! The body of a request over HTTP/3.
//!
//! **Invariant:** as many bytes come out as `content-length` says, or an error does. A body that is
//! dropped before its end is stopped; one of which only the end was missing is not, since that is on
//! its way.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h3::error::Code;
use h3::server::RequestStream;
use http_body::{Frame, SizeHint};
use tokio::sync::Notify;

use super::transport::Receiving;
use crate::body::BodyError;

/// What a client sends on a stream after its request's head.
pub(crate) struct StreamBody {
    stream: Option<Stream>,
    rest: Rest,
    place: Place,
    /// What was read to see whether there is a body.
    first: Option<Bytes>,
    /// How much of the announced length has not come out yet.
    left: Option<u64>,
    /// Tells the client, who waits for it, that the body may follow.
    asks: Option<Rc<Notify>>,
}

type Stream = RequestStream<Receiving, Bytes>;

/// Keeps the streams of bodies that were read but for their end.
pub(super) type Rest = Rc<RefCell<Option<Stream>>>;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Data,
    Trailers,
    End,
}

impl StreamBody {
    /// What follows a head that announced `length`; `asks` when the client waits to be asked for it.
    pub(super) fn new(
        stream: Stream,
        rest: Rest,
        length: Option<u64>,
        asks: Option<Rc<Notify>>,
    ) -> Self {
        Self { stream: Some(stream), rest, place: Place::Data, first: None, left: length, asks }
    }

    /// Looks whether there is a body: waits for its first bytes or its end when `patiently`, else
    /// only at what has come.
    ///
    /// # Errors
    /// When the client broke off.
    pub(super) async fn begin(&mut self, patiently: bool) -> Result<(), BodyError> {
        poll_fn(|context| match self.poll_data(context) {
            Poll::Ready(Ok(first)) => {
                self.first = first;
                match self.place {
                    // Nothing but the end, or trailers: a body that is empty.
                    Place::Trailers if self.left.is_none_or(|left| left == 0) => {
                        self.poll_empty(context, patiently)
                    }
                    _ => Poll::Ready(Ok(())),
                }
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if patiently => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await
    }

    /// Whether nothing more comes out.
    pub(crate) fn is_end(&self) -> bool {
        self.place == Place::End
    }

    /// What is known of the length.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match (self.place, self.left) {
            (Place::End, _) => SizeHint::with_exact(0),
            (_, Some(left)) => SizeHint::with_exact(left),
            (_, None) => SizeHint::default(),
        }
    }

    /// The next piece.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(asks) = self.asks.take() {
            asks.notify_one();
        }
        if self.place == Place::Data {
            let data = match self.first.take() {
                Some(first) => Some(first),
                None => match ready!(self.poll_data(context)) {
                    Ok(data) => data,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            };
            if let Some(data) = data {
                return Poll::Ready(Some(self.count(data)));
            }
        }
        if self.place == Place::End {
            return Poll::Ready(None);
        }
        if self.left.is_some_and(|left| left > 0) {
            return Poll::Ready(Some(Err(self.malformed("it ended before its content-length"))));
        }
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let trailers = ready!(stream.poll_recv_trailers(context));
        self.place = Place::End;
        Poll::Ready(match trailers {
            Ok(Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(None) => None,
            Err(error) => Some(Err(BodyError::Client(error.to_string()))),
        })
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let stream = match &mut self.stream {
            Some(stream) if self.place == Place::Data => stream,
            _ => return Poll::Ready(Ok(None)),
        };
        Poll::Ready(match ready!(stream.poll_recv_data(context)) {
            Ok(Some(mut data)) => Ok(Some(data.copy_to_bytes(data.remaining()))),
            Ok(None) => {
                self.place = Place::Trailers;
                Ok(None)
            }
            Err(error) => {
                self.place = Place::End;
                Err(BodyError::Client(error.to_string()))
            }
        })
    }

    /// Whether an empty body has an end as well, or trailers that somebody will want.
    fn poll_empty(
        &mut self,
        context: &mut Context<'_>,
        patiently: bool,
    ) -> Poll<Result<(), BodyError>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(()));
        };
        match stream.poll_recv_trailers(context) {
            // Trailers without a body are of no use to anybody (RFC 9110 §6.5.1).
            Poll::Ready(Ok(_)) => {
                self.place = Place::End;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.place = Place::End;
                Poll::Ready(Err(BodyError::Client(error.to_string())))
            }
            Poll::Pending if patiently => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn count(&mut self, data: Bytes) -> Result<Frame<Bytes>, BodyError> {
        if let Some(left) = self.left {
            match left.checked_sub(data.len() as u64) {
                Some(left) => self.left = Some(left),
                None => return Err(self.malformed("it is longer than its content-length")),
            }
        }
        Ok(Frame::data(data))
    }

    /// RFC 9114 §4.1.2.
    fn malformed(&mut self, why: &str) -> BodyError {
        self.place = Place::End;
        if let Some(stream) = &mut self.stream {
            stream.stop_sending(Code::H3_MESSAGE_ERROR);
        }
        BodyError::Client(why.to_owned())
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        if self.left == Some(0) && self.place != Place::End {
            *self.rest.borrow_mut() = self.stream.take();
        }
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody").field("place", &self.place).finish_non_exhaustive()
    }
}
