//! What a source found at one moment: raw counters and states, no rates.

pub mod container;
pub mod engine;
pub mod gpu;
pub mod host;

use conduit_core::clock::Timestamp;

use self::container::ContainersReading;
use self::engine::EngineReading;
use self::gpu::GpusReading;
use self::host::HostReading;

/// One reading. A local source fills one part, a remote machine several.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// When it was taken, by this gateway's clock.
    pub at: Timestamp,
    /// The machine itself.
    pub host: Option<HostReading>,
    /// Its GPUs; no GPU is `Some` of an empty list.
    pub gpus: Option<GpusReading>,
    /// Its containers; no engine is `None`.
    pub containers: Option<ContainersReading>,
    /// Engines of services.
    pub engines: Option<Vec<EngineReading>>,
    /// What could not be read beside what could, in words for people, such as `nvidia-smi did not
    /// answer within 8 s`.
    pub problems: Vec<String>,
}

impl Reading {
    /// A reading with nothing in it yet.
    pub fn empty(at: Timestamp) -> Self {
        Self { at, host: None, gpus: None, containers: None, engines: None, problems: Vec::new() }
    }
}
