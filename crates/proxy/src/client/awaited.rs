//! An HTTP/1.1 connection to an upstream, and how much may come on it before an answer has begun.
//!
//! hyper bounds one head. What it does not bound is how many 1xx answers come before it, each of
//! which is read and dropped.
//!
//! **Invariant:** while an answer is waited for, at most [`UPSTREAM_HEAD_BYTES_MAX`] are read; then
//! the connection ends with an error. Nothing bounds what comes of an answer that has begun.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::UPSTREAM_HEAD_BYTES_MAX;
use crate::limits::hits::{Hits, Limit};
use crate::limits::watched::TOO_MUCH;
use crate::write_through::write_through;

/// Whether an answer's head is waited for on a connection: twice the number of answers that have
/// begun, and one more while the next is waited for.
///
/// Only one thread changes it; hyper wants sockets that could move between threads, which is why it
/// is atomic.
#[derive(Debug, Clone, Default)]
pub(super) struct Head(Arc<AtomicUsize>);

impl Head {
    /// A request is on its way.
    pub(super) fn is_due(&self) {
        self.0.store(self.state() | DUE, Ordering::Relaxed);
    }

    /// Its answer has begun.
    pub(super) fn has_come(&self) {
        self.0.store(self.state().wrapping_add(DUE) & !DUE, Ordering::Relaxed);
    }

    fn state(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection whose answers have to begin.
#[derive(Debug)]
pub(super) struct Awaited<S> {
    stream: S,
    head: Head,
    /// The state in which bytes were counted last.
    state: usize,
    /// What has come in it.
    bytes: usize,
    hits: Hits,
}

impl<S> Awaited<S> {
    pub(super) fn new(stream: S, hits: Hits) -> (Self, Head) {
        let head = Head::default();
        (Self { stream, head: head.clone(), state: 0, bytes: 0, hits }, head)
    }

    fn came(&mut self, bytes: usize) -> io::Result<()> {
        let state = self.head.state();
        if state != self.state {
            self.state = state;
            self.bytes = 0;
        }
        self.bytes += bytes;
        if state & DUE == 0 || self.bytes <= UPSTREAM_HEAD_BYTES_MAX {
            return Ok(());
        }
        self.hits.count(Limit::UpstreamHead);
        Err(io::Error::new(TOO_MUCH, NoHead))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Awaited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        match self.came(buffer.filled().len() - before) {
            Ok(()) => polled,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Awaited<S> {
    write_through!();
}

/// An upstream sent more and more, and no head of an answer.
#[derive(Debug)]
struct NoHead;

impl fmt::Display for NoHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{UPSTREAM_HEAD_BYTES_MAX} bytes came without the head of an answer")
    }
}

impl std::error::Error for NoHead {}

/// An answer is waited for.
const DUE: usize = 1;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn only_what_precedes_an_answer_is_bounded() {
        let (ours, mut theirs) = tokio::io::duplex(UPSTREAM_HEAD_BYTES_MAX);
        let hits = Hits::default();
        let (mut ours, head) = Awaited::new(ours, hits.clone());
        let piece = vec![0; UPSTREAM_HEAD_BYTES_MAX / 2];
        let mut buffer = piece.clone();
        // Answers that are read at once, one after the other.
        for _ in 0..4 {
            head.is_due();
            theirs.write_all(&piece).await.expect("room");
            ours.read_exact(&mut buffer).await.expect("an answer");
            head.has_come();
        }
        // One that goes on for long.
        head.is_due();
        head.has_come();
        for _ in 0..4 {
            theirs.write_all(&piece).await.expect("room");
            ours.read_exact(&mut buffer).await.expect("more of it");
        }
        // One that does not begin.
        head.is_due();
        for _ in 0..2 {
            theirs.write_all(&piece).await.expect("room");
            ours.read_exact(&mut buffer).await.expect("not too much yet");
        }
        assert_eq!(hits.of(Limit::UpstreamHead), 0);
        theirs.write_all(&[0]).await.expect("room");
        let error = ours.read_exact(&mut buffer).await.expect_err("too much");
        assert_eq!(error.kind(), TOO_MUCH);
        assert_eq!(hits.of(Limit::UpstreamHead), 1);
    }
}
