//! What is open on one worker, and how it is told to end.
//!
//! A connection is driven by its own task. Instead of a timer and a cancellation future in each of
//! them, which would be polled at every wake-up, one sweep of the worker looks at all and wakes those
//! that must end: the usual poll costs two reads of a `Cell`.
//!
//! **Invariant:** an entry is in the book exactly as long as its [`Connection`] lives. A connection
//! with a request in flight, and a tunnel, is ended by nothing but the deadline.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::clocks::Clock;
use crate::limits::admission::Admitted;
use crate::limits::hits::{Hits, Limit};
use crate::limits::{FRESH_GRACE, GOODBYE_TIMEOUT, PROGRESS_BYTES_MIN};
use crate::metered::Moved;

/// Everything open on one worker.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    phase: Cell<Phase>,
    entries: RefCell<HashMap<u64, Rc<Entry>, RandomState>>,
    next: Cell<u64>,
}

/// How far the end has come; for the worker, and for single connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Phase {
    /// Serving.
    #[default]
    Open,
    /// Another process accepts: everything goes on, and clients are told to ask there next.
    Leaving,
    /// What is in flight may finish; nothing new.
    Draining,
    /// At once.
    Cut,
}

/// How long connections without a request in flight are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// Without anything to do.
    pub(crate) idle: Duration,
    /// With a head that has begun and does not end.
    pub(crate) head: Duration,
}

/// One open connection or tunnel, as the worker sees it.
#[derive(Debug)]
pub(crate) struct Entry {
    phase: Cell<Phase>,
    is_tunnel: bool,
    active: Cell<u32>,
    /// Tunnels that are streams of it (WebSocket over HTTP/2).
    held: Cell<u32>,
    /// The clock of the stream that hyper is about to start.
    starting: RefCell<Option<Rc<Clock>>>,
    /// Whether a request was ever read from it.
    used: Cell<bool>,
    idle_since: Cell<Instant>,
    moved: Moved,
    /// How much had been written at the last sweep.
    seen: Cell<u64>,
    /// How much had been read when the last request ended, where more is the next one's head.
    heads_after: Cell<Option<u64>>,
    /// Bodies of requests that are being read, which may be after their responses ended.
    bodies: Cell<u32>,
    /// When a sweep first saw the head that is being read.
    head_since: Cell<Option<Instant>>,
    told: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
}

impl Connections {
    /// Enters a connection that was just accepted.
    pub(crate) fn enter(self: &Rc<Self>, admitted: Admitted) -> Connection {
        self.add(Rc::new(admitted), false)
    }

    /// Enters a connection that is no HTTP: only the deadline of a stop ends it.
    pub(crate) fn enter_tunnel(self: &Rc<Self>, admitted: Admitted) -> Connection {
        self.add(Rc::new(admitted), true)
    }

    /// Lets everything go on, and tells clients that can be told without losing a request.
    pub(crate) fn leave(&self) {
        self.phase.set(Phase::Leaving);
        self.wake_all();
    }

    /// Lets what is in flight finish, and ends the rest.
    pub(crate) fn drain(&self) {
        self.phase.set(Phase::Draining);
        self.wake_all();
    }

    /// Ends everything; returns how many requests and tunnels were cut.
    pub(crate) fn cut(&self) -> u64 {
        self.phase.set(Phase::Cut);
        let entries = self.entries.borrow();
        for entry in entries.values() {
            entry.cut();
        }
        let count = |entry: &Rc<Entry>| u64::from(entry.active.get().max(entry.is_tunnel.into()));
        entries.values().map(count).sum()
    }

