//! The zone as it is published, by two hands: services and records come from the registry, and names of
//! ours in hosts files from what reads those.
//!
//! **Invariant:** neither takes back what the other has published, whatever comes first; and the serial
//! moves with either.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conduit_core::live;
use conduit_core::record::fixed::FixedRecords;

use crate::lists::hosts::HostsNames;
use crate::zone::Zone;

/// Publishes zones; a clone publishes to the same readers.
#[derive(Debug, Clone)]
pub struct ZoneWriter(Arc<Mutex<Hand>>);

struct Hand {
    writer: live::Writer<Zone>,
    steps: Steps,
}

/// Told what names of ours hosts files have now, says what their changes so far add to the serial.
pub type Steps = Box<dyn FnMut(&Arc<FixedRecords>) -> u64 + Send>;

impl ZoneWriter {
    /// Publishes a first zone; its serial forgets at the end of the process how often hosts files changed.
    pub fn start(zone: Zone) -> (Self, live::Reader<Zone>) {
        let (writer, reader) = live::channel(Arc::new(zone));
        let (mut last, mut steps) = (Arc::<FixedRecords>::default(), 0);
        let steps = Box::new(move |hosts: &Arc<FixedRecords>| {
            if last != *hosts {
                last = Arc::clone(hosts);
                steps += 1;
            }
            steps
        });
        (Self(Arc::new(Mutex::new(Hand { writer, steps }))), reader)
    }

    /// Has changes of hosts files counted by who remembers them.
    pub fn count_with(&self, steps: Steps) {
        self.hand().steps = steps;
    }

    /// What readers see now.
    pub fn current(&self) -> Arc<Zone> {
        self.hand().writer.current()
    }

    /// Publishes the zone after a change of services or records; the names of hosts files are those
    /// in force.
    pub fn publish(&self, zone: Arc<Zone>) {
        let mut hand = self.hand();
        let current = hand.writer.current();
        let is_as_now =
            zone.hosts().is_shared_with(current.hosts()) && zone.hosts_steps == current.hosts_steps;
        let next = match is_as_now {
            true => zone,
            false => Arc::new(zone.with_hosts(current.hosts().clone(), current.hosts_steps)),
        };
        hand.writer.publish(next);
    }

    /// Publishes the zone with these names of hosts files, and no others.
    pub fn set_hosts(&self, hosts: &HostsNames) {
        let mut hand = self.hand();
        let current = hand.writer.current();
        let steps = (hand.steps)(hosts.records());
        if current.hosts() != hosts || current.hosts_steps != steps {
            hand.writer.publish(Arc::new(current.with_hosts(hosts.clone(), steps)));
        }
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hand").field("writer", &self.writer).finish_non_exhaustive()
    }
}
