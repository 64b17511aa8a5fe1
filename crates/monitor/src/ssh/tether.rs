//! A stream that can be cut from outside, and that gives no more bytes than were allowed.
//!
//! The library runs each connection on a task of its own, and keeps some of what arrives in places
//! without a bound of their own. This wrapper is the bound: a machine that floods us, in whatever
//! layer, reaches its allowance and is cut off; and cutting ends the task, wherever it waits.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The near end: whoever drops it cuts the stream.
#[derive(Debug)]
pub(crate) struct Tether {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cut: CancellationToken,
    /// Bytes that may still come.
    allowance: AtomicU64,
    is_overrun: AtomicBool,
}

/// The stream itself.
pub(crate) struct Tethered<S> {
    stream: S,
    shared: Arc<Shared>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Tether {
    /// Ties `stream`; at most `allowance` bytes come out of it until more are allowed.
    pub(crate) fn tie<S>(stream: S, allowance: u64) -> (Self, Tethered<S>) {
        let shared = Arc::new(Shared {
            cut: CancellationToken::new(),
            allowance: AtomicU64::new(allowance),
            is_overrun: AtomicBool::new(false),
        });
        let cut = Box::pin(shared.cut.clone().cancelled_owned());
        (Self { shared: Arc::clone(&shared) }, Tethered { stream, shared, cut })
    }

    /// Allows `bytes` from now on, whatever was left.
    pub(crate) fn allow(&self, bytes: u64) {
        self.shared.allowance.store(bytes, Ordering::Relaxed);
    }

    /// Whether more came than was allowed.
    pub(crate) fn is_overrun(&self) -> bool {
        self.shared.is_overrun.load(Ordering::Relaxed)
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        self.shared.cut.cancel();
    }
}

impl<S> Tethered<S> {
    fn poll_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tethered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = (buffer.filled().len() - before) as u64;
        let left = self.shared.allowance.load(Ordering::Relaxed);
        // Allowed anew in between: then this read is not counted, which is one buffer at most.
        let _counted = self.shared.allowance.compare_exchange(
            left,
            left.saturating_sub(came),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if came > left {
            self.shared.is_overrun.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::other("it sends more than it was asked for")));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tethered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn more_than_allowed_ends_the_stream_and_says_so() {
        let (mut far, near) = duplex(64);
        let (tether, mut stream) = Tether::tie(near, 8);
        far.write_all(&[7; 16]).await.expect("written");
        let mut buffer = [0; 8];
        assert_eq!(stream.read(&mut buffer).await.expect("allowed"), 8);
        tether.allow(4);
        assert!(stream.read(&mut buffer).await.is_err());
        assert!(tether.is_overrun());
    }

    #[tokio::test]
    async fn dropping_the_tether_wakes_a_reader_and_a_writer() {
        let (far, near) = duplex(1);
        let (tether, stream) = Tether::tie(near, 8);
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = async { reader.read_u8().await.map_err(|error| error.kind()) };
        let cutting = async {
            tokio::task::yield_now().await;
            drop(tether);
        };
        let (read, ()) = tokio::join!(reading, cutting);
        assert_eq!(read, Err(io::ErrorKind::ConnectionAborted));
        assert!(writer.write_all(b"ab").await.is_err());
        drop(far);
    }
}
