//! Facts that happened, sent one way.
//!
//! Planes report and go on; the recorder decides what becomes an entry, a metric or a notice.
//!
//! **Invariant:** sending never waits. What does not fit is counted, and the count is read by the
//! recorder, which writes it down as a `gap`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::clock::Timestamp;
use crate::health::Health;
use crate::name::ServiceName;
use crate::upstream::UpstreamAddr;

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An alert was raised or cleared.
    AlertChanged {
        /// When.
        at: Timestamp,
        /// The rule and the thing, for people.
        about: String,
        /// Whether it was raised; else it was cleared.
        is_raised: bool,
        /// What is wrong, for people.
        message: String,
        /// The same for programs, as the record has it.
        details: Box<serde_json::Map<String, serde_json::Value>>,
    },
    /// A request to the admin API had no valid credentials.
    AuthFailed {
        /// When.
        at: Timestamp,
        /// The peer, as text.
        peer: String,
        /// What it asked for, method and path.
        request: String,
    },
    /// The health of a service changed.
    HealthChanged {
        /// When.
        at: Timestamp,
        /// Which service.
        service: ServiceName,
        /// Before.
        previous: Health,
        /// Now.
        current: Health,
        /// The upstream whose probe changed it.
        upstream: UpstreamAddr,
        /// Why, such as `connection refused`.
        reason: String,
    },
}

/// Makes a bounded stream of events.
pub fn channel(capacity: usize) -> (EventSink, EventStream) {
    let (sender, receiver) = mpsc::channel(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    (EventSink { sender, lost: Arc::clone(&lost) }, EventStream { receiver, lost })
}

/// Where planes report; cheap to clone.
#[derive(Debug, Clone)]
pub struct EventSink {
    sender: mpsc::Sender<Event>,
    lost: Arc<AtomicU64>,
}

impl EventSink {
    /// Reports an event, or counts it as lost when the queue is full or closed.
    pub fn send(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Where the recorder reads.
#[derive(Debug)]
pub struct EventStream {
    receiver: mpsc::Receiver<Event>,
    lost: Arc<AtomicU64>,
}

impl EventStream {
    /// The next event; `None` once every sink is gone.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// An event that is already there.
    pub fn ready(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }

    /// How many events were lost since the last call.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_counted() {
        let (sink, mut stream) = channel(1);
        let event = Event::AuthFailed {
            at: Timestamp::from_seconds(0),
            peer: "127.0.0.1".into(),
            request: "GET /".into(),
        };
        sink.send(event.clone());
        sink.send(event);
        assert!(stream.next().await.is_some());
        assert_eq!((stream.take_lost(), stream.take_lost()), (1, 0));
    }
}
