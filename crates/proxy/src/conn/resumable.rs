//! The stream under HTTP/1.1, which hyper can let go of and take up again.
//!
//! hyper keeps 16 KiB of buffers and the future of the last request for as long as a connection
//! lives. A quiet one is taken out of hyper's hands, and given to a new one when something comes.
//!
//! **Invariant:** what was read ahead is read again first; and the entry knows whether hyper has
//! flushed everything that it wrote, which it does only once its own buffer is empty.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connections::Entry;
use crate::limits::REST_READ_BYTES;

/// A stream with what was read of it ahead.
#[derive(Debug)]
pub(crate) struct Resumable<S> {
    ahead: Bytes,
    stream: S,
    entry: Rc<Entry>,
}

impl<S> Resumable<S> {
    /// Tells `entry` what is read and written.
    pub(crate) fn new(stream: S, entry: Rc<Entry>) -> Self {
        Self { ahead: Bytes::new(), stream, entry }
    }

    /// Gives bytes back that were read and not looked at.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let mut ahead = Vec::from(bytes);
            ahead.extend_from_slice(&self.ahead);
            self.ahead = ahead.into();
        }
    }
}

impl<S: AsyncRead + Unpin> Resumable<S> {
    /// Waits until something can be read, with no buffer while it waits; whether it was not the end.
    pub(crate) async fn readable(&mut self) -> io::Result<bool> {
        if !self.ahead.is_empty() {
            return Ok(true);
        }
        self.ahead = poll_fn(|context| {
            let mut room = [0; REST_READ_BYTES];
            let mut buffer = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            Poll::Ready(io::Result::Ok(Bytes::copy_from_slice(buffer.filled())))
        })
        .await?;
        Ok(!self.ahead.is_empty())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Resumable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..length]);
            self.ahead.advance(length);
            if self.ahead.is_empty() {
                // Lets go of the bytes, too.
                self.ahead = Bytes::new();
            }
        }
        self.entry.has_read(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Resumable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.entry.set_unsent(true);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.entry.set_unsent(true);
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.entry.set_unsent(false);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
