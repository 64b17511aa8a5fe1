//! How long one side of a request may keep the other waiting.
//!
//! No request has a timer. Whoever is waited for is noted in the request's [`Clock`], with the moment
//! of the worker's last sweep; the sweep looks at all clocks and wakes the tasks of those that ran
//! out. A request pays a few writes to cells.
//!
//! A body that trickles in is no progress either: the time in which it was the client that was waited
//! for is added up, and has to bring a number of bytes. Where an upstream does not take what is there,
//! that time stands still.
//!
//! **Invariant:** a clock never runs out early, and at most two sweeps ([`CLOCK_TICK`]) late. A
//! response has no limit as a whole: a stream that moves lives for ever.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connections::{Entry, Receiving};
use crate::limits::hits::{Hits, Limit};
use crate::limits::{CLIENT_TIMEOUT, CLOCK_TICK, CONTINUE_TIMEOUT};
use crate::policy::Timeouts;

/// The clocks of all requests of one worker.
#[derive(Debug)]
pub(crate) struct Clocks {
    /// When the last sweep was: the time, as exactly as clocks need it.
    now: Cell<Instant>,
    /// How long before it the one before was; no longer than a machine that slept would make it.
    tick: Cell<Duration>,
    running: RefCell<Slab<Rc<Clock>>>,
    /// Bytes per second that a body has to bring; 0 is no limit.
    body_rate_min: u64,
    hits: Hits,
}

impl Clocks {
    /// No request yet.
    pub(crate) fn new(body_rate_min: u64, hits: Hits) -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(Instant::now()),
            tick: Cell::default(),
            running: RefCell::default(),
            body_rate_min,
            hits,
        })
    }

    /// Starts the clock of a request that is served by the task of its connection (HTTP/1.1).
    pub(crate) fn start(self: &Rc<Self>, connection: &Rc<Entry>) -> Running {
        self.run(Some(Rc::clone(connection)))
    }

    /// Starts the clock of a request that has a task of its own (HTTP/2).
    pub(crate) fn start_stream(self: &Rc<Self>) -> Running {
        self.run(None)
    }

    /// Wakes the tasks of the requests whose clocks have run out.
    pub(crate) fn sweep(&self, now: Instant) {
        let before = self.now.replace(now);
        self.tick.set(now.saturating_duration_since(before).min(2 * CLOCK_TICK));
        for (_, clock) in self.running.borrow().iter() {
            clock.judge(now);
        }
    }

    fn run(self: &Rc<Self>, connection: Option<Rc<Entry>>) -> Running {
        let clock = Rc::new(Clock {
            book: Rc::clone(self),
            connection,
            limits: Cell::new(Limits::default()),
            waiting: Cell::default(),
            since: Cell::new(self.now.get()),
            answering: Cell::default(),
            expired: Cell::default(),
            bytes_in: Cell::default(),
            waited: Cell::default(),
            bytes_before: Cell::default(),
            task: RefCell::default(),
            go_on: RefCell::default(),
        });
        let place = self.running.borrow_mut().insert(Rc::clone(&clock));
        Running { clock, place }
    }
}

/// A clock in the book; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Running {
    clock: Rc<Clock>,
    place: usize,
}

impl Running {
    /// The clock itself, for the bodies.
    pub(crate) fn clock(&self) -> &Rc<Clock> {
        &self.clock
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.clock.book.running.borrow_mut().try_remove(self.place);
    }
}

/// Who is waited for in one request, and since when.
#[derive(Debug)]
pub(crate) struct Clock {
    book: Rc<Clocks>,
    /// Whose task serves the request; none when it has its own.
    connection: Option<Rc<Entry>>,
    limits: Cell<Limits>,
    waiting: Cell<Waiting>,
    since: Cell<Instant>,
    /// Whether the head of the response has come: then the request's body is not waited for.
    answering: Cell<bool>,
    expired: Cell<Option<Expired>>,
    bytes_in: Cell<u64>,
    /// How long the client was waited for since its body was last found to be fast enough.
    waited: Cell<Duration>,
    /// How many bytes had come by then.
    bytes_before: Cell<u64>,
    task: RefCell<Option<Waker>>,
    /// Lets the body follow a request that asked whether it may.
    go_on: RefCell<Option<CancellationToken>>,
}

