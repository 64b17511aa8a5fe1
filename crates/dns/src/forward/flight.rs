//! Questions that are being asked.
//!
//! **Invariant:** a question is in flight at most once; flights are bounded in number, and so are
//! those who wait for each. A flight that ends in any way, also by a panic, is off the table, and
//! whoever waited learns of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::sync::watch;

use super::answer::Answer;

type Sender = watch::Sender<Option<Arc<Answer>>>;
type Table = HashMap<Box<[u8]>, Arc<Sender>, RandomState>;

/// The table of flights; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<Table>>);

/// What joining came to.
#[derive(Debug)]
pub(crate) enum Joined {
    /// Nobody asks yet: whoever holds the ticket does.
    First(Ticket, Wait),
    /// Somebody asks.
    Later(Wait),
    /// There are too many.
    Full,
}

/// The duty to ask; dropping it ends the flight.
#[derive(Debug)]
pub(crate) struct Ticket {
    key: Box<[u8]>,
    sender: Arc<Sender>,
    flights: Flights,
}

/// Waiting for a flight.
#[derive(Debug)]
pub(crate) struct Wait(watch::Receiver<Option<Arc<Answer>>>);

impl Flights {
    /// Takes part in asking a question.
    pub(crate) fn join(&self, key: &[u8]) -> Joined {
        let mut table = self.table();
        if let Some(sender) = table.get(key) {
            return match sender.receiver_count() < WAITERS_MAX {
                true => Joined::Later(Wait(sender.subscribe())),
                false => Joined::Full,
            };
        }
        if table.len() >= FLIGHTS_MAX {
            return Joined::Full;
        }
        let (sender, receiver) = watch::channel(None);
        let sender = Arc::new(sender);
        table.insert(key.into(), Arc::clone(&sender));
        let ticket = Ticket { key: key.into(), sender, flights: self.clone() };
        Joined::First(ticket, Wait(receiver))
    }

    /// How many questions are being asked.
    pub(crate) fn len(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Tells everybody who waits.
    pub(crate) fn land(self, answer: Arc<Answer>) {
        self.sender.send_replace(Some(answer));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.flights.table().remove(&self.key);
    }
}

impl Wait {
    /// What was found out; `None` when the flight ended without anything.
    pub(crate) async fn landed(&mut self) -> Option<Arc<Answer>> {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|answer| answer.clone())
    }
}

/// Questions being asked at once.
pub(crate) const FLIGHTS_MAX: usize = 512;
/// Clients that wait for one of them.
const WAITERS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::{asked, query_of};
    use std::time::Duration;

    fn answer() -> Arc<Answer> {
        let pending = asked("a.example.", "A");
        Arc::new(Answer::failed(&query_of(&pending), Duration::from_secs(1)).expect("fits"))
    }

    #[tokio::test]
    async fn one_asks_and_all_learn() {
        let flights = Flights::default();
        let Joined::First(ticket, mut first) = flights.join(b"k") else { panic!("not first") };
        let Joined::Later(mut second) = flights.join(b"k") else { panic!("not second") };
        ticket.land(answer());
        assert!(first.landed().await.is_some() && second.landed().await.is_some());
        assert_eq!(flights.len(), 0);
        let Joined::First(ticket, mut wait) = flights.join(b"k") else { panic!("not again") };
        drop(ticket);
        assert!(wait.landed().await.is_none(), "an end without an answer");
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn flights_and_waiters_are_bounded() {
        let flights = Flights::default();
        let keys = (0..FLIGHTS_MAX).map(|n| n.to_be_bytes());
        let _held: Vec<Joined> = keys.map(|key| flights.join(&key)).collect();
        assert!(matches!(flights.join(b"one more"), Joined::Full));
        let key = 0_usize.to_be_bytes();
        let waiting: Vec<Joined> = (1..WAITERS_MAX).map(|_| flights.join(&key)).collect();
        assert!(waiting.iter().all(|joined| matches!(joined, Joined::Later(_))));
        assert!(matches!(flights.join(&key), Joined::Full));
        drop(waiting);
        assert!(matches!(flights.join(&key), Joined::Later(_)));
    }
}
