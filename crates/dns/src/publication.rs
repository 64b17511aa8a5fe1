//! The zone as it is published, by two hands: services and records come from the registry, and names of
//! ours in hosts files from what reads those.
//!
//! **Invariant:** neither takes back what the other has published, whatever comes first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conduit_core::live;
use conduit_core::record::fixed::FixedRecords;

use crate::zone::Zone;

/// Publishes zones; a clone publishes to the same readers.
#[derive(Debug, Clone)]
pub struct ZoneWriter(Arc<Mutex<live::Writer<Zone>>>);

impl ZoneWriter {
    /// Publishes a first zone.
    pub fn start(zone: Zone) -> (Self, live::Reader<Zone>) {
        let (writer, reader) = live::channel(Arc::new(zone));
        (Self(Arc::new(Mutex::new(writer))), reader)
    }

    /// What readers see now.
    pub fn current(&self) -> Arc<Zone> {
        self.writer().current()
    }

    /// Publishes the zone after a change of services or records; the names of hosts files are those
    /// in force.
    pub fn publish(&self, zone: Arc<Zone>) {
        let mut writer = self.writer();
        let hosts = Arc::clone(writer.current().hosts());
        let next = match Arc::ptr_eq(zone.hosts(), &hosts) {
            true => zone,
            false => Arc::new(zone.with_hosts(hosts)),
        };
        writer.publish(next);
    }

    /// Publishes the zone with these names of hosts files, and no others.
    pub fn set_hosts(&self, hosts: &Arc<FixedRecords>) {
        let mut writer = self.writer();
        let current = writer.current();
        if current.hosts() != hosts {
            writer.publish(Arc::new(current.with_hosts(Arc::clone(hosts))));
        }
    }

    fn writer(&self) -> MutexGuard<'_, live::Writer<Zone>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
