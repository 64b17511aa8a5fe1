//! A request on its way to an upstream: its head, then its body as it comes.
//!
//! **Invariant:** what the client sent is written at once: the head with the first piece of the body
//! when that is there already, each piece by itself otherwise. A sized body is exactly as long as it
//! says, or the connection breaks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{HeaderValue, Request};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::head;
use crate::body::{BodyError, RequestBody};

/// What is still to be written.
#[derive(Debug, Default)]
pub(super) struct Upload {
    /// Heads and sizes, before the piece.
    out: BytesMut,
    /// A piece of the body.
    piece: Bytes,
    /// What follows the piece.
    tail: &'static [u8],
    /// `None` when its end was taken.
    body: Option<RequestBody>,
    coding: Coding,
    /// Whether something was written since the last flush.
    is_dirty: bool,
}

/// How the body's end is told.
#[derive(Debug, Default)]
enum Coding {
    #[default]
    Chunked,
    /// This much is to come.
    Sized(u64),
}

/// Why it was not sent whole.
#[derive(Debug)]
pub(super) enum Broken {
    /// The client broke off.
    Body(BodyError),
    /// The upstream takes no more.
    Socket,
}

impl Upload {
    /// Begins with a request; the buffer of the one before is used again.
    pub(super) fn begin(&mut self, mut request: Request<RequestBody>) {
        let length = request.body().size_hint().exact();
        let is_empty = request.body().is_end_stream();
        let fields = request.headers_mut();
        if is_empty {
            fields.remove(header::TRANSFER_ENCODING);
        } else if fields.contains_key(header::TRANSFER_ENCODING) {
            fields.remove(header::CONTENT_LENGTH);
            self.coding = Coding::Chunked;
        } else if let Some(length) = length {
            fields.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
            self.coding = Coding::Sized(length);
        } else {
            fields.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            fields.remove(header::CONTENT_LENGTH);
            self.coding = Coding::Chunked;
        }
        self.out.clear();
        head::write(&request, &mut self.out);
        self.body = Some(request.into_body()).filter(|_| !is_empty);
    }

    /// Lets go of what is left.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }

    /// Whether all of it is on its way.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_none() && !self.is_waiting() && !self.is_dirty
    }

    /// The upstream wants the body.
    pub(super) fn go_on(&self) {
        if let Some(body) = &self.body {
            body.go_on();
        }
    }

    /// Writes what there is, until nothing is left.
    pub(super) fn poll(
        &mut self,
        mut stream: impl AsyncWrite + Unpin,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            let is_whole = self.take_piece(context)?;
            if self.is_waiting() {
                ready!(self.poll_write(&mut stream, context)).map_err(|_| Broken::Socket)?;
                continue;
            }
            if self.is_dirty {
                ready!(Pin::new(&mut stream).poll_flush(context)).map_err(|_| Broken::Socket)?;
                self.is_dirty = false;
            }
            return if is_whole { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
    }

    /// Takes the next piece of the body, if there is room for it; whether the end was taken.
    fn take_piece(&mut self, context: &mut Context<'_>) -> Result<bool, Broken> {
        while let Some(body) = &mut self.body
            && self.piece.is_empty()
            && self.tail.is_empty()
        {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else {
                return Ok(false);
            };
            let frame = frame.transpose().map_err(Broken::Body)?;
            // Who knows the end before it is asked for spares a write.
            let is_end = frame.is_none() || body.is_end_stream();
            let trailers = frame.and_then(|frame| self.put(frame));
            if is_end || trailers.is_some() {
                self.body = None;
                self.finish(trailers)?;
            }
        }
        Ok(self.body.is_none())
    }

    /// Puts a piece behind what is there; trailers come back.
    fn put(&mut self, frame: Frame<Bytes>) -> Option<HeaderMap> {
        match frame.into_data() {
            Ok(piece) if piece.is_empty() => {}
            Ok(piece) => {
                match &mut self.coding {
                    Coding::Chunked => {
                        write_size(piece.len(), &mut self.out);
                        self.tail = b"\r\n";
                    }
                    // Less than nothing is left of one that is too long.
                    Coding::Sized(left) => *left = left.wrapping_sub(piece.len() as u64),
                }
                self.piece = piece;
            }
            Err(frame) => return frame.into_trailers().ok(),
        }
        None
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), Broken> {
        match (&self.coding, trailers) {
            (Coding::Sized(0), _) => {}
            (Coding::Sized(_), _) => {
                return Err(Broken::Body(BodyError::Client(WRONG_LENGTH.to_owned())));
            }
            (Coding::Chunked, None) if self.tail.is_empty() => self.tail = b"0\r\n\r\n",
            (Coding::Chunked, None) => self.tail = b"\r\n0\r\n\r\n",
            (Coding::Chunked, Some(trailers)) => {
                self.out.put_slice(b"0\r\n");
                head::write_fields(&trailers, &mut self.out);
                self.out.put_slice(b"\r\n");
            }
        }
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        !(self.out.is_empty() && self.piece.is_empty() && self.tail.is_empty())
    }

    fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = Pin::new(stream);
        let written = if self.piece.is_empty() && self.tail.is_empty() {
            stream.poll_write(context, &self.out)
        } else {
            let parts = [&self.out[..], &self.piece[..], self.tail].map(IoSlice::new);
            stream.poll_write_vectored(context, &parts)
        };
        let mut written = ready!(written)?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.is_dirty = true;
        let part = written.min(self.out.len());
        self.out.advance(part);
        written -= part;
        let part = written.min(self.piece.len());
        self.piece.advance(part);
        self.tail = &self.tail[written - part..];
        Poll::Ready(Ok(()))
    }
}

/// Writes a chunk's first line.
fn write_size(size: usize, out: &mut BytesMut) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        out.put_u8(b"0123456789abcdef"[size >> (4 * place) & 15]);
    }
    out.put_slice(b"\r\n");
}

const WRONG_LENGTH: &str = "it is not as long as it says";
