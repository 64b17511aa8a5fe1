//! The connections to one place, made in one way.
//!
//! **Invariant:** an HTTP/1.1 connection is here only between responses: one whose response was not
//! read to its end is closed instead.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::http1::Held;
use super::http2::Shared;
use super::lease::Lease;
use super::opening::Opening;
use crate::connect::{Place, Transport, Version, Versions};
use crate::limits::{
    H2_UPSTREAM_CONNECTIONS_MAX, H2_UPSTREAM_STREAMS_MAX, ONCE_IDLE_MAX, REPLAY_AFTER,
    UPSTREAM_IDLE_MAX, UPSTREAM_IDLE_TIMEOUT,
};

/// Where connections wait that lead to one place and were made in one way.
pub(crate) struct Slot {
    place: Place,
    transport: Arc<Transport>,
    /// Over HTTP/1.1, between responses.
    idle: RefCell<Vec<Idle>>,
    /// Over HTTP/2, with any number of requests on them.
    shared: RefCell<Vec<Rc<Shared>>>,
    /// The HTTP/2 connection that is being opened.
    pub(super) opening: RefCell<Option<Rc<Opening>>>,
    /// How many requests the last connection that was asked takes.
    streams_allowed: Cell<usize>,
    /// What the last connection spoke, when that was negotiated.
    spoke: Cell<Option<Version>>,
    /// Whether the pool is.
    closed: Rc<Cell<bool>>,
}

struct Idle {
    connection: Held,
    since: Instant,
}

/// Whether a kept connection can be expected to take one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It was idle for long, has never served a second request, or is told to others when it goes.
    MayClose,
    /// It has just worked.
    None,
}

impl Slot {
    pub(super) fn new(place: Place, transport: Arc<Transport>, closed: Rc<Cell<bool>>) -> Self {
        Self {
            place,
            transport,
            idle: RefCell::default(),
            shared: RefCell::default(),
            opening: RefCell::default(),
            streams_allowed: Cell::new(H2_UPSTREAM_STREAMS_MAX),
            spoke: Cell::new(None),
            closed,
        }
    }

    /// Where its connections lead.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// How they are made.
    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    pub(super) fn is_for(&self, place: &Place, transport: &Arc<Transport>) -> bool {
        let same = Arc::ptr_eq(&self.transport, transport) || self.transport == *transport;
        same && self.place == *place
    }

    /// A connection that is there, and whether its owner may just be closing it. A request that cannot
    /// be repeated gets none over HTTP/1.1 that many a server closes at this age.
    pub(crate) fn reuse(
        self: &Rc<Self>,
        versions: Versions,
        repeats: bool,
    ) -> Option<(Lease, Doubt)> {
        let lease = if self.may_share(versions) { self.share() } else { None };
        match lease {
            // A server says that it is going while requests are on their way to it.
            Some(lease) => Some((lease, Doubt::MayClose)),
            None => self.reuse_http1(repeats),
        }
    }

    /// The one that was used last.
    fn reuse_http1(self: &Rc<Self>, repeats: bool) -> Option<(Lease, Doubt)> {
        let mut idle = self.idle.borrow_mut();
        // Those below the last were used even longer ago.
        let is_young = |idle: &mut Idle| repeats || idle.since.elapsed() < ONCE_IDLE_MAX;
        while let Some(Idle { connection, since }) = idle.pop_if(is_young) {
            if connection.borrow_mut().is_quiet() {
                // Some servers close after one response without announcing it, most after a while.
                let proven = connection.borrow().answers() > 1 && since.elapsed() < REPLAY_AFTER;
                let doubt = if proven { Doubt::None } else { Doubt::MayClose };
                return Some((Lease::http1(self, connection), doubt));
            }
        }
        None
    }

    /// A place on an HTTP/2 connection: the first with room; when none has and there may be no
    /// more of them, the one with the shortest queue.
    pub(super) fn share(self: &Rc<Self>) -> Option<Lease> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|shared| !shared.is_closed());
        let full = shared.len() >= H2_UPSTREAM_CONNECTIONS_MAX;
        let with_room = shared.iter().find(|shared| {
            // Who has not said yet is taken to be like the others.
            let allowed = shared.allowed().unwrap_or_else(|| self.streams_allowed.get());
            self.streams_allowed.set(allowed);
            shared.streams() < allowed
        });
        let chosen = match with_room {
            None if full => shared.iter().min_by_key(|shared| shared.streams()),
            found => found,
        };
        chosen.map(|shared| Lease::http2(self, shared))
    }

    pub(super) fn add_shared(self: &Rc<Self>, shared: Rc<Shared>) -> Lease {
        let lease = Lease::http2(self, &shared);
        if !self.closed.get() {
            self.shared.borrow_mut().push(shared);
        }
        lease
    }

    /// Keeps a connection for the next request: its response was read to the end.
    pub(super) fn keep(&self, connection: Held) {
        let mut idle = self.idle.borrow_mut();
        if !self.closed.get() && idle.len() < UPSTREAM_IDLE_MAX {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Whether a new connection will most likely carry many requests.
    pub(super) fn expects_http2(&self, versions: Versions) -> bool {
        self.may_share(versions) && self.spoke.get() != Some(Version::Http1)
    }

    /// Whether there may be no more HTTP/2 connections.
    pub(super) fn is_full(&self) -> bool {
        self.shared.borrow().len() >= H2_UPSTREAM_CONNECTIONS_MAX
    }

    /// Whether an HTTP/2 connection would do.
    fn may_share(&self, versions: Versions) -> bool {
        let transport = &self.transport;
        transport.may_be_http2() && (versions == Versions::Any || !transport.negotiates())
    }

    pub(super) fn opening(&self) -> Option<Rc<Opening>> {
        self.opening.borrow().clone()
    }

    pub(super) fn spoke(&self, version: Version) {
        self.spoke.set(Some(version));
    }

    pub(super) fn sweep(&self, now: Instant) {
        let is_fresh =
            |since: Instant| now.saturating_duration_since(since) < UPSTREAM_IDLE_TIMEOUT;
        self.idle
            .borrow_mut()
            .retain_mut(|idle| is_fresh(idle.since) && idle.connection.borrow_mut().is_quiet());
        self.shared
            .borrow_mut()
            .retain(|shared| !shared.is_closed() && shared.idle_since().is_none_or(is_fresh));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.shared.borrow().is_empty()
    }

    pub(super) fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.shared.borrow_mut().clear();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.place).finish()
    }
}
