//! The body of an answer that is being read, and what becomes of its connection.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::decode::Piece;
use super::{Connection, Held};
use crate::body::BodyError;
use crate::client::slot::Slot;
use crate::connect::Stream;
use crate::rewound::Rewound;

/// The body of an answer. Dropped before its end, it closes the connection.
pub(crate) struct Reading {
    /// `None` when the end was read.
    connection: Option<Held>,
    slot: Rc<Slot>,
}

impl Reading {
    pub(super) fn new(connection: Held, slot: Rc<Slot>) -> Self {
        let mut reading = Self { connection: Some(connection), slot };
        reading.settle();
        reading
    }

    /// The connection itself, when the answer was that it speaks something else from now on; what
    /// came behind the answer's head is read from it first.
    pub(crate) fn into_stream(self) -> Option<Rewound<Stream>> {
        let Connection { stream, read, .. } = Rc::into_inner(self.connection?)?.into_inner();
        Some(Rewound::new(read.freeze(), stream))
    }

    /// Gives the connection back when the body has ended, or closes it if it is of no more use.
    fn settle(&mut self) {
        let Some(held) = &self.connection else { return };
        let mut connection = held.borrow_mut();
        if !connection.decoder.is_end() || connection.switched {
            return;
        }
        connection.uploading = None;
        let is_quiet =
            connection.upload.is_over() && !connection.closes && connection.read.is_empty();
        // What was read into may still be on its way to the client.
        connection.read = BytesMut::new();
        drop(connection);
        let held = self.connection.take();
        if let Some(held) = held.filter(|_| is_quiet) {
            self.slot.keep(held);
        }
    }
}

impl Body for Reading {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(connection) = &self.connection else {
            return Poll::Ready(None);
        };
        let polled = ready!(connection.borrow_mut().poll_piece(context));
        self.settle();
        Poll::Ready(polled.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.connection.as_ref().is_none_or(|held| held.borrow().decoder.is_end())
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.connection.as_ref().map_or(Some(0), |held| held.borrow().decoder.left());
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Connection {
    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        loop {
            match self.decoder.next(&mut self.read).map_err(BodyError::broken)? {
                Piece::Frame(frame) => return Poll::Ready(Ok(Some(frame))),
                Piece::End => return Poll::Ready(Ok(None)),
                Piece::Missing => {}
            }
            if ready!(self.poll_read(context)).map_err(BodyError::broken)? == 0 {
                self.closes = true;
                self.decoder.end().map_err(BodyError::broken)?;
            }
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("connection", &self.connection).finish_non_exhaustive()
    }
}
