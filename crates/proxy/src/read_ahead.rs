//! A client's socket that is read in large pieces while a lot comes.
//!
//! TLS reads 4 KiB at a time, which is right for requests and four to five system calls for each
//! record of an upload. A read that was filled to the brim says that more is coming: from then on
//! the socket is read into a buffer of our own, until it has less to say than one such read.
//!
//! **Invariant:** bytes leave in the order they came, none twice; nothing is asked of the socket
//! while the buffer holds something, and there is no buffer while a connection is idle.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::READ_AHEAD_BYTES;
use crate::write_through::write_through;

/// A stream that reads ahead when that pays.
#[derive(Debug)]
pub(crate) struct ReadAhead<S> {
    stream: S,
    /// What was read ahead; `None` while little comes.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
struct Ahead {
    bytes: Box<[u8]>,
    filled: usize,
    taken: usize,
}

impl<S> ReadAhead<S> {
    /// What is under it.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Reads from `stream`, one call for one read at first.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: None }
    }
}

impl Ahead {
    fn new() -> Self {
        Self { bytes: vec![0; READ_AHEAD_BYTES].into(), filled: 0, taken: 0 }
    }

    fn is_empty(&self) -> bool {
        self.taken == self.filled
    }

    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = buffer.remaining().min(self.filled - self.taken);
        buffer.put_slice(&self.bytes[self.taken..self.taken + length]);
        self.taken += length;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, ahead } = &mut *self;
        let Some(there) = ahead else {
            let room = buffer.remaining();
            ready!(Pin::new(stream).poll_read(context, buffer))?;
            if room >= MUCH_BYTES && buffer.remaining() == 0 {
                *ahead = Some(Ahead::new());
            }
            return Poll::Ready(Ok(()));
        };
        if there.is_empty() {
            let mut into = ReadBuf::new(&mut there.bytes);
            let read = Pin::new(stream).poll_read(context, &mut into);
            let filled = into.filled().len();
            (there.filled, there.taken) = (filled, 0);
            if filled == 0 {
                // Nothing there, the end, or an error: whatever comes next comes small.
                *ahead = None;
                return read;
            }
        }
        there.give(buffer);
        if there.is_empty() && there.filled < MUCH_BYTES {
            *ahead = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    write_through!();
}

/// A read of this much that was filled means that more is there. What TLS asks for at once.
const MUCH_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// A socket that gives what it holds, at most so much at once, and counts how often it is asked.
    struct Fake {
        holds: VecDeque<u8>,
        at_most: usize,
        asked: usize,
    }

    impl AsyncRead for Fake {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.asked += 1;
            let length = buffer.remaining().min(self.at_most).min(self.holds.len());
            let bytes: Vec<u8> = self.holds.drain(..length).collect();
            buffer.put_slice(&bytes);
            Poll::Ready(Ok(()))
        }
    }

    fn fake(bytes: usize, at_most: usize) -> ReadAhead<Fake> {
        let holds = (0..bytes).map(|place| (place % 251) as u8).collect();
        ReadAhead::new(Fake { holds, at_most, asked: 0 })
    }

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_however_it_is_cut() {
        for (bytes, at_most, pieces) in [
            (0, 9, 4_096),
            (1, 9, 4_096),
            (4_096, 4_096, 4_096),
            (100_000, 4_096, 4_096),
            (300_000, 70_000, 4_096),
            (300_000, 5_000, 4_097),
            (200_000, 65_536, 100_000),
            (9_000, 9_000, 512),
        ] {
            let mut stream = fake(bytes, at_most);
            let mut read = Vec::new();
            let mut piece = vec![0; pieces];
            loop {
                match stream.read(&mut piece).await.expect("a fake never fails") {
                    0 => break,
                    length => read.extend_from_slice(&piece[..length]),
                }
            }
            let whole = read.iter().enumerate().all(|(place, byte)| *byte == (place % 251) as u8);
            assert!(whole && read.len() == bytes, "{bytes} bytes, {at_most} at most, by {pieces}");
            assert!(stream.ahead.is_none(), "nothing is kept for a stream that is silent");
        }
    }

    #[tokio::test]
    async fn a_socket_with_a_lot_to_say_is_asked_less_often() {
        let mut stream = fake(1 << 20, usize::MAX);
        let mut piece = [0; 4_096];
        while stream.read(&mut piece).await.expect("a fake never fails") > 0 {}
        assert!(stream.stream.asked < 20, "{} reads of a mebibyte", stream.stream.asked);
    }

    #[tokio::test]
    async fn small_reads_get_no_buffer() {
        let mut stream = fake(10_000, 600);
        let mut piece = [0; 4_096];
        while stream.read(&mut piece).await.expect("a fake never fails") > 0 {
            assert!(stream.ahead.is_none());
        }
    }
}
