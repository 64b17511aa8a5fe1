//! The body of a client's request, over whichever version of HTTP it comes.
//!
//! **Invariant:** what is behind this type sees no difference between versions.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::BodyError;
use crate::http3::body::StreamBody;

/// What a client sends after its request's head.
#[derive(Debug)]
pub(crate) enum ClientBody {
    /// Over HTTP/1.1 or HTTP/2.
    Tcp(Incoming),
    /// Over HTTP/3.
    Quic(Box<StreamBody>),
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Tcp(body) => Pin::new(body).poll_frame(context).map_err(BodyError::broken),
            Self::Quic(body) => body.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Tcp(body) => body.is_end_stream(),
            Self::Quic(body) => body.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Tcp(body) => body.size_hint(),
            Self::Quic(body) => body.size_hint(),
        }
    }
}

impl From<Incoming> for ClientBody {
    fn from(body: Incoming) -> Self {
        Self::Tcp(body)
    }
}
