//! What is open on one worker, and how it is told to end.
//!
//! A connection is driven by its own task. Instead of a timer and a cancellation future in each of
//! them, which would be polled at every wake-up, one sweep of the worker looks at all and wakes those
//! that must end: the usual poll costs two reads of a `Cell`.
//!
//! **Invariant:** an entry is in the book exactly as long as its [`Connection`] lives. A connection
//! with a request in flight, and a tunnel, is ended by nothing but the deadline.

mod entry;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(crate) use self::entry::{Entry, Held, Receiving};
use crate::limits::admission::Admitted;
use crate::limits::hits::{Hits, Limit};
use crate::limits::{FRESH_GRACE, GOODBYE_TIMEOUT};
use crate::upgrade::Duplex;

/// Everything open on one worker.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    phase: Cell<Phase>,
    entries: RefCell<HashMap<u64, Rc<Entry>, RandomState>>,
    next: Cell<u64>,
    /// How many have let go of what they held, by ending or coming to rest, since somebody asked.
    released: Cell<usize>,
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
                None => {
                    entry.look_for_rest(quiet);
                    continue;
                }
            };
            entry.phase.set(next);
            entry.wake();
        }
    }

    /// How many connections have ended or come to rest since this was asked last.
    pub(crate) fn take_released(&self) -> usize {
        self.released.take()
    }

    fn add(self: &Rc<Self>, admitted: Rc<Admitted>, is_tunnel: bool) -> Connection {
        let id = self.next.get();
        self.next.set(id + 1);
        let entry = Rc::new(Entry::new(is_tunnel));
        self.entries.borrow_mut().insert(id, Rc::clone(&entry));
        Connection { id, book: Rc::clone(self), entry, admitted, awaited: RefCell::default() }
    }

    fn has_released(&self) {
        self.released.set(self.released.get() + 1);
    }

    fn wake_all(&self) {
        for entry in self.entries.borrow().values() {
            entry.wake();
        }
    }
}

