//! What is known of all nodes now: the one thing that API, CLI and metrics read.
//!
//! **Invariant:** published whole by the keeper through one live pointer; readers never touch a
//! source.

use std::collections::BTreeMap;
use std::sync::Arc;

use conduit_core::clock::Timestamp;

use crate::alert::Alert;
use crate::engines::EngineFigures;
use crate::figures::{ContainerFigures, HostFigures};
use crate::node::NodeName;
use crate::reading::gpu::GpusReading;
use crate::reading::host::HostReading;
use crate::source::SourceKind;

/// All nodes.
#[derive(Debug, Clone, Default)]
pub struct NodesView {
    /// This machine is one of them.
    pub nodes: BTreeMap<NodeName, Arc<NodeView>>,
    /// Engines of services.
    pub engines: Arc<[EngineFigures]>,
    /// Alerts that are raised now.
    pub alerts: Arc<[Alert]>,
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// What it is called.
    pub name: NodeName,
    /// Its address, as configured; `None` for this machine.
    pub address: Option<String>,
    /// Words it is grouped by.
    pub tags: Vec<String>,
    /// Its sources, and what became of their last reads.
    pub sources: Vec<SourceState>,
    /// The machine.
    pub host: Option<HostFigures>,
    /// The counters behind `host`, for the pages that Prometheus reads.
    pub counters: Option<Arc<HostReading>>,
    /// Its GPUs.
    pub gpus: Option<GpusReading>,
    /// Its containers, and the engine that runs them.
    pub containers: Option<ContainersView>,
}

impl NodeView {
    /// When the part that `kind` tells was read last; `None` while it cannot be read. Over SSH all
    /// parts are read at once.
    pub fn read_at(&self, kind: SourceKind) -> Option<Timestamp> {
        let tells = |state: &&SourceState| state.kind == kind || state.kind == SourceKind::Ssh;
        let state = self.sources.iter().find(tells)?;
        if state.error.is_none() { state.read_at } else { None }
    }
}

/// The containers of a node.
#[derive(Debug, Clone, Default)]
pub struct ContainersView {
    /// The engine and its version.
    pub engine: String,
    /// By name.
    pub containers: Vec<ContainerFigures>,
    /// How many more there are.
    pub left_out: usize,
}

impl ContainersView {
    /// The container with this id.
    pub fn find(&self, id: &str) -> Option<&ContainerFigures> {
        self.containers.iter().find(|figures| figures.container.id == id)
    }
}

/// What became of a source's reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Which source.
    pub kind: SourceKind,
    /// When it last gave a reading.
    pub read_at: Option<Timestamp>,
    /// Why the last read failed, in words for people; `None` when it did not.
    pub error: Option<String>,
    /// Whether the failure is a state and not a fault: nothing to read here.
    pub is_absent: bool,
    /// What was missing in the last reading, in words for people.
    pub problems: Vec<String>,
}
