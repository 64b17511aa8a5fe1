//! Copying both ways until both are done.
//!
//! Reads go into one buffer that a worker's connections share; only what the other side does not
//! take at once is kept. An idle connection has no buffer, and a busy one at most
//! [`CHUNK_BYTES_MAX`] in each direction.
//!
//! **Invariant:** the end of one direction is passed on, and the other goes on. What an upstream has
//! said is delivered even when it takes no more.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

mod clock;
mod flow;

use clock::Clock;
use flow::{Broken, Flow};

use crate::policy::Timeouts;

/// What the connections of one worker read into.
pub(crate) type Scratch = Rc<RefCell<Box<[u8]>>>;

/// A buffer for a worker.
pub(crate) fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; CHUNK_BYTES_MAX].into_boxed_slice()))
}

/// How copying ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides have said all they had.
    Done,
    /// The client broke off.
    ClientBroke,
    /// The client takes nothing of what is there.
    ClientStalled,
    /// Nothing moved for as long as the service allows.
    Idle,
    /// The upstream broke off.
    UpstreamBroke,
    /// The upstream has ended, and the client does not.
    Lingered,
}

impl End {
    /// The word for it in the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::ClientBroke => "client_broke",
            Self::ClientStalled => "client_stalled",
            Self::Idle => "idle",
            Self::UpstreamBroke => "upstream_broke",
            Self::Lingered => "lingered",
        }
    }
}

/// Who hears how many bytes moved.
pub(crate) trait Tally {
    /// From the client.
    fn received(&self, bytes: u64);
    /// From the upstream.
    fn sent(&self, bytes: u64);
}

/// Copies between a client and an upstream; `first` goes to the upstream before all else.
pub(crate) async fn relay<D, U>(
    client: &mut D,
    upstream: &mut U,
    first: Vec<u8>,
    timeouts: &Timeouts,
    scratch: &Scratch,
    tally: &impl Tally,
) -> End
where
    D: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Flow::starting_with(first), Flow::default());
    let mut clock = Clock::new(timeouts);
    poll_fn(|context| {
        let buffer = &mut **scratch.borrow_mut();
        let (was_up, was_down) = (up.moved, down.moved);
        let up_end = up.poll(context, Pin::new(client), Pin::new(upstream), buffer);
        let down_end = down.poll(context, Pin::new(upstream), Pin::new(client), buffer);
        tally.received(up.moved - was_up);
        tally.sent(down.moved - was_down);
        match (&up_end, &down_end) {
            (Poll::Ready(Err(Broken::Reading)), _) | (_, Poll::Ready(Err(Broken::Writing))) => {
                return Poll::Ready(End::ClientBroke);
            }
            (_, Poll::Ready(Err(Broken::Reading))) => return Poll::Ready(End::UpstreamBroke),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Done),
            // It took no more, and had its say.
            (Poll::Ready(Err(Broken::Writing)), Poll::Ready(Ok(()))) => {
                return Poll::Ready(End::Done);
            }
            _ => {}
        }
        if (was_up, was_down) != (up.moved, down.moved) {
            clock.moved = Instant::now();
        }
        clock.watch(&down);
        clock.poll(context, down_end.is_ready())
    })
    .await
}

/// What is read at once, and the most that is kept in one direction.
const CHUNK_BYTES_MAX: usize = 64 * 1_024;

#[cfg(test)]
mod tests;