/// A place in the book, held by the task that drives the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    book: Rc<Connections>,
    entry: Rc<Entry>,
    admitted: Rc<Admitted>,
    /// Who waits for the stream, once HTTP/1.1 has ended on it.
    awaited: RefCell<Option<oneshot::Sender<Box<dyn Duplex>>>>,
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

    /// The stream itself, once the answer that ends HTTP/1.1 on it is on its way.
    pub(crate) fn stream_after(&self) -> oneshot::Receiver<Box<dyn Duplex>> {
        let (sender, receiver) = oneshot::channel();
        *self.awaited.borrow_mut() = Some(sender);
        receiver
    }

    /// Whether somebody waits for the stream.
    pub(crate) fn becomes_tunnel(&self) -> bool {
        self.awaited.borrow().is_some()
    }

    /// Gives the stream to whom it was promised; without anybody it ends here.
    pub(crate) fn hand_over(&self, stream: impl Duplex + 'static) {
        if let Some(awaited) = self.awaited.take() {
            // Whoever does not wait any more wants it closed.
            let _unwanted = awaited.send(Box::new(stream));
        }
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

    /// Drives hyper's connection until it ends, is cut, or may be put to rest.
    ///
    /// It takes the connection by reference: by value it would be in the caller's state twice.
    pub(crate) async fn drive<C: Graceful + Unpin>(&self, connection: &mut C) -> Driven<C::Output> {
        poll_fn(|context| {
            match self.phase() {
                Phase::Cut => return Poll::Ready(Driven::Cut),
                Phase::Leaving if !C::ANNOUNCES || !self.entry.used.get() => {}
                Phase::Leaving | Phase::Draining
                    if self.entry.told.get().is_none() && self.may_be_told() =>
                {
                    self.entry.told.set(Some(Instant::now()));
                    Pin::new(&mut *connection).finish();
                }
                _ if self.entry.takes_rest() => {
                    self.book.has_released();
                    return Poll::Ready(Driven::Rests);
                }
                _ => {}
            }
            self.remember(context);
            Pin::new(&mut *connection).poll(context).map(Driven::Ended)
        })
        .await
    }

    /// Waits, on a connection at rest, for what comes next; `None` when it is to be closed instead.
    pub(crate) async fn until_wanted<F: Future + Unpin>(&self, mut next: F) -> Option<F::Output> {
        poll_fn(|context| {
            match self.phase() {
                Phase::Cut | Phase::Draining => return Poll::Ready(None),
                Phase::Open | Phase::Leaving => {}
            }
            self.remember(context);
            Pin::new(&mut next).poll(context).map(|output| {
                self.entry.wakes_up();
                Some(output)
            })
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
        self.book.has_released();
    }
}

/// Why a connection is driven no further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Driven<T> {
    /// The deadline, or a limit, cut it.
    Cut,
    /// It came to its end.
    Ended(T),
    /// It is quiet, and everything that speaks HTTP/1.1 on it may go until something comes.
    Rests,
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
    use crate::limits::admission::Admission;
    use crate::limits::{Limits, PROGRESS_BYTES_MIN, REST_AFTER};
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
        let mut fake = Fake(Rc::clone(&asked));
        let drive = connection.drive(&mut fake);
        let sweep = async {
            tokio::task::yield_now().await;
            book.sweep(Instant::now() + IDLE / 2, IDLE.into(), &Hits::default());
            tokio::task::yield_now().await;
            assert!(!asked.get());
            book.sweep(Instant::now() + IDLE, IDLE.into(), &Hits::default());
        };
        let (done, ()) = tokio::join!(drive, sweep);
        assert_eq!(done, Driven::Ended(()));
        drop(connection);
        assert!(book.entries.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_closes_no_connection_on_which_a_request_may_be_coming() {
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let asked = Rc::new(Cell::new(false));
        let mut fake = Fake(Rc::clone(&asked));
        let drive = connection.drive(&mut fake);
        let leave = async {
            tokio::task::yield_now().await;
            book.leave();
            book.sweep(Instant::now() + IDLE / 2, IDLE.into(), &Hits::default());
            tokio::task::yield_now().await;
            assert!(!asked.get());
            book.sweep(Instant::now() + IDLE, IDLE.into(), &Hits::default());
        };
        let (done, ()) = tokio::join!(drive, leave);
        assert_eq!(done, Driven::Ended(()));
        assert!(connection.is_leaving() || asked.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_client_still_takes_something_is_not_idle() {
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let mut socket = Metered::new(tokio::io::sink(), connection.entry().written().clone());
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
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let entry = connection.entry();
        let hits = Hits::default();
        let deadlines = Deadlines { idle: IDLE * 10, head: Duration::from_secs(10) };
        let start = Instant::now();
        let mut seconds = 0;
        let mut phase = |seconds_more: u64| {
            seconds += seconds_more;
            book.sweep(start + Duration::from_secs(seconds), deadlines, &hits);
            entry.phase.get()
        };
        entry.expects_head();
        assert_eq!([phase(5), phase(20)], [Phase::Open; 2], "nothing of a head has come");
        entry.has_read(1);
        assert_eq!([phase(5), phase(5)], [Phase::Open; 2]);
        entry.begin();
        let receiving = entry.receives();
        assert_eq!(phase(60), Phase::Open, "a request is in flight");
        entry.end(Instant::now());
        entry.has_read(8);
        assert_eq!([phase(5), phase(60)], [Phase::Open; 2], "its body still comes");
        drop(receiving);
        assert_eq!([phase(5), phase(60)], [Phase::Open; 2], "and then nothing");
        entry.has_read(1);
        assert_eq!([phase(5), phase(5), phase(5)], [Phase::Open, Phase::Open, Phase::Cut]);
        assert_eq!((hits.of(Limit::HeadTime), hits.of(Limit::IdleTime)), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_quiet_connection_of_http1_is_put_to_rest() {
        let book = Rc::new(Connections::default());
        let connection = entered(&book);
        let entry = connection.entry();
        let later = Instant::now() + REST_AFTER;
        let rests = || {
            book.sweep(later, (IDLE * 2).into(), &Hits::default());
            entry.takes_rest()
        };
        assert!(!rests(), "HTTP/2, or nothing was asked yet");
        entry.expects_head();
        assert!(!rests(), "the first request may be coming");
        entry.begin();
        assert!(!rests(), "a request is in flight");
        entry.end(Instant::now());
        assert!(rests(), "nothing is under way");
        assert!(!rests(), "it rests already");
        entry.wakes_up();
        entry.set_unsent(true);
        assert!(!rests(), "its answer waits for a slow client");
        entry.set_unsent(false);
        let receiving = entry.receives();
        assert!(!rests(), "its body still comes");
        drop(receiving);
        entry.has_read(1);
        assert!(!rests(), "the next head has begun");
    }
}
