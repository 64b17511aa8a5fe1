//! Nodes, as they go out and come in.

mod containers;
mod gpus;
mod host;

use std::path::PathBuf;
use std::time::Duration;

use conduit_api::v1::nodes as wire;
use conduit_core::clock::Timestamp;
use conduit_core::destination::Destination;
use conduit_core::node::{Node, NodeName};
use conduit_monitor::engines::EngineFigures;
use conduit_monitor::source::SourceKind;
use conduit_monitor::view::{NodeView, SourceState};
use http::StatusCode;

use crate::error::ApiError;
use crate::limits::STALE_INTERVALS;
use crate::monitor::{Scanned, SeriesPoints, Tested};

pub(crate) use self::gpus::holders;

/// What a node is shown with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing {
    pub(crate) now: Timestamp,
    pub(crate) interval: Duration,
    pub(crate) with_containers: bool,
}

/// One node.
pub(crate) fn node(node: &NodeView, origin: wire::NodeOrigin, showing: Showing) -> wire::Node {
    let containers = node.containers.as_ref();
    let wire_containers = containers.filter(|_| showing.with_containers);
    wire::Node {
        name: node.name.to_string(),
        address: node.address.clone(),
        origin,
        state: state(node, showing.now, showing.interval),
        tags: node.tags.clone(),
        sources: node.sources.iter().map(|state| source(state, showing.now)).collect(),
        host: node.host.as_ref().map(host::host),
        gpus: node.gpus.as_ref().map(|found| gpus::gpus(found, containers)),
        containers: wire_containers.map(|found| containers::containers(found, showing.now)),
        vram: node.gpus.as_ref().map(|found| holders(found, containers)).unwrap_or_default(),
    }
}

/// Whether a node is read, by what the source of the machine itself says.
pub(crate) fn state(node: &NodeView, now: Timestamp, interval: Duration) -> wire::NodeState {
    let is_main = |state: &&SourceState| matches!(state.kind, SourceKind::Host | SourceKind::Ssh);
    let Some(main) = node.sources.iter().find(is_main) else {
        return wire::NodeState::Waiting;
    };
    match (main.read_at, &main.error) {
        (None, None) => wire::NodeState::Waiting,
        (Some(at), None) if now.since(at) <= interval * STALE_INTERVALS => wire::NodeState::Up,
        _ => wire::NodeState::Lost,
    }
}

fn source(state: &SourceState, now: Timestamp) -> wire::NodeSource {
    wire::NodeSource {
        kind: state.kind.to_string(),
        read_at: state.read_at.map(|at| at.to_string()),
        age_seconds: state.read_at.map(|at| now.since(at).as_secs_f64()),
        error: state.error.clone(),
        absent: state.is_absent,
        problems: state.problems.clone(),
    }
}

/// One engine.
pub(crate) fn engine(figures: &EngineFigures) -> wire::Engine {
    let engine = &figures.engine;
    wire::Engine {
        service: engine.service.to_string(),
        upstream: engine.upstream.to_string(),
        preset: engine.preset.to_owned(),
        running: engine.running,
        waiting: engine.waiting,
        cache_used: engine.cache_used,
        prompt_tokens: engine.prompt_tokens,
        generated_tokens: engine.generated_tokens,
        prompt_tokens_per_second: figures.prompt_rate,
        generated_tokens_per_second: figures.generated_rate,
        models: engine
            .models
            .iter()
            .map(|model| wire::LoadedModel {
                name: model.name.clone(),
                size_bytes: model.size,
                vram_bytes: model.vram,
            })
            .collect(),
        problem: engine.problem.clone(),
    }
}

/// The points of one subject.
pub(crate) fn series(series: SeriesPoints) -> wire::HistorySeries {
    let points = series.points.into_iter().map(|point| wire::HistoryPoint {
        at: point.at.to_string(),
        mean: point.mean,
        min: point.min,
        max: point.max,
    });
    wire::HistorySeries { subject: series.subject, points: points.collect() }
}

/// A machine that somebody wants to be watched or tried.
pub(crate) fn wanted(wish: wire::AddNode, now: Timestamp) -> Result<Node, ApiError> {
    let destination = |text: &str| {
        Destination::parse(text).map_err(|error| ApiError::unparsed("invalid_destination", &error))
    };
    let place = destination(&wish.destination)?;
    let name = NodeName::parse(wish.name.as_deref().unwrap_or_else(|| place.host()))
        .map_err(|error| ApiError::unparsed("invalid_node_name", &error))?;
    if RESERVED.contains(&name.as_str()) {
        let message = format!("a node cannot be called {name}; it is a path of the API");
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_node_name", message)
            .hint("give it another name"));
    }
    Ok(Node {
        name,
        destination: place,
        key: wish.key.map(PathBuf::from),
        jump: wish.jump.as_deref().map(destination).transpose()?,
        known_hosts: wish.known_hosts.map(PathBuf::from),
        fingerprint: wish.fingerprint,
        tags: wish.tags,
        added_at: now,
        removed_at: None,
    })
}

/// What came of trying a machine.
pub(crate) fn tested(node: &Node, tested: Tested) -> wire::TestReply {
    let Scanned { fingerprint, key_type, is_pinned, .. } = tested.scanned;
    let count = |count: Option<usize>| count.map(|count| count as u64);
    wire::TestReply {
        destination: node.destination.to_string(),
        fingerprint,
        key_type,
        pinned: is_pinned,
        ok: tested.error.is_none(),
        error: tested.error,
        problems: tested.problems,
        hostname: tested.hostname,
        gpus: count(tested.gpus),
        containers: count(tested.containers),
        took_ms: u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// What stands where a node's name does in the paths of the API.
const RESERVED: [&str; 1] = ["events"];

#[cfg(test)]
mod tests;
