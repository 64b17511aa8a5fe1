//! The driver's error codes (XID), which the library hands out as events.

use std::collections::BTreeMap;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::{Device, EventSet, Nvml};

use super::super::GPUS_MAX;
use crate::reading::gpu::Xid;

/// The last error code of each GPU, and how many there were, by PCI address.
#[derive(Debug, Default)]
pub(in crate::gpu) struct XidCounts(BTreeMap<String, Xid>);

impl XidCounts {
    /// Of one GPU; `None` when none was seen.
    pub(super) fn of(&self, address: &str) -> Option<Xid> {
        self.0.get(address).copied()
    }

    fn add(&mut self, address: &str, code: u64) {
        if self.0.len() < GPUS_MAX || self.0.contains_key(address) {
            let xid = self.0.entry(address.to_owned()).or_insert(Xid { code, count: 0 });
            *xid = Xid { code, count: xid.count.saturating_add(1) };
        }
    }
}

/// Listens for error codes, for as long as the library is open.
#[derive(Debug)]
pub(in crate::gpu) struct Watch<'nvml> {
    nvml: &'nvml Nvml,
    /// A set of its own for each GPU, so that one that fails takes no other with it.
    sets: BTreeMap<String, Option<EventSet<'nvml>>>,
}

impl<'nvml> Watch<'nvml> {
    /// Listens to nobody yet.
    pub(in crate::gpu) fn new(nvml: &'nvml Nvml) -> Self {
        Self { nvml, sets: BTreeMap::new() }
    }

    /// Counts what has come of a GPU since it was last asked, without waiting. Whether the GPU is
    /// listened to; the first call begins it.
    pub(super) fn drain(
        &mut self,
        address: &str,
        device: &Device<'nvml>,
        counts: &mut XidCounts,
    ) -> bool {
        if !self.sets.contains_key(address) && self.sets.len() < GPUS_MAX {
            let made = self.nvml.create_event_set().ok();
            let types = EventTypes::CRITICAL_XID_ERROR;
            let set = made.and_then(|set| device.register_events(types, set).ok());
            self.sets.insert(address.to_owned(), set);
        }
        let Some(Some(set)) = self.sets.get(address) else { return false };
        for _ in 0..EVENTS_MAX {
            let Ok(event) = set.wait(NO_WAIT_MS) else { break };
            match event.event_data {
                Some(XidError::Value(code)) => counts.add(address, code),
                Some(XidError::Unknown) => counts.add(address, UNKNOWN_XID),
                None => {}
            }
        }
        true
    }
}

/// Events that are taken at one time; the others wait for the next.
const EVENTS_MAX: usize = 64;
/// What waiting for an event that may already be there takes.
const NO_WAIT_MS: u32 = 0;
/// How the library calls an error without a code.
const UNKNOWN_XID: u64 = 999;
