//! What a channel has still to tell, and what people know by it.
//!
//! **Invariant:** bounded. Nobody is told of an end without having been told of the beginning, nor
//! twice of the same beginning; what could not be told stays until it is told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::pacing::Pacing;
use crate::alert::{AlertChange, AlertKey};

/// The outbox of one channel; it outlives a reload that replaces who empties it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Something was put in.
    filled: Notify,
    /// Held by who sends, so that a successor waits for the last try.
    pub(super) turn: tokio::sync::Mutex<Pacing>,
    /// How often something was told.
    deliveries: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<AlertChange>,
    /// What is raised as far as people know, or will when all that waits is told.
    raised: BTreeSet<AlertKey>,
    /// Changes that there was no room for, and that the next message counts.
    lost: u64,
    /// One of those was a beginning that may still be raised.
    is_short: bool,
}

/// What waits at a time, as much as one message tells.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The first of them.
    pub(super) changes: Vec<AlertChange>,
    /// The others, which are only counted: raised and over.
    pub(super) left_out: (u64, u64),
    /// Changes before these that are lost.
    pub(super) lost: u64,
}

impl Outbox {
    /// Puts a change in, unless people know it or never knew of its beginning; whether there was
    /// room.
    pub(super) fn put(&self, change: &AlertChange) -> bool {
        let mut state = self.state();
        let key = change.alert().key();
        let is_news = match change {
            AlertChange::Raised(_) => !state.raised.contains(&key),
            AlertChange::Cleared { .. } => state.raised.remove(&key),
        };
        if !is_news {
            return true;
        }
        // Ends always find room: there are no more than beginnings that people know.
        let is_end = matches!(change, AlertChange::Cleared { .. });
        if state.waiting.len() >= WAITING_MAX && !is_end {
            state.lost += 1;
            state.is_short = true;
            return false;
        }
        if matches!(change, AlertChange::Raised(_)) {
            state.raised.insert(key);
        }
        state.waiting.push_back(change.clone());
        drop(state);
        // To all: who is about to be replaced must not take the only word.
        self.filled.notify_waiters();
        true
    }

    /// Notes what people were told before a restart.
    pub(super) fn note_told(&self, key: AlertKey) {
        self.state().raised.insert(key);
    }

    /// Whether people know an alert, or will when all that waits is told.
    pub(super) fn knows(&self, key: &AlertKey) -> bool {
        self.state().raised.contains(key)
    }

    /// The alerts that people were told of and that are not over for them.
    pub(super) fn told(&self) -> BTreeSet<AlertKey> {
        let state = self.state();
        let mut told = state.raised.clone();
        for change in state.waiting.iter().rev() {
            // What was there before the first change that waits is what people know.
            match change {
                AlertChange::Raised(alert) => told.remove(&alert.key()),
                AlertChange::Cleared { alert, .. } => told.insert(alert.key()),
            };
        }
        told
    }

    /// The ends that wait.
    pub(super) fn ends(&self) -> Vec<AlertChange> {
        let state = self.state();
        let is_end = |change: &&AlertChange| matches!(change, AlertChange::Cleared { .. });
        state.waiting.iter().filter(is_end).cloned().collect()
    }

    /// Whether a beginning found no room, and there is some now.
    pub(super) fn has_room_again(&self) -> bool {
        let mut state = self.state();
        let has_room = state.is_short && state.waiting.len() < WAITING_MAX / 2;
        state.is_short &= !has_room;
        has_room
    }

    /// How often something was told.
    pub(super) fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    /// How many changes wait.
    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Waits until there is something to tell.
    pub(super) async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if self.len() > 0 {
                return;
            }
            filled.await;
        }
    }

    /// All that waits; `None` when nothing does. It stays until [`Outbox::delivered`].
    pub(super) fn batch(&self) -> Option<Batch> {
        let state = self.state();
        let changes: Vec<_> = state.waiting.iter().take(CHANGES_SHOWN_MAX).cloned().collect();
        let mut left_out = (0, 0);
        for change in state.waiting.iter().skip(CHANGES_SHOWN_MAX) {
            match change {
                AlertChange::Raised(_) => left_out.0 += 1,
                AlertChange::Cleared { .. } => left_out.1 += 1,
            }
        }
        (!changes.is_empty()).then_some(Batch { changes, left_out, lost: state.lost })
    }

    /// A batch was told; its changes wait no more.
    pub(super) fn delivered(&self, size: usize, lost: u64) {
        let mut state = self.state();
        let size = size.min(state.waiting.len());
        state.waiting.drain(..size);
        state.lost -= lost.min(state.lost);
        self.deliveries.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most changes that wait for a channel.
const WAITING_MAX: usize = 10_000;
/// The most changes that a message lists.
const CHANGES_SHOWN_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::tests::{cleared, raised};

    #[test]
    fn what_waits_stays_until_it_is_told() {
        let outbox = Outbox::default();
        assert!(outbox.batch().is_none());
        assert!(outbox.put(&raised("/")) && outbox.put(&raised("/")));
        let batch = outbox.batch().expect("one");
        assert_eq!((batch.changes, batch.left_out, outbox.len()), (vec![raised("/")], (0, 0), 1));
        assert!(outbox.told().is_empty() && outbox.knows(&raised("/").alert().key()));
        outbox.put(&cleared("/"));
        assert!(outbox.told().is_empty());
        outbox.delivered(1, 0);
        assert_eq!(outbox.batch().expect("the end").changes, [cleared("/")]);
        outbox.delivered(1, 0);
        assert!(outbox.batch().is_none() && outbox.told().is_empty());
        assert_eq!(outbox.deliveries(), 2);
    }

    #[test]
    fn an_end_whose_beginning_nobody_was_told_of_is_not_told() {
        let outbox = Outbox::default();
        outbox.put(&cleared("/"));
        assert!(outbox.batch().is_none());
        outbox.note_told(raised("/home").alert().key());
        assert!(outbox.put(&raised("/home")));
        assert!(outbox.batch().is_none(), "people know it");
        assert_eq!(outbox.told().len(), 1);
        outbox.put(&cleared("/home"));
        assert_eq!((outbox.len(), outbox.told().len()), (1, 1), "they still take it for raised");
        outbox.put(&raised("/home"));
        assert_eq!((outbox.ends(), outbox.told().len()), (vec![cleared("/home")], 1));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_and_may_be_put_in_again() {
        let outbox = Outbox::default();
        for number in 0..WAITING_MAX {
            assert!(outbox.put(&raised(&number.to_string())));
        }
        assert!(!outbox.put(&raised("more")) && !outbox.has_room_again());
        assert!(outbox.put(&cleared("7")), "an end finds room");
        let batch = outbox.batch().expect("many");
        assert_eq!((batch.changes.len(), batch.left_out, batch.lost), (50, (9_950, 1), 1));
        outbox.delivered(WAITING_MAX + 1, batch.lost);
        assert!(outbox.has_room_again() && !outbox.has_room_again());
        assert!(outbox.put(&raised("more")));
        assert_eq!(outbox.batch().expect("one").lost, 0);
    }
}
