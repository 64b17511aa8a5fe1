//! The right to send one request over a connection.

use std::error::Error;
use std::fmt;
use std::io;
use std::rc::Rc;

use http::{Request, Response};

use super::form;
use super::http1::{self, Held};
use super::http2::{Shared, StreamBody, Streaming};
use super::slot::Slot;
use crate::body::{BodyError, RequestBody, UpstreamBody};
use crate::limits::watched::TOO_MUCH;

/// A connection in use, or a stream of one. An HTTP/1.1 connection goes along with the body of its
/// answer, and is closed unless that is read to its end; an HTTP/2 connection lives on, and the stream
/// is cancelled unless its response was read to the end.
pub(crate) struct Lease {
    slot: Rc<Slot>,
    over: Over,
}

enum Over {
    /// `None` once a request was sent on it.
    Http1(Option<Held>),
    Http2(Streaming),
}

/// A request that got no response.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) why: Why,
    /// The request, when nothing of it was sent.
    pub(crate) untouched: Option<Request<RequestBody>>,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// `Host` cannot be an authority.
    BadAuthority,
    /// The client's body ended before its time.
    Body,
    /// The connection or the stream ended first.
    Closed,
    /// What came back is not HTTP, or not the version that was spoken.
    NotHttp,
    /// The upstream says that it did not look at it (RFC 9113 §8.7).
    Unprocessed,
}

impl Lease {
    pub(super) fn http1(slot: &Rc<Slot>, connection: Held) -> Self {
        Self { slot: Rc::clone(slot), over: Over::Http1(Some(connection)) }
    }

    pub(super) fn http2(slot: &Rc<Slot>, shared: &Rc<Shared>) -> Self {
        Self { slot: Rc::clone(slot), over: Over::Http2(Streaming::begin(shared)) }
    }

    /// Sends a request, as HTTP/1.1 wants it, and waits for the head of the response.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps a parameter twice in its state")]
    pub(crate) fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, Failed>> {
        async move {
            match &mut self.over {
                Over::Http1(connection) => {
                    let Some(connection) = connection.take() else {
                        return Err(Failed { why: Why::Closed, untouched: Some(request) });
                    };
                    let answered = http1::ask(connection, Rc::clone(&self.slot), request).await;
                    let answered = answered.map(|answer| answer.map(UpstreamBody::Http1));
                    answered.map_err(|why| Failed { why, untouched: None })
                }
                Over::Http2(streaming) => {
                    let scheme = self.slot.transport().scheme();
                    if !form::to_http2(&mut request, scheme) {
                        return Err(Failed { why: Why::BadAuthority, untouched: Some(request) });
                    }
                    let request = request.map(StreamBody::new);
                    let answered = streaming.send(request).await;
                    let answered = answered.map(|answer| answer.map(UpstreamBody::Http2));
                    answered.map_err(|mut error| Failed {
                        untouched: error
                            .take_message()
                            .map(|request| form::to_http1(request.map(StreamBody::into_inner))),
                        why: why_of(error.error()),
                    })
                }
            }
        }
    }
}

fn why_of(error: &hyper::Error) -> Why {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<BodyError>() {
            return Why::Body;
        }
        // We broke off, since it goes on and on.
        if cause.downcast_ref::<io::Error>().is_some_and(is_endless) {
            return Why::NotHttp;
        }
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            // A GOAWAY ends only the streams that it says were not looked at; those before it go
            // on, and end with the connection.
            let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let is_endless = error.get_io().is_some_and(is_endless);
            return match error.is_remote() {
                _ if is_endless => Why::NotHttp,
                true if refused || error.is_go_away() => Why::Unprocessed,
                false if error.is_library() => Why::NotHttp,
                _ => Why::Closed,
            };
        }
        source = cause.source();
    }
    Why::Closed
}

/// Whether a connection was ended because its upstream sent more than answers.
fn is_endless(error: &io::Error) -> bool {
    error.kind() == TOO_MUCH
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(self.slot.place()).finish()
    }
}