/// The limits of one request.
#[derive(Debug, Clone, Copy)]
struct Limits {
    first_byte: Option<Duration>,
    idle: Option<Duration>,
    client: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { first_byte: None, idle: None, client: CLIENT_TIMEOUT }
    }
}

/// Who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Waiting {
    /// Nobody: what happens now has limits of its own.
    #[default]
    Nobody,
    /// The client, to send more of its request.
    ClientSends,
    /// The client, to take more of the response.
    ClientTakes,
    /// The upstream, to say whether the body may follow.
    Continue,
    /// The upstream, to take the request and to begin its answer.
    Head,
    /// The upstream, to send more of its answer.
    More,
}

/// Which clock ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The client's body brought fewer bytes per second than this.
    BodyRate(u64),
    /// The client made no progress.
    Client(Duration),
    /// The upstream did not begin to answer.
    FirstByte(Duration),
    /// The upstream fell silent in its answer.
    Idle(Duration),
}

impl Clock {
    /// The request is for a service with these limits.
    pub(crate) fn limit(&self, timeouts: &Timeouts) {
        self.limits.set(Limits {
            first_byte: timeouts.first_byte,
            idle: timeouts.idle,
            client: timeouts.client.unwrap_or(CLIENT_TIMEOUT),
        });
    }

    /// The limit that was passed, if one was.
    pub(crate) fn expired(&self) -> Option<Expired> {
        self.expired.get()
    }

    /// Whether the response has to be given up although nobody asks for its body: its client takes
    /// nothing.
    pub(crate) fn is_given_up(&self) -> bool {
        let by_client = matches!(self.expired.get(), Some(Expired::Client(_)));
        by_client && self.waiting.get() == Waiting::ClientTakes
    }

    /// Its body is being read; over HTTP/1.1 the connection knows.
    pub(crate) fn receives(&self) -> Option<Receiving> {
        self.connection.as_ref().map(Entry::receives)
    }

