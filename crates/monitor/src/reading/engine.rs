//! Inference engines at one moment, as they tell of themselves.
//!
//! What an engine does not tell is `None`: missing is never idle.

use conduit_core::name::ServiceName;
use conduit_core::upstream::UpstreamAddr;

/// What the engine behind one upstream tells.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineReading {
    /// The service it is behind.
    pub service: ServiceName,
    /// Which of its upstreams.
    pub upstream: UpstreamAddr,
    /// The preset it was asked by, such as `vllm`.
    pub preset: &'static str,
    /// Requests it works on.
    pub running: Option<f64>,
    /// Requests that wait in it.
    pub waiting: Option<f64>,
    /// The share of its key-value cache that is in use, 0 to 1.
    pub cache_used: Option<f64>,
    /// Tokens read since it started.
    pub prompt_tokens: Option<f64>,
    /// Tokens written since it started.
    pub generated_tokens: Option<f64>,
    /// Models in memory.
    pub models: Vec<LoadedModel>,
    /// Why it told nothing, in words for people.
    pub problem: Option<String>,
}

/// A model that is in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedModel {
    /// As the engine calls it.
    pub name: String,
    /// Bytes in all, when the engine tells.
    pub size: Option<u64>,
    /// Bytes of it on the GPU; less than `size` is slow.
    pub vram: Option<u64>,
}
