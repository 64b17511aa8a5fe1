//! Which queries are told, and handing them to whoever writes them down.
//!
//! What is told of a query is only copied here (its bytes, those of the reply, and which zone said it);
//! `line` reads it, where nobody waits for an answer.
//!
//! **Invariant:** nobody waits for a log: what does not fit in the queue is counted and dropped. While
//! the log is off a query costs one relaxed load. Clients' addresses are cut before anything leaves
//! this module.

pub mod line;
pub(crate) mod noted;
pub mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

pub use self::noted::Query;
pub(crate) use self::noted::{Held, Noted, Watch};
use self::settings::{Clients, Logged, QueryLogSettings, Share};

/// The answering end of the log; cheap to clone.
#[derive(Debug, Clone)]
pub struct QueryLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    logged: AtomicU8,
    clients: AtomicU8,
    share: AtomicU32,
    /// Counts what could have been kept, to choose among it.
    turn: AtomicU64,
    lost: AtomicU64,
    queue: SyncSender<Order>,
}

/// What the writer is told.
#[derive(Debug)]
pub enum Order {
    /// This was answered, or dropped.
    Write(Box<Query>),
    /// There is no more to come.
    Stop,
}

/// The writer's end.
#[derive(Debug)]
pub struct Queries(Receiver<Order>);

impl Queries {
    /// The next order; waits for it. `None` once nobody is left to give one.
    pub fn next(&self) -> Option<Order> {
        self.0.recv().ok()
    }

    /// The next order that is there.
    pub fn ready(&self) -> Option<Order> {
        self.0.try_recv().ok()
    }
}

impl QueryLog {
    /// A log with whoever writes it.
    pub fn new(settings: &QueryLogSettings) -> (Self, Queries) {
        let (queue, queries) = sync_channel(QUEUE_QUERIES_MAX);
        let shared = Shared {
            logged: AtomicU8::default(),
            clients: AtomicU8::default(),
            share: AtomicU32::default(),
            turn: AtomicU64::default(),
            lost: AtomicU64::default(),
            queue,
        };
        let log = Self(Arc::new(shared));
        log.set(settings);
        (log, Queries(queries))
    }

    /// Applies other settings from the next query on.
    pub fn set(&self, settings: &QueryLogSettings) {
        let QueryLogSettings { logged, share, clients } = settings;
        self.0.clients.store(*clients as u8, Ordering::Relaxed);
        self.0.share.store(share.millionths(), Ordering::Relaxed);
        // Last: what is kept from now on is kept as the others say.
        self.0.logged.store(*logged as u8, Ordering::Release);
    }

    /// What is in force.
    pub fn settings(&self) -> QueryLogSettings {
        let millionths = self.0.share.load(Ordering::Relaxed);
        QueryLogSettings {
            logged: self.logged(),
            share: Share::of_millionths(millionths),
            clients: self.clients(),
        }
    }

    /// Whether every query is told, so that none may be answered past [`QueryLog`]: one relaxed load.
    #[inline]
    pub fn is_all(&self) -> bool {
        self.0.logged.load(Ordering::Relaxed) == Logged::All as u8
    }

    /// How many lines found no room.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Counts lines that could not be written.
    pub fn lose(&self, lines: u64) {
        self.0.lost.fetch_add(lines, Ordering::Relaxed);
    }

    /// Ends the writer once it has written what is there; waits for room in the queue.
    pub fn stop(&self) {
        // A writer that is gone needs no order.
        self.0.queue.send(Order::Stop).ok();
    }

    /// Begins to watch a query; `None` while the log is off.
    #[inline]
    pub(crate) fn watch(&self) -> Option<Watch> {
        match self.0.logged.load(Ordering::Relaxed) == Logged::Off as u8 {
            true => None,
            false => Some(Watch::begin()),
        }
    }

    fn logged(&self) -> Logged {
        Logged::of(self.0.logged.load(Ordering::Relaxed))
    }

    fn clients(&self) -> Clients {
        Clients::of(self.0.clients.load(Ordering::Relaxed))
    }

    /// Whether something is told that is, or is not, an error.
    fn wants(&self, is_error: bool) -> bool {
        let is_meant = match self.logged() {
            Logged::Off => false,
            Logged::Errors => is_error,
            Logged::All => true,
        };
        is_meant && self.is_chosen()
    }

    /// Chooses the configured share, evenly and without a pattern that clients' pairs of questions
    /// could fall in with.
    fn is_chosen(&self) -> bool {
        let share = self.0.share.load(Ordering::Relaxed);
        if share == Share::ALL.millionths() {
            return true;
        }
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        mixed(turn) % u64::from(Share::ALL.millionths()) < u64::from(share)
    }

    fn send(&self, query: Query) {
        if self.0.queue.try_send(Order::Write(Box::new(query))).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Default for QueryLog {
    /// One that is off, and that nobody reads.
    fn default() -> Self {
        Self::new(&QueryLogSettings::default()).0
    }
}

/// A number that tells nothing about its neighbours' (the finaliser of splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Queries that wait to be written; each has its request and a bounded part of its reply.
pub const QUEUE_QUERIES_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
