//! Updates that were seen, so that each is made once however often it comes.
//!
//! A client that hears nothing sends the same message again, and so does who recorded it. A signature is
//! believed for some minutes; until then it is remembered here.
//!
//! **Invariant:** at most [`SEEN_MAX`] are remembered, none is forgotten while it is believed, and one
//! more than that is put off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::reply::Outcome;
use crate::tsig::{Exchange, FUDGE_S};

/// What was seen; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Table>>);

type Table = HashMap<Box<[u8]>, Entry, RandomState>;

#[derive(Debug)]
struct Entry {
    /// Until when its signature is believed.
    until_s: u64,
    /// What was answered; `None` while it is being made.
    outcome: Option<Outcome>,
}

/// Whether an update is new.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It is to be made.
    New,
    /// It is being made: whoever sent it first is answered.
    Running,
    /// It was made, with this outcome.
    Done(Outcome),
    /// There are too many.
    Full,
}

impl Seen {
    /// Takes note of an update.
    pub(crate) fn begin(&self, exchange: &Exchange, now_s: u64) -> Begun {
        let mut table = self.table();
        if let Some(entry) = table.get(exchange.request_code()) {
            return entry.outcome.map_or(Begun::Running, Begun::Done);
        }
        if table.len() >= SEEN_MAX {
            table.retain(|_, entry| entry.until_s >= now_s);
        }
        if table.len() >= SEEN_MAX {
            return Begun::Full;
        }
        let until_s = exchange.signed_at_s().saturating_add(u64::from(FUDGE_S));
        table.insert(exchange.request_code().into(), Entry { until_s, outcome: None });
        Begun::New
    }

    /// Takes note of what was answered.
    pub(crate) fn end(&self, exchange: &Exchange, outcome: Outcome) {
        if let Some(entry) = self.table().get_mut(exchange.request_code()) {
            entry.outcome = Some(outcome);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Within the ten minutes that a signature can be believed at most: 27 a second.
const SEEN_MAX: usize = 16_384;
