//! The name of a monitored machine: the vocabulary's own, so that the registry has the same word.

pub use conduit_core::node::{InvalidNodeName, NodeName};