    /// Ends connections that have been idle for too long, or do not end although they were told to.
    pub(crate) fn sweep(&self, now: Instant, deadlines: Deadlines, hits: &Hits) {
        for entry in self.entries.borrow().values() {
            if entry.is_tunnel || entry.active.get() + entry.held.get() > 0 {
                continue;
            }
            entry.look_for_progress(now);
            entry.look_for_head(now);
            let since = |at: Instant| now.saturating_duration_since(at);
            if entry.head_since.get().is_some_and(|at| since(at) >= deadlines.head) {
                hits.count(Limit::HeadTime);
                entry.cut();
                continue;
            }
            let quiet = since(entry.idle_since.get());
            let draining = self.phase.get() >= Phase::Draining;
            let next = match entry.told.get() {
                Some(at) if since(at) >= GOODBYE_TIMEOUT && quiet >= GOODBYE_TIMEOUT => Phase::Cut,
                Some(_) => continue,
                None if quiet >= deadlines.idle => {
                    hits.count(Limit::IdleTime);
                    Phase::Draining
                }
                None if draining && quiet >= FRESH_GRACE => Phase::Draining,
                None => continue,
            };
            entry.phase.set(next);
            entry.wake();
        }
    }

    fn add(self: &Rc<Self>, admitted: Rc<Admitted>, is_tunnel: bool) -> Connection {
        let id = self.next.get();
        self.next.set(id + 1);
        let entry = Rc::new(Entry {
            phase: Cell::default(),
            is_tunnel,
            active: Cell::new(0),
            held: Cell::new(0),
            starting: RefCell::default(),
            used: Cell::new(false),
            idle_since: Cell::new(Instant::now()),
            moved: Moved::default(),
            seen: Cell::new(0),
            heads_after: Cell::new(None),
            bodies: Cell::new(0),
            head_since: Cell::new(None),
            told: Cell::new(None),
            waker: RefCell::default(),
        });
        self.entries.borrow_mut().insert(id, Rc::clone(&entry));
        Connection { id, book: Rc::clone(self), entry, admitted }
    }

    fn wake_all(&self) {
        for entry in self.entries.borrow().values() {
            entry.wake();
        }
    }
}

impl Entry {
    /// A request was read.
    pub(crate) fn begin(&self) {
        self.used.set(true);
        self.active.set(self.active.get() + 1);
    }

    /// Its response ended.
    pub(crate) fn end(&self, now: Instant) {
        self.active.set(self.active.get().saturating_sub(1));
        self.idle_since.set(now);
        if self.heads_after.get().is_some() {
            self.expects_head();
        }
    }

    /// Where the bytes that move over the connection are counted.
    pub(crate) fn moved(&self) -> &Moved {
        &self.moved
    }

    /// From now on, what is read is a request's head, and nothing else is (HTTP/1.1).
    pub(crate) fn expects_head(&self) {
        self.heads_after.set(Some(self.moved.read()));
        self.head_since.set(None);
    }

    /// A response that was handed over whole may still be on its way to a slow client: as long as it
    /// moves, the connection is not idle.
    fn look_for_progress(&self, now: Instant) {
        let written = self.moved.written();
        if written - self.seen.replace(written) >= PROGRESS_BYTES_MIN {
            self.idle_since.set(now);
        }
    }

    /// What is read until this is dropped is the body of a request.
    pub(crate) fn receives(self: &Rc<Self>) -> Receiving {
        self.bodies.set(self.bodies.get() + 1);
        Receiving(Rc::clone(self))
    }

    /// A head that has begun and is not whole has been read in part.
    fn look_for_head(&self, now: Instant) {
        if self.bodies.get() > 0 {
            return;
        }
        let has_begun = self.heads_after.get().is_some_and(|after| self.moved.read() > after);
        if has_begun && self.head_since.get().is_none() {
            self.head_since.set(Some(now));
        }
    }

    /// Keeps the connection while one of its streams is a tunnel.
    pub(crate) fn hold(self: &Rc<Self>) -> Held {
        self.held.set(self.held.get() + 1);
        Held(Rc::clone(self))
    }

    /// Notes the clock of the request that was just read; hyper starts its stream next.
    pub(crate) fn starts(&self, clock: Rc<Clock>) {
        *self.starting.borrow_mut() = Some(clock);
    }

    /// The clock of the stream that starts now.
    pub(crate) fn started(&self) -> Option<Rc<Clock>> {
        self.starting.borrow_mut().take()
    }

