//! One open connection or tunnel, as the worker sees it.
//!
//! **Invariant:** everything here is told by the task of the connection, or by the worker's sweep;
//! both run on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::Phase;
use crate::clocks::Clock;
use crate::limits::{PROGRESS_BYTES_MIN, REST_AFTER};
use crate::metered::Written;

/// One open connection or tunnel, as the worker sees it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) phase: Cell<Phase>,
    pub(super) is_tunnel: bool,
    /// Requests in flight.
    pub(super) active: Cell<u32>,
    /// Tunnels that are streams of it (WebSocket over HTTP/2).
    pub(super) held: Cell<u32>,
    /// The clock of the stream that hyper is about to start.
    starting: RefCell<Option<Rc<Clock>>>,
    /// Whether a request was ever read from it.
    pub(super) used: Cell<bool>,
    pub(super) idle_since: Cell<Instant>,
    written: Written,
    /// How much had been written at the last sweep.
    seen: Cell<u64>,
    /// Bytes that HTTP/1.1 has read.
    read: Cell<u64>,
    /// How many those were when the last request ended: more is the next one's head (HTTP/1.1).
    heads_after: Cell<Option<u64>>,
    /// Whether something that was written is not on its way yet (HTTP/1.1).
    unsent: Cell<bool>,
    rest: Cell<Rest>,
    /// Bodies of requests that are being read, which may be after their responses ended.
    bodies: Cell<u32>,
    /// When a sweep first saw the head that is being read.
    pub(super) head_since: Cell<Option<Instant>>,
    pub(super) told: Cell<Option<Instant>>,
    pub(super) waker: RefCell<Option<Waker>>,
}

/// Whether a connection gives its buffers back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Rest {
    /// It is used, or was just now.
    #[default]
    No,
    /// It has been quiet for long enough.
    Due,
    /// It has given them back.
    Taken,
}

impl Entry {
    pub(super) fn new(is_tunnel: bool) -> Self {
        Self {
            phase: Cell::default(),
            is_tunnel,
            active: Cell::new(0),
            held: Cell::new(0),
            starting: RefCell::default(),
            used: Cell::new(false),
            idle_since: Cell::new(Instant::now()),
            written: Written::default(),
            seen: Cell::new(0),
            read: Cell::new(0),
            heads_after: Cell::new(None),
            unsent: Cell::new(false),
            rest: Cell::default(),
            bodies: Cell::new(0),
            head_since: Cell::new(None),
            told: Cell::new(None),
            waker: RefCell::default(),
        }
    }

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

    /// Where the bytes that are written to the socket are counted.
    pub(crate) fn written(&self) -> &Written {
        &self.written
    }

    /// From now on, what is read is a request's head, and nothing else is (HTTP/1.1).
    pub(crate) fn expects_head(&self) {
        self.heads_after.set(Some(self.read.get()));
        self.head_since.set(None);
    }

    /// HTTP/1.1 read so many bytes.
    pub(crate) fn has_read(&self, bytes: usize) {
        self.read.set(self.read.get() + bytes as u64);
    }

    /// HTTP/1.1 writes something, or all that it wrote is on its way.
    pub(crate) fn set_unsent(&self, unsent: bool) {
        self.unsent.set(unsent);
    }

    /// Notes that the connection may be put to rest, when it is one of HTTP/1.1 and quiet for long.
    pub(super) fn look_for_rest(&self, quiet: Duration) {
        if quiet >= REST_AFTER && self.rest.get() == Rest::No && self.is_quiet() {
            self.rest.set(Rest::Due);
            self.wake();
        }
    }

    /// Whether nothing of a message is under way in either direction (HTTP/1.1).
    fn is_quiet(&self) -> bool {
        self.active.get() + self.held.get() + self.bodies.get() == 0
            && self.used.get()
            && !self.unsent.get()
            && self.heads_after.get() == Some(self.read.get())
    }

    /// Whether to put the connection to rest now.
    pub(super) fn takes_rest(&self) -> bool {
        if self.rest.get() != Rest::Due {
            return false;
        }
        let rests = self.is_quiet();
        self.rest.set(if rests { Rest::Taken } else { Rest::No });
        rests
    }

    /// The rest is over: something came.
    pub(super) fn wakes_up(&self) {
        self.rest.set(Rest::No);
    }

    /// A response that was handed over whole may still be on its way to a slow client: as long as it
    /// moves, the connection is not idle.
    pub(super) fn look_for_progress(&self, now: Instant) {
        let written = self.written.bytes();
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
    pub(super) fn look_for_head(&self, now: Instant) {
        if self.bodies.get() > 0 {
            return;
        }
        let has_begun = self.heads_after.get().is_some_and(|after| self.read.get() > after);
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
