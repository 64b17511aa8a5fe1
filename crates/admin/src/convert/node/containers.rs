//! Containers, as they go out.

use std::time::Duration;

use conduit_api::v1::nodes as wire;
use conduit_core::clock::Timestamp;
use conduit_monitor::figures::ContainerFigures;
use conduit_monitor::reading::container::ContainerHealth;
use conduit_monitor::view::ContainersView;

/// The containers of a node.
pub(super) fn containers(view: &ContainersView, now: Timestamp) -> wire::Containers {
    wire::Containers {
        engine: view.engine.clone(),
        containers: view.containers.iter().map(|figures| container(figures, now)).collect(),
        left_out: view.left_out as u64,
    }
}

fn container(figures: &ContainerFigures, now: Timestamp) -> wire::Container {
    let container = &figures.container;
    let since = container.started_at.map(|at| now.since(at));
    wire::Container {
        id: container.id.clone(),
        name: container.name.clone(),
        image: container.image.clone(),
        state: container.state.clone(),
        health: container.health.map(|health| word(health).to_owned()),
        cpu: figures.cpu,
        memory_bytes: container.memory,
        memory_limit_bytes: container.memory_limit,
        restarts: container.restarts,
        started_at: container.started_at.map(|at| at.to_string()),
        uptime_seconds: since.as_ref().map(Duration::as_secs),
        pids: container.pids,
        service: figures.service.clone(),
    }
}

fn word(health: ContainerHealth) -> &'static str {
    match health {
        ContainerHealth::Healthy => "healthy",
        ContainerHealth::Unhealthy => "unhealthy",
        ContainerHealth::Starting => "starting",
    }
}
