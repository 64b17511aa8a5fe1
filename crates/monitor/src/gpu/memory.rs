//! What the thread keeps from one question to the next.

use std::collections::BTreeMap;

use super::GPUS_MAX;
use super::meter::Meter;
use super::nvml::XidCounts;
use crate::reading::gpu::Gpu;

/// What was learnt of GPUs while they answered, by PCI address, for when they do not.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: BTreeMap<String, Gpu>,
    /// Error codes seen since Conduit started.
    pub(super) xids: XidCounts,
    /// Energy that was counted before.
    pub(super) meter: Meter,
}

impl Memory {
    /// What stays the same of the GPU at an address: id, name and number.
    pub(super) fn gpu(&self, address: &str) -> Option<&Gpu> {
        self.known.get(address)
    }

    /// Keeps what stays the same of it.
    pub(super) fn remember(&mut self, address: &str, gpu: &Gpu) {
        if self.known.len() < GPUS_MAX || self.known.contains_key(address) {
            let named = Gpu { index: gpu.index, name: gpu.name.clone(), ..Gpu::of_bus(address) };
            self.known.insert(address.to_owned(), Gpu { id: gpu.id.clone(), ..named });
        }
    }
}
