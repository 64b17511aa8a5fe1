//! Connections to upstreams, kept for the next request.
//!
//! Each worker has a pool of its own, so nothing here is shared or locked. Connections are kept by
//! where they lead and how they were made: the protocol, the TLS policy and the name that was
//! judged. Over HTTP/1.1 one carries one request at a time, over HTTP/2 many.
//!
//! **Invariant:** a connection is used only for upstreams whose place and [`Transport`] are those it
//! was opened with. A worker keeps at most [`UPSTREAM_IDLE_MAX`] idle ones over HTTP/1.1 and
//! [`H2_UPSTREAM_CONNECTIONS_MAX`] over HTTP/2 for each, each idle for at most
//! [`UPSTREAM_IDLE_TIMEOUT`].
//!
//! [`UPSTREAM_IDLE_MAX`]: crate::limits::UPSTREAM_IDLE_MAX
//! [`H2_UPSTREAM_CONNECTIONS_MAX`]: crate::limits::H2_UPSTREAM_CONNECTIONS_MAX
//! [`UPSTREAM_IDLE_TIMEOUT`]: crate::limits::UPSTREAM_IDLE_TIMEOUT

mod form;
mod http1;
mod http2;
mod lease;
mod opening;
mod slot;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::tasks::Tasks;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use tokio::time::{Instant, timeout_at};

use crate::connect::{ConnectError, Connector, Opened, Place, Transport, Version, Versions};
use crate::limits::hits::Hits;

pub(crate) use self::http1::Reading;
#[cfg(any(test, fuzzing))]
pub(crate) use self::http1::whole;
use self::http2::Shared;
pub(crate) use self::lease::{Lease, Why};
use self::opening::Opening;
pub(crate) use self::slot::{Doubt, Slot};

/// The pool of one worker.
pub(crate) struct Client {
    slots: RefCell<HashTable<Rc<Slot>>>,
    hasher: RandomState,
    closed: Rc<Cell<bool>>,
    connector: Connector,
    hits: Hits,
    tasks: Tasks,
}

impl Client {
    /// An empty pool whose connections are driven by `tasks`.
    pub(crate) fn new(connector: Connector, hits: Hits, tasks: Tasks) -> Self {
        Self {
            slots: RefCell::default(),
            hasher: RandomState::default(),
            closed: Rc::default(),
            connector,
            hits,
            tasks,
        }
    }

    /// The place of the connections that lead to `place` and were made by `transport`.
    pub(crate) fn slot(&self, place: &Place, transport: &Arc<Transport>) -> Rc<Slot> {
        let hash_of = |place: &Place, transport: &Transport| {
            self.hasher.hash_one((place, transport.key_hash()))
        };
        let hash = hash_of(place, transport);
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.find(hash, |slot| slot.is_for(place, transport)) {
            return Rc::clone(slot);
        }
        let slot =
            Rc::new(Slot::new(place.clone(), Arc::clone(transport), Rc::clone(&self.closed)));
        let rehash = |slot: &Rc<Slot>| hash_of(slot.place(), slot.transport());
        slots.insert_unique(hash, Rc::clone(&slot), rehash);
        slot
    }

    /// Opens a connection, or joins one that somebody else has just opened and that takes more.
    pub(crate) async fn connect(
        &self,
        slot: &Rc<Slot>,
        versions: Versions,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        let deadline = Instant::now() + limit;
        while slot.expects_http2(versions) {
            if slot.is_full()
                && let Some(lease) = slot.share()
            {
                return Ok(lease);
            }
            // Whoever comes while a connection is being opened would only open one too many.
            let Some(opening) = slot.opening() else {
                let opening = Opening::begin(slot);
                let opened = self.open(slot, versions, deadline).await;
                opening.end(opened.as_ref().err().cloned());
                return opened;
            };
            let ended = timeout_at(deadline, opening.ended()).await;
            if let Some(error) = ended.map_err(|_| ConnectError::TimedOut)? {
                return Err(error);
            }
            if let Some(lease) = slot.share() {
                return Ok(lease);
            }
        }
        self.open(slot, versions, deadline).await
    }

    async fn open(
        &self,
        slot: &Rc<Slot>,
        versions: Versions,
        deadline: Instant,
    ) -> Result<Lease, ConnectError> {
        let opened = self.connector.open(slot.place(), slot.transport(), versions);
        let Opened { stream, version } =
            timeout_at(deadline, opened).await.map_err(|_| ConnectError::TimedOut)??;
        slot.spoke(version);
        match version {
            Version::Http1 => {
                let (hits, tasks) = (self.hits.clone(), self.tasks.clone());
                Ok(Lease::http1(slot, http1::Connection::new(stream, hits, tasks)))
            }
            Version::Http2 => {
                let place = slot.place().clone();
                let shared = Shared::open(stream, place, &self.hits, &self.tasks);
                let shared = timeout_at(deadline, shared)
                    .await
                    .map_err(|_| ConnectError::TimedOut)?
                    .map_err(io::Error::other)?;
                Ok(slot.add_shared(shared))
            }
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.slots.borrow_mut().retain(|slot| {
            slot.sweep(now);
            // Somebody may be connecting for it.
            Rc::strong_count(slot) > 1 || !slot.is_empty()
        });
    }

    /// Closes everything idle, and from now on whatever is handed back.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        for slot in self.slots.borrow_mut().drain() {
            slot.clear();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