    /// How many bytes of the request's body have come.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in.get()
    }

    /// Runs what leads to the head of a response, until it is there or a clock runs out.
    ///
    /// It takes the future by reference: by value it would be in the caller's state twice.
    pub(crate) async fn until_expired<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> Result<F::Output, Expired> {
        poll_fn(|context| match self.expired.get() {
            Some(expired) => Poll::Ready(Err(expired)),
            None => future.as_mut().poll(context).map(Ok),
        })
        .await
    }

    /// Runs the task of an HTTP/2 stream until it ends, or has to be given up.
    pub(crate) async fn drive<F: Future<Output = ()>>(&self, stream: F) {
        let mut stream = pin!(stream);
        poll_fn(|context| {
            if self.is_given_up() {
                return Poll::Ready(());
            }
            self.remember(context);
            stream.as_mut().poll(context)
        })
        .await;
    }

    /// The upstream is asked whether the body may follow; it does so when `go_on` is cancelled.
    pub(crate) fn asks(&self, go_on: CancellationToken) {
        *self.go_on.borrow_mut() = Some(go_on);
        self.wait_for(Waiting::Continue);
    }

    /// The body waits for the client to send more.
    pub(crate) fn client_sends(&self) {
        if !self.answering.get() && self.waiting.get() != Waiting::ClientSends {
            self.wait_for(Waiting::ClientSends);
        }
    }

    /// This much more of the body, or its end, is on its way to the upstream.
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes_in.set(self.bytes_in.get() + bytes);
        if !self.answering.get() {
            self.wait_for(Waiting::Head);
        }
    }

    /// The head of the response has come.
    pub(crate) fn answered(&self) {
        self.answering.set(true);
        self.wait_for(Waiting::Nobody);
    }

    /// A piece of the response is there for the client to take.
    pub(crate) fn client_takes(&self) {
        self.wait_for(Waiting::ClientTakes);
    }

    /// The client has taken what was there: more is asked for.
    pub(crate) fn wants_more(&self) {
        if self.waiting.get() != Waiting::More {
            self.wait_for(Waiting::More);
        }
    }

    fn wait_for(&self, whom: Waiting) {
        self.waiting.set(whom);
        self.since.set(self.book.now.get());
    }

    fn remember(&self, context: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|t| t.will_wake(context.waker())) {
            *task = Some(context.waker().clone());
        }
    }

    fn judge(&self, now: Instant) {
        if self.expired.get().is_some() {
            return;
        }
        let limits = self.limits.get();
        let (limit, expired): (_, fn(Duration) -> Expired) = match self.waiting.get() {
            Waiting::Nobody => return,
            Waiting::ClientSends | Waiting::ClientTakes => (Some(limits.client), Expired::Client),
            // A head that carries a question is a head that is answered.
            Waiting::Continue => (Some(CONTINUE_TIMEOUT), Expired::FirstByte),
            Waiting::Head => (limits.first_byte, Expired::FirstByte),
            Waiting::More => (limits.idle, Expired::Idle),
        };
        let Some(limit) = limit else { return };
        // What was noted may have happened up to a tick after the sweep it was noted with.
        if now.saturating_duration_since(self.since.get()) < limit + CLOCK_TICK {
            if self.waiting.get() == Waiting::ClientSends && self.is_too_slow(limit) {
                self.expire(Expired::BodyRate(self.book.body_rate_min));
            }
            return;
        }
        if self.waiting.get() == Waiting::Continue {
            if let Some(go_on) = &*self.go_on.borrow() {
                go_on.cancel();
            }
            return;
        }
        self.expire(expired(limit));
    }

    /// Whether the client was waited for so long in all, and has sent too little meanwhile.
    fn is_too_slow(&self, window: Duration) -> bool {
        let waited = self.waited.get() + self.book.tick.get();
        self.waited.set(waited);
        if waited < window + CLOCK_TICK {
            return false;
        }
        self.waited.set(Duration::ZERO);
        let bytes = self.bytes_in() - self.bytes_before.replace(self.bytes_in());
        bytes < self.book.body_rate_min.saturating_mul(waited.as_secs())
    }

    fn expire(&self, expired: Expired) {
        self.expired.set(Some(expired));
        self.book.hits.count(expired.limit());
        match &self.connection {
            // hyper does not ask for more of a body that its client does not take, so nothing but
            // the end of the connection ends it.
            Some(connection) if self.is_given_up() => connection.cut(),
            Some(connection) => connection.wake(),
            None => {
                if let Some(task) = &*self.task.borrow() {
                    task.wake_by_ref();
                }
            }
        }
    }
}

