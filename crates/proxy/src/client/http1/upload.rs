//! A request on its way to an upstream: its head, then its body as it comes.
//!
//! **Invariant:** what the client sent is written at once: the head with the first piece of the body
//! when that is there already, each piece by itself otherwise. A sized body is exactly as long as it
//! says, or the connection breaks.

use std::fmt::Write as _;
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
            // Nothing follows, whatever was announced.
            if let Some(announced) = fields.get_mut(header::CONTENT_LENGTH) {
                *announced = HeaderValue::from_static("0");
            }
        } else if fields.contains_key(header::TRANSFER_ENCODING) {
            fields.remove(header::CONTENT_LENGTH);
            self.coding = Coding::Chunked;
        } else if let Some(length) = length {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
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
            let trailers = frame.map_or(Ok(None), |frame| self.put(frame))?;
            if is_end || trailers.is_some() {
                self.body = None;
                self.finish(trailers)?;
            }
        }
        Ok(self.body.is_none())
    }

    /// Puts a piece behind what is there; trailers come back.
    ///
    /// # Errors
    ///
    /// A sized body that is longer than it says: the upstream would take the rest for another
    /// request, so none of the piece is written.
    fn put(&mut self, frame: Frame<Bytes>) -> Result<Option<HeaderMap>, Broken> {
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => return Ok(frame.into_trailers().ok()),
        };
        if piece.is_empty() {
            return Ok(None);
        }
        match &mut self.coding {
            Coding::Chunked => {
                // Writing into memory does not fail.
                write!(self.out, "{:x}\r\n", piece.len()).ok();
                self.tail = b"\r\n";
            }
            Coding::Sized(left) => {
                *left = left.checked_sub(piece.len() as u64).ok_or_else(wrong_length)?;
            }
        }
        self.piece = piece;
        Ok(None)
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), Broken> {
        match (&self.coding, trailers) {
            (Coding::Sized(0), _) => {}
            (Coding::Sized(_), _) => return Err(wrong_length()),
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

fn wrong_length() -> Broken {
    Broken::Body(BodyError::Client("it is not as long as it says".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_body_that_is_too_long_is_written() {
        let mut upload = Upload { coding: Coding::Sized(5), ..Upload::default() };
        assert!(upload.put(Frame::data(Bytes::from_static(b"12345678"))).is_err());
        assert!(!upload.is_waiting(), "the rest would be taken for another request");
        assert!(
            upload.put(Frame::data(Bytes::from_static(b"12345"))).is_ok(),
            "as long as it says"
        );
        upload.piece.clear();
        assert!(upload.put(Frame::data(Bytes::from_static(b"6"))).is_err(), "one more");
    }
}
