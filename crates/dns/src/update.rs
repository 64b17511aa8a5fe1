//! Changes of records by programs (dynamic update, RFC 2136), signed with a key that may make them.
//!
//! What a message asks for is judged against the zone as it is; whoever keeps the records makes the
//! change, and only if nothing came in between: else it is judged again.
//!
//! **Invariant:** an update is made whole or not at all, and at most once: what is sent again gets the
//! answer of the first time.

mod data;
mod judge;
pub(crate) mod replay;

use std::sync::Arc;

use conduit_core::catalog::Generation;
use conduit_core::record::Record;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use hickory_proto::op::Message;
use tokio::sync::{mpsc, oneshot};

use crate::interfaces::Local;
use crate::peers::Peers;
use crate::reply::{Encoded, Outcome, bare};
use crate::transfer::now_s;
use crate::tsig::Exchange;
use crate::zone::Zone;

/// What a program asks for.
#[derive(Debug)]
pub struct Change {
    /// The name of its key.
    pub by: RecordName,
    /// What it was judged against; nothing may have come in between.
    pub seen: Generation,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// One step of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This record is to be there.
    Add(Record),
    /// These are not to be.
    Remove {
        /// Whose.
        name: RecordName,
        /// Of this type; of every type when absent.
        kind: Option<Kind>,
        /// With this data; whatever they hold when absent.
        data: Option<RecordData>,
    },
}

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is made, and answered with.
    Done,
    /// Something came in between.
    Stale,
    /// It cannot be, and why.
    Refused(String),
    /// It could not be written.
    Unavailable(String),
}

/// A change that waits for its verdict.
#[derive(Debug)]
pub struct Wish {
    /// What is asked for.
    pub change: Change,
    /// Who waits.
    pub reply: oneshot::Sender<Verdict>,
}

/// The way to whoever keeps the records; cheap to clone.
#[derive(Debug, Clone)]
pub struct Updates(mpsc::Sender<Wish>);

impl Updates {
    /// A way, and its end.
    pub fn channel() -> (Self, mpsc::Receiver<Wish>) {
        let (sender, receiver) = mpsc::channel(WISHES_MAX);
        (Self(sender), receiver)
    }

    async fn make(&self, change: Change) -> Verdict {
        let (reply, verdict) = oneshot::channel();
        let gone = || Verdict::Unavailable("the gateway is stopping".to_owned());
        match self.0.send(Wish { change, reply }).await {
            Ok(()) => verdict.await.unwrap_or_else(|_| gone()),
            Err(_closed) => gone(),
        }
    }
}

/// An update with a right signature.
#[derive(Debug)]
pub struct Update {
    message: Box<Message>,
    bits: u8,
    local: Local,
    exchange: Box<Exchange>,
    peers: Arc<Peers>,
}

impl Update {
    pub(crate) fn new(
        message: Message,
        bits: u8,
        local: Local,
        exchange: Exchange,
        peers: Arc<Peers>,
    ) -> Self {
        Self { message: Box::new(message), bits, local, exchange: Box::new(exchange), peers }
    }

    /// Who signed it, when, and how: no two are alike.
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Makes the change.
    pub(crate) async fn make(&self, zone: impl Fn() -> Arc<Zone>) -> Outcome {
        let by = self.exchange.key().name();
        let (Some(holder), Some(updates)) = (self.peers.holder(by), &self.peers.updates) else {
            return Outcome::Refused;
        };
        for _ in 0..ROUNDS_MAX {
            let zone = zone();
            let steps = match judge::steps(&self.message, &zone, &self.local, holder) {
                Ok(steps) if steps.is_empty() => return Outcome::Updated,
                Ok(steps) => steps,
                Err(refusal) => {
                    // Conditions that do not hold are an answer like others.
                    if refusal.outcome == Outcome::Refused {
                        tracing::warn!(key = %by, reason = %refusal.reason, "an update is refused");
                    } else {
                        tracing::debug!(key = %by, reason = %refusal.reason, "an update is not made");
                    }
                    return refusal.outcome;
                }
            };
            let seen = zone.version().generation;
            match updates.make(Change { by: by.clone(), seen, steps }).await {
                Verdict::Done => return Outcome::Updated,
                Verdict::Stale => {}
                Verdict::Refused(reason) => {
                    tracing::warn!(key = %by, reason, "an update is refused");
                    return Outcome::Refused;
                }
                Verdict::Unavailable(reason) => {
                    tracing::error!(key = %by, reason, "an update could not be made");
                    return Outcome::Failed;
                }
            }
        }
        tracing::warn!(key = %by, "an update found something else changed each time");
        Outcome::Failed
    }

    /// What the program is told.
    pub(crate) fn reply(&self, outcome: Outcome) -> Encoded {
        let mut encoded = bare(self.message.metadata.id, self.bits, outcome);
        Exchange::clone(&self.exchange).sign(&mut encoded.bytes, now_s());
        encoded
    }
}

/// Changes that wait for whoever keeps the records.
const WISHES_MAX: usize = 32;
/// How often an update is judged again when something came in between.
const ROUNDS_MAX: u32 = 8;

#[cfg(test)]
mod tests;