impl Expired {
    fn limit(self) -> Limit {
        match self {
            Self::BodyRate(_) => Limit::BodyRate,
            Self::Client(_) => Limit::ClientTime,
            Self::FirstByte(_) => Limit::FirstByteTime,
            Self::Idle(_) => Limit::UpstreamIdleTime,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        connect: Duration::from_secs(1),
        first_byte: Some(Duration::from_secs(10)),
        idle: Some(Duration::from_secs(20)),
        client: Some(Duration::from_secs(30)),
    };

    /// What has run out after each of these many seconds of waiting.
    fn expiries(wait: impl Fn(&Clock), seconds: [u64; 3]) -> [Option<Expired>; 3] {
        seconds.map(|seconds| {
            let book = Clocks::new(240, Hits::default());
            let running = book.start_stream();
            running.clock().limit(&TIMEOUTS);
            wait(running.clock());
            book.sweep(book.now.get() + Duration::from_secs(seconds));
            running.clock().expired()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn each_clock_runs_for_whom_it_is_for() {
        let first = Some(Expired::FirstByte(Duration::from_secs(10)));
        let idle = Some(Expired::Idle(Duration::from_secs(20)));
        let client = Some(Expired::Client(Duration::from_secs(30)));
        assert_eq!(expiries(|_| {}, [11, 31, 9_000]), [None; 3], "nobody is waited for");
        assert_eq!(expiries(|clock| clock.sent(1), [10, 11, 31]), [None, first, first]);
        assert_eq!(expiries(Clock::wants_more, [20, 21, 31]), [None, idle, idle]);
        assert_eq!(expiries(Clock::client_takes, [30, 31, 32]), [None, client, client]);
        assert_eq!(expiries(Clock::client_sends, [30, 31, 32]), [None, client, client]);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_starts_a_clock_anew_and_asking_again_does_not() {
        let book = Clocks::new(240, Hits::default());
        let running = book.start_stream();
        let clock = running.clock();
        clock.limit(&TIMEOUTS);
        let start = book.now.get();
        for second in (0..200).step_by(19) {
            book.sweep(start + Duration::from_secs(second));
            clock.client_takes();
            clock.wants_more();
        }
        assert_eq!(clock.expired(), None);
        book.sweep(start + Duration::from_secs(200));
        clock.wants_more();
        book.sweep(start + Duration::from_secs(190 + 21));
        assert_eq!(clock.expired(), Some(Expired::Idle(Duration::from_secs(20))));
    }

    #[tokio::test(start_paused = true)]
    async fn once_the_answer_has_begun_nothing_of_the_request_is_waited_for() {
        let answered = |clock: &Clock| {
            clock.client_sends();
            clock.answered();
            clock.client_sends();
            clock.sent(1);
        };
        assert_eq!(expiries(answered, [11, 31, 9_000]), [None; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_follows_also_when_the_upstream_does_not_say_so() {
        let book = Clocks::new(240, Hits::default());
        let running = book.start_stream();
        let go_on = CancellationToken::new();
        running.clock().asks(go_on.clone());
        book.sweep(book.now.get() + CONTINUE_TIMEOUT);
        assert!(!go_on.is_cancelled());
        book.sweep(book.now.get() + CONTINUE_TIMEOUT + CLOCK_TICK);
        assert!(go_on.is_cancelled());
        assert_eq!(running.clock().expired(), None);
        drop(running);
        assert!(book.running.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_client_takes_nothing_ends() {
        let book = Clocks::new(240, Hits::default());
        let running = book.start_stream();
        let clock = running.clock();
        clock.client_takes();
        let sweep = async {
            tokio::task::yield_now().await;
            book.sweep(book.now.get() + CLIENT_TIMEOUT + CLOCK_TICK);
        };
        tokio::join!(clock.drive(std::future::pending()), sweep);
        assert!(clock.is_given_up());
    }

    /// How many seconds a body lasts that brings so many bytes in each, when for so many of ten
    /// seconds it is not the client that is waited for.
    fn lasts(bytes: u64, seconds_not_waited: u64) -> Option<(u64, Expired)> {
        let hits = Hits::default();
        let book = Clocks::new(240, hits.clone());
        let running = book.start_stream();
        let clock = running.clock();
        let start = book.now.get();
        for second in 1..600 {
            clock.sent(bytes);
            if second % 10 >= seconds_not_waited {
                clock.client_sends();
            }
            book.sweep(start + Duration::from_secs(second));
            if let Some(expired) = clock.expired() {
                assert_eq!(hits.of(Limit::BodyRate), 1);
                return Some((second, expired));
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_ends_and_backpressure_is_not_held_against_it() {
        let slow = Expired::BodyRate(240);
        assert_eq!(lasts(1, 0), Some((61, slow)));
        assert_eq!(lasts(239, 0), Some((61, slow)));
        assert_eq!(lasts(240, 0), None);
        // Half of the time the upstream takes nothing: what comes has twice the time to come.
        assert_eq!(lasts(130, 5), None);
        assert_eq!(lasts(110, 5), Some((125, slow)));
        assert_eq!(lasts(1, 10), None);
    }
}
