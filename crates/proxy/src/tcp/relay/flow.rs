//! One direction of a connection that is copied.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// What was read and not taken yet.
    kept: Vec<u8>,
    taken: usize,
    /// Bytes read.
    pub(super) moved: u64,
    /// Bytes written.
    pub(super) written: u64,
    state: State,
    unflushed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Copying,
    /// Nothing more comes; the other side is to be told.
    Ending,
    Ended,
    /// The other side takes nothing any more.
    Refused,
}

/// Which side of a direction broke.
#[derive(Debug, Clone, Copy)]
pub(super) enum Broken {
    Reading,
    Writing,
}

impl Flow {
    pub(super) fn starting_with(kept: Vec<u8>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Whether the other side does not take what is there.
    pub(super) fn is_stalled(&self) -> bool {
        !self.kept.is_empty() || (self.state == State::Copying && self.unflushed)
    }

    pub(super) fn poll<R: AsyncRead, W: AsyncWrite>(
        &mut self,
        context: &mut Context<'_>,
        mut from: Pin<&mut R>,
        mut to: Pin<&mut W>,
        buffer: &mut [u8],
    ) -> Poll<Result<(), Broken>> {
        loop {
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Refused => return Poll::Ready(Err(Broken::Writing)),
                State::Ending | State::Copying => {}
            }
            let written = self.poll_kept(context, to.as_mut());
            if ready!(written).is_err() {
                self.state = State::Refused;
                continue;
            }
            if self.state == State::Ending {
                let ended = ready!(to.as_mut().poll_shutdown(context));
                self.state = if ended.is_ok() { State::Ended } else { State::Refused };
                continue;
            }
            let mut read = ReadBuf::new(buffer);
            match from.as_mut().poll_read(context, &mut read) {
                Poll::Pending => {
                    if self.unflushed {
                        match ready!(to.as_mut().poll_flush(context)) {
                            Ok(()) => self.unflushed = false,
                            Err(_) => self.state = State::Refused,
                        }
                    }
                    if self.state == State::Copying {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Ok(())) if read.filled().is_empty() => self.state = State::Ending,
                Poll::Ready(Ok(())) => {
                    self.moved += read.filled().len() as u64;
                    self.write(context, to.as_mut(), read.filled());
                }
                // TLS that ends without a farewell; most clients end it so.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.state = State::Ending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::Reading)),
            }
        }
    }

    /// Writes at once what can be, and keeps the rest.
    fn write<W: AsyncWrite>(&mut self, context: &mut Context<'_>, to: Pin<&mut W>, bytes: &[u8]) {
        self.unflushed = true;
        match to.poll_write(context, bytes) {
            Poll::Ready(Ok(count)) if count > 0 => {
                self.written += count as u64;
                self.kept.extend_from_slice(&bytes[count..]);
            }
            Poll::Ready(_) => self.state = State::Refused,
            Poll::Pending => self.kept.extend_from_slice(bytes),
        }
    }

    fn poll_kept<W: AsyncWrite>(
        &mut self,
        context: &mut Context<'_>,
        mut to: Pin<&mut W>,
    ) -> Poll<io::Result<()>> {
        while self.taken < self.kept.len() {
            self.unflushed = true;
            let count = ready!(to.as_mut().poll_write(context, &self.kept[self.taken..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += count;
            self.written += count as u64;
        }
        if !self.kept.is_empty() {
            (self.kept, self.taken) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}
