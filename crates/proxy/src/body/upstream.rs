//! The body of an upstream's answer, over whichever version of HTTP it comes.
//!
//! **Invariant:** what is behind this type sees no difference between versions.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::BodyError;
use crate::client::Reading;
use crate::connect::Stream;
use crate::rewound::Rewound;

/// What an upstream sends after its answer's head.
#[derive(Debug)]
pub(crate) enum UpstreamBody {
    Http1(Reading),
    Http2(Incoming),
}

impl UpstreamBody {
    /// The connection, when the answer was that it speaks something else from now on.
    pub(crate) fn into_stream(self) -> Option<Rewound<Stream>> {
        match self {
            Self::Http1(body) => body.into_stream(),
            Self::Http2(_) => None,
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Http1(body) => Pin::new(body).poll_frame(context),
            Self::Http2(body) => Pin::new(body).poll_frame(context).map_err(BodyError::broken),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
