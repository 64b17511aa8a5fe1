//! HTTP/1.1 connections to upstreams, one request at a time.
//!
//! Parsing is httparse's. What is here instead of hyper's client is the rest: a request is written
//! and its answer read by the task that the request has already, so that nothing is handed from task
//! to task, and nothing is polled twice.
//!
//! **Invariant:** where an answer ends is decided by RFC 9112 §6.3 alone, and a connection is quiet,
//! fit for another request, only when its answer came to that end, its request was sent whole, neither
//! side said `close`, and nothing came after it.

mod ask;
mod chunks;
mod decode;
mod head;
mod reading;
#[cfg(test)]
mod tests;
mod upload;
#[cfg(any(test, fuzzing))]
pub(crate) mod whole;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use conduit_core::tasks::Tasks;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;
use tokio_util::sync::DropGuard;

pub(super) use self::ask::ask;
use self::decode::Decoder;
pub(crate) use self::reading::Reading;
use self::upload::Upload;
use crate::connect::Stream;
use crate::limits::hits::Hits;
use crate::limits::{BUFFER_BYTES_MAX, UPSTREAM_READ_BYTES};

/// One connection, and where the exchange on it stands.
pub(super) struct Connection {
    stream: Stream,
    /// What was read and not yet taken.
    read: BytesMut,
    /// How much is read at once: more where much comes.
    room: usize,
    upload: Upload,
    /// The task that sends the rest of a request whose answer has begun; it ends with this.
    uploading: Option<DropGuard>,
    decoder: Decoder,
    /// Whether either side said that there will be no further request.
    closes: bool,
    /// Whether something else than HTTP is spoken from now on.
    switched: bool,
    /// How many answers have begun.
    answers: u32,
    hits: Hits,
    tasks: Tasks,
}

/// A connection that somebody has: between requests the pool, then who reads the answer.
pub(super) type Held = Rc<RefCell<Connection>>;

impl Connection {
    /// A connection that was just opened.
    pub(super) fn new(stream: Stream, hits: Hits, tasks: Tasks) -> Held {
        Rc::new(RefCell::new(Self {
            stream,
            read: BytesMut::new(),
            room: UPSTREAM_READ_BYTES,
            upload: Upload::default(),
            uploading: None,
            decoder: Decoder::Nothing,
            closes: false,
            switched: false,
            answers: 0,
            hits,
            tasks,
        }))
    }

    /// How many answers have come on it.
    pub(super) fn answers(&self) -> u32 {
        self.answers
    }

    /// Whether it can take another request, as far as is known without asking the system: the other
    /// side has neither closed it nor said something that nobody asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut room = [0];
        Pin::new(&mut self.stream)
            .poll_read(&mut context, &mut ReadBuf::new(&mut room))
            .is_pending()
    }

    /// Reads what there is; 0 is the end.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.read.is_empty() && self.room == UPSTREAM_READ_BYTES {
            return self.poll_read_little(context);
        }
        if self.read.capacity() - self.read.len() < self.room / 2 {
            self.read.reserve(self.room);
        }
        let room = self.read.capacity() - self.read.len();
        let count = ready!(poll_read_buf(Pin::new(&mut self.stream), context, &mut self.read))?;
        if count == room {
            self.room = (2 * self.room).min(BUFFER_BYTES_MAX);
        } else if count < self.room / 4 {
            self.room = (self.room / 2).max(UPSTREAM_READ_BYTES);
        }
        Poll::Ready(Ok(count))
    }

    /// The same where little comes: a copy of just that is kept. What is read into stays with the
    /// head's fields until the client has them, so it would be 16 KiB anew for each answer.
    fn poll_read_little(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut room = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
            let came = room.filled();
            if came.len() == UPSTREAM_READ_BYTES {
                self.room *= 2;
            }
            self.read = BytesMut::from(came);
            Poll::Ready(Ok(came.len()))
        })
    }
}

thread_local! {
    /// What all connections of a worker read into while little comes on them.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; UPSTREAM_READ_BYTES].into());
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("decoder", &self.decoder).finish_non_exhaustive()
    }
}
