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
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

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

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    /// What was read and not taken yet.
    kept: Vec<u8>,
    taken: usize,
    /// Bytes read.
    moved: u64,
    /// Bytes written.
    written: u64,
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
enum Broken {
    Reading,
    Writing,
}

impl Flow {
    fn starting_with(kept: Vec<u8>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Whether the other side does not take what is there.
    fn is_stalled(&self) -> bool {
        !self.kept.is_empty() || (self.state == State::Copying && self.unflushed)
    }

    fn poll<R: AsyncRead, W: AsyncWrite>(
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

/// The limits in time, with one timer that exists only when there is one to keep.
struct Clock {
    idle: Option<Duration>,
    client: Option<Duration>,
    moved: Instant,
    /// Since when the client takes nothing, and what it had taken by then.
    stalled: Option<(Instant, u64)>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    fn new(timeouts: &Timeouts) -> Self {
        Self {
            idle: timeouts.idle,
            client: timeouts.client,
            moved: Instant::now(),
            stalled: None,
            timer: None,
        }
    }

    /// Looks whether the client takes what is there.
    fn watch(&mut self, down: &Flow) {
        self.stalled = match self.stalled {
            _ if self.client.is_none() || !down.is_stalled() => None,
            Some((since, written)) if written == down.written => Some((since, written)),
            _ => Some((Instant::now(), down.written)),
        };
    }

    /// Whether a limit is reached.
    fn poll(&mut self, context: &mut Context<'_>, ended: bool) -> Poll<End> {
        let limits = [
            self.idle.map(|idle| (self.moved + idle, End::Idle)),
            self.stalled.zip(self.client).map(|((at, _), limit)| (at + limit, End::ClientStalled)),
            ended.then(|| (self.moved + LINGER, End::Lingered)),
        ];
        let Some((at, end)) = limits.into_iter().flatten().min_by_key(|(at, _)| *at) else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        // A timer that is due too early is set again when it rings, which is rare; each byte would
        // be often.
        if at < timer.deadline() {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= at {
                return Poll::Ready(end);
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// What is read at once, and the most that is kept in one direction.
const CHUNK_BYTES_MAX: usize = 64 * 1_024;
/// How long a client may send nothing after its upstream has ended.
const LINGER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const ROOM: usize = 64;

    #[derive(Default)]
    struct Counts(Cell<u64>, Cell<u64>);

    impl Tally for Counts {
        fn received(&self, bytes: u64) {
            self.0.set(self.0.get() + bytes);
        }
        fn sent(&self, bytes: u64) {
            self.1.set(self.1.get() + bytes);
        }
    }

    /// Relays between the two ends that `both` plays; says how it ended and how long it took.
    async fn relayed<F: Future>(
        timeouts: Timeouts,
        both: impl FnOnce(DuplexStream, DuplexStream) -> F,
    ) -> (End, Duration, Counts) {
        let ((mut client, near), (mut upstream, far)) = (duplex(ROOM), duplex(ROOM));
        let (counts, began) = (Counts::default(), Instant::now());
        let first = b"first".to_vec();
        let (scratch, playing) = (scratch(), both(near, far));
        let relaying = relay(&mut client, &mut upstream, first, &timeouts, &scratch, &counts);
        let (end, _played) = tokio::join!(
            async {
                let end = relaying.await;
                (end, began.elapsed())
            },
            async {
                // An end that is kept open must not end the test.
                tokio::time::timeout(Duration::from_secs(100_000), playing).await.ok()
            }
        );
        (end.0, end.1, counts)
    }

    fn timeouts(idle: Option<u64>, client: Option<u64>) -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(1),
            first_byte: None,
            idle: idle.map(Duration::from_secs),
            client: client.map(Duration::from_secs),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everything_arrives_in_order_and_is_counted() {
        let (end, _, counts) = relayed(timeouts(None, None), async |mut client, mut upstream| {
            let mut seen = String::new();
            let mut heard = String::new();
            let long = "x".repeat(10 * ROOM);
            let asking = async {
                client.write_all(long.as_bytes()).await.expect("sent");
                client.shutdown().await.expect("ended");
                client.read_to_string(&mut heard).await.expect("heard");
            };
            let answering = async {
                upstream.read_to_string(&mut seen).await.expect("seen");
                upstream.write_all(b"answer").await.expect("answered");
                upstream.shutdown().await.expect("ended");
            };
            tokio::join!(asking, answering);
            assert_eq!((seen, heard), (format!("first{long}"), "answer".to_owned()));
        })
        .await;
        assert_eq!((end, counts.0.get(), counts.1.get()), (End::Done, 640, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_only_where_it_is_limited() {
        let quiet = |mut client: DuplexStream, upstream: DuplexStream| async move {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                if client.write_all(b".").await.is_err() {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_secs(9_000)).await;
            drop((client, upstream));
        };
        let (end, took, _) = relayed(timeouts(Some(10), None), quiet).await;
        assert_eq!((end, took), (End::Idle, Duration::from_secs(55)));
        let (end, took, _) = relayed(timeouts(None, None), quiet).await;
        assert_eq!((end, took), (End::Done, Duration::from_secs(9_045)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_ended_and_a_slow_one_is_not() {
        let talk = async |upstream: &mut DuplexStream| {
            while upstream.write_all(&[b'x'; ROOM]).await.is_ok() {}
        };
        let (end, took, _) = relayed(timeouts(None, Some(30)), async |_client, mut upstream| {
            talk(&mut upstream).await;
        })
        .await;
        assert_eq!((end, took), (End::ClientStalled, Duration::from_secs(30)));
        let (end, took, _) = relayed(timeouts(None, Some(30)), async |mut client, mut upstream| {
            let slow = async {
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_secs(20)).await;
                    client.read_exact(&mut [0; 8]).await.expect("bytes");
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = slow => {}
                () = talk(&mut upstream) => {}
            }
        })
        .await;
        assert_eq!((end, took), (End::ClientStalled, Duration::from_secs(230)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_wait_for_ever_but_not_outlive_its_upstream_for_ever() {
        let (end, took, _) = relayed(timeouts(None, None), async |mut client, mut upstream| {
            client.shutdown().await.expect("ended");
            tokio::time::sleep(Duration::from_secs(5_000)).await;
            upstream.write_all(b"late").await.expect("said");
            upstream.shutdown().await.expect("ended");
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.expect("heard");
            assert_eq!(heard, "late");
        })
        .await;
        assert_eq!((end, took), (End::Done, Duration::from_secs(5_000)));
        let (end, took, _) = relayed(timeouts(None, None), async |client, mut upstream| {
            upstream.shutdown().await.expect("ended");
            tokio::time::sleep(Duration::from_secs(5_000)).await;
            drop((client, upstream));
        })
        .await;
        assert_eq!((end, took), (End::Lingered, LINGER));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_words_of_an_upstream_that_listens_no_more_are_delivered() {
        let (end, _, _) = relayed(timeouts(None, None), async |mut client, mut upstream| {
            upstream.write_all(b"no").await.expect("said");
            drop(upstream);
            // Into the void.
            client.write_all(&[b'x'; ROOM]).await.ok();
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.expect("heard");
            assert_eq!(heard, "no");
        })
        .await;
        assert_eq!(end, End::Done);
    }
}