    /// Ends the connection at once.
    pub(crate) fn cut(&self) {
        self.phase.set(Phase::Cut);
        self.wake();
    }

    /// Whether it was, or is being, ended by us.
    pub(crate) fn is_cut(&self) -> bool {
        self.phase.get() == Phase::Cut
    }

    /// Lets the task that drives the connection look again.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// The body of a request that is being read.
#[derive(Debug)]
pub(crate) struct Receiving(Rc<Entry>);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.bodies.set(self.0.bodies.get().saturating_sub(1));
        if self.0.heads_after.get().is_some() {
            self.0.expects_head();
        }
    }
}

/// Keeps a connection that carries a tunnel, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(Rc<Entry>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
    }
}

/// A place in the book, held by the task that drives the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    book: Rc<Connections>,
    entry: Rc<Entry>,
    admitted: Rc<Admitted>,
}

impl Connection {
    /// What requests on it count on.
    pub(crate) fn entry(&self) -> &Rc<Entry> {
        &self.entry
    }

    /// A place of its own for a tunnel that this connection becomes; it shares the place in the total.
    pub(crate) fn tunnel(&self) -> Self {
        self.book.add(Rc::clone(&self.admitted), true)
    }

    /// Runs something that only the deadline ends; `None` when it was cut.
    pub(crate) async fn until_cut<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.phase() == Phase::Cut {
                return Poll::Ready(None);
            }
            self.remember(context);
            future.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Drives hyper's connection to its end; `None` when it was cut.
    pub(crate) async fn drive<C: Graceful>(&self, connection: C) -> Option<C::Output> {
        let mut connection = pin!(connection);
        poll_fn(|context| {
            match self.phase() {
                Phase::Cut => return Poll::Ready(None),
                Phase::Leaving if !C::ANNOUNCES || !self.entry.used.get() => {}
                Phase::Leaving | Phase::Draining
                    if self.entry.told.get().is_none() && self.may_be_told() =>
                {
                    self.entry.told.set(Some(Instant::now()));
                    connection.as_mut().finish();
                }
                _ => {}
            }
            self.remember(context);
            connection.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Whether the client should send its next request on another connection.
    pub(crate) fn is_leaving(&self) -> bool {
        self.phase() == Phase::Leaving
    }

    /// A client that was accepted just before the stop has its first request under way: closing at
    /// once would lose it.
    fn may_be_told(&self) -> bool {
        self.entry.used.get() || self.entry.phase.get() >= Phase::Draining
    }

    fn phase(&self) -> Phase {
        self.book.phase.get().max(self.entry.phase.get())
    }

    fn remember(&self, context: &Context<'_>) {
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.book.entries.borrow_mut().remove(&self.id);
    }
}

/// A connection of hyper's that can be asked to finish.
pub(crate) trait Graceful: Future {
    /// Whether the client is told that no more is answered before that is so (GOAWAY).
    const ANNOUNCES: bool;

    /// Answers what is in flight and then closes.
    fn finish(self: Pin<&mut Self>);
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::limits::Limits;
    use crate::limits::admission::Admission;
    use crate::metered::Metered;

    impl From<Duration> for Deadlines {
        fn from(idle: Duration) -> Self {
            Self { idle, head: idle }
        }
    }

    const IDLE: Duration = Duration::from_secs(60);

    struct Fake(Rc<Cell<bool>>);

    impl Future for Fake {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if self.0.get() { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    impl Graceful for Fake {
        const ANNOUNCES: bool = false;

        fn finish(self: Pin<&mut Self>) {
            self.0.set(true);
        }
    }

    fn entered(book: &Rc<Connections>) -> Connection {
        let admission = Admission::new(&Limits::default(), &[], Hits::default());
        let room = admission.room_now().expect("room");
        let client = std::net::IpAddr::from([127, 0, 0, 1]);
        book.enter(admission.admit(room, client).expect("one of many"))
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_asked_to_finish() {
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let asked = Rc::new(Cell::new(false));
        let drive = connection.drive(Fake(Rc::clone(&asked)));
        let sweep = async {
            tokio::task::yield_now().await;
            book.sweep(Instant::now() + IDLE / 2, IDLE.into(), &Hits::default());
            tokio::task::yield_now().await;
            assert!(!asked.get());
            book.sweep(Instant::now() + IDLE, IDLE.into(), &Hits::default());
        };
        let (done, ()) = tokio::join!(drive, sweep);
        assert_eq!(done, Some(()));
        drop(connection);
        assert!(book.entries.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_closes_no_connection_on_which_a_request_may_be_coming() {
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let asked = Rc::new(Cell::new(false));
        let drive = connection.drive(Fake(Rc::clone(&asked)));
        let leave = async {
            tokio::task::yield_now().await;
            book.leave();
            book.sweep(Instant::now() + IDLE / 2, IDLE.into(), &Hits::default());
            tokio::task::yield_now().await;
            assert!(!asked.get());
            book.sweep(Instant::now() + IDLE, IDLE.into(), &Hits::default());
        };
        let (done, ()) = tokio::join!(drive, leave);
        assert_eq!(done, Some(()));
        assert!(connection.is_leaving() || asked.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_client_still_takes_something_is_not_idle() {
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let mut socket = Metered::new(tokio::io::sink(), connection.entry().moved().clone());
        let start = Instant::now();
        for (bytes, halves, expected) in [
            (PROGRESS_BYTES_MIN, 3, Phase::Open),
            // Answers to pings are no progress.
            (17, 4, Phase::Open),
            (17, 5, Phase::Draining),
        ] {
            let bytes = vec![0; usize::try_from(bytes).expect("small")];
            socket.write_all(&bytes).await.expect("a sink");
            book.sweep(start + IDLE / 2 * halves, IDLE.into(), &Hits::default());
            assert_eq!(connection.entry.phase.get(), expected, "{halves}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_deadline_ends_a_request_in_flight() {
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        connection.entry().begin();
        let never = connection.until_cut(std::future::pending::<()>());
        let stop = async {
            tokio::task::yield_now().await;
            book.drain();
            book.sweep(Instant::now() + IDLE * 10, IDLE.into(), &Hits::default());
            assert_eq!(connection.entry.phase.get(), Phase::Open);
            tokio::task::yield_now().await;
            assert_eq!(book.cut(), 1);
        };
        let (done, ()) = tokio::join!(never, stop);
        assert_eq!(done, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_cut_and_a_body_is_no_head() {
        use tokio::io::AsyncReadExt;
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let entry = connection.entry();
        let mut socket = Metered::new(tokio::io::repeat(b'x'), entry.moved().clone());
        let hits = Hits::default();
        let deadlines = Deadlines { idle: IDLE * 10, head: Duration::from_secs(10) };
        let start = Instant::now();
        let mut seconds = 0;
        let mut phase = |seconds_more: u64| {
            seconds += seconds_more;
            book.sweep(start + Duration::from_secs(seconds), deadlines, &hits);
            entry.phase.get()
        };
        // The handshake.
        socket.read_u64().await.expect("bytes");
        entry.expects_head();
        assert_eq!([phase(5), phase(20)], [Phase::Open; 2], "nothing of a head has come");
        socket.read_u8().await.expect("a byte");
        assert_eq!([phase(5), phase(5)], [Phase::Open; 2]);
        entry.begin();
        let receiving = entry.receives();
        assert_eq!(phase(60), Phase::Open, "a request is in flight");
        entry.end(Instant::now());
        socket.read_u64().await.expect("bytes");
        assert_eq!([phase(5), phase(60)], [Phase::Open; 2], "its body still comes");
        drop(receiving);
        assert_eq!([phase(5), phase(60)], [Phase::Open; 2], "and then nothing");
        socket.read_u8().await.expect("a byte");
        assert_eq!([phase(5), phase(5), phase(5)], [Phase::Open, Phase::Open, Phase::Cut]);
        assert_eq!((hits.of(Limit::HeadTime), hits.of(Limit::IdleTime)), (1, 0));
    }
}
